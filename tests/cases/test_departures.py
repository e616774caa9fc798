"""Departures come twice, from two sources, out of order, for later, and not at all: one person has one case."""

from datetime import timedelta
from functools import partial

import pytest

from leaver.cases.intake import Intake
from leaver.cases.record import Case
from leaver.cases.returns import BEGUN
from leaver.cases.states import State
from leaver.errors import ProviderUnavailable
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, Office
from tests.doubles.steps import Killed, Moment

BEN = "ben@example.com"


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


def states(office: Office) -> list[State]:
    return [case.state for case in office.cases.every]


# --- one case ---


def test_the_same_event_twice_opens_one_case_and_ends_nothing_twice() -> None:
    office = Office()
    message = office.hears_and_works()
    office.queued.append(message)
    office.works()
    assert states(office) == [State.COMPLETED]
    assert [each for each in office.zoom.asked if each[0] == "delete_user_token"] == [("delete_user_token", ADA_ID)]


def test_the_same_event_twice_at_once_opens_one_case() -> None:
    office = Office()
    message = office.hears()
    office.deliver(message)
    office.queued.append(message)
    office.works()
    assert states(office) == [State.COMPLETED]
    assert [each for each in office.zoom.asked if each[0] == "delete_user_token"] == [("delete_user_token", ADA_ID)]


def test_nobody_can_know_a_cases_id_before_the_case_is_there() -> None:
    one, other = Office(), Office()
    assert one.deliver(one.hears())
    assert other.deliver(other.hears())
    assert (one.case.event_id, one.case.email) == (other.case.event_id, other.case.email)
    assert one.case.case_id != other.case.case_id


def kill_before_the_case_is_recorded(office: Office) -> str:
    """A run was killed between the person's pointer and the case; returns the id that the pointer names."""

    def kill(name: str, moment: Moment) -> None:
        if (name, moment) == ("add case", "before"):
            raise Killed

    office.effects.watch = kill
    with pytest.raises(Killed):
        office.deliver(office.queued[0])
    office.effects.dead.clear()
    office.effects.watch = lambda _name, _moment: None
    assert office.cases.every == []
    pointed = {each.case for each in office.people.items.scan()}
    assert len(pointed) == 1
    return str(pointed.pop())


def test_a_run_that_is_killed_before_the_case_is_recorded_leaves_its_id_to_the_next() -> None:
    office = Office()
    office.hears()
    pointed = kill_before_the_case_is_recorded(office)
    office.works()
    assert (office.case.case_id, office.case.state) == (pointed, State.COMPLETED)


def test_without_the_persons_pointer_the_same_event_would_open_another_case(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    office.hears()
    pointed = kill_before_the_case_is_recorded(office)
    monkeypatch.setattr(
        Intake, "_claim", lambda _self, found, *, case_id, **_: found.model_copy(update={"case": case_id})
    )
    office.works()
    assert office.case.case_id != pointed


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_the_same_event_again_opens_no_other_case_after_the_person_stays(kind: str) -> None:
    office = Office()
    message = office.hears()
    office.deliver(message)
    office.hears_and_works(kind)
    office.queued.append(message)
    office.works()
    assert len(states(office)) == 1


def test_another_sources_event_of_the_same_number_is_another_event() -> None:
    office = Office(routine_limit=0)
    office.hears_and_works(event_id="1")
    discards(office)
    office.hears_and_works(event_id="1", source="okta")
    assert states(office) == [State.DISCARDED, State.HELD]


@pytest.mark.parametrize("again", [1, 3])
def test_the_same_event_again_opens_no_other_case_after_its_case_was_discarded(again: int) -> None:
    office = Office(routine_limit=0)
    message = office.hears_and_works()
    discards(office)
    for _ in range(again):
        office.queued.append(message)
        office.works()
    assert states(office) == [State.DISCARDED]


def discards(office: Office) -> None:
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "discard"})
    office.works()


