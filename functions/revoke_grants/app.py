"""Revoke every Venafi grant of an identity, and prove that none is left."""

from dataclasses import replace
from functools import partial

from pydantic import SecretStr

from leaver import bootstrap
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from leaver.messages.commands import RevokeGrants
from leaver.outcomes import Outcome, Result
from leaver.providers.venafi.api import Application, Grantee, Venafi, same_identity
from leaver.providers.venafi.search import Nobody, PeopleSearch
from leaver.settings import ActsOnPeople, ReportsSteps, SearchesVenafi


class Settings(ActsOnPeople, SearchesVenafi, ReportsSteps):
    """What `revoke_grants` reads from its environment."""


def revoke_grants(command: RevokeGrants, *, venafi: Venafi, tokens: AccessTokens, search: PeopleSearch) -> Result:
    """Revoke, and claim `revoked` only when Venafi itself then counts no grant; the details say whose they were."""

    def revoke(connection: Connection, access_token: SecretStr) -> Result:
        if command.application_id is not None:
            return revoke_all(Application(command.application_id), venafi=venafi, access_token=access_token)
        found = search.find(command.subject, version=connection.version, access_token=access_token)
        if isinstance(found, Nobody):
            return Result(Outcome.NOT_SEARCHABLE if found.because else Outcome.USER_NOT_FOUND, details=found.details)
        result = revoke_all(Grantee(found.identity.prefixed_universal), venafi=venafi, access_token=access_token)
        return replace(result, details={**result.details, **found.details_of(command.subject)})

    return tokens.with_token(command.connection, revoke)


def revoke_all(target: Grantee | Application, *, venafi: Venafi, access_token: SecretStr) -> Result:
    """Revoke every grant of the target; raises ProviderUnavailable where Venafi then still counts one."""
    refuse_to_revoke_ourselves(target, venafi=venafi, access_token=access_token)
    result = venafi.revoke_grants(target, access_token)
    if venafi.remaining_grants(target, access_token):
        raise ProviderUnavailable("Venafi reported success and still counts grants", ProviderResponse(200))
    return replace(result, details={**result.details, "grants_left": 0})


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
    return bootstrap.paced_consumer(RevokeGrants, operation, settings, tokens, seal_queue_url=settings.seal_queue_url)


lambda_handler = bootstrap.serve(consumer)
