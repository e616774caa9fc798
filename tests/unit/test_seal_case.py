"""seal_case alone completes a case: by the receipts, and by what there is to end at that moment."""

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from aws_lambda_powertools import Logger

from functions.seal_case.app import ErasePerson, erase_person, understand
from leaver.cases.erasure import Erasure
from leaver.cases.record import DONE, Case, Step
from leaver.cases.states import State
from leaver.errors import BadMessage, Rejected
from leaver.messages.envelope import Payload
from leaver.outcomes import Outcome
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, Office
from tests.doubles.sqs import SEAL_QUEUE
from tests.doubles.steps import Killed, Moment


@pytest.fixture
def office() -> Office:
    return Office()


def carries_out_the_steps(office: Office) -> None:
    """Everything happens but the seal: what is told to seal_case waits in its queue."""
    office.deliver(office.hears())
    for message in [each for each in office.queued if each.command != "SealCase"]:
        office.deliver(message)
    assert {message.command for message in office.queued} == {"SealCase"}


def test_whoever_carries_out_a_step_tells_seal_case_and_changes_no_case(office: Office) -> None:
    office.deliver(office.hears())
    begun = office.case
    for message in list(office.queued):
        office.deliver(message)
    assert office.case == begun
    sent = office.sqs.to(SEAL_QUEUE)
    assert [json.loads(each["MessageBody"]) for each in sent] == [{"case_id": begun.case_id}] * len(begun.steps)
    assert {each["MessageGroupId"] for each in sent} == {"cases"}
    assert len({each["MessageDeduplicationId"] for each in sent}) == len(sent)
    office.works()
    assert office.case.state is State.COMPLETED
    assert len(office.announced("OffboardingCompleted")) == 1


def test_a_case_that_is_not_there_is_dead_lettered(office: Office) -> None:
    office.queue("SealCase", {"case_id": "c-nobody"})
    office.works()
    assert office.reasons() == ["case_id: expected the id of a case that exists"]


def test_a_case_of_which_something_is_outstanding_stays_open_and_the_record_says_what(office: Office) -> None:
    office.deliver(office.hears())
    office.deliver(office.queued[0])
    office.deliver(office.queued[-1])
    assert office.case.state is State.OPEN
    assert office.case.outstanding == tuple(step.name for step in office.case.steps[1:])
    assert office.measured == []


def test_that_nothing_is_outstanding_is_written_with_the_seal(office: Office) -> None:
    carries_out_the_steps(office)
    reached: list[str] = []
    office.effects.watch = lambda name, moment: reached.append(name) if moment == "after" else None
    office.deliver(office.queued[0])
    assert (office.case.state, office.case.outstanding) == (State.COMPLETED, ())
    # The seal, then what was signed, then that it was announced.
    assert reached.count("write case") == 3


def test_a_connection_that_came_between_the_event_and_the_seal_ends_before_the_case_does(office: Office) -> None:
    carries_out_the_steps(office)
    office.connects("adas-zoom", ADA)
    office.works()
    assert office.access_of(ADA) == set()
    assert office.case.state is State.COMPLETED
    assert office.case.steps[-1] == Step(
        command="RevokeAccessToken", at="adas-zoom", identity="adas-zoom", detail={"owner": ADA}
    )
    assert len(office.announced("OffboardingCompleted")) == 1


def test_a_service_connection_that_somebody_took_over_meanwhile_keeps_the_case_open(office: Office) -> None:
    carries_out_the_steps(office)
    office.connects("second", ADA, role="service")
    office.works()
    assert office.case.state is State.OPEN
    assert office.case.outstanding == ("ReplaceServiceConnection#second",)


def test_without_a_second_look_the_connection_would_live_on_behind_a_completed_case(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    carries_out_the_steps(office)
    office.connects("adas-zoom", ADA)
    monkeypatch.setattr(
        "leaver.cases.completion.CaseCompletion._add_what_came_since",
        lambda self, case, _: (case, self.case_start.search(case).searched),
    )
    office.works()
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, {"adas-zoom"})


