"""Tokens that are dead, refused, lost or wrong: readers ask, one refresher mends, and what can't be mended is told."""

import json
from collections.abc import Mapping

import pytest
import requests
from pydantic import SecretStr

from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import next_version_id
from local import acme
from local.simulators.grants import digest
from tests.doubles.secrets_manager import place_of
from tests.e2e.watched_world import WatchedWorld, in_seconds, later

TOKEN = "/oauth/token"
SESSION = "/v2/users/.*/token"


def rotations(world: WatchedWorld) -> list[int | None]:
    """What Zoom answered to each refresh."""
    return [entry.status for entry in world.zoom.journal(TOKEN)]


def expired_connection(world: WatchedWorld) -> str:
    """A connection to Zoom whose access token is two hours old: dead for Zoom, and known to be dead."""
    with later(world.zoom, -7200):
        return world.connect_zoom()


# --- Readers never refresh: they ask for it, and come back ---


def test_a_token_known_to_be_dead_is_replaced_before_zoom_is_even_asked(world: WatchedWorld) -> None:
    person, connection = world.hire(), expired_connection(world)
    old = world.record(connection)["version"]
    [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.settle()
    assert world.zoom.has_session(person.email)
    assert world.zoom.journal(SESSION) == []
    assert world.record(connection)["version"] == next_version_id(connection, old)
    world.try_again()
    assert not world.zoom.has_session(person.email)
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["attempts"]) == ("revoked", 2)
    assert rotations(world) == [200]
    assert world.announced_names() == ["AccessTokenRefreshed", "SsoTokenRevoked"]


def test_a_token_that_zoom_refuses_is_replaced_and_the_command_done_with_the_new_one(world: WatchedWorld) -> None:
    person, connection = world.hire(), world.connect_zoom()
    dead = world.tokens(connection)["access_token"]
    with later(world.zoom, 7200):
        world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
        world.settle()
        world.try_again()
        assert not world.zoom.has_session(person.email)
        new = world.tokens(connection)["access_token"]
    *refused, done = world.zoom.journal(SESSION, "DELETE")
    # Who read the connection less than two seconds ago asks with the old token once more.
    assert [(each.status, each.bearer) for each in refused] in ([(401, digest(dead))], [(401, digest(dead))] * 2)
    assert (done.status, done.bearer) == (204, digest(new))
    assert rotations(world) == [200]


def test_many_readers_of_one_dead_token_cause_one_rotation(world: WatchedWorld) -> None:
    people, connection = [world.hire() for _ in range(4)], expired_connection(world)
    sessions = [{"user_id": person.email, "connection": connection} for person in people]
    world.send("revoke_sso_token", *sessions)
    world.send("retrieve_user_token", *sessions[:2])
    world.settle()
    world.try_again()
    assert rotations(world) == [200]
    assert not any(world.zoom.has_session(person.email) for person in people)
    assert world.announced_names() == ["AccessTokenRefreshed"] + ["SsoTokenRevoked"] * 4 + ["UserTokenRetrieved"] * 2
    assert {entry.bearer for entry in world.zoom.journal(SESSION)} == set(world.zoom.live_tokens(connection)["access"])


def test_a_dead_token_of_venafi_is_replaced_too(world: WatchedWorld) -> None:
    person, connection = world.hire(), world.connect_venafi()
    dead = world.tokens(connection)["access_token"]
    with later(world.venafi, 90 * 86400):
        world.venafi.authorize(acme.CERTIFICATE_APP, person.venafi_id)
        [sent] = world.send("revoke_grants", {"identity": person.email, "connection": connection})
        world.settle()
        assert world.venafi.live_grants(person.venafi_id) > 0
        world.try_again()
        assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.receipt(sent)["outcome"] == "revoked"
    assert world.tokens(connection)["access_token"] != dead
    assert world.venafi.live_token_kind(digest(dead)) is None
    assert [entry.status for entry in world.venafi.journal("/vedauth/authorize/token")] == [200]


# --- The schedule ---


