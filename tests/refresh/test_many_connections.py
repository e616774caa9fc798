"""Many connections, and whatever happens to them, in any order: a machine that Hypothesis drives."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from leaver.connections import record as connections
from leaver.connections import refresh_policy
from leaver.connections.record import Connection
from leaver.storage.secrets import SecretStore
from tests.doubles.fleet import (
    CONNECTIONS,
    LOST,
    REVOKED,
    SKEW,
    UNNAMED,
    WORKS,
    Fleet,
    Going,
    Mood,
    MoodyServer,
)
from tests.doubles.night import ANNA, BEN, Message
from tests.explored import UNTIL_FOUND, explore
from tests.field import Field
from tests.length import length

NAMES: Final = st.sampled_from(sorted(CONNECTIONS))
#: how far a run gets before somebody else has his turn; None: to its end
PATIENCE: Final = st.sampled_from([None, None, None, *range(1, 15)])
MOODS: Final[tuple[Mood, ...]] = ("429", "5xx", "invalid_client", "unreachable")
ANY: Final = st.integers(0, 10_000)

FIGURES: Counter[str] = Counter()


class ManyConnections(RuleBasedStateMachine):
    """Every rule is something that happens; what must hold is said in `Fleet`."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        FIGURES["nights"] += 1

    # -- what is meant to happen

    @rule(minutes=st.sampled_from([1, 5, 9, 20, 45, 70, 60 * 11]))
    def time_passes(self, minutes: int) -> None:
        self.fleet.passes(minutes=minutes)

    @rule(seconds=st.integers(1, 60))
    def a_moment_passes(self, seconds: int) -> None:
        self.fleet.passes(seconds=seconds)

    @rule()
    def the_schedule_fires(self) -> None:
        self.fleet.plan()

    @rule(name=NAMES, force=st.booleans())
    def somebody_asks_for_a_refresh(self, name: str, *, force: bool) -> None:
        self.fleet.nights[name].refresh(**({"force": True} if force else {}))

    @precondition(lambda self: self.fleet.shared.queued)
    @rule(which=ANY, effects=PATIENCE)
    def a_message_is_delivered(self, which: int, effects: int | None) -> None:
        self.fleet.advance(self.fleet.deliver(self._queued(which)), effects)

    @precondition(lambda self: self.fleet.shared.queued)
    @rule(which=ANY, effects=PATIENCE, effects_of_the_other=PATIENCE)
    def a_message_is_delivered_twice(self, which: int, effects: int | None, effects_of_the_other: int | None) -> None:
        message = self._queued(which)
        FIGURES["faults"] += 1
        for patience in (effects, effects_of_the_other):
            self.fleet.advance(self.fleet.deliver(message), patience)

    @precondition(lambda self: self.fleet.runs)
    @rule(which=ANY, effects=PATIENCE)
    def a_run_goes_on(self, which: int, effects: int | None) -> None:
        self.fleet.advance(self._run(which), effects)

    @rule(name=NAMES, refused=st.booleans())
    def a_reader_works(self, name: str, *, refused: bool) -> None:
        self.fleet.read(name, refused=refused)

    @rule(name=NAMES)
    def it_is_to_be_revoked(self, name: str) -> None:
        self.fleet.nights[name].revoke()

    @rule(name=NAMES, owner=st.sampled_from([ANNA, BEN]), effects=PATIENCE)
    def a_person_connects(self, name: str, owner: str, effects: int | None) -> None:
        if any(run.connection == name and not run.mortal for run in self.fleet.runs):
            # Nobody else is at it meanwhile.
            return
        self.fleet.advance(self.fleet.connect(name, owner), effects)

    # -- what goes wrong

    @precondition(lambda self: self.fleet.runs)
    @rule(which=ANY)
    def a_run_is_killed(self, which: int) -> None:
        FIGURES["faults"] += 1
        self.fleet.kill(self._run(which))

    @rule(name=NAMES, times=st.integers(1, 2))
    def answers_will_be_lost(self, name: str, times: int) -> None:
        FIGURES["faults"] += 1
        self._server(name).loses = times

    @rule(name=NAMES, mood=st.sampled_from(MOODS))
    def a_provider_is_unwell(self, name: str, mood: Mood) -> None:
        FIGURES["faults"] += 1
        self._server(name).mood = mood

    @rule(reads=st.booleans())
    def secrets_manager_refuses(self, *, reads: bool) -> None:
        FIGURES["faults"] += 1
        secrets = self.fleet.shared.secrets
        if reads:
            secrets.unreadable = True
        else:
            secrets.read_only = True

    @rule()
    def kms_refuses(self) -> None:
        FIGURES["faults"] += 1
        self.fleet.shared.kms.refuses = True

    @rule()
    def the_bus_refuses(self) -> None:
        FIGURES["faults"] += 1
        self.fleet.shared.bus.refuses = 1
        self.fleet.interrupted |= set(CONNECTIONS)

    @rule(seconds=st.integers(-SKEW, SKEW))
    def our_clock_is_set(self, seconds: int) -> None:
        FIGURES["faults"] += 1
        self.fleet.shared.ours.is_off_by(seconds)

    @rule()
    def all_is_well_again(self) -> None:
        self.fleet.all_is_well()

    # -- what must hold

    @invariant()
    def it_holds(self) -> None:
        FIGURES["steps"] += 1
        self.fleet.check()

    def teardown(self) -> None:
        try:
            self.fleet.settle()
            self.fleet.check()
            self.fleet.judge()
            self.fleet.check()
        finally:
            for run in list(self.fleet.runs):
                run.kill()
            FIGURES.update(self.fleet.figures)

    def _queued(self, which: int) -> Message:
        return self.fleet.shared.queued[which % len(self.fleet.shared.queued)]

    def _run(self, which: int) -> Going:
        return self.fleet.runs[which % len(self.fleet.runs)]

    def _server(self, name: str) -> MoodyServer:
        server = self.fleet.nights[name].server
        assert isinstance(server, MoodyServer)
        return server


