"""What there is to end for somebody: the steps of a case, by the connections that there are at that moment."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from leaver.cases import identities
from leaver.cases.kinds import is_ended_by
from leaver.cases.record import PURGE, REPLACE, STILL_THEIRS, Case, Search, Step
from leaver.cases.start import COMMANDS
from leaver.connections.record import Connection, Connections, Unreadable
from leaver.errors import BadMessage, Rejected, explain
from leaver.messages.commands import RevokeAccessToken
from leaver.messages.events import Subject
from leaver.messages.names import name_of
from leaver.providers.entry import LeaverStep, Providers

#: whose a command is that ends nothing at a provider, but Leaver's own copies
OURS: Final = "leaver"
#: how a name stands among a person's identities that an earlier case knew, and that may be somebody else's by now
MARK: Final[Mapping[str, str]] = {"known": "before"}
#: why nothing is sent for it
NOBODY_CAN_TELL: Final = (
    "an earlier case knew this name, and nothing tells whose it is by now: end that access by a command of its own if "
    "it is the leaver's; then close the step"
)
#: the same of a connection that came long after the case began
GIVEN_LATE: Final = (
    "it was given days after the case began, and nothing tells whose the address is by now: end that access by a "
    "command of its own if it is the leaver's; then close the step"
)
#: and for an address that a provider says is somebody else's when the case begins
ANOTHERS_BY_NOW: Final = (
    "somebody else has this address by now: end the leaver's access under the leaver's own address by a command of its "
    "own; then close the step"
)


@dataclass(frozen=True)
class StepFinder:
    """Finds the steps of a case, when it is recorded and once more before it is completed."""

    connections: Connections
    providers: Providers

    def find_anew(self, case: Case) -> Sequence[Step]:
        """Find what has to end for a case's person as of now."""
        return self.search(case).steps

    def search(self, case: Case) -> Search:
        """The same, and where it was looked for; a sweep only looks once more at what was there.

        What somebody who stays has connected since the case began is theirs.
        """
        if case.sweep_of is not None:
            return Search((), ())
        accounts = {name: self.connections.accounts(name) for name in self.providers}
        doubted = find_doubted(case)
        owners = sorted({*doubted, *case.names})
        steps = [*self._find_at_providers(case, accounts)]
        owned = [each for each in self._owned_by(owners) if not _is_of_who_stays(each, case)]
        for record in owned:
            for grant in _living_grants(record, owners):
                is_theirs = _is_theirs(grant, record, case)
                if is_theirs is False:
                    continue
                step = _of_grant(grant, record, case)
                while any(each.name == step.name for each in steps):
                    # Another grant of that connection, which was replaced and lives.
                    step = step.model_copy(update={"alias": (step.alias or 1) + 1})
                # A grant that was recorded while the address was the leaver's is theirs.
                is_in_doubt = is_theirs is None and step not in case.steps
                doubt = (
                    doubted.get(name_of(grant.get("owner", ""))) or _find_doubt(record, case) if is_in_doubt else None
                )
                steps.append(step.model_copy(update={"refused": doubt}) if doubt else step)
        # Leaver must not be switched off by somebody's leaving: a person replaces what it works through, at last.
        steps.sort(key=lambda step: [*COMMANDS, REPLACE].index(step.command))
        found = [step for step in steps if is_ended_by(case.kind, step.command)]
        at_accounts = [f"{name}/{account}" for name in accounts for account in accounts[name]]
        searched = [{"account": at, "found": case.identities.get(at, "")} for at in at_accounts]
        searched += [{"provider without an account": name} for name in accounts if not accounts[name]]
        searched += [{"owner of connections": name} for name in owners]
        return Search(found, tuple(searched))

    def _find_at_providers(self, case: Case, accounts: Mapping[str, Collection[str]]) -> Iterator[Step]:
        """The steps of each account under each of the person's names; what an earlier name ends needs no second."""
        # Where every account was given up, none is waited for; what Leaver keeps of the person is its own.
        gone = {name for name, those in accounts.items() if not those and self.connections.given_up(name)}
        deactivates = case.policy is not None and case.policy.deactivate_users
        # Before the case begins, what is known by now takes the place of what was recorded.
        standing = {step.name: step for step in case.steps if case.started_at}
        found: dict[tuple[str, str], list[Step]] = {}
        for number, subject in enumerate(case.subjects, 1):
            for at, each in identities.steps(subject, self.providers, accounts, case.ids_of(subject)):
                if at in gone and each.command.system != OURS:
                    continue
                step = as_step(case.case_id, at, each, alias=number if number > 1 else None)
                if refused := _doubt(step, subject, case):
                    step = step.model_copy(update={"refused": refused})
                elif case.is_untold or name_of(subject.email) in case.lost_addresses:
                    step = by_id_alone(step)
                before = found.setdefault((step.command, at), [])
                if each.opt_in and not deactivates:
                    continue
                # What waits for a person ends nothing that can be ended.
                enders = [other for other in before if other.refused is None or step.refused is not None]
                if not any(_ends_the_same(other, step, subject) for other in enders):
                    yield step
                # A case's step is never rewritten: what it acts on is what it was recorded with.
                before.append(standing.get(step.name, step))

    def _owned_by(self, names: Sequence[str]) -> Iterator[Connection | Unreadable]:
        """What the person has or answers for, or did; a record that can't be read stops nothing but its own step."""
        for each in self.connections.owned_by(*names):
            try:
                record = self.connections.read(each)
            except BadMessage:
                # The index is behind the table: it is gone.
                continue
            except Rejected as error:
                yield Unreadable(connection=each, reason=error.reason)
            else:
                yield record