@pytest.mark.parametrize("other", [{"source": "okta"}, {"email": "Ada@Example.com"}, {"occurred_at": at(-300)}])
def test_two_sources_open_one_case(other: dict[str, str]) -> None:
    office = Office()
    office.hears()
    office.hears(**other)
    office.works()
    assert states(office) == [State.COMPLETED]


def test_an_alias_and_the_address_open_one_case() -> None:
    office = Office()
    office.zoom.aliases["ada.king@example.com"] = ADA_ID
    office.hears()
    office.hears(email="ada.king@example.com")
    office.works()
    assert states(office) == [State.COMPLETED]
    assert office.people.under_tombstones == {ADA, "ada.king@example.com", ADA_ID}


def test_a_second_source_tells_hours_later_of_the_same_departure() -> None:
    office = Office()
    office.hears_and_works()
    office.clock.passes(hours=23)
    office.hears_and_works(source="okta", occurred_at=at(0))
    assert states(office) == [State.COMPLETED]


def test_a_departure_days_later_is_another_one() -> None:
    office = Office()
    office.hears_and_works()
    office.clock.passes(days=2)
    office.logs_in(ADA)
    office.hears_and_works()
    assert states(office) == [State.COMPLETED, State.COMPLETED]
    assert office.access_of(ADA) == set()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_two_runs_about_one_person_open_one_case_wherever_the_other_comes_in_between(moment: Moment) -> None:
    place = 0
    while True:
        office = Office()
        first, second = office.hears(), office.hears(source="okta")
        met = office.effects.interrupt(place, moment, partial(office.deliver, second))
        office.deliver(first)
        if not met:
            break
        office.works()
        assert states(office) == [State.COMPLETED], (place, moment)
        assert office.access_of(ADA) == set()
        place += 1
    assert place > 15


def test_an_event_does_not_come_later_than_itself_by_a_fraction_of_a_second() -> None:
    office = Office()
    office.hears_and_works(occurred_at=(NOW + timedelta(milliseconds=862)).isoformat())
    assert office.access_of(ADA) == set()


def test_different_people_have_different_cases() -> None:
    office = Office()
    office.hire(BEN, "ben-id", "local:{ben}")
    office.hears()
    office.hears(email=BEN, event_id="hr-1")
    office.works()
    assert {case.email for case in office.cases.every} == {ADA, BEN}


def test_a_leaver_who_is_a_case_gets_the_missing_steps_and_never_a_second_set() -> None:
    office = Office()
    office.deliver(office.hears())
    office.connects("zoom-ada", ADA)
    office.deliver(office.hears(source="okta"))
    office.works()
    names = [step.name for step in office.case.steps]
    assert len(names) == len(set(names))
    assert "RevokeAccessToken#zoom-ada" in names
    assert not office.grants["zoom-ada"].alive
    assert states(office) == [State.COMPLETED]


# --- later ---


@pytest.mark.parametrize(
    "effective_at", ["2026-11-27T17:00:00+01:00", "2026-11-27T16:00:00Z", "2026-11-27T09:00:00-07:00"]
)
def test_scheduled_waits_until_its_time_in_its_zone(effective_at: str) -> None:
    office = Office()
    office.hears_and_works("scheduled", effective_at=effective_at)
    assert states(office) == [State.SCHEDULED]
    office.clock.now = NOW.replace(day=27, hour=15, minute=59, second=59)
    office.minute()
    assert states(office) == [State.SCHEDULED]
    assert office.people.under_tombstones == set()
    assert office.commands() == []
    office.clock.passes(seconds=1)
    office.begins()
    assert states(office) == [State.OPEN]
    assert office.people.under_tombstones == {ADA, ADA_ID}
    assert len(office.commands()) == 3


def test_scheduled_for_a_time_that_is_past_begins_at_once() -> None:
    office = Office()
    office.hears_and_works("scheduled", effective_at=at(-60))
    assert states(office) == [State.COMPLETED]