@pytest.mark.parametrize("recorded", ["nothing is outstanding", "what was outstanding"])
def test_a_record_that_says_more_than_the_receipts_is_not_believed(office: Office, recorded: str) -> None:
    carries_out_the_steps(office)
    step = office.case.steps[0]
    del office.receipts.items[office.case.case_id, step.name]
    if recorded == "nothing is outstanding":
        office.cases.alter(office.case.case_id, outstanding=())
    office.works()
    assert office.case.state is State.OPEN
    assert office.case.outstanding == (step.name,)
    odds = [("CasesAtOddsWithReceipts", 1)] if recorded == "nothing is outstanding" else []
    assert office.measured == odds
    # The step is sent anew, and then the case ends.
    for _ in range(10):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
    assert office.cases.only.state is State.COMPLETED


def test_one_case_that_can_not_be_sealed_holds_up_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    carries_out_the_steps(office)
    find, broken = office.case_start.search, [True]

    def fails(case: Case) -> object:
        if broken:
            raise ConnectionError("canary")
        return find(case)

    monkeypatch.setitem(office.case_start.__dict__, "search", fails)
    office.works()
    assert office.case.state is State.OPEN
    assert ("CasesNotSealed", 1) in office.measured
    broken.clear()
    # watch_deadlines sends it again.
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert office.cases.only.state is State.COMPLETED


def test_a_message_to_seal_case_that_was_lost_is_sent_again_by_the_watch(office: Office) -> None:
    carries_out_the_steps(office)
    office.queued.clear()
    office.clock.passes(minutes=1)
    office.minute()
    assert [message.command for message in office.queued] == ["SealCase"]
    office.works()
    assert office.case.state is State.COMPLETED


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_before_or_after_any_effect_of_the_last_step_and_of_the_seal_the_case_ends(moment: Moment) -> None:
    crash, seen = 0, []
    while True:
        office = Office()
        office.deliver(office.hears())
        *others, last = office.queued
        for message in others:
            office.deliver(message)
        names: list[str] = []

        def watch(
            name: str, when: Moment, office: Office = office, crash: int = crash, names: list[str] = names
        ) -> None:
            if when == "before":
                names.append(name)
            if len(names) == crash + 1 and when == moment:
                office.effects.watch = lambda _name, _moment: None
                raise Killed

        office.effects.watch = watch
        killed = False
        for message in [last, *(each for each in office.queued if each is not last)]:
            try:
                office.deliver(message)
            except Killed:
                killed = True
                office.effects.dead.clear()
        if not killed:
            break
        seen.append(names[-1])
        office.works()
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
        assert office.case.state is State.COMPLETED, names
        assert office.case.pending_announcements == ()
        assert office.access_of(ADA) == set()
        assert {each.outcome for each in office.receipts.items.values()} <= DONE
        assert len({each["head"] for each in office.announced("OffboardingCompleted")}) == 1
        crash += 1
    assert {"write receipt", "tell seal_case", "write case", "put events", "read receipts"} <= set(seen)


def test_what_is_not_known_at_the_provider_is_done_only_as_the_deployment_says() -> None:
    for missing_is_done, state in ((False, State.OPEN), (True, State.COMPLETED)):
        office = Office(missing_is_done=missing_is_done)
        office.hears_and_works(email="nobody@example.com", occurred_at=(NOW - timedelta(minutes=1)).isoformat())
        assert {each.outcome for each in office.receipts.items.values()} >= {Outcome.USER_NOT_FOUND}
        assert office.case.state is state


@pytest.mark.parametrize(
    ("error", "measured"), [(Rejected("under way: c-1"), []), (ConnectionError("canary"), [("CasesNotSealed", 1)])]
)
def test_an_erasure_that_is_refused_or_fails_holds_up_nobody(
    error: Exception, measured: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    def erase(_: Collection[str]) -> None:
        raise error

    found: list[tuple[str, int]] = []
    erasure = cast("Erasure", SimpleNamespace(erase=erase))
    erase_person(
        ErasePerson(erase=["c-1"]), erasure, measure=lambda *each: found.append(each), logger=Logger("seal_case")
    )
    assert found == measured
    assert "canary" not in capsys.readouterr().out


def test_nobody_is_erased_by_what_comes_over_the_bus() -> None:
    asked = Payload("m-1", None, {"erase": ["c-1"]}, None, NOW, "operator")
    assert isinstance(understand(asked), ErasePerson)
    with pytest.raises(BadMessage, match="erase: expected straight in the queue"):
        understand(replace(asked, event={"detail-type": "SealCase"}))
