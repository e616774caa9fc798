"""A process that dies before and after every effect of a refresh, and what becomes of the refresh token."""

from collections.abc import Callable
from itertools import product
from typing import Any, Final, get_args

import pytest

from leaver.connections import refresh as refreshing
from leaver.connections.record import LEASE, Status
from leaver.providers.registry import PROVIDERS
from local.simulators.grants import Rotation as Kind
from tests.doubles.acme.entry import RENEWED
from tests.doubles.night import Night
from tests.doubles.steps import Killed, Moment
from tests.field import Field
from tests.length import length, some

WORKS: Final = "works"
LOST: Final = "needs a person"

#: Every effect of one refresh, in order, and what becomes of the refresh token when the process dies just before and
#: just after it, at a provider that is strict, gives grace, or takes reuse for theft. Written by hand.
EXPECTED: Final[tuple[tuple[str, str, str], ...]] = (
    ("receive", "works / works / works", "works / works / works"),
    ("read record", "works / works / works", "works / works / works"),
    ("write record", "works / works / works", "works / works / works"),  # the lease
    ("read secret", "works / works / works", "works / works / works"),  # is there a successor already?
    ("read secret", "works / works / works", "works / works / works"),  # the tokens
    ("read secret", "works / works / works", "works / works / works"),  # the credentials
    # The one point that no client can mend: the provider has committed, and the answer is in our memory alone. The
    # other, an answer that never arrived, is further down. "After" here and "before" in the next line are one moment.
    ("refresh at the provider", "works / works / works", "needs a person / works / needs a person"),
    ("write secret", "needs a person / works / needs a person", "works / works / works"),
    ("read record", "works / works / works", "works / works / works"),
    ("write record", "works / works / works", "works / works / works"),  # the new version, the lease gone
    ("read record", "works / works / works", "works / works / works"),  # is an announcement owed?
    ("announce", "works / works / works", "works / works / works"),
    ("acknowledge", "works / works / works", "works / works / works"),
)
KINDS: Final = (Kind.STRICT, Kind.GRACE, Kind.REUSE_DETECTING)
#: where a first process dies, before or after its effect, and before which effect the next one does
TWICE: Final = list(product(range(len(EXPECTED)), get_args(Moment), range(len(EXPECTED))))


def kill_at(night: Night, place: int, moment: Moment) -> None:
    """Let the process die at its effect number `place`, counted from 0."""
    seen = -1

    def watch(_name: str, when: Moment) -> None:
        nonlocal seen
        seen += when == "before"
        if seen == place and when == moment:
            raise Killed

    night.effects.watch = watch


def die_at(night: Night, do: Callable[[], object], place: int, moment: Moment) -> bool:
    """Do it, and die on the way; tells whether the place was reached."""
    kill_at(night, place, moment)
    try:
        do()
    except Killed:
        return True
    finally:
        # The next process is another one.
        night.effects.dead.clear()
        night.effects.watch = lambda _name, _moment: None
    return False


def effects_of(night: Night, do: Callable[[], object]) -> list[str]:
    """The names of what was done, in order."""
    seen: list[str] = []

    def watch(name: str, moment: Moment) -> None:
        if moment == "before":
            seen.append(name)

    night.effects.watch = watch
    do()
    return seen


def check(night: Night) -> None:
    """What must hold whatever happened."""
    assert night.server.most_in_flight <= 1
    calls = len(night.server.asked)
    if night.fate() == LOST:
        assert len(night.announced("ConnectionNeedsReauthorization")) == 1
        # One alarm, and no further call.
        night.refresh()()
        night.morning()
        assert len(night.server.asked) == calls


@pytest.mark.parametrize("provider", RENEWED)
def test_the_matrix_names_every_effect_of_a_refresh(provider: str) -> None:
    night = Night(Kind.STRICT, provider)
    assert effects_of(night, night.refresh()) == [effect for effect, _, _ in EXPECTED]


@pytest.mark.parametrize("provider", RENEWED)
def test_whatever_the_crash_the_token_is_lost_only_where_no_client_could_keep_it(
    provider: str, record_property: Callable[[str, object], None], field: Field
) -> None:
    wrong: list[str] = []
    deaths = 0
    for place, (effect, *expected) in enumerate(EXPECTED):
        for moment, said in zip(("before", "after"), expected, strict=True):
            for kind, fate in zip(KINDS, said.split(" / "), strict=True):
                night = Night(kind, provider)
                assert die_at(night, night.refresh(), place, moment)  # type: ignore[arg-type]  # zip forgets literals
                deaths += 1
                night.morning()
                check(night)
                if night.fate() != fate:
                    wrong.append(f"{moment} {effect} ({place}), {kind}: expected {fate}, became {night.fate()}")
            record_property("crash", [provider, f"{moment} {effect}", *said.split(" / ")])
    # Other than the table says is lost what a client could have kept, or is claimed what is not so.
    field("a process that dies", "at an effect of a refresh", deaths, lost=wrong)


#: A lost answer at once, and after a restart: by kind, written by hand.
ANSWER_LOST: Final = {Kind.STRICT: LOST, Kind.GRACE: WORKS, Kind.REUSE_DETECTING: LOST}


