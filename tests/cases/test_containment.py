"""Somebody's account was in a thief's hands: what the thief may hold ends, and the person works on."""

from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from leaver.cases import finding, kinds, record
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.people import Name
from leaver.cases.record import DONE, Case
from leaver.cases.returns import NOTHING_TAKEN, Returns
from leaver.cases.states import CaseEvent, State
from leaver.errors import ProviderResponse, ProviderUnavailable
from leaver.providers.registry import PROVIDERS
from tests.doubles.connections_table import connection
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, ADA_ID, LASTING, Office

CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
RISC: Final = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
DOWN: Final = ProviderUnavailable("503", ProviderResponse(503))


@pytest.fixture
def office() -> Office:
    office = Office(deactivates=True, routine_limit=2)
    office.connects("adas-zoom", ADA)
    office.connects("all-of-zoom", ADA, role="service")
    return office


def hears_token(office: Office, event_type: str, **content: Any) -> None:
    """A transmitter of CAEP or RISC tells something of Ada."""
    now = office.clock()
    claims = {
        "jti": "j1",
        "iat": int(now.timestamp()),
        "sub_id": {"format": "email", "email": ADA},
        "events": {event_type: content},
    }
    office.queue("StartOffboarding", webhook("SecurityEventToken", claims) | {"time": now.isoformat()})
    office.works()


def works_on(office: Office) -> bool:
    """Whether nothing says that Ada left."""
    signs = (office.people.under_tombstones, office.zoom.deactivated, office.reasons())
    departures = [case for case in office.cases.every if case.kind == "departure"]
    return (departures, *signs) == ([], set(), set(), []) and office.grants["all-of-zoom"].alive


def of_kind(office: Office, kind: str) -> Case:
    """Her case of a kind that is not over."""
    (case,) = [case for case in office.cases.every if case.kind == kind and case.state is not State.CANCELLED]
    return case


def minutes(office: Office, count: int) -> None:
    for _ in range(count):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()


@pytest.mark.parametrize("entity", ["admin", "policy", "system"])
def test_a_session_that_somebody_else_revoked_ends_what_a_thief_may_hold_and_nothing_else(
    office: Office, entity: str
) -> None:
    hears_token(office, CAEP, initiating_entity=entity)
    assert office.access_of(ADA) == set()
    assert works_on(office)
    assert (office.case.kind, office.case.state) == ("contain", State.COMPLETED)


def test_a_hijacked_account_is_contained_urgently(office: Office) -> None:
    hears_token(office, RISC, reason="hijacking")
    assert office.access_of(ADA) == set()
    assert {each["urgency"] for each in office.commands()} == {"urgent"}
    assert works_on(office)


def test_a_session_of_which_nobody_says_who_revoked_it_ends_sessions_and_kept_tokens_alone(office: Office) -> None:
    hears_token(office, CAEP)
    assert office.access_of(ADA) == {"grants", "adas-zoom"}
    assert works_on(office)
    assert (office.case.kind, office.case.state) == ("sessions", State.COMPLETED)


def test_from_her_own_log_out_nothing_follows(office: Office) -> None:
    before = office.access_of(ADA)
    hears_token(office, CAEP, initiating_entity="user")
    assert office.access_of(ADA) == before
    assert office.reasons() == ["caep: initiating_entity: the person's own log-out: nothing follows"]


@pytest.mark.parametrize(("kind", "left"), [("contain", set[str]()), ("sessions", {"grants", "adas-zoom"})])
def test_our_own_event_may_say_so_and_every_step_leaves_its_receipt(office: Office, kind: str, left: set[str]) -> None:
    office.hears_and_works(kind)
    assert office.access_of(ADA) == left
    receipts = office.cases.read_receipts(office.case.case_id)
    assert {name: each.outcome in DONE for name, each in receipts.items()} == {
        step.name: True for step in office.case.steps
    }
    assert {step.command for step in office.case.steps} == kinds.ENDS["contain" if kind == "contain" else "sessions"]
    assert works_on(office)


@pytest.mark.parametrize("kind", ["contain", "sessions"])
def test_every_announcement_says_that_she_stays(office: Office, kind: str) -> None:
    office.hears_and_works(kind)
    office.hears_and_works(occurred_at=(office.clock() + timedelta(seconds=1)).isoformat())
    told = [each for each in office.bus.announced if each["detail_type"].startswith("Offboarding")]
    assert [(each["detail_type"], each["kind"]) for each in told] == [
        ("OffboardingStarted", kind),
        ("OffboardingCompleted", kind),
        ("OffboardingStarted", "departure"),
    ]


