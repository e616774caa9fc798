"""The loopback redirect: what it takes for an answer, and what it doesn't."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from leaver.providers.zoom.oauth import authorize_url
from leaver_cli.connections.consent import Consent, NoConsent, ask_for_consent, code_challenge

CODE = "CANARY-code"


@dataclass
class Visit:
    """A browser that was shown the consent page, and what it was answered when it came back."""

    asked: dict[str, str]
    uri: str
    answers: list[requests.Response] = field(default_factory=list)

    def come_back(self, path: str = "", **changed: str | None) -> None:
        told = {"code": CODE, "state": self.asked["state"], **changed}
        query = urlencode({name: value for name, value in told.items() if value is not None})
        self.answers.append(requests.get(f"{self.uri}{path}?{query}", timeout=10))

    @property
    def statuses(self) -> list[int]:
        return [answer.status_code for answer in self.answers]


def consent(*browser: Callable[[Visit], object], port: int = 0, timeout: float = 10) -> tuple[Consent, Visit]:
    """Ask for consent, and let a browser do one thing after the other."""
    visits: list[Visit] = []

    def browse(visit: Visit) -> None:
        for step in browser:
            step(visit)

    with ThreadPoolExecutor(1) as pool:

        def show(page: str, redirect_uri: str) -> None:
            assert page.startswith("https://zoom.us/oauth/authorize?")
            visits.append(Visit(dict(parse_qsl(urlsplit(page).query)), redirect_uri))
            pool.submit(browse, visits[0])

        page = partial(authorize_url, "https://zoom.us", client_id="client-id")
        given = ask_for_consent(page, show=show, port=port, timeout=timeout)
    return given, visits[0]


def test_a_browser_that_comes_back_with_the_state_brings_the_code() -> None:
    given, visit = consent(Visit.come_back)
    assert given.code.get_secret_value() == CODE
    assert given.redirect_uri == visit.uri == visit.asked["redirect_uri"]
    assert given.redirect_uri.startswith("http://127.0.0.1:")
    assert visit.asked["code_challenge"] == code_challenge(given.code_verifier)
    assert visit.asked["code_challenge_method"] == "S256"
    (page,) = visit.answers
    assert "You can close this page" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert CODE not in page.text


def test_nothing_of_it_shows(capfd: pytest.CaptureFixture[str]) -> None:
    given, _ = consent(Visit.come_back)
    assert capfd.readouterr() == ("", "")
    assert CODE not in repr(given)
    assert given.code_verifier.get_secret_value() not in repr(given)


@pytest.mark.parametrize("state", [None, "", "another", "é"])
def test_a_code_that_does_not_come_from_our_page_is_not_taken(state: str | None) -> None:
    given, visit = consent(lambda it: it.come_back(state=state, code="theirs"), Visit.come_back)
    assert given.code.get_secret_value() == CODE
    assert visit.statuses == [400, 200]


def test_what_browsers_ask_besides_does_not_count() -> None:
    given, visit = consent(lambda it: it.come_back("favicon.ico"), Visit.come_back)
    assert given.code.get_secret_value() == CODE
    assert visit.statuses == [404, 200]


def test_a_connection_on_which_nothing_is_said_keeps_nobody_waiting() -> None:
    idle: list[socket.socket] = []

    def open_one_ahead(visit: Visit) -> None:
        idle.append(socket.create_connection(("127.0.0.1", urlsplit(visit.uri).port or 0)))

    given, _ = consent(open_one_ahead, Visit.come_back, timeout=5)
    assert given.code.get_secret_value() == CODE
    idle[0].close()


def test_every_consent_has_a_state_and_a_verifier_of_its_own() -> None:
    (first, one), (second, other) = consent(Visit.come_back), consent(Visit.come_back)
    assert one.asked["state"] != other.asked["state"]
    assert first.code_verifier != second.code_verifier
    # RFC 7636, section 4.1
    assert 43 <= len(first.code_verifier.get_secret_value()) <= 128


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "the browser was sent back without a code: access_denied"),
        ("<script>CANARY", "the browser was sent back without a code: it did not say why"),
        (None, "the browser was sent back without a code: it did not say why"),
    ],
)
def test_who_declines_ends_it(error: str | None, said: str) -> None:
    with pytest.raises(NoConsent) as caught:
        consent(lambda it: it.come_back(code=None, error=error))
    assert str(caught.value) == said


def test_nobody_is_waited_for_for_ever() -> None:
    with pytest.raises(NoConsent, match=r"^nobody came back from the consent page within 0\.05 seconds$"):
        consent(timeout=0.05)


def test_a_port_may_be_chosen_and_is_named_where_it_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NoConsent, match=f"^port {port}: Address already in use$"):
            consent(port=port)
    _, visit = consent(Visit.come_back, port=port)
    assert visit.uri == f"http://127.0.0.1:{port}/"
