"""An urgent leaver takes queues of their own, from the HR event on, wherever a command has two lanes."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from local import acme
from tests.e2e.test_offboarding import is_out, okta_event, requested
from tests.e2e.watched_world import WatchedWorld

LANED = {"leaver-start-offboarding", "leaver-revoke-sso-token", "leaver-revoke-grants"}
URGENT = {f"{name}-urgent" for name in LANED}


@pytest.fixture(scope="module")
def whole_world() -> Iterator[WatchedWorld]:
    with WatchedWorld(UrgentPartners="okta") as world:
        acme.set_up(world)
        yield world


@pytest.fixture
def world(whole_world: WatchedWorld) -> WatchedWorld:
    whole_world.forget()
    return whole_world


@pytest.fixture
def delivered(world: WatchedWorld, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many messages came by each of the queues that have two lanes."""
    by_queue: Counter[str] = Counter()
    for mapping in world._all_mappings():

        def counting(event: Any, *, name: str = mapping.queue_name, invoke: Any = mapping._invoke) -> Any:
            if name.removesuffix("-urgent") in LANED:
                by_queue[name] += len(event["Records"])
            return invoke(event)

        monkeypatch.setattr(mapping, "_invoke", counting)
    return by_queue


def test_an_urgent_leaver_never_stands_in_the_routine_queues(world: WatchedWorld, delivered: Counter[str]) -> None:
    leaver = world.hire()
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, urgency="urgent"))
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert set(delivered) == URGENT
    assert {each["state"] for each in world.cases() if each["email"] == leaver.email} == {"completed"}


def test_a_routine_leaver_never_stands_in_the_urgent_queues(world: WatchedWorld, delivered: Counter[str]) -> None:
    leaver = world.hire()
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, event_id="hr-routine"))
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert set(delivered) == LANED


def test_a_partner_whose_every_event_is_urgent_takes_the_urgent_lane_from_the_start(
    world: WatchedWorld, delivered: Counter[str]
) -> None:
    leaver = world.hire()
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert set(delivered) == URGENT


def test_what_was_parked_from_the_urgent_lane_is_known_to_belong_there(world: WatchedWorld) -> None:
    world.put_command(
        "RevokeSsoToken", {"user_id": "ada@example.com", "connection": "nobody-made", "urgency": "urgent"}
    )
    world.wait_until_idle()
    (parked,) = world.parked("revoke_sso_token")
    assert parked.attributes["queue"].endswith(":leaver-revoke-sso-token-urgent")


def test_an_urgent_leaver_does_not_wait_for_a_routine_batch_that_is_under_way(world: WatchedWorld) -> None:
    routine, urgent = world.hire(), world.hire()
    gate = world.functions["revoke_sso_token"].gate
    gate.hold("response", "before")
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(routine, event_id="hr-held"))
    assert gate.wait_until_held() == 1

    told = requested(urgent, event_id="hr-passes", urgency="urgent")
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", told)
    world.wait_until(
        lambda: [each["state"] for each in world.cases() if each["email"] == urgent.email] == ["completed"]
    )
    assert is_out(world, urgent)
    kept = [*world.receipts(urgent.email), *world.receipts(urgent.zoom_id)]
    assert {each["command"]: each["outcome"] for each in kept} == {
        "RevokeSsoToken": "revoked",
        "RevokeGrants": "revoked",
        "PurgeUserTokens": "purged",
    }
    assert "revoke_sso_token" in world.work()

    gate.release()
    world.wait_until_idle()
    assert is_out(world, routine)