@pytest.mark.parametrize("sooner", [{"kind": "immediate"}, {"kind": "scheduled", "effective_at": at(-1)}])
def test_what_was_for_later_begins_when_it_is_wanted_sooner(sooner: dict[str, str]) -> None:
    office = Office()
    office.hears_and_works("scheduled", effective_at=at(60 * 24))
    office.clock.passes(minutes=10)
    office.hears_and_works(**sooner)
    office.clock.passes(minutes=5)
    assert states(office) == [State.COMPLETED]
    # Counted from when it was to take effect now, and not from tomorrow, which would make it no time at all.
    assert office.case.effective_at <= NOW + timedelta(minutes=10)


def test_a_later_date_does_not_put_off_what_is_due_sooner() -> None:
    office = Office()
    office.hears_and_works("scheduled", effective_at=at(60))
    office.hears_and_works("scheduled", effective_at=at(60 * 48), source="okta")
    office.clock.passes(minutes=60)
    office.begins()
    assert states(office) == [State.OPEN]


def begins_without_the_address() -> Office:
    """Somebody new has her address when her time comes; Zoom is out before anything there has ended."""
    office = Office()
    office.hears_and_works("scheduled", effective_at=at(60 * 24))
    office.zoom.users |= {ADA_ID: "ada.of.old@example.com", "new-id": ADA}
    office.clock.passes(days=1)
    office.begins()
    office.weather.out_of_order |= {each: ProviderUnavailable("out of order") for each in ("zoom", "venafi")}
    return office


def test_a_planned_leaver_without_an_address_any_more_leaves_under_the_other_names() -> None:
    office = begins_without_the_address()
    assert (states(office), office.people.under_tombstones) == ([State.OPEN], {ADA_ID})


def test_a_word_at_an_address_that_her_case_has_lost_waits_for_a_person() -> None:
    office = begins_without_the_address()
    office.deliver(office.hears(source="okta"))
    assert office.reasons() == ["it can not be told who is meant: a case of somebody else at this address is under way"]
    assert office.case.names == (ADA_ID,)


def test_that_is_seen_where_such_a_word_joins_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = begins_without_the_address()
    monkeypatch.setattr(Case, "lost_addresses", frozenset())
    begun.deliver(begun.hears(source="okta"))
    assert begun.case.names == (ADA_ID, ADA)


# --- not at all ---


def test_cancelled_before_its_time_stops_it() -> None:
    office = Office()
    office.hears_and_works("scheduled", effective_at=at(60))
    office.clock.passes(minutes=10)
    office.hears_and_works("cancelled")
    office.clock.passes(minutes=60)
    office.minute()
    office.works()
    assert states(office) == [State.CANCELLED]
    assert office.commands() == []
    assert office.access_of(ADA) == {"session", "grants", "user token"}
    assert [each["state"] for each in office.announced("OffboardingCancelled")] == ["cancelled"]


@pytest.mark.parametrize("done", [0, 1, 4])
def test_a_cancellation_of_what_has_begun_is_refused_in_sight_and_the_tombstones_stay(done: int) -> None:
    office = Office()
    office.deliver(office.hears())
    for message in office.queued[:done]:
        office.deliver(message)
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled")
    assert office.heard.fates[-1].fate == "refused"
    assert office.heard.fates[-1].because == BEGUN
    assert states(office) == [State.COMPLETED]
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_reinstated_stops_what_is_outstanding_lifts_the_tombstones_and_claims_nothing_else() -> None:
    office = Office()
    office.deliver(office.hears())
    office.deliver(office.queued[0])
    office.clock.passes(minutes=1)
    office.deliver(office.hears("reinstated"))
    office.works()
    # The session had ended, and stays so; the rest was not touched.
    assert office.access_of(ADA) == {"grants", "user token"}
    assert office.people.under_tombstones == set()
    assert states(office) == [State.REINSTATED]
    outcomes = {entry: each.outcome for (_, entry), each in office.receipts.items.items()}
    assert outcomes == {
        "RevokeSsoToken#zoom/acme": "revoked",
        "RevokeGrants#venafi/acme": "refused",
        "PurgeUserTokens#zoom/acme": "refused",
    }
    assert office.announced("OffboardingCompleted") == []


