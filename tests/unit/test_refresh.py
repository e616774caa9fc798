"""Refreshing a connection: when, under which lease, how the answer is kept, and what an earlier run left behind."""

from datetime import timedelta
from typing import Any

import pytest

from leaver.connections.record import LEASE, Connection, Status
from leaver.connections.refresh_policy import REFRESH_AFTER
from leaver.errors import BadMessage, LeaseHeld, OutOfTime
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.refresher import CHILD, DUE, GRANDCHILD, Stage
from tests.doubles.secrets_manager import PARENT, tokens

REFRESHED = Result(Outcome.REFRESHED, details={"version_id": CHILD})
ANOTHERS: dict[str, Any] = {"lease_holder": "refresh#another", "leased_version": PARENT}


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- when ---


def test_what_is_due_is_refreshed(stage: Stage) -> None:
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")]


@pytest.mark.parametrize("asked", [{}, {"failed_version": next_version_id("zoom", "another")}])
def test_what_is_fresh_is_left_alone(asked: dict[str, Any]) -> None:
    fresh = connection(refresh_at=NOW + timedelta(seconds=1))
    stage = Stage(fresh)
    assert stage.refresh(**asked) == Result(Outcome.STILL_FRESH)
    assert stage.grant.asked == []
    assert stage.record == fresh


@pytest.mark.parametrize("asked", [{"force": True}, {"failed_version": PARENT}])
def test_what_is_refused_or_asked_for_is_refreshed_although_it_is_fresh(asked: dict[str, Any]) -> None:
    assert Stage(connection()).refresh(**asked) == REFRESHED


def test_readers_have_a_connection_refreshed_once_in_five_minutes() -> None:
    stage = Stage(connection())
    assert stage.refresh(failed_version=PARENT) == REFRESHED
    stage.clock.passes(minutes=4, seconds=59)
    refused = Result(Outcome.REFUSED, details={"because": "readers had it refreshed too often"})
    assert stage.refresh(failed_version=CHILD) == refused
    stage.clock.passes(seconds=1)
    assert stage.refresh(failed_version=CHILD) == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})


def test_readers_have_a_connection_refreshed_sixty_times_in_any_day() -> None:
    stage, in_a_day = Stage(connection()), list[int]()
    for _ in range(204):
        stage.alter(refresh_at=stage.clock() + timedelta(days=2))
        stage.refresh(failed_version=stage.record.version)
        stage.clock.passes(minutes=10)
        in_a_day.append(len(stage.grant.asked))
    assert in_a_day[143] == 60
    assert in_a_day[203] == 120


@pytest.mark.parametrize("asked", [{"force": True}, {}], ids=["person", "due"])
def test_who_asks_for_another_reason_is_not_counted_among_the_readers(asked: dict[str, Any]) -> None:
    stage = Stage(connection())
    stage.refresh(failed_version=PARENT)
    if not asked:
        stage.alter(refresh_at=NOW)
    stage.refresh(failed_version=CHILD, **asked)
    assert [operation for operation, _ in stage.grant.asked].count("refresh") == 2
    assert len(stage.record.demanded_refreshes) == 1


@pytest.mark.parametrize("status", [Status.REVOKING, Status.REVOKED, Status.NEEDS_REAUTHORIZATION])
@pytest.mark.parametrize("asked", [{}, {"force": True}, {"failed_version": PARENT}])
def test_what_is_out_of_use_is_not_refreshed(status: Status, asked: dict[str, Any]) -> None:
    stage = Stage(connection(status=status, refresh_at=NOW))
    assert stage.refresh(**asked) == Result(Outcome.REFUSED, details={"status": status})
    assert stage.grant.asked == []


def test_an_unknown_connection_is_named_as_the_field(stage: Stage) -> None:
    stage.name = "zoom-eu"
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        stage.refresh()


# --- a personal connection, used once: on the day its owner leaves ---


def test_a_personal_connection_is_kept_alive_about_once_a_month() -> None:
    stage = Stage(connection(role="personal", refresh_at=NOW))
    stage.refresh()
    assert stage.record.expires_at == NOW + timedelta(hours=1)
    assert stage.record.refresh_at == NOW + timedelta(days=30)
    stage.jitter = lambda _, longest: longest
    stage.clock.passes(days=30)
    stage.refresh()
    # Zoom forgets a grant after 90 idle days.
    assert stage.record.refresh_at == stage.clock() + timedelta(days=33)


def test_a_personal_connection_that_a_reader_found_expired_is_refreshed_at_once() -> None:
    stage = Stage(connection(role="personal", refresh_at=NOW + timedelta(days=20), expires_at=NOW))
    assert stage.refresh() == Result(Outcome.STILL_FRESH)
    assert stage.refresh(failed_version=PARENT) == REFRESHED


