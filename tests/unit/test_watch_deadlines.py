"""Every minute: what is due begins, what was lost is sent again, what is late is told, and nobody waits for one."""

from datetime import timedelta
from itertools import pairwise

import pytest

from functions.watch_deadlines.app import LONGEST_SILENCE, ask_for_days, gauges
from leaver.cases.ceiling import EVERYBODY, URGENT, Ceiling
from leaver.cases.states import CaseEvent, State
from leaver.outcomes import Outcome
from tests.doubles.aws_errors import client_error
from tests.doubles.cases_table import without_step
from tests.doubles.clock import NOW
from tests.doubles.sqs import SEAL_QUEUE
from tests.doubles.watched_cases import ADA, GRANTS, SSO, World


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_due_begins_and_what_is_not_waits(world: World) -> None:
    world.scheduled(SSO, case_id="due", at=NOW)
    world.scheduled(SSO, case_id="later", at=NOW + timedelta(minutes=2), name="bob@example.com")
    world.looks()
    assert world.commands() == [("RevokeSsoToken", "due")]
    assert world.people.under_tombstones == {ADA}
    world.minutes(1)
    assert world.case("later").state is State.SCHEDULED
    world.minutes(1)
    assert world.commands() == [("RevokeSsoToken", "later")]
    assert world.announced() == ["OffboardingStarted", "OffboardingStarted"]


def test_a_receipt_of_which_the_case_has_not_heard_is_counted(world: World) -> None:
    world.opens(SSO, GRANTS)
    world.receives(SSO)
    world.minutes(1)
    assert world.case().outstanding == (GRANTS.name,)


def test_a_case_whose_last_receipt_was_not_counted_is_sealed_and_told(world: World) -> None:
    world.opens(SSO, GRANTS)
    world.step_done([SSO, GRANTS])
    world.minutes(1)
    assert (world.case().state, world.case().head is not None) == (State.COMPLETED, True)
    assert world.announced() == ["OffboardingCompleted"]
    assert world.measured == [("CaseTimeToRevoke", 60)]


def test_a_case_whose_seal_was_lost_is_sealed(world: World) -> None:
    case = world.opens(SSO)
    world.receives(SSO)
    world.cases.put(without_step(case, SSO.name))
    world.minutes(1)
    assert world.case().state is State.COMPLETED


def test_a_failed_step_ends_nothing_and_is_not_sent_again(world: World) -> None:
    world.opens(SSO)
    world.receives(SSO, Outcome.FAILED)
    world.minutes(30)
    assert world.case().outstanding == (SSO.name,)
    assert world.commands() == []


def test_a_user_who_is_not_found_ends_a_step_where_the_deployment_says_so(world: World) -> None:
    by_address = SSO.model_copy(update={"found_by": "address"})
    world.opens(by_address)
    world.receives(by_address, Outcome.USER_NOT_FOUND)
    world.minutes(1)
    assert world.case().state is State.OPEN
    world.done_where_missing = frozenset({"zoom"})
    world.minutes(1)
    assert world.case().state is State.COMPLETED


# --- commands that were lost


def test_a_command_of_which_nothing_is_heard_for_five_minutes_is_sent_again_and_ever_more_seldom(world: World) -> None:
    world.opens(SSO, GRANTS)
    world.receives(GRANTS)
    sent_after = []
    for minute in range(1, 12 * 60):
        world.minutes(1)
        sent_after += [minute for _ in world.commands()]
    assert sent_after[:4] == [5, 15, 35, 75]
    assert len(sent_after) <= 10, "twelve hours of a provider's limit must not pile up copies"
    gaps = {later - sooner for sooner, later in pairwise(sent_after)}
    assert max(gaps) <= LONGEST_SILENCE.total_seconds() / 60


def test_a_command_that_is_being_retried_is_not_sent_again(world: World) -> None:
    world.opens(SSO)
    world.receipts.count_failure(world.tried(SSO))
    world.minutes(60)
    assert world.commands() == []