def test_reinstated_after_the_end_lifts_the_tombstones_and_leaves_the_case_as_true_as_it_was() -> None:
    office = Office()
    office.hears_and_works()
    before = office.case
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    assert office.people.under_tombstones == set()
    assert (office.case.state, office.case.head) == (State.COMPLETED, before.head)
    assert office.announced("OffboardingCancelled") == []


def test_a_later_departure_after_a_reinstatement_is_a_new_case() -> None:
    office = Office()
    office.hears_and_works()
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    office.logs_in(ADA)
    office.clock.passes(minutes=1)
    office.hears_and_works()
    assert states(office) == [State.COMPLETED, State.COMPLETED]
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_what_takes_a_departure_back_may_come_before_it(kind: str) -> None:
    office = Office()
    office.clock.passes(minutes=6)
    office.hears_and_works(kind, occurred_at=at(5))
    office.hears_and_works(occurred_at=at(0))
    assert office.cases.every == []
    assert office.people.under_tombstones == set()
    assert office.access_of(ADA) == {"session", "grants", "user token"}


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
@pytest.mark.parametrize("order", [(0, 5), (5, 0)])
def test_what_takes_an_earlier_departure_back_does_not_take_back_a_later_one(kind: str, order: tuple[int, int]) -> None:
    office = Office()
    office.clock.passes(minutes=6)
    for minute in order:
        office.deliver(office.hears(occurred_at=at(minute), source=f"source-{minute}"))
    office.hears(kind, occurred_at=at(3))
    office.works()
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_departure_that_was_killed_on_its_way_and_cancelled_meanwhile_does_not_rise_again() -> None:
    office = Office()
    message = office.hears()

    def watch(name: str, moment: Moment) -> None:
        if (name, moment) == ("add case", "before"):
            raise Killed

    office.effects.watch = watch
    with pytest.raises(Killed):
        office.deliver(message)
    office.effects.dead.clear()
    office.effects.watch = lambda _name, _moment: None
    office.clock.passes(minutes=1)
    office.deliver(office.hears("cancelled"))
    office.works()
    assert office.access_of(ADA) == {"session", "grants", "user token"}
    assert office.people.under_tombstones == set()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_what_takes_it_back_in_between_leaves_everything_or_is_refused(kind: str, moment: Moment) -> None:
    place = 0
    while True:
        office = Office()
        departure = office.hears()
        office.clock.passes(minutes=1)
        back = office.hears(kind)
        met = office.effects.interrupt(place, moment, partial(office.deliver, back))
        office.deliver(departure)
        if not met:
            break
        office.works()
        if kind == "cancelled" and BEGUN in [each.because for each in office.heard.fates]:
            assert office.people.under_tombstones == {ADA, ADA_ID}, (place, moment)
            assert office.access_of(ADA) == set(), (place, moment)
        else:
            assert office.people.under_tombstones == set(), (place, moment)
            assert office.access_of(ADA) == {"session", "grants", "user token"}, (place, moment)
        place += 1
    assert place > 15


# --- late commands ---


def test_a_late_command_of_such_a_case_is_refused() -> None:
    office = Office()
    office.deliver(office.hears())
    late = list(office.queued)
    office.clock.passes(minutes=1)
    office.deliver(office.hears("reinstated"))
    office.clock.passes(days=3)
    office.works()
    assert office.zoom.asked == [("get_user", ADA), ("get_user", ADA)]
    # Once more, as SQS may.
    office.queued += late
    office.works()
    assert office.zoom.asked == [("get_user", ADA), ("get_user", ADA)]
    assert {each.outcome for each in office.receipts.items.values()} == {"refused"}


def test_a_parked_command_that_is_sent_back_after_that_is_refused() -> None:
    office = Office()
    office.venafi.people[ADA].append("local:{another-ada}")
    office.hears_and_works()
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    office.venafi.people[ADA].pop()
    office.redrive()
    office.works()
    assert "grants" in office.access_of(ADA)
    assert office.receipts.items[office.case.case_id, "RevokeGrants#venafi/acme"].outcome == "refused"


