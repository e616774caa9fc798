"""Two holders of one connection, in every order of their effects, with the lease running out as an event of its own."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Final, Literal

import pytest

from leaver.connections import record as connections
from leaver.connections.record import LEASE, Connection
from local.simulators.grants import Rotation as Kind
from tests.doubles.effects import Table
from tests.doubles.night import Night
from tests.doubles.steps import Choices, Known, Run, all_ways, take_turns
from tests.field import Field
from tests.length import at_length, length, some

Other = Literal["refresh", "revoke", "leave", "connect", "disconnect"]

PROVIDERS: Final[tuple[str, ...]] = ("zoom", "venafi")
KINDS: Final = (Kind.STRICT, Kind.GRACE, Kind.REUSE_DETECTING)
#: What may become of the connection, whatever the order. Written by hand: nothing is ever lost, nobody is alarmed, and
#: what was to be revoked is revoked, unless a person connected anew after it.
FATES: Final[dict[Other, set[str]]] = {
    "refresh": {"works"},
    "revoke": {"revoked"},
    "leave": {"revoked"},
    "connect": {"works"},
    "disconnect": {"revoked"},
}
#: every provider as of every kind, with every other holder
HOLDERS: Final = list(product(PROVIDERS, KINDS, FATES))
#: so many have every holder among them, and each provider as of each kind
FEW: Final = 7

#: what is lost when a process dies with the only copy of the new tokens in its memory, by what it was to become
UNREACHABLE: Final[dict[Other, set[str]]] = {
    "refresh": {"needs a person"},
    # the alarm is true: the grant was found dead before anybody wanted to revoke it
    "revoke": {"says what it cannot revoke", "says what it cannot revoke, and an alarm"},
    "leave": {"says what it cannot revoke", "says what it cannot revoke, and an alarm"},
    # who connected was told that the old grant's end is not confirmed, see test_establish.py
    "connect": {"needs a person", "works, and 2 refresh tokens live"},
    "disconnect": {"says what it cannot revoke", "says what it cannot revoke, and an alarm"},
}


#: from one run to the other, after the lease ran out under a person's laptop that only slept
MOST_CHANGES: Final = 3 if length(FEW) > FEW else 1
NOBODY: Final = "nobody"
#: a refresh that had the provider's answer, and had written it nowhere
ONLY_COPY: Final = "the only copy"


@dataclass(frozen=True)
class Played:
    """What became of a connection, and whose lease ran out, if it did."""

    fate: str
    lease_of: str


def play(choices: Choices, night: Night, other: Other, *, lease: Callable[[list[Run]], None] | None = None) -> Played:
    """Let a refresh and another holder run, each effect when it is chosen, and then the morning come."""
    runs = [Run("refresh-1", night.refresh()), _other(night, other)]
    take_turns(night.effects, runs)
    lease_of = NOBODY
    may_run_out = True
    # What a laptop does that wakes up beside a function is followed through so many changes from one to the other.
    changes, last = MOST_CHANGES, runs[0]
    while going := [run for run in runs if not run.over]:
        runs_out = may_run_out and night.record.lease_holder is not None
        if not may_run_out and not changes and last in going:
            last.step()
            continue
        try:
            where = () if may_run_out else (changes, last.name, lease_of)
            chosen = choices.among(len(going) + runs_out, partial(_state, night, runs, where))
        except Known:
            for run in going:
                run.kill()
            raise
        if chosen < len(going):
            if not may_run_out:
                changes -= going[chosen] is not last
            last = going[chosen]
            last.step()
            continue
        may_run_out = False
        night.passes(seconds=LEASE.total_seconds() + 1)
        lease_of = (night.record.lease_holder or "").partition("#")[0]
        if any(run.mortal and run.holds_the_only_copy for run in going):
            lease_of = ONLY_COPY
        (lease or _functions_die)(going)
    night.effects.seen = lambda _name, _result: None
    night.morning()
    alarms = len(night.announced("ConnectionNeedsReauthorization")) + len(night.announced("ConnectionFailing"))
    fate = night.fate()
    if alarms and fate != "needs a person":
        fate += ", and an alarm"
    if night.server.most_in_flight > 1:
        fate += ", two calls at once"
    return Played(fate, lease_of)


def _state(night: Night, runs: list[Run], where: tuple[object, ...]) -> object:
    return where, night.state(), tuple(run.standing for run in runs)


def _functions_die(going: list[Run]) -> None:
    """Lambda kills a function after 90 seconds, long before its lease is over."""
    for run in going:
        if run.mortal and run.begun:
            run.kill()


def _other(night: Night, other: Other) -> Run:
    match other:
        case "refresh":
            return Run("refresh-2", night.refresh(force=True))
        case "revoke":
            return Run(other, night.revoke())
        case "leave":
            return Run(other, night.leave())
        case "connect":
            return Run(other, night.connect(), mortal=False)
        case "disconnect":
            return Run(other, night.disconnect())


def explore(
    kind: Kind, other: Other, provider: str, lease: Callable[[list[Run]], None] | None = None
) -> Iterator[Played]:
    """Play every order that can matter, with the lease running out anywhere or never.

    Orders count as one from where they have led to the same: the same world, the same past of whoever still runs.
    """
    role: Literal["personal", "service"] = "personal" if other == "leave" else "service"
    ways = all_ways(lambda choices: play(choices, Night(kind, provider, role=role), other, lease=lease))
    return (played for played in ways if played)


@pytest.mark.parametrize(("provider", "kind", "other"), some(HOLDERS, FEW))
def test_whatever_the_order_nothing_is_lost_and_nobody_is_alarmed(
    kind: Kind, other: Other, provider: str, record_property: Callable[[str, object], None], field: Field
) -> None:
    played = Counter(explore(kind, other, provider))
    lost = sum(count for each, count in played.items() if each.fate not in FATES[other] and each.lease_of != ONLY_COPY)
    over_the_only_copy = sum(count for each, count in played.items() if each.lease_of == ONLY_COPY)
    record_property("orders", [f"{provider}, {kind}", f"refresh and {other}", played.total(), over_the_only_copy, lost])
    wrong = {
        each: count
        for each, count in played.items()
        if each.fate not in FATES[other] | (UNREACHABLE[other] if each.lease_of == ONLY_COPY else set())
    }
    field("two at once", "in every order, the lease over anywhere or never", played.total(), lost=wrong)
    assert not wrong


def test_what_make_test_takes_of_it_leaves_out_no_holder_and_no_kind_of_provider() -> None:
    taken = [HOLDERS[place * len(HOLDERS) // FEW] for place in range(FEW)]
    assert {other for _, _, other in taken} == set(FATES)
    assert {(provider, kind) for provider, kind, _ in taken} == set(product(PROVIDERS, KINDS))


# --- that the exploration would find what it looks for ---


@at_length
def test_functions_that_outlive_their_lease_are_found_to_lose_the_grant() -> None:
    played = explore(Kind.REUSE_DETECTING, "refresh", "zoom", lease=lambda _: None)
    assert any(each.fate not in FATES["refresh"] for each in played)


@at_length
def test_a_lease_that_holds_nobody_off_is_found_to_let_two_calls_go_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LEASE", timedelta(seconds=-1))
    played = explore(Kind.STRICT, "refresh", "zoom")
    assert any("two calls at once" in each.fate for each in played)


def test_a_table_that_writes_unconditionally_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def compare_and_swap(table: Table, _: Connection, new: Connection) -> Connection:
        table.effects.of("write record", lambda: table.put(new))
        return new

    monkeypatch.setattr(Table, "compare_and_swap", compare_and_swap)
    played = explore(Kind.STRICT, "refresh", "zoom")
    assert any(each.fate not in FATES["refresh"] for each in played if each.lease_of != ONLY_COPY)
