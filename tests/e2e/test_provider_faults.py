"""What a provider does wrong or refuses, and what becomes of the command: it waits, is parked, or is done."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from local import acme
from local.simulators.faults import Handling
from tests.e2e.watched_world import WatchedWorld

SESSION = "/v2/users/.*/token"
REVOKE_GRANTS = "/vedsdk/oauth/revokegrants"
#: what SQS lets a message wait at most, less the two minutes that the function keeps for itself
LONGEST = 11 * 3600 + 58 * 60
#: seconds by which the test's clock and the function's may differ at the moment of their looks
SLACK = 60


def until_midnight() -> float:
    """Seconds until 00:00 UTC, or as long as a message can wait."""
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return min((midnight - now).total_seconds(), LONGEST)


# --- Throttling: wait as long as the provider asks, and no longer ---


@pytest.mark.parametrize("answer", ["429-qps-with-headers", "429-qps-without-headers", "429-concurrent-disassociate"])
def test_a_limit_per_second_lets_the_message_come_back_within_seconds(world: WatchedWorld, answer: str) -> None:
    person = world.hire()
    world.zoom.inject(SESSION, handling="skip", reply=f"zoom/{answer}")
    [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    world.settle()
    # Its second may be over already: then it came back by itself.
    assert all(waits < 3 for waits in world.waits("revoke_sso_token"))
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    # To be asked to wait is no failed attempt.
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["attempts"]) == ("revoked", 1)
    assert world.announced_names() == ["SsoTokenRevoked"]


def test_a_wait_that_zoom_names_is_kept(world: WatchedWorld) -> None:
    person = world.hire()
    answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    world.zoom.inject(SESSION, handling="skip", reply=answer)
    world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    world.settle()
    [waits] = world.waits("revoke_sso_token")
    assert 3600 - SLACK < waits <= 3600
    world.limits_are_over()
    world.try_again()
    assert not world.zoom.has_session(person.email)


@pytest.mark.parametrize("headers", [True, False])
def test_a_daily_limit_lets_the_message_wait_for_midnight_or_as_long_as_it_can(
    world: WatchedWorld, *, headers: bool
) -> None:
    person = world.hire()
    world.zoom.set_rate_limit(acme.ZOOM_ACCOUNT, per_day=0, headers=headers)
    try:
        before = until_midnight()
        [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
        world.settle()
        [waits] = world.waits("revoke_sso_token")
        # Midnight may have passed between the two looks at the clock.
        assert any(abs(waits - expected) < SLACK for expected in (before, until_midnight()))
        assert len(world.zoom.journal()) == 1
        assert world.zoom.has_session(person.email)
        assert world.parked("revoke_sso_token") == []
        assert world.announced() == []
    finally:
        world.zoom.set_rate_limit(acme.ZOOM_ACCOUNT)
    world.limits_are_over()
    world.try_again()
    assert world.receipt(sent)["outcome"] == "revoked"


def test_more_leavers_than_zooms_limit_allows_all_get_their_turn(world: WatchedWorld) -> None:
    people = [world.hire() for _ in range(5)]
    world.zoom.set_rate_limit(acme.ZOOM_ACCOUNT, per_second=2)
    try:
        world.send("revoke_sso_token", *({"user_id": person.email, "connection": "zoom"} for person in people))
        for _ in range(len(people)):
            world.settle()
            world.zoom.advance(1)
            world.hurry()
        world.wait_until_idle()
    finally:
        world.zoom.advance(-len(people))
        world.zoom.set_rate_limit(acme.ZOOM_ACCOUNT)
    assert not any(world.zoom.has_session(person.email) for person in people)
    assert world.announced_names() == ["SsoTokenRevoked"] * 5


# --- Out of order: come back later, and count the attempts ---


@pytest.mark.parametrize(
    ("handling", "reply"),
    [
        ("skip", "zoom/500-html"),
        ("skip", "zoom/502-html"),
        ("skip", "zoom/503-html"),
        ("skip", "zoom/200-html"),
        ("skip", "zoom/200-empty-object"),
        ("skip", "zoom/302-login-page"),
        ("skip", "reset"),
        ("commit", "reset"),
        ("commit", "zoom/500-html"),
    ],
)
def test_an_attempt_at_zoom_that_failed_is_repeated_until_zoom_says_204(
    world: WatchedWorld, handling: Handling, reply: str
) -> None:
    person = world.hire()
    world.zoom.inject(SESSION, times=None, handling=handling, reply=reply)
    [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    world.settle()
    assert world.zoom.has_session(person.email) == (handling == "skip")
    # Whatever was done: nothing is claimed on such an answer.
    assert "outcome" not in world.receipt(sent)
    assert world.announced() == []
    assert all(waits <= 5 for waits in world.waits("revoke_sso_token"))
    world.zoom.clear_faults()
    world.try_again()
    assert not world.zoom.has_session(person.email)
    attempts = len(world.zoom.journal(SESSION, "DELETE"))
    assert attempts > 1
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["attempts"]) == ("revoked", attempts)
    assert world.announced_names() == ["SsoTokenRevoked"]
    assert world.parked("revoke_sso_token") == []


def test_a_provider_that_stays_out_of_order_is_asked_less_and_less(world: WatchedWorld) -> None:
    person = world.hire()
    world.zoom.inject(SESSION, times=None, handling="skip", reply="zoom/503-html")
    [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    for _ in range(7):
        world.settle()
        waits = world.waits("revoke_sso_token")
        assert all(each <= 5 * 2 ** (world.receipt(sent)["attempts"] - 1) for each in waits)
        world.hurry()
        world.settle()
    # After the seventh failure 320 seconds, of which up to a half is left out by lot.
    [waits_now] = world.waits("revoke_sso_token")
    assert waits_now > 160 - SLACK
    world.zoom.clear_faults()
    world.try_again()
    assert world.receipt(sent)["outcome"] == "revoked"


def test_grants_that_are_left_after_a_success_are_revoked_again_before_anything_is_claimed(
    world: WatchedWorld,
) -> None:
    person = world.hire()
    world.venafi.inject(REVOKE_GRANTS, times=None, handling="pretend")
    [sent] = world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    world.settle()
    assert world.venafi.live_grants(person.venafi_id) == 1
    assert "outcome" not in world.receipt(sent)
    assert world.announced() == []
    world.venafi.clear_faults()
    world.try_again()
    assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.receipt(sent)["outcome"] == "revoked"
    assert world.announced_names() == ["GrantsRevoked"]


def test_a_revocation_of_grants_whose_answer_was_lost_ends_as_already_gone(world: WatchedWorld) -> None:
    person = world.hire()
    world.venafi.inject(REVOKE_GRANTS, times=None, handling="commit", reply="reset")
    [sent] = world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    world.settle()
    assert world.venafi.live_grants(person.venafi_id) == 0
    assert world.announced() == []
    world.venafi.clear_faults()
    world.try_again()
    # Venafi's own word the second time: there was nothing left.
    assert world.receipt(sent)["outcome"] == "already_gone"
    assert world.announced_names() == ["GrantsRevoked"]


@pytest.mark.parametrize("result", [1, 5, 8, 15])
def test_a_result_that_may_pass_is_tried_again_although_the_status_was_200(world: WatchedWorld, result: int) -> None:
    person = world.hire()
    world.venafi.answer_result(result, times=None)
    [sent] = world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    world.settle()
    assert "outcome" not in world.receipt(sent)
    assert world.announced() == []
    world.venafi.clear_faults()
    world.try_again()
    assert world.receipt(sent)["outcome"] == "revoked"


# --- Refused: parked at once, in the provider's words ---


@pytest.mark.parametrize(
    ("answer", "reason", "status", "code"),
    [
        (
            "400-1120-invitation-pending",
            "the user was invited to the Zoom account and has not accepted yet",
            400,
            "1120",
        ),
        ("400-200-no-permission", "Zoom gives the connection no permission for this", 400, "200"),
        ("404-html", "not found, but not in Zoom's words: is the URL of Zoom in the settings right?", 404, None),
        ("301-other-host", "Zoom has moved: the URL of Zoom in the settings is wrong", 301, None),
    ],
)
def test_what_zoom_refuses_is_parked_at_once_with_zooms_word(
    world: WatchedWorld, answer: str, reason: str, status: int, code: str | None
) -> None:
    person = world.hire()
    world.zoom.inject(SESSION, handling="skip", reply=f"zoom/{answer}")
    [sent] = world.send("revoke_sso_token", {"user_id": person.email, "connection": "zoom"})
    world.wait_until_idle()
    [parked] = world.parked("revoke_sso_token")
    assert (parked.error, parked.reason) == ("Rejected", reason)
    receipt = world.receipt(sent)
    assert (receipt["outcome"], receipt["provider_status"], receipt.get("provider_code")) == ("failed", status, code)
    assert world.announced_names() == ["RevocationFailed"]
    assert len(world.zoom.journal()) == 1


def test_what_venafi_refuses_with_status_200_is_parked_at_once(world: WatchedWorld) -> None:
    person = world.hire()
    world.venafi.answer_result(9)
    [sent] = world.send("revoke_grants", {"identity": person.email, "connection": "venafi"})
    world.wait_until_idle()
    [parked] = world.parked("revoke_grants")
    assert parked.reason == "Venafi reports result 9, InsufficientPrivileges"
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["provider_code"]) == ("failed", "9")
    assert world.venafi.live_grants(person.venafi_id) == 1


def test_what_was_parked_for_a_missing_scope_is_done_after_it_is_granted_and_redriven(world: WatchedWorld) -> None:
    person = world.hire()
    connection = world.connect_zoom((acme.READ_USER,))
    sent = world.put_command("RevokeSsoToken", {"user_id": person.email, "connection": connection})
    world.wait_until_idle()
    [parked] = world.parked("revoke_sso_token")
    assert parked.reason == "missing scopes: user:delete:token, user:delete:token:admin"
    assert (world.receipt(sent)["outcome"], world.receipt(sent)["provider_code"]) == ("failed", "4711")
    assert world.zoom.has_session(person.email)

    world.zoom.set_scopes(connection, (acme.READ_USER, acme.END_SESSION))
    world.put_command("RefreshAccessToken", {"connection": connection, "force": True})
    world.wait_until_idle()
    told = subprocess.run(
        [sys.executable, "-m", "leaver_cli.main", "redrive", "revoke_sso_token", "--yes"],
        env={**os.environ, **world.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "1 message went back" in told.stdout
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    assert world.parked("revoke_sso_token") == []
    # The same receipt, opened again; both last words were announced.
    assert world.receipt(sent)["outcome"] == "revoked"
    assert "reason" not in world.receipt(sent)
    assert world.announced_names() == ["AccessTokenRefreshed", "RevocationFailed", "SsoTokenRevoked"]


# --- Delivered more than once, and together ---


def test_an_event_that_is_delivered_twice_is_carried_out_once_and_announced_under_the_same_id(
    world: WatchedWorld,
) -> None:
    person = world.hire()
    event = json.dumps(
        {
            "id": f"delivered-twice-to-{person.zoom_id}",
            "detail-type": "RevokeSsoToken",
            "source": "leaver.command",
            "time": datetime.now(UTC).isoformat(),
            "detail": {"user_id": person.email, "connection": "zoom"},
        }
    )
    world.send("revoke_sso_token", event, event)
    world.wait_until_idle()
    assert len(world.zoom.journal(SESSION, "DELETE")) == 1
    first, second = world.announced("SsoTokenRevoked")
    assert first.detail["announcement_id"] == second.detail["announcement_id"]
    assert len(world.receipts(person.email)) == 1


def test_two_connections_in_one_batch_each_use_their_own_token(world: WatchedWorld) -> None:
    one, other = world.hire(), world.hire()
    connections = {person: world.connect_zoom() for person in (one, other)}
    logged = len(world.logs("revoke_sso_token"))
    world.send("revoke_sso_token", *({"user_id": who.email, "connection": name} for who, name in connections.items()))
    world.wait_until_idle()
    # Metrics are written once for each batch.
    assert '"RevokeSsoToken.revoked":[1.0,1.0]' in world.logs("revoke_sso_token")[logged:]
    for person, connection in connections.items():
        address = person.email.replace("@", "%40")
        [deleted] = world.zoom.journal(f"/v2/users/{address}/token", "DELETE")
        assert [deleted.bearer] == world.zoom.live_tokens(connection)["access"]
