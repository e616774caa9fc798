"""Every success and many faults, and then a search for every secret: it is in the vault, and nowhere else."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import quote

import pytest
import requests
from typer.testing import CliRunner

from leaver.messages.commands import RevokeAccessToken
from leaver.webhooks.places import Places
from leaver_cli.main import app
from leaver_cli.parked import dead_letters as parking
from leaver_cli.stack import PLACES
from local import acme, runtime_api
from local.aws import moto_server
from local.simulators.provider import CANARY, JournalEntry
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from local.world import PEOPLE
from tests.doubles.planted_leaks import LEAKS, secret_of
from tests.doubles.secrets_manager import place_of
from tests.doubles.spellings import spelled_in
from tests.doubles.wire import fixtures
from tests.e2e.everywhere import Overheard, Said, everything, leaks, secrets_with_canary
from tests.e2e.test_look_ups import left
from tests.e2e.watched_world import WatchedWorld, in_seconds, later
from tests.field import Field
from tests.length import some
from tests.unit.test_no_secret_shows import DEBUG_SWITCHES

ROOT = Path(__file__).parents[2]
OKTA = json.loads((ROOT / "events" / "okta.json").read_text())["detail"]
#: a token as a provider might give it back where nobody expects it
ECHOED = f"{CANARY}echoed-8fJd02"


def echo(status: int) -> str:
    """An answer that repeats a token wherever an answer can hold a text."""
    body = json.dumps(
        {
            **dict.fromkeys(("code", "message", "reason", "error", "error_description", "Error", "status"), ECHOED),
            "errors": [{"field": ECHOED, "message": ECHOED}],
            "Result": ECHOED,
            "Success": ECHOED,
            "Grants": ECHOED,
            "Identities": [{"PrefixedUniversal": ECHOED}],
            "id": {"is": ECHOED},
            "refresh_token": ECHOED,
        }
    )
    return _answer(status, "application/json", body)


def _answer(status: int, kind: str, body: str) -> str:
    head = f"HTTP/1.1 {status} {ECHOED}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    head += f"Location: https://example.com/?token={ECHOED}\r\nRetry-After: {ECHOED}\r\nSet-Cookie: s={ECHOED}\r\n"
    head += f"X-Zm-Trackingid: {ECHOED}\r\n"
    return f"{head}X-RateLimit-Type: {ECHOED}\r\nConnection: close\r\n\r\n{body}"


SCOPES = f"Invalid access token, does not contain scopes:[user:read:user, {ECHOED}]."
FAULTS = [
    "reset",
    *(echo(status) for status in (200, 202, 302, 400, 401, 403, 404, 429, 500)),
    _answer(200, "application/json", f'{{"access_token": "{ECHOED}", "refresh_tok'),
    _answer(200, "text/html", f"<html><body>{ECHOED}</body></html>"),
    _answer(400, "application/json", json.dumps({"code": 4711, "message": SCOPES})),
    # It ends in the middle, then has a head that can't be parsed, then a status that there is not.
    f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n{ECHOED}",
    f"HTTP/1.1 200 OK\r\n{ECHOED}",
    f"HTTP/1.1 99 {ECHOED}\r\n\r\n",
]
#: the requests at which they happen, and who makes each: the provider's name, method and path
REQUESTS = {
    ("zoom", "/v2/users/[^/]*"): "retrieve_user_token",
    ("zoom", "GET /v2/users/[^/]*"): "purge_user_tokens",
    ("zoom", "PUT /v2/users/.*/status"): "deactivate_user",
    ("zoom", "GET /v2/users/.*/token"): "retrieve_user_token",
    ("zoom", "DELETE /v2/users/.*/token"): "revoke_sso_token",
    ("zoom", "/oauth/token"): "refresh_access_token",
    ("zoom", "/oauth/revoke"): "revoke_access_token",
    ("venafi", "/vedsdk/identity/browse"): "revoke_grants",
    ("venafi", "/vedauth/authorize/verify"): "revoke_grants",
    ("venafi", "/vedsdk/oauth/revokegrants"): "revoke_grants",
    ("venafi", "/vedsdk/oauth/getgrants"): "revoke_grants",
    ("venafi", "/vedauth/authorize/token"): "refresh_access_token",
    ("venafi", "/vedauth/revoke/token"): "revoke_access_token",
}


@dataclass(frozen=True)
class Lived:
    """A world after everything that can happen happened in it."""

    world: WatchedWorld
    said: list[Said]
    #: what the search found when it was over, before a test planted anything
    found: set[str]
    #: what the operator's command line printed
    printed: str
    #: reads what this process printed since: simulators, the local AWS, whatever delivers events, and the tests
    read_output: Callable[[], str]


@pytest.fixture(scope="module")
def lived(pytestconfig: pytest.Config) -> Iterator[Lived]:
    captured = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert captured
    said: list[Said] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overheard, "said", said, raising=False)
        patch.setattr(moto_server, "_AwsBehaviour", Overheard)
        patch.setattr(runtime_api, "_lambda_environment", switched_to_debug)
        patch.setattr(parking, "WAIT", 0)  # an empty queue is empty here, and known to be
        with WatchedWorld(DeactivateUsers="true", NotifyTopicArn=PEOPLE, NotifyWith="email") as world:
            acme.set_up(world)
            succeed(world)
            fail(world)
            knock(world)
            printed = operate(world)
            own = set(world.aws.reached)

            def read_output() -> str:
                return "".join(captured.read_global_capture())

            yield Lived(world, said, leaks(world, said, read_output()), printed, read_output)
            # What a plant got at, no function does.
            world.aws.reached.intersection_update(own)


lambda_environment = runtime_api._lambda_environment


def switched_to_debug(function: runtime_api.Function, api: str) -> dict[str, str]:
    """What Lambda sets where somebody looks for a fault."""
    return lambda_environment(function, api) | dict.fromkeys(DEBUG_SWITCHES, "DEBUG")


def succeed(world: WatchedWorld) -> None:
    """Every operation, at each provider, by every way in."""
    world.put_okta_event({**OKTA, "published": datetime.now(UTC).isoformat()})
    hired = world.hire()
    request = {
        "event_id": "hr-1",
        "source": "hr",
        "kind": "immediate",
        "subject": {"email": hired.email},
        "effective_at": in_seconds(0),
        "occurred_at": in_seconds(0),
    }
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", request)
    world.put_event("leaver", "leaver.hr", "OffboardingWithdrawn", request)
    world.send(
        "revoke_sso_token",
        {"user_id": acme.OBRIEN.email, "connection": "zoom"},
        {"user_id": "nobody@example.com", "connection": "zoom"},
        "no JSON",
    )
    world.send(
        "retrieve_user_token",
        *({"user_id": acme.ADA.email, "type": kind, "connection": "zoom"} for kind in ("zak", "token")),
    )
    world.send("retrieve_user_token", {"user_id": acme.ALAN.email, "connection": "zoom"})
    world.wait_until_idle()
    world.put_command("PurgeUserTokens", {"user_id": acme.ALAN.email, "connection": "zoom"})
    world.put_command("DeactivateUser", {"user_id": world.hire().email, "connection": "zoom"})
    world.put_command("RevokeGrants", {"grantee_prefixed_universal": acme.GRACE.venafi_id, "connection": "venafi"})
    world.put_command("RevokeGrants", {"grantee_prefixed_universal": acme.GRACE.venafi_id, "connection": "venafi"})
    for connection in (world.connect_zoom(), world.connect_venafi()):
        world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
        world.wait_until_idle()
        world.put_command("RevokeAccessToken", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION})
        world.wait_until_idle()
    with later(world.zoom, -7200):
        expired, doomed = world.connect_zoom(), world.connect_zoom()
    world.send("revoke_sso_token", {"user_id": acme.ALAN.email, "connection": expired})
    world.send("revoke_access_token", {"connection": doomed, "confirm": RevokeAccessToken.CONFIRMATION})
    world.try_again()
    due = world.connect_zoom()
    world.change_record(due, refresh_at=in_seconds(-1))
    world.fire_schedule("schedule_refreshes")
    world.fire_schedule("watch_deadlines")
    world.send("retrieve_user_token", {"user_id": hired.email, "connection": "zoom"})  # who has left by now
    world.put_hr_event("HiBobWebhook", left(world.leaves_at_hibob(world.hire())))
    world.wait_until_idle()


def fail(world: WatchedWorld) -> None:
    """Each fault, at each request some of them; secrets that can't be read, and a crash."""
    user = {"user_id": world.hire().email, "connection": "zoom"}
    grants = {"identity": world.hire().email, "connection": "venafi"}
    providers: dict[str, ZoomSimulator | VenafiSimulator] = {"zoom": world.zoom, "venafi": world.venafi}
    connect = {"zoom": world.connect_zoom, "venafi": world.connect_venafi}

    def body(function: str, name: str) -> dict[str, Any]:
        match function:
            case "refresh_access_token":
                return {"connection": connect[name](), "force": True}
            case "revoke_access_token":
                return {"connection": connect[name](), "confirm": RevokeAccessToken.CONFIRMATION}
            case "revoke_grants":
                return grants
        return user

    for place, ((name, request), function) in enumerate(REQUESTS.items()):
        # Each costs the local AWS a fifth of a second of computing: every request begins with another one.
        faults = some(FAULTS[place:] + FAULTS[:place], short=2)
        method, _, path = request.rpartition(" ")
        for fault in faults:
            providers[name].inject(path, method=method or "*", handling="skip", reply=fault)
        for start in range(0, len(faults), 10):
            world.send(function, *(body(function, name) for _ in faults[start : start + 10]))
        world.settle()
        providers[name].clear_faults()
    _spoil_secrets(world, user)
    hibob_id = world.leaves_at_hibob(world.hire())
    for answer in sorted(fixtures("hibob")):
        world.hr.inject("/v1/people/.*", handling="skip", reply=f"hibob/{answer}")
        world.put_hr_event("HiBobWebhook", left(hibob_id))
        world.settle()
    world.hr.add_key("hibob", "another")
    world.put_hr_event("HiBobWebhook", left(hibob_id))
    world.settle()
    for function in (
        "start_offboarding",
        "schedule_refreshes",
        "retrieve_user_token",
        "seal_case",
        "notify_people",
        "reconcile",
    ):
        world.send(function, "no JSON")
    world.zoom.inject("/oauth/token", handling="commit", reply="reset")  # and so the grant is dead
    world.send("refresh_access_token", {"connection": world.connect_zoom(), "force": True})
    world.settle()
    world.zoom.inject("/oauth/token", hold="after")
    world.send("refresh_access_token", {"connection": world.connect_zoom(), "force": True})
    assert world.zoom.wait_until_held() == 1
    world.kill("refresh_access_token")
    world.settle()
    world.zoom.release()
    world.hurry()
    world.settle()