def test_a_command_that_was_tried_once_and_should_have_been_given_up_long_ago_is_sent_again(world: World) -> None:
    world.opens(SSO)
    world.receipts.count_failure(world.tried(SSO))
    world.clock.passes(hours=27)
    world.looks()
    assert world.commands() == [("RevokeSsoToken", "c-1")]


def test_who_was_killed_before_the_commands_may_have_been_killed_before_the_tombstones(world: World) -> None:
    world.opens(SSO)
    world.people.change(ADA, lambda found: found.model_copy(update={"gone_since": None}))
    world.minutes(5)
    assert world.commands() == [("RevokeSsoToken", "c-1")]
    assert world.people.under_tombstones == {ADA}


@pytest.mark.parametrize("state", [State.CANCELLED, State.REINSTATED, State.DISCARDED, State.COMPLETED])
def test_nothing_of_a_case_that_is_over_is_sent(world: World, state: State) -> None:
    world.cases.put(world.opens(SSO).model_copy(update={"state": state, "finished_at": NOW}))
    world.minutes(20)
    assert world.commands() == []


# --- what is late, and what is owed


def test_an_overdue_case_is_told_once(world: World) -> None:
    world.opens(SSO)
    world.minutes(14)
    assert world.announced() == []
    world.minutes(30)
    assert world.announced() == ["OffboardingOverdue"]
    assert world.case().overdue


def test_an_overdue_announcement_that_the_bus_refused_is_told_later(world: World) -> None:
    world.opens(SSO)
    world.receipts.count_failure(world.tried(SSO))
    world.minutes(14)
    world.bus.refuses = 1
    world.minutes(1)
    assert world.announced() == []
    world.minutes(1)
    assert world.announced() == ["OffboardingOverdue"]


@pytest.mark.parametrize("counted", [False, True])
def test_a_case_that_is_done_at_its_deadline_is_not_overdue(world: World, *, counted: bool) -> None:
    case = world.opens(SSO)
    world.clock.passes(minutes=15)
    world.receives(SSO)
    if counted:
        world.cases.put(without_step(case, SSO.name))
    world.looks()
    assert world.announced() == ["OffboardingCompleted"]


@pytest.mark.parametrize("event", [CaseEvent.CANCELLED, CaseEvent.REINSTATED, CaseEvent.DISCARDED])
def test_what_a_case_that_is_over_owes_is_told_and_then_nobody_looks_any_more(world: World, event: CaseEvent) -> None:
    case = world.opens(SSO)
    if event is not CaseEvent.REINSTATED:
        case = case.model_copy(update={"state": State.HELD})
    world.cases.put(case.after(event, world.clock()))
    world.bus.refuses = 1
    world.minutes(1)
    assert world.case().watch_at is not None
    world.minutes(1)
    assert world.announced() == ["OffboardingCancelled"]
    # Until it is signed what came of it.
    assert world.case().watch_at is not None
    world.seals()
    world.minutes(1)
    assert world.case().evidence is not None
    assert (world.case().watch, world.case().watch_at) == (None, None)


def test_a_completion_that_the_bus_refused_is_told_later_and_then_nobody_looks_any_more(world: World) -> None:
    world.opens(SSO)
    world.receives(SSO)
    world.bus.refuses = 1
    world.minutes(1)
    assert world.announced() == []
    world.minutes(2)
    assert world.announced() == ["OffboardingCompleted"]
    assert world.case().watch is None


# --- nobody waits for one


def test_a_case_that_fails_stops_no_other_and_goes_behind_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3):
        world.opens(SSO, case_id=f"c-{number}", name=f"{number}@example.com")
        world.receives(SSO, case_id=f"c-{number}")
    receipts = world.cases.read_receipts

    def broken(case_id: str) -> object:
        if case_id == "c-1":
            raise client_error("Query", message="says a SECRET")
        return receipts(case_id)

    monkeypatch.setattr(world.cases, "read_receipts", broken)
    world.clock.passes(minutes=1)
    assert world.looks() == 1
    assert [world.case(f"c-{number}").state for number in (1, 2, 3)] == ["open", "completed", "completed"]
    assert world.case("c-1").watch_at == world.clock() + timedelta(minutes=1)
    assert "SECRET" not in world.log.getvalue()
    assert "c-1" in world.log.getvalue()


