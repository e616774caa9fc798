"""A person closes a step that no provider's word will end: the case ends, and says whose word that was."""

from typing import Any, Final

import pytest

from functions.start_offboarding.app import Decision
from leaver.cases import completion
from leaver.cases.record import DONE
from leaver.cases.seal import head_of
from leaver.cases.states import State
from leaver.errors import BadMessage
from leaver.messages.commands import parse
from leaver.outcomes import Outcome
from tests.doubles.office import ADA, Office
from tests.doubles.steps import Killed, Moment, die

#: who sends whatever arrives at the office, by SQS's word
SENDER: Final = "AIDAIENQZJOLO23YVJ4VO"
STEP: Final = "RevokeSsoToken#zoom/acme"
BECAUSE: Final = "IT deleted her account by hand, ticket 7"


@pytest.fixture
def office() -> Office:
    """Zoom does not know Ada: her session's step ends by nobody's word."""
    office = Office()
    office.zoom.users.clear()
    office.hears_and_works()
    assert office.case.state is State.OPEN
    assert STEP in office.case.outstanding
    return office


def closes(office: Office, step: str = STEP, because: str = BECAUSE, **told: Any) -> None:
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "close", "step": step} | told)
    office.queued[-1].body["because"] = because
    office.works()


def minute(office: Office) -> None:
    office.clock.passes(minutes=1)
    office.minute()
    office.works()


def test_the_case_ends_by_a_persons_word_and_says_so_everywhere(office: Office) -> None:
    closes(office)
    minute(office)
    case = office.case
    assert case.state is State.COMPLETED
    receipt = office.cases.read_receipts(case.case_id)[STEP]
    assert receipt.outcome is Outcome.CLOSED
    assert receipt.outcome not in DONE
    assert receipt.details == {"who": SENDER, "because": BECAUSE, "before": "user_not_found"}
    assert receipt.time_to_revoke is None
    closed = {"what": "a step that a person closed", "step": STEP, "system": "zoom", "who": SENDER, "because": BECAUSE}
    assert closed in case.residual
    (told,) = office.announced("OffboardingCompleted")
    assert closed in told["residual"]
    (said,) = office.announced("StepClosed")
    assert (said["case_id"], said["outcome"], said["details"]["who"]) == (case.case_id, "closed", SENDER)
    stored = office.cases.read_stored(case.case_id)
    assert head_of(stored["case"], stored) == case.head


def test_the_case_ends_at_once_and_not_with_the_next_minute(office: Office) -> None:
    closes(office)
    assert office.case.state is State.COMPLETED


def test_a_case_of_which_something_else_is_outstanding_stays_open(office: Office) -> None:
    office.connects("service", ADA, role="service")
    minute(office)
    office.hears_and_works()
    closes(office)
    minute(office)
    assert office.case.state is State.OPEN
    assert office.case.outstanding == ("ReplaceServiceConnection#service",)


def test_nobody_says_whose_word_it_was_but_sqs(office: Office) -> None:
    closes(office, who="somebody else")
    assert office.cases.read_receipts(office.case.case_id)[STEP].details["who"] == SENDER


def test_what_has_ended_is_not_closed(office: Office) -> None:
    ended = office.cases.read_receipts(office.case.case_id)["RevokeGrants#venafi/acme"]
    closes(office, "RevokeGrants#venafi/acme")
    assert office.cases.read_receipts(office.case.case_id)["RevokeGrants#venafi/acme"] == ended
    assert office.heard.fates[-1].fate == "refused"
    assert office.announced("StepClosed") == []


def test_what_ended_at_the_provider_and_is_not_counted_yet_is_not_closed() -> None:
    office = Office()
    office.deliver(office.hears())
    office.deliver(office.queued[0])
    asked = {"case": office.case.case_id, "decision": "close", "step": STEP, "because": BECAUSE}
    office.deliver(office.queue("StartOffboarding", asked))
    assert office.cases.read_receipts(office.case.case_id)[STEP].outcome is Outcome.REVOKED
    assert office.heard.fates[-1].fate == "refused"


@pytest.mark.parametrize("step", ["RevokeSsoToken#zoom/twin", "nonsense"])
def test_what_is_no_step_is_not_closed(office: Office, step: str) -> None:
    before = dict(office.receipts.items)
    closes(office, step)
    assert office.heard.fates[-1].fate == "refused"
    assert office.receipts.items == before


def test_a_step_of_a_case_that_is_over_or_sealed_is_not_closed(office: Office) -> None:
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated")
    before = dict(office.receipts.items)
    closes(office)
    assert office.heard.fates[-1].fate == "refused"
    assert office.receipts.items == before


def test_a_case_that_is_not_there_is_parked(office: Office) -> None:
    closes(office, case="c-nobody")
    assert office.reasons() == ["case: expected the id of a case that exists"]


def test_a_step_of_which_nothing_was_heard_can_be_closed_and_its_command_is_not_carried_out_any_more() -> None:
    office = Office()
    office.deliver(office.hears())
    asked = {"case": office.case.case_id, "decision": "close", "step": STEP, "because": BECAUSE}
    office.deliver(office.queue("StartOffboarding", asked))
    office.works()
    minute(office)
    assert office.case.state is State.COMPLETED
    assert office.access_of(ADA) == {"session"}
    assert office.case.residual[-1]["step"] == STEP
    assert office.announced("RevocationFailed") == []


def test_said_twice_the_first_word_stands(office: Office) -> None:
    closes(office)
    closes(office, because="another reason")
    assert office.cases.read_receipts(office.case.case_id)[STEP].details["because"] == BECAUSE
    assert {each["announcement_id"] for each in office.announced("StepClosed")} == {
        f"{office.case.case_id}/{STEP}/closed"
    }


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_effect_of_closing_it_is_closed_and_announced_in_the_end(moment: Moment) -> None:
    crash, killed = 0, True
    while killed:
        office, killed = Office(), False
        office.zoom.users.clear()
        office.hears_and_works()
        office.effects.interrupt(crash, moment, die)
        try:
            closes(office)
        except Killed:
            killed = True
            office.effects.dead.clear()
        office.effects.watch = lambda _name, _moment: None
        office.works()
        minute(office)
        assert office.case.state is State.COMPLETED
        assert len(office.announced("StepClosed")) >= 1
        crash += 1
    assert crash > 3


@pytest.mark.parametrize(
    "told",
    [
        {"decision": "close"},
        {"decision": "close", "step": STEP},
        {"decision": "close", "step": STEP, "because": " "},
        {"decision": "release", "step": STEP, "because": BECAUSE},
        {"decision": "close", "step": STEP, "because": "\x1b[2J"},
    ],
)
def test_a_decision_without_a_step_and_a_reason_closes_nothing(told: dict[str, str]) -> None:
    with pytest.raises(BadMessage):
        parse(Decision, {"case": "c-1", "who": "AIDA"} | told, direct=True)


# --- what each rule is for: it is taken away, and the harm shows


def test_those_tests_see_it_where_a_persons_word_is_not_named_in_the_residual(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "_residual", lambda _: [])
    with pytest.raises(AssertionError):
        test_the_case_ends_by_a_persons_word_and_says_so_everywhere(office)


def test_those_tests_see_it_where_a_persons_word_ends_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "DONE_WITH", DONE)
    with pytest.raises(AssertionError):
        test_the_case_ends_by_a_persons_word_and_says_so_everywhere(office)


def test_those_tests_see_it_where_what_a_provider_ended_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.cases.closing.DONE", frozenset[Outcome]())
    with pytest.raises(AssertionError):
        test_what_ended_at_the_provider_and_is_not_counted_yet_is_not_closed()