def _spoil_secrets(world: WatchedWorld, user: dict[str, str]) -> None:
    secret_store = world.client("secretsmanager")
    for spoilt in (
        ECHOED,
        f'"{ECHOED}"',
        json.dumps({"access_token": [ECHOED], "client_id": ECHOED, "client_secret": {ECHOED: ECHOED}}),
        json.dumps({ECHOED: ECHOED, "access_token": ECHOED, "client_id": ECHOED, "expires_at": ECHOED}),
    ):
        connection = world.connect_zoom()
        secret_store.put_secret_value(SecretId=f"leaver/credentials/{place_of(connection)}", SecretString=spoilt)
        world.send("refresh_access_token", {"connection": connection, "force": True})
        kept = secret_store.put_secret_value(SecretId=f"leaver/tokens/{place_of(connection)}", SecretString=spoilt)
        world.change_record(connection, version=kept["VersionId"])
        world.send("revoke_sso_token", {**user, "connection": connection})
        world.send("revoke_access_token", {"connection": connection, "confirm": RevokeAccessToken.CONFIRMATION})
        world.settle()


def knock(world: WatchedWorld) -> None:
    """Post at the front door what is signed and what is not, with secrets where none belongs."""
    vault, secret = world.client("secretsmanager"), acme.WEBHOOK_SECRETS["okta"]
    until = datetime.now(UTC) + timedelta(hours=1)
    waits = {"current": acme.WEBHOOK_SECRETS["gusto"], "open_until": until.isoformat()}
    vault.put_secret_value(SecretId="leaver/webhooks/gusto/main", SecretString=json.dumps(waits))
    vault.create_secret(Name="leaver/webhooks/hibob/spoilt", SecretString=json.dumps({"current": [ECHOED], ECHOED: 1}))
    places = Places(world.client("dynamodb"), table=world.resource("Deliveries").ref)
    places.connect("hibob/spoilt", datetime.now(UTC))
    offered = json.dumps({"verification_token": ECHOED})
    attempts = [
        ("/okta/main", {"authorization": secret}, '{"data": {"events": [{"eventType": "user.session.start"}]}}', 200),
        ("/okta/main", {"authorization": f"Bearer {secret}"}, secret, 401),
        ("/okta/other", {"authorization": secret}, "{}", 401),
        (f"/okta/{secret}.", {"authorization": secret}, "{}", 401),
        (f"/{secret}?{secret}", {secret: secret}, secret, 401),
        ("/hibob/spoilt", {"bob-signature": secret}, "{}", 503),
        ("/standard/main", {"webhook-signature": acme.WEBHOOK_SECRETS["standard"]}, secret, 401),
        ("/gusto/main", {}, offered, 200),
        ("/gusto/main", {}, offered, 401),
        ("/zoom/main", {"x-zm-signature": secret, "x-zm-request-timestamp": secret}, secret * 5000, 413),
    ]
    for path, headers, body, status in attempts:
        sent = {"content-type": "application/json", **headers}
        assert requests.post(f"{world.api_url}{path}", body, headers=sent, timeout=20).status_code == status
    world.settle()