def test_the_longest_waiting_come_first_and_the_rest_when_there_is_time_again(world: World) -> None:
    for number in range(5):
        world.clock.passes(seconds=1)
        world.scheduled(SSO, case_id=f"c-{number}", name=f"{number}@example.com", at=world.clock())
    assert world.looks(most=2) == 0
    assert world.commands() == [("RevokeSsoToken", "c-0"), ("RevokeSsoToken", "c-1")]
    world.looks(most=3)
    assert [case_id for _, case_id in world.commands()] == ["c-2", "c-3", "c-4"]


def test_what_somebody_else_has_looked_after_meanwhile_is_left_alone(world: World) -> None:
    world.opens(SSO)
    world.clock.passes(minutes=20)
    [due] = world.cases.find_due(world.clock())
    world.looks()
    before = world.case()
    world.watch.look_at(due)
    assert world.case() == before


# --- what the alarms are told


def test_the_gauges_count_what_is_open_held_late_and_the_longest_wait(world: World) -> None:
    world.scheduled(SSO, case_id="later", at=NOW + timedelta(days=1))
    world.cases.put(
        world.scheduled(SSO, case_id="held").model_copy(update={"state": State.HELD, "watch": "held"}),
    )
    world.opens(SSO, case_id="old")
    world.clock.passes(minutes=15)
    world.opens(SSO, case_id="new", name="bob@example.com")
    world.clock.passes(seconds=30)
    summaries, held = world.cases.read_summaries(world.clock()), world.cases.count_held()
    assert gauges(summaries, held, {"zoom/acme"}, world.clock()) == {
        "OpenCases": 2,
        "HeldCases": 1,
        "OverdueCases": 1,
        "ConnectionsToReplace": 0,
        "StepsWaiting": 0,
        "OldestOpenCaseSeconds": 930,
    }


def test_without_a_case_all_gauges_are_zero() -> None:
    assert set(gauges([], 0, (), NOW).values()) == {0}


def test_those_of_an_hours_last_minute_are_told_when_the_next_has_begun(world: World) -> None:
    at = NOW.replace(minute=59, second=30)
    ceiling = Ceiling(world.counted, most=8)
    for number in range(3):
        world.counted.find_exceeded(f"c-{number}", {URGENT: None, EVERYBODY: 8}, at)
    told = {"UrgentCasesAnHour": 3, "CeilingPercent": 37}
    assert ceiling.gauges(at) == ceiling.gauges(at + timedelta(seconds=45)) == told
    assert set(ceiling.gauges(at + timedelta(minutes=2)).values()) == {0}


def test_each_hour_seal_case_is_asked_once_to_tell_of_the_days_that_are_over(world: World) -> None:
    hour = NOW.replace(minute=0)
    for minute in range(60):
        ask_for_days(world.publisher().request_days, hour + timedelta(minutes=minute))
    sent = [each for each in world.sqs.to(SEAL_QUEUE) if "days" in each["MessageBody"]]
    assert [each["MessageBody"] for each in sent] == ['{"days": "over"}'] * 5
    # SQS takes one of those with one id within five minutes.
    assert {each["MessageDeduplicationId"] for each in sent} == {f"days {hour:%Y-%m-%dT%H}"}


def test_no_case_waits_behind_a_day_that_is_long_to_tell(world: World) -> None:
    publisher = world.publisher()
    publisher.request_days(NOW)
    publisher.request_seal("c-1")
    days, case = world.sqs.to(SEAL_QUEUE)
    assert days["MessageGroupId"] != case["MessageGroupId"]
