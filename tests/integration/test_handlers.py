"""Each function as Lambda calls it: real tables, queues, secrets and bus on moto, the provider's raw answers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import pytest
import responses
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher

from leaver.messages.commands import RevokeAccessToken
from leaver.settings import InvalidSetting
from leaver.storage.secrets import next_version_id
from tests.doubles.deployed import VENAFI, ZOOM_API, ZOOM_OAUTH, Deployment, deployment
from tests.doubles.lambda_events import event
from tests.doubles.metrics import sum_metrics

EVENTS = Path(__file__).parents[2] / "events"
JOHN = {"user_id": "john.doe@example.com"}
JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
GRANTEE = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
JOHN_AT_VENAFI = {"PrefixedUniversal": GRANTEE, "PrefixedName": "local:jdoe", "Name": "jdoe"}
USER = f"{ZOOM_API}/users/john.doe%40example.com"
BEARER = header_matcher({"Authorization": "Bearer access-1"})


@pytest.fixture
def leaver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployment(monkeypatch) as deployed:
        yield deployed


@pytest.fixture
def provider() -> Iterator[responses.RequestsMock]:
    """Answers what it was told to, and fails the test where it was not asked for all of that."""
    with responses.RequestsMock() as mocked:
        yield mocked


def on_the_bus(detail_type: str, detail: dict[str, Any]) -> str:
    return event(detail_type, detail, time=datetime.now(tz=UTC).isoformat())


# --- revoke_sso_token ---


def test_revoke_sso_token_ends_the_session(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("zoom")
    provider.delete(f"{USER}/token", status=204, headers={"x-zm-trackingid": "v=2.0"}, match=[BEARER])
    assert leaver.deliver("revoke_sso_token", on_the_bus("RevokeSsoToken", JOHN)) == set()
    (receipt,) = leaver.receipts()
    assert (receipt["outcome"], receipt["provider_status"], receipt["tracking_id"]) == ("revoked", 204, "v=2.0")
    assert [each["detail-type"] for each in leaver.heard()] == ["SsoTokenRevoked"]


def test_revoke_sso_token_parks_a_missing_scope_and_does_it_when_it_is_put_back(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    missing = {
        "code": 4711,
        "message": "Invalid access token, does not contain scopes:[user:delete:token, user:delete:token:admin].",
    }
    provider.delete(f"{USER}/token", status=400, json=missing)
    leaver.deliver("revoke_sso_token", JOHN)
    (parked,) = leaver.received("dead")
    assert parked["MessageAttributes"]["reason"]["StringValue"] == (
        "missing scopes: user:delete:token, user:delete:token:admin"
    )
    assert leaver.receipts()[0]["outcome"] == "failed"
    provider.replace(responses.DELETE, f"{USER}/token", status=204)
    kept = {"message_id": parked["MessageAttributes"]["message_id"]}
    leaver.sqs.send_message(QueueUrl=leaver.urls["commands"], MessageBody=parked["Body"], MessageAttributes=kept)
    assert leaver.poll("revoke_sso_token") == set()
    (receipt,) = leaver.receipts()
    assert (receipt["outcome"], receipt["attempts"]) == ("revoked", 2)
    assert [each["detail-type"] for each in leaver.heard()] == ["RevocationFailed", "SsoTokenRevoked"]


def test_revoke_sso_token_lets_a_throttled_message_wait(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("zoom")
    provider.delete(
        f"{USER}/token", status=429, json={"code": 429, "message": "per-second"}, headers={"Retry-After": "9"}
    )
    assert leaver.deliver("revoke_sso_token", JOHN) == {json.dumps(JOHN)}
    assert leaver.received("commands") == []
    assert (leaver.receipts(), leaver.heard()) == ([], [])


@pytest.mark.parametrize("left", [12_000, 60_000])
def test_revoke_sso_token_calls_nobody_when_its_run_is_about_to_end(leaver: Deployment, left: int) -> None:
    leaver.connect("zoom")
    # When the message is begun, and from then on.
    leaver.left = (60_000, left)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as zoom:
        zoom.delete(f"{USER}/token", status=204)
        came_back = leaver.deliver("revoke_sso_token", JOHN)
        assert (len(zoom.calls), bool(came_back)) == ((0, True) if left == 12_000 else (1, False))


def test_revoke_sso_token_does_not_touch_the_neighbours_of_a_bad_message(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.delete(f"{USER}/token", status=204)
    provider.delete(f"{ZOOM_API}/users/o%27brien%2Btest%40example.com/token", status=204)
    bad = {"user_id": "../john"}
    assert leaver.deliver("revoke_sso_token", JOHN, "{", bad, {"user_id": "o'brien+test@example.com"}) == set()
    assert sorted(receipt["outcome"] for receipt in leaver.receipts()) == ["failed", "failed", "revoked", "revoked"]
    assert set(leaver.reasons()) == {"body: expected JSON", "user_id: expected a Zoom user id or an e-mail address"}


# --- retrieve_user_token ---


def test_retrieve_user_token_leaves_the_token_in_the_vault_and_says_where(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.get(USER, json={"id": JOHN_ID, "email": "john.doe@example.com"}, match=[BEARER])
    asked = [BEARER, query_param_matcher({"type": "zak", "ttl": "600"})]
    provider.get(f"{ZOOM_API}/users/{JOHN_ID}/token", json={"token": "zak-canary"}, match=asked)
    assert leaver.deliver("retrieve_user_token", on_the_bus("RetrieveUserToken", JOHN | {"ttl": 600})) == set()
    name = f"leaver/user-tokens/{JOHN_ID}/zoom/zak"
    assert leaver.stored(name)["token"] == "zak-canary"
    described = leaver.secrets.describe_secret(SecretId=name)
    (told,) = leaver.heard()
    assert told["detail-type"] == "UserTokenRetrieved"
    assert told["detail"]["details"]["secret_arn"] == described["ARN"]
    assert told["detail"]["details"]["expires_at_assumed"] is False
    assert described["KmsKeyId"] == leaver.kms_key_arn
    assert "zak-canary" not in json.dumps([told, leaver.receipts()])


def test_retrieve_user_token_calls_a_null_token_by_its_name(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.get(USER, json={"id": JOHN_ID, "email": "john.doe@example.com"})
    provider.get(f"{ZOOM_API}/users/{JOHN_ID}/token", json={"token": None})
    leaver.deliver("retrieve_user_token", JOHN)
    assert leaver.receipts()[0]["outcome"] == "no_token"
    assert [each["Name"] for each in leaver.secrets.list_secrets()["SecretList"] if "user-tokens" in each["Name"]] == []


def test_retrieve_user_token_gives_nothing_to_a_leaver(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("zoom")
    leaver.leaves("john.doe@example.com")
    provider.get(USER, json={"id": JOHN_ID, "email": "John.Doe@example.com"})
    assert leaver.deliver("retrieve_user_token", on_the_bus("RetrieveUserToken", JOHN)) == set()
    assert leaver.receipts()[0]["outcome"] == "refused"
    (told,) = leaver.heard()
    assert leaver.user_tokens == []
    assert (told["detail-type"], told["detail"]["reason"]) == ("RetrievalFailed", "the user left")


def test_retrieve_user_token_destroys_what_it_wrote_when_the_user_left_meanwhile(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.get(USER, json={"id": JOHN_ID, "email": "john.doe@example.com"})

    def meanwhile(_: Any) -> tuple[int, dict[str, str], str]:
        leaver.leaves(JOHN_ID)
        return 200, {}, json.dumps({"token": "zak-canary"})

    provider.add_callback(responses.GET, f"{ZOOM_API}/users/{JOHN_ID}/token", callback=meanwhile)
    assert leaver.deliver("retrieve_user_token", on_the_bus("RetrieveUserToken", JOHN)) == set()
    assert leaver.receipts()[0]["outcome"] == "refused"
    (told,) = leaver.heard()
    assert leaver.user_tokens == []
    assert (told["detail-type"], told["detail"]["reason"]) == ("RetrievalFailed", "the user left")


# --- purge_user_tokens ---


def test_purge_user_tokens_destroys_what_was_retrieved_and_says_how_long_it_lives(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.get(USER, json={"id": JOHN_ID, "email": "john.doe@example.com"})
    provider.get(f"{ZOOM_API}/users/{JOHN_ID}/token", json={"token": "zak-canary"})
    leaver.deliver("retrieve_user_token", on_the_bus("RetrieveUserToken", JOHN))
    (retrieved,) = leaver.heard()
    assert leaver.deliver("purge_user_tokens", on_the_bus("PurgeUserTokens", JOHN)) == set()
    (purged,) = leaver.heard()
    assert (purged["detail-type"], purged["detail"]["outcome"]) == ("UserTokensPurged", "purged")
    until = retrieved["detail"]["details"]["expires_at"]
    assert purged["detail"]["details"] == {"destroyed": 1, "handed_out_until": until}
    assert leaver.user_tokens == []


def test_purge_user_tokens_purges_somebody_whom_zoom_does_not_know(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom")
    provider.get(USER, status=404, json={"code": 1001, "message": "User does not exist: john.doe@example.com."})
    assert leaver.deliver("purge_user_tokens", JOHN) == set()
    assert leaver.receipts()[0]["outcome"] == "purged"


# --- deactivate_user ---


def test_deactivate_user_blocks_the_login_and_ends_the_session(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom", grant_type="account_credentials")
    body = json_params_matcher({"action": "deactivate"})
    provider.put(f"{USER}/status", status=204, headers={"x-zm-trackingid": "v=2.0"}, match=[BEARER, body])
    provider.delete(f"{USER}/token", status=204, match=[BEARER])
    assert leaver.deliver("deactivate_user", on_the_bus("DeactivateUser", JOHN)) == set()
    (receipt,) = leaver.receipts()
    assert (receipt["outcome"], receipt["tracking_id"], receipt["details"]) == (
        "deactivated",
        "v=2.0",
        {"session": "revoked"},
    )
    assert [each["detail-type"] for each in leaver.heard()] == ["UserDeactivated"]


def test_deactivate_user_parks_an_administrator(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("zoom", grant_type="account_credentials")
    refused = {"code": 200, "message": "Zoom Room and Admin users' status cannot be activated or deactivated."}
    provider.put(f"{USER}/status", status=400, json=refused)
    assert leaver.deliver("deactivate_user", JOHN) == set()
    assert leaver.reasons() == [
        "the user is a Zoom Room or an administrator, whose status Zoom does not let anybody change"
    ]


@pytest.mark.parametrize(
    ("ttl", "reason"),
    [
        (68423085, "ttl: Input should be less than or equal to 31536000"),
        (7201, "ttl: expected at most 7200, the deployment's MaxUserTokenTtl"),
    ],
)
def test_retrieve_user_token_parks_a_ttl_that_is_too_long(leaver: Deployment, ttl: int, reason: str) -> None:
    leaver.connect("zoom")
    assert leaver.deliver("retrieve_user_token", JOHN | {"ttl": ttl}) == set()
    assert leaver.reasons() == [reason]


# --- refresh_access_token ---

PAIR = {"access_token": "access-2", "token_type": "bearer", "refresh_token": "refresh-2", "expires_in": 3599}


def test_refresh_access_token_rotates_the_pair(leaver: Deployment, provider: responses.RequestsMock) -> None:
    version = leaver.connect("zoom", minutes=5)
    asked = provider.post(f"{ZOOM_OAUTH}/oauth/token", json=PAIR)
    assert leaver.deliver("refresh_access_token", {"connection": "zoom"}) == set()
    assert parse_qs(asked.calls[0].request.body) == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-1"]}
    assert leaver.stored("leaver/tokens/zoom/zoom")["refresh_token"] == "refresh-2"
    record = leaver.connection("zoom")
    assert (record["version"], record["status"]) == (next_version_id("zoom", version), "active")
    (told,) = leaver.heard()
    assert (told["detail-type"], told["detail"]["outcome"]) == ("AccessTokenRefreshed", "refreshed")
    assert leaver.receipts() == []


def test_refresh_access_token_leaves_a_leavers_personal_connection_alone(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom", minutes=5, role="personal", owner="John.Doe@example.com")
    leaver.leaves("john.doe@example.com")
    assert leaver.deliver("refresh_access_token", {"connection": "zoom", "force": True}) == set()
    assert len(provider.calls) == 0
    assert leaver.stored("leaver/tokens/zoom/zoom")["refresh_token"] == "refresh-1"


def test_refresh_access_token_asks_venafi_in_its_own_way(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("venafi", minutes=5)
    form = json_params_matcher({"client_id": "client-id", "refresh_token": "refresh-1"})
    provider.post(f"{VENAFI}/vedauth/authorize/token", json=PAIR, match=[form])
    assert leaver.deliver("refresh_access_token", {"connection": "venafi"}) == set()
    assert leaver.stored("leaver/tokens/venafi/venafi")["access_token"] == "access-2"


def test_refresh_access_token_parks_a_dead_grant_in_its_fifo_queue(
    leaver: Deployment, provider: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", leaver.urls["dead.fifo"])
    leaver.connect("zoom", minutes=5)
    provider.post(f"{ZOOM_OAUTH}/oauth/token", status=400, json={"reason": "Invalid Token!", "error": "invalid_grant"})
    assert leaver.deliver("refresh_access_token", {"connection": "zoom"}) == set()
    assert leaver.connection("zoom")["status"] == "needs_reauthorization"
    (parked,) = leaver.received("dead.fifo")
    assert parked["MessageAttributes"]["error"]["StringValue"] == "InvalidGrant"
    assert parked["Attributes"]["MessageGroupId"] == "zoom"


# --- revoke_access_token ---


def test_revoke_access_token_retires_the_connection(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("zoom")
    asked = provider.post(f"{ZOOM_OAUTH}/oauth/revoke", json={"status": "success"})
    confirmed = {"connection": "zoom", "confirm": RevokeAccessToken.CONFIRMATION}
    assert leaver.deliver("revoke_access_token", on_the_bus("RevokeAccessToken", confirmed)) == set()
    assert parse_qs(asked.calls[0].request.body) == {"token": ["access-1"]}
    assert leaver.connection("zoom")["status"] == "revoked"
    assert [each["detail-type"] for each in leaver.heard()] == ["AccessTokenRevoked"]


def test_an_expired_connection_is_revoked_through_a_refresh(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("zoom", minutes=-1)
    body = json.dumps({"connection": "zoom", "confirm": RevokeAccessToken.CONFIRMATION})
    assert leaver.deliver("revoke_access_token", body) == {body}
    assert leaver.connection("zoom")["status"] == "revoking"
    provider.post(f"{ZOOM_OAUTH}/oauth/token", json=PAIR)
    revoked = provider.post(f"{ZOOM_OAUTH}/oauth/revoke", json={"status": "success"})
    assert leaver.poll("refresh_access_token") == set()
    assert parse_qs(revoked.calls[0].request.body) == {"token": ["access-2"]}
    assert leaver.deliver("revoke_access_token", body) == set()
    assert len(revoked.calls) == 1
    assert {receipt.get("outcome") for receipt in leaver.receipts()} == {None, "revoked"}
    assert leaver.connection("zoom")["revoked_outcome"] == "revoked"


# --- revoke_grants ---


def grants(*left: dict[str, Any]) -> dict[str, Any]:
    return {"Result": 0, "Success": True, "Grants": list(left)}


def test_revoke_grants_revokes_and_proves_it(leaver: Deployment, provider: responses.RequestsMock) -> None:
    leaver.connect("venafi")
    provider.post(f"{VENAFI}/vedsdk/Identity/Browse", json={"Identities": [JOHN_AT_VENAFI]}, match=[BEARER])
    provider.post(f"{VENAFI}/vedsdk/Identity/ReadAttribute", json={"Attributes": ["john.doe@example.com"]})
    own = {"identity": "local:{00000000-0000-4000-8000-0000000000aa}", "application": "leaver", "scope": "admin:delete"}
    provider.get(f"{VENAFI}/vedauth/authorize/verify", json=own)
    one_key = json_params_matcher({"GranteePrefixedUniversal": GRANTEE})
    provider.post(f"{VENAFI}/vedsdk/oauth/RevokeGrants", json={"Result": 0, "Success": True}, match=[one_key])
    provider.post(f"{VENAFI}/vedsdk/oauth/GetGrants", json=grants())
    assert leaver.deliver("revoke_grants", on_the_bus("RevokeGrants", {"identity": "john.doe@example.com"})) == set()
    (told,) = leaver.heard()
    whose = {"prefixed_universal": GRANTEE, "prefixed_name": "local:jdoe"}
    details = {"grants_left": 0, **whose, "found_by": "address", "searched": "address"}
    assert (told["detail-type"], told["detail"]["details"]) == ("GrantsRevoked", details)


def test_revoke_grants_claims_nothing_while_venafi_still_counts_one(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    leaver.connect("venafi")
    own = {"identity": "local:{00000000-0000-4000-8000-0000000000aa}", "application": "leaver", "scope": "admin:delete"}
    provider.get(f"{VENAFI}/vedauth/authorize/verify", json=own)
    provider.post(f"{VENAFI}/vedsdk/Identity/Validate", json={"ID": JOHN_AT_VENAFI})
    provider.post(f"{VENAFI}/vedsdk/oauth/RevokeGrants", json={"Result": 0, "Success": True})
    provider.post(f"{VENAFI}/vedsdk/oauth/GetGrants", json=grants({"RefreshToken": "canary-refresh"}))
    body = json.dumps({"grantee_prefixed_universal": GRANTEE})
    assert leaver.deliver("revoke_grants", body) == {body}
    (receipt,) = leaver.receipts()
    assert (receipt.get("outcome"), receipt["attempts"]) == (None, 1)
    assert leaver.heard() == []
    assert "canary-refresh" not in json.dumps(leaver.receipts())


# --- schedule_refreshes ---


def test_schedule_refreshes_plans_what_is_due_when_the_schedule_fires(leaver: Deployment) -> None:
    version = leaver.connect("zoom", minutes=5)
    leaver.connect("venafi", minutes=60)
    assert leaver.invoke("schedule_refreshes", json.loads((EVENTS / "schedule_refreshes.json").read_text())) is None
    (message,) = leaver.received("refresh.fifo")
    assert json.loads(message["Body"]) == {"connection": "zoom"}
    assert message["Attributes"]["MessageDeduplicationId"].startswith(f"zoom:{version}:")


@pytest.mark.parametrize("waiting", [0, 2])
def test_schedule_refreshes_counts_each_minute_who_needs_a_person(
    leaver: Deployment, capsys: pytest.CaptureFixture[str], waiting: int
) -> None:
    leaver.connect("venafi")
    for name in [f"zoom-{number}" for number in range(waiting)]:
        leaver.connect(name, provider="zoom", status="needs_reauthorization")
    leaver.invoke("schedule_refreshes", json.loads((EVENTS / "schedule_refreshes.json").read_text()))
    emitted = capsys.readouterr().out
    assert sum_metrics(emitted) == {"ConnectionsNeedingAPerson": waiting, "ConnectionsFailing": 0}
    assert json.loads(emitted)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stack", "service"]]


def test_a_record_that_no_refresh_can_be_sent_for_stops_nobody_elses_and_is_logged_once(
    leaver: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    leaver.connect("zoom", minutes=5)
    leaver.connect("venafi", minutes=5)
    leaver.rewrite("venafi", version=None)
    leaver.connect("venafi-eu", minutes=5)
    leaver.rewrite("venafi-eu", connection="No Name of Ours")
    for _ in range(2):
        leaver.invoke("schedule_refreshes", json.loads((EVENTS / "schedule_refreshes.json").read_text()))
        assert [json.loads(each["Body"]) for each in leaver.drained("refresh.fifo")] == [{"connection": "zoom"}]
    printed = capsys.readouterr().out
    assert printed.count("version: is missing") == 1
    assert printed.count("connection: expected up to 32 lower-case letters") == 1
    assert printed.count('"ConnectionsNeedingAPerson":[2.0]') == 2


def test_a_record_without_an_owner_is_set_aside_and_announced_once_and_not_each_minute(leaver: Deployment) -> None:
    leaver.connect("zoom", minutes=5)
    leaver.rewrite("zoom", owner=None)
    for _ in range(3):
        leaver.invoke("schedule_refreshes", json.loads((EVENTS / "schedule_refreshes.json").read_text()))
        for asked in leaver.drained("refresh.fifo"):
            leaver.deliver("refresh_access_token", asked["Body"])
    assert leaver.reasons() == ["record of connection zoom: owner: is missing"]
    assert [each["detail-type"] for each in leaver.heard()] == ["RefreshFailed"]


def test_schedule_refreshes_passes_on_what_came_over_the_bus(leaver: Deployment) -> None:
    body = on_the_bus("RefreshAccessToken", {"connection": "zoom", "force": True})
    assert leaver.deliver("schedule_refreshes", body) == set()
    (message,) = leaver.received("refresh.fifo")
    assert json.loads(message["Body"]) == {"connection": "zoom", "force": True}


def test_schedule_refreshes_parks_a_refresh_for_a_revocation(leaver: Deployment) -> None:
    leaver.deliver(
        "schedule_refreshes", on_the_bus("RefreshAccessToken", {"connection": "zoom", "for_revocation": True})
    )
    assert leaver.reasons() == ["for_revocation: expected only from revoke_access_token"]


# --- start_offboarding ---


def test_start_offboarding_turns_an_okta_deactivation_into_a_case_and_its_commands(
    leaver: Deployment, provider: responses.RequestsMock
) -> None:
    for name in ("zoom", "venafi"):
        leaver.connect(name)
    provider.get(USER, json={"id": "KDcuGIm1QgePTO8WbOqwIQ", "email": "john.doe@example.com"}, match=[BEARER])
    okta = json.loads((EVENTS / "okta.json").read_text())
    okta["time"] = okta["detail"]["published"] = (datetime.now(tz=UTC) - timedelta(minutes=1)).isoformat()
    assert leaver.deliver("start_offboarding", okta) == set()
    heard = {each["detail-type"]: each["detail"] for each in leaver.heard()}
    assert set(heard) == {"OffboardingStarted", "RevokeSsoToken", "RevokeGrants", "PurgeUserTokens"}
    assert heard["RevokeSsoToken"]["user_id"] == "KDcuGIm1QgePTO8WbOqwIQ"
    assert heard["RevokeGrants"]["identity"] == "john.doe@example.com"
    assert len({each["case_id"] for each in heard.values()}) == 1


def test_start_offboarding_says_and_counts_that_a_clock_at_hr_is_wrong(
    leaver: Deployment, provider: responses.RequestsMock, capsys: pytest.CaptureFixture[str]
) -> None:
    leaver.connect("zoom")
    provider.get(USER, json={"id": "KDcuGIm1QgePTO8WbOqwIQ", "email": "john.doe@example.com"}, match=[BEARER])
    okta = json.loads((EVENTS / "okta.json").read_text())
    okta["time"] = (datetime.now(tz=UTC) - timedelta(minutes=1)).isoformat()
    okta["detail"]["published"] = (datetime.now(tz=UTC) + timedelta(hours=2)).isoformat()
    assert leaver.deliver("start_offboarding", okta) == set()
    assert "RevokeSsoToken" in {each["detail-type"] for each in leaver.heard()}
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    [line] = [each for each in said if each.get("message") == "dated ahead"]
    assert (line["source"], line["kind"]) == ("okta", "immediate")
    assert [each["EventsDatedAhead"] for each in said if "EventsDatedAhead" in each] == [[1.0]]


def test_start_offboarding_parks_what_it_does_not_understand(leaver: Deployment) -> None:
    assert leaver.deliver("start_offboarding", on_the_bus("OffboardingRequested", {}), {"kind": "immediate"}) == set()
    assert len(leaver.reasons()) == 2


# --- every function ---

CONSUMERS = [
    "retrieve_user_token",
    "refresh_access_token",
    "revoke_access_token",
    "revoke_sso_token",
    "revoke_grants",
    "purge_user_tokens",
    "deactivate_user",
    "schedule_refreshes",
    "start_offboarding",
    "look_up_person",
    "seal_case",
]
#: what belongs to no connection, or names none
WITHOUT_A_CONNECTION = {"start_offboarding", "look_up_person", "seal_case"}


def width_of(function: str) -> int:
    return cast("ThreadPoolExecutor", import_module(f"functions.{function}.app").consumer().executor)._max_workers


@pytest.mark.usefixtures("leaver")
def test_cases_are_sealed_one_after_another_and_steps_are_carried_out_side_by_side() -> None:
    # Each seal is appended to the one log: of ten side by side, seven gave up, and waited for the watch.
    assert (width_of("seal_case"), width_of("revoke_sso_token")) == (1, 10)


@pytest.mark.parametrize("function", CONSUMERS)
def test_a_missing_setting_fails_by_name_before_any_work(
    leaver: Deployment, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVENT_BUS_NAME")
    with pytest.raises(InvalidSetting, match=r"^the environment variable EVENT_BUS_NAME is missing$"):
        leaver.invoke(function, {"Records": []})


@pytest.mark.parametrize("function", [each for each in CONSUMERS if each not in WITHOUT_A_CONNECTION])
def test_an_unknown_connection_or_field_is_parked_at_once(
    leaver: Deployment, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fifo = function == "refresh_access_token"
    if fifo:
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", leaver.urls["dead.fifo"])
    subject = {
        "retrieve_user_token": JOHN,
        "revoke_sso_token": JOHN,
        "purge_user_tokens": JOHN,
        "deactivate_user": JOHN,
        "revoke_grants": {"identity": "john.doe@example.com"},
    }.get(function, {})
    unknown = subject | {"connection": "nowhere"}
    assert leaver.deliver(function, unknown | {"canary-field": "canary-value"}) == set()
    assert [reason.split(" (")[0] for reason in leaver.reasons("dead.fifo" if fifo else "dead")] == ["unknown field"]
    if function != "schedule_refreshes":
        assert leaver.deliver(function, unknown) == set()
        reasons = leaver.reasons("dead.fifo" if fifo else "dead")
        assert reasons == ["connection: expected the name of a connection that exists"]
    assert "canary" not in json.dumps([leaver.receipts(), leaver.heard()])
