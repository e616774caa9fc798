"""No token or secret leaves the vault but towards its provider: not on success, and not when anything goes wrong."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
import responses
from botocore.exceptions import ClientError
from pydantic import SecretStr

from leaver import bootstrap
from leaver.connections.grants import ProviderGrants
from leaver.messages.commands import RevokeAccessToken
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import SecretStore
from tests.doubles.deployed import VENAFI, ZOOM_API, ZOOM_OAUTH, Deployment, deployment
from tests.doubles.lambda_events import event
from tests.doubles.planted_leaks import LEAKS, take_files_away
from tests.doubles.secrets_manager import place_of
from tests.doubles.spellings import spelled_in
from tests.doubles.watch import Watch
from tests.field import Field
from tests.integration.connecting import Stack
from tests.length import some

#: all that must stay secret, each told apart from the others
CLIENT_SECRET = "canary/client+secret=8d1f0a"
ACCESS, NEW_ACCESS = "canary.access-one_51b7", "canary.access-two_c2e9"
REFRESH, NEW_REFRESH = "canary.refresh-one_7a60", "canary.refresh-two_03fd"
USER_TOKEN = "canary.zak_b94e"
CANARIES = (CLIENT_SECRET, ACCESS, NEW_ACCESS, REFRESH, NEW_REFRESH, USER_TOKEN)
#: what a provider could echo, in every place where it could
ECHO = " ".join(CANARIES)
ECHOING = {
    "code": 300,
    "message": f"wrong: {ECHO}",
    "reason": ECHO,
    "error": ECHO,
    "error_description": ECHO,
    "error_message": ECHO,
    "Error": ECHO,
    "scope": ECHO,
}
#: whoever looks for a fault sets one of these
DEBUG_SWITCHES = ("AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL")
JOHN = {"user_id": "john.doe@example.com"}
JOHN_ID = "KDcuGIm1QgePTO8WbOqwIQ"
GRANTEE = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
USER = f"{ZOOM_API}/users/john.doe%40example.com"
PAIR = {"access_token": NEW_ACCESS, "refresh_token": NEW_REFRESH, "expires_in": 3599, "token_type": "bearer"}

Answer = Callable[[], dict[str, Any]]


def _answer(status: int, body: Any) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda: {"status": status, "body": text, "headers": {"x-zm-trackingid": ACCESS}}


#: whatever a provider can do to us, the tokens in its mouth
FAULTS: dict[str, Answer] = {
    "200 of something else": _answer(200, ECHOING),
    "200 HTML": _answer(200, f"<html>{ECHO}</html>"),
    "200 cut short": _answer(200, json.dumps(PAIR)[:-9]),
    "202": _answer(202, ECHOING),
    "302": _answer(302, ECHO),
    "400": _answer(400, ECHOING),
    "400 scopes": _answer(400, ECHOING | {"code": 4711, "message": f"does not contain scopes:[{ECHO}, {ACCESS}]."}),
    "400 invalid_grant": _answer(400, ECHOING | {"error": "invalid_grant"}),
    "400 invalid_client": _answer(400, ECHOING | {"error": "invalid_client"}),
    "401": _answer(401, ECHOING | {"code": 124}),
    "401 invalid_token": _answer(401, ECHOING | {"error": "invalid_token"}),
    "403": _answer(403, ECHOING | {"error": "insufficient_scope"}),
    "404 1001": _answer(404, ECHOING | {"code": 1001}),
    "429": _answer(429, ECHOING | {"code": 429}),
    "500": _answer(500, ECHO),
    "reset": lambda: {"body": requests.ConnectionError(f"Connection aborted. {ECHO}")},
    "timeout": lambda: {"body": requests.ReadTimeout(ECHO)},
    "a bug": lambda: {"body": KeyError(ECHO)},
}


class Scene:
    """A deployment full of canaries, and everything that left it."""

    #: function → what it is told, and every request that it makes when all goes well
    TOLD: ClassVar[dict[str, dict[str, Any]]] = {
        "revoke_sso_token": JOHN,
        "retrieve_user_token": JOHN,
        "purge_user_tokens": JOHN,
        "deactivate_user": JOHN,
        "refresh_access_token": {"connection": "zoom", "force": True},
        "revoke_access_token": {"connection": "zoom", "confirm": RevokeAccessToken.CONFIRMATION},
        "revoke_grants": {"grantee_prefixed_universal": GRANTEE},
    }
    REQUESTS: ClassVar[dict[str, list[tuple[str, str, int, Any]]]] = {
        "revoke_sso_token": [("DELETE", f"{USER}/token", 204, "")],
        "retrieve_user_token": [
            ("GET", USER, 200, {"id": JOHN_ID, "email": "john.doe@example.com"}),
            ("GET", f"{ZOOM_API}/users/{JOHN_ID}/token", 200, {"token": USER_TOKEN}),
        ],
        "purge_user_tokens": [("GET", USER, 200, {"id": JOHN_ID, "email": "john.doe@example.com"})],
        "deactivate_user": [
            ("GET", USER, 200, {"id": JOHN_ID, "email": "john.doe@example.com"}),
            ("PUT", f"{USER}/status", 204, ""),
            ("DELETE", f"{USER}/token", 204, ""),
        ],
        "refresh_access_token": [("POST", f"{ZOOM_OAUTH}/oauth/token", 200, PAIR)],
        "revoke_access_token": [("POST", f"{ZOOM_OAUTH}/oauth/revoke", 200, {"status": "success"})],
        "revoke_grants": [
            (
                "POST",
                f"{VENAFI}/vedsdk/Identity/Validate",
                200,
                {"ID": {"PrefixedUniversal": GRANTEE, "PrefixedName": "local:jdoe", "Name": "jdoe"}},
            ),
            ("GET", f"{VENAFI}/vedauth/authorize/verify", 200, {"identity": "local:{1}", "application": "leaver"}),
            ("POST", f"{VENAFI}/vedsdk/oauth/RevokeGrants", 200, {"Result": 0, "Success": True}),
            ("POST", f"{VENAFI}/vedsdk/oauth/GetGrants", 200, {"Result": 0, "Success": True, "Grants": []}),
            ("POST", f"{VENAFI}/vedsdk/oauth/GetGrants", 200, {"Result": 0, "Success": True, "Grants": []}),
        ],
    }

    def __init__(self, leaver: Deployment) -> None:
        self.leaver = leaver
        for name in ("zoom", "venafi"):
            self.connect(name)
        # what there is to purge
        for kind in ("zak", "onbehalf"):
            name = f"leaver/user-tokens/{JOHN_ID}/zoom/{kind}"
            self.leaver.secrets.create_secret(Name=name, SecretString=json.dumps({"token": USER_TOKEN}))

    def connect(self, name: str) -> None:
        self.leaver.connect(name)
        expires_at = (datetime.now(tz=UTC) + timedelta(hours=1)).isoformat()
        pair = {"access_token": ACCESS, "refresh_token": REFRESH, "expires_at": expires_at}
        self.put(f"leaver/credentials/{place_of(name)}", self._credentials(name))
        version = self.put(f"leaver/tokens/{place_of(name)}", pair)
        self.leaver.dynamodb.update_item(
            TableName="Connections",
            Key={"connection": {"S": name}},
            UpdateExpression="SET version = :version",
            ExpressionAttributeValues={":version": {"S": version}},
        )

    def put(self, name: str, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        version: str = self.leaver.secrets.put_secret_value(SecretId=name, SecretString=text)["VersionId"]
        return version

    def run(self, function: str, *, fault: tuple[int, Answer] | None = None) -> int:
        """Let a function do its work, with one of its requests going wrong; returns how many it made."""
        with responses.RequestsMock(assert_all_requests_are_fired=False) as provider:
            for number, (method, url, status, body) in enumerate(self.REQUESTS.get(function, [])):
                told = fault[1]() if fault and fault[0] == number else _answer(status, body)()
                provider.add(responses.Response(method, url, **told))
            self.leaver.deliver(function, self.TOLD[function])
            return len(provider.calls)

    def left(self) -> str:
        """Everything outside the vault that somebody could read."""
        messages = [self.leaver.drained(queue) for queue in self.leaver.urls]
        tables = [self.leaver.dynamodb.scan(TableName=name)["Items"] for name in ("Cases", "Connections")]
        described = self.leaver.secrets.list_secrets()["SecretList"]
        return json.dumps([messages, tables, described], default=str)

    @staticmethod
    def _credentials(name: str) -> dict[str, str]:
        if name == "zoom":
            return {"client_id": "client-id", "client_secret": CLIENT_SECRET}
        return {"client_id": "client-id", "username": "robot", "password": CLIENT_SECRET}


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for switch in DEBUG_SWITCHES:
        monkeypatch.setenv(switch, "DEBUG")
    with deployment(monkeypatch) as deployed:
        yield Scene(deployed)


@pytest.fixture
def seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], Watch]]:
    """Everything that left until it is asked for."""
    watch = Watch()

    def see() -> Watch:
        watch.hands_on("standard output", "".join(capfd.readouterr()))
        watch.hands_on("at rest", scene.left())
        return watch

    with watch:
        monkeypatch.setattr(Deployment, "invoke", watch.hearing("answer to Lambda", Deployment.invoke))
        yield see


@pytest.fixture
def nothing_shows(seen: Callable[[], Watch], field: Field) -> Iterator[Callable[[], Watch]]:
    """After the test, look for every canary in everything that left, in the spellings in which it could hide."""
    yield seen
    watch = seen()
    assert {"standard output", "answer to Lambda", "at rest"} <= watch.places
    leaked = watch.found([*CANARIES, f"client-id:{CLIENT_SECRET}"])
    field("a secret in a mouth", "every secret, where somebody could repeat it", len(CANARIES), leaked=leaked)
    assert leaked == set()


@pytest.mark.usefixtures("nothing_shows")
@pytest.mark.parametrize("function", Scene.TOLD)
def test_nothing_shows_when_all_goes_well(scene: Scene, function: str) -> None:
    assert scene.run(function) == len(Scene.REQUESTS[function])
    if function == "retrieve_user_token":
        assert scene.leaver.stored(f"leaver/user-tokens/{JOHN_ID}/zoom/zak")["token"] == USER_TOKEN
    if function == "purge_user_tokens":
        assert scene.leaver.user_tokens == []
    if function == "refresh_access_token":
        assert scene.leaver.stored("leaver/tokens/zoom/zoom")["refresh_token"] == NEW_REFRESH


#: so many tell of each fault, and of each request
FEW = 19
#: every fault at every request of every function
GOES_WRONG = [
    (function, number, fault)
    for fault in FAULTS
    for function, each in Scene.REQUESTS.items()
    for number in range(len(each))
]


@pytest.mark.usefixtures("nothing_shows")
@pytest.mark.parametrize(("function", "number", "fault"), some(GOES_WRONG, FEW))
def test_nothing_shows_when_the_provider_goes_wrong(scene: Scene, function: str, number: int, fault: str) -> None:
    assert scene.run(function, fault=(number, FAULTS[fault])) > number
    assert scene.leaver.receipts() or function == "refresh_access_token" or fault == "429"


def test_what_make_test_takes_of_it_leaves_out_no_fault_and_no_request() -> None:
    taken = [GOES_WRONG[place * len(GOES_WRONG) // FEW] for place in range(FEW)]
    assert {fault for _, _, fault in taken} == set(FAULTS)
    assert {(function, number) for function, number, _ in taken} == {
        (function, number) for function, number, _ in GOES_WRONG
    }


@pytest.mark.usefixtures("nothing_shows")
@pytest.mark.parametrize("function", ["refresh_access_token", "retrieve_user_token"])
def test_nothing_shows_when_the_vault_does_not_take_a_token(
    scene: Scene, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **kwargs: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalServiceError", "Message": kwargs["SecretString"]}}, "Put")

    def refusing(client: Any, **told: Any) -> SecretStore:
        for operation in ("put_secret_value", "create_secret"):
            monkeypatch.setattr(client, operation, refuse)
        return SecretStore(client, **told)

    monkeypatch.setattr(bootstrap, "SecretStore", refusing)
    scene.leaver.left = (90_000, 90_000, 20_000, 12_000)
    assert scene.run(function) == len(Scene.REQUESTS[function])
    if function == "refresh_access_token":
        assert scene.leaver.connection("zoom")["encrypted_refresh_token"]


@pytest.mark.usefixtures("nothing_shows")
@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("leaver/tokens/zoom/zoom", {"access_token": ACCESS, "refresh_token": REFRESH}),
        ("leaver/tokens/zoom/zoom", {"access_token": ACCESS, "expires_at": REFRESH}),
        ("leaver/tokens/zoom/zoom", {"access_token": [ACCESS], REFRESH: REFRESH}),
        ("leaver/tokens/zoom/zoom", f'{{"access_token": "{ACCESS}'),
        ("leaver/tokens/zoom/zoom", ACCESS),
        ("leaver/credentials/zoom/zoom", {"client_id": "client-id", "client_secret": [CLIENT_SECRET]}),
        ("leaver/credentials/zoom/zoom", {"client_id": "client-id", "secret": CLIENT_SECRET}),
        ("leaver/credentials/zoom/zoom", {CLIENT_SECRET: CLIENT_SECRET}),
        ("leaver/credentials/zoom/zoom", CLIENT_SECRET),
    ],
)
@pytest.mark.parametrize("function", ["refresh_access_token", "revoke_access_token", "revoke_sso_token"])
def test_nothing_shows_of_a_secret_that_was_stored_wrongly(scene: Scene, function: str, name: str, stored: Any) -> None:
    version = scene.put(name, stored)
    if "tokens" in name:
        scene.leaver.dynamodb.update_item(
            TableName="Connections",
            Key={"connection": {"S": "zoom"}},
            UpdateExpression="SET version = :version",
            ExpressionAttributeValues={":version": {"S": version}},
        )
    scene.run(function)


@pytest.mark.parametrize("function", [*Scene.TOLD, "schedule_refreshes", "start_offboarding", "look_up_person"])
def test_a_token_in_a_message_is_not_spread_further(
    scene: Scene, nothing_shows: Callable[[], Watch], function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = "dead.fifo" if function == "refresh_access_token" else "dead"
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", scene.leaver.urls[dead])
    fields = ({ACCESS: REFRESH}, {"user_id": f"/{ACCESS}"}, {"connection": ACCESS}, {"case_id": f"{ACCESS} x"})
    bad: list[Any] = [*fields, *(event("Whatever", each) for each in fields), event(f"Odd-{ACCESS}", {}), ACCESS]
    nothing_shows().came_so |= {each if isinstance(each, str) else json.dumps(each) for each in bad}
    assert scene.leaver.deliver(function, *bad) == set()
    parked = scene.leaver.drained(dead)
    assert len(parked) == len(bad)
    # Its body is the message as it came: whoever put a token there finds it there, and nowhere else.
    assert ACCESS not in json.dumps([message["MessageAttributes"] for message in parked])


@pytest.mark.parametrize("plant", ["log at debug", "print", "written past Python", "file in /tmp"])
def test_a_refresh_that_leaks_its_new_token_is_seen(
    scene: Scene, seen: Callable[[], Watch], plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, let_out = LEAKS[plant]
    refresh = ProviderGrants.refresh

    def leak(*arguments: Any) -> Any:
        granted = refresh(*arguments)
        let_out(granted.access_token.get_secret_value())
        return granted

    monkeypatch.setattr(ProviderGrants, "refresh", leak)
    scene.run("refresh_access_token")
    found = seen().found([NEW_ACCESS])
    take_files_away()
    assert found == {f"{'file' if place == 'file' else 'standard output'}: in clear"}


def test_nothing_shows_when_the_command_line_meets_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, client_id: str, client_secret: SecretStr, account_id: str) -> None:
        raise KeyError(f"{client_id} {client_secret.get_secret_value()} {account_id}")

    monkeypatch.setattr(ZoomOAuth, "account_credentials", fail)
    (tmp_path / "secret").write_text(CLIENT_SECRET)
    options = ("--client-id", "client-id", "--account-id", "acme", "--owner", "it@example.com")
    result = Stack().leaver("zoom", *options, "--client-secret-file", tmp_path / "secret")
    assert isinstance(result.exception, SystemExit)
    assert "unexpected KeyError" in result.output
    assert spelled_in(result.output, CLIENT_SECRET) == []