def _is_of_who_stays(record: Connection | Unreadable, case: Case) -> bool:
    if case.kind == "departure" or case.started_at is None or isinstance(record, Unreadable):
        return False
    return record.granted_at is not None and record.granted_at > case.started_at


def _living_grants(record: Connection | Unreadable, names: Collection[str]) -> Iterator[dict[str, str]]:
    """The grants of a person's that a connection has or had, and of whose end there is no word."""
    if isinstance(record, Unreadable):
        yield {}
        return
    # Whoever gave it may have had another address then.
    is_owned = not {name_of(record.owner), name_of(record.owner_id or "")}.isdisjoint(names)
    if is_owned and record.revocation() is None and record.given_up_at is None:
        yield record.grant
    if record.replaced_owner and name_of(record.replaced_owner) in names and record.replaced_outcome is None:
        yield {"owner": record.replaced_owner}


def _is_theirs(grant: Mapping[str, str], record: Connection | Unreadable, case: Case) -> bool | None:
    """Whether the grant is the leaver's, by the account's own id of who gave it; None where no id tells."""
    if "owner_id" not in grant or isinstance(record, Unreadable):
        return None
    at, owner_id = f"{record.provider}/{record.account}", grant["owner_id"]
    ids = {id_ for where, id_ in case.identities.items() if where == at or where.startswith(f"{at} ")}
    given = {id_ for subject in case.subjects for id_ in subject.identities.get(record.provider, {}).values()}
    if owner_id in ids | given or name_of(owner_id) in case.names:
        return True
    return False if ids else None


def _find_doubt(record: Connection | Unreadable, case: Case) -> str | None:
    """Why a personal connection may be somebody new's, who has the address by now."""
    if isinstance(record, Unreadable) or record.role != "personal" or not (record.granted_at and case.theirs_at):
        return None
    return GIVEN_LATE if record.granted_at > case.theirs_at + STILL_THEIRS else None


def _of_grant(grant: dict[str, str], record: Connection | Unreadable, case: Case) -> Step:
    """The step of a connection's grant; one that came after a step of another grant has its own."""
    is_replaced = isinstance(record, Connection) and record.role == "service"
    step = Step(
        command=REPLACE if is_replaced else RevokeAccessToken.__name__,
        at=record.connection,
        identity=grant["owner"] if is_replaced else record.connection,
        detail=grant,
        refused=record.reason if isinstance(record, Unreadable) else None,
    )
    standing = [each for each in case.steps if (each.command, each.at) == (step.command, step.at)]
    if case.started_at is None or not standing:
        return step
    same = (each for each in standing if grant.items() <= each.detail.items())
    return next(same, step.model_copy(update={"alias": len(standing) + 1}))


def _doubt(step: Step, subject: Subject, case: Case) -> str | None:
    """Why it may act on somebody else; None of an id, which a provider gives to nobody else."""
    is_by_address = name_of(step.identity) == name_of(subject.email)
    if _is_marked(subject, step.provider or "") and (step.is_added or is_by_address):
        return NOBODY_CAN_TELL
    return ANOTHERS_BY_NOW if is_by_address and name_of(subject.email) in case.lost_addresses else None


def find_doubted(case: Case) -> Mapping[str, str]:
    """The person's addresses that may be somebody else's by now, and why: nothing tells whose connections those are."""
    sure = {name_of(each.email) for each in case.subjects if not any(_is_marked(each, at) for at in each.identities)}
    marked = {name_of(each.email) for each in case.subjects} - sure
    return dict.fromkeys(case.lost_addresses, ANOTHERS_BY_NOW) | dict.fromkeys(marked, NOBODY_CAN_TELL)


def by_id_alone(step: Step) -> Step:
    """The same; but where a purge has the provider's own id, what is kept for the address may be somebody new's."""
    if step.command == PURGE and step.found_by == "account":
        return step.model_copy(update={"detail": {"user_id": step.identity}})
    return step


def _is_marked(subject: Subject, provider: str) -> bool:
    return MARK.items() <= subject.identities.get(provider, {}).items()


def _ends_the_same(one: Step, other: Step, subject: Subject) -> bool:
    """Whether nothing lives under the other name; an id that a provider itself gave for an address is that address.

    An id that HR gives as well is meant by itself: whoever had the address may have had another.
    """
    address = name_of(subject.email)
    is_given = other.identity in subject.identities.get(other.provider or "", {}).values()
    is_its_id = other.found_by == "account" and name_of(one.identity) == address and not is_given
    has_its_id = "found_by" in one.detail and name_of(one.detail["email"]) == name_of(other.identity) == address
    return is_its_id or has_its_id or folded(one.detail) == folded(other.detail)


def folded(detail: Mapping[str, str]) -> Mapping[str, str]:
    """Whom a step is about: how somebody was found before says nothing of who that is."""
    return {field: name_of(text) for field, text in detail.items() if field != "found_by"}


def as_step(case_id: str, at: str, step: LeaverStep, *, alias: int | None) -> Step:
    """A step, also where its command can't be sent: what one provider's syntax refuses, no other has to wait for."""
    try:
        step.command.model_validate({**step.fields, "case_id": case_id})
        refused = None
    except ValidationError as error:
        refused = explain(error, step.command)
    return Step(
        command=step.command.__name__,
        at=at,
        alias=alias,
        identity=next(iter(step.fields.values())),
        found_by=step.found_by,
        detail=dict(step.fields),
        refused=refused,
    )