def operate(world: WatchedWorld) -> str:
    """Look at everything that is parked, and put some of it back; return what was printed."""
    orders = [["parked"], *(["parked", place, "--show-body"] for place in PLACES)]
    orders += [
        ["connections"],
        ["connections", "--json"],
        ["case"],
        ["release"],
        ["heard"],
        ["door"],
        ["door", "--json"],
        ["offboard", acme.ADA.email, "--dry-run"],
    ]
    orders.append(["redrive", "revoke_sso_token", "--yes"])
    printed = [CliRunner().invoke(app, order, env=world.environment()).output for order in orders]
    world.settle()
    for simulator in (world.zoom, world.venafi):
        for fault in some([each for each in FAULTS if ECHOED in each], short=2):
            simulator.inject(".*", times=None, handling="skip", reply=fault)
            order = ["contain", acme.ADA.email, "--dry-run", "--json"]
            printed.append(CliRunner().invoke(app, order, env=world.environment()).output)
            simulator.clear_faults()
    world.settle()
    return "".join(printed)


def test_every_secret_is_in_the_vault_and_nowhere_else(lived: Lived, field: Field) -> None:
    injected = [entry for each in (lived.world.zoom, lived.world.venafi) for entry in each.journal() if is_odd(entry)]
    leaked = [*lived.found, *spelled_in(lived.printed, CANARY)]
    field("an answer that echoes secrets", "in a world that is searched everywhere", len(injected), leaked=leaked)


