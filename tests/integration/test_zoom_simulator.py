"""Zoom's users API and its limits, as the simulator plays them over real HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from local.simulators.zoom import ZoomSimulator
from tests.integration.simulated_zoom import (
    ADA,
    end_session,
    exchange,
    get_token,
    get_user,
    refresh,
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


def test_ending_a_session_answers_204_and_nothing_else(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    answer = end_session(zoom, bearer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not zoom.has_session(ADA)
    assert zoom.has_session("installer")
    assert end_session(zoom, bearer).status_code == 204


def test_a_user_is_found_by_mail_address_decoded_once(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_user("obrien", "o'brien+test@example.com", account_id="acme")
    assert end_session(zoom, bearer, "O%27Brien%2Btest%40example.com").status_code == 204
    assert not zoom.has_session("obrien")
    assert end_session(zoom, bearer, "o%2527brien%252Btest%2540example.com").status_code == 404


@pytest.mark.parametrize("user", ["nobody", "stranger"])
def test_an_unknown_user_and_one_of_another_account_look_the_same(
    zoom: ZoomSimulator, bearer: dict[str, str], user: str
) -> None:
    zoom.add_account("elsewhere")
    zoom.add_user("stranger", "stranger@example.org", account_id="elsewhere")
    answer = end_session(zoom, bearer, user)
    assert answer.status_code == 404
    assert answer.json() == {"code": 1001, "message": f"User does not exist: {user}."}


def test_one_address_is_somebody_in_each_of_two_accounts(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_account("elsewhere")
    zoom.add_user("hers-elsewhere", "her@example.org", account_id="elsewhere")
    zoom.add_user("hers", "her@example.org", account_id="acme")
    assert end_session(zoom, bearer, "her@example.org").status_code == 204
    assert (zoom.has_session("hers"), zoom.has_session("hers-elsewhere")) == (False, True)


def test_a_pending_user_is_told_apart(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_user("new", "new@example.com", account_id="acme", status="pending", session=False)
    answer = end_session(zoom, bearer, "new")
    assert (answer.status_code, answer.json()["code"]) == (400, 1120)


def test_a_missing_scope_is_named_in_zooms_words(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:read:user:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    answer = end_session(zoom, {"Authorization": f"Bearer {tokens['access_token']}"})
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 4711,
        "message": "Invalid access token, does not contain scopes:[user:delete:token, user:delete:token:admin].",
    }
    assert zoom.has_session(ADA)


def test_a_scope_that_was_added_is_in_the_next_token_minted(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:read:user:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    zoom.set_scopes("leaver-client", ["user:delete:token:admin"])
    assert end_session(zoom, {"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 400
    newer = refresh(zoom, tokens["refresh_token"]).json()
    assert end_session(zoom, {"Authorization": f"Bearer {newer['access_token']}"}).status_code == 204


def test_classic_scopes_are_as_good_as_granular_ones(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:write:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert end_session(zoom, bearer).status_code == 204
    assert get_token(zoom, bearer).json()["code"] == 4711


def test_a_user_level_app_must_say_me(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:delete:token"])
    tokens = zoom.authorize("leaver-client", ADA)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert end_session(zoom, bearer, ADA).json()["code"] == 4711
    assert zoom.has_session(ADA)
    assert end_session(zoom, bearer, "me").status_code == 204
    assert not zoom.has_session(ADA)


def test_me_is_nobody_to_a_server_to_server_app(zoom: ZoomSimulator) -> None:
    form = {"grant_type": "account_credentials", "account_id": "acme"}
    minted = requests.post(f"{zoom.url}/oauth/token", data=form, auth=("s2s-client", "s2s-s3cret"), timeout=10).json()
    answer = end_session(zoom, {"Authorization": f"Bearer {minted['access_token']}"}, "me")
    assert (answer.status_code, answer.json()["code"]) == (404, 1001)


def test_a_token_that_never_was_and_one_that_expired_both_are_124(
    zoom: ZoomSimulator, tokens: dict[str, object]
) -> None:
    unknown = get_user(zoom, "made-up")
    zoom.advance(3599)
    expired = get_user(zoom, tokens["access_token"])
    assert (unknown.status_code, unknown.json()) == (401, {"code": 124, "message": "Invalid access token."})
    assert (expired.status_code, expired.json()) == (401, {"code": 124, "message": "Access token is expired."})
    assert requests.get(f"{zoom.api_url}/users/{ADA}", timeout=10).json()["code"] == 124


def test_a_token_in_the_query_is_refused(
    zoom: ZoomSimulator, tokens: dict[str, object], bearer: dict[str, str]
) -> None:
    query = {"access_token": str(tokens["access_token"])}
    answer = requests.get(f"{zoom.api_url}/users/{ADA}", params=query, headers=bearer, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, 124)


@pytest.mark.parametrize(
    ("login_type", "query", "lifetime_s"),
    [
        ("sso", {}, 14 * 24 * 3600),
        ("sso", {"type": "zak"}, 7200),
        ("api", {"type": "zak"}, 90 * 24 * 3600),
        ("sso", {"type": "zak", "ttl": "31536000"}, 31_536_000),
        ("sso", {"type": "onbehalf", "ttl": "60", "meeting_id": "93398114182"}, 60),
    ],
)
def test_a_user_token_lives_as_long_as_zoom_says(
    zoom: ZoomSimulator, bearer: dict[str, str], login_type: str, query: dict[str, str], lifetime_s: int
) -> None:
    zoom.add_user(ADA, "ada@example.com", account_id="acme", login_type=login_type)  # type: ignore[arg-type] # parametrized
    token = get_token(zoom, bearer, **query).json()["token"]
    (minted,) = zoom.user_tokens("ada@example.com")
    assert minted.digest == sha256(token)
    assert minted.type == query.get("type", "token")
    assert minted.meeting_id == query.get("meeting_id")
    assert (minted.expires_at - NOON).total_seconds() == lifetime_s
    assert len(token) <= 512


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"type": "zpk"}, "type"),
        ({"type": "zak", "ttl": "68423085"}, "ttl"),
        ({"type": "zak", "ttl": "0"}, "ttl"),
        ({"type": "zak", "ttl": "soon"}, "ttl"),
        ({"type": "onbehalf", "meeting_id": "abc"}, "meeting_id"),
    ],
)
def test_a_wrong_parameter_fails_the_validation(
    zoom: ZoomSimulator, bearer: dict[str, str], query: dict[str, str], field: str
) -> None:
    answer = get_token(zoom, bearer, **query)
    assert answer.status_code == 400
    assert answer.json() == {
        "code": 300,
        "message": "Validation Failed.",
        "errors": [{"field": field, "message": "Invalid field."}],
    }
    assert zoom.user_tokens() == []


def test_a_user_who_signs_in_by_google_has_no_token(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_user("g", "g@example.com", account_id="acme", login_type="google")
    answer = get_token(zoom, bearer, "g", type="zak")
    assert (answer.status_code, answer.json()) == (200, {"token": None})
    assert zoom.user_tokens() == []


def test_a_user_is_described_by_id_and_mail_address(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    body = requests.get(f"{zoom.api_url}/users/ada@example.com", headers=bearer, timeout=10).json()
    assert (body["id"], body["email"], body["status"]) == (ADA, "ada@example.com", "active")
    assert body["login_types"] == [101]


def test_a_deactivated_user_keeps_the_session_and_cannot_sign_in_again(
    zoom: ZoomSimulator, bearer: dict[str, str]
) -> None:
    url = f"{zoom.api_url}/users/{ADA}/status"
    assert requests.put(url, json={"action": "deactivate"}, headers=bearer, timeout=10).status_code == 204
    assert zoom.has_session(ADA)
    end_session(zoom, bearer)
    with pytest.raises(ValueError, match="inactive"):
        zoom.sign_in(ADA)


def test_an_administrators_status_can_not_be_changed(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_user("boss", "boss@example.com", account_id="acme", administrator=True)
    url = f"{zoom.api_url}/users/boss/status"
    answer = requests.put(url, json={"action": "deactivate"}, headers=bearer, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, 200)
    assert [user["status"] for user in zoom.users() if user["id"] == "boss"] == ["active"]


def test_the_status_of_nobody_is_not_found(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    url = f"{zoom.api_url}/users/nobody/status"
    answer = requests.put(url, json={"action": "deactivate"}, headers=bearer, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (404, 1001)


def test_to_change_a_status_takes_a_scope_of_its_own(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:read:user:admin", "user:delete:token:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    answer = requests.put(
        f"{zoom.api_url}/users/{ADA}/status",
        json={"action": "deactivate"},
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 4711)
    assert "user:update:status:admin" in answer.json()["message"]


@pytest.mark.parametrize(("body", "message"), [("[]", "Request Body should be a valid JSON object."), ("{}", None)])
def test_a_status_that_makes_no_sense_is_refused(
    zoom: ZoomSimulator, bearer: dict[str, str], body: str, message: str | None
) -> None:
    answer = requests.put(f"{zoom.api_url}/users/{ADA}/status", data=body, headers=bearer, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, 300)
    assert answer.json()["message"] == (message or "Validation Failed.")


def test_a_delete_without_token_at_the_end_removes_the_user_and_is_seen(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:write:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    head = f"Host: zoom\r\nAuthorization: Bearer {tokens['access_token']}\r\n\r\n"
    answer = exchange(zoom, f"DELETE /v2/users/{ADA}/token/%2e%2e HTTP/1.1\r\n{head}".encode())
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert ADA not in [user["id"] for user in zoom.users()]
    (entry,) = zoom.journal(f"/v2/users/{ADA}/.*", "DELETE")
    assert entry.path == f"/v2/users/{ADA}/token/%2e%2e"


def test_an_empty_user_id_asks_for_a_user_called_token(zoom: ZoomSimulator) -> None:
    zoom.set_scopes("leaver-client", ["user:write:admin"])
    tokens = zoom.authorize("leaver-client", "installer")
    answer = end_session(zoom, {"Authorization": f"Bearer {tokens['access_token']}"}, user="")
    assert answer.json() == {"code": 1001, "message": "User does not exist: token."}


def test_an_unknown_endpoint_is_not_recognised(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    answer = requests.delete(f"{zoom.api_url}/users/{ADA}/tokens", headers=bearer, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, 2300)


def test_more_requests_in_a_second_than_the_account_may_are_refused(
    zoom: ZoomSimulator, bearer: dict[str, str]
) -> None:
    zoom.set_rate_limit("acme", per_second=2)
    answers = [end_session(zoom, bearer) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[2].json() == {
        "code": 429,
        "message": "You have reached the maximum per-second rate limit for this API. Try again later.",
    }
    assert answers[2].headers["X-RateLimit-Type"] == "QPS"
    assert answers[1].headers["X-RateLimit-Category"] == "Light"
    assert (answers[1].headers["X-RateLimit-Limit"], answers[1].headers["X-RateLimit-Remaining"]) == ("2", "0")
    zoom.advance(1)
    assert end_session(zoom, bearer).status_code == 204


def test_a_daily_limit_tells_when_the_next_day_begins(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.set_rate_limit("acme", per_day=1)
    answers = [end_session(zoom, bearer) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 429]
    assert answers[1].headers["X-RateLimit-Type"] == "Daily-limit"
    assert answers[1].headers["Retry-After"] == "2026-11-22T00:00:00Z"
    assert "daily rate limit" in answers[1].json()["message"]
    zoom.advance(12 * 3600)
    tokens = zoom.authorize("leaver-client", "installer")
    assert end_session(zoom, {"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 204


def test_an_account_may_keep_its_limits_to_itself(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.set_rate_limit("acme", per_second=1, headers=False)
    answers = [end_session(zoom, bearer) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 429]
    assert not [name for answer in answers for name in answer.headers if name.startswith(("X-RateLimit", "Retry"))]


def test_limits_are_an_accounts_own(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.add_account("elsewhere")
    zoom.set_rate_limit("elsewhere", per_second=0)
    assert end_session(zoom, bearer).status_code == 204


def test_one_delete_at_a_time_per_user(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    zoom.inject(f"/v2/users/{ADA}/token", method="DELETE", hold="before")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(end_session, zoom, bearer)
        assert zoom.wait_until_held() == 1
        second = end_session(zoom, bearer, "ada@example.com")
        neighbour = end_session(zoom, bearer, "installer")
        zoom.release()
        assert first.result().status_code == 204
    assert second.status_code == 429
    assert second.json() == {
        "code": 429,
        "message": "Too many concurrent requests. A request to disassociate this user has already been made.",
    }
    assert neighbour.status_code == 204
    assert end_session(zoom, bearer).status_code == 204


def test_every_answer_has_a_tracking_id_of_its_own(zoom: ZoomSimulator, bearer: dict[str, str]) -> None:
    answers = [end_session(zoom, bearer), get_user(zoom, "made-up"), refresh(zoom, "made-up")]
    assert len({answer.headers["x-zm-trackingid"] for answer in answers}) == 3
