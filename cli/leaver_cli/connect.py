"""`leaver connect`: make a connection from nothing, and say what it still lacks."""

import ssl
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import click
import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from leaver.commands import ConnectionName
from leaver.errors import explain
from leaver.tokens import VenafiCredentials, ZoomCredentials
from leaver.transport import Transport
from leaver.venafi import Venafi
from leaver.zoom_oauth import ZoomOAuth
from leaver_cli import connect_venafi, connect_zoom
from leaver_cli.connect_venafi import Login
from leaver_cli.connect_zoom import GrantType
from leaver_cli.consent import ask_for_consent
from leaver_cli.gathered import Establish, Gathered, Role, Target
from leaver_cli.secret_input import SecretInput
from leaver_cli.stack import Profile, Region, StackName

Credentials = TypeVar("Credentials", bound=BaseModel)


def _connection_name(name: str) -> str:
    try:
        return TypeAdapter(ConnectionName).validate_python(name)
    except ValidationError:
        raise typer.BadParameter("up to 32 lower-case letters, digits and hyphens, a letter first") from None


Name = Annotated[str, typer.Argument(metavar="[NAME]", callback=_connection_name, help="What to call the connection.")]
ClientId = Annotated[str, typer.Option(prompt="Client ID", help="The app's client id.")]
Owner = Annotated[str, typer.Option(prompt="Owner (e-mail address)", help="Who answers for it, or whose it is.")]
RoleOption = Annotated[
    Role, typer.Option("--role", help="service: Leaver works through it; personal: it belongs to the owner.")
]


def commands(establish: Establish) -> typer.Typer:
    """Make the sub-commands, given what writes a connection into a stack."""
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
        zoom_oauth_url: Annotated[str, typer.Option(help="Zoom's OAuth host.")] = "https://zoom.us",
        stack: StackName = "leaver",
        region: Region = None,
        profile: Profile = None,
    ) -> None:
        """Connect a Zoom account, by a server-to-server app or by somebody's consent."""
        console = Console()
        secret = SecretInput().secret("client secret", client_secret_file)
        credentials = _checked(ZoomCredentials, client_id=client_id, client_secret=secret, account_id=account_id)
        with _reached(zoom_oauth_url) as transport:
            oauth = ZoomOAuth(transport, _now)
            if grant_type == "account_credentials":
                new = connect_zoom.server_to_server(oauth, credentials, account_id.strip())
            else:
                show = _consent_page(console, open_browser=open_browser)
                consent = ask_for_consent(zoom_oauth_url, credentials.client_id, show=show, port=port, timeout=timeout)
                new = connect_zoom.by_consent(oauth, credentials, account_id.strip(), consent)
            _establish(establish, new, Target(name, owner, role, stack, region, profile), console)

    @app.command()
    def venafi(
        name: Name = "venafi",
        *,
        venafi_url: Annotated[
            str, typer.Option(prompt="URL of Venafi", help="The host, such as https://tpp.example.com.")
        ],
        venafi_ca_bundle: Annotated[
            Path | None,
            typer.Option(exists=True, dir_okay=False, help="PEM; these authorities and no others are believed."),
        ] = None,
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
        with _reached(venafi_url, venafi_ca_bundle) as transport:
            host = urlsplit(venafi_url).netloc
            new = connect_venafi.by_login(Venafi(transport, _now), host, grant_type, credentials, scope)
            console.print(Text(f"logging in to {host} as {credentials.client_id} for {scope}"), soft_wrap=True)
            _establish(establish, new, Target(name, owner, role, stack, region, profile), console)

    return app


def _establish(establish: Establish, new: Gathered, target: Target, console: Console) -> None:
    tokens = establish(new, target)
    # Leaver does nothing through a personal connection but keep it alive and end it, which takes no scope.
    missing = new.check(tokens) if target.role == "service" else []
    for each in missing:
        console.print(Text(each), soft_wrap=True)
    found = (
        "but not all is well with it"
        if missing
        else f"its access token lives until {tokens.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    console.print(Text(f"{target.name} is connected, {found}"), soft_wrap=True)
    if missing:
        raise typer.Exit(1)


def _consent_page(console: Console, *, open_browser: bool) -> Callable[[str, str], None]:
    def show(page: str, redirect_uri: str) -> None:
        console.print(Text(f"The app at Zoom must have {redirect_uri} on its list of redirect URLs."), soft_wrap=True)
        console.print("Open this page, signed in as whoever is to consent:")
        console.print(Text(page), soft_wrap=True)
        if open_browser and not webbrowser.open(page):
            console.print("No browser could be opened here.")

    return show


def _checked(kind: type[Credentials], **fields: object) -> Credentials:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise click.UsageError(explain(error, kind)) from None


@contextmanager
def _reached(url: str, ca_bundle: Path | None = None) -> Iterator[Transport]:
    try:
        transport = Transport(url, ca_bundle=None if ca_bundle is None else str(ca_bundle), clock=_now)
    except ssl.SSLError:
        raise click.UsageError(f"{ca_bundle}: holds no certificates in PEM") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        yield transport
    finally:
        transport.close()


def _now() -> datetime:
    return datetime.now(tz=UTC)
