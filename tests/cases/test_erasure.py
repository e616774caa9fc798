"""Whoever is erased is named nowhere in the tables, is refused as before, and their evidence holds."""

import json
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, get_args

import pytest

from leaver.cases.erasure import MARK, Erasure
from leaver.cases.states import State
from leaver.errors import Rejected
from leaver.evidence.verification import CaseFiles, findings_of_case
from leaver.storage.tables import columns
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office
from tests.doubles.steps import Effects, Killed, Moment, die

GRACE = "grace@example.com"


def left(*who: str) -> Office:
    office = Office()
    office.hire(GRACE, "Z-2", "local:{2}", kept=False)
    for each in who or (ADA, GRACE):
        office.hears_and_works(email=each)
    settles(office)
    return office


def settles(office: Office) -> None:
    """Nobody looks at any case any more."""
    office.clock.passes(days=1)
    for _ in range(3):
        office.minute()
        office.works()


def erasure_of(office: Office) -> Erasure:
    return Erasure(office.cases, office.people, office.evidence.keys, office.clock)


def adas(office: Office) -> list[str]:
    return [each.case_id for each in office.cases.every if ADA in each.names]


def tables(office: Office) -> str:
    """All that the table of cases holds, but for the ids of messages and of events."""
    kept: list[dict[Any, Any]] = [
        *(office.cases.items.kept, office.people.items.kept, office.evidence.keys.items.kept, office.heard.items.kept)
    ]
    receipts = {each: columns(receipt) for each, receipt in office.receipts.items.items()}
    return json.dumps([[str(place), item] for one in (*kept, receipts) for place, item in one.items()])


def test_whoever_is_erased_is_named_nowhere_and_nobody_else_is_touched() -> None:
    office = left()
    others = {each.case_id: each for each in office.cases.every if GRACE in each.names}
    assert all(personal in tables(office) for personal in (ADA, ADA_ID, ADA_UNIVERSAL))
    mine = adas(office)
    erasure_of(office).erase(mine)
    for personal in (ADA, ADA_ID, ADA_UNIVERSAL.strip("{}")):
        assert personal not in tables(office)
    assert all(office.cases.require(each).email == MARK for each in mine)
    # A digest over what was personal would confirm a guess.
    assert all(office.cases.require(each).head is None for each in mine)
    assert all(office.evidence.keys.find(each) is None for each in mine)
    assert {each: office.cases.require(each) for each in others} == others
    assert office.people.gone([GRACE])


def test_the_evidence_of_whoever_was_erased_holds() -> None:
    office = left()
    mine = adas(office)
    erasure_of(office).erase(mine)
    bucket, trust = office.evidence.bucket, office.evidence.trust
    for each in mine:
        files = CaseFiles(*(bucket.objects[f"cases/{each}/{name}"] for name in CaseFiles.NAMES))
        assert findings_of_case(each, files, trust) == []


def test_a_tombstone_refuses_on_and_a_word_from_before_begins_nothing() -> None:
    office = left()
    said = office.clock()
    erasure_of(office).erase(adas(office))
    assert office.people.gone([ADA.upper()])
    assert office.people.gone([ADA_ID])
    assert office.people.refuse_what_was_asked([ADA], office.clock()) == "the user left"
    cases = office.cases.every
    office.clock.passes(minutes=5)
    office.hears_and_works(event_id="late", occurred_at=said.isoformat())
    assert office.heard.fates[-1].fate == "refused"
    assert office.cases.every == cases
    assert ADA not in tables(office)


def test_who_leaves_once_more_after_that_leaves_as_anybody() -> None:
    office = left()
    erasure_of(office).erase(adas(office))
    office.clock.passes(days=30)
    office.logs_in(ADA)
    office.hears_and_works(event_id="again", occurred_at=office.clock().isoformat())
    assert office.access_of(ADA) == set()
    [again] = adas(office)
    assert office.cases.require(again).state is State.COMPLETED
    settles(office)
    erasure_of(office).erase([again])
    assert ADA not in tables(office)
    assert office.people.gone([ADA])


def test_hr_s_word_that_they_are_back_lifts_what_refused() -> None:
    office = left()
    erasure_of(office).erase(adas(office))
    office.clock.passes(days=30)
    office.hears_and_works(event_id="back", kind="reinstated", occurred_at=office.clock().isoformat())
    assert not office.people.gone([ADA])


