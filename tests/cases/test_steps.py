"""A command that names a case must be that case's step in every field: nothing else runs, or leaves a receipt there."""

from collections.abc import Callable, Sized
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from functions.start_offboarding.app import Decision, decide
from leaver.cases.receipts import Receipt
from leaver.cases.record import Step
from leaver.cases.states import State
from leaver.messages.commands import RefreshAccessToken, RetrieveUserToken
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import event, record
from tests.doubles.office import ADA, ADA_ID, Message, Office
from tests.field import Field, harms_of

BEN, BEN_ID, BEN_UNIVERSAL = "ben@example.com", "zoom-ben", "local:{ben}"
NO_STEP = "case_id: expected the id of a case of which this very command is a step"

STRAYS: dict[str, tuple[str, dict[str, str]]] = {
    "somebody else": ("RevokeSsoToken", {"user_id": BEN_ID}),
    "a mistyped leaver": ("RevokeSsoToken", {"user_id": "adda@example.com"}),
    "another of the leaver's names": ("RevokeSsoToken", {"user_id": ADA}),
    "an account that is not its connection's": ("RevokeSsoToken", {"user_id": ADA_ID, "account": "europe"}),
    "another provider's connection": ("RevokeSsoToken", {"user_id": ADA_ID, "connection": "venafi"}),
    "a personal connection": ("RevokeSsoToken", {"user_id": ADA_ID, "connection": "bens-zoom"}),
    "no account": ("RevokeSsoToken", {"user_id": ADA_ID, "account": ""}),
    "somebody else's grants": ("RevokeGrants", {"identity": BEN}),
    "the same words in another field": ("RevokeGrants", {"grantee_prefixed_universal": ADA}),
    "somebody else's connection": ("RevokeAccessToken", {"connection": "bens-zoom"}),
    "a command of no step": ("DeactivateUser", {"user_id": ADA_ID}),
}
OF_ANOTHER = "connection: expected a service connection of the account that the step is about"
REASONS = {each: OF_ANOTHER for each in STRAYS if "connection" in each and "somebody" not in each}
strays = pytest.mark.parametrize("stray", STRAYS)


@pytest.fixture
def office() -> Office:
    office = Office(routine_limit=10)
    office.hire(BEN, BEN_ID, BEN_UNIVERSAL)
    office.connects("bens-zoom", BEN)
    return office


def begins(office: Office) -> str:
    """Ada's case is open, and its commands lie in their queues."""
    assert office.deliver(office.hears())
    assert office.case.state is State.OPEN
    return office.case.case_id


def arrives(office: Office, stray: str, case_id: str) -> Message:
    command, fields = STRAYS[stray]
    usual = {"connection": "venafi" if command == "RevokeGrants" else "zoom", "account": "acme"}
    if command == "RevokeAccessToken":
        usual = {}
    told = {name: text for name, text in {**usual, **fields}.items() if text}
    message = office.queue(command, told | {"case_id": case_id})
    assert office.deliver(message)
    return message


def receipts_of(office: Office, case_id: str) -> dict[tuple[str, str], Receipt]:
    return {key: receipt for key, receipt in office.receipts.items.items() if key[0] == case_id}


def bens_access(office: Office) -> set[str]:
    return office.access_of(BEN)


def forged(field: Field, how: str, hit: Sized, claimed: Sized) -> None:
    """Record a forged command: what somebody else lost by it, and what it says of the case."""
    field("a forged command", how, 1, lost=hit, false=claimed)


@strays
def test_it_is_dead_lettered_and_its_receipt_is_its_own(office: Office, stray: str, field: Field) -> None:
    case_id, before = begins(office), bens_access(office)
    message, reason = arrives(office, stray, case_id), REASONS.get(stray, NO_STEP)
    forged(field, "it names a case whose step it is not", before - bens_access(office), receipts_of(office, case_id))
    assert office.reasons() == [reason]
    [receipt] = receipts_of(office, f"message#{message.id}").values()
    assert (receipt.outcome, receipt.reason) == (Outcome.FAILED, reason)
    [announced] = office.announced("RevocationFailed")
    assert "case_id" not in announced


@strays
def test_the_case_ends_all_the_same(office: Office, stray: str) -> None:
    case_id = begins(office)
    arrives(office, stray, case_id)
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.access_of(ADA) == set()
    assert {entry for _, entry in receipts_of(office, case_id)} == {step.name for step in office.case.steps}


@strays
def test_redriven_it_is_dead_lettered_again(office: Office, stray: str, field: Field) -> None:
    case_id, before = begins(office), bens_access(office)
    arrives(office, stray, case_id)
    office.redrive()
    office.works()
    others = {entry for _, entry in receipts_of(office, case_id)} - {step.name for step in office.case.steps}
    forged(field, "a person sends such a command back", before - bens_access(office), others)
    assert office.reasons() == [REASONS.get(stray, NO_STEP)] * 2
    assert office.case.state is State.COMPLETED


@strays
def test_after_the_seal_it_leaves_nothing_beside_the_receipts(office: Office, stray: str, field: Field) -> None:
    case_id = begins(office)
    office.works()
    sealed, kept, before = office.case, receipts_of(office, case_id), bens_access(office)
    arrives(office, stray, case_id)
    claimed: list[object] = [each for each in receipts_of(office, case_id).values() if each not in kept.values()]
    claimed += [] if office.case == sealed else [office.case]
    forged(field, "it comes after the seal", before - bens_access(office), claimed)
    assert office.reasons() == [REASONS.get(stray, NO_STEP)]