def test_a_replayed_event_is_parked() -> None:
    office = Office()
    office.queue(
        "StartOffboarding",
        {
            "detail-type": "OffboardingRequested",
            "source": "leaver.hr",
            "id": "1",
            "time": at(0),
            "replay-name": "again",
            "detail": {
                "event_id": "hr-1",
                "source": "hr-system",
                "kind": "immediate",
                "subject": {"email": ADA},
                "effective_at": at(0),
                "occurred_at": at(0),
            },
        },
    )
    office.works()
    assert office.cases.every == []
    assert office.reasons() == ["a replayed event is not carried out: send the command anew if it is meant"]


def test_a_command_of_a_case_that_is_not_there_is_parked() -> None:
    office = Office()
    office.queue("RevokeSsoToken", {"user_id": ADA, "case_id": "c-made-up"})
    office.works()
    assert office.reasons() == ["case_id: expected the id of a case that exists"]
    assert "session" in office.access_of(ADA)


# --- steps that do not come off ---


def test_a_step_that_fails_for_good_keeps_the_case_open_and_visible_and_a_redrive_finishes_it() -> None:
    office = Office()
    office.venafi.people[ADA].append("local:{another-ada}")
    office.hears_and_works()
    assert states(office) == [State.OPEN]
    assert office.case.watch_at is not None
    assert office.receipts.items[office.case.case_id, "RevokeGrants#venafi/acme"].outcome == "failed"
    office.venafi.people[ADA].pop()
    office.redrive()
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.access_of(ADA) == set()
    assert [each for each in office.zoom.asked if each[0] == "delete_user_token"] == [("delete_user_token", ADA_ID)]


def forgotten(office: Office) -> None:
    """Zoom forgets Ada after it has said who she is."""
    office.deliver(office.hears())
    office.zoom.users.clear()
    office.works()


def test_a_user_who_is_gone_is_done_with_where_zoom_had_confirmed_who_is_meant() -> None:
    office = Office()
    forgotten(office)
    assert office.receipts.items[office.case.case_id, "RevokeSsoToken#zoom/acme"].outcome == "user_not_found"
    assert office.case.state is State.COMPLETED
    assert office.announced("SsoTokenRevoked") == []


@pytest.mark.parametrize(
    ("told", "state"), [({}, State.OPEN), ({"venafi": {"name": "ada"}}, State.COMPLETED)], ids=["address", "name"]
)
def test_one_whom_venafi_never_knew_is_done_with_where_hr_had_named_them_for_venafi(
    told: dict[str, dict[str, str]], state: State
) -> None:
    office = Office()
    office.venafi.people[ADA] = []
    office.venafi.grants.clear()
    office.hears_and_works(subject={"identities": told})
    assert office.receipts.items[office.case.case_id, "RevokeGrants#venafi/acme"].outcome == "user_not_found"
    # What Zoom knows of Ada says nothing of Venafi.
    assert office.case.identities == {"zoom/acme": ADA_ID}
    assert states(office) == [state]
    assert office.announced("GrantsRevoked") == []


def test_a_user_whom_zoom_never_knew_is_not_done_with() -> None:
    office = Office()
    office.zoom.users = {"else": "somebody.else@example.com"}
    office.hears_and_works()
    assert "RevokeSsoToken#zoom/acme" in office.case.outstanding
    assert office.announced("OffboardingCompleted") == []


def test_but_for_a_deployment_that_says_so() -> None:
    office = Office(missing_is_done=True)
    office.zoom.users = {"else": "somebody.else@example.com"}
    office.hears_and_works()
    assert office.case.state is State.COMPLETED


def test_an_id_that_is_confirmed_later_proves_nothing_of_the_name_that_was_not_found() -> None:
    office = Office()
    office.zoom.users[ADA_ID] = "ada.king@example.com"
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("out of order")))
    office.hears_and_works()
    assert office.receipts.items[office.case.case_id, "RevokeSsoToken#zoom/acme"].outcome == "user_not_found"
    office.clock.passes(minutes=1)
    office.zoom.aliases[ADA] = ADA_ID
    office.hears_and_works(source="okta")
    assert ADA_ID in office.zoom.sessions
    assert states(office) == [State.OPEN]
