"""`leaver connect venafi`: by certificate, JWT or password; and the scopes and the role that a connection needs."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import click
import typer
from pydantic import SecretStr

from leaver.errors import LeaverError, Rejected
from leaver.providers.venafi.api import Role, Venafi
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.providers.venafi.entry import VENAFI
from leaver.tokens import GrantedTokens
from leaver_cli.connections.connect import ClientId, Name, Owner, RoleOption, checked, establish, establish_from_lambda
from leaver_cli.connections.destination import Describe
from leaver_cli.connections.from_lambda import FirstLogin
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal

Login = Literal["certificate", "jwt", "password"]

#: what Leaver works with; `configuration` only to find people by name
SCOPE = "admin:delete;configuration"


def form(describe: Describe) -> Callable[..., None]:
    """Make the sub-command `leaver connect venafi`."""

    def venafi(
        name: Name = "venafi",
        *,
        client_id: ClientId,
        grant_type: Annotated[Login, typer.Option(prompt="Log in by", help="How Leaver logs in.")],
        username: Annotated[
            str | None, typer.Option(help="With its provider if there are several: local:robot.")
        ] = None,
        password_file: Annotated[
            str | None, typer.Option(metavar="PATH|-", help="Where the password is; else you are asked.")
        ] = None,
        jwt_file: Annotated[
            str | None, typer.Option(metavar="PATH|-", help="Where the JWT is; else you are asked.")
        ] = None,
        certificate_file: Annotated[
            str | None, typer.Option(metavar="PATH", help="The client certificate, and its chain, in PEM.")
        ] = None,
        private_key_file: Annotated[
            str | None, typer.Option(metavar="PATH|-", help="Its private key, unencrypted, in PEM.")
        ] = None,
        scope: Annotated[str, typer.Option(help="What to ask for.")] = SCOPE,
        owner: Owner,
        role: RoleOption = "service",
        from_lambda: Annotated[
            bool, typer.Option("--from-lambda", help="Let a function log in, where this machine does not reach Venafi.")
        ] = False,
        timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for that function.")] = 120,
        stack: StackName = "leaver",
        region: Region = None,
        profile: Profile = None,
    ) -> None:
        """Connect a Venafi TPP server, by certificate, JWT or password."""
        console = Terminal()
        into = describe(stack, region, profile)
        asking = SecretInput()
        match grant_type:
            case "password":
                who = username or typer.prompt("Username")
                login = {"username": who, "password": asking.secret("password", password_file)}
            case "jwt":
                login = {"jwt": asking.secret("JWT", jwt_file)}
            case "certificate":
                if certificate_file is None or private_key_file is None:
                    raise click.UsageError("--certificate-file and --private-key-file: are both needed")
                certificate = asking.content("certificate", certificate_file)
                login = {"certificate": certificate, "private_key": asking.secret("private key", private_key_file)}
        credentials = checked(VenafiCredentials, client_id=client_id, **login)
        # In one spelling: two connections of one account are one account.
        host = urlsplit(into.url(VENAFI.host)).netloc.lower()
        target = Target(name, owner, role)
        if from_lambda:
            untried = FirstLogin("venafi", host, grant_type, credentials, scope)
            establish_from_lambda(into, untried, target, console, check=missing_scopes, timeout=timeout)
            return
        new = by_login(into.client(Venafi, VENAFI.host), host, grant_type, credentials, scope)
        console.say(f"logging in to {host} as {credentials.client_id} for {scope}")
        establish(into, new, target, console)

    return venafi


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
