"""`leaver connect gusto`: by a person's consent; what the consent brings is stored before it is used."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from pydantic import SecretStr

from leaver.errors import LeaverError
from leaver.providers.gusto.api import Gusto
from leaver.providers.gusto.credentials import GustoCredentials
from leaver.providers.gusto.entry import GUSTO
from leaver.providers.gusto.oauth import GustoOAuth, authorize_url
from leaver.tokens import GrantedTokens
from leaver_cli.connections.connect import ClientId, Name, Owner, checked, establish
from leaver_cli.connections.connect_key import KnownPerson, account_at
from leaver_cli.connections.consent import Consent, ask_for_consent
from leaver_cli.connections.destination import Describe
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal


def form(describe: Describe) -> Callable[..., None]:
    """Make the sub-command `leaver connect gusto`."""

    def gusto(
        name: Name = "gusto",
        *,
        client_id: ClientId,
        client_secret_file: Annotated[
            str | None, typer.Option(metavar="PATH|-", help="Where the client secret is; else you are asked.")
        ] = None,
        known_person: KnownPerson,
        owner: Owner,
        port: Annotated[
            int, typer.Option(min=0, max=65535, help="Of the redirect URI http://127.0.0.1:PORT/; 0: any free one.")
        ] = 0,
        timeout: Annotated[int, typer.Option(min=1, help="Seconds to wait for the consent.")] = 300,
        stack: StackName = "leaver",
        region: Region = None,
        profile: Profile = None,
    ) -> None:
        """Connect Gusto, which is then asked who somebody is, by somebody's consent."""
        console = Terminal()
        into = describe(stack, region, profile)
        account = account_at(into, GUSTO)
        secret = SecretInput().secret("client secret", client_secret_file)
        own = checked(GustoCredentials, client_id=client_id, client_secret=secret)
        oauth, api = into.client(GustoOAuth, GUSTO.host), into.client(Gusto, GUSTO.host)

        def page(*, redirect_uri: str, state: str, code_challenge: str) -> str:  # noqa: ARG001 - Gusto knows no PKCE
            return authorize_url(into.url(GUSTO.host), client_id=client_id, redirect_uri=redirect_uri, state=state)

        def show(page: str, redirect_uri: str) -> None:
            console.say(f"The app at Gusto must have {redirect_uri} on its list of redirect URIs.")
            console.say("Open this page, signed in as whoever is to consent:")
            console.say(page)

        consent = ask_for_consent(page, show=show, port=port, timeout=timeout)
        new = by_consent(oauth, own, consent, account, check=partial(missing, api, known_person))
        establish(into, new, Target(name, owner, "service"), console)

    return gusto


def by_consent(
    oauth: GustoOAuth,
    own: GustoCredentials,
    consent: Consent,
    account: str,
    *,
    check: Callable[[GrantedTokens], list[str]],
) -> ConnectionRequest:
    """Prepare a connection that lives on the refresh token that somebody's consent brings."""
    return ConnectionRequest(
        provider="gusto",
        account=account,
        grant_type="refresh_token",
        credentials=own,
        obtain=lambda: oauth.authorization_code(own, consent.code, consent.redirect_uri),
        check=check,
    )


def missing(api: Gusto, known_person: str, tokens: GrantedTokens) -> list[str]:
    """Say what the tokens lack, by one look-up of somebody who stays; they are stored by then."""
    lacks = [] if tokens.refresh_token or tokens.is_partial else ["Gusto gave no refresh token: it ends in two hours"]
    return [*lacks, *_look_up(api, known_person, tokens.access_token)]


def _look_up(api: Gusto, known_person: str, access_token: SecretStr) -> list[str]:
    try:
        api.look_up(known_person, access_token, with_last_day=True)
    except LeaverError as error:
        return [f"a look-up was tried, and failed: {error.reason}"]
    return []