@strays
def test_before_the_case_exists_it_waits_for_no_case(office: Office, stray: str, field: Field) -> None:
    before = bens_access(office)
    arrives(office, stray, "c-of-ada")
    forged(field, "it names no case", before - bens_access(office), receipts_of(office, "c-of-ada"))
    assert office.reasons() == [REASONS.get(stray, "case_id: expected the id of a case that exists")]


@pytest.mark.parametrize("state", [State.HELD, State.SCHEDULED])
def test_while_a_case_waits_none_of_its_commands_runs_and_afterwards_all_do(state: State) -> None:
    office = Office(routine_limit=0 if state is State.HELD else 10)
    tomorrow = (NOW + timedelta(days=1)).isoformat()
    told = {} if state is State.HELD else {"kind": "scheduled", "effective_at": tomorrow}
    assert office.deliver(office.hears(**told))
    case_id, step = office.case.case_id, office.case.steps[0]
    assert office.case.state is state
    message = office.queue(step.command, {**step.detail, "connection": "zoom", "account": "acme", "case_id": case_id})
    assert office.deliver(message)
    assert office.reasons() == ["case_id: expected the id of a case that has begun"]
    assert receipts_of(office, case_id) == {}
    assert "session" in office.access_of(ADA)
    if state is State.HELD:
        decide(Decision(case=case_id, decision="release", who="AIDA"), intake=office.intake)
    office.clock.passes(days=1)
    office.minute()
    office.works()
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())


@pytest.mark.parametrize("command", [RetrieveUserToken, RefreshAccessToken])
def test_a_command_that_ends_nothing_is_no_cases(command: Any) -> None:
    harness, operation = ConsumerHarness(), Operation(Result(Outcome.RETRIEVED))
    scheduled = Office()
    scheduled.deliver(scheduled.hears())
    harness.cases.put(scheduled.case)
    fields = {"user_id": ADA_ID} if command is RetrieveUserToken else {"connection": "zoom"}
    message = record(fields | {"case_id": scheduled.case.case_id})
    consume(harness.consumer(command, operation, receipts=command is RetrieveUserToken), message)
    assert operation.commands == []
    assert harness.parked_attributes["reason"].startswith("case_id: expected")
    assert all(receipt.case_id.startswith("message#") for receipt in harness.receipts.items.values())


def test_a_replayed_step_says_nothing_of_its_case(office: Office) -> None:
    case_id = begins(office)
    step = office.case.steps[0]
    fields = {**step.detail, "connection": "zoom", "account": "acme", "case_id": case_id}
    replayed = record(event(step.command, fields, id="event-1", replay_name="after-the-outage"))
    consume(office.consumer(step.command), replayed)
    assert receipts_of(office, case_id) == {}
    office.works()
    assert office.case.state is State.COMPLETED


def test_a_case_that_can_not_be_read_costs_its_command_nothing_but_time(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = begins(office)

    def broken(_: str) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(office.cases, "read", broken)
        assert not office.deliver(office.queued[0])
    assert receipts_of(office, case_id) == {}
    office.works()
    assert office.case.state is State.COMPLETED


# --- receipts


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("subject", BEN_ID),
        ("account", "europe"),
        ("command", "DeactivateUser"),
        ("entry", "RevokeSsoToken#zoom/europe"),
        ("case_id", "another"),
    ],
)
def test_a_receipt_counts_for_a_step_only_if_it_is_that_steps(office: Office, field: str, to: str) -> None:
    begins(office)
    closed = closed_receipt(office)
    # Where the step's own lies, as whoever may write the table could put it there.
    where = (office.case.case_id, office.case.steps[0].name)
    office.receipts.items[where] = closed.model_copy(update={field: to})
    office.completion.complete(office.case)
    assert office.case.outstanding == tuple(step.name for step in office.case.steps)
    office.receipts.items[where] = closed
    office.completion.complete(office.case)
    assert office.case.outstanding == tuple(step.name for step in office.case.steps[1:])


def closed_receipt(office: Office) -> Receipt:
    step = office.case.steps[0]
    return Receipt(
        case_id=office.case.case_id,
        entry=step.name,
        command=step.command,
        system="zoom",
        subject=step.identity,
        account=step.account,
        connection="zoom",
        requested_at=NOW,
        first_attempt_at=NOW,
    ).closed(Result(Outcome.REVOKED), now=NOW)


# --- what the checks are for: each is taken away, and the harm shows


def always(_step: Step, _other: object) -> bool:
    return True


def by_entry(step: Step, receipt: Receipt) -> bool:
    return step.name == receipt.entry


@pytest.mark.parametrize(
    ("check", "without"), [("asks_for", always), ("is_reported_by", by_entry)], ids=["command", "receipt"]
)
def test_without_one_check_the_other_still_keeps_the_step_open(
    office: Office, monkeypatch: pytest.MonkeyPatch, check: str, without: Callable[..., bool]
) -> None:
    monkeypatch.setattr(Step, check, without)
    case_id = begins(office)
    arrives(office, "somebody else", case_id)
    assert "RevokeSsoToken#zoom/acme" in office.case.outstanding


def test_without_the_commands_check_its_row_is_red(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "asks_for", always)
    test = partial(test_it_is_dead_lettered_and_its_receipt_is_its_own, office, "somebody else")
    assert harms_of(test) == {"lost": 1, "false": 1}


def test_without_both_checks_somebody_elses_session_ends_the_leavers_step(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Step, "asks_for", always)
    monkeypatch.setattr(Step, "is_reported_by", by_entry)
    case_id = begins(office)
    arrives(office, "somebody else", case_id)
    office.works()
    assert office.case.state is State.COMPLETED
    assert "session" in office.access_of(ADA)
    assert "session" not in bens_access(office)
