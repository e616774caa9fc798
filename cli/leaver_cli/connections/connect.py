"""`leaver connect`: make a connection from nothing, and say what it still lacks."""

import webbrowser
from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar
from urllib.parse import urlsplit

import click
import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console

from leaver.errors import LeaverError, explain
from leaver.messages.commands import ConnectionName
from leaver.providers.venafi.api import Venafi
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens, VenafiCredentials, ZoomCredentials
from leaver_cli.connections import connect_venafi, connect_zoom
from leaver_cli.connections.connect_venafi import Login
from leaver_cli.connections.connect_zoom import GrantType
from leaver_cli.connections.consent import ask_for_consent
from leaver_cli.connections.request import ConnectionRequest, Role, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.connections.setup import Established
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import printable

Credentials = TypeVar("Credentials", bound=BaseModel)


class Destination(Protocol):
    """The stack in which a connection is made; it knows its providers, so that nobody has to name them twice."""

    @property
    def zoom_oauth_url(self) -> str:
        """Zoom's OAuth host."""

    @property
    def zoom_oauth(self) -> ZoomOAuth:
        """Zoom's token endpoints."""

    @property
    def zoom(self) -> Zoom:
        """Zoom's REST API."""

    @property
    def venafi_url(self) -> str:
        """Venafi's host."""

    @property
    def venafi(self) -> Venafi:
        """Venafi."""

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        """Take the connection's lease, let `new` obtain its tokens, store them at once; raises LeaverError."""


#: finds a stack by its name, region and profile
Describe = Callable[[str, str | None, str | None], Destination]


def connection_name(name: str) -> str:
    """Hold an argument to what connections may be called."""
    try:
        return TypeAdapter(ConnectionName).validate_python(name)
    except ValidationError:
        raise typer.BadParameter("up to 32 lower-case letters, digits and hyphens, a letter first") from None


Name = Annotated[str, typer.Argument(metavar="[NAME]", callback=connection_name, help="What to call the connection.")]
ClientId = Annotated[str, typer.Option(prompt="Client ID", help="The app's client id.")]
Owner = Annotated[str, typer.Option(prompt="Owner (e-mail address)", help="Who answers for it, or whose it is.")]
RoleOption = Annotated[
    Role, typer.Option("--role", help="service: Leaver works through it; personal: it belongs to the owner.")
]


def commands(describe: Describe) -> typer.Typer:
    """Make the sub-commands, given what finds the stack that a connection is made in."""
    app = typer.Typer(help="Make a connection, or authorize one again.", no_args_is_help=True)

    @app.command()
    def zoom(
        name: Name = "zoom",
        *,
        client_id: ClientId,
        client_secret_file: Annotated[
            str | None, typer.Option(metavar="PATH|-", help="Where the client secret is; else you are asked.")
        ] = None,
        account_id: Annotated[str, typer.Option(prompt="Account ID", help="The Zoom account's id.")],
        owner: Owner,
        role: RoleOption = "service",
        grant_type: Annotated[
            GrantType,
            typer.Option(help="account_credentials: a server-to-server app; refresh_token: somebody's consent."),
        ] = "account_credentials",
        port: Annotated[
            int, typer.Option(min=0, max=65535, help="Of the redirect URI http://127.0.0.1:PORT/; 0: any free one.")
        ] = 0,
        timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for the consent.")] = 300,
        open_browser: Annotated[bool, typer.Option("--open-browser", help="Open the consent page too.")] = False,
        stack: StackName = "leaver",
        region: Region = None,
        profile: Profile = None,
    ) -> None:
        """Connect a Zoom account, by a server-to-server app or by somebody's consent."""
        console = Console()
        into = describe(stack, region, profile)
        secret = SecretInput().secret("client secret", client_secret_file)
        credentials = _checked(ZoomCredentials, client_id=client_id, client_secret=secret, account_id=account_id)
        if grant_type == "account_credentials":
            new = connect_zoom.server_to_server(into.zoom_oauth, credentials, account_id.strip())
        else:
            show = _consent_page(console, open_browser=open_browser)
            consent = ask_for_consent(into.zoom_oauth_url, credentials.client_id, show=show, port=port, timeout=timeout)
            new = connect_zoom.by_consent(into.zoom_oauth, into.zoom, credentials, account_id.strip(), consent)
        _establish(into, new, Target(name, owner, role), console)

    @app.command()
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
        scope: Annotated[str, typer.Option(help="What to ask for.")] = connect_venafi.SCOPE,
        owner: Owner,
        role: RoleOption = "service",
        stack: StackName = "leaver",
        region: Region = None,
        profile: Profile = None,
    ) -> None:
        """Connect a Venafi TPP server, by certificate, JWT or password."""
        console = Console()
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
        credentials = _checked(VenafiCredentials, client_id=client_id, **login)
        host = urlsplit(into.venafi_url).netloc
        new = connect_venafi.by_login(into.venafi, host, grant_type, credentials, scope)
        console.print(printable(f"logging in to {host} as {credentials.client_id} for {scope}"), soft_wrap=True)
        _establish(into, new, Target(name, owner, role), console)

    return app


def _establish(into: Destination, new: ConnectionRequest, target: Target, console: Console) -> None:
    made = into.establish(new, target)
    # Leaver does nothing through a personal connection but keep it alive and end it, which takes no scope.
    wrong = new.check(made.granted) if target.role == "service" else []
    misfits, remarks = _whose(new, target, made.granted)
    wrong += misfits
    if made.old_grant is not None:
        told = f"the old grant: {made.old_grant}"
        if made.old_grant_ended:
            remarks.append(told)
        else:
            wrong.append(f"{told}; it may live: end it at {new.provider.title()}")
    for each in [*wrong, *remarks]:
        console.print(printable(each), soft_wrap=True)
    found = (
        "but not all is well with it"
        if wrong
        else f"its access token lives until {made.record.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    console.print(printable(f"{target.name} is connected, {found}"), soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def _whose(new: ConnectionRequest, target: Target, tokens: GrantedTokens) -> tuple[list[str], list[str]]:
    """Compare who consented with whose it is to be: what is wrong, and what is only to be known."""
    if new.find_consenter is None:
        return [], []
    try:
        user = new.find_consenter(tokens.access_token)
    except LeaverError as error:
        return [], [f"who consented was not checked: {error.reason}"]
    if not isinstance(user, ZoomUser):
        return [], ["who consented was not checked: Zoom does not say"]
    wrong, remarks = [], []
    if user.account_id is not None and user.account_id != new.account:
        wrong.append(f"who consented belongs to account {user.account_id}, and not to {new.account}")
    if user.email.casefold() != target.owner.strip().casefold():
        told = f"{user.email} consented, and the owner is {target.owner}"
        if target.role == "personal":
            wrong.append(f"{told}: a personal connection is whose consent it is")
        else:
            remarks.append(f"{told}: the grant ends when {user.email} leaves Zoom")
    return wrong, remarks


def _consent_page(console: Console, *, open_browser: bool) -> Callable[[str, str], None]:
    def show(page: str, redirect_uri: str) -> None:
        console.print(
            printable(f"The app at Zoom must have {redirect_uri} on its list of redirect URLs."), soft_wrap=True
        )
        console.print("Open this page, signed in as whoever is to consent:")
        console.print(printable(page), soft_wrap=True)
        if open_browser and not webbrowser.open(page):
            console.print("No browser could be opened here.")

    return show


def _checked(kind: type[Credentials], **fields: object) -> Credentials:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise click.UsageError(explain(error, kind)) from None
