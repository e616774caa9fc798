"""The ceiling: however urgent, no more people an hour than may be; what is above it waits for a person."""

from typing import Any

import pytest

from leaver.cases.ceiling import Ceiling
from leaver.cases.states import State
from leaver.messages.envelope import Envelope
from tests.doubles.office import Office

PEOPLE = [f"person-{number}@example.com" for number in range(12)]


def office_of(most: int = 4, *, routine_limit: int = 100) -> Office:
    office = Office(most=most, routine_limit=routine_limit, deactivates=True)
    for number, email in enumerate(PEOPLE):
        office.hire(email, f"id-{number}", f"local:{{{number}}}")
    return office


def states(office: Office) -> list[State]:
    return [case.state for case in office.cases.every]


def whole(office: Office) -> list[str]:
    """Who has lost nothing."""
    return [email for email in PEOPLE if len(office.access_of(email)) == 3]


@pytest.mark.parametrize("kind", ["immediate", "contain"])
def test_urgent_cases_are_held_above_the_ceiling_and_one_source_has_half_of_it(kind: str) -> None:
    office = office_of()
    for number, email in enumerate(PEOPLE):
        office.hears_and_works(kind, email, urgency="urgent", source=f"source-{number % 3}")
    assert states(office).count(State.HELD) == 8
    assert whole(office) == PEOPLE[4:]
    # once for everybody's limit, and once for that of the source which reached its half
    assert [each["subject"] for each in office.announced("OffboardingHeld")] == [PEOPLE[4], PEOPLE[6]]


def test_one_source_may_use_half_and_the_rest_is_there_for_the_others() -> None:
    office = office_of()
    for email in PEOPLE[:6]:
        office.hears_and_works(email=email, urgency="urgent", source="broken")
    assert whole(office) == PEOPLE[2:]
    for email in PEOPLE[6:8]:
        office.hears_and_works(email=email, source="sound")
    assert whole(office) == [*PEOPLE[2:6], *PEOPLE[8:]]


def test_whom_the_guard_holds_uses_up_nothing_of_the_ceiling() -> None:
    office = office_of(most=8, routine_limit=1)
    for email in PEOPLE[:8]:
        office.hears_and_works(email=email)
    office.hears_and_works(email=PEOPLE[8], urgency="urgent")
    assert PEOPLE[8] not in whole(office)


def test_whoever_is_released_passes_and_is_not_counted() -> None:
    office = office_of(most=2)
    for email in PEOPLE[:3]:
        office.hears_and_works(email=email, urgency="urgent")
    held = [case for case in office.cases.every if case.state is State.HELD]
    assert [case.email for case in held] == PEOPLE[1:3]
    for case in held:
        office.queue("StartOffboarding", {"case": case.case_id, "decision": "release"})
    office.works()
    office.hears_and_works(email=PEOPLE[4], source="another")
    assert whole(office) == [PEOPLE[3], *PEOPLE[5:]]


def test_a_persons_word_passes() -> None:
    office = office_of(most=2)
    for email in PEOPLE[:4]:
        office.hears_and_works(email=email, source="operator")
    assert whole(office) == PEOPLE[4:]


def commands(office: Office, command: str = "DeactivateUser") -> None:
    for number in range(len(PEOPLE)):
        office.queue(command, {"user_id": f"id-{number}", "connection": "zoom"})
    office.works()


def test_commands_by_hand_are_dead_lettered_above_the_ceiling() -> None:
    office = office_of()
    commands(office)
    assert len(office.zoom.deactivated) == 4
    assert [reason.partition(":")[0] for reason in office.reasons()] == ["ceiling"] * 8


def test_several_commands_on_one_person_count_once() -> None:
    office = office_of(most=1)
    for command in ("RevokeSsoToken", "DeactivateUser", "RevokeSsoToken"):
        office.queue(command, {"user_id": PEOPLE[0], "connection": "zoom"})
    office.hears_and_works(email=PEOPLE[0])
    assert office.reasons() == []
    assert PEOPLE[0] not in whole(office)


def test_a_case_and_what_is_sent_beside_it_count_once() -> None:
    office = office_of(most=2)
    office.hears_and_works("contain", PEOPLE[0], source="soc")
    office.hears_and_works("contain", PEOPLE[1], source="another")
    assert office.reasons() == []
    assert whole(office) == PEOPLE[2:]


def test_the_steps_of_a_case_are_not_counted_again() -> None:
    office = office_of(most=2)
    office.hears_and_works(email=PEOPLE[0])
    office.queue("RevokeSsoToken", {"user_id": PEOPLE[1], "connection": "zoom"})
    office.works()
    assert office.reasons() == []


def test_a_retry_in_a_later_hour_is_counted_in_the_hour_when_the_command_came() -> None:
    office = office_of(most=1)
    message = office.queue("RevokeSsoToken", {"user_id": PEOPLE[0], "connection": "zoom"})
    message.first_received_at = office.clock()
    office.clock.passes(hours=1)
    office.works()
    office.queue("RevokeSsoToken", {"user_id": PEOPLE[1], "connection": "zoom"})
    office.works()
    assert office.reasons() == []


def test_what_a_person_sends_back_is_carried_out() -> None:
    office = office_of()
    commands(office)
    for number in range(4, 12):
        message = office.queue("DeactivateUser", {"user_id": f"id-{number}", "connection": "zoom"})
        message.before_parking = f"before-{number}"
    office.works()
    assert len(office.zoom.deactivated) == len(PEOPLE)


def test_those_tests_see_it_where_the_ceiling_counts_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ceiling, "is_above", lambda *_: False)
    with pytest.raises(AssertionError):
        test_commands_by_hand_are_dead_lettered_above_the_ceiling()


def test_those_tests_see_it_where_it_lets_what_is_urgent_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    find_exceeded = Ceiling.find_exceeded

    def lets_pass(self: Ceiling, case: Any, now: Any) -> str | None:
        return None if case.urgency == "urgent" else find_exceeded(self, case, now)

    monkeypatch.setattr(Ceiling, "find_exceeded", lets_pass)
    with pytest.raises(AssertionError):
        test_urgent_cases_are_held_above_the_ceiling_and_one_source_has_half_of_it("immediate")


def test_those_tests_see_it_where_one_source_may_use_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_exceeded = Ceiling.find_exceeded

    def of_nobody(self: Ceiling, case: Any, now: Any) -> str | None:
        return find_exceeded(self, case.model_copy(update={"source": case.email}), now)

    monkeypatch.setattr(Ceiling, "find_exceeded", of_nobody)
    with pytest.raises(AssertionError):
        test_one_source_may_use_half_and_the_rest_is_there_for_the_others()


def test_those_tests_see_it_where_what_a_person_sent_back_is_stopped_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Envelope, "redriven", False)
    with pytest.raises(AssertionError):
        test_what_a_person_sends_back_is_carried_out()