@pytest.mark.parametrize("provider", RENEWED)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_lost_after_the_provider_committed(
    provider: str, kind: Kind, record_property: Callable[[str, object], None]
) -> None:
    night = Night(kind, provider)
    night.server.loses = 1
    night.refresh()()
    night.morning()
    check(night)
    assert night.fate() == ANSWER_LOST[kind]
    if night.fate() == LOST:
        assert "was never answered" in (night.record.reason or "")
    if kind is Kind.STRICT:
        record_property("crash", [provider, "the answer is lost on its way", *ANSWER_LOST.values()])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_two_crashes_in_a_row_are_no_worse_than_each_of_them(provider: str, kind: Kind, field: Field) -> None:
    irreducible = {("refresh at the provider", "after"), ("write secret", "before")}
    wrong, pairs = [], some(TWICE, short=101)
    for first, moment, second in pairs:
        night = Night(kind, provider)
        refresh = night.refresh()
        die_at(night, refresh, first, moment)
        night.passes(seconds=LEASE.total_seconds() + 1)
        names = effects_until_death(night, refresh, second)
        night.morning()
        check(night)
        died = {(EXPECTED[first][0], moment), (names[-1] if names else "", "before")}
        may_be_lost = bool(died & irreducible) and kind is not Kind.GRACE
        if night.fate() not in ({LOST, WORKS} if may_be_lost else {WORKS}):
            wrong.append((first, moment, second))
    field("a process that dies", "and the next as well, at effects of a refresh", len(pairs), lost=wrong)
    assert wrong == []


def effects_until_death(night: Night, do: Callable[[], object], place: int) -> list[str]:
    """Do it and die before effect number `place`; what was begun last is the last."""
    seen: list[str] = []

    def watch(name: str, moment: Moment) -> None:
        if moment == "before":
            seen.append(name)
            if len(seen) == place + 1:
                raise Killed

    night.effects.watch = watch
    try:
        if night.queued:
            do()
    except Killed:
        return seen
    finally:
        night.effects.dead.clear()
    return []


@pytest.mark.parametrize("provider", RENEWED)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expired", [False, True], ids=["fresh", "expired"])
def test_whatever_the_crash_a_revocation_is_finished_or_says_what_it_cannot_reach(
    provider: str, kind: Kind, *, expired: bool
) -> None:
    night = Night(kind, provider, expired=expired)
    places = len(effects_of(night, night.revoke()))
    for place in range(places):
        for moment in get_args(Moment):
            night = Night(kind, provider, expired=expired)
            die_at(night, night.revoke(), place, moment)
            night.morning()
            assert night.fate() == "revoked", (place, moment)


@pytest.mark.parametrize("provider", RENEWED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_refresh_for_a_revocation_that_dies_never_claims_what_it_does_not_know(provider: str, kind: Kind) -> None:
    """Killed with the only copy of the new pair, nobody can revoke it: that is said, and not called revoked."""
    for place in range(16):
        for moment in get_args(Moment):
            night = Night(kind, provider, expired=True)
            night.revoke()()
            night._collect()
            [refresh] = [message for message in night.queued if message.body.get("for_revocation")]
            died = die_at(night, lambda night=night, refresh=refresh: night.deliver(refresh), place, moment)  # type: ignore[misc]
            try:
                night.morning()
            except AssertionError:
                assert died
                raise
            record: Any = night.record
            assert night.fate() == "revoked" or (record.status is Status.REVOKING and record.orphaned_tokens), (
                place,
                moment,
            )


@pytest.mark.parametrize("provider", RENEWED)
@pytest.mark.parametrize("kind", KINDS)
def test_secrets_manager_out_of_order_for_a_whole_run_costs_nothing(provider: str, kind: Kind) -> None:
    night = Night(kind, provider)
    night.secrets.read_only = True
    night.refresh()()
    assert night.record.encrypted_refresh_token
    assert night.record.lease_holder is None
    night.secrets.read_only = False
    night.morning()
    check(night)
    assert night.fate() == WORKS
    assert night.record.encrypted_refresh_token is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_while_secrets_manager_is_out_of_order_is_lost_only_until_the_token_is_encrypted(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each attempt to store is two places to die at, and in ninety seconds there are many that are all alike.
    monkeypatch.setattr(refreshing, "PAUSE", max(refreshing.PAUSE, 5.0 / length(1)))

    def refused(night: Night) -> Callable[[], bool]:
        night.secrets.read_only = True
        return night.refresh()

    night = Night(kind)
    names = effects_of(night, refused(night))
    answered = names.index("refresh at the provider")
    *_, encrypted, _cooling = [place for place, name in enumerate(names) if name == "write record"]
    for place in range(len(names)):
        for moment in get_args(Moment):
            night = Night(kind)
            die_at(night, refused(night), place, moment)
            night.secrets.read_only = False
            night.morning()
            check(night)
            in_memory_alone = (answered, "after") <= (place, _order(moment)) < (encrypted, "after")
            expected = LOST if in_memory_alone and kind is not Kind.GRACE else WORKS
            assert night.fate() == expected, (names[place], place, moment)


def _order(moment: Moment) -> str:
    return {"before": "a", "after": "after"}[moment]
