"""A new connection to Venafi: by certificate, JWT or password; and the scopes and the role that it needs."""

from collections.abc import Mapping
from typing import Literal

from pydantic import SecretStr

from leaver.errors import LeaverError, Rejected
from leaver.providers.venafi.api import Role, Venafi
from leaver.tokens import GrantedTokens, VenafiCredentials
from leaver_cli.connections.request import ConnectionRequest

Login = Literal["certificate", "jwt", "password"]

#: what Leaver works with; `configuration` only to find people by name
SCOPE = "admin:delete;configuration"


def by_login(
    venafi: Venafi, host: str, grant_type: Login, credentials: VenafiCredentials, scope: str
) -> ConnectionRequest:
    """Prepare a connection that logs in, now and whenever its tokens run out."""

    def obtain() -> GrantedTokens:
        granted = venafi.authorize(credentials, scope)
        if granted is None:
            raise Rejected(f"{grant_type}: there is nothing to log in with")
        return granted

    def check(tokens: GrantedTokens) -> list[str]:
        return [*missing_scopes(tokens.scope), *missing_role(venafi, tokens.access_token)]

    return ConnectionRequest(
        provider="venafi", account=host, grant_type=grant_type, credentials=credentials, obtain=obtain, check=check
    )


def missing_scopes(scope: str) -> list[str]:
    """Say which scopes are missing, and what can't be done without them."""
    held = _parsed(scope)
    if not held:
        return ["Venafi did not say which scopes the tokens have, so they could not be checked"]
    missing = []
    if "delete" not in held.get("admin", ()):
        alone = ", and admin alone is not enough" if "admin" in held else ""
        missing.append(f"scope admin:delete is missing{alone}: revoke_grants can't revoke")
    if "configuration" not in held:
        missing.append("scope configuration is missing: revoke_grants can't find people by name or e-mail address")
    return missing


def missing_role(venafi: Venafi, access_token: SecretStr) -> list[str]:
    """Say so where the identity may not revoke other people's grants, or where that can't be found out."""
    try:
        role = venafi.get_role(access_token)
    except LeaverError as error:
        return [f"the identity's OAuth role could not be checked: {error.reason}"]
    if role in {Role.GRANT_ADMIN, Role.ADMIN}:
        return []
    own = role.name.title().replace("_", "")
    return [
        f"OAuth role GrantAdmin (or Admin) is missing, it is {own}: revoke_grants can't revoke other people's grants"
    ]


def _parsed(scope: str) -> Mapping[str, set[str]]:
    """Read `admin:delete,recyclebin;configuration`: scopes, each with its privileges."""
    parts = [part.partition(":") for part in scope.split(";") if part.strip()]
    return {name.strip(): {each.strip() for each in privileges.split(",")} for name, _, privileges in parts}
