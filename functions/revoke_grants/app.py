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
from leaver.settings import ActsOnPeople, CallsVenafi, EndsSteps


class Settings(ActsOnPeople, CallsVenafi, EndsSteps):
    """What `revoke_grants` reads from its environment."""


def revoke_grants(command: RevokeGrants, *, venafi: Venafi, tokens: AccessTokens) -> Result:
    """Revoke, and claim `revoked` only when Venafi itself then counts no grant."""

    def revoke(_: Connection, access_token: SecretStr) -> Result:
        target = find_target(command, venafi=venafi, access_token=access_token)
        if target is None:
            return Result(Outcome.USER_NOT_FOUND)
        refuse_to_revoke_ourselves(target, venafi=venafi, access_token=access_token)
        result = venafi.revoke_grants(target, access_token)
        if venafi.remaining_grants(target, access_token):
            raise ProviderUnavailable("Venafi reported success and still counts grants", ProviderResponse(200))
        return replace(result, details={**result.details, "grants_left": 0})

    return tokens.with_token(command.connection, revoke)


def find_target(command: RevokeGrants, *, venafi: Venafi, access_token: SecretStr) -> Grantee | Application | None:
    """Whose grants are meant, or None where Venafi knows no such identity."""
    if command.application_id is not None:
        return Application(command.application_id)
    if command.grantee_prefixed_universal is not None:
        return Grantee(command.grantee_prefixed_universal)
    found = venafi.resolve_identity(command.identity or "", access_token)
    return Grantee(found) if found else None


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
        venafi=bootstrap.venafi(settings.venafi_url, settings.venafi_ca_bundle, opened=True),
        tokens=tokens,
    )
    return bootstrap.paced_consumer(
        RevokeGrants, operation, settings, tokens, missing_user_is_done=settings.missing_user_is_done
    )


lambda_handler = bootstrap.serve(consumer)