def test_the_schedule_refreshes_what_is_due_and_nothing_else(world: WatchedWorld) -> None:
    due, due_venafi, not_due, dead = (
        world.connect_zoom(),
        world.connect_venafi(),
        world.connect_zoom(),
        world.connect_zoom(),
    )
    for connection in (due, due_venafi, dead):
        world.change_record(connection, refresh_at=in_seconds(-1))
    world.change_record(dead, status="needs_reauthorization")
    before = {name: world.record(name) for name in (due, due_venafi, not_due, dead)}
    world.fire_schedule("schedule_refreshes")
    world.wait_until_idle()
    for name in (due, due_venafi):
        assert world.record(name)["version"] == next_version_id(name, before[name]["version"])
        assert world.record(name)["refresh_at"] > in_seconds(0)
        assert world.tokens(name)["refresh_token"]
    for name in (not_due, dead):
        assert world.record(name) == before[name]
    assert rotations(world) == [200]
    told = {announced.detail["connection"] for announced in world.announced("AccessTokenRefreshed")}
    assert told == {due, due_venafi}
    # The next minute finds nothing to do.
    world.fire_schedule("schedule_refreshes")
    world.wait_until_idle()
    assert rotations(world) == [200]


def test_a_server_to_server_connection_begins_with_no_token_and_gets_its_first_one_by_the_schedule(
    world: WatchedWorld,
) -> None:
    person, connection = world.hire(), world.connect_zoom()
    app, secret = f"{connection}-app", acme.zoom_secret(connection)
    scopes = [acme.READ_USER, acme.END_SESSION]
    world.zoom.add_app(app, secret, account_id=acme.ZOOM_ACCOUNT, scopes=scopes, server_to_server=True)
    secret_store = world.client("secretsmanager")
    credentials = {"client_id": app, "client_secret": secret, "account_id": acme.ZOOM_ACCOUNT}
    secret_store.put_secret_value(
        SecretId=f"leaver/credentials/{place_of(connection)}", SecretString=json.dumps(credentials)
    )
    first = {"access_token": "none yet", "expires_at": in_seconds(-1)}
    version = secret_store.put_secret_value(
        SecretId=f"leaver/tokens/{place_of(connection)}", SecretString=json.dumps(first)
    )
    world.change_record(
        connection,
        grant_type="account_credentials",
        version=version["VersionId"],
        expires_at=in_seconds(-1),
        refresh_at=in_seconds(-1),
    )
    world.fire_schedule("schedule_refreshes")
    world.wait_until_idle()
    world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    assert world.tokens(connection)["refresh_token"] is None


# --- A refresh that fails ---


def refresh(world: WatchedWorld, connection: str) -> None:
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.settle()


@pytest.mark.parametrize(
    "reply", ["reset", "zoom_oauth/500-html", "zoom_oauth/503-json", "zoom_oauth/429-json", "zoom_oauth/400-html"]
)
def test_a_refresh_that_zoom_did_not_carry_out_is_repeated_with_the_same_token(world: WatchedWorld, reply: str) -> None:
    connection = world.connect_zoom()
    before = world.record(connection)
    world.zoom.inject(TOKEN, times=None, handling="skip", reply=reply)
    refresh(world, connection)
    record = world.record(connection)
    assert (record["version"], record["expires_at"]) == (before["version"], before["expires_at"])
    assert (record["status"], "lease_holder" in record) == ("cooling_down", False)
    assert world.announced() == []
    world.zoom.clear_faults()
    # No message waits for it: the schedule finds it when its pause is over.
    world.change_record(connection, refresh_at=in_seconds(-1))
    world.fire_schedule("schedule_refreshes")
    world.wait_until_idle()
    assert world.record(connection)["status"] == "active"
    assert world.record(connection)["version"] == next_version_id(connection, before["version"])
    assert digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]
    assert world.announced_names() == ["AccessTokenRefreshed"]


def test_a_refresh_whose_answer_was_lost_needs_a_person_and_says_so_once(world: WatchedWorld) -> None:
    # One of the two faults that no client can recover from: Zoom has retired the token, nobody has the new one.
    person, connection = world.hire(), world.connect_zoom()
    before = world.record(connection)
    world.zoom.inject(TOKEN, handling="commit", reply="reset")
    refresh(world, connection)
    world.try_again()
    # The same token once more, at once: that is how it is found out, and it is believed when it is said twice.
    assert rotations(world) == [None, 400, 400]
    record = world.record(connection)
    assert (record["status"], record["version"]) == ("needs_reauthorization", before["version"])
    assert record["reason"].startswith("Zoom does not accept the refresh token; a refresh that began at ")
    [parked] = world.parked("refresh_access_token")
    assert (parked.error, parked.reason) == ("InvalidGrant", record["reason"])
    [told] = world.announced("ConnectionNeedsReauthorization")
    assert told.detail["reason"] == record["reason"]
    assert world.announced_names() == ["ConnectionNeedsReauthorization", "RefreshFailed"]

    # No hammering: what comes now is parked without a call, and another refresh does nothing.
    world.zoom.clear_journal()
    world.send("revoke_sso_token", {"user_id": person.email, "connection": connection})
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.wait_until_idle()
    assert world.zoom.journal() == []
    [waiting] = world.parked("revoke_sso_token")
    assert waiting.error == "NeedsReauthorization"
    assert waiting.reason == f"connection {connection} needs a person to authorize it again"
    assert len(world.parked("refresh_access_token")) == 1


