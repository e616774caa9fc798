"""The seal: the case and its receipts as they are stored, chained in the order of the steps, so that changes show."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leaver.cases.finding import StepFinder
from leaver.cases.receipts import Receipt
from leaver.cases.record import Case, Policy
from leaver.cases.seal import COVERED, VERSION, Stored, UnknownSeal, chain, head_of
from leaver.cases.states import State
from leaver.cases.table import receipts_of
from leaver.messages.events import Subject
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import columns, values
from tests.contract.stack import ROOT
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, Office

#: what of a case goes on changing after it was sealed; its sort key is the same for every case
CHANGING = {
    "head",
    "pending_announcements",
    "waiting",
    "failed_over",
    "watch",
    "watch_at",
    "item_version",
    "entry",
    "return_held",
    "asked_at",
    "told_at",
    "redone_for",
    "erased_at",
    # what was signed says so of the seal
    "evidence",
    # what a provider tells afterwards, and what follows
    "seen",
    "alive_at",
    "activated_at",
    "deactivated_again_by",
    "sweeps",
    "swept_at",
}


def completed() -> tuple[Case, list[Receipt]]:
    office = Office()
    office.hears_and_works()
    kept = office.cases.read_receipts(office.case.case_id)
    return office.case, [kept[step.name] for step in office.case.steps]


def head(case: Case, receipts: list[Receipt]) -> str:
    """The head of a case whose receipts are stored in this order under the keys of its steps."""
    stored = {step.name: columns(receipt) for step, receipt in zip(case.steps, receipts, strict=False)}
    return head_of(columns(case), stored)


def test_a_receipt_says_all_that_an_auditor_asks() -> None:
    office = Office()
    office.hears(occurred_at=(NOW - timedelta(minutes=2)).isoformat())
    office.deliver(office.queued[0])
    office.clock.passes(seconds=30)
    office.works()
    receipt = office.receipts.items[office.case.case_id, "RevokeSsoToken#zoom/acme"]
    assert receipt.model_dump(exclude={"details", "reason", "provider_code"}) == {
        "partition": f"receipts#{office.case.case_id}",
        "case_id": office.case.case_id,
        "entry": "RevokeSsoToken#zoom/acme",
        "command": "RevokeSsoToken",
        "system": "zoom",
        "subject": ADA_ID,
        "account": "acme",
        "connection": "zoom",
        "requested_at": NOW,
        "first_attempt_at": NOW + timedelta(seconds=30),
        "attempts": 1,
        "refused_version": None,
        "progress": None,
        "last_try": None,
        "outcome": Outcome.REVOKED,
        "provider_status": 204,
        "tracking_id": "v=2.0",
        "finished_at": NOW + timedelta(seconds=30),
        "time_to_revoke": 30,
    }


def test_every_step_of_a_completed_case_has_its_receipt_and_the_head_is_the_last_digest() -> None:
    case, receipts = completed()
    assert len(receipts) == len(case.steps)
    assert case.head == head(case, receipts)


def test_the_chain_can_be_computed_by_anybody() -> None:
    case, receipts = completed()
    before = "0" * 64
    own = case.model_copy(update={"item_version": 0})
    covered = {
        name: value
        for name, value in json.loads(own.model_dump_json(exclude_none=True)).items()
        if name in COVERED[VERSION]
    }
    for item in (covered, *(json.loads(receipt.model_dump_json()) for receipt in receipts)):
        told = {
            name: value
            for name, value in item.items()
            if value is not None and (item is not covered or value not in (0, [], "", {}))
        }
        canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256((before + canonical).encode("utf-8")).hexdigest()
    assert case.head == before


def test_canonical_json_is_utf_8_sorted_and_without_spaces() -> None:
    receipt = completed()[1][0].model_copy(update={"subject": "jürgen@example.com"})
    assert chain([columns(receipt)]) == [hashlib.sha256(("0" * 64 + _written(receipt)).encode()).hexdigest()]
    assert '"subject":"jürgen@example.com"' in _written(receipt)


def _written(receipt: Receipt) -> str:
    told = receipt.model_dump(mode="json", exclude_none=True)
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


#: a receipt as the table holds it, and its digest as the first of a chain: what was sealed once verifies for ever
STORED: dict[str, dict[str, Any]] = {
    "partition": {"S": "receipts#c-1"},
    "case_id": {"S": "c-1"},
    "entry": {"S": "PurgeUserTokens#zoom"},
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
GOLDEN = "d60432475cd9063ac6154642da235cb4763b40c202677597f8f461823aa37f52"


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_stored_comes_to_the_same_digest_for_ever_in_whatever_order_the_table_gives_it(*, turned: bool) -> None:
    stored = dict(STORED)
    if turned:
        stored = dict(reversed(stored.items()))
        stored["details"] = {"M": dict(reversed(stored["details"]["M"].items()))}
    assert chain([values(stored)]) == [GOLDEN]
    assert chain([columns(Receipt.model_validate(values(stored)))]) == [GOLDEN]


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
        "progress": {"outcome": "revoked"},
        "last_try": {"message": 7},
    }.get(field, "changed")
    assert old != new
    assert head(case, [receipts[0].model_copy(update={field: new}), *receipts[1:]]) != case.head


def test_a_missing_receipt_shows_wherever_it_is_missing() -> None:
    case, receipts = completed()
    for place in range(len(receipts)):
        stored = {each.entry: columns(each) for each in receipts[:place] + receipts[place + 1 :]}
        assert head_of(columns(case), stored) != case.head


def test_a_moved_receipt_shows() -> None:
    case, (first, second, third) = completed()
    for moved in ([second, first, third], [first, third, second], [third, second, first]):
        assert head(case, moved) != case.head


def test_what_is_added_shows() -> None:
    case, receipts = completed()
    longer = case.model_copy(update={"steps": (*case.steps, case.steps[-1])})
    assert head(longer, [*receipts, receipts[-1]]) != case.head


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
    office.completion.complete(office.case)
    assert office.case.state is State.OPEN
    assert office.case.outstanding == tuple(step.name for step in office.case.steps[1:])
    assert office.measured == [("CasesAtOddsWithReceipts", 1)]
    assert office.announced("OffboardingCompleted") == []


def test_a_sealed_case_takes_no_further_receipt() -> None:
    office = Office()
    message = office.hears_and_works()
    head = office.case.head
    office.queued.append(message)
    office.works()
    for key, receipt in office.receipts.items.items():
        office.receipts.items[key] = receipt.model_copy(update={"tracking_id": "another"})
    office.completion.complete(office.case)
    assert office.case.head == head


# --- the whole case


def test_the_seal_says_where_it_was_looked_for_what_has_to_end_also_where_nothing_was() -> None:
    office = Office()
    office.deliver(office.hears())
    assert office.case.searched == ()
    office.installs("zoom-eu", "europe")
    office.joins(ADA, "ada-in-europe", "europe")
    office.works()
    assert office.case.state is State.COMPLETED
    names = [{"owner of connections": name} for name in office.case.names]
    assert list(office.case.searched) == [
        {"account": "zoom/acme", "found": ADA_ID},
        # It came after the event: nobody was asked there who is meant.
        {"account": "zoom/europe", "found": ""},
        {"account": "venafi/acme", "found": ""},
        *names,
    ]


def test_that_is_seen_where_the_seal_says_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    search = StepFinder.search
    monkeypatch.setattr(StepFinder, "search", lambda self, case: search(self, case)._replace(searched=()))
    with pytest.raises(AssertionError):
        test_the_seal_says_where_it_was_looked_for_what_has_to_end_also_where_nothing_was()


REWRITTEN: dict[str, object] = {
    "state": State.CANCELLED,
    "names": ("ben@example.com",),
    "urgency": "urgent",
    "said": (),
    "released": True,
    "requested_at": NOW - timedelta(days=1),
    "effective_at": NOW - timedelta(days=1),
    "started_at": NOW - timedelta(days=1),
    "deadline_at": NOW + timedelta(days=1),
    "finished_at": NOW - timedelta(days=1),
    "resent_at": NOW,
    "resent": 7,
    "overdue": True,
    "outstanding": ("RevokeSsoToken#zoom/acme",),
    "residual": (),
    "seal_version": None,
    "request": {"event_id": "another"},
    "policy": Policy(deadline=1),
    "identities": {"zoom/acme": "ben"},
    "aliases": (Subject(email="ada.king@example.com"),),
    "searched": ({"account": "zoom/acme", "found": "nobody"},),
}


@pytest.mark.parametrize("field", sorted(COVERED[VERSION] - {"steps", "seal_version"}))
def test_a_rewritten_case_shows_whatever_was_rewritten(field: str) -> None:
    case, receipts = completed()
    new = REWRITTEN.get(field, "changed")
    assert getattr(case, field) != new
    assert head(case.model_copy(update={field: new}), receipts) != case.head


@pytest.mark.parametrize(
    "to",
    [
        {"detail": {"user_id": "ben"}},
        {"command": "DeactivateUser"},
        {"at": "zoom/europe"},
        {"alias": 2},
        {"identity": "ben"},
        {"found_by": "hr"},
    ],
)
def test_a_rewritten_step_shows(to: dict[str, Any]) -> None:
    case, receipts = completed()
    rewritten = case.model_copy(update={"steps": (case.steps[0].model_copy(update=to), *case.steps[1:])})
    stored = {receipt.entry: columns(receipt) for receipt in receipts}
    stored |= {rewritten.steps[0].name: columns(receipts[0])}
    assert head_of(columns(rewritten), stored) != case.head


def test_every_field_of_a_case_is_covered_or_goes_on_changing() -> None:
    assert set(Case.model_fields) == COVERED[VERSION] | CHANGING
    assert not COVERED[VERSION] & CHANGING


def test_what_goes_on_changing_breaks_no_seal() -> None:
    case, receipts = completed()
    later = case.with_pending("OffboardingCompleted").with_look_at(NOW).model_copy(update={"item_version": 77})
    assert head(later, receipts) == case.head
    assert head(later.with_look_at(None), receipts) == case.head


@pytest.mark.parametrize("version", [None, 0, VERSION + 1])
def test_a_seal_of_a_version_that_nobody_knows_is_not_taken_for_one_that_holds(version: int | None) -> None:
    case, receipts = completed()
    with pytest.raises(UnknownSeal):
        head(case.model_copy(update={"seal_version": version}), receipts)


def test_a_field_that_a_later_leaver_adds_breaks_no_seal() -> None:
    class LaterReceipt(Receipt):
        weather: str = "unknown"

    class LaterCase(Case):
        country: str = "unknown"

    case, receipts = completed()
    stored: dict[str, Stored] = {receipt.entry: columns(receipt) for receipt in receipts}
    LaterCase.model_validate(columns(case))
    LaterReceipt.model_validate(stored[receipts[0].entry])
    assert head_of(columns(case), stored) == case.head
    assert head_of({**columns(case), "country": "unknown", "aliases": []}, stored) == case.head


def test_a_stray_item_beside_the_receipts_neither_holds_a_seal_nor_breaks_it() -> None:
    office = Office()
    office.deliver(office.hears())
    stray = Receipt(
        case_id=office.case.case_id,
        entry="RetrieveUserToken#zoom",
        command="RetrieveUserToken",
        system="zoom",
        subject=ADA_ID,
        requested_at=NOW,
        first_attempt_at=NOW,
    )
    office.receipts.finish(stray.closed(Result(Outcome.RETRIEVED), now=NOW))
    office.works()
    assert office.case.state is State.COMPLETED
    stored = office.cases.read_stored(office.case.case_id)
    assert stray.entry in stored
    assert head_of(stored["case"], stored) == office.case.head
    without = {entry: each for entry, each in stored.items() if entry != stray.entry}
    assert head_of(stored["case"], without) == office.case.head


def test_a_case_is_not_sealed_over_somebody_elses_receipt() -> None:
    office = Office()
    office.deliver(office.hears())
    for message in office.queued[:-1]:
        office.deliver(message)
    last = office.case.steps[-1]
    key = (office.case.case_id, last.name)
    theirs = office.receipts.items[office.case.case_id, office.case.steps[0].name]
    office.receipts.items[key] = theirs.model_copy(update={"entry": last.name})
    office.cases.alter(office.case.case_id, outstanding=())
    office.completion.complete(office.case)
    assert office.case.state is State.OPEN
    assert office.case.outstanding == (last.name,)
    assert office.measured == [("CasesAtOddsWithReceipts", 1)]


# --- for ever


#: one for each version
GOLDEN_CASES = {1: Path(__file__).with_name("golden_case.json")}


def golden(version: int = VERSION) -> tuple[str, dict[str, Stored]]:
    """A case that was sealed once, with its receipts, in DynamoDB's own words; and the head that was announced."""
    told = json.loads(GOLDEN_CASES[version].read_text(encoding="utf-8"))
    return told["head"], {item["entry"]["S"]: values(item) for item in told["Items"]}