def test_what_she_begins_afterwards_is_hers(office: Office) -> None:
    office.hears_and_works("contain")
    office.clock.passes(minutes=1)
    office.logs_in(ADA)
    office.connects("adas-new-zoom", ADA)
    minutes(office, 60)
    assert office.access_of(ADA) == {"session", "grants", "user token", "adas-new-zoom"}
    assert works_on(office)


def test_a_finished_containment_is_not_looked_at_once_more(office: Office) -> None:
    object.__setattr__(office.watch, "sweep_after", timedelta(minutes=5))
    office.hears_and_works("contain")
    office.logs_in(ADA)
    minutes(office, 10)
    assert [case.sweep_of for case in office.cases.every] == [None]
    assert office.case.watch_at is None
    assert office.access_of(ADA) == {"session", "grants", "user token"}


# --- the cutoff


def test_nothing_is_kept_that_was_asked_for_before_the_last_provider_step_ended_and_what_is_asked_later_is(
    office: Office,
) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    office.clock.passes(minutes=5)
    asked_meanwhile = office.clock()
    office.clock.passes(minutes=5)
    office.weather.out_of_order.clear()
    office.works()
    assert office.case.state is State.COMPLETED
    for name in (ADA, ADA_ID):
        assert office.people.refuse_what_was_asked([name], asked_meanwhile)
        assert office.people.refuse_what_was_asked([name], office.clock())
        assert office.people.refuse_what_was_asked([name], office.clock() + timedelta(seconds=1)) is None


def test_her_kept_tokens_are_destroyed_at_once_and_those_that_came_meanwhile_before_the_case_is_done(
    office: Office,
) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    for message in list(office.queued):
        office.deliver(message)
    assert office.access_of(ADA) == {"grants"}
    office.logs_in(ADA)
    office.clock.passes(minutes=2)
    assert "user token" in office.access_of(ADA)
    office.weather.out_of_order.clear()
    office.works()
    assert office.case.state is State.COMPLETED
    assert "user token" not in office.access_of(ADA)


def test_a_repeat_raises_the_cutoff_and_a_late_word_does_not_lower_it(office: Office) -> None:
    office.hears_and_works("contain")
    office.clock.passes(minutes=10)
    asked = office.clock()
    office.clock.passes(minutes=10)
    assert office.people.refuse_what_was_asked([ADA], asked) is None
    office.hears_and_works("contain")
    assert office.people.refuse_what_was_asked([ADA], asked)


def test_where_a_person_closed_the_purge_a_token_that_was_asked_for_before_is_not_kept_either(office: Office) -> None:
    asked = office.clock()
    office.weather.out_of_order["zoom: end session"] = DOWN
    office.deliver(office.hears("contain"))
    said = {
        "case": office.case.case_id,
        "decision": "close",
        "step": "PurgeUserTokens#zoom/acme",
        "because": "ticket 7",
    }
    office.deliver(office.queue("StartOffboarding", said))
    office.weather.out_of_order.clear()
    office.works()
    minutes(office, 2)
    assert office.case.state is State.COMPLETED
    assert office.people.refuse_what_was_asked([ADA], asked)


@pytest.mark.parametrize("kind", ["contain", "sessions"])
def test_what_she_asks_for_after_the_last_provider_step_stays_however_late_the_purge_and_the_seal_come(
    office: Office, kind: str
) -> None:
    office.deliver(office.hears(kind))
    late = [message for message in office.queued if message.command == "SealCase"]
    for message in [each for each in office.queued if each not in late]:
        office.deliver(message)
    waiting, office.queued = office.queued, []
    office.clock.passes(minutes=1)
    asked = office.clock()
    office.clock.passes(minutes=9)
    office.queued = waiting
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.people.refuse_what_was_asked([ADA], asked) is None
    assert office.people.refuse_what_was_asked([ADA], asked - timedelta(minutes=1))


def test_a_company_that_keeps_no_user_tokens_raises_no_cutoff(office: Office) -> None:
    object.__setattr__(office.intake.step_finder, "providers", {"venafi": PROVIDERS["venafi"]})
    office.hears_and_works("contain")
    assert office.case.state is State.COMPLETED
    assert office.people.refuse_what_was_asked([ADA], office.case.requested_at) is None