def test_a_client_secret_that_is_wrong_spends_no_token_and_is_parked(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    before = world.record(connection)
    secret_store, name = world.client("secretsmanager"), f"leaver/credentials/{place_of(connection)}"
    wrong = json.dumps({"client_id": connection, "client_secret": "of-another-app"})
    secret_store.put_secret_value(SecretId=name, SecretString=wrong)
    refresh(world, connection)
    [parked] = world.parked("refresh_access_token")
    assert parked.error == "InvalidClient"
    assert world.announced_names() == ["ConnectionFailing", "RefreshFailed"]
    record = world.record(connection)
    assert (record["status"], record["version"]) == ("cooling_down", before["version"])

    right = json.dumps({"client_id": connection, "client_secret": acme.zoom_secret(connection)})
    secret_store.put_secret_value(SecretId=name, SecretString=right)
    refresh(world, connection)
    assert world.record(connection)["version"] == next_version_id(connection, before["version"])
    assert len(world.announced("ConnectionRecovered")) == 1


def test_a_token_that_was_sealed_with_the_stacks_own_key_is_opened_and_used(world: WatchedWorld) -> None:
    # Secrets Manager took nothing for a whole run: the refresh token is in the record, and nowhere else.
    connection = world.connect_zoom()
    version = world.record(connection)["version"]
    token_encryption = TokenEncryption(world.client("kms"), key_arn=world.resource("Key").attributes["Arn"])
    token = SecretStr(refreshed_by_hand(world, connection)["refresh_token"])
    encrypted = token_encryption.encrypt(token, connection=connection, parent_version=version)
    world.change_record(connection, encrypted_refresh_token=encrypted)
    world.zoom.clear_journal()
    refresh(world, connection)
    assert rotations(world) == [200]
    record = world.record(connection)
    assert record["version"] == next_version_id(connection, next_version_id(connection, version))
    assert "encrypted_refresh_token" not in record
    assert digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]


def refreshed_by_hand(world: WatchedWorld, connection: str) -> Mapping[str, str]:
    """Zoom's answer to the refresh token that the record names."""
    answer: Mapping[str, str] = requests.post(
        f"{world.zoom.url}{TOKEN}",
        data={"grant_type": "refresh_token", "refresh_token": world.tokens(connection)["refresh_token"]},
        auth=(connection, acme.zoom_secret(connection)),
        timeout=10,
    ).json()
    return answer


def test_what_a_killed_refresher_left_in_the_vault_is_taken_up_without_a_call(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    old = world.record(connection)["version"]
    answer = refreshed_by_hand(world, connection)
    kept = {name: answer[name] for name in ("access_token", "refresh_token", "scope")}
    world.client("secretsmanager").put_secret_value(
        SecretId=f"leaver/tokens/{place_of(connection)}",
        ClientRequestToken=next_version_id(connection, old),
        SecretString=json.dumps({**kept, "expires_at": in_seconds(3599)}),
    )
    world.zoom.clear_journal()
    refresh(world, connection)
    assert world.zoom.journal() == []
    assert world.record(connection)["version"] == next_version_id(connection, old)
    assert digest(world.tokens(connection)["refresh_token"]) in world.zoom.live_tokens(connection)["refresh"]


def test_a_refresh_that_nobody_needs_makes_no_call(world: WatchedWorld) -> None:
    connection = world.connect_zoom()
    before = world.record(connection)
    another = "00000000-0000-4000-8000-000000000000"
    world.send(
        "refresh_access_token", {"connection": connection}, {"connection": connection, "failed_version": another}
    )
    world.wait_until_idle()
    assert world.zoom.journal() == []
    assert world.record(connection) == before
    assert world.announced() == []
