"""Whatever a case came to is signed and stored once, before it is announced, and says nothing of anybody by itself."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from leaver.cases.evidence import CASE_IS_OVER, bundle_of
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.errors import NotKept
from leaver.evidence.bundle import committed, faults_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import Envelope
from leaver.evidence.statement import Statement
from leaver.storage.tables import columns
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office


def bundle(office: Office, case: Case | None = None) -> Any:
    return read_canonical(office.evidence.bucket.objects[f"cases/{(case or office.case).case_id}/bundle.json"])


def statement(office: Office, case: Case | None = None) -> Statement:
    stored = office.evidence.bucket.objects[f"cases/{(case or office.case).case_id}/envelope.json"]
    payload = Envelope.from_json(stored).verified_payload(office.evidence.signer.is_signed)
    return Statement.from_json(payload)


def completed() -> Office:
    office = Office()
    office.hears_and_works()
    assert office.case.state is State.COMPLETED
    return office


def test_a_completed_case_is_signed() -> None:
    office = completed()
    case = office.case
    said = statement(office)
    assert said.is_about(office.evidence.bucket.objects[f"cases/{case.case_id}/bundle.json"])
    assert (said.predicate_type, said.predicate) == (
        CASE_IS_OVER,
        {
            "caseId": case.case_id,
            "state": "completed",
            "steps": len(case.steps),
            "finishedAt": columns(case)["finished_at"],
            "signedAt": columns(case)["finished_at"],
        },
    )
    assert case.evidence == hashlib.sha256(said.to_json()).hexdigest()


def test_what_is_signed_is_the_case_and_the_receipt_of_each_step() -> None:
    office = completed()
    found = bundle(office)
    assert len(found["receipts"]) == len(found["case"]["steps"]) == len(office.case.steps)
    assert [each["outcome"] for each in found["receipts"]] == [
        str(office.receipts.items[office.case.case_id, step.name].outcome) for step in office.case.steps
    ]
    assert faults_of(found) == []


def test_nothing_that_is_stored_or_signed_says_who_it_is() -> None:
    office = completed()
    for stored in office.evidence.bucket.objects.values():
        text = stored.decode() + (Envelope.from_json(stored).payload.decode() if b"payloadType" in stored else "")
        for personal in (ADA, ADA_ID, ADA_UNIVERSAL, "hr-1", str(office.case.head)):
            assert personal not in text


def test_whoever_has_the_key_can_show_who_it_was() -> None:
    office = completed()
    plain = bundle_of(office.cases.read_stored(office.case.case_id))
    assert plain["case"]["email"] == ADA
    key = office.evidence.keys.of(office.case.case_id)
    assert canonical(committed(plain, key)) == canonical(bundle(office))
    plain["case"]["email"] = "grace@example.com"
    assert canonical(committed(plain, key)) != canonical(bundle(office))


def test_each_case_has_a_key_of_its_own() -> None:
    office, other = completed(), completed()
    assert bundle(office)["case"]["email"] != bundle(other)["case"]["email"]


def test_it_is_announced_only_when_it_is_stored() -> None:
    office = Office()
    office.evidence.bucket.is_broken = True
    office.hears_and_works()
    assert office.case.state is State.COMPLETED
    assert ("CasesNotSealed", 1) in office.measured
    assert "OffboardingCompleted" not in office.announced
    office.evidence.bucket.is_broken = False
    office.clock.passes(minutes=1)
    office.looks()
    office.works()
    assert "OffboardingCompleted" in office.announced
    assert statement(office).predicate["state"] == "completed"


@pytest.mark.parametrize("broken", ["key", "conflicts"])
def test_a_key_that_does_not_sign_and_puts_that_meet_are_tried_again(broken: str) -> None:
    office = Office()
    office.evidence.signer.is_disabled = broken == "key"
    office.evidence.bucket.conflicts = 3 if broken == "conflicts" else 0
    office.hears_and_works()
    assert office.case.evidence is None
    office.evidence.signer.is_disabled = False
    office.clock.passes(minutes=1)
    office.looks()
    office.works()
    assert office.case.evidence is not None


def test_two_puts_that_meet_are_tried_again_at_once() -> None:
    office = Office()
    office.evidence.bucket.conflicts = 2
    office.hears_and_works()
    assert office.case.evidence is not None


def test_another_try_stores_nothing_twice() -> None:
    office = completed()
    before = dict(office.evidence.bucket.objects)
    case = office.case
    office.cases.put(case.model_copy(update={"evidence": None}))
    office.clock.passes(minutes=5)
    assert office.evidence.keep(office.case).evidence == case.evidence
    assert office.evidence.bucket.objects == before


def test_a_case_that_is_signed_is_not_signed_again() -> None:
    office = completed()
    signed = len(office.evidence.signer.signed)
    office.evidence.keep(office.case)
    assert len(office.evidence.signer.signed) == signed == 1


def test_a_case_that_goes_on_is_not_signed() -> None:
    office = Office()
    office.hears()
    assert office.evidence.keep(office.case) == office.case
    assert office.evidence.bucket.objects == {}


def test_a_case_that_somebody_changed_after_its_end_is_not_signed_anew() -> None:
    office = completed()
    changed = {"evidence": None, "email": "grace@example.com"}
    office.cases.put(office.case.model_copy(update=changed))
    with pytest.raises(NotKept):
        office.evidence.keep(office.case)


def test_a_statement_about_another_bundle_is_noticed() -> None:
    office = completed()
    place = f"cases/{office.case.case_id}/envelope.json"
    other = Statement("bundle.json", "0" * 64, CASE_IS_OVER, statement(office).predicate)
    envelope = office.evidence.of_cases.signing_key.enclose(other.to_json())
    office.evidence.bucket.objects[place] = envelope.to_json()
    office.cases.put(office.case.model_copy(update={"evidence": None}))
    with pytest.raises(NotKept):
        office.evidence.keep(office.case)


def _dropped(office: Office) -> None:
    del office.receipts.items[office.case.case_id, office.case.steps[0].name]


def _of_somebody_else(office: Office) -> None:
    place = office.case.case_id, office.case.steps[0].name
    office.receipts.items[place] = office.receipts.items[place].model_copy(update={"subject": "grace"})


def _open(office: Office) -> None:
    place = office.case.case_id, office.case.steps[0].name
    office.receipts.items[place] = office.receipts.items[place].model_copy(update={"outcome": None})


def _later(office: Office) -> None:
    place = office.case.case_id, office.case.steps[0].name
    later = office.clock() + timedelta(hours=1)
    office.receipts.items[place] = office.receipts.items[place].model_copy(update={"finished_at": later})


def _outstanding(office: Office) -> None:
    office.cases.put(office.case.model_copy(update={"outstanding": (office.case.steps[0].name,)}))


@pytest.mark.parametrize("tamper", [_dropped, _of_somebody_else, _open, _later, _outstanding])
def test_what_does_not_hold_of_a_completed_case_is_never_signed(tamper: Callable[[Office], None]) -> None:
    office = Office()
    office.evidence.signer.is_disabled = True
    office.hears_and_works()
    office.evidence.signer.is_disabled = False
    office.evidence.bucket.objects.clear()
    tamper(office)
    with pytest.raises(NotKept):
        office.evidence.keep(office.case)
    assert office.evidence.bucket.objects == {}


def test_a_person_in_another_script_is_written_down_too() -> None:
    office = Office()
    office.hire("zoë@例え.jp", "Z-1", "local:{zoe}")
    office.hears(email="zoë@例え.jp")
    office.works()
    assert statement(office, office.cases.only).predicate["state"] == "completed"


def test_what_is_signed_is_short_however_many_steps_there_are() -> None:
    office = completed()
    assert all(len(each) < 1024 for each in office.evidence.signer.signed)
    assert json.loads(statement(office).to_json())["predicate"]["steps"] == len(office.case.steps)
