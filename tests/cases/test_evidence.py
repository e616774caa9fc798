"""Whatever a case came to is signed and stored once, before it is announced, and says nothing of anybody by itself."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest

from leaver.cases.evidence import bundle_of
from leaver.cases.record import Case, Signed
from leaver.cases.states import State
from leaver.errors import NotKept
from leaver.evidence.bundle import CASE_IS_OVER, committed, faults_of
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import Envelope
from leaver.evidence.log_proof import LogProof
from leaver.evidence.merkle import (
    BadProof,
    consistency_proof,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from leaver.evidence.note import Checkpoint, verified_text
from leaver.evidence.statement import Statement
from leaver.storage.tables import columns
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office
from tests.doubles.steps import Killed, Moment, die


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
            "caseState": "completed",
            "steps": len(case.steps),
            "finishedAt": columns(case)["finished_at"],
            "signedAt": columns(case)["finished_at"],
        },
    )
    assert case.evidence is not None
    assert case.evidence.statement == hashlib.sha256(said.to_json()).hexdigest()


def test_whoever_keeps_the_announcement_holds_what_was_signed_and_how_far_the_log_was() -> None:
    office = completed()
    (told,) = office.announced("OffboardingCompleted")
    assert told["evidence"]["statement"] == hashlib.sha256(statement(office).to_json()).hexdigest()
    trust = office.evidence.trust
    # as `jq --raw-output` and any editor write it to a file
    kept = trust.checkpoint(f"{told['evidence']['checkpoint']}\n")
    assert (kept.size, kept.root) == (1, root_hash(office.evidence.log.hashes))


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
    assert office.announced("OffboardingCompleted") == []
    office.evidence.bucket.is_broken = False
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert len(office.announced("OffboardingCompleted")) == 1
    assert statement(office).predicate["caseState"] == "completed"


def test_a_key_that_does_not_sign_is_asked_again_in_a_minute() -> None:
    office = Office()
    office.evidence.signer.is_disabled = True
    office.hears_and_works()
    assert office.case.evidence is None
    assert office.announced("OffboardingCompleted") == []
    office.evidence.signer.is_disabled = False
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert office.case.evidence is not None
    assert len(office.announced("OffboardingCompleted")) == 1


def test_puts_that_meet_are_tried_again_at_once_and_not_for_ever() -> None:
    office = completed()
    office.evidence.bucket.conflicts = 2
    assert office.evidence.of_cases.statements.store.keep_once("once", b"{}") == b"{}"
    office.evidence.bucket.conflicts = 3
    with pytest.raises(NotKept):
        office.evidence.of_cases.statements.store.keep_once("twice", b"{}")


def test_what_stands_there_is_read_back_and_stays() -> None:
    store = completed().evidence.of_cases.statements.store
    assert [store.keep_once("once", each) for each in (b"first", b"second")] == [b"first", b"first"]


def test_what_is_longer_than_kms_signs_is_not_sent() -> None:
    office = completed()
    key = office.evidence.of_cases.statements.signing_key
    assert key.sign(bytes(4096))
    for message in (b"", bytes(4097)):
        with pytest.raises(NotKept, match="KMS signs 1 to 4096"):
            key.sign(message)


@pytest.mark.parametrize(
    ("decision", "state"), [("cancel", State.CANCELLED), ("reinstate", State.REINSTATED), ("discard", State.DISCARDED)]
)
def test_a_case_that_is_called_off_is_signed_as_well(decision: str, state: State) -> None:
    office = Office(routine_limit=0) if decision == "discard" else Office()
    begins = office.clock() + timedelta(days=0 if decision == "discard" else 5)
    office.hears_and_works("scheduled", effective_at=begins.isoformat())
    office.clock.passes(minutes=1)
    office.minute()
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": decision})
    office.works()
    assert office.case.state is state
    for _ in range(2):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
    assert statement(office).predicate["caseState"] == state
    assert office.case.watch is None


def test_a_case_that_is_called_off_is_looked_at_until_it_is_signed() -> None:
    office = Office()
    office.evidence.bucket.is_broken = True
    office.hears_and_works("scheduled", effective_at=(office.clock() + timedelta(days=5)).isoformat())
    office.clock.passes(minutes=1)
    office.hears_and_works("cancelled")
    for _ in range(3):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()
    assert (office.case.state, office.case.evidence) == (State.CANCELLED, None)
    office.evidence.bucket.is_broken = False
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert office.case.evidence is not None


def test_a_contained_case_is_signed() -> None:
    office = Office()
    office.hears_and_works("contain")
    office.clock.passes(minutes=1)
    office.minute()
    office.works()
    assert statement(office).predicate["caseState"] == "completed"
    assert bundle(office)["case"]["request"]["kind"] == "contain"


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
    assert len(office.evidence.signer.signed) == signed == 2


def test_evidence_that_somebody_wrote_into_the_table_is_not_announced_but_made() -> None:
    office = Office()
    office.deliver(office.hears())
    office.cases.put(office.case.model_copy(update={"evidence": Signed(statement="0" * 64, checkpoint="none")}))
    office.works()
    (told,) = office.announced("OffboardingCompleted")
    signed = hashlib.sha256(statement(office).to_json()).hexdigest()
    assert office.case.evidence is not None
    assert told["evidence"]["statement"] == office.case.evidence.statement == signed


def test_a_case_that_goes_on_is_not_signed() -> None:
    office = Office()
    office.deliver(office.hears())
    assert office.case.state is State.OPEN
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
    envelope = office.evidence.of_cases.statements.signing_key.enclose(other.to_json())
    office.evidence.bucket.objects[place] = envelope.to_json()
    office.cases.put(office.case.model_copy(update={"evidence": None}))
    with pytest.raises(NotKept, match="the statement is another"):
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


def _without_steps(office: Office) -> None:
    office.cases.put(office.case.model_copy(update={"steps": (), "searched": ()}))


def _a_second_look(office: Office) -> None:
    office.cases.put(office.case.model_copy(update={"sweep_of": "c-1"}))


def _outstanding(office: Office) -> None:
    office.cases.put(office.case.model_copy(update={"outstanding": (office.case.steps[0].name,)}))


@pytest.mark.parametrize(
    "tamper", [_dropped, _of_somebody_else, _open, _later, _outstanding, _without_steps, _a_second_look]
)
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


def test_whoever_asked_may_write_in_another_script() -> None:
    office = Office()
    office.hears_and_works(actor="Zoë 例え 👋")
    assert statement(office).predicate["caseState"] == "completed"


def test_what_is_signed_is_short_however_many_steps_there_are() -> None:
    office = completed()
    assert all(len(each) < 1024 for each in office.evidence.signer.signed)
    assert json.loads(statement(office).to_json())["predicate"]["steps"] == len(office.case.steps)


def proof(office: Office, case: Case) -> LogProof:
    return LogProof.from_text(office.evidence.bucket.objects[f"cases/{case.case_id}/envelope.tlog-proof"].decode())


def checkpoint(office: Office, of: LogProof) -> Checkpoint:
    signer, origin = office.evidence.signer, office.evidence.of_cases.statements.store.log_origin
    text = verified_text(of.checkpoint, signer.is_signed, name=origin, public_key=signer.public)
    return Checkpoint.from_text(text)


def many(count: int) -> Office:
    office = Office()
    for number in range(count):
        email = f"{number}@example.com"
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
        office.hears_and_works(email=email)
    return office


def test_every_statement_is_a_leaf_of_one_log_with_its_proof() -> None:
    office = many(5)
    places = []
    for case in office.cases.every:
        found = proof(office, case)
        at = checkpoint(office, found)
        leaf = leaf_hash(statement(office, case).to_json())
        verify_inclusion(leaf, found.index, at.size, found.hashes, at.root)
        assert at.size == found.index + 1
        places.append(found.index)
    assert sorted(places) == list(range(5))


def test_each_checkpoint_begins_with_the_one_before() -> None:
    office = many(5)
    leaves = office.evidence.log.hashes
    found = sorted((checkpoint(office, proof(office, case)) for case in office.cases.every), key=lambda at: at.size)
    for earlier, later in pairwise(found):
        tree = leaves[: later.size]
        verify_consistency(earlier.size, later.size, consistency_proof(tree, earlier.size), earlier.root, later.root)


def test_a_case_that_is_taken_out_of_the_log_contradicts_a_checkpoint_that_somebody_holds() -> None:
    office = many(4)
    last = max((checkpoint(office, proof(office, case)) for case in office.cases.every), key=lambda at: at.size)
    without = [*office.evidence.log.hashes[:1], *office.evidence.log.hashes[2:], leaf_hash(b"another")]
    assert root_hash(office.evidence.log.hashes) == last.root
    with pytest.raises(BadProof):
        verify_consistency(4, 4, [], last.root, root_hash(without))


def test_a_statement_is_in_the_log_once_however_often_it_is_tried() -> None:
    office = completed()
    log, case_id = office.evidence.log, office.case.case_id
    said = statement(office).to_json()
    assert log.append(case_id, said) == log.append(case_id, said)
    assert len(log.hashes) == 1
    with pytest.raises(NotKept):
        log.append(case_id, b"another")


def test_a_proof_of_another_place_is_noticed() -> None:
    office = completed()
    place = f"cases/{office.case.case_id}/envelope.tlog-proof"
    office.evidence.bucket.objects[place] = office.evidence.bucket.objects[place].replace(b"index 0", b"index 1")
    office.cases.put(office.case.model_copy(update={"evidence": None}))
    with pytest.raises(NotKept):
        office.evidence.keep(office.case)


def test_wherever_it_is_killed_the_evidence_is_stored_and_logged_once() -> None:
    interrupted = set()
    for moment in get_args(Moment):
        for place in range(60):
            office = Office()
            office.hears_and_works()
            case = office.case.model_copy(update={"evidence": None})
            # As it was before its evidence was made.
            office = _again(case, office)
            met = office.effects.interrupt(place, moment, die)
            with suppress(Killed):
                office.evidence.keep(case)
            office.effects.dead.clear()
            if not met:
                break
            interrupted.add(met[0])
            office.evidence.keep(office.case)
            found = proof(office, office.case)
            leaf = leaf_hash(statement(office).to_json())
            assert office.evidence.log.hashes == [leaf]
            assert checkpoint(office, found).root == leaf
            signed = hashlib.sha256(statement(office).to_json()).hexdigest()
            assert office.case.evidence == Signed(statement=signed, checkpoint=found.checkpoint)
            assert len(office.evidence.bucket.objects) == 3
    assert {"sign", "store evidence", "append to the log", "write case", "add commitmentkey"} <= interrupted


def _again(case: Case, before: Office) -> Office:
    """An office with this case alone, and no evidence."""
    office = Office()
    office.cases.put(case)
    office.receipts.items.update(before.receipts.items)
    return office