def _leaves(stage: Stage, owner: str) -> None:
    stage.people.change(owner, lambda found: found.model_copy(update={"gone_since": NOW}))


@pytest.mark.parametrize("asked", [{}, {"force": True}, {"failed_version": PARENT}])
def test_a_leavers_personal_connection_is_not_refreshed_any_more(asked: dict[str, Any]) -> None:
    stage = Stage(connection(role="personal", owner="Anna@Example.com", refresh_at=NOW))
    _leaves(stage, "anna@example.com")
    assert stage.refresh(**asked) == Result(Outcome.REFUSED, details={"because": "its owner left"})
    assert stage.grant.asked == []
    assert stage.record.lease_holder is None


def test_a_leavers_personal_connection_is_refreshed_to_be_revoked() -> None:
    stage = Stage(connection(role="personal", owner="anna@example.com", expires_at=NOW, status=Status.REVOKING))
    _leaves(stage, "anna@example.com")
    stage.refresh(for_revocation=True, failed_version=PARENT)
    assert stage.record.status is Status.REVOKED
    assert not stage.grant.alive


def test_a_service_connection_goes_on_when_its_owner_leaves() -> None:
    stage = Stage(connection(owner="anna@example.com", refresh_at=NOW))
    _leaves(stage, "anna@example.com")
    result = stage.refresh()
    assert result is not None
    assert result.outcome is Outcome.REFRESHED


def test_a_personal_connection_that_only_logs_in_has_nothing_to_keep_alive() -> None:
    stage = Stage(connection(role="personal", grant_type="account_credentials", refresh_at=NOW))
    stage.log_in_with(client_secret="client-secret", account_id="account-1")
    stage.secrets.secrets["leaver/tokens/zoom/zoom"].versions[PARENT] = tokens(refresh_token=None)
    stage.refresh()
    assert stage.record.refresh_at == NOW + timedelta(minutes=42)


# --- the lease ---


def test_while_the_provider_is_asked_the_record_says_who_asks_and_since_when(stage: Stage) -> None:
    seen: list[Connection] = []
    stage.grant.meanwhile = lambda: seen.append(stage.record)
    stage.refresh()
    (during,) = seen
    assert (during.lease_holder or "").startswith("refresh#")
    assert (during.leased_at, during.leased_version) == (NOW, PARENT)
    assert (stage.record.lease_holder, stage.record.leased_at, stage.record.leased_version) == (None, None, None)


@pytest.mark.parametrize("holder", ["refresh#another", "revoke#another", "connect#another"])
def test_what_somebody_else_holds_is_left_to_them(holder: str) -> None:
    held = connection(refresh_at=NOW, lease_holder=holder, leased_at=NOW - LEASE, leased_version=PARENT)
    stage = Stage(held)
    with pytest.raises(LeaseHeld, match=rf"^connection zoom: {holder.partition('#')[0]} is under way$"):
        stage.refresh()
    assert stage.grant.asked == []
    assert stage.record == held


def test_a_lease_older_than_any_function_lives_is_taken_over() -> None:
    stage = Stage(connection(refresh_at=NOW, leased_at=NOW - LEASE - timedelta(seconds=1), **ANOTHERS))
    assert stage.refresh() == REFRESHED


