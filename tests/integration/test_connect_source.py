"""`leaver connect bamboohr|hibob|okta|gusto` against a simulator, up to where tokens are written into a stack."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Status
from leaver.providers.api_key import KeyCredentials
from leaver.providers.sources import SOURCES
from leaver.storage.secrets import SecretStore
from leaver_cli.connections.connect_key import by_key
from leaver_cli.connections.consent import Consent
from leaver_cli.connections.request import NewConnection, Target
from leaver_cli.connections.setup import ConnectionSetup
from local.simulators.hr import HrSimulator
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections
from tests.doubles.secrets_manager import StrictSecretsManager
from tests.integration.connecting import Stack

KEYS: Final = {"bamboohr": "CANARY-key", "hibob": "robot:CANARY-key", "okta": "CANARY-key"}
PEOPLE: Final = {"bamboohr": "100", "hibob": "333", "okta": "00u1abcdefGHIJKL5d7", "gusto": "a9e6"}
TOKENS: Final = {
    "bamboohr": b64encode(b"CANARY-key:x").decode(),
    "hibob": b64encode(b"robot:CANARY-key").decode(),
    "okta": "CANARY-key",
}


@pytest.fixture
def hr() -> Iterator[HrSimulator]:
    with HrSimulator() as simulator:
        for system, key in KEYS.items():
            simulator.add_key(system, key)
        for system, person in PEOPLE.items():
            simulator.add_person(system, person, "it@example.com")
        simulator.add_app("leaver-app", "CANARY-secret")
        yield simulator


@pytest.fixture
def stack(hr: HrSimulator) -> Stack:
    return Stack(hr_url=hr.url)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """As editors leave it."""
    file = tmp_path / "key"
    file.write_text("CANARY-key\n")
    return file


def options(system: str, key_file: Path) -> list[object]:
    who = ("--client-id", "robot", "--known-person", PEOPLE[system], "--owner", "it@example.com")
    return [system, *who, "--api-key-file", key_file]


@pytest.mark.parametrize("system", KEYS)
def test_a_key_becomes_a_connection_once_a_look_up_has_proved_it(system: str, stack: Stack, key_file: Path) -> None:
    result = stack.leaver(*options(system, key_file))
    assert result.exit_code == 0, result.output
    assert f"{system} is connected" in result.output
    assert (stack.new.provider, stack.new.grant_type) == (system, "api_key")
    assert stack.new.account == stack.hr_url.removeprefix("http://")
    assert stack.credentials == {"client_id": "robot", "api_key": "CANARY-key", "known_person": PEOPLE[system]}
    assert stack.tokens.access_token.get_secret_value() == TOKENS[system]
    assert stack.tokens.refresh_token is None
    assert "CANARY" not in result.output


@pytest.mark.parametrize("system", KEYS)
def test_a_key_that_is_refused_makes_no_connection(system: str, stack: Stack, key_file: Path) -> None:
    key_file.write_text("another")
    result = stack.leaver(*options(system, key_file))
    assert result.exit_code == 1
    assert "does not accept" in result.output
    assert stack.kept == []


@pytest.mark.parametrize(
    ("system", "field"), [("bamboohr", "workEmail"), ("bamboohr", "status"), ("hibob", "root.email")]
)
def test_a_field_that_is_left_out_in_silence_is_said_by_name_before_a_leaver_needs_it(
    system: str, field: str, stack: Stack, hr: HrSimulator, key_file: Path
) -> None:
    hr.hides(system, PEOPLE[system], field)
    result = stack.leaver(*options(system, key_file))
    assert result.exit_code == 1
    assert f"{system}: {field} is left out of the answer" in " ".join(result.output.split())
    assert stack.kept == []


def test_a_key_works_although_whoever_was_known_has_gone_from_there(stack: Stack, key_file: Path) -> None:
    who = ("--client-id", "robot", "--known-person", "404", "--owner", "it@example.com", "--api-key-file", key_file)
    assert stack.leaver("hibob", *who).exit_code == 0


def test_what_is_not_given_is_asked_for_and_the_key_is_not_shown(stack: Stack) -> None:
    result = stack.leaver("bamboohr", "bought", answer=f"robot\n{PEOPLE['bamboohr']}\nit@example.com\nCANARY-key\n")
    assert result.exit_code == 0, result.output
    assert stack.made[0][1] == Target("bought", "it@example.com", "service")
    assert "CANARY" not in result.output


def test_a_system_whose_address_nobody_gave_is_not_asked(key_file: Path) -> None:
    stack = Stack()
    result = stack.leaver(*options("bamboohr", key_file))
    assert result.exit_code == 2
    assert "the stack does not know where this system is" in " ".join(result.output.split())


# -- Gusto


@pytest.fixture
def _consents(hr: HrSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who opens the consent page and is sent back with a code."""

    def ask(page: Callable[..., str], *, show: Callable[[str, str], None], port: int, timeout: float) -> Consent:
        assert port == 0
        assert timeout > 0
        shown = page(redirect_uri="http://127.0.0.1:1/", state="state", code_challenge="unused")
        assert "code_challenge" not in shown
        show(shown, "http://127.0.0.1:1/")
        return Consent(SecretStr(hr.consent()), SecretStr("unused"), "http://127.0.0.1:1/")

    monkeypatch.setattr("leaver_cli.connections.connect_gusto.ask_for_consent", ask)


