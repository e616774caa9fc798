"""What was heard on each day is signed: every event once, with one fate, and no day is left out."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leaver.cases.days import DayEvidence
from leaver.cases.heard import Fate, Heard, heard
from leaver.errors import NotKept
from leaver.evidence.bundle import CASE_IS_OVER
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.population import (
    DAY_IS_OVER,
    claimed_of_day,
    faults_of_day,
    findings_of_population,
    heard_by_rule,
)
from leaver.evidence.statement import Statement
from leaver.evidence.verification import CaseFiles, Trust, findings_of_day, findings_of_days, findings_of_log
from tests.doubles.lambda_events import event
from tests.doubles.office import Office
from tests.evidence.conftest import Key

NAMES = ("bundle.json", "envelope.json", "envelope.tlog-proof")
PEOPLE = ("ada@example.com", "grace@example.com", "mary@example.com")


def files_below(office: Office, kind: str) -> dict[str, CaseFiles]:
    stored = office.evidence.bucket.objects
    names = {each.split("/")[1] for each in stored if each.startswith(f"{kind}/")}
    return {name: CaseFiles(*(stored[f"{kind}/{name}/{each}"] for each in NAMES)) for name in sorted(names)}


def bundles(office: Office, kind: str) -> dict[str, Any]:
    return {name: read_canonical(each.bundle) for name, each in files_below(office, kind).items()}


def findings(office: Office) -> list[str]:
    trust = office.evidence.trust
    days, cases = files_below(office, "days"), files_below(office, "cases")
    own = [f"{day}: {found}" for day, files in days.items() for found in findings_of_day(day, files, trust)]
    return [*own, *findings_of_days(days, cases), *findings_of_log(days | cases, trust)]


def days_of(office: Office) -> DayEvidence:
    return office.evidence.of_days(office.heard)


@pytest.fixture
def office() -> Office:
    """Days have been told of since yesterday."""
    office = Office()
    days_of(office).keep()
    office.clock.passes(days=1)
    for number, email in enumerate(PEOPLE):
        office.hire(email, f"Z-{number}", f"local:{{{number}}}", kept=False)
    return office


def test_each_day_tells_what_was_heard_and_what_became_of_it(office: Office) -> None:
    office.hears_and_works(email=PEOPLE[0])
    office.hears_and_works(email=PEOPLE[1])
    office.clock.passes(days=1)
    assert days_of(office).keep() == ["2026-11-22", "2026-11-23"]
    assert days_of(office).keep() == []
    told = bundles(office, "days")
    assert list(told) == ["2026-11-21", "2026-11-22", "2026-11-23"]
    assert told["2026-11-22"]["heard"] == []
    by_case = {case.case_id: "opened" for case in office.cases.every}
    assert {each["case"]: each["fate"] for each in told["2026-11-23"]["heard"]} == by_case
    assert findings(office) == []


def test_a_day_names_nobody(office: Office) -> None:
    office.hears_and_works(email=PEOPLE[0])
    office.clock.passes(days=1)
    days_of(office).keep()
    every = b"".join(each.bundle + each.envelope for each in files_below(office, "days").values())
    assert PEOPLE[0].encode() not in every
    assert b"hr-1" not in every


def test_a_day_is_told_of_an_hour_after_it_is_over(office: Office) -> None:
    days_of(office).keep()
    office.clock.now = datetime(2026, 11, 24, 0, 59, tzinfo=UTC)
    assert days_of(office).keep() == []
    office.clock.passes(minutes=2)
    assert days_of(office).keep() == ["2026-11-23"]


def test_what_a_day_left_open_a_later_day_tells_once(office: Office) -> None:
    office.hears(email=PEOPLE[0])
    hears = heard("m-late", office.clock(), source="okta", event_id="e-1")
    office.heard.put_once(hears)
    office.works()
    office.clock.passes(days=1)
    days_of(office).keep()
    office.clock.passes(days=1)
    days_of(office).keep()
    office.heard.put_once(hears.closed(Fate("refused")))
    office.clock.passes(days=1)
    days_of(office).keep()
    told = {
        day: {each["message"]: each.get("fate") for each in one["heard"]}
        for day, one in bundles(office, "days").items()
    }
    assert told["2026-11-23"]["m-late"] is None
    assert told["2026-11-24"] == {}
    assert told["2026-11-25"] == {"m-late": "refused"}
    assert len(told["2026-11-23"]) == 2
    assert findings(office) == []


def test_what_was_written_down_late_is_told_by_the_next_day(office: Office) -> None:
    office.clock.passes(days=1)
    days_of(office).keep()
    late = heard("m-late", office.clock() - timedelta(days=1), source="okta", event_id="e-1")
    office.heard.put_once(late)
    office.heard.put_once(late.closed(Fate("refused")))
    office.clock.passes(days=1)
    days_of(office).keep()
    assert [each["message"] for each in bundles(office, "days")["2026-11-24"]["heard"]] == ["m-late"]
    assert findings(office) == []


def test_a_day_of_which_all_is_told_is_counted_and_not_read_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.hears_and_works(email=PEOPLE[0])
    open_still = heard("m-open", office.clock(), source="okta", event_id="e-1")
    office.heard.put_once(open_still)
    read: list[str] = []
    read_day = office.heard.read_day

    def watched(day: datetime) -> Iterator[Heard]:
        read.append(f"{day:%m-%d}")
        return read_day(day)

    monkeypatch.setattr(office.heard, "read_day", watched)
    for _ in range(3):
        office.clock.passes(days=1)
        days_of(office).keep()
    assert read == ["11-22", "11-23", "11-24", "11-25"]
    office.heard.put_once(open_still.closed(Fate("refused")))
    office.clock.passes(days=1)
    days_of(office).keep()
    # Once more the day of which there is news.
    assert read[4:] == ["11-23", "11-26"]
    assert findings(office) == []


def test_an_event_without_a_fate_is_a_finding_once_it_can_get_none_any_more(office: Office) -> None:
    office.heard.put_once(heard("m-1", office.clock(), source="okta", event_id="e-1"))
    for _ in range(16):
        office.clock.passes(days=1)
        days_of(office).keep()
    assert findings(office) == []
    office.clock.passes(days=1)
    days_of(office).keep()
    assert findings(office) == ["population: m-1 was heard, and has no fate"]


def test_days_that_nobody_told_of_are_made_up_for_a_few_at_once_and_a_longer_gap_shows(office: Office) -> None:
    def tells() -> list[str]:
        return days_of(office).keep()

    office.clock.passes(days=40)
    assert [len(told) for told in iter(tells, [])] == [5, 5, 5, 5, 5, 5, 5, 5, 1]
    assert findings(office) == []
    office.clock.passes(days=70)
    days_of(office).keep()
    assert len([each for each in findings(office) if "nothing tells of" in each]) == 69


def test_a_run_that_is_killed_anywhere_is_made_up_for(office: Office) -> None:
    office.hears_and_works(email=PEOPLE[0])
    office.clock.passes(days=1)
    office.evidence.bucket.is_broken = True
    with pytest.raises(NotKept):
        days_of(office).keep()
    office.evidence.bucket.is_broken = False
    office.evidence.signer.is_disabled = True
    with pytest.raises(NotKept):
        days_of(office).keep()
    office.evidence.signer.is_disabled = False
    office.heard.put_once(heard("m-2", office.clock() - timedelta(days=1), source="okta", event_id="e-1"))
    days_of(office).keep()
    office.clock.passes(days=1)
    days_of(office).keep()
    assert findings(office) == []


# -- whoever lies about what was heard


def told(office: Office) -> Office:
    office.hears_and_works(email=PEOPLE[0])
    office.hears_and_works(email=PEOPLE[1])
    office.clock.passes(days=1)
    days_of(office).keep()
    return office


def test_an_event_that_is_deleted_before_the_day_is_over_is_missed_by_its_case(office: Office) -> None:
    office.hears_and_works(email=PEOPLE[2])
    [case] = office.cases.every
    for place in list(office.heard.items.kept):
        del office.heard.items.kept[place]
    told(office)
    assert f"population: {case.case_id}: nothing that was heard began this case" in findings(office)


def test_half_an_event_that_is_deleted_is_a_fate_of_nothing(office: Office) -> None:
    office.hears_and_works(email=PEOPLE[0])
    place = next(each for each in office.heard.items.kept if not str(each[1]).endswith("#fate"))
    del office.heard.items.kept[place]
    told(office)
    assert any("has a fate, and was never heard" in each for each in findings(office))


def test_a_fate_that_is_deleted_contradicts_the_day_that_told_it(office: Office) -> None:
    told(office)
    for place in list(office.heard.items.kept):
        if str(place[1]).endswith("#fate"):
            del office.heard.items.kept[place]
    office.clock.passes(days=1)
    days_of(office).keep()
    assert len([each for each in findings(office) if "had a fate, and has none any more" in each]) == 2


def test_a_day_that_is_missing_or_told_by_another_key_is_found(office: Office) -> None:
    office = told(office)
    days, cases = files_below(office, "days"), files_below(office, "cases")
    without = {day: files for day, files in days.items() if day != "2026-11-22"}
    assert findings_of_days(without, cases) == ["population: nothing tells of 2026-11-22"]
    other = Key()
    trust = Trust(other.public, other.is_signed, office.evidence.trust.origin)
    assert findings_of_day("2026-11-23", days["2026-11-23"], trust)[0].startswith("envelope: ")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"message": "m-2"}, "m-2: is told 2 times"),
        ({"at": "2026-11-24T00:00:00Z"}, "m-1: was heard on another day"),
        ({"isUnheard": True}, "m-1: has a fate, and was never heard"),
    ],
)
def test_a_day_s_list_that_cannot_be_is_found(change: dict[str, Any], found: str) -> None:
    at = "2026-11-23T10:00:00Z"
    events = [{"message": "m-1", "at": at, "fate": "opened"} | change, {"message": "m-2", "at": at, "fate": "opened"}]
    assert found in list(faults_of_day({"day": "2026-11-23", "heard": events}))


def test_two_fates_of_one_event_are_found() -> None:
    event = {"message": "m-1", "at": "2026-11-23T10:00:00Z", "fate": "opened"}
    days = {day: {"day": day, "heard": [event]} for day in ("2026-11-23", "2026-11-24")}
    assert list(findings_of_population(days, {})) == ["population: m-1 has 2 fates"]


def test_every_changed_place_of_a_day_s_files_is_found(office: Office) -> None:
    office = told(office)
    trust = office.evidence.trust
    day, files = max(files_below(office, "days").items())
    for name in ("bundle", "envelope", "proof"):
        content: bytes = getattr(files, name)
        for place in range(0, len(content), 11):
            changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            spoilt = CaseFiles(**{**vars(files), name: changed})
            hint = content[place - 80 : place + 80]
            assert findings_of_day(day, spoilt, trust) or (name == "envelope" and b"keyid" in hint), (name, place)
    before_time = canonical(read_canonical(files.bundle) | {"day": "0001-01-01"})
    for content in (b"", b"{}", b"[]", b"null", before_time):
        spoilt = CaseFiles(content, files.envelope, files.proof)
        assert findings_of_day(day, spoilt, trust)
        assert before_time == content or findings_of_days({day: spoilt}, {}) == ["population: a file is no such file"]


def test_a_day_tells_what_came_by_a_rule_which_eventbridge_counts_too(office: Office) -> None:
    said = office.hears(email=PEOPLE[0]).body
    office.queued.clear()
    by_rule = json.loads(event("OffboardingRequested", said, source="leaver.hr"))
    office.queue("StartOffboarding", by_rule)
    office.works()
    office.hears_and_works(email=PEOPLE[1])
    office.clock.passes(days=1)
    days_of(office).keep()
    told = bundles(office, "days")
    assert {each.get("byRule") for each in told["2026-11-23"]["heard"]} == {True, None}
    assert heard_by_rule(told.values()) == 1
    assert findings(office) == []


@pytest.mark.parametrize(
    ("said", "kind", "found"),
    [
        ({"day": "2026-11-20"}, DAY_IS_OVER, "statement: is about another day"),
        ({"heard": 7}, DAY_IS_OVER, "statement: says something else than the bundle"),
        ({"signedAt": "2026-11-23T23:59:59Z"}, DAY_IS_OVER, "statement: was signed before the day was over"),
        ({}, CASE_IS_OVER, "statement: says something else than that a day is over"),
    ],
)
def test_a_statement_that_says_something_else_is_found_whoever_signed_it(
    office: Office, said: dict[str, Any], kind: str, found: str
) -> None:
    office = told(office)
    files = files_below(office, "days")["2026-11-23"]
    claimed = {**claimed_of_day(read_canonical(files.bundle)), "signedAt": "2026-11-24T02:00:00Z", **said}
    statement = Statement.about(files.bundle, name="bundle.json", predicate_type=kind, predicate=claimed)
    envelope = office.evidence.of_cases.statements.signing_key.enclose(statement.to_json()).to_json()
    trust = office.evidence.trust
    assert found in findings_of_day("2026-11-23", CaseFiles(files.bundle, envelope, files.proof), trust)


def test_what_was_heard_before_the_first_day_is_nobody_s_to_tell() -> None:
    office = Office()
    office.heard.put_once(heard("m-old", office.clock() - timedelta(days=3), source="okta", event_id="e-1"))
    days_of(office).keep()
    office.clock.passes(days=1)
    days_of(office).keep()
    assert [each["heard"] for each in bundles(office, "days").values()] == [[], []]
