"""Zoom's token endpoints, as the simulator plays them over real HTTP."""

import contextlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.simulators.grants import Rotation
from local.simulators.zoom import ZoomSimulator
from tests.integration.simulated_zoom import (
    ADA,
    ADMIN_SCOPES,
    CLIENT,
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


def test_a_refresh_answers_a_new_pair_that_works(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    answer = refresh(zoom, tokens["refresh_token"])
    body = answer.json()
    assert answer.status_code == 200
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 3599
    assert body["scope"] == " ".join(ADMIN_SCOPES)
    assert body["refresh_token"] != tokens["refresh_token"]
    assert get_user(zoom, body["access_token"]).status_code == 200
    assert refresh(zoom, body["refresh_token"]).status_code == 200


def test_a_refresh_token_works_once(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200
    again = refresh(zoom, tokens["refresh_token"])
    assert again.status_code == 400
    assert again.json() == {"reason": "Invalid Token!", "error": "invalid_grant"}


def test_of_many_refreshers_at_once_exactly_one_wins(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: refresh(zoom, tokens["refresh_token"]).status_code, range(8)))
    assert sorted(statuses) == [200, 400, 400, 400, 400, 400, 400, 400]


class MeetingPoint(random.Random):
    """Makes whoever mints a token wait for a second minter, who only comes if nothing keeps them apart."""

    def __init__(self) -> None:
        super().__init__(7)
        self.both: threading.Barrier | None = None

    def randbytes(self, n: int) -> bytes:
        if self.both is not None:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.both.wait(0.2)
        return super().randbytes(n)


def test_no_refresher_slips_in_while_another_ones_tokens_are_minted() -> None:
    meeting_point = MeetingPoint()
    with ZoomSimulator(rng=meeting_point) as zoom:
        set_up(zoom)
        tokens = zoom.authorize("leaver-client", "installer")
        meeting_point.both = threading.Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(lambda _: refresh(zoom, tokens["refresh_token"]).status_code, range(2)))
    assert sorted(statuses) == [200, 400]


def test_a_refresh_leaves_the_older_access_token_alone(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    refresh(zoom, tokens["refresh_token"])
    assert get_user(zoom, tokens["access_token"]).status_code == 200


def test_a_zoom_that_ends_older_access_tokens_can_be_played() -> None:
    with ZoomSimulator(refresh_kills_access=True) as zoom:
        set_up(zoom)
        tokens = zoom.authorize("leaver-client", "installer")
        refresh(zoom, tokens["refresh_token"])
        assert get_user(zoom, tokens["access_token"]).json() == {"code": 124, "message": "Invalid access token."}


def test_a_refresh_token_dies_after_ninety_idle_days(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.advance(90 * 24 * 3600)
    assert zoom.live_tokens() == {"access": [], "refresh": []}
    assert refresh(zoom, tokens["refresh_token"]).status_code == 400


def test_a_wrong_client_secret_is_refused_and_spends_nothing(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    for auth in (("leaver-client", "s3cret\n"), ("nobody", "s3cret"), None):
        answer = requests.post(f"{zoom.url}/oauth/token", data=form, auth=auth, timeout=10)
        assert answer.status_code == 400
        assert answer.json() == {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_another_clients_refresh_token_is_refused(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.add_app("other", "other-secret", account_id="acme", scopes=[])
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    answer = requests.post(f"{zoom.url}/oauth/token", data=form, auth=("other", "other-secret"), timeout=10)
    assert answer.json()["error"] == "invalid_grant"
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_tokens_in_the_query_are_refused_and_spend_nothing(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    query = {"grant_type": "refresh_token", "refresh_token": str(tokens["refresh_token"])}
    answer = requests.post(f"{zoom.url}/oauth/token", params=query, auth=CLIENT, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, 124)
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_a_json_body_is_no_form(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = requests.post(f"{zoom.url}/oauth/token", json=body, auth=CLIENT, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_an_account_gets_many_tokens_that_work_and_no_refresh_token(zoom: ZoomSimulator) -> None:
    form = {"grant_type": "account_credentials", "account_id": "acme"}
    minted = [
        requests.post(f"{zoom.url}/oauth/token", data=form, auth=("s2s-client", "s2s-s3cret"), timeout=10).json()
        for _ in range(3)
    ]
    assert all("refresh_token" not in body for body in minted)
    assert [get_user(zoom, body["access_token"]).status_code for body in minted] == [200, 200, 200]


def test_an_app_that_users_authorise_gets_no_account_token(zoom: ZoomSimulator) -> None:
    form = {"grant_type": "account_credentials", "account_id": "acme"}
    answer = requests.post(f"{zoom.url}/oauth/token", data=form, auth=CLIENT, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(("account_id", "reason"), [("acme\n", "Bad Request"), ("elsewhere", "Account does not exist")])
def test_another_account_is_refused_in_zooms_words(zoom: ZoomSimulator, account_id: str, reason: str) -> None:
    zoom.add_account("elsewhere")
    form = {"grant_type": "account_credentials", "account_id": account_id}
    answer = requests.post(f"{zoom.url}/oauth/token", data=form, auth=("s2s-client", "s2s-s3cret"), timeout=10)
    assert answer.status_code == 400
    assert answer.json() == {"reason": reason, "error": "invalid_request"}


def test_a_zoom_with_grace_accepts_the_old_token_until_the_new_one_is_used(tmp_path: Path) -> None:
    with ZoomSimulator(rotation=Rotation.GRACE, catalogue=tmp_path) as zoom:
        set_up(zoom)
        first = zoom.authorize("leaver-client", "installer")["refresh_token"]
        lost = refresh(zoom, first).json()["refresh_token"]
        retried = refresh(zoom, first)
        assert retried.status_code == 200
        assert refresh(zoom, lost).status_code == 400
        assert refresh(zoom, retried.json()["refresh_token"]).status_code == 200
        assert refresh(zoom, first).status_code == 400


def test_the_grace_ends_with_time(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.set_rotation("grace")
    refresh(zoom, tokens["refresh_token"])
    assert zoom.live_token_kind(sha256(tokens["refresh_token"])) == "refresh"
    zoom.advance(61)
    assert zoom.live_token_kind(sha256(tokens["refresh_token"])) is None
    assert refresh(zoom, tokens["refresh_token"]).status_code == 400


def test_a_zoom_that_detects_reuse_ends_the_whole_grant(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.set_rotation("reuse-detecting")
    successor = refresh(zoom, tokens["refresh_token"]).json()
    assert refresh(zoom, tokens["refresh_token"]).status_code == 400
    assert refresh(zoom, successor["refresh_token"]).status_code == 400
    assert get_user(zoom, successor["access_token"]).status_code == 401


def test_the_tokens_of_a_user_who_is_gone_cannot_be_refreshed(zoom: ZoomSimulator) -> None:
    tokens = zoom.authorize("leaver-client", ADA)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    url = f"{zoom.api_url}/users/{ADA}/status"
    assert requests.put(url, json={"action": "deactivate"}, headers=bearer, timeout=10).status_code == 204
    assert refresh(zoom, tokens["refresh_token"]).json()["reason"] == "Invalid Token!"


def test_a_second_authorisation_ends_the_first(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    again = zoom.authorize("leaver-client", "it@example.com")
    assert refresh(zoom, tokens["refresh_token"]).status_code == 400
    assert get_user(zoom, tokens["access_token"]).status_code == 401
    assert refresh(zoom, again["refresh_token"]).status_code == 200


def test_revoking_an_access_token_ends_everything_on_its_grant(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    newer = refresh(zoom, tokens["refresh_token"]).json()
    answer = revoke(zoom, tokens["access_token"])
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert get_user(zoom, newer["access_token"]).status_code == 401
    assert refresh(zoom, newer["refresh_token"]).status_code == 400
    assert zoom.live_tokens("leaver-client") == {"access": [], "refresh": []}


def test_revoking_an_expired_access_token_ends_nothing(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.advance(3599)
    answer = revoke(zoom, tokens["access_token"])
    assert (answer.status_code, answer.json()["reason"]) == (400, "Invalid Token!")
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200


def test_another_clients_access_token_cannot_be_revoked(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    zoom.add_app("other", "other-secret", account_id="acme", scopes=[])
    form = {"token": str(tokens["access_token"])}
    answer = requests.post(f"{zoom.url}/oauth/revoke", data=form, auth=("other", "other-secret"), timeout=10)
    assert answer.status_code == 400
    assert get_user(zoom, tokens["access_token"]).status_code == 200


def test_a_refresh_token_is_no_token_to_revoke(zoom: ZoomSimulator, tokens: dict[str, object]) -> None:
    assert revoke(zoom, tokens["refresh_token"]).status_code == 400
    assert refresh(zoom, tokens["refresh_token"]).status_code == 200