def is_odd(entry: JournalEntry) -> bool:
    return entry.status is None or entry.status not in {200, 201, 204}


def test_the_search_had_something_to_find_and_somewhere_to_look(lived: Lived) -> None:
    world = lived.world
    kept = secrets_with_canary(world)
    for folder in ("credentials", "tokens", "user-tokens", "webhooks"):
        assert any(name.startswith(f"leaver/{folder}/") for name in kept)
    # What it consumes is no queue, and nothing went wrong with a case.
    consumers = world.functions.keys() - {"watch_deadlines", "receive_webhook"}
    assert [function for function in consumers if "failed" not in world.logs(function)] == []
    assert all(said in world.logs("receive_webhook") for said in ("refused", "not taken", "a secret is offered"))
    outcomes = {receipt["outcome"] for receipt in world.receipts() if "outcome" in receipt}
    assert outcomes == {
        *("revoked", "already_gone", "user_not_found"),
        *("retrieved", "purged", "deactivated", "refused", "failed"),
    }
    assert {announced.name for announced in world.announced()} == {
        "SsoTokenRevoked",
        "GrantsRevoked",
        "UserTokenRetrieved",
        "AccessTokenRefreshed",
        "AccessTokenRevoked",
        "UserTokensPurged",
        "UserDeactivated",
        "OffboardingStarted",
        "OffboardingCompleted",
        "RevocationFailed",
        "RefreshFailed",
        "RetrievalFailed",
        "ConnectionFailing",
        "ConnectionNeedsReauthorization",
        "PeopleNotified",
    }
    assert world.told()
    assert [each.reason for each in world.parked("notify_people")] == ["body: expected JSON"]
    errors = {
        parked.error for function in world.functions.keys() - {"receive_webhook"} for parked in world.parked(function)
    }
    assert errors >= {"Rejected", "BadMessage", "InvalidGrant"}
    assert {said.target.partition(".")[0] for said in lived.said} >= {
        "AmazonSQS",
        "AWSEvents",
        "DynamoDB_20120810",
        "secretsmanager",
    }
    assert "revoke_sso_token" in lived.printed


