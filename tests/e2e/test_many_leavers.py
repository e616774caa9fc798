"""Many leavers from every source at once, and providers that fail one call in five: all of them lose everything."""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from local import acme
from local.acme import Person
from local.simulators.faults import RESET
from tests.doubles.wire import fixture
from tests.e2e.test_hr_sources import bamboohr, gusto, hibob, risc, sailpoint, scim
from tests.e2e.test_offboarding import okta_event, requested
from tests.e2e.watched_world import WatchedWorld
from tests.field import Field
from tests.length import at_length, length

#: from every source by turns; each costs the local AWS seven tenths of a second of computing
LEAVERS: Final = length(8)
#: of them, how many have a token in Leaver's vault
WITH_TOKENS: Final = 20
#: seconds after which nothing moves any more, also on a machine that does other things
LONGEST: Final = 60.0 + 6 * LEAVERS
#: Venafi asks for a pause: the recorded one is of 20 seconds, and from two on Leaver closes the account
A_WHILE: Final = fixture("venafi/429-retry-after-seconds").decode().replace("Retry-After: 20", "Retry-After: 3")
FAULTS: Final[dict[str, list[dict[str, Any]]]] = {
    "zoom": [
        {"handling": "skip", "reply": "zoom/503-html"},
        {"handling": "skip", "reply": "zoom/429-qps-with-headers"},
        {"handling": "commit", "reply": RESET},
        {"handling": "commit", "reply": "zoom/502-html"},
    ],
    "venafi": [
        {"handling": "skip", "reply": "venafi/503-html"},
        {"handling": "skip", "reply": A_WHILE},
        {"handling": "commit", "reply": RESET},
        {"handling": "commit", "reply": "venafi/502-html"},
    ],
}


def okta(world: WatchedWorld, leaver: Person) -> None:
    world.put_okta_event(okta_event(leaver))


def canonical(world: WatchedWorld, leaver: Person) -> None:
    detail = requested(leaver, event_id=f"hr-{leaver.email}")
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", detail)


SOURCES: Final[list[Callable[[WatchedWorld, Person], None]]] = [
    *(okta, sailpoint, scim, canonical),
    *(risc, hibob, gusto, bamboohr),
]


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedWorld]:
    with WatchedWorld(RoutineCasesAnHour="1000") as world:
        acme.set_up(world)
        yield world


def rain(world: WatchedWorld, calls: int) -> None:
    """Let one call in five of either provider fail; every fifth by chance, and by the same chance each time."""
    chance = random.Random(200)  # noqa: S311 - it decides nothing but the weather
    for name, provider, path in (("zoom", world.zoom, "/v2/.*"), ("venafi", world.venafi, "/vedsdk/.*")):
        for _ in range(calls):
            provider.inject(path, **(chance.choice(FAULTS[name]) if chance.random() < 0.2 else {}))


@at_length
def test_all_leavers_lose_everything_although_one_call_in_five_fails(world: WatchedWorld, field: Field) -> None:
    leavers, colleague = [world.hire() for _ in range(LEAVERS)], world.hire()
    for start in range(0, min(WITH_TOKENS, LEAVERS), 10):
        world.send(
            "retrieve_user_token",
            *({"user_id": each.email, "connection": "zoom"} for each in leavers[start : start + 10]),
        )
    world.wait_until_idle()
    rain(world, LEAVERS * 4)
    for place, leaver in enumerate(leavers):
        SOURCES[place % len(SOURCES)](world, leaver)
    world.try_again(LONGEST)
    world.fire_schedule("watch_deadlines")
    world.try_again(LONGEST)

    zoom_ids, venafi_ids = {each.zoom_id for each in leavers}, {each.venafi_id for each in leavers}
    alive = len(zoom_ids & set(world.zoom.sessions())) + sum(world.venafi.live_grants(each) for each in venafi_ids)
    failed = [each for every in (world.zoom, world.venafi) for each in every.journal() if (each.status or 500) >= 429]
    false = [each["email"] for each in world.cases() if each["state"] == "completed"] if alive else []
    field("bad weather", "throttles, lost answers, resets, 5xx", len(failed), lost=alive, false=false)
    pages = world.client("secretsmanager").get_paginator("list_secrets").paginate()
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    assert [name for name in names if "/user-tokens/" in name] == []
    assert world.zoom.has_session(colleague.email)
    assert world.venafi.live_grants(colleague.venafi_id) == 1

    cases = world.cases()
    assert {each["email"] for each in cases} == {each.email for each in leavers}
    assert {each["state"] for each in cases} == {"completed"}
    assert len(cases) == LEAVERS
    completed = {each.detail["subject"] for each in world.announced("OffboardingCompleted")}
    assert completed == {each.email for each in leavers}
