"""A case begins: every step recorded first, then the tombstones, then the commands; whatever crash comes in between."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any, get_args

import pytest

from leaver.cases.states import State
from leaver.connections.record import Status
from leaver.errors import InvalidToken, NeedsReauthorization, NoSlot, ProviderUnavailable, Rejected, Throttled
from leaver.outcomes import Outcome
from tests.cases.attempts.seen import Company
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Message, Office
from tests.doubles.steps import Killed, Moment

ALL_STEPS = ["RevokeSsoToken#zoom/acme", "RevokeGrants#venafi/acme", "PurgeUserTokens#zoom/acme"]
MOMENTS: tuple[Moment, ...] = get_args(Moment)


def sent(office: Office) -> list[str]:
    return [f"{each['command']}#{PROVIDER[each['command']]}/{each['account']}" for each in office.commands()]


PROVIDER = {
    "RevokeSsoToken": "zoom",
    "RevokeGrants": "venafi",
    "PurgeUserTokens": "zoom",
    "DeactivateUser": "zoom",
}


def test_everything_that_must_end_is_a_step_and_ends() -> None:
    office = Office()
    assert office.access_of(ADA) == {"session", "grants", "user token"}
    office.hears_and_works()
    assert [step.name for step in office.case.steps] == ALL_STEPS
    assert sent(office) == ALL_STEPS
    assert office.access_of(ADA) == set()
    assert (office.case.state, office.case.outstanding) == (State.COMPLETED, ())


def test_commands_carry_the_case_the_urgency_and_the_time_of_the_event() -> None:
    office = Office()
    office.hears_and_works(urgency="urgent", occurred_at="2026-11-22T09:00:00Z", effective_at="2026-11-22T09:10:00Z")
    for command in office.commands():
        assert (command["case_id"], command["urgency"]) == (office.case.case_id, "urgent")
        assert command["requested_at"] == "2026-11-22T09:10:00Z"
    assert {command["user_id"] for command in office.commands() if "user_id" in command} == {ADA_ID}


def test_where_the_deployment_opts_in_the_account_is_deactivated_and_the_session_ended_once_more() -> None:
    office = Office(deactivates=True)
    office.hears_and_works()
    assert [step.name for step in office.case.steps] == [*ALL_STEPS, "DeactivateUser#zoom/acme"]
    asked = [operation for operation, _ in office.zoom.asked]
    assert "delete_user_token" in asked[asked.index("deactivate_user") :]
    assert office.zoom.deactivated == {ADA_ID}


def test_personal_connections_are_revoked_and_service_ones_wait_for_a_person() -> None:
    office = Office()
    office.connects("zoom-ada", ADA)
    office.connects("zoom-all", ADA, role="service")
    office.connects("zoom-ben", "ben@example.com")
    office.hears_and_works()
    assert [step.name for step in office.case.steps] == [
        "RevokeSsoToken#zoom/acme",
        "RevokeAccessToken#zoom-ada",
        "RevokeGrants#venafi/acme",
        "PurgeUserTokens#zoom/acme",
        "ReplaceServiceConnection#zoom-all",
    ]
    assert not office.grants["zoom-ada"].alive
    assert office.grants["zoom-all"].alive
    assert office.grants["zoom-ben"].alive
    # Leaver is not switched off, and nobody is told that all is done.
    assert (office.case.state, office.case.outstanding) == (State.OPEN, ("ReplaceServiceConnection#zoom-all",))
    assert office.announced("OffboardingCompleted") == []


def test_a_leaver_on_whom_leaver_depends_does_not_stop_the_other_cases() -> None:
    office = Office()
    office.table.alter("zoom", owner=ADA)
    office.hire("ben@example.com", "ben-id", "local:{ben}")
    office.hears_and_works()
    office.hears_and_works(email="ben@example.com")
    assert office.access_of(ADA) == office.access_of("ben@example.com") == set()
    assert {case.email: case.state for case in office.cases.every} == {
        ADA: State.OPEN,
        "ben@example.com": State.COMPLETED,
    }


@pytest.mark.parametrize("owner", [ADA, ADA_ID])
def test_a_connection_is_somebodys_under_each_of_their_names(owner: str) -> None:
    office = Office()
    office.connects("zoom-ada", owner)
    office.hears_and_works()
    assert not office.grants["zoom-ada"].alive


def test_a_connection_that_is_revoked_is_no_step() -> None:
    office = Office()
    office.connects("zoom-ada", ADA)
    office.table.alter("zoom-ada", status=Status.REVOKED, revoked_outcome=Outcome.REVOKED)
    office.hears_and_works()
    assert [step.name for step in office.case.steps] == ALL_STEPS


def test_without_any_connection_nothing_is_claimed_and_every_provider_has_its_steps() -> None:
    office = Office()
    office.table.records.clear()
    office.hears_and_works()
    assert office.case.state is State.OPEN
    assert office.case.outstanding == ("RevokeSsoToken#zoom", "RevokeGrants#venafi", "PurgeUserTokens#zoom")
    assert office.commands() == []


# --- names ---


def test_the_tombstone_stands_on_every_name() -> None:
    office = Office()
    office.zoom.users[ADA_ID], office.zoom.aliases[ADA] = "ada.king@example.com", ADA_ID
    office.hears_and_works()
    assert office.people.under_tombstones == {ADA, "ada.king@example.com", ADA_ID}


@pytest.mark.parametrize(
    ("told", "remembered"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("a\u0301da@example.com", "\u00e1da@example.com"),
        ("stra\u00dfe@example.com", "strasse@example.com"),
    ],
)
def test_addresses_are_remembered_in_nfc_and_case_folded(told: str, remembered: str) -> None:
    office = Office()
    office.table.records.pop("zoom")
    office.hears(email=told)
    office.works()
    assert office.people.under_tombstones == {remembered}


def test_ids_are_remembered_verbatim() -> None:
    office = Office()
    office.hears_and_works()
    assert office.people.gone([ADA_ID])
    assert not office.people.gone([ADA_ID.lower()])


@pytest.mark.parametrize("email", ["j\u00fcrgen@example.com", "john%2e@example.com"])
def test_an_address_that_can_not_stand_in_zooms_path_still_loses_its_grants(email: str) -> None:
    office = Office()
    office.hire(email, "zoom-id", "local:{them}", kept=False)
    office.hears_and_works(email=email)
    assert "grants" not in office.access_of(email)
    assert office.case.outstanding == ("RevokeSsoToken#zoom/acme", "PurgeUserTokens#zoom/acme")
    said = {step.refused for step in office.case.steps if step.provider == "zoom"}
    assert said == {"user_id: expected a Zoom user id or an e-mail address"}


def test_one_whom_zoom_knows_by_an_id_loses_everything_whatever_the_address() -> None:
    office, email = Office(), "j\u00fcrgen@example.com"
    office.hire(email, "zoom-id", "local:{them}", kept=False)
    office.hears_and_works(email=email, subject={"identities": {"zoom": {"id": "zoom-id"}}})
    assert (office.access_of(email), office.case.state) == (set(), State.COMPLETED)


# --- Zoom says who is meant, if it can ---


@pytest.mark.parametrize(
    "error",
    [ProviderUnavailable("out of order"), NeedsReauthorization("dead"), Rejected("missing scopes")],
    ids=lambda error: type(error).__name__,
)
def test_venafi_is_not_kept_waiting_by_a_zoom_that_is_out_of_order(error: Any) -> None:
    office = Office()
    office.weather.out_of_order["zoom"] = error
    message = office.hears()
    assert office.deliver(message)
    for each in list(office.queued):
        office.deliver(each)
    assert office.access_of(ADA) == {"session", "user token"}
    assert office.case.state is State.OPEN
    assert office.people.under_tombstones == {ADA}


@pytest.mark.parametrize(
    "error",
    [InvalidToken("124"), Throttled("per second", until=NOW + timedelta(seconds=1))],
    ids=lambda error: type(error).__name__,
)
def test_a_stale_token_or_a_limit_is_waited_for_but_not_long(error: Any) -> None:
    office = Office()
    office.weather.out_of_order["zoom"] = error
    message = office.hears()
    assert not office.deliver(message)
    assert office.cases.every == []
    office.clock.passes(minutes=3)
    assert office.deliver(message)
    for each in list(office.queued):
        office.deliver(each)
    assert "grants" not in office.access_of(ADA)
    assert office.case.state is State.OPEN


@pytest.mark.parametrize(
    "error",
    [
        Throttled("per day", until=NOW.replace(day=23), for_the_day=True),
        NoSlot("the account is closed", until=NOW + timedelta(hours=1)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_zoom_that_is_closed_for_longer_is_not_waited_for_at_all(error: Any) -> None:
    office = Office()
    office.weather.out_of_order["zoom"] = error
    assert office.deliver(office.hears())
    for each in list(office.queued):
        office.deliver(each)
    assert "grants" not in office.access_of(ADA)
    assert office.people.under_tombstones == {ADA}


def test_where_many_leave_at_once_a_slot_is_waited_for_longer_for_without_zoom_something_might_be_missed() -> None:
    office = Office()
    office.weather.out_of_order["zoom"] = NoSlot("not yet", until=NOW + timedelta(seconds=5))
    message = office.hears()
    assert not office.deliver(message)
    office.clock.passes(minutes=14)
    assert not office.deliver(message)
    assert office.cases.every == []
    office.clock.passes(minutes=2)
    assert office.deliver(message)
    assert office.case.state is State.OPEN


def test_venafis_most_exact_name_is_used() -> None:
    office = Office()
    office.hears_and_works(subject={"identities": {"venafi": {"prefixed_universal": ADA_UNIVERSAL}}})
    (grants,) = [each for each in office.commands() if each["command"] == "RevokeGrants"]
    assert grants["grantee_prefixed_universal"] == ADA_UNIVERSAL


def test_an_ambiguous_identity_is_refused_and_said_and_the_case_stays_open() -> None:
    office = Office()
    office.venafi.people[ADA].append("local:{another-ada}")
    office.hears_and_works()
    assert office.reasons() == ["ambiguous identity"]
    assert office.case.outstanding == ("RevokeGrants#venafi/acme",)
    assert office.announced("OffboardingCompleted") == []


# --- the order of effects, and a crash at each ---


def test_first_the_case_is_recorded_then_the_tombstones_are_raised_then_the_commands_are_sent() -> None:
    office = Office()
    message = office.hears()
    states: list[tuple[str, int, int, int]] = []

    def watch(name: str, moment: Moment) -> None:
        if moment == "after":
            cases, gone = len(office.cases.items.kept), len(office.people.under_tombstones)
            states.append((name, cases, gone, len(office.commands())))

    office.effects.watch = watch
    office.deliver(message)
    assert all(cases == 1 for _, cases, gone, _ in states if gone)
    assert all(gone == 2 for _, _, gone, commands in states if commands)
    assert [name for name, *_ in states if name in {"add case", "put events"}] == [
        "add case",
        "put events",
        "put events",
    ]
    recorded = next(each for each in states if each[0] == "add case")
    assert recorded == ("add case", 1, 0, 0)


def test_to_begin_an_immediate_case_asks_the_table_nothing_twice() -> None:
    office = Office()
    message = office.hears()
    effects: list[str] = []
    office.effects.watch = lambda name, moment: effects.append(name) if moment == "before" else None
    office.deliver(message)
    of_connections = {"read record"}
    asked = {"read", "add", "write", "query", "count", "mark"}
    assert [name for name in effects if name.split()[0] in asked and name not in of_connections] == [
        "add heard",
        # whether either of her names has a case
        *("read name", "read name", "add name", "add name"),
        *("read mark", "count case", "mark counted"),
        # under way
        "add case",
        # the tombstones, and whether anybody has taken it back meanwhile
        *("write name", "write name", "read case"),
        # announced
        "write case",
        "add heard",
    ]


def crashes(begin: Callable[[], tuple[Office, Message]], moment: Moment) -> Iterator[Office]:
    """The office after a function was killed while it carried out the message, once for each effect on its way."""
    for place in count():
        office, message = begin()
        if not killed(office, message, place, moment):
            return
        yield office


def killed(office: Office, message: Message, place: int, moment: Moment) -> bool:
    seen = -1

    def watch(_name: str, when: Moment) -> None:
        nonlocal seen
        seen += when == "before"
        if seen == place and when == moment:
            raise Killed

    return dies(office, message, watch)


def dies(office: Office, message: Message, watch: Callable[[str, Moment], None]) -> bool:
    """Let a function carry out the message while its effects are watched; tells whether it was killed."""
    office.effects.watch = watch
    try:
        office.deliver(message)
    except Killed:
        return True
    finally:
        # The next process is another one.
        office.effects.dead.clear()
        office.effects.watch = lambda _name, _moment: None
    return False


@pytest.mark.parametrize("moment", MOMENTS)
def test_whatever_the_crash_at_the_beginning_redelivery_finishes_it(moment: Moment) -> None:
    def begin() -> tuple[Office, Message]:
        office = Office()
        return office, office.hears()

    offices = list(crashes(begin, moment))
    assert len(offices) > 15
    for office in offices:
        office.works()
        assert office.access_of(ADA) == set()
        assert office.people.under_tombstones == {ADA, ADA_ID}
        assert office.case.state is State.COMPLETED
        told = {each["announcement_id"] for each in office.announced("OffboardingStarted")}
        assert told == {f"{office.case.case_id}/OffboardingStarted"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_whatever_the_crash_at_the_beginning_the_watch_finishes_what_was_recorded(moment: Moment) -> None:
    def begin() -> tuple[Office, Message]:
        office = Office()
        return office, office.hears()

    recorded = 0
    for office in crashes(begin, moment):
        # The event is delivered no more.
        office.queued = [each for each in office.queued if each.command != "StartOffboarding"]
        # What has begun is looked at in a minute, and what nobody heard of is waited for no longer.
        for _ in range(2):
            office.clock.passes(minutes=1)
            office.minute()
            office.works()
        if office.cases.every:
            recorded += 1
            assert office.access_of(ADA) == set()
            assert office.people.under_tombstones == {ADA, ADA_ID}
            assert office.case.state is State.COMPLETED
    assert recorded > 5


@pytest.mark.parametrize("is_redelivered", [True, False])
@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_whatever_the_crash_who_came_back_just_before_the_case_was_recorded_keeps_everything(
    kind: str, *, is_redelivered: bool
) -> None:
    for place in count():
        office = Office()
        message = office.hears()
        office.clock.passes(seconds=1)
        back = office.hears(kind, event_id="hr-2")
        if not killed_behind_a_return(office, message, back, place):
            break
        if not is_redelivered:
            office.queued.remove(message)
        for _ in range(3):
            office.clock.passes(minutes=5)
            office.minute()
            office.works()
        assert office.access_of(ADA) == {"session", "grants", "user token"}, place
        assert office.people.under_tombstones == set(), place
        assert office.case.state is State.CANCELLED
    assert place > 5


def killed_behind_a_return(office: Office, message: Message, back: Message, place: int) -> bool:
    """Let the function that carries out the message die at an effect after the return, which comes before the case."""
    seen = -1

    def return_first(name: str, when: Moment) -> None:
        if (name, when) == ("add case", "before"):
            office.effects.watch = lambda _name, _moment: None
            assert office.deliver(back)
            office.effects.watch = die_then

    def die_then(_name: str, when: Moment) -> None:
        nonlocal seen
        seen += when == "after"
        if seen == place:
            raise Killed

    return dies(office, message, return_first)


def test_no_case_is_completed_before_its_tombstones_stand_whoever_closed_its_steps() -> None:
    office = Office()
    message = office.hears()
    assert dies(office, message, lambda name, when: die_at(name, when, "add case"))
    office.queued.clear()
    assert office.people.under_tombstones == set()
    for step in office.case.outstanding:
        told = {"case": office.case.case_id, "decision": "close", "step": step, "because": "by hand"}
        office.queue("StartOffboarding", told)
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.people.under_tombstones == {ADA, ADA_ID}


def die_at(name: str, when: Moment, effect: str) -> None:
    if (name, when) == (effect, "after"):
        raise Killed


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", range(3))
def test_whatever_the_crash_in_a_step_redelivery_finishes_it(step: int, moment: Moment) -> None:
    def begin() -> tuple[Office, Message]:
        office = Office()
        office.deliver(office.hears())
        return office, office.queued[step]

    for office in crashes(begin, moment):
        office.works()
        assert office.access_of(ADA) == set()
        assert office.case.state is State.COMPLETED
        assert office.announced("OffboardingCompleted")


@pytest.mark.parametrize("moment", MOMENTS)
def test_whatever_the_crash_of_the_last_step_it_is_sealed_all_the_same(moment: Moment) -> None:
    def begin() -> tuple[Office, Message]:
        office = Office()
        office.deliver(office.hears())
        while len(office.queued) > 1:
            office.deliver(office.queued[0])
        return office, office.queued[0]

    for office in crashes(begin, moment):
        office.works()
        assert office.case.state is State.COMPLETED
        assert office.case.head
        assert office.announced("OffboardingCompleted")


def test_what_ended_before_the_day_is_signed_and_told_as_everything_else() -> None:
    company = Company()
    company.connects("bens-office", ADA, role="service")
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(hours=1)).isoformat())
    company.hands_over("bens-office", "it@example.com", ended=Outcome.REVOKED)
    company.waits(5, hours=1)
    assert len(company.announced("OffboardingCompleted")) == 1
    assert company.case.evidence is not None