# --- The search finds what it is there to find ---


def _in_log(world: WatchedWorld, token: str) -> None:
    with world.functions["revoke_grants"]._log.open("a") as log:
        log.write(f'{{"level": "DEBUG", "message": "Authorization: Bearer {token}"}}\n')


def _in_log_in_base64(world: WatchedWorld, token: str) -> None:
    with world.functions["revoke_grants"]._log.open("a") as log:
        log.write(base64.b64encode(f"zoom:{token}".encode()).decode())


def _in_message(world: WatchedWorld, token: str) -> None:
    url = world.dead_letter_queue_url("revoke_access_token")
    world.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"token": token}))


def _in_attribute(world: WatchedWorld, token: str) -> None:
    attribute = {"reason": {"DataType": "String", "StringValue": token}}
    url = world.dead_letter_queue_url("retrieve_user_token")
    world.client("sqs").send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=attribute)


def _in_table(world: WatchedWorld, token: str) -> None:
    encoded = base64.urlsafe_b64encode(f"?{token}".encode()).decode()
    item: dict[str, Any] = {"partition": {"S": "planted"}, "entry": {"S": "planted"}, "attempts": {"N": "1"}}
    table = world.resource("Cases").ref
    world.client("dynamodb").put_item(TableName=table, Item={**item, "subject": {"S": encoded}})


def _in_event(world: WatchedWorld, token: str) -> None:
    world.put_event(
        "leaver", "leaver.hr", "Planted", {"url": f"https://example.com/?t={quote(token).replace('-', '%2D')}"}
    )


def _in_announcement(world: WatchedWorld, token: str) -> None:
    world.put_event("leaver", "leaver", "Planted", {"token": token.encode().hex()})


def _in_description(world: WatchedWorld, token: str) -> None:
    world.client("secretsmanager").create_secret(Name="planted", SecretString="{}", Description=token)


