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
from leaver.providers.venafi.api import Application, Grantee, Identity, Venafi, same_identity
from leaver.providers.venafi.identities import find_identity, find_universal
from leaver.settings import ActsOnPeople, CallsVenafi, ReportsSteps


class Settings(ActsOnPeople, CallsVenafi, ReportsSteps):
    """What `revoke_grants` reads from its environment."""


def revoke_grants(command: RevokeGrants, *, venafi: Venafi, tokens: AccessTokens) -> Result:
    """Revoke, and claim `revoked` only when Venafi itself then counts no grant; the details say whose they were."""

    def revoke(_: Connection, access_token: SecretStr) -> Result:
        if command.application_id is not None:
            return revoke_all(Application(command.application_id), venafi=venafi, access_token=access_token)
        found = find_grantee(command, venafi=venafi, access_token=access_token)
        if found is None:
            return Result(Outcome.USER_NOT_FOUND)
        result = revoke_all(Grantee(found.prefixed_universal), venafi=venafi, access_token=access_token)
        whose = {"prefixed_universal": found.prefixed_universal, "prefixed_name": found.prefixed_name}
        return replace(result, details={**result.details, **whose})

    return tokens.with_token(command.connection, revoke)


def find_grantee(command: RevokeGrants, *, venafi: Venafi, access_token: SecretStr) -> Identity | None:
    """Whose grants are meant, in Venafi's own spelling; None where Venafi knows nobody."""
    if command.grantee_prefixed_universal is not None:
        return find_universal(command.grantee_prefixed_universal, venafi=venafi, access_token=access_token)
    return find_identity(command.identity or "", venafi=venafi, access_token=access_token)


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
    operation = partial(
        revoke_grants,
        venafi=bootstrap.api(Venafi, settings.venafi_url, settings.venafi_ca_bundle),
        tokens=tokens,
    )
    return bootstrap.paced_consumer(RevokeGrants, operation, settings, tokens, seal_queue_url=settings.seal_queue_url)


lambda_handler = bootstrap.serve(consumer)
