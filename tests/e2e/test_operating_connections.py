"""`leaver connect`, `connections`, `refresh`, `disconnect` on the whole local world: what works, and what is dead."""

import json
import re
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
import requests
from click.testing import Result
from typer.testing import CliRunner

from leaver.connections.record import Connection, Status
from leaver.outcomes import Outcome
from leaver_cli import deployment
from leaver_cli.connections import disconnect
from leaver_cli.main import app
from local import acme
from local.aws import moto_server
from local.simulators.grants import digest
from local.simulators.provider import CANARY
from local.simulators.venafi_state import Role
from tests.e2e.everywhere import Overheard, Said, leaks
from tests.e2e.watched_world import ALL_ZOOM_SCOPES, WatchedWorld, later

ROBOT = "local:{99999999-2d77-43af-8f1f-39f1ba132825}"
PASSWORD, JWT = f"{CANARY}pass-word", f"{CANARY}ey.jwt"
NOTHING: dict[str, list[str]] = {"access": [], "refresh": []}


class Operated(WatchedWorld):
    """A world with somebody at the command line."""

    said: list[Said]

    def leaver(self, *arguments: object, typed: str = "") -> Result:
        """Run the command line as an operator of this stack, in a wide terminal; what is typed ends in a newline."""
        environ = self.environment() | {"COLUMNS": "220"}
        return CliRunner().invoke(app, list(map(str, arguments)), input=typed, env=environ)

    def connect(self, name: str, client_id: str, *options: object, owner: str = acme.ADMIN.email) -> Result:
        """Connect a Zoom app, its secret by standard input."""
        whose = ("--account-id", acme.ZOOM_ACCOUNT, "--owner", owner)
        told = ("--client-id", client_id, "--client-secret-file", "-", *whose, *options)
        return self.leaver("connect", "zoom", name, *told, typed=f"{acme.zoom_secret(client_id)}\n")

    def secrets_of(self, connection: str) -> list[str]:
        secrets = self.client("secretsmanager").list_secrets()["SecretList"]
        return sorted(each["Name"] for each in secrets if each["Name"].endswith(f"/{connection}"))


@pytest.fixture(scope="module")
def shared_world() -> Iterator[Operated]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overheard, "said", [], raising=False)
        patch.setattr(moto_server, "_AwsBehaviour", Overheard)
        with Operated() as world:
            world.said = Overheard.said
            acme.set_up(world)
            add_app(world, "s2s", server_to_server=True)
            add_app(world, "consent")
            world.venafi.add_identity(ROBOT, "robot", role=Role.GRANT_ADMIN, password=PASSWORD, jwt=JWT)
            yield world


@pytest.fixture
def world(shared_world: Operated) -> Iterator[Operated]:
    shared_world.forget()
    yield shared_world
    shared_world.forget()


