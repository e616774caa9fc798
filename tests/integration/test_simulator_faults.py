"""What a simulator does wrong on demand, and how another process asks it."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.simulators.control import ControlError, RemoteSimulator
from local.simulators.provider import CATALOGUE
from local.simulators.zoom import ZoomSimulator
from tests.integration.simulated_zoom import (
    ADA,
    end_session,
    exchange,
    get_token,
    get_user,
    refresh,
    revoke,
    set_up,
    sha256,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def zoom(tmp_path: Path) -> Iterator[ZoomSimulator]:
    with ZoomSimulator(clock=lambda: NOON, catalogue=tmp_path) as simulator:
        set_up(simulator)
        yield simulator


@pytest.fixture
def tokens(zoom: ZoomSimulator) -> dict[str, object]:
    return zoom.authorize("leaver-client", "installer")


@pytest.fixture
def bearer(tokens: dict[str, object]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_a_lie_answers_204_and_the_session_lives(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.inject("/v2/users/.*/token", method="DELETE", handling="pretend")
    assert end_session(zoom, bearer).status_code == 204
    assert zoom.has_session(ADA)
    assert end_session(zoom, bearer).status_code == 204
    assert not zoom.has_session(ADA)


def test_a_refresh_that_is_a_lie_answers_tokens_that_do_not_work(
    zoom: ZoomSimulator, tokens: dict[str, object]
) -> None:
    zoom.inject("/oauth/token", handling="pretend")
    body = refresh(zoom, tokens["refresh_token"]).json()
    assert get_user(zoom, body["access_token"]).status_code == 401
    assert refresh(zoom, body["refresh_token"]).status_code == 400
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_a_revocation_that_is_a_lie_leaves_the_token_alive(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.inject("/oauth/revoke", handling="pretend", times=None)
    assert revoke(zoom, tokens["access_token"]).json() == {"status": "success"}
    assert get_user(zoom, tokens["access_token"]).status_code == 200


def test_an_answer_that_was_lost_was_committed(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.inject("/oauth/token", method="POST", reply="reset")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        refresh(zoom, tokens["refresh_token"])
    assert zoom.live_token_kind(sha256(tokens["refresh_token"])) is None
    assert refresh(zoom, tokens["refresh_token"]).status_code == 400


def test_a_connection_that_was_reset_did_nothing(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.inject("/oauth/token", handling="skip", reply="reset")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        refresh(zoom, tokens["refresh_token"])
    assert [entry.status for entry in zoom.journal("/oauth/token")] == [None]
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_a_fixture_is_served_byte_for_byte(zoom: ZoomSimulator, tmp_path: Path, bearer: dict[str, str]) -> None:
    raw = b'HTTP/1.1 429 Slow\r\nx-odd:  \xe9\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{"cut": \xff'
    (tmp_path / "zoom").mkdir()
    (tmp_path / "zoom" / "429-cut-short.http").write_bytes(raw)
    zoom.inject(".*/token", method="DELETE", handling="skip", reply="zoom/429-cut-short")
    head = f"Host: zoom\r\nAuthorization: {bearer['Authorization']}\r\n\r\n"
    assert exchange(zoom, f"DELETE /v2/users/{ADA}/token HTTP/1.1\r\n{head}".encode()) == raw
    assert zoom.has_session(ADA)
    assert [entry.status for entry in zoom.journal()] == [429]


def test_the_whole_catalogue_can_be_served() -> None:
    catalogue = sorted(CATALOGUE.glob("*/*.http"))
    assert catalogue
    with ZoomSimulator() as simulator:
        for fixture in catalogue:
            simulator.inject(".*", handling="skip", reply=f"{fixture.parent.name}/{fixture.stem}")
            assert exchange(simulator, b"GET / HTTP/1.1\r\nHost: zoom\r\n\r\n") == fixture.read_bytes()


def test_a_fixture_that_is_not_there_is_refused_at_once(zoom: ZoomSimulator) -> None:
    with pytest.raises(FileNotFoundError):
        zoom.inject(".*", handling="skip", reply="zoom/nonsense")


def test_an_error_may_be_answered_although_it_was_done(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.inject(".*/token", reply="HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    assert end_session(zoom, bearer).status_code == 502
    assert not zoom.has_session(ADA)


def test_faults_befall_those_that_match_in_turn_and_no_others(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    down = "HTTP/1.1 503 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    zoom.inject(f"/v2/users/{ADA}/token", method="DELETE", times=2, handling="skip", reply=down)
    zoom.inject(f"/v2/users/{ADA}/token", method="DELETE", times=None, handling="pretend")
    assert end_session(zoom, bearer, "installer").status_code == 204
    assert [end_session(zoom, bearer).status_code for _ in range(4)] == [503, 503, 204, 204]
    assert zoom.has_session(ADA)
    zoom.clear_faults()
    end_session(zoom, bearer)
    assert not zoom.has_session(ADA)


def test_a_slow_answer_outlasts_an_impatient_client(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.inject(".*", latency_ms=500)
    with pytest.raises(requests.ReadTimeout):
        requests.delete(f"{zoom.api_url}/users/{ADA}/token", headers=bearer, timeout=0.05)


def test_a_request_is_held_between_commit_and_answer(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.inject("/oauth/token", hold="after")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(refresh, zoom, tokens["refresh_token"])
        assert zoom.wait_until_held(1) == 1
        assert zoom.live_token_kind(sha256(tokens["refresh_token"])) is None
        assert not answer.done()
        zoom.release()
        assert answer.result().status_code == 200
    assert zoom.wait_until_held(0) == 0


def test_closing_lets_go_of_what_is_held(tokens: dict[str, object], zoom: ZoomSimulator) -> None:
    zoom.inject("/oauth/token", hold="before")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(refresh, zoom, tokens["refresh_token"])
        assert zoom.wait_until_held() == 1
        zoom.close()


def test_another_process_asks_and_tells_over_http(zoom: ZoomSimulator) -> None:
    control = RemoteSimulator(zoom.url)
    control.ask("add_user", user_id="bob", email="bob@example.com", account_id="acme")
    tokens = control.ask("authorize", client_id="leaver-client", user="bob")
    assert set(tokens) == {"access_token", "refresh_token", "expires_at", "scope"}
    assert control.ask("has_session", user="bob@example.com") is True
    assert control.ask("sessions") == [ADA, "installer", "bob"]
    assert control.ask("live_token_kind", digest=sha256(tokens["access_token"])) == "access"
    control.ask("inject", path=".*/token", method="DELETE", handling="pretend")
    end_session(zoom, {"Authorization": f"Bearer {tokens['access_token']}"}, "bob")
    assert control.ask("has_session", user="bob") is True
    (entry,) = control.ask("journal")
    assert entry == {
        "received_at": "2026-11-21T12:00:00+00:00",
        "answered_at": "2026-11-21T12:00:00+00:00",
        "method": "DELETE",
        "path": "/v2/users/bob/token",
        "query": [],
        "status": 204,
        "bearer": sha256(tokens["access_token"]),
    }
    assert requests.get(f"{zoom.url}/_control/has_session?user=bob", timeout=10).json() == {"result": True}
    control.close()


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("nonsense", {}, "no such control"),
        ("close", {}, "no such control"),
        ("has_session", {}, "missing a required argument: 'user'"),
        ("has_session", {"user": "nobody"}, "no Zoom user nobody"),
        ("inject", {"path": "("}, "inject: "),
        ("inject", {"path": ".*", "handling": "maybe"}, "expected one of commit, pretend, skip"),
        ("inject", {"path": ".*", "handling": "skip"}, "has no answer of its own"),
    ],
)
def test_a_question_that_makes_no_sense_is_told_why(
    zoom: ZoomSimulator, name: str, arguments: dict[str, object], error: str
) -> None:
    control = RemoteSimulator(zoom.url)
    with pytest.raises(ControlError, match=error):
        control.ask(name, **arguments)
    control.close()


def test_neither_journal_nor_questions_show_a_secret(tmp_path: Path) -> None:
    with ZoomSimulator(token_prefix="canary-", catalogue=tmp_path) as zoom:
        set_up(zoom)
        tokens = zoom.authorize("leaver-client", "installer")
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert refresh(zoom, tokens["refresh_token"]).text.count("canary-") == 2
        assert "canary-" in get_token(zoom, bearer, type="zak").text
        requests.get(f"{zoom.api_url}/users/me?access_token={tokens['access_token']}", timeout=10)
        control = RemoteSimulator(zoom.url)
        questions = ("journal", "users", "sessions", "live_tokens", "user_tokens")
        answers = json.dumps([control.ask(question) for question in questions])
        control.close()
        assert "access_token" in answers
        assert "canary-" not in answers
        assert "s3cret" not in answers


def test_the_same_seed_makes_the_same_tokens(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        rng = random.Random(7)  # noqa: S311 - predictable on purpose
        with ZoomSimulator(rng=rng, clock=lambda: NOON, catalogue=tmp_path) as zoom:
            set_up(zoom)
            made.append(zoom.authorize("leaver-client", "installer"))
    assert made[0] == made[1]
