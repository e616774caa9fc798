"""The seal: receipts with everything on them, chained in the order of the steps, so that any other order shows."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from leaver.cases.receipts import Receipt
from leaver.cases.record import Case
from leaver.cases.seal import chain
from leaver.cases.states import State
from leaver.outcomes import Outcome
from leaver.storage.tables import values
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, Office


def completed() -> tuple[Case, list[Receipt]]:
    office = Office()
    office.hears_and_works()
    kept = office.cases.read_receipts(office.case.case_id)
    return office.case, [kept[step.receipt] for step in office.case.steps]


def test_a_receipt_says_all_that_an_auditor_asks() -> None:
    office = Office()
    office.hears(occurred_at=(NOW - timedelta(minutes=2)).isoformat())
    office.deliver(office.queued[0])
    office.clock.passes(seconds=30)
    office.works()
    receipt = office.receipts.items[office.case.case_id, "receipt#RevokeSsoToken#zoom"]
    assert receipt.model_dump(exclude={"details", "reason", "provider_code"}) == {
        "case_id": office.case.case_id,
        "entry": "receipt#RevokeSsoToken#zoom",
        "command": "RevokeSsoToken",
        "system": "zoom",
        "subject": ADA_ID,
        "connection": "zoom",
        "requested_at": NOW,
        "first_attempt_at": NOW + timedelta(seconds=30),
        "attempts": 1,
        "refused_version": None,
        "outcome": Outcome.REVOKED,
        "provider_status": 204,
        "tracking_id": "v=2.0",
        "finished_at": NOW + timedelta(seconds=30),
        "time_to_revoke": 30,
    }


def test_every_step_of_a_completed_case_has_its_receipt_and_the_head_is_the_last_digest() -> None:
    case, receipts = completed()
    assert len(receipts) == len(case.steps)
    assert case.head == chain(receipts)[-1]


def test_the_chain_can_be_computed_by_anybody() -> None:
    case, receipts = completed()
    before = "0" * 64
    for receipt in receipts:
        told = {name: value for name, value in json.loads(receipt.model_dump_json()).items() if value is not None}
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256((before + canonical).encode("utf-8")).hexdigest()
    assert case.head == before


def test_canonical_json_is_utf_8_sorted_and_without_spaces() -> None:
    receipt = completed()[1][0].model_copy(update={"subject": "jürgen@example.com"})
    assert chain([receipt]) == [hashlib.sha256(("0" * 64 + _written(receipt)).encode()).hexdigest()]
    assert '"subject":"jürgen@example.com"' in _written(receipt)


def _written(receipt: Receipt) -> str:
    told = receipt.model_dump(mode="json", exclude_none=True)
    return (
        "{" + ",".join(f"{json.dumps(key)}:{json.dumps(told[key], ensure_ascii=False)}" for key in sorted(told)) + "}"
    )


#: a receipt as the table holds it, and its digest as the first of a chain: what was sealed once verifies for ever
STORED: dict[str, dict[str, Any]] = {
    "case_id": {"S": "c-1"},
    "entry": {"S": "receipt#PurgeUserTokens#zoom"},
    "command": {"S": "PurgeUserTokens"},
    "system": {"S": "leaver"},
    "subject": {"S": "jürgen@example.com"},
    "connection": {"S": "zoom"},
    "requested_at": {"S": "2026-11-22T09:30:00Z"},
    "first_attempt_at": {"S": "2026-11-22T09:30:01Z"},
    "attempts": {"N": "2"},
    "outcome": {"S": "purged"},
    "finished_at": {"S": "2026-11-22T09:30:07Z"},
    "details": {"M": {"destroyed": {"N": "1"}, "handed_out_until": {"S": "2026-11-22T10:30:00Z"}}},
}
GOLDEN = "2d79b31a248b3b0f96197bc349604385a40dcd881a2e4bcbc55861dd44c35f50"


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_stored_comes_to_the_same_digest_for_ever_in_whatever_order_the_table_gives_it(*, turned: bool) -> None:
    stored = dict(STORED)
    if turned:
        stored = dict(reversed(stored.items()))
        stored["details"] = {"M": dict(reversed(stored["details"]["M"].items()))}
    assert chain([Receipt.model_validate(values(stored))]) == [GOLDEN]


@pytest.mark.parametrize("field", sorted(set(Receipt.model_fields)))
def test_a_changed_receipt_shows_whatever_was_changed(field: str) -> None:
    case, receipts = completed()
    old = getattr(receipts[0], field)
    new = {
        "requested_at": NOW - timedelta(days=1),
        "first_attempt_at": NOW - timedelta(days=1),
        "finished_at": NOW - timedelta(days=1),
        "attempts": 7,
        "time_to_revoke": 7,
        "provider_status": 200,
        "outcome": Outcome.ALREADY_GONE,
        "details": {"destroyed": 7},
    }.get(field, "changed")
    assert old != new
    assert chain([receipts[0].model_copy(update={field: new}), *receipts[1:]])[-1] != case.head


def test_a_missing_receipt_shows_wherever_it_is_missing() -> None:
    case, receipts = completed()
    for place in range(len(receipts)):
        assert chain(receipts[:place] + receipts[place + 1 :])[-1:] != [case.head]


def test_a_moved_receipt_shows() -> None:
    case, (first, second, third) = completed()
    for moved in ([second, first, third], [first, third, second], [third, second, first]):
        assert chain(moved)[-1] != case.head


def test_what_is_added_shows() -> None:
    case, receipts = completed()
    assert chain([*receipts, receipts[-1]])[-1] != case.head


def test_completion_is_announced_with_the_head_the_time_and_what_no_api_can_end() -> None:
    office = Office()
    office.deliver(office.hears(occurred_at=(NOW - timedelta(minutes=2)).isoformat()))
    office.clock.passes(seconds=30)
    office.works()
    (told,) = office.announced("OffboardingCompleted")
    assert told["head"] == office.case.head
    # The event took effect when it was told, half a minute ago.
    assert told["time_to_revoke"] == 30
    assert told["residual"] == [
        {"what": "user tokens that were handed out", "system": "leaver", "until": "2026-11-22T10:30:00Z"}
    ]
    assert (told["subject"], told["outstanding"], told["state"]) == (ADA, [], "completed")


def test_a_case_is_not_sealed_without_a_receipt_for_every_step() -> None:
    office = Office()
    office.deliver(office.hears())
    office.deliver(office.queued[0])
    # Somebody's hand: nothing is outstanding, and for two steps there is no receipt.
    office.cases.alter(office.case.case_id, outstanding=())
    with pytest.raises(KeyError):
        office.completion.seal(office.case)
    assert office.case.state is State.OPEN
    assert office.announced("OffboardingCompleted") == []


def test_a_sealed_case_takes_no_further_receipt() -> None:
    office = Office()
    message = office.hears_and_works()
    head = office.case.head
    office.queued.append(message)
    office.works()
    for receipt in list(office.receipts.items.values()):
        office.completion.count_receipt(receipt.model_copy(update={"tracking_id": "another"}))
    assert office.case.head == head
