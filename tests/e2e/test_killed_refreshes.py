"""The refresher's process is killed before and after each of its effects: what becomes of the refresh token."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest

from local.call_gate import Moment
from local.simulators.grants import Rotation as Kind
from tests.e2e.killing import ANSWER, LOST, REFRESH, Deaths, Provider
from tests.e2e.watched_world import WatchedWorld
from tests.field import Field
from tests.length import at_length, some

#: Every effect of one refresh, in order, and what becomes of the refresh token when the process is killed just before
#: and just after it, at a provider that is strict, gives grace, or takes reuse for theft. Written by hand; "before"
#: never reached whom it was for, "after" was carried out and the process never heard of it.
EXPECTED: Final[tuple[tuple[str, str, str], ...]] = (
    ("GetItem", "works / works / works", "works / works / works"),
    ("UpdateItem", "works / works / works", "works / works / works"),  # the lease
    ("GetSecretValue", "works / works / works", "works / works / works"),  # is there a successor already?
    ("GetSecretValue", "works / works / works", "works / works / works"),  # the tokens
    ("GetSecretValue", "works / works / works", "works / works / works"),  # the credentials
    # The two faults that no client can mend: an answer that never arrives, and one that is in our memory alone.
    (REFRESH, "works / works / works", "needs a person / works / needs a person"),
    ("PutSecretValue", "needs a person / works / needs a person", "works / works / works"),
    ("GetItem", "works / works / works", "works / works / works"),
    ("UpdateItem", "works / works / works", "works / works / works"),  # the new version, the lease gone
    ("GetItem", "works / works / works", "works / works / works"),  # is an announcement owed?
    ("PutEvents", "works / works / works", "works / works / works"),
    (ANSWER, "works / works / works", "works / works / works"),
)
EFFECTS: Final = tuple(effect for effect, _, _ in EXPECTED)
#: the effects at which processes are killed, the one that counts most first: a new process costs computing
PLACES: Final = some(range(len(EXPECTED)), short=2, first=EFFECTS.index(REFRESH))
MOMENTS: Final[tuple[Moment, ...]] = ("before", "after")
KINDS: Final = (Kind.STRICT, Kind.GRACE, Kind.REUSE_DETECTING)
#: Zoom's simulator plays all three; Venafi's is killed at as Venafi is known to be
PLAYED: Final[dict[Provider, tuple[Kind, ...]]] = {"zoom": KINDS, "venafi": (Kind.STRICT,)}


@pytest.fixture
def refreshes(world: WatchedWorld, provider: Provider) -> Iterator[Deaths]:
    deaths = Deaths(world, "refresh_access_token", provider, REFRESH, EFFECTS)
    grants: Any = deaths.simulator._state.grants
    usual = grants.grace
    # A night is longer than a minute.
    grants.grace = timedelta(days=1)
    yield deaths
    grants.grace = usual
    grants.rotation = Kind.STRICT


@pytest.mark.parametrize("provider", PLAYED)
def test_the_matrix_names_every_effect_of_a_refresh(refreshes: Deaths) -> None:
    assert tuple(refreshes.done(refreshes.connect())) == EFFECTS


@at_length
@pytest.mark.parametrize("provider", PLAYED)
def test_whatever_the_kill_the_token_is_lost_only_where_no_client_could_keep_it(
    refreshes: Deaths, provider: Provider, record_property: Callable[[str, object], None], field: Field
) -> None:
    became: dict[tuple[int, Moment], dict[Kind, str]] = {(place, moment): {} for place in PLACES for moment in MOMENTS}
    for kind in PLAYED[provider]:
        refreshes.simulator.set_rotation(kind)
        killed = {cell: refreshes.connect() for cell in became}
        for (place, moment), connection in killed.items():
            refreshes.die(connection, place, moment)
        refreshes.morning()
        for cell, connection in killed.items():
            became[cell][kind] = refreshes.fate(connection)
        if lost := [killed[cell] for cell in became if became[cell][kind] == LOST]:
            assert_nobody_asks_again(refreshes, lost)
    for (place, moment), fates in became.items():
        record_property("killed", [provider, f"{moment} {EFFECTS[place]}", *(fates.get(kind, "") for kind in KINDS)])
    expected = {
        (place, moment): {
            kind: fate for kind, fate in zip(KINDS, said.split(" / "), strict=True) if kind in PLAYED[provider]
        }
        for place in PLACES
        for moment, said in zip(MOMENTS, EXPECTED[place][1:], strict=True)
    }
    killed_at = [(cell, kind) for cell, each in became.items() for kind in each]
    # But for what no client could keep.
    in_vain = [(cell, kind) for cell, kind in killed_at if became[cell][kind] != expected[cell][kind]]
    field("a killed process", "SIGKILL at an effect of a refresh", len(killed_at), lost=in_vain)
    assert became == expected


def assert_nobody_asks_again(refreshes: Deaths, lost: list[str]) -> None:
    world = refreshes.world
    asked = len(refreshes.simulator.journal(refreshes.path))
    world.send(refreshes.function, *({"connection": connection, "force": True} for connection in lost))
    world.wait_until_idle()
    assert len(refreshes.simulator.journal(refreshes.path)) == asked
    assert [refreshes.fate(connection) for connection in lost] == [LOST] * len(lost)
