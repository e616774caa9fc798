"""Venafi's authorisation server, as the simulator plays it over real HTTP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import requests

from local.simulators.venafi import VenafiSimulator
from tests.integration.simulated_venafi import ADA, ROBOT, get, post, refresh, refused, seen, set_up

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def venafi() -> Iterator[VenafiSimulator]:
    with VenafiSimulator(clock=lambda: NOON) as simulator:
        set_up(simulator)
        yield simulator


@pytest.fixture
def tokens(venafi: VenafiSimulator) -> dict[str, object]:
    return venafi.authorize("leaver", ROBOT)


@pytest.fixture
def token(tokens: dict[str, object]) -> str:
    return str(tokens["access_token"])


def test_a_refresh_answers_a_new_pair_and_how_long_it_lives(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    status, body = seen(refresh(venafi, tokens["refresh_token"]))
    assert status == 200
    assert body["identity"] == ROBOT
    assert body["scope"] == "admin:delete;configuration"
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 90 * 24 * 3600
    assert body["expires"] == int(NOON.timestamp()) + 90 * 24 * 3600
    assert body["refresh_until"] == int(NOON.timestamp()) + 365 * 24 * 3600
    assert get(venafi, "vedauth/authorize/verify", body["access_token"]).status_code == 200


def test_a_refresh_ends_the_older_access_token_at_once(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    refresh(venafi, tokens["refresh_token"])
    assert refused(get(venafi, "vedauth/authorize/verify", tokens["access_token"])) == (401, "invalid_token")


def test_a_refresh_token_works_once(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    refresh(venafi, tokens["refresh_token"])
    assert seen(refresh(venafi, tokens["refresh_token"])) == (
        400,
        {
            "error": "invalid_grant",
            "error_description": "Grant has been revoked, has expired, or the refresh token is invalid",
        },
    )


def test_of_two_refreshers_at_once_exactly_one_wins(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: refresh(venafi, tokens["refresh_token"]).status_code, range(8)))
    assert sorted(statuses) == [200, 400, 400, 400, 400, 400, 400, 400]


@pytest.mark.parametrize("client_id", ["vcert", "Leaver"])
def test_a_client_id_must_match_the_grant_letter_by_letter(
    venafi: VenafiSimulator, tokens: dict[str, object], client_id: str
) -> None:
    status, body = seen(refresh(venafi, tokens["refresh_token"], client_id))
    assert status == 400
    assert "does not match the client_id" in body["error_description"]
    assert refresh(venafi, tokens["refresh_token"]).status_code == 200


def test_after_the_grants_end_no_refresh_helps(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    venafi.advance(300 * 24 * 3600)
    newer = refresh(venafi, tokens["refresh_token"]).json()
    assert newer["expires"] == newer["refresh_until"]
    venafi.advance(65 * 24 * 3600)
    assert refused(refresh(venafi, newer["refresh_token"])) == (400, "invalid_grant")
    assert venafi.live_grants(ROBOT) == 0


def test_a_form_is_no_json(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    form = {"client_id": "leaver", "refresh_token": str(tokens["refresh_token"])}
    answer = requests.post(f"{venafi.url}/vedauth/authorize/token", data=form, timeout=10)
    assert refused(answer) == (400, "invalid_request")
    assert refresh(venafi, tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "login"),
    [
        ("oauth", {"username": "robot", "password": "pass-word"}),
        ("oauth", {"username": "local:robot", "password": "pass-word"}),
        ("jwt", {"jwt": "ey.jwt"}),
    ],
)
def test_one_may_log_in_again_without_a_refresh_token(
    venafi: VenafiSimulator, path: str, login: dict[str, str]
) -> None:
    body = {"client_id": "leaver", "scope": "configuration", **login}
    answer = post(venafi, f"vedauth/authorize/{path}", body).json()
    assert answer["scope"] == "configuration"
    assert answer["identity"] == ROBOT
    assert get(venafi, "vedauth/authorize/verify", answer["access_token"]).status_code == 200
    assert refresh(venafi, answer["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"password": "wrong"}, "invalid_grant"),
        ({"username": "ada"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"scope": "certificate:manage"}, "invalid_scope"),
        ({"scope": "admin:delete,recyclebin"}, "invalid_scope"),
        ({"scope": None}, "invalid_request"),
    ],
)
def test_a_login_that_is_not_right_is_refused(venafi: VenafiSimulator, changed: dict[str, object], error: str) -> None:
    body = {"client_id": "leaver", "username": "robot", "password": "pass-word", "scope": "admin:delete", **changed}
    assert refused(post(venafi, "vedauth/authorize/oauth", body)) == (400, error)
    assert venafi.live_grants(ROBOT) == 0


def test_verify_tells_whom_a_token_speaks_for(venafi: VenafiSimulator, token: str) -> None:
    venafi.advance(3600)
    status, body = seen(get(venafi, "VedAuth/Authorize/Verify", token))
    assert status == 200
    assert (body["identity"], body["application"]) == (ROBOT, "leaver")
    assert body["valid_for"] == 90 * 24 * 3600 - 3600
    assert body["access_issued_on_ISO8601"] == "2026-11-21T12:00:00Z"
    assert body["expires_unix_time"] == int(NOON.timestamp()) + 90 * 24 * 3600


def test_revoking_the_own_token_ends_its_grant(venafi: VenafiSimulator, tokens: dict[str, object], token: str) -> None:
    assert get(venafi, "vedauth/Revoke/Token", token).status_code == 200
    assert refused(refresh(venafi, tokens["refresh_token"])) == (400, "invalid_grant")
    assert venafi.live_grants(ROBOT) == 0
    assert venafi.live_grants(ADA) == 2


def test_revoking_a_token_that_does_not_work_answers_202(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    venafi.advance(90 * 24 * 3600)
    assert get(venafi, "vedauth/revoke/token", tokens["access_token"]).status_code == 202
    assert refresh(venafi, tokens["refresh_token"]).status_code == 200


def test_the_server_says_that_it_is_one(venafi: VenafiSimulator) -> None:
    answer = get(venafi, "vedauth/authorize/IsAuthServer")
    assert (answer.status_code, answer.text) == (202, "Venafi Authentication Server")


def test_a_venafi_with_grace_accepts_the_old_token_until_the_new_one_is_used(
    venafi: VenafiSimulator, tokens: dict[str, object]
) -> None:
    venafi.set_rotation("grace")
    lost = refresh(venafi, tokens["refresh_token"]).json()["refresh_token"]
    retried = refresh(venafi, tokens["refresh_token"])
    assert retried.status_code == 200
    assert refresh(venafi, lost).status_code == 400
    assert refresh(venafi, retried.json()["refresh_token"]).status_code == 200
    assert refresh(venafi, tokens["refresh_token"]).status_code == 400


def test_the_grace_ends_with_time(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    venafi.set_rotation("grace")
    refresh(venafi, tokens["refresh_token"])
    venafi.advance(61)
    assert refresh(venafi, tokens["refresh_token"]).status_code == 400


def test_a_venafi_that_detects_reuse_ends_the_whole_grant(venafi: VenafiSimulator, tokens: dict[str, object]) -> None:
    venafi.set_rotation("reuse-detecting")
    successor = refresh(venafi, tokens["refresh_token"]).json()
    assert refresh(venafi, tokens["refresh_token"]).status_code == 400
    assert refresh(venafi, successor["refresh_token"]).status_code == 400
    assert get(venafi, "vedauth/authorize/verify", successor["access_token"]).status_code == 401
    assert venafi.live_grants(ROBOT) == 0