@pytest.mark.parametrize("version", COVERED)
def test_what_was_sealed_once_verifies_for_ever_and_is_still_read(version: int) -> None:
    announced, stored = golden(version)
    case = Case.model_validate(stored["case"])
    assert receipts_of(case, stored).keys() == {step.name for step in case.steps}
    assert head_of(stored["case"], stored) == stored["case"]["head"] == announced


def test_what_is_stored_is_digested_and_not_what_a_model_makes_of_it() -> None:
    announced, stored = golden()
    step = "RevokeSsoToken#zoom/acme"
    unknown: dict[str, Stored] = {**stored, step: {**stored[step], "unheard_of": "by this Leaver"}}
    assert Receipt.model_validate(unknown[step]) == Receipt.model_validate(stored[step])
    assert head_of(stored["case"], unknown) != announced


def test_an_auditor_comes_to_the_same_head_by_what_the_page_says_alone() -> None:
    announced, _ = golden()
    page = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")
    program = page.split("```python\n")[1].split("```")[0]
    said: list[str] = []
    names: dict[str, Any] = {
        "open": lambda _: io.StringIO(GOLDEN_CASES[VERSION].read_text("utf-8")),
        "print": said.append,
    }
    exec(program, names)  # noqa: S102 - the page's own
    assert said == [announced]
    assert set(names["COVERED"]) == COVERED[VERSION]


# --- what the coverage is for: it is taken away, and the harm shows


def receipts_alone(_case: Stored, receipts: Mapping[str, Stored]) -> str:
    steps: Any = _case["steps"]
    return chain(receipts[f"{step['command']}#{step['at']}"] for step in steps)[-1]


@pytest.mark.parametrize(
    ("digest", "shows"), [(head_of, True), (receipts_alone, False)], ids=["the whole case", "its receipts alone"]
)
def test_a_digest_of_the_receipts_alone_would_hold_for_another_person(
    digest: Callable[[Stored, Mapping[str, Stored]], str], *, shows: bool
) -> None:
    _, stored = golden()
    another: Stored = {**stored["case"], "email": "ben@example.com", "residual": []}
    assert (digest(another, stored) != digest(stored["case"], stored)) is shows
