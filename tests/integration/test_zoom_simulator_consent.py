"""Zoom's consent page and the codes that it gives, as the simulator plays them over real HTTP."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from local.simulators.zoom import ZoomSimulator
from tests.integration.simulated_zoom import ADA, ADMIN_SCOPES, CLIENT, get_user, refresh, set_up

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BACK = "http://127.0.0.1:8765/"
# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def zoom() -> Iterator[ZoomSimulator]:
    with ZoomSimulator(clock=lambda: NOON) as simulator:
        set_up(simulator)
        simulator.set_visitor("it@example.com")
        yield simulator


def visit(zoom: ZoomSimulator, **changed: str) -> requests.Response:
    query = {
        "response_type": "code",
        "client_id": "leaver-client",
        "redirect_uri": BACK,
        "state": "st&te",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return requests.get(f"{zoom.url}/oauth/authorize", params=query | changed, allow_redirects=False, timeout=10)


def sent_back(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def exchange(zoom: ZoomSimulator, code: str, client: tuple[str, str] = CLIENT, **changed: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return requests.post(f"{zoom.url}/oauth/token", data=form | changed, auth=client, timeout=10)


def refused(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


INVALID_CODE = (400, {"reason": "Invalid authorization code", "error": "invalid_grant"})


def test_consent_sends_the_browser_back_with_a_code_that_brings_a_pair(zoom: ZoomSimulator) -> None:
    answer = visit(zoom)
    assert answer.headers["Location"].startswith(f"{BACK}?code=")
    told = sent_back(answer)
    assert told["state"] == "st&te"
    tokens = exchange(zoom, told["code"]).json()
    assert tokens["scope"] == " ".join(ADMIN_SCOPES)
    assert get_user(zoom, tokens["access_token"]).status_code == 200
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_a_code_works_once(zoom: ZoomSimulator) -> None:
    code = sent_back(visit(zoom))["code"]
    tokens = exchange(zoom, code).json()
    assert refused(exchange(zoom, code)) == INVALID_CODE
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 400)])
def test_a_code_lives_five_minutes(zoom: ZoomSimulator, seconds: int, status: int) -> None:
    code = sent_back(visit(zoom))["code"]
    zoom.advance(seconds)
    assert exchange(zoom, code).status_code == status


@pytest.mark.parametrize("verifier", ["", CHALLENGE, "another"])
def test_whoever_lacks_the_verifier_gets_nothing_and_spoils_the_code(zoom: ZoomSimulator, verifier: str) -> None:
    code = sent_back(visit(zoom))["code"]
    assert refused(exchange(zoom, code, code_verifier=verifier)) == INVALID_CODE
    assert refused(exchange(zoom, code)) == INVALID_CODE


def test_another_app_can_not_use_a_code(zoom: ZoomSimulator) -> None:
    zoom.add_app("other", "other-secret", account_id="acme", scopes=[])
    assert refused(exchange(zoom, sent_back(visit(zoom))["code"], ("other", "other-secret"))) == INVALID_CODE


def test_a_code_goes_with_the_redirect_uri_that_it_was_asked_with(zoom: ZoomSimulator) -> None:
    answer = exchange(zoom, sent_back(visit(zoom))["code"], redirect_uri="http://127.0.0.1:8766/")
    assert (answer.status_code, answer.json()["code"]) == (400, 4709)


@pytest.mark.parametrize(
    "uri", ["https://evil.example.com/", "http://127.0.0.1.example.com/", "https://it.example.com/x"]
)
def test_nobody_is_sent_where_the_app_does_not_belong(zoom: ZoomSimulator, uri: str) -> None:
    zoom.add_app(*CLIENT, account_id="acme", scopes=ADMIN_SCOPES, redirect_uris=["https://it.example.com/"])
    assert visit(zoom, redirect_uri=uri).status_code == 400
    assert visit(zoom, redirect_uri="https://it.example.com/").status_code == 302


def test_a_server_to_server_app_has_no_consent_page(zoom: ZoomSimulator) -> None:
    assert visit(zoom, client_id="s2s-client").status_code == 400


def test_who_declines_is_sent_back_without_a_code(zoom: ZoomSimulator) -> None:
    zoom.set_visitor(ADA, consents=False)
    assert sent_back(visit(zoom)) == {"error": "access_denied", "state": "st&te"}


def test_who_is_not_signed_in_must_sign_in_first(zoom: ZoomSimulator) -> None:
    zoom.set_visitor(None)
    page = visit(zoom).text
    assert page.startswith("<html><body>Sign in to Zoom<form>")
    [button] = re.findall(r'<button name="signed_in_as" value="([^"]*)">Sign in as it@example', page)
    kept = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page))
    # What was asked is asked again, as a browser does that reads the page.
    assert unescape(kept["state"]) == "st&te"
    assert sent_back(visit(zoom, signed_in_as=button))["state"] == "st&te"


def test_nobody_signs_in_by_a_name_that_is_nobodys(zoom: ZoomSimulator) -> None:
    zoom.set_visitor(None)
    assert visit(zoom, signed_in_as="nobody@example.com").text.startswith("<html><body>Sign in to Zoom")


def test_consenting_once_more_ends_the_older_pair(zoom: ZoomSimulator) -> None:
    older = exchange(zoom, sent_back(visit(zoom))["code"]).json()
    newer = exchange(zoom, sent_back(visit(zoom))["code"]).json()
    assert get_user(zoom, older["access_token"]).status_code == 401
    assert refresh(zoom, older["refresh_token"]).status_code == 400
    assert refresh(zoom, newer["refresh_token"]).status_code == 200


def test_another_users_consent_leaves_the_first_ones_alone(zoom: ZoomSimulator) -> None:
    first = exchange(zoom, sent_back(visit(zoom))["code"]).json()
    zoom.set_visitor(ADA)
    exchange(zoom, sent_back(visit(zoom))["code"])
    assert refresh(zoom, first["refresh_token"]).status_code == 200


def test_a_code_of_a_user_who_has_left_is_worth_nothing(zoom: ZoomSimulator) -> None:
    code = sent_back(visit(zoom))["code"]
    zoom.add_user("installer", "it@example.com", account_id="acme", status="inactive")
    assert refused(exchange(zoom, code)) == INVALID_CODE
