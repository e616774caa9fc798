"""Revoke every Venafi grant of an identity, and prove that none is left."""

from dataclasses import replace
from functools import partial
from typing import Final

from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.receipts import Progress
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from leaver.messages.commands import RevokeGrants
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi.api import Application, Grantee, Venafi, same_identity
from leaver.providers.venafi.identities import Found
from leaver.providers.venafi.search import Nobody, PeopleSearch
from leaver.settings import ActsOnPeople, EndsAccess, SearchesVenafi

#: why nobody of HR's name may be somebody all the same
UNDER_THE_ADDRESS: Final = (
    "HR's name is nobody's, and HR's address is somebody's who has grants: end those by a command of their own, or "
    "mend the name at HR; close the step if they are somebody else's"
)
#: what Venafi said to the revocation, in an operation's progress
SAID: Final = ("outcome", "status", "code")


class Settings(ActsOnPeople, SearchesVenafi, EndsAccess):
    """What `revoke_grants` reads from its environment."""


def revoke_grants(
    command: RevokeGrants, progress: Progress, *, venafi: Venafi, tokens: AccessTokens, search: PeopleSearch
) -> Result:
    """Revoke, and claim `revoked` only when Venafi itself then counts no grant; the details say whose they were.

    A slow Venafi takes longer for these calls than a function lives: `progress` holds who was found, and what Venafi
    said to the revocation.
    """

    def revoke(connection: Connection, access_token: SecretStr) -> Result:
        if command.application_id is not None:
            return revoke_all(Application(command.application_id), progress, venafi=venafi, access_token=access_token)
        if "prefixed_universal" not in progress:
            found = search.find(command.subject, version=connection.version, access_token=access_token)
            if isinstance(found, Nobody):
                return tell_of_nobody(found, connection, access_token)
            progress.update(found.details_of(command.subject))
        who = {name: told for name, told in progress.items() if name not in SAID}
        grantee = Grantee(str(progress["prefixed_universal"]))
        result = revoke_all(grantee, progress, venafi=venafi, access_token=access_token)
        return replace(result, details={**result.details, **who})

    def tell_of_nobody(nobody: Nobody, connection: Connection, access_token: SecretStr) -> Result:
        because = nobody.because
        if because is None and command.email is not None:
            # HR's name may be mistyped. Whoever has the address may be somebody new: they lose nothing by it.
            owner = search.find(command.email, version=connection.version, access_token=access_token)
            because = owner.because if isinstance(owner, Nobody) else because_of_grants(owner, access_token)
        if because is None:
            return Result(Outcome.USER_NOT_FOUND, details=nobody.details)
        return Result(Outcome.NOT_SEARCHABLE, details={**nobody.details, "because": because})

    def because_of_grants(owner: Found, access_token: SecretStr) -> str | None:
        left = venafi.remaining_grants(Grantee(owner.identity.prefixed_universal), access_token)
        return UNDER_THE_ADDRESS if left else None

    return tokens.with_token(command.connection, revoke)


def revoke_all(target: Grantee | Application, progress: Progress, *, venafi: Venafi, access_token: SecretStr) -> Result:
    """Revoke every grant of the target; raises ProviderUnavailable where Venafi then still counts one."""
    if "outcome" not in progress:
        refuse_to_revoke_ourselves(target, venafi=venafi, access_token=access_token)
        result = venafi.revoke_grants(target, access_token)
        progress.update(outcome=result.outcome, status=result.response.status or 200, code=result.response.code or "")
    outcome, status, code = (progress[name] for name in SAID)
    if venafi.remaining_grants(target, access_token):
        for name in SAID:
            del progress[name]
        raise ProviderUnavailable("Venafi reported success and still counts grants", ProviderResponse(200))
    return Result(Outcome(str(outcome)), ProviderResponse(int(status), str(code) or None), details={"grants_left": 0})


def refuse_to_revoke_ourselves(target: Grantee | Application, *, venafi: Venafi, access_token: SecretStr) -> None:
    """Raise Rejected where the target is what Leaver itself works through: nobody could be cut off any more."""
    own = venafi.verify(access_token)
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
    operation = partial(revoke_grants, venafi=venafi, tokens=tokens, search=search)
    return bootstrap.paced_consumer(RevokeGrants, operation, settings, tokens, ending=settings, resumes=True)


lambda_handler = bootstrap.serve(consumer)