#: in so many nights processes are killed, and all else goes wrong
NIGHTS: Final = 25
#: what is shown, and by which figure
SHOWN: Final = {
    "nights, with five connections each": "nights",
    "steps": "steps",
    "runs": "runs",
    "effects": "effects",
    "faults": "faults",
    "of them processes killed": "killed",
    "tokens lost to the two faults that no client can mend": "tokens lost",
    "in the end: works": WORKS,
    "in the end: revoked": REVOKED,
    "in the end: needs a person": LOST,
    "in the end: says what it cannot revoke": UNNAMED,
    "violations": "violations",
}


def test_whatever_happens_to_many_connections_nothing_is_lost_but_to_the_two_faults(
    record_property: Callable[[str, object], None], field: Field
) -> None:
    FIGURES.clear()
    try:
        explore(ManyConnections, length(NIGHTS))
    except BaseException:
        FIGURES["violations"] += 1
        raise
    finally:
        for what, figure in SHOWN.items():
            record_property("many", [what, FIGURES[figure]])
        harm = dict.fromkeys(("lost", "false", "leaked"), FIGURES["violations"])
        # Few nights do not come upon everything.
        for figure in ("faults", "killed"):
            if (times := FIGURES[figure]) or length(NIGHTS) >= 300:
                field("many connections in any order", figure, times, **harm)


# --- that the machine would find what it looks for ---

SEARCHED: Final = 200


class KillsAlone(ManyConnections):
    """The same where little else happens: else two runs hardly ever meet, or die, at the right moment."""

    a_provider_is_unwell = secrets_manager_refuses = kms_refuses = the_bus_refuses = None  # type: ignore[assignment]
    it_is_to_be_revoked = a_person_connects = our_clock_is_set = all_is_well_again = None  # type: ignore[assignment]


def test_a_lease_that_holds_nobody_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LEASE", timedelta(seconds=-1))
    with pytest.raises(AssertionError):
        explore(KillsAlone, SEARCHED, UNTIL_FOUND)


def test_a_successor_that_nobody_looks_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SecretStore, "latest_version", lambda _secret_store, _connection, version: version)
    with pytest.raises(AssertionError):
        explore(KillsAlone, SEARCHED, UNTIL_FOUND)


def test_a_dead_grant_that_is_asked_for_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_policy, "allows", lambda _record, _command, _now: True)
    with pytest.raises(AssertionError):
        explore(ManyConnections, SEARCHED, UNTIL_FOUND)


def test_a_token_in_a_reason_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    as_needing_reauthorization = Connection.as_needing_reauthorization

    def with_the_token(record: Connection, reason: str, *, now: datetime) -> Connection:
        return as_needing_reauthorization(record, f"{reason}: night-refresh-xyz", now=now)

    monkeypatch.setattr(Connection, "as_needing_reauthorization", with_the_token)
    with pytest.raises(AssertionError, match="night-refresh"):
        explore(ManyConnections, SEARCHED, UNTIL_FOUND)


def test_a_laptop_that_slept_before_it_ended_the_old_grant_does_not_claim_its_end() -> None:
    fleet = Fleet()
    fleet.passes(hours=2)
    connecting = fleet.connect("zoom-strict", BEN)
    while connecting.next != "revoke at the provider":
        fleet.advance(connecting, 1)
    fleet.passes(hours=2)
    fleet.advance(connecting)
    [established] = connecting.told
    assert not established.old_grant_ended
    assert len(fleet.alive(fleet.nights["zoom-strict"])) == 2
