"""The providers, Leaver's connections to them, and what those connections can see and do there."""

from collections.abc import Iterator, Sequence

from leaver.connections.record import Connection, Status
from leaver.providers.time_left import TOO_LATE
from leaver_cli.connections.forms import MISSING_SCOPES
from leaver_cli.connections.health import health, needs_a_person
from leaver_cli.connections.misfits import find_misfits, unknown_owner
from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import NOBODY, Asked, Seat

_LATE = "nobody answered in time: the function fails, or its queue is full"
_LOOK_AGAIN = "look again; if it stays so, Venafi is slow: name who is not found by prefixed_universal"
_CONFIGURE = "docs/deploy.md, VenafiPrefixes and VenafiKnownAddress"
_SEE_LOG = "`leaver parked`, and `leaver doctor --probe`: which queue is not worked on"


def look_at_providers(seat: Seat) -> Row:
    """Whether every provider that the company has is connected, and every connection is used."""
    misfits = find_misfits(seat.deployment)
    accounts: dict[str, list[str]] = {name: [] for name in seat.listed("Providers")}
    for each in seat.worked_through:
        accounts[each.provider].append(each.account)
    says = "; ".join(f"{name}: {', '.join(those) or 'no account'}" for name, those in accounts.items())
    remarks = [each.what for each in misfits if not each.to_do]
    troubles = tuple(Trouble(each.what, each.to_do) for each in misfits if each.to_do)
    return Row("providers", "; ".join([says, *remarks]), troubles)


def look_at_connections(seat: Seat) -> Row:
    """How every connection is, whatever it is to."""
    at = seat.deployment.now()
    troubles = [
        Trouble(f"{each.connection}: its record can't be read ({each.reason})", "mend its item in Connections")
        for each in seat.unreadable
    ]
    standing = [each for each in seat.records if each.status is not Status.REVOKED or needs_a_person(each)]
    for each in standing:
        # A personal one is used once, when its owner leaves, and has long expired until then.
        has_expired = each.role == "service" and each.expires_at <= at
        if needs_a_person(each) or each.failures or has_expired:
            troubles.append(Trouble(f"{each.connection}: {health(each, at)}", _remedy(each)))
    count = len(standing) + len(seat.unreadable)
    return Row("connections", f"{count - len(troubles)} of {count} work", tuple(troubles))


def look_at_owners(seat: Seat) -> Row:
    """Whether each provider knows the owners of its connections: nobody notices when somebody unknown leaves."""
    known, troubles = [], []
    for each in _of_owners(seat):
        if each.answer is None or each.answer.because is not None:
            troubles.append(_unanswered(each))
        elif each.answer.found.get("nobody"):
            troubles.append(Trouble(*unknown_owner(each.connection)))
        else:
            known.append(each.who)
    return Row("owners", f"known: {', '.join(dict.fromkeys(known)) or 'none'}", tuple(troubles))


def look_at_scopes(seat: Seat) -> Row:
    """What the tokens of each connection may do, by the provider's own word."""
    troubles = []
    for each in _of_nobody(seat):
        if each.answer is None or each.answer.because is not None:
            troubles.append(_unanswered(each))
            continue
        again = f"grant it, then: leaver connect {each.connection.provider} {each.connection.connection}"
        missing = MISSING_SCOPES[each.connection.provider](str(each.answer.found.get("scope", "")))
        troubles += [Trouble(f"{each.connection.connection}: {what}", again) for what in missing]
    names = ", ".join(each.connection.connection for each in _of_nobody(seat))
    return Row("scopes and roles", f"looked at: {names or 'no connection'}", tuple(troubles))


def look_at_searches(seat: Seat) -> Row:
    """Whether a search that finds nobody proves that there is nobody."""
    proved, troubles = [], []
    for each in _of_nobody(seat):
        if each.answer is None or each.answer.because is not None:
            continue  # said of its scopes
        if because := each.answer.found.get("because"):
            what = f"{each.connection.connection}: who is not found there is not proved to be nobody: {because}"
            troubles.append(Trouble(what, _LOOK_AGAIN if because == TOO_LATE else _CONFIGURE))
        else:
            proved.append(each.connection.connection)
    return Row("searches", f"proved: {', '.join(proved) or 'none'}", tuple(troubles))


def _of_nobody(seat: Seat) -> Sequence[Asked]:
    return [each for each in seat.asked if each.who == NOBODY]


def _of_owners(seat: Seat) -> Iterator[Asked]:
    return (each for each in seat.asked if each.who != NOBODY)


def _unanswered(each: Asked) -> Trouble:
    because = each.answer.because if each.answer else _LATE
    return Trouble(f"{each.connection.connection}: could not be asked: {because}", _SEE_LOG)


def _remedy(record: Connection) -> str:
    if needs_a_person(record):
        return f"leaver connect {record.provider} {record.connection}"
    return f"mend what its reason says; leaver refresh {record.connection}"