def connect_gusto(stack: Stack, tmp_path: Path) -> Any:
    (tmp_path / "secret").write_text("CANARY-secret\n")
    who = ("--client-id", "leaver-app", "--known-person", PEOPLE["gusto"], "--owner", "it@example.com")
    return stack.leaver("gusto", *who, "--client-secret-file", tmp_path / "secret")


@pytest.mark.usefixtures("_consents")
def test_a_consent_at_gusto_is_stored_before_it_is_used(stack: Stack, hr: HrSimulator, tmp_path: Path) -> None:
    asked_before_it_was_stored: list[str] = []
    establish = stack.establish

    def watched(new: Any, target: Any) -> Any:
        made = establish(new, target)
        asked_before_it_was_stored.extend(entry.path for entry in hr.journal("/v1/.*"))
        return made

    stack.establish = watched  # type: ignore[method-assign]
    result = connect_gusto(stack, tmp_path)
    assert result.exit_code == 0, result.output
    assert (stack.new.provider, stack.new.grant_type) == ("gusto", "refresh_token")
    assert stack.tokens.refresh_token is not None
    assert asked_before_it_was_stored == []
    assert [entry.path for entry in hr.journal("/v1/.*")] == ["/v1/employees/a9e6", "/v1/employees/a9e6/terminations"]
    assert "CANARY" not in result.output


@pytest.mark.usefixtures("_consents")
def test_a_consent_that_does_not_see_the_address_is_kept_and_said(
    stack: Stack, hr: HrSimulator, tmp_path: Path
) -> None:
    hr.hides("gusto", PEOPLE["gusto"], "work_email")
    result = connect_gusto(stack, tmp_path)
    assert result.exit_code == 1
    assert "gusto: work_email is left out of the answer" in " ".join(result.output.split())
    assert len(stack.kept) == 1


# -- a key that is replaced


def again(owner: str, key: str) -> tuple[str | None, bool]:
    """Connect by one key, and then once more; returns what is said of the key before."""

    class Known:
        clock = staticmethod(lambda: NOW)

        def look_up(self, *_: object, **__: object) -> None:
            """Somebody is found."""

    connections, secrets, clock = InMemoryConnections(), StrictSecretsManager(), Clock()
    secret_store = SecretStore(secrets.client, prefix="leaver")
    setup = ConnectionSetup(
        connections=connections,
        secret_store=secret_store,
        grants=ProviderGrants(SOURCES, {"hibob": Known()}, secret_store),
        holder="connect#1",
        clock=clock,
        pause=lambda _: None,
    )
    for whose, which in [("anna@example.com", "first"), (owner, key)]:
        own = KeyCredentials.model_validate({"client_id": "robot", "api_key": which, "known_person": "333"})
        asked = by_key("hibob", SOURCES["hibob"], Known(), own, "api.hibob.com")
        made = setup.establish(
            NewConnection(
                name="hibob",
                provider="hibob",
                account="api.hibob.com",
                grant_type=asked.grant_type,
                role="service",
                owner=whose,
                credentials=own,
                obtain=asked.obtain,
            )
        )
        setup = ConnectionSetup(**{**vars(setup), "holder": "connect#2"})
    record = connections.read("hibob")
    assert record.status is Status.ACTIVE
    assert secret_store.credentials("hibob/hibob", KeyCredentials).api_key.get_secret_value() == key
    assert record.replaced_outcome is None
    return made.old_grant, made.old_grant_ended


def test_a_key_that_was_replaced_lives_until_a_person_deletes_it() -> None:
    assert again("anna@example.com", "second") == ("not confirmed: a key lives until a person deletes it", False)


def test_the_same_key_is_nobody_elses_because_its_connection_is() -> None:
    assert again("ben@example.com", "first") == ("not confirmed: a key lives until a person deletes it", False)


def test_the_same_key_of_the_same_owner_is_the_same() -> None:
    assert again("anna@example.com", "first") == ("the same key", True)


def test_gustos_refresh_token_comes_again_until_what_it_brought_is_used(hr: HrSimulator) -> None:
    """What the custody rests on: a run that dies before it has stored the answer costs nothing."""
    first = hr.authorize("leaver-app")

    def refresh() -> requests.Response:
        app = {"client_id": "leaver-app", "client_secret": "CANARY-secret"}
        asked = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        return requests.post(f"{hr.url}/oauth/token", json=app | asked, timeout=10)

    assert refresh().status_code == 200
    again = refresh()
    assert again.status_code == 200
    used = {"Authorization": f"Bearer {again.json()['access_token']}"}
    assert requests.get(f"{hr.url}/v1/employees/a9e6", headers=used, timeout=10).status_code == 200
    assert refresh().status_code == 400