def test_that_test_sees_it_where_the_cutoff_is_the_time_at_which_it_is_said(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_cutoff = Name.with_cutoff
    monkeypatch.setattr(Name, "with_cutoff", lambda self, _at: with_cutoff(self, office.clock()))
    with pytest.raises(AssertionError):
        test_what_she_asks_for_after_the_last_provider_step_stays_however_late_the_purge_and_the_seal_come(
            office, "contain"
        )


# --- a person changes their mind


def decides(office: Office, decision: str) -> tuple[str | None, str | None]:
    office.queue("StartOffboarding", {"case": office.cases.every[-1].case_id, "decision": decision})
    office.works()
    return office.heard.fates[-1].fate, office.heard.fates[-1].because


def test_a_person_cancels_a_containment_that_the_guard_holds_and_nothing_is_ended() -> None:
    office = Office(routine_limit=0)
    office.hears_and_works("contain")
    assert [case.state for case in office.cases.every] == [State.HELD]
    assert decides(office, "cancel") == ("changed", None)
    assert [case.state for case in office.cases.every] == [State.CANCELLED]
    office.clock.passes(hours=1)
    office.minute()
    office.works()
    assert office.access_of(ADA) == {"session", "grants", "user token"}


@pytest.mark.parametrize("decision", ["cancel", "reinstate"])
def test_what_of_a_containment_has_begun_goes_on_and_the_reason_is_the_true_one(office: Office, decision: str) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    office.weather.out_of_order.clear()
    assert decides(office, decision) == ("refused", NOTHING_TAKEN)
    assert office.case.state is State.COMPLETED
    assert decides(office, decision) == ("refused", NOTHING_TAKEN)


def test_that_test_sees_it_where_a_containment_is_looked_for_among_the_departures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_back = Returns.give_back

    def as_a_departure(self: Returns, case: Case, event: CaseEvent, at: datetime) -> Fate:
        return give_back(self, case.model_copy(update={"request": {**case.request, "kind": "immediate"}}), event, at)

    monkeypatch.setattr(Returns, "give_back", as_a_departure)
    with pytest.raises(AssertionError):
        test_a_person_cancels_a_containment_that_the_guard_holds_and_nothing_is_ended()


# --- one departure, one containment


def test_the_same_theft_told_twice_is_one_case(office: Office) -> None:
    at = (office.clock() - timedelta(minutes=1)).isoformat()
    for source in ("okta", "sailpoint"):
        office.hears_and_works("contain", source=source, occurred_at=at)
    assert office.case.state is State.COMPLETED
    assert [each.fate for each in office.heard.fates] == ["opened", "repeated"]


def test_a_source_that_calls_two_thefts_by_one_id_has_both_ended(office: Office) -> None:
    for _ in range(2):
        office.clock.passes(minutes=10)
        office.logs_in(ADA)
        office.hears_and_works("contain", event_id="incident-7")
        assert office.access_of(ADA) == set()
    assert [case.state for case in office.cases.every] == [State.COMPLETED] * 2


def test_a_theft_while_an_older_one_is_being_ended_begins_with_everything(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    for message in list(office.queued):
        office.deliver(message)
    office.clock.passes(minutes=10)
    office.logs_in(ADA)
    office.deliver(office.hears("contain"))
    assert sorted(case.state for case in office.cases.every) == [State.CANCELLED, State.OPEN]
    office.weather.out_of_order.clear()
    office.works()
    assert of_kind(office, "contain").state is State.COMPLETED
    assert office.access_of(ADA) == set()
    assert works_on(office)


def test_a_departure_that_follows_takes_everything_and_says_that_she_left(office: Office) -> None:
    office.hears_and_works("contain")
    office.clock.passes(minutes=1)
    office.logs_in(ADA)
    office.hears_and_works()
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_departure_raises_its_tombstone_although_a_containment_is_open_and_neither_completes_the_other(
    office: Office,
) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears("contain"))
    office.deliver(office.hears(occurred_at=(office.clock() - timedelta(hours=1)).isoformat()))
    assert office.people.under_tombstones == {ADA, ADA_ID}
    contain, departure = of_kind(office, "contain"), of_kind(office, "departure")
    assert (contain.state, departure.state) == (State.OPEN, State.OPEN)
    assert {step.command for step in departure.steps} > {step.command for step in contain.steps}
    office.weather.out_of_order.clear()
    office.works()
    assert of_kind(office, "contain").state is State.COMPLETED
    assert office.access_of(ADA) == set()
    # A person still has to take over what Leaver works through.
    assert of_kind(office, "departure").outstanding == ("ReplaceServiceConnection#all-of-zoom",)


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_a_return_stops_no_containment(office: Office, kind: str) -> None:
    office.deliver(office.hears("contain"))
    office.clock.passes(minutes=1)
    office.deliver(office.hears(kind))
    assert of_kind(office, "contain").state is State.OPEN
    office.works()
    assert of_kind(office, "contain").state is State.COMPLETED
    assert office.access_of(ADA) == set()


def test_of_somebody_who_came_back_a_containment_is_no_departure_and_is_not_taken_back_either(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    office.logs_in(ADA)
    office.clock.passes(minutes=1)
    office.hears_and_works("contain")
    assert of_kind(office, "contain").state is State.COMPLETED
    assert office.people.under_tombstones == set()
    assert not office.access_of(ADA) & {"session", "grants", "user token"}


def test_a_containment_lifts_no_tombstone_and_a_return_says_nothing_of_it(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(minutes=1)
    office.hears_and_works("contain")
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_departure_of_before_a_containment_does_not_come_too_late(office: Office) -> None:
    office.hears_and_works("contain")
    office.hears_and_works(occurred_at=(office.clock() - timedelta(hours=1)).isoformat())
    assert office.people.under_tombstones == {ADA, ADA_ID}


# --- what she made herself, and what was made while her case was held


def test_a_connection_made_after_the_containment_began_stays_and_one_made_before_ends(office: Office) -> None:
    office.deliver(office.hears("contain"))
    office.connects("older", ADA)
    office.table.put(connection("older", owner=ADA, role="personal", expires_at=LASTING, granted_at=office.clock()))
    office.clock.passes(minutes=1)
    office.connects("newer", ADA)
    office.table.put(connection("newer", owner=ADA, role="personal", expires_at=LASTING, granted_at=office.clock()))
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.access_of(ADA) == {"newer"}


def test_a_feed_that_contains_a_whole_company_is_stopped_by_the_guard(office: Office) -> None:
    for number in range(3):
        office.hire(f"p{number}@example.com", f"id-{number}", f"local:{{p{number}}}")
        office.hears_and_works("contain", email=f"p{number}@example.com")
    assert [bool(office.access_of(f"p{number}@example.com")) for number in range(3)] == [False, False, True]
    (held,) = [case for case in office.cases.every if case.state is State.HELD]
    assert [each["kind"] for each in office.announced("OffboardingHeld")] == ["contain"]
    office.queue("StartOffboarding", {"case": held.case_id, "decision": "release"})
    office.works()
    assert office.access_of("p2@example.com") == set()
    assert office.people.under_tombstones == set()


# --- what each rule is for: it is taken away, and the harm shows


def test_those_tests_see_it_where_a_containment_is_taken_for_a_departure(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "ENDS", {})
    office.hears_and_works("contain")
    assert not works_on(office)


def test_those_tests_see_it_where_sessions_end_as_much(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "ENDS", {"sessions": kinds.ENDS["contain"]})
    office.hears_and_works("sessions")
    assert office.access_of(ADA) == set()


def test_those_tests_see_it_where_the_purge_does_not_wait_for_the_rest(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PURGE", "nothing")
    monkeypatch.setattr("leaver.cases.start.PURGE", "nothing")
    with pytest.raises(AssertionError):
        test_her_kept_tokens_are_destroyed_at_once_and_those_that_came_meanwhile_before_the_case_is_done(office)


def test_those_tests_see_it_where_no_cutoff_is_raised(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.cases.people.Name.with_cutoff", lambda _self, _now: None)
    with pytest.raises(AssertionError):
        test_nothing_is_kept_that_was_asked_for_before_the_last_provider_step_ended_and_what_is_asked_later_is(office)


def test_those_tests_see_it_where_an_older_containment_is_taken_for_the_new_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaver.cases.intake._is_covered_by", lambda _case, _request: True)
    with pytest.raises((AssertionError, ValueError)):
        test_a_theft_while_an_older_one_is_being_ended_begins_with_everything(office)


def test_those_tests_see_it_where_a_containment_takes_what_was_made_since(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_is_of_who_stays", lambda *_: False)
    with pytest.raises(AssertionError):
        test_a_connection_made_after_the_containment_began_stays_and_one_made_before_ends(office)


@pytest.mark.parametrize("order", ["contain first", "departure first"])
def test_with_one_pointer_for_both_one_would_swallow_the_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(Intake, "_contain", lambda self, theft, _kind: self._end_access(theft))
    office.deliver(office.hears("contain" if order == "contain first" else "immediate"))
    office.deliver(office.hears("immediate" if order == "contain first" else "contain"))
    assert len(office.cases.every) == 1