def test_a_return_from_before_lifts_nothing() -> None:
    office = left(ADA)
    said = office.clock()
    erasure_of(office).erase(adas(office))
    office.clock.passes(minutes=5)
    office.hears_and_works(event_id="back", kind="reinstated", occurred_at=said.isoformat())
    assert office.heard.fates[-1].fate == "refused"
    assert office.people.gone([ADA])


def test_another_source_that_still_says_they_left_keeps_what_refuses() -> None:
    office = left(ADA)
    erasure_of(office).erase(adas(office))
    office.clock.passes(days=30)
    office.hears_and_works(event_id="back", source="another", kind="reinstated", occurred_at=office.clock().isoformat())
    assert office.heard.fates[-1].fate == "nothing_follows"
    assert office.people.gone([ADA])


def test_nothing_is_erased_while_a_case_is_under_way() -> None:
    office = Office()
    office.deliver(office.hears())
    before = tables(office)
    with pytest.raises(Rejected, match=f"under way: {office.case.case_id}"):
        erasure_of(office).erase([office.case.case_id])
    assert tables(office) == before


def test_a_case_is_not_erased_alone_while_its_sweep_is_under_way_which_a_return_would_not_find() -> None:
    office = Office(sweep_after=timedelta(hours=1))
    office.hears_and_works()
    office.clock.passes(hours=2)
    for _ in range(2):
        office.minute()
    [completed] = [case for case in office.cases.every if case.state is State.COMPLETED]
    with pytest.raises(Rejected, match="under way"):
        erasure_of(office).erase([completed.case_id])
    office.works()
    settles(office)
    erasure_of(office).erase([completed.case_id])


def test_who_leaves_after_an_older_case_was_erased_alone_leaves_as_anybody() -> None:
    office = left(ADA)
    [older] = adas(office)
    office.hears_and_works("reinstated")
    office.clock.passes(days=3)
    office.logs_in(ADA)
    office.hears_and_works("scheduled", effective_at=(office.clock() + timedelta(days=5)).isoformat())
    office.clock.passes(minutes=5)
    office.hears_and_works("cancelled")
    settles(office)
    erasure_of(office).erase([older])
    office.hears_and_works()
    [last] = [case for case in office.cases.every if case.state is not State.CANCELLED and case.erased_at is None]
    assert last.state is State.COMPLETED
    assert office.access_of(ADA) == set()


def test_who_is_erased_twice_is_erased_once() -> None:
    office = left()
    mine = adas(office)
    erasure_of(office).erase(mine)
    before = tables(office)
    office.clock.passes(hours=1)
    erasure_of(office).erase(mine)
    assert tables(office) == before


def test_a_name_that_somebody_else_s_case_has_by_now_stays() -> None:
    office = left()
    mine = adas(office)
    office.people.change(ADA, lambda found: found.with_case("c-somebody-new", None))
    erasure_of(office).erase(mine)
    found = office.people.read(ADA)
    assert found is not None
    assert found.case == "c-somebody-new"


@pytest.mark.parametrize("moment", get_args(Moment))
def test_wherever_it_is_killed_the_tombstone_refuses_and_the_next_run_ends_it(moment: Moment) -> None:
    interrupted: set[str] = set()
    for place in count():
        office = left(ADA)
        mine = adas(office)
        met = office.effects.interrupt(place, moment, die)
        with suppress(Killed):
            erasure_of(office).erase(mine)
        office.effects.dead.clear()
        office.effects.watch = Effects().watch
        assert office.people.gone([ADA])
        assert office.people.gone([ADA_ID])
        if not met:
            break
        interrupted.add(met[0])
        erasure_of(office).erase(mine)
        assert not any(personal in tables(office) for personal in (ADA, ADA_ID))
        assert office.people.gone([ADA])
        assert all(office.evidence.keys.find(each) is None for each in mine)
    assert {"add name", "remove name", "remove commitmentkey", "write receipt", "write case"} <= interrupted


def test_two_stacks_hash_one_name_to_two_things() -> None:
    hashed = []
    for office in (left(ADA), left(ADA)):
        erasure_of(office).erase(adas(office))
        hashed.append({each.partition for each in office.people.items.scan() if each.erased_at})
    assert hashed[0]
    assert not hashed[0] & hashed[1]