@pytest.fixture
def _browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A browser that opens the consent page and goes where Zoom sends it."""
    visits: list[Thread] = []

    def open_page(page: str) -> bool:
        visits.append(Thread(target=requests.get, args=(page,), kwargs={"timeout": 10}))
        visits[-1].start()
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    yield
    for visit in visits:
        visit.join()


def add_app(world: Operated, name: str, *, server_to_server: bool = False) -> None:
    secret = acme.zoom_secret(name)
    scopes = ALL_ZOOM_SCOPES
    world.zoom.add_app(name, secret, account_id=acme.ZOOM_ACCOUNT, scopes=scopes, server_to_server=server_to_server)


CONSENT = ("--grant-type", "refresh_token", "--open-browser")


def works(world: Operated, connection: str) -> bool:
    """Whether a real command does its work through a connection to Zoom."""
    person = world.hire(at_venafi=False)
    world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.wait_until_idle()
    return not world.zoom.has_session(person.email)


def test_a_server_to_server_app_is_connected_and_a_session_ended_through_it(world: Operated) -> None:
    result = world.connect("zoom-s2s", "s2s")
    assert result.exit_code == 0, result.output
    assert "zoom-s2s is connected, its access token lives until" in result.output
    assert works(world, "zoom-s2s")
    record = world.record("zoom-s2s")
    assert (record["grant_type"], record["role"], record["status"]) == ("account_credentials", "service", "active")


@pytest.mark.usefixtures("_browser")
def test_somebodys_consent_is_connected_refreshed_and_a_session_ended_through_it(world: Operated) -> None:
    world.zoom.set_visitor(acme.ADMIN.email)
    result = world.connect("zoom-consent", "consent", *CONSENT)
    assert result.exit_code == 0, result.output
    first = world.tokens("zoom-consent")
    refreshed = world.leaver("refresh", "zoom-consent")
    assert refreshed.exit_code == 0, refreshed.output
    assert "zoom-consent is refreshed, its access token lives until" in refreshed.output
    assert world.tokens("zoom-consent")["refresh_token"] != first["refresh_token"]
    assert works(world, "zoom-consent")


@pytest.mark.usefixtures("_browser")
def test_a_service_connection_is_handed_over_and_the_old_owners_grant_is_dead(world: Operated) -> None:
    add_app(world, "handed-over")
    world.zoom.set_visitor(acme.ALAN.email)
    assert world.connect("zoom-handed-over", "handed-over", *CONSENT, owner=acme.ALAN.email).exit_code == 0
    alans = world.tokens("zoom-handed-over")
    world.zoom.set_visitor(acme.GRACE.email)
    result = world.connect("zoom-handed-over", "handed-over", *CONSENT, owner=acme.GRACE.email)
    assert result.exit_code == 0, result.output
    assert "the old grant: revoked" in result.output
    assert world.zoom.live_token_kind(digest(alans["access_token"])) is None
    assert world.zoom.live_token_kind(digest(alans["refresh_token"])) is None
    assert world.record("zoom-handed-over")["owner"] == acme.GRACE.email
    assert works(world, "zoom-handed-over")


@pytest.mark.parametrize(("how", "secret"), [("password", PASSWORD), ("jwt", JWT)])
def test_venafi_is_connected_and_grants_are_revoked_through_it(world: Operated, how: str, secret: str) -> None:
    person = world.hire(at_zoom=False)
    name = f"venafi-{how}"
    login: list[object] = ["--username", "robot"] if how == "password" else []
    options = ["--client-id", acme.VENAFI_APP, "--owner", acme.ADMIN.email, "--grant-type", how, *login]
    result = world.leaver("connect", "venafi", name, *options, f"--{how}-file", "-", typed=f"{secret}\n")
    assert result.exit_code == 0, result.output
    world.send("revoke_grants", {"grantee_prefixed_universal": person.venafi_id, "connection": name})
    world.wait_until_idle()
    assert world.venafi.live_grants(person.venafi_id) == 0
    first = world.tokens(name)
    assert world.leaver("refresh", name).exit_code == 0
    # The command returns when the new tokens are on record; the refresher ends the old grant after that.
    world.wait_until_idle()
    assert world.venafi.live_token_kind(digest(first["access_token"])) is None


def test_a_function_logs_in_to_venafi_where_this_machine_does_not_reach_it(world: Operated) -> None:
    told = ("--client-id", acme.VENAFI_APP, "--owner", "it@example.com", "--grant-type", "password")
    far = ("connect", "venafi", "far", *told, "--username", "robot", "--password-file", "-", "--from-lambda")
    refused = world.leaver(*far, typed="not-the-password\n")
    assert refused.exit_code == 1, refused.output
    assert "far is not connected: " in refused.output
    assert "far: its owner" not in refused.output
    result = world.leaver(*far, typed=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "far is connected from where the functions run, its access token lives until" in result.output
    assert "far: its owner it@example.com is not known to venafi" in result.output
    assert world.record("far")["status"] == "active"
    person = world.hire()
    world.send("revoke_grants", {"identity": person.email, "connection": "far"})
    world.wait_until_idle()
    assert world.venafi.live_grants(person.venafi_id) == 0
    again = world.leaver(*far, typed=f"{PASSWORD}\n")
    assert again.exit_code == 1
    assert "connection far has worked before" in again.output


def test_disconnecting_leaves_no_live_token_and_no_secret(world: Operated) -> None:
    connection = world.connect_zoom()
    assert world.leaver("disconnect", connection, typed="n\n").exit_code == 1
    assert world.record(connection)["status"] == "active"
    result = world.leaver("disconnect", connection, typed="y\n")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"{connection} is revoked (Zoom: revoked); its secrets are destroyed"
    assert world.zoom.live_tokens(connection) == NOTHING
    assert world.secrets_of(connection) == []
    assert "lease_holder" not in world.record(connection)
    # once more does no harm, and claims no more
    again = world.leaver("disconnect", connection, "--yes")
    assert (again.exit_code, again.output) == (0, result.output.splitlines()[-1] + "\n")


def test_an_expired_connection_is_disconnected_by_way_of_the_refresher(world: Operated) -> None:
    with later(world.zoom, -7200):
        connection = world.connect_zoom()
    waiting = Thread(target=hurry, args=(world, connection))
    waiting.start()
    result = world.leaver("disconnect", connection, "--yes")
    waiting.join()
    assert result.exit_code == 0, result.output
    assert world.zoom.live_tokens(connection) == NOTHING
    assert world.secrets_of(connection) == []


def hurry(world: Operated, connection: str) -> None:
    """Let nobody wait for visibility timeouts."""
    world.wait_until(lambda: world.record(connection)["status"] == "revoking")
    world.settle()
    world.hurry()


def test_a_revoked_connection_is_connected_anew_under_its_name(world: Operated) -> None:
    assert world.connect("zoom-again", "s2s").exit_code == 0
    assert world.leaver("disconnect", "zoom-again", "--yes").exit_code == 0
    result = world.connect("zoom-again", "s2s")
    assert result.exit_code == 0, result.output
    assert "old grant" not in result.output
    assert works(world, "zoom-again")


def test_what_the_provider_does_not_confirm_is_said_and_the_secrets_are_kept(world: Operated) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/revoke", times=None, handling="skip", reply="zoom_oauth/500-html")
    result = world.leaver("disconnect", connection, "--yes", "--timeout", 2)
    assert result.exit_code == 1
    assert f"{connection} is NOT confirmed as revoked: being revoked" in result.output
    assert len(world.secrets_of(connection)) == 2

    removed = world.leaver("disconnect", connection, "--yes", "--without-provider")
    assert removed.exit_code == 0, removed.output
    assert removed.output == (
        f"{connection} IS REMOVED; its grant may live on, and Zoom has NOT confirmed its end: end it there\n"
    )
    assert world.secrets_of(connection) == []
    # it does, and nobody claims otherwise: not the record, and not what is still in the queue
    assert world.zoom.live_tokens(connection) != NOTHING
    assert "revoked_outcome" not in world.record(connection)
    world.zoom.clear_faults()
    world.try_again()
    assert world.announced("AccessTokenRevoked") == []
    [parked] = world.parked("revoke_access_token")
    assert (parked.error, parked.reason) == (
        "NeedsReauthorization",
        "`leaver disconnect --without-provider` destroyed its secrets: end its grant at Zoom",
    )
    [told] = [each for each in listed(world) if each["connection"] == connection]
    assert told["health"].startswith("removed, and Zoom never confirmed its end (")


def test_what_can_not_be_named_is_not_disconnected(world: Operated) -> None:
    connection = world.connect_zoom()
    reason = "a refresh that began at 2026-11-25T03:00:00Z was never answered: end the grant at the provider"
    change(world, connection, status="revoking", orphaned_tokens=True, reason=reason)
    result = world.leaver("disconnect", connection, "--yes")
    assert result.exit_code == 1
    assert f"is NOT confirmed as revoked: needs a person: {reason}; then run" in result.output
    assert len(world.secrets_of(connection)) == 2
    assert world.announced() == []
    assert world.parked("revoke_access_token") == []


def test_who_connected_it_anew_meanwhile_keeps_their_secrets(world: Operated, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = world.connect_zoom()

    def revoked_and_connected_anew(_: object, before: Connection, _timeout: float) -> Connection:
        return before.model_copy(update={"status": Status.REVOKED, "revoked_outcome": Outcome.REVOKED})

    monkeypatch.setattr(disconnect, "_revoke", revoked_and_connected_anew)
    result = world.leaver("disconnect", connection, "--yes")
    assert (result.exit_code, result.output) == (1, f"Error: connection {connection} was connected anew meanwhile\n")
    assert len(world.secrets_of(connection)) == 2


def test_two_refreshes_within_five_minutes_are_two(world: Operated) -> None:
    connection = world.connect_zoom()
    versions = {world.record(connection)["version"]}
    for _ in range(2):
        assert world.leaver("refresh", connection).exit_code == 0
        versions.add(world.record(connection)["version"])
    assert len(versions) == 3
    # SQS would accept the second under a used id, and throw it away; the emulation does not
    sent = [json.loads(each.body) for each in world.said if each.target == "AmazonSQS.SendMessage"]
    ids = [each["MessageDeduplicationId"] for each in sent if each.get("MessageGroupId") == connection]
    assert len(set(ids)) == len(ids) == 2


def test_refresh_says_what_came_in_its_way(world: Operated) -> None:
    connection = world.connect_zoom()
    world.zoom.inject("/oauth/token", times=None, handling="skip", reply="zoom_oauth/500-html")
    result = world.leaver("refresh", connection)
    assert result.exit_code == 1
    assert f"{connection} is not refreshed: cooling down" in result.output
    assert "Zoom is out of order; tried again at" in result.output

    world.zoom.clear_faults()
    world.zoom.authorize(connection, acme.ADMIN.email)  # a later consent ends the earlier one
    world.settle()
    world.hurry()
    dead = world.leaver("refresh", connection)
    assert dead.exit_code == 1
    told = f"{connection} is not refreshed: needs a person: run `leaver connect zoom {connection}`"
    assert told in dead.output
    asked = len(world.zoom.journal("/oauth/token"))
    assert told in world.leaver("refresh", connection).output
    assert len(world.zoom.journal("/oauth/token")) == asked


def test_a_refresh_that_nobody_does_is_not_waited_for_for_ever(world: Operated) -> None:
    connection = world.connect_zoom()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    change(
        world, connection, lease_holder="refresh#1", leased_at=now, leased_version=world.record(connection)["version"]
    )
    result = world.leaver("refresh", connection, "--timeout", 1)
    assert result.exit_code == 1
    assert (
        f"{connection} is not refreshed within 1 seconds; the message still waits in its queue: works" in result.output
    )


def test_all_connections_are_listed_and_who_needs_a_person_is_told_by_the_exit_status(world: Operated) -> None:
    healthy = world.connect_zoom()
    before = world.leaver("connections")
    assert healthy in before.output
    dead = world.connect_zoom()
    change(
        world,
        dead,
        status="needs_reauthorization",
        reason="the refresh token was revoked",
        encrypted_refresh_token="c2VhbGVk",
    )
    result = world.leaver("connections")
    assert result.exit_code == 1
    assert f"run `leaver connect zoom {dead}`" in result.output.replace("\n", "")
    told = {each["connection"]: each for each in listed(world)}
    assert told[healthy]["health"].startswith("works; refreshes at ")
    assert (told[healthy]["needs_a_person"], told[dead]["needs_a_person"]) == (False, True)
    assert (told[healthy]["encrypted_refresh_token"], told[dead]["encrypted_refresh_token"]) == (False, True)
    assert {"provider", "account", "role", "owner", "expires_at", "refreshed_at", "lease_holder"} <= told[
        healthy
    ].keys()
    change(world, dead, status="revoked")


@pytest.mark.parametrize("command", ["refresh", "disconnect"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nobody"], "Error: connection: expected the name of a connection that exists"),
        (
            ["zoom", "--stack", "elsewhere"],
            "Error: there is no stack elsewhere in eu-west-1: is it called so (--stack)",
        ),
        (["Zoom"], "up to 32 lower-case letters, digits and hyphens, a letter first"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(world: Operated, command: str, options: list[str], said: str) -> None:
    result = world.leaver(command, *options)
    assert result.exit_code in {1, 2}
    assert said in result.output


@pytest.mark.parametrize(("fast", "which"), [(-600, "behind"), (600, "ahead of")])
def test_nothing_is_changed_by_a_clock_that_is_wrong(
    world: Operated, monkeypatch: pytest.MonkeyPatch, fast: int, which: str
) -> None:
    connection = world.connect_zoom()
    before = world.record(connection)
    monkeypatch.setattr(deployment, "now", lambda: datetime.now(UTC) + timedelta(seconds=fast))
    for result in (world.connect(connection, "s2s"), world.leaver("disconnect", connection, "--yes")):
        assert result.exit_code == 1
        assert re.search(rf"Error: this machine's clock is \d+ seconds {which} AWS's: set it", result.output)
    assert world.record(connection) == before
    assert world.zoom.journal("/oauth/token") == []


def test_no_secret_is_anywhere_but_in_the_vault(world: Operated) -> None:
    name = "zoom-quiet"
    printed = world.connect(name, "s2s").output + world.leaver("refresh", name).output
    world.zoom.inject("/oauth/token", handling="skip", reply="zoom_oauth/500-html")
    printed += world.leaver("refresh", name).output + world.connect(name, "s2s").output
    printed += world.leaver("connections").output + world.leaver("connections", "--json").output
    assert world.leaver("disconnect", name, "--yes").exit_code == 0
    assert CANARY not in printed
    assert leaks(world, world.said) == set()


def listed(world: Operated) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(world.leaver("connections", "--json").output)["connections"]
    return told


def change(world: Operated, connection: str, **columns: Any) -> None:
    world.change_record(connection, **columns)