@pytest.mark.parametrize("wrong", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_a_holder_whose_clock_is_five_minutes_wrong_keeps_its_lease_as_long_as_it_lives(wrong: timedelta) -> None:
    stage = Stage()
    first = stage.refresher()
    blocked: list[str] = []

    def another_tries() -> None:
        stage.clock.passes(seconds=89)
        here, stage.clock.now = stage.clock(), stage.clock() + wrong
        with pytest.raises(LeaseHeld):
            stage.refresh(force=True)
        stage.clock.now = here
        blocked.append("once")

    stage.grant.meanwhile = another_tries
    assert stage.run(first) == REFRESHED
    assert (blocked, stage.grant.asked) == (["once"], [("refresh", "refresh-1")])


def test_a_record_that_changed_at_the_moment_of_the_lease_is_come_back_to(stage: Stage) -> None:
    class Contended(InMemoryConnections):
        def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
            if new.lease_holder:
                self.alter("zoom", owner="somebody.else@example.com")
            return super().compare_and_swap(old, new)

    stage.connections = Contended(DUE)
    with pytest.raises(LeaseHeld, match=r"^connection zoom was changed at the same moment$"):
        stage.refresh()
    assert stage.grant.asked == []


def test_without_time_for_a_call_and_its_answer_none_is_made(stage: Stage) -> None:
    stage.time = timedelta(seconds=65)
    with pytest.raises(OutOfTime, match=r"^connection zoom: too little time is left to refresh$"):
        stage.refresh()
    assert stage.grant.asked == []
    assert stage.record.lease_holder is None
    stage.time = timedelta(seconds=66)
    assert stage.refresh() == REFRESHED


# --- how the answer is kept ---


def test_the_rotated_pair_is_current_and_on_record(stage: Stage) -> None:
    stage.refresh()
    assert stage.stored() == {
        "access_token": "access-2",
        "refresh_token": "refresh-2",
        "expires_at": "2026-11-22T10:30:00+00:00",
        "scope": "user:read:admin",
    }
    assert stage.secrets.secrets["leaver/tokens/zoom/zoom"].stages == {"AWSCURRENT": CHILD, "AWSPREVIOUS": PARENT}
    assert (stage.record.version, stage.record.expires_at) == (CHILD, NOW + timedelta(hours=1))
    assert stage.record.refreshed_at == NOW


def test_the_next_refresh_comes_at_four_fifths_of_the_new_life_and_is_spread(stage: Stage) -> None:
    asked: list[tuple[float, float]] = []

    def jitter(shortest: float, longest: float) -> float:
        asked.append((shortest, longest))
        return 0.8

    stage.jitter = jitter
    stage.refresh()
    assert stage.record.refresh_at == NOW + timedelta(minutes=48)
    assert asked == [REFRESH_AFTER]


def test_the_old_refresh_token_and_scope_are_kept_where_none_came_back(stage: Stage) -> None:
    stage.grant.rotates = False
    stage.refresh()
    assert (stage.stored()["access_token"], stage.stored()["refresh_token"]) == ("access-2", "refresh-1")


def test_a_chain_of_refreshes_uses_each_refresh_token_once(stage: Stage) -> None:
    for _ in range(3):
        stage.refresh(force=True)
    assert stage.grant.asked == [("refresh", "refresh-1"), ("refresh", "refresh-2"), ("refresh", "refresh-3")]
    assert stage.record.version == next_version_id("zoom", GRANDCHILD)


def test_the_pair_is_in_secrets_manager_before_it_is_on_record(stage: Stage) -> None:
    kept: list[bool] = []

    class Watched(InMemoryConnections):
        def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
            if new.version == CHILD:
                kept.append(CHILD in stage.secrets.secrets["leaver/tokens/zoom/zoom"].versions)
            return super().compare_and_swap(old, new)

    stage.connections = Watched(DUE)
    stage.refresh()
    assert kept == [True]


def test_venafi_is_refreshed_the_same_way() -> None:
    stage = Stage(connection("venafi", provider="venafi", refresh_at=NOW))
    stage.refresh()
    assert stage.record.version == next_version_id("venafi", PARENT)
    assert stage.stored(stage.record.version)["access_token"] == "access-2"


@pytest.mark.parametrize(
    ("grant_type", "login"),
    [
        ("password", {"username": "robot", "password": "pass"}),
        ("jwt", {"jwt": "ey.jwt"}),
        ("certificate", {"certificate": "PEM", "private_key": "KEY"}),
    ],
)
def test_venafi_by_a_login_is_refreshed_by_logging_in_again(grant_type: str, login: dict[str, str]) -> None:
    stage = Stage(connection("venafi", provider="venafi", grant_type=grant_type, refresh_at=NOW))
    stage.log_in_with(**login)
    result = stage.refresh()
    assert result is not None
    assert result.outcome is Outcome.REFRESHED
    # Venafi lets the grant of the last login live on beside the new one.
    assert [how for how, _ in stage.grant.asked] == [grant_type, "revoke"]
    # That its access token is refused says nothing of its refresh token.
    assert result.details["old_grant"] == "not_confirmed"


# --- an earlier run was killed between write and record ---


@pytest.mark.parametrize("held", [{}, ANOTHERS | {"leased_at": NOW - timedelta(minutes=12)}], ids=["free", "held"])
def test_what_an_earlier_run_wrote_is_recorded_without_a_call(held: dict[str, Any]) -> None:
    stage = Stage(connection(refresh_at=NOW, **held))
    stage.an_earlier_run_was_killed()
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == []
    assert (stage.record.version, stage.record.expires_at) == (CHILD, NOW + timedelta(minutes=50))
    # The answer was found: it is not lost.
    assert stage.record.unanswered_since is None


def test_what_an_earlier_run_wrote_and_has_expired_since_is_refreshed_once_more(stage: Stage) -> None:
    stage.an_earlier_run_was_killed(expires_at=NOW)
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})
    assert stage.grant.asked == [("refresh", "refresh-2")]
    assert stage.record.version == GRANDCHILD


def test_two_killed_runs_in_a_row_are_caught_up_with(stage: Stage) -> None:
    stage.an_earlier_run_was_killed(expires_at=NOW)
    stage.grant.number = 3
    stage.keep(GRANDCHILD, tokens("access-3", "refresh-3", NOW + timedelta(minutes=50)))
    assert stage.refresh() == Result(Outcome.REFRESHED, details={"version_id": GRANDCHILD})
    assert stage.grant.asked == []