def _in_path(world: WatchedWorld, token: str) -> None:
    requests.get(f"{world.zoom.api_url}/users/{token}", timeout=10)


def _in_query(world: WatchedWorld, token: str) -> None:
    requests.get(f"{world.zoom.api_url}/users/planted", params={"access_token": token}, timeout=10)


def _in_output(_: WatchedWorld, token: str) -> None:
    print(token)  # noqa: T201


PLANTS = {
    "file leaver-revoke-grants.log: in clear": _in_log,
    "file leaver-revoke-grants.log: in base64 at 2": _in_log_in_base64,
    "queue leaver-revoke-access-token-dead-letters: in clear": _in_message,
    "queue leaver-retrieve-user-token-dead-letters: in clear": _in_attribute,
    "table leaver-Cases: in base64 at 1": _in_table,
    "archive leaver: URL-encoded": _in_event,
    "a call of AWSEvents.PutEvents: URL-encoded": _in_event,
    "announcement Planted: in hex": _in_announcement,
    "secret planted, but its value: in clear": _in_description,
    "a provider's journal: in clear": _in_path,
    "query of /v2/users/planted: access_token": _in_query,
    "output of this process: in clear": _in_output,
}


@pytest.fixture(scope="module")
def found_after_planting(lived: Lived) -> set[str]:
    token = lived.world.tokens("zoom")["access_token"]
    for plant in set(PLANTS.values()):
        plant(lived.world, token)
    return leaks(lived.world, lived.said, lived.read_output())


@pytest.mark.parametrize("place", PLANTS)
def test_a_planted_leak_is_found(lived: Lived, found_after_planting: set[str], place: str, field: Field) -> None:
    assert place not in lived.found
    unseen = place not in found_after_planting
    field("a planted leak", "a token, plain or encoded, where none may be", 1, leaked=unseen)


def places_of(plant: str, texts: Iterable[tuple[str, str]]) -> list[str]:
    return [place for place, text in texts if spelled_in(text, secret_of(plant))]


def test_what_is_written_to_tmp_by_that_name_is_found(lived: Lived) -> None:
    # Not the canary: another world of this machine searches the same folder.
    with NamedTemporaryFile("w", dir="/tmp", prefix="planted-") as file:
        file.write(secret_of("file in /tmp"))
        file.flush()
        assert f"file {file.name}" in places_of("file in /tmp", everything(lived.world, lived.said))


#: what only a search inside the process sees: tests/unit/test_planted_leaks.py holds that one
INSIDE = {
    *("environment variable", "arguments of a process", "environment of a process", "thread's name"),
    *("query of an address", "HTTP user agent", "HTTP cookie", "file in /tmp"),
}
OUTSIDE = sorted(LEAKS.keys() - INSIDE)


@pytest.fixture(scope="module")
def leaking(lived: Lived) -> list[tuple[str, str]]:
    """What there is to search when the refresher, in its own process, has leaked by every way."""
    running = lived.world.functions["refresh_access_token"]
    told = {**running.function.environment, "PLANTED_ROOT": str(ROOT), "PLANTED_LEAKS": ",".join(OUTSIDE)}
    running.function = replace(running.function, folder=ROOT / "tests" / "e2e" / "planted", environment=told)
    lived.world.kill("refresh_access_token")
    lived.world.send("refresh_access_token", {"connection": lived.world.connect_zoom(), "force": True})
    lived.world.settle()
    return list(everything(lived.world, lived.said))


@pytest.mark.parametrize("plant", OUTSIDE)
def test_a_leak_of_a_functions_own_process_is_found(leaking: list[tuple[str, str]], plant: str) -> None:
    assert places_of(plant, leaking)


def test_a_function_has_a_temporary_folder_of_its_own(leaking: list[tuple[str, str]]) -> None:
    [place] = places_of("file in the temporary folder", leaking)
    assert not place.startswith("file /tmp/")
