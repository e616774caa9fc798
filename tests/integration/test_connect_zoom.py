"""`leaver connect zoom` against the simulator, up to where tokens are written into a stack."""

import webbrowser
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
import requests
import typer
from pydantic import SecretStr

from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens
from leaver_cli.connections import connect_zoom
from leaver_cli.connections.consent import Consent, ask_for_consent
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.setup import Established
from local.simulators.zoom import ZoomSimulator
from tests.integration.connecting import Stack
from tests.integration.simulated_zoom import CLIENT, get_user, refresh, sha256
from tests.integration.simulated_zoom import set_up as set_up_zoom


@pytest.fixture
def stack(zoom: ZoomSimulator) -> Stack:
    return Stack(zoom_oauth_url=zoom.url)


@pytest.fixture
def zoom() -> Iterator[ZoomSimulator]:
    with ZoomSimulator() as simulator:
        set_up_zoom(simulator)
        simulator.set_visitor("it@example.com")
        yield simulator


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """As editors leave it."""
    file = tmp_path / "client-secret"
    file.write_text(f"{CLIENT[1]}\n")
    return file


@pytest.fixture
def _browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A browser that opens the consent page and goes where Zoom sends it."""
    visits: list[Thread] = []

    def open_page(page: str) -> bool:
        visits.append(Thread(target=requests.get, args=(page,), kwargs={"timeout": 10}))
        visits[-1].start()
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    yield
    for visit in visits:
        visit.join()


def zoom_options(secret_file: Path | str, client_id: str = CLIENT[0]) -> list[object]:
    return [
        *("--client-id", client_id, "--client-secret-file", secret_file),
        *("--account-id", "acme", "--owner", "it@example.com"),
    ]


CONSENT = ("--grant-type", "refresh_token", "--open-browser")


@pytest.mark.usefixtures("_browser")
def test_a_consent_becomes_a_connection_that_lives_on_its_refresh_token(
    stack: Stack, zoom: ZoomSimulator, secret_file: Path
) -> None:
    result = stack.leaver("zoom", *zoom_options(secret_file), *CONSENT)
    assert result.exit_code == 0, result.output
    assert "zoom is connected, its access token lives until" in result.output
    assert (stack.new.provider, stack.new.account, stack.new.grant_type) == ("zoom", "acme", "refresh_token")
    assert stack.credentials == {
        "client_id": "leaver-client",
        "client_secret": "s3cret",
    }
    assert stack.made[0][1] == Target("zoom", "it@example.com", "service")
    assert stack.described == [("leaver", None, None)]
    assert get_user(zoom, stack.tokens.access_token.get_secret_value()).status_code == 200
    assert stack.tokens.refresh_token is not None
    assert refresh(zoom, stack.tokens.refresh_token.get_secret_value()).status_code == 200


@pytest.mark.usefixtures("_browser")
def test_nothing_is_asked_for_before_the_stack_is_ready(
    stack: Stack, zoom: ZoomSimulator, secret_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = zoom.authorize("leaver-client", "it@example.com")

    def held(_new: ConnectionRequest, _target: Target) -> Established:
        raise typer.Abort

    monkeypatch.setattr(stack, "establish", held)
    assert stack.leaver("zoom", *zoom_options(secret_file), *CONSENT).exit_code == 1
    # the code was never exchanged, which would have ended the older pair
    assert zoom.journal("/oauth/token") == []
    assert refresh(zoom, older["refresh_token"]).status_code == 200


@pytest.mark.usefixtures("_browser")
@pytest.mark.parametrize("role", ["service", "personal"])
def test_who_consents_is_told_that_the_answer_came_damaged_and_not_that_zoom_gave_no_refresh_token(
    stack: Stack, secret_file: Path, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = GrantedTokens(access_token=SecretStr("access-2"), expires_at=datetime.now(tz=UTC), is_damaged=True)
    monkeypatch.setattr(ZoomOAuth, "authorization_code", lambda *_: damaged)
    result = stack.leaver("zoom", *zoom_options(secret_file), *CONSENT, "--role", role)
    assert result.exit_code == 1
    assert "Zoom's answer came damaged, and may have held a refresh token: connect it again" in result.output
    assert "no refresh token" not in result.output


@pytest.mark.usefixtures("_browser")
def test_who_declines_is_told_so_and_nothing_is_made(stack: Stack, zoom: ZoomSimulator, secret_file: Path) -> None:
    zoom.set_visitor("it@example.com", consents=False)
    result = stack.leaver("zoom", *zoom_options(secret_file), *CONSENT)
    assert result.exit_code == 1
    assert "Error: the browser was sent back without a code: access_denied" in result.output
    assert stack.made == []


def test_the_page_is_shown_to_who_has_no_browser_here(stack: Stack, zoom: ZoomSimulator, secret_file: Path) -> None:
    options = zoom_options(secret_file)
    result = stack.leaver("zoom", *options, "--grant-type", "refresh_token", "--timeout", 1)
    assert result.exit_code == 1
    assert f"{zoom.url}/oauth/authorize?response_type=code&client_id=leaver-client&redirect_uri=" in result.output
    assert "nobody came back from the consent page within 1 seconds" in result.output


def test_who_opens_the_page_that_is_shown_consents_too(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(page: Callable[..., str], *, show: Callable[[str, str], None], port: int, timeout: float) -> Consent:
        def visited(url: str, address: str) -> None:
            show(url, address)
            Thread(target=requests.get, args=(url,), kwargs={"timeout": 10}).start()

        return ask_for_consent(page, show=visited, port=port, timeout=timeout)

    monkeypatch.setattr(connect_zoom, "ask_for_consent", ask)
    typed = f"{CLIENT[0]}\nacme\nit@example.com\n{CLIENT[1]}\n"
    result = stack.leaver("zoom", "--grant-type", "refresh_token", answer=typed)
    assert result.exit_code == 0, result.output
    assert stack.tokens.refresh_token is not None
    assert CLIENT[1] not in result.output


def test_a_server_to_server_app_needs_nobody(stack: Stack, zoom: ZoomSimulator) -> None:
    options = zoom_options("-", "s2s-client")
    result = stack.leaver("zoom", *options, answer="s2s-s3cret\n")
    assert result.exit_code == 0, result.output
    assert (stack.new.account, stack.new.grant_type) == ("acme", "account_credentials")
    assert stack.credentials == {
        "client_id": "s2s-client",
        "client_secret": "s2s-s3cret",
        "account_id": "acme",
    }
    assert stack.tokens.refresh_token is None
    assert zoom.live_token_kind(sha256(stack.tokens.access_token.get_secret_value())) == "access"


def test_what_is_not_given_is_asked_for_and_the_secret_is_not_shown(stack: Stack) -> None:
    typed = "s2s-client\nacme\nit@example.com\ns2s-s3cret\n"
    result = stack.leaver("zoom", "zoom-eu", answer=typed)
    assert result.exit_code == 0, result.output
    assert stack.made[0][1].name == "zoom-eu"
    assert "s2s-s3cret" not in result.output


@pytest.mark.usefixtures("_browser")
@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--owner", "IT@example.com"], 0, None),
        (["--owner", "team@example.com"], 0, "it@example.com consented, and the owner is team@example.com"),
        (
            ["--owner", "ada@example.com", "--role", "personal"],
            1,
            "it@example.com consented, and the owner is ada@example.com: a personal connection is whose consent it is",
        ),
        (["--account-id", "other"], 1, "who consented belongs to account acme, and not to other"),
    ],
)
def test_who_consented_is_compared_with_whose_it_is_to_be(
    stack: Stack, secret_file: Path, options: list[str], status: int, said: str | None
) -> None:
    result = stack.leaver("zoom", *zoom_options(secret_file), *CONSENT, *options)
    assert result.exit_code == status, result.output
    assert (said or "zoom is connected, its access token") in result.output
    assert ("consented" in result.output) == (said is not None)
    assert len(stack.kept) == 1


@pytest.mark.usefixtures("_browser")
def test_where_the_scopes_do_not_let_it_be_asked_it_is_said_that_nobody_checked(
    stack: Stack, zoom: ZoomSimulator, secret_file: Path
) -> None:
    zoom.set_scopes(CLIENT[0], ["user:write"])
    result = stack.leaver("zoom", *zoom_options(secret_file), *CONSENT, "--role", "personal")
    assert result.exit_code == 0, result.output
    assert "who consented was not checked: missing scopes: user:read:user, user:read:user:admin" in result.output


@pytest.mark.parametrize(
    ("became", "status", "said"),
    [
        (("revoked", True), 0, "the old grant: revoked"),
        (
            ("not confirmed: Zoom is down", False),
            1,
            "the old grant: not confirmed: Zoom is down; it may live: end it at",
        ),
    ],
)
def test_what_became_of_the_old_grant_is_said(stack: Stack, became: tuple[str, bool], status: int, said: str) -> None:
    stack.old_grant, stack.old_grant_ended = became
    result = stack.leaver("zoom", *zoom_options("-", "s2s-client"), answer="s2s-s3cret")
    assert result.exit_code == status
    assert said in result.output


NO_END = "scope user:delete:token:admin is missing (classic: user:write:admin): revoke_sso_token can't end sessions"
NO_TOKEN = "scope user:read:token:admin is missing (classic: user:read:admin): retrieve_user_token can't get tokens"
NO_FIND = "scope user:read:user:admin is missing (classic: user:read:admin): retrieve_user_token can't find people"


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (["user:read:user:admin", "user:delete:token:admin"], [NO_TOKEN]),
        (["user:read:admin", "user:write:admin"], []),
        (["user:read:user:master", "user:read:token:master", "user:delete:token:master"], []),
        # these are for the connection's own user alone
        (["user:read:user", "user:write"], [NO_END, NO_TOKEN, NO_FIND]),
        ([], ["Zoom did not say which scopes the tokens have, so they could not be checked"]),
    ],
)
def test_exactly_the_scopes_that_are_missing_are_named_and_the_tokens_kept(
    stack: Stack, zoom: ZoomSimulator, scopes: list[str], missing: list[str]
) -> None:
    zoom.add_app("s2s-client", "s2s-s3cret", account_id="acme", scopes=scopes, server_to_server=True)
    result = stack.leaver("zoom", *zoom_options("-", "s2s-client"), answer="s2s-s3cret")
    told = result.output.splitlines()
    assert told[:-1] == missing
    assert result.exit_code == (1 if missing else 0)
    assert told[-1].startswith("zoom is connected, but not all is well" if missing else "zoom is connected, its")
    assert len(stack.kept) == 1


def test_a_personal_connection_lacks_nothing(stack: Stack, zoom: ZoomSimulator) -> None:
    zoom.add_app("s2s-client", "s2s-s3cret", account_id="acme", scopes=["user:read"], server_to_server=True)
    options = zoom_options("-", "s2s-client")
    assert stack.leaver("zoom", *options, "--role", "personal", answer="s2s-s3cret").exit_code == 0
    assert stack.made[0][1].role == "personal"


@pytest.mark.parametrize(
    ("secret", "account_id", "said"),
    [
        ("wrong", "acme", "Error: Zoom does not accept client_id and client_secret (HTTP 400, code invalid_client"),
        ("s2s-s3cret", "elsewhere", "Error: account_id: Zoom does not take it for one (HTTP 400, code invalid_request"),
    ],
)
def test_what_zoom_refuses_is_said_in_one_line(stack: Stack, secret: str, account_id: str, said: str) -> None:
    options = [*zoom_options("-", "s2s-client"), "--account-id", account_id]
    result = stack.leaver("zoom", *options, answer=secret)
    assert result.exit_code == 1
    assert said in result.output
    assert "s2s-s3cret" not in result.output
    assert stack.kept == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["Zoom"], "up to 32 lower-case letters, digits and hyphens, a letter first"),
        (["--client-id", " "], "client_id: is empty"),
        (["--client-secret-file", "/nowhere"], "client secret: /nowhere: No such file or directory"),
        (["--grant-type", "password"], "account_credentials"),
    ],
)
def test_what_can_not_be_right_is_said_before_anybody_is_asked(
    stack: Stack, zoom: ZoomSimulator, options: list[str], said: str
) -> None:
    result = stack.leaver("zoom", *zoom_options("-", "s2s-client"), *options, answer="s2s-s3cret")
    assert result.exit_code in {1, 2}
    assert said in result.output
    assert stack.made == []
    assert zoom.journal() == []


def test_no_secret_is_an_argument() -> None:
    for command in ("zoom", "venafi"):
        told = Stack().leaver(command, "--help").output
        for option in ("--client-secret ", "--password ", "--jwt ", "--private-key "):
            assert option not in told
