"""What becomes of a refresh that fails: the token is kept, the connection let alone for a while, and somebody told."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from leaver.connections.record import Connection, Status
from leaver.errors import (
    AnswerLost,
    InvalidClient,
    InvalidGrant,
    LeaverError,
    NeedsReauthorization,
    NotSent,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
    Throttled,
    Undelivered,
)
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.refresher import CHILD, DUE, Stage
from tests.doubles.secrets_manager import PARENT

LOST = AnswerLost("Zoom did not answer")
DOWN = ProviderUnavailable("Zoom is out of order", ProviderResponse(503))
UNKNOWN = InvalidClient("Zoom does not know this client id and secret", ProviderResponse(401))
REFRESHED = Result(Outcome.REFRESHED, details={"version_id": CHILD})
COOLING = Result(Outcome.REFUSED, details={"status": "cooling_down"})


@pytest.fixture
def stage() -> Stage:
    return Stage()


def fails(stage: Stage, *errors: LeaverError, **asked: Any) -> None:
    """Let a refresh fail with the last of these."""
    stage.grant.failing = list(errors)
    with pytest.raises(type(errors[-1])):
        stage.refresh(**asked)
    assert stage.record.lease_holder is None


def cooled_off(stage: Stage) -> None:
    stage.clock.now = stage.record.refresh_at


# --- whether it was sent, and whether it was answered ---


@pytest.mark.parametrize("error", [DOWN, NotSent("no connection"), LOST], ids=lambda error: type(error).__name__)
def test_a_call_that_failed_is_no_dead_grant_and_the_same_token_is_used_again(
    stage: Stage, error: ProviderUnavailable
) -> None:
    fails(stage, error, error)
    assert (stage.record.status, stage.record.version) == (Status.COOLING_DOWN, PARENT)
    stage.grant.failing = []
    cooled_off(stage)
    assert stage.refresh() == REFRESHED
    assert (stage.record.status, stage.record.failures, stage.record.reason) == (Status.ACTIVE, 0, None)
    assert set(stage.grant.asked) == {("refresh", "refresh-1")}


@pytest.mark.parametrize("error", [DOWN, NotSent("no connection")], ids=["5xx", "not sent"])
def test_what_was_answered_or_not_sent_is_not_repeated_at_once(stage: Stage, error: ProviderUnavailable) -> None:
    fails(stage, error)
    assert len(stage.grant.asked) == 1


def test_an_answer_that_was_lost_is_asked_for_once_more_at_once(stage: Stage) -> None:
    stage.grant.failing = [LOST]
    assert stage.refresh() == REFRESHED
    assert stage.grant.asked == [("refresh", "refresh-1")] * 2
    assert stage.record.unanswered_since is None


def test_an_answer_that_was_lost_late_is_asked_for_by_the_next_run(stage: Stage) -> None:
    stage.grant.failing = [LOST]
    stage.grant.begin = _slowly(stage)  # type: ignore[method-assign]
    with pytest.raises(AnswerLost):
        stage.refresh()
    assert len(stage.grant.asked) == 1
    assert stage.record.unanswered_since == NOW


def _slowly(stage: Stage) -> Any:
    begin = stage.grant.begin

    def begin_slowly(*what: Any) -> None:
        stage.clock.passes(seconds=33)
        begin(*what)

    return begin_slowly


@pytest.mark.parametrize("error", [DOWN, LOST], ids=["5xx", "lost"])
def test_a_call_that_may_have_been_carried_out_is_evidence_and_stays_so(
    stage: Stage, error: ProviderUnavailable
) -> None:
    fails(stage, error, error)
    assert stage.record.unanswered_since == NOW
    stage.grant.failing = []
    cooled_off(stage)
    fails(stage, NotSent("no connection"))
    assert stage.record.unanswered_since == NOW


def test_a_call_that_was_not_sent_is_no_evidence(stage: Stage) -> None:
    fails(stage, NotSent("no connection"))
    assert stage.record.unanswered_since is None


@pytest.mark.parametrize(
    "then",
    [Throttled("slow down", until=NOW), NotSent("no connection"), Rejected("no"), UNKNOWN, LOST],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_answer_is_not_forgotten_whatever_the_second_attempt_meets(stage: Stage, then: LeaverError) -> None:
    fails(stage, LOST, then)
    assert stage.record.unanswered_since == NOW


def test_a_login_whose_answer_is_lost_can_be_repeated_and_is_evidence_of_nothing() -> None:
    stage = Stage(connection("venafi", provider="venafi", grant_type="jwt", refresh_at=NOW))
    stage.log_in_with(jwt="ey.jwt")
    fails(stage, LOST, LOST)
    assert stage.record.unanswered_since is None


def test_an_answer_lost_after_the_provider_committed_needs_a_person_and_the_reason_says_since_when(
    stage: Stage,
) -> None:
    stage.grant.loses = 1
    with pytest.raises(InvalidGrant) as dead:
        stage.refresh()
    assert dead.value.reason == (
        "the refresh token is not accepted; a refresh that began at 2026-11-22T09:30:00Z was never answered, "
        "and its tokens with it"
    )
    assert stage.record.reason == dead.value.reason
    # Whoever revokes this connection must know that somewhere there may be tokens which nobody holds.
    assert stage.record.unanswered_since == NOW
    assert stage.grant.asked == [("refresh", "refresh-1")] * 3


def test_a_run_that_was_killed_while_it_asked_is_such_evidence_too() -> None:
    killed = NOW - timedelta(minutes=12)
    stage = Stage(connection(refresh_at=NOW, lease_holder="refresh#killed", leased_at=killed, leased_version=PARENT))
    stage.grant.number = 2
    with pytest.raises(InvalidGrant, match="a refresh that began at 2026-11-22T09:18:00Z was never answered"):
        stage.refresh()
    assert stage.record.unanswered_since == killed


def test_that_evidence_outlives_a_run_that_could_not_ask() -> None:
    killed = NOW - timedelta(minutes=12)
    stage = Stage(connection(refresh_at=NOW, lease_holder="refresh#killed", leased_at=killed, leased_version=PARENT))
    fails(stage, Throttled("slow down", until=NOW))
    assert stage.record.unanswered_since == killed


def test_a_killed_revocation_asked_for_no_tokens() -> None:
    killed = NOW - timedelta(minutes=12)
    stage = Stage(connection(refresh_at=NOW, lease_holder="revoke#killed", leased_at=killed, leased_version=PARENT))
    fails(stage, NotSent("no connection"))
    assert stage.record.unanswered_since is None


def test_a_throttled_refresh_is_due_again_when_the_provider_says_so_and_changes_nothing_else(stage: Stage) -> None:
    until = NOW + timedelta(seconds=90)
    fails(stage, Throttled("slow down", until=until))
    cooling = {"status": Status.COOLING_DOWN, "refresh_at": until, "failures": 1, "reason": "slow down"}
    assert stage.record == DUE.model_copy(update=cooling | {"item_version": stage.record.item_version})
    assert stage.refresh(failed_version=PARENT) == COOLING
    stage.cools_off()
    stage.grant.failing = []
    assert stage.refresh() == REFRESHED


def test_a_throttled_revocation_waits_until_the_provider_says_so_too() -> None:
    stage = Stage(connection(status=Status.REVOKING, expires_at=NOW))
    fails(stage, Throttled("slow down", until=NOW + timedelta(hours=1)), for_revocation=True)
    assert stage.refresh(for_revocation=True) == Result(Outcome.REFUSED, details={"status": "revoking"})
    assert len(stage.grant.asked) == 1
    stage.cools_off()
    stage.grant.failing = []
    assert stage.refresh(for_revocation=True) is None
    assert stage.record.status is Status.REVOKED


def test_a_connection_that_cools_down_is_asked_at_once_when_it_is_to_be_revoked(stage: Stage) -> None:
    stage.alter(expires_at=NOW)
    fails(stage, DOWN)
    stage.alter(**stage.record.as_revoking().model_dump(include={"status", "failures"}))
    stage.grant.failing = []
    assert stage.refresh(for_revocation=True) is None
    assert stage.record.status is Status.REVOKED


# --- the client is not known ---


def test_the_credentials_are_read_once_more_since_somebody_may_have_changed_them_just_now(stage: Stage) -> None:
    reads: list[str] = []
    get = stage.secrets.get_secret_value

    def counted(**asked: Any) -> dict[str, Any]:
        reads.append(asked["SecretId"])
        return get(**asked)

    stage.secrets.get_secret_value = counted  # type: ignore[method-assign]
    stage.grant.failing = [UNKNOWN]
    assert stage.refresh() == REFRESHED
    assert reads.count("leaver/credentials/zoom/zoom") == 2


def test_an_unknown_client_is_told_once_and_then_only_to_who_asks(stage: Stage) -> None:
    fails(stage, UNKNOWN, UNKNOWN)
    assert stage.announced == ["ConnectionFailing"]
    assert (stage.record.status, stage.record.version) == (Status.COOLING_DOWN, PARENT)
    cooled_off(stage)
    stage.grant.failing = [UNKNOWN, UNKNOWN]
    assert stage.refresh() == COOLING
    fails(stage, UNKNOWN, UNKNOWN, force=True)
    assert stage.announced == ["ConnectionFailing"]
    assert stage.record.failures == 3
    stage.grant.failing = []
    assert stage.refresh(force=True) == REFRESHED
    assert stage.announced == ["ConnectionFailing", "ConnectionRecovered"]


# --- cooling down ---


def test_the_pause_grows_up_to_an_hour(stage: Stage) -> None:
    stage.jitter = lambda _, longest: longest
    pauses = []
    for _ in range(9):
        fails(stage, DOWN)
        pauses.append((stage.record.refresh_at - stage.clock()).total_seconds())
        cooled_off(stage)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


@pytest.mark.parametrize(("spread", "seconds"), [(0, 15), (1, 30)])
def test_the_pause_is_between_half_and_all_of_it(stage: Stage, spread: int, seconds: int) -> None:
    stage.jitter = lambda *bounds: bounds[spread]
    fails(stage, DOWN)
    assert stage.record.refresh_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("asked", [{}, {"failed_version": PARENT}])
def test_a_connection_that_cools_down_is_left_alone_by_all_but_people(stage: Stage, asked: dict[str, Any]) -> None:
    fails(stage, DOWN)
    assert stage.refresh(**asked) == COOLING
    assert len(stage.grant.asked) == 1
    assert stage.refresh(force=True) == REFRESHED


# --- what is told ---


def test_a_passing_fault_is_told_when_it_does_not_pass_and_so_is_its_end_once_each(stage: Stage) -> None:
    for _ in range(5):
        fails(stage, DOWN)
        cooled_off(stage)
    began = "2026-11-22T09:31:07Z"
    (told,) = stage.bus.announced
    assert told["announcement_id"] == f"zoom/ConnectionFailing/{began}"
    assert (told["connection"], told["provider"], told["account"]) == ("zoom", "zoom", "acme")
    assert (told["status"], told["reason"], told["since"]) == ("cooling_down", "Zoom is out of order", began)
    assert stage.record.failures == 5
    stage.refresh()
    assert stage.bus.announced[1]["announcement_id"] == f"zoom/ConnectionRecovered/{began}"
    assert stage.record.trouble_since is None
    stage.refresh(force=True)
    assert stage.announced == ["ConnectionFailing", "ConnectionRecovered"]


def a_spell_of(stage: Stage, length: timedelta, *, fault: Callable[[bool], object], ends_in: timedelta) -> None:
    """Let the schedule fire each minute, while something is wrong, and for a while after."""
    began = stage.clock()
    while stage.clock() - began < length + ends_in:
        fault(stage.clock() - began < length)
        if stage.record.refresh_at <= stage.clock():
            with suppress(LeaverError):
                stage.refresh()
        stage.clock.passes(seconds=60)


@pytest.mark.parametrize("what", ["429 for ninety minutes", "no writes for two hours", "no reads for two hours"])
def test_trouble_that_lasts_is_told_once_whatever_kind_it_is_and_so_is_its_end(stage: Stage, what: str) -> None:
    def fault(there: bool) -> None:  # noqa: FBT001
        match what.partition(" ")[0], what.split(" ")[1]:
            case "429", _:
                until = stage.clock() + timedelta(minutes=1)
                stage.grant.failing = [Throttled("slow down", until=until)] * there
            case _, "writes":
                stage.secrets.read_only = there
            case _, "reads":
                stage.secrets.unreadable = there

    length = timedelta(minutes=90 if what.startswith("429") else 120)
    a_spell_of(stage, length, fault=fault, ends_in=timedelta(minutes=61))
    assert stage.announced == ["ConnectionFailing", "ConnectionRecovered"]
    assert stage.record.status is Status.ACTIVE


def test_a_limit_that_will_outlast_a_quarter_of_an_hour_is_told_at_once(stage: Stage) -> None:
    fails(stage, Throttled("daily limit", until=NOW + timedelta(hours=9)))
    assert stage.announced == ["ConnectionFailing"]


def test_a_passing_fault_that_passes_is_nobodys_news(stage: Stage) -> None:
    for _ in range(2):
        fails(stage, DOWN)
        cooled_off(stage)
    stage.refresh()
    assert stage.announced == []


def test_a_dead_grant_is_told_once(stage: Stage) -> None:
    stage.grant.alive = False
    with pytest.raises(InvalidGrant):
        stage.refresh()
    (told,) = stage.bus.announced
    assert told["announcement_id"] == "zoom/ConnectionNeedsReauthorization/2026-11-22T09:30:02Z"
    assert (told["status"], told["reason"]) == ("needs_reauthorization", "the refresh token is not accepted")
    stage.refresh()
    assert len(stage.announced) == 1


def test_a_dead_grant_of_which_nobody_heard_is_told_by_the_next_run_without_a_call(stage: Stage) -> None:
    stage.grant.alive = False
    stage.bus.refuses = 1
    with pytest.raises(Undelivered):
        stage.refresh()
    with pytest.raises(NeedsReauthorization, match="the refresh token is not accepted"):
        stage.refresh()
    assert stage.announced == ["ConnectionNeedsReauthorization"]
    assert len(stage.grant.asked) == 2
    stage.refresh()
    assert stage.announced == ["ConnectionNeedsReauthorization"]


def test_a_run_that_was_killed_before_it_knew_that_the_bus_took_it_tells_the_same_again(stage: Stage) -> None:
    class Killed(InMemoryConnections):
        killed = False

        def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
            if old.pending_announcement and not new.pending_announcement and not self.killed:
                self.killed = True
                raise KeyboardInterrupt
            return super().compare_and_swap(old, new)

    stage.connections = Killed(DUE)
    stage.grant.failing = [UNKNOWN, UNKNOWN]
    with pytest.raises(KeyboardInterrupt):
        stage.refresh()
    assert stage.refresh() == COOLING
    first, second = stage.bus.announced
    assert first == second
    assert stage.record.pending_announcement is None


def test_a_recovery_is_told_even_where_nobody_knows_whether_the_failure_was(stage: Stage) -> None:
    stage.bus.refuses = 1
    stage.grant.failing = [UNKNOWN, UNKNOWN]
    with pytest.raises(Undelivered):
        stage.refresh()
    stage.refresh(force=True)
    assert stage.announced == ["ConnectionRecovered"]
    assert stage.record.trouble_since is None
