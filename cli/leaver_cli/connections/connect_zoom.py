"""`leaver connect zoom`: server-to-server, or by a person's consent; and the scopes that a connection needs."""

import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final, Literal

import typer

from leaver.outcomes import Result
from leaver.providers.entry import HostVariables
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.providers.zoom.entry import SERVER_TO_SERVER, ZOOM
from leaver.providers.zoom.oauth import ZoomOAuth, authorize_url
from leaver.tokens import GrantedTokens
from leaver_cli.connections.connect import ClientId, Name, Owner, RoleOption, checked, establish
from leaver_cli.connections.consent import Consent, ask_for_consent
from leaver_cli.connections.destination import Describe
from leaver_cli.connections.request import ConnectionRequest, Consenter, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal

#: Zoom's REST API
API: Final = HostVariables("ZOOM_API_URL")
GrantType = Literal["account_credentials", "refresh_token"]


@dataclass(frozen=True)
class Need:
    """A scope that an operation wants, as apps with granular and those with classic scopes spell it."""

    granular: str
    classic: str
    without: str

    def met_by(self, scopes: set[str]) -> bool:
        """Whether one of the scopes will do; `:master` is a master account's `:admin`."""
        wanted = {self.granular, self.classic}
        return bool(scopes & (wanted | {scope.replace(":admin", ":master") for scope in wanted}))


NEEDS = (
    Need("user:delete:token:admin", "user:write:admin", "revoke_sso_token can't end sessions"),
    Need("user:read:token:admin", "user:read:admin", "retrieve_user_token can't get tokens"),
    Need("user:read:user:admin", "user:read:admin", "retrieve_user_token can't find people"),
)


def form(describe: Describe) -> Callable[..., None]:
    """Make the sub-command `leaver connect zoom`."""

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
        console = Terminal()
        into = describe(stack, region, profile)
        secret = SecretInput().secret("client secret", client_secret_file)
        credentials = checked(ZoomCredentials, client_id=client_id, client_secret=secret, account_id=account_id)
        oauth = into.client(ZoomOAuth, ZOOM.host)
        if grant_type == SERVER_TO_SERVER:
            new = server_to_server(oauth, credentials, account_id.strip())
        else:
            show = _consent_page(console, open_browser=open_browser)
            page = partial(authorize_url, into.url(ZOOM.host), client_id=credentials.client_id)
            consent = ask_for_consent(page, show=show, port=port, timeout=timeout)
            new = by_consent(oauth, into.client(Zoom, API), credentials, account_id.strip(), consent)
        establish(into, new, Target(name, owner, role), console)

    return zoom


def server_to_server(oauth: ZoomOAuth, credentials: ZoomCredentials, account_id: str) -> ConnectionRequest:
    """Prepare a connection that gets its tokens from the app's own credentials."""
    return ConnectionRequest(
        provider="zoom",
        account=account_id,
        grant_type="account_credentials",
        credentials=credentials,
        obtain=lambda: oauth.account_credentials(credentials.client_id, credentials.client_secret, account_id),
        check=missing_scopes,
    )


def by_consent(
    oauth: ZoomOAuth, zoom: Zoom, credentials: ZoomCredentials, account_id: str, consent: Consent
) -> ConnectionRequest:
    """Prepare a connection that lives on the refresh token that somebody's consent brings.

    Danger: obtaining it ends the tokens that the same person granted the same app before.
    """

    def obtain() -> GrantedTokens:
        return oauth.authorization_code(
            credentials.client_id,
            credentials.client_secret,
            consent.code,
            consent.redirect_uri,
            consent.code_verifier,
        )

    return ConnectionRequest(
        provider="zoom",
        account=account_id,
        grant_type="refresh_token",
        # with it, they would say that there is another way to log in
        credentials=credentials.model_copy(update={"account_id": None}),
        obtain=obtain,
        check=lambda tokens: [*missing_refresh_token(tokens), *missing_scopes(tokens)],
        find_consenter=lambda access_token: _consenter(zoom.get_user("me", access_token)),
    )


def missing_scopes(tokens: GrantedTokens) -> list[str]:
    """Say which scopes are missing, and what can't be done without them."""
    return missing_from(tokens.scope)


def missing_from(scope: str) -> list[str]:
    """The same, of scopes as Zoom writes them."""
    held = set(scope.split())
    if not held:
        return ["Zoom did not say which scopes the tokens have, so they could not be checked"]
    return [
        f"scope {need.granular} is missing (classic: {need.classic}): {need.without}"
        for need in NEEDS
        if not need.met_by(held)
    ]


def missing_refresh_token(tokens: GrantedTokens) -> list[str]:
    """Say so where the connection will end with its first access token."""
    if tokens.refresh_token is not None or tokens.is_partial:
        return []
    return ["Zoom gave no refresh token: the connection ends with its access token"]


def _consenter(found: ZoomUser | Result) -> Consenter | None:
    return Consenter(found.id, found.email, found.account_id) if isinstance(found, ZoomUser) else None


def _consent_page(console: Terminal, *, open_browser: bool) -> Callable[[str, str], None]:
    def show(page: str, redirect_uri: str) -> None:
        console.say(f"The app at Zoom must have {redirect_uri} on its list of redirect URLs.")
        console.say("Open this page, signed in as whoever is to consent:")
        console.say(page)
        if open_browser and not webbrowser.open(page):
            console.say("No browser could be opened here.")

    return show
