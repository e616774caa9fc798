"""Revoke every Venafi grant of an identity, and prove that none is left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.late import FOUND_LATE, tell_age
from leaver.cases.receipts import Progress
from leaver.cases.record import STILL_THEIRS
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.consuming.previews import COUNT, Previews
from leaver.errors import BadMessage, ProviderResponse, ProviderUnavailable, Rejected
from leaver.messages.commands import RevokeGrants
from leaver.outcomes import Outcome, Result
from leaver.providers.side_by_side import beside
from leaver.providers.venafi.api import Application, Grantee, Identity, Venafi, same_identity
from leaver.providers.venafi.identities import Found, fold
from leaver.providers.venafi.search import Nobody, PeopleSearch
from leaver.settings import ActsOnPeople, EndsAccess, SearchesVenafi
from leaver.storage.tables import Value

#: why nobody of HR's name may be somebody all the same
UNDER_THE_ADDRESS: Final = (
    "HR's name is nobody's, and HR's address is somebody's who has grants: end those by a command of their own, or "
    "mend the name at HR; close the step if they are somebody else's"
)
#: why it can not be told whose grants are the leaver's
TWO_ARE_NAMED: Final = (
    "HR's name is {}, and HR's address is of {}: end the grants of whoever is the leaver by a command of their own; "
    "close the step if one of them is somebody else"
)
#: why a name that came later ends nothing by itself
NOT_PROVED: Final = (
    "a later event's name is {}, and nothing proves that this is the leaver: end its grants by a command of their own "
    "if it is; then close the step"
)
NOBODY_ADDED: Final = (
    "nobody has the name that a later event gave, and the leaver may have another: let HR give the right one; then "
    "close the step"
)
#: what Venafi said to the revocation, in an operation's progress
SAID: Final = ("outcome", "status", "code")


class Settings(ActsOnPeople, SearchesVenafi, EndsAccess):
    """What `revoke_grants` reads from its environment."""


def revoke_grants(
    command: RevokeGrants,
    progress: Progress,
    *,
    venafi: Venafi,
    tokens: AccessTokens,
    search: PeopleSearch,
    age_of: Callable[[RevokeGrants], timedelta],
) -> Result:
    """Revoke, and claim `revoked` only when Venafi itself then counts no grant; the details say whose they were.

    A slow Venafi takes longer for these calls than a function lives: `progress` holds who was found, and what Venafi
    said to the revocation. Whoever was found first is the leaver, whoever has the address by now. `age_of` is
    tell_age().
    """

    def revoke(connection: Connection, access_token: SecretStr) -> Result:
        if command.application_id is not None:
            return revoke_all(Application(command.application_id), progress, venafi=venafi, access_token=access_token)
        asked = AskedOfVenafi(venafi, search, connection.version, access_token)
        if "prefixed_universal" not in progress:
            # For whom the token speaks is needed next, and is remembered; an answer that fails is asked for again then.
            with beside(partial(venafi.verify_once, access_token)):
                found = asked.find(command.subject)
            if isinstance(found, Nobody):
                return tell_of_nobody(found, command, asked)
            if found.found_by != "prefixed_universal" and age_of(command) > STILL_THEIRS:
                late = FOUND_LATE.format(found.identity.prefixed_universal)
                return Result(Outcome.NOT_SEARCHABLE, details={"because": late})
            if doubt := asked.find_doubt(found.identity, command):
                return Result(Outcome.NOT_SEARCHABLE, details=doubt)
            progress.update(found.details_of(command.subject))
        who = {name: told for name, told in progress.items() if name not in SAID}
        named = str(progress["prefixed_universal"])
        result = revoke_all(Grantee(named), progress, venafi=venafi, access_token=access_token)
        ended = replace(result, details={**result.details, **who})
        # Whoever has the address may be somebody new: they keep everything, and a person is asked.
        two = asked.find_two(named, command.email) if command.is_believed or command.is_added else None
        if two is None:
            return ended
        return replace(ended, outcome=Outcome.NOT_SEARCHABLE, details={**ended.details, "because": two})

    return tokens.with_token(command.connection, revoke)


def look_for_grants(
    command: RevokeGrants, *, venafi: Venafi, tokens: AccessTokens, search: PeopleSearch
) -> dict[str, Value]:
    """Find whose grants would be revoked and how many there are, and change nothing."""
    if command.application_id is not None:
        raise BadMessage("application_id: what every user has is not counted beforehand")

    def look(connection: Connection, access_token: SecretStr) -> dict[str, Value]:
        asked = AskedOfVenafi(venafi, search, connection.version, access_token)
        found, scope = asked.find(command.subject), {"scope": tokens.scope_of(connection)}
        if isinstance(found, Nobody):
            return {**tell_of_nobody(found, command, asked).details, "nobody": True, **scope}
        named = found.identity.prefixed_universal
        grants = venafi.count_grants(Grantee(named), access_token)
        doubt = asked.find_doubt(found.identity, command)
        return {**found.details_of(command.subject), COUNT: grants, **doubt, **scope}

    return tokens.with_token(command.connection, look)


@dataclass(frozen=True)
class AskedOfVenafi:
    """What Venafi is asked of people, over one connection."""

    venafi: Venafi
    search: PeopleSearch
    version: str
    access_token: SecretStr

    def find(self, value: str) -> Found | Nobody:
        """Find somebody, as PeopleSearch.find() has it."""
        return self.search.find(value, version=self.version, access_token=self.access_token)

    def has_grants(self, prefixed_universal: str) -> bool:
        """Whether anything lives there."""
        return bool(self.venafi.remaining_grants(Grantee(prefixed_universal), self.access_token))

    def find_doubt(self, found: Identity, command: RevokeGrants) -> dict[str, str]:
        """Tell why nobody may lose anything by HR's name; nothing where it is the leaver's."""
        named, address = found.prefixed_universal, command.email
        if command.is_believed or address is None:
            return {}
        if not command.is_added:
            two = self.find_two(named, address, [named])
            return {"because": two} if two else {}
        own = {fold(each) for each in self.search.find_addresses(found, access_token=self.access_token)}
        if fold(address) in own or (not own and self._is_nobodys(address)):
            # Of an identity without an address HR's word is the only one, if nobody has HR's address.
            return {}
        return {"because": NOT_PROVED.format(named), "name_is_of": named}

    def find_two(self, named: str, address: str | None, also: Sequence[str] = ()) -> str | None:
        """Tell that the address is another identity's than the named one; None where it is not, or nothing lives.

        Nothing may live there, or in `also`.
        """
        if address is None:
            return None
        owners = self._find_owners(address)
        ids = () if isinstance(owners, Nobody) else [each.prefixed_universal for each in owners]
        others = [each for each in ids if not same_identity(each, named)]
        lives = others and any(map(self.has_grants, (*others, *also)))
        return TWO_ARE_NAMED.format(named, ", ".join(others)) if lives else None

    def _is_nobodys(self, address: str) -> bool:
        """Whether it is proved that nobody has the address."""
        owners = self._find_owners(address)
        return owners.because is None if isinstance(owners, Nobody) else not owners

    def _find_owners(self, address: str) -> Sequence[Identity] | Nobody:
        return self.search.find_owners(address, version=self.version, access_token=self.access_token)


def tell_of_nobody(nobody: Nobody, command: RevokeGrants, asked: AskedOfVenafi) -> Result:
    """Say that nobody has the name, and why that proves nothing, where it does not."""
    because, address = nobody.because, command.email
    if because is None and address is not None:
        # HR's name may be mistyped. Whoever has the address may be somebody new: they lose nothing by it.
        owner = asked.find(address)
        if isinstance(owner, Nobody):
            because = owner.because
        elif asked.has_grants(owner.identity.prefixed_universal):
            because = UNDER_THE_ADDRESS
    if because is None:
        told = {"because": NOBODY_ADDED} if command.is_added else {}
        return Result(Outcome.USER_NOT_FOUND, details={**nobody.details, **told})
    return Result(Outcome.NOT_SEARCHABLE, details={**nobody.details, "because": because})


def revoke_all(target: Grantee | Application, progress: Progress, *, venafi: Venafi, access_token: SecretStr) -> Result:
    """Revoke every grant of the target; raises ProviderUnavailable where Venafi then still counts one."""
    if "outcome" not in progress:
        refuse_to_revoke_ourselves(target, venafi=venafi, access_token=access_token)
        result = venafi.revoke_grants(target, access_token)
        progress.update(outcome=result.outcome, status=result.response.status or 200, code=result.response.code or "")
    outcome, status, code = (progress[name] for name in SAID)
    if venafi.remaining_grants(target, access_token, at_once=True):
        for name in SAID:
            del progress[name]
        raise ProviderUnavailable("Venafi reported success and still counts grants", ProviderResponse(200))
    return Result(Outcome(str(outcome)), ProviderResponse(int(status), str(code) or None), details={"grants_left": 0})


def refuse_to_revoke_ourselves(target: Grantee | Application, *, venafi: Venafi, access_token: SecretStr) -> None:
    """Raise Rejected where the target is what Leaver itself works through: nobody could be cut off any more."""
    own = venafi.verify_once(access_token)
    match target:
        case Grantee():
            if same_identity(target.prefixed_universal, own.identity):
                raise Rejected("this is the identity that Leaver itself works as")
        case Application():
            if target.application_id.casefold() == own.application.casefold():
                raise Rejected("this is the application that Leaver itself works through")


def consumer() -> Consumer[RevokeGrants]:
    """What works through the queue `revoke-grants`."""
    settings = bootstrap.settings_of(Settings)
    tokens = bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider="venafi")
    venafi = bootstrap.api(Venafi, settings.venafi_url, settings.venafi_ca_bundle)
    search = PeopleSearch(
        venafi,
        prefixes=settings.venafi_prefixes,
        known_addresses=settings.venafi_known_address,
        clock=bootstrap.now,
    )
    age_of = partial(tell_age, cases=bootstrap.cases(settings.cases_table), clock=bootstrap.now)
    operation = partial(revoke_grants, venafi=venafi, tokens=tokens, search=search, age_of=age_of)
    look = partial(look_for_grants, venafi=venafi, tokens=tokens, search=search)
    previews = Previews(look, bootstrap.preview_answers(settings.deliveries_table))
    return bootstrap.paced_consumer(
        RevokeGrants, operation, settings, tokens, ending=settings, resumes=True, previews=previews
    )


lambda_handler = bootstrap.serve(consumer)
