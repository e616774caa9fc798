"""Cases and people in the Cases table: conditions on moto, and the fakes that other tests use held to the same."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from leaver.cases.people import Name, People, Word
from leaver.cases.receipts import Receipt, Receipts
from leaver.cases.record import Case, Step, new_case
from leaver.cases.states import State
from leaver.cases.table import Cases
from leaver.errors import ProviderResponse
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import columns
from tests.doubles.cases_table import InMemoryCases, InMemoryPeople, without_step
from tests.doubles.clock import NOW
from tests.doubles.receipts_table import InMemoryReceipts

ADA = "ada@example.com"
STEPS = [
    Step(command="RevokeSsoToken", at="zoom/acme", identity=ADA, found_by="account", detail={"user_id": ADA}),
    Step(command="RevokeGrants", at="venafi/acme", identity=ADA, found_by="address", detail={"identity": ADA}),
]


def case(case_id: str = "c-1", **other: Any) -> Case:
    told: dict[str, Any] = {
        "email": ADA,
        "event_id": "hr-1",
        "source": "hr-system",
        "urgency": "routine",
        "requested_at": NOW,
        "effective_at": NOW,
        "watch": "case",
        "watch_at": NOW,
    }
    return new_case(case_id, STEPS, [ADA], **(told | other))


@pytest.fixture(params=["table", "fake"])
def cases(request: pytest.FixtureRequest) -> Cases:
    return InMemoryCases() if request.param == "fake" else Cases(request.getfixturevalue("aws"), table="Cases")


@pytest.fixture(params=["table", "fake"])
def people(request: pytest.FixtureRequest) -> People:
    return InMemoryPeople() if request.param == "fake" else People(request.getfixturevalue("aws"), table="Cases")


def opened(standing: Case) -> Case:
    return standing.model_copy(update={"state": State.OPEN})


# --- cases ---


def test_a_case_is_read_as_it_was_recorded(cases: Cases) -> None:
    assert cases.read("c-1") is None
    assert cases.add(case())
    assert cases.read("c-1") == case()


def test_an_auditor_can_read_what_the_table_holds(aws: Any) -> None:
    assert Cases(aws, table="Cases").add(case())
    (stored,) = aws.scan(TableName="Cases")["Items"]
    assert (stored["names"], stored["pending_announcements"]) == ({"L": [{"S": ADA}]}, {"L": []})
    assert stored["outstanding"] == {"L": [{"S": "RevokeSsoToken#zoom/acme"}, {"S": "RevokeGrants#venafi/acme"}]}
    assert stored["steps"]["L"][0]["M"] == {
        "command": {"S": "RevokeSsoToken"},
        "at": {"S": "zoom/acme"},
        "identity": {"S": ADA},
        "found_by": {"S": "account"},
        "detail": {"M": {"user_id": {"S": ADA}}},
    }


def test_what_is_handed_on_says_the_same_as_what_is_read_again(cases: Cases) -> None:
    late = NOW + timedelta(milliseconds=900)
    added = cases.add(case(requested_at=late))
    assert added == cases.read("c-1")
    assert added is not None
    assert cases.change(added, lambda standing: standing.after_start(late, deadline=timedelta())) == cases.read("c-1")


def test_times_are_kept_in_utc_and_to_the_second(cases: Cases) -> None:
    there = datetime(2026, 11, 27, 17, 0, 0, 900_000, tzinfo=timezone(timedelta(hours=1)))
    cases.add(case(effective_at=there))
    found = cases.read("c-1")
    assert found is not None
    assert found.effective_at == datetime(2026, 11, 27, 16, tzinfo=UTC)


def test_a_case_is_recorded_once(cases: Cases) -> None:
    assert cases.add(case())
    # A write whose answer was lost is repeated, and meets itself.
    assert cases.add(case())
    assert not cases.add(case(event_id="hr-2"))
    assert cases.read("c-1") == case()


def test_a_change_is_made_of_what_is_there(cases: Cases) -> None:
    cases.add(case())
    changed = cases.change(cases.require("c-1"), opened)
    assert changed == cases.read("c-1") == opened(case()).model_copy(update={"item_version": 1})
    again = cases.change(cases.require("c-1"), lambda standing: without_step(standing, "RevokeSsoToken#zoom/acme"))
    assert again == cases.read("c-1")
    assert again is not None
    assert (again.state, again.outstanding, again.item_version) == (State.OPEN, ("RevokeGrants#venafi/acme",), 2)


def test_a_change_into_nothing_writes_nothing(cases: Cases) -> None:
    cases.add(case())
    assert cases.change(cases.require("c-1"), lambda _: None) is None
    assert cases.read("c-1") == case()


def test_what_a_change_leaves_as_it_is_it_has_read_anew(cases: Cases) -> None:
    handed_on = cases.add(case())
    assert handed_on is not None
    cases.change(handed_on, opened)
    met: list[State] = []
    assert cases.change(handed_on, lambda standing: met.append(standing.state)) is None
    assert met == [State.SCHEDULED, State.OPEN]


def test_a_change_that_was_overtaken_is_made_anew(cases: Cases) -> None:
    cases.add(case())
    met: list[State] = []

    def slow(standing: Case) -> Case | None:
        met.append(standing.state)
        if len(met) == 1:
            cases.change(cases.require("c-1"), opened)
        return without_step(standing, "RevokeSsoToken#zoom/acme")

    cases.change(cases.require("c-1"), slow)
    found = cases.read("c-1")
    assert found is not None
    assert met == [State.SCHEDULED, State.OPEN]
    assert (found.state, found.outstanding) == (State.OPEN, ("RevokeGrants#venafi/acme",))


def test_what_is_taken_away_is_gone(cases: Cases) -> None:
    cases.add(case())
    cases.change(cases.require("c-1"), lambda standing: standing.with_look_at(None))
    found = cases.read("c-1")
    assert found is not None
    assert (found.watch, found.watch_at) == (None, None)
    assert list(cases.find_due(NOW + timedelta(days=99))) == []


def test_a_case_that_is_not_there_can_not_be_changed(cases: Cases) -> None:
    with pytest.raises(LookupError, match=r"^case c-1 is not there$"):
        cases.change(case(), opened)


def test_what_is_due_is_found_the_longest_waiting_first(cases: Cases) -> None:
    for number, minutes in enumerate((5, -5, 0, 1)):
        cases.add(case(f"c-{number}", watch_at=NOW + timedelta(minutes=minutes)))
    cases.add(case("c-held", watch="held"))
    assert list(cases.find_due(NOW)) == ["c-1", "c-2"]
    assert cases.count_held() == 1


@pytest.mark.parametrize("kind", ["table", "fake"])
def test_a_cases_receipts_are_those_beside_it(kind: str, request: pytest.FixtureRequest) -> None:
    kept: Receipts
    cases: Cases
    if kind == "fake":
        kept = InMemoryReceipts()
        cases = InMemoryCases(receipts=kept)
    else:
        aws = request.getfixturevalue("aws")
        kept, cases = Receipts(aws, table="Cases"), Cases(aws, table="Cases")
    cases.add(case())
    for case_id, entry in (("c-1", "B#zoom"), ("c-1", "A#zoom"), ("c-2", "A#zoom")):
        kept.finish(receipt(case_id, entry).closed(Result(Outcome.REVOKED, ProviderResponse(204)), now=NOW))
    found = cases.read_receipts("c-1")
    assert list(found) == ["A#zoom", "B#zoom"]
    assert found["A#zoom"] == kept.read(receipt("c-1", "A#zoom"))
    stored = cases.read_stored("c-1")
    # A seal digests what is stored: the text of it must be what is digested before it is written.
    expected = {"case": columns(case())} | {entry: columns(each) for entry, each in found.items()}
    assert json.dumps(stored, sort_keys=True) == json.dumps(expected, sort_keys=True)


def receipt(case_id: str, entry: str) -> Receipt:
    return Receipt(
        case_id=case_id,
        entry=entry,
        command="RevokeSsoToken",
        system="zoom",
        subject=ADA,
        requested_at=NOW,
        first_attempt_at=NOW,
    )


def test_what_stands_is_never_read_from_a_replica_that_lags(aws: Any) -> None:
    asked: list[Any] = []
    for operation in ("GetItem", "Query"):
        aws.meta.events.register(
            f"provide-client-params.dynamodb.{operation}", lambda params, **_: asked.append(params)
        )
    cases = Cases(aws, table="Cases")
    cases.read("c-1")
    cases.read_receipts("c-1")
    assert [each["ConsistentRead"] for each in asked] == [True, True]


# --- people ---


def gone(found: Name) -> Name:
    return found.model_copy(update={"case": "c-1", "gone_since": NOW})


def test_of_somebody_who_never_left_nothing_is_remembered(people: People) -> None:
    assert people.read(ADA) is None
    assert not people.gone([ADA])


def test_a_name_is_remembered_from_nothing_on(people: People) -> None:
    people.change(ADA, gone)
    found = people.read(ADA)
    assert found is not None
    assert (found.case, found.gone_since) == ("c-1", NOW)
    assert people.gone(["somebody.else@example.com", "Ada@Example.com"])


def test_addresses_are_one_whatever_their_case_and_ids_are_not(people: People) -> None:
    people.change("KDcu", gone)
    assert not people.gone(["kdcu"])
    assert people.gone(["KDcu"])


def test_a_tombstone_is_lifted(people: People) -> None:
    people.change(ADA, gone)
    people.change(ADA, lambda found: found.model_copy(update={"gone_since": None}))
    found = people.read(ADA)
    assert found is not None
    assert (found.case, found.gone_since, found.item_version) == ("c-1", None, 1)


def test_nothing_is_remembered_where_nothing_is_to_be(people: People) -> None:
    assert people.change(ADA, lambda _: None) is None
    assert people.read(ADA) is None


def test_who_is_overtaken_while_remembering_looks_again(people: People) -> None:
    met: list[str | None] = []

    def slow(found: Name) -> Name:
        met.append(found.case)
        if len(met) == 1:
            people.change(ADA, gone)
        return found.with_word("hr", NOW, stays=True)

    people.change(ADA, slow)
    found = people.read(ADA)
    assert found is not None
    assert met == [None, "c-1"]
    assert (found.case, found.said, found.gone_since) == ("c-1", {"hr": Word(at=NOW, stays=True)}, NOW)


def test_people_and_cases_do_not_touch_each_other(aws: Any) -> None:
    make: list[Callable[[], object]] = [
        lambda: Cases(aws, table="Cases").add(case()),
        lambda: People(aws, table="Cases").change("c-1", gone),
    ]
    for each in make:
        each()
    assert Cases(aws, table="Cases").read("c-1") == case()


def test_an_erased_name_refuses_under_its_hash_and_is_there_no_more(people: People) -> None:
    people.change(ADA, lambda found: found.with_tombstone("c-1", NOW))
    people.erase(ADA, ["c-2"], NOW)
    assert people.read(ADA) == Name(partition=f"person#{ADA}", case="c-1", gone_since=NOW)
    for _ in range(2):
        people.erase(ADA, ["c-1"], NOW)
        found = people.read(ADA)
        assert found is not None
        assert ADA not in found.partition
        assert (found.case, found.gone_since, found.erased_at, found.item_version) == (None, NOW, NOW, 0)
    # Another process has not seen the key before.
    people._hash_key = None
    assert people.gone([ADA])
    assert people.change(ADA, lambda found: found.with_case("c-3", None)) == people.read(ADA)
    people.erase(ADA, ["c-3"], NOW)
    assert people.gone([ADA])


def test_what_came_between_is_not_lost_with_the_name(aws: Any) -> None:
    """A name that changes while it is erased is hashed once more, as it is then."""
    people = People(aws, table="Cases")
    other = People(aws, table="Cases")
    people.change(ADA, lambda found: found.with_case("c-1", None))
    remove = people._items.remove

    def late(old: Name) -> bool:
        people._items.remove = remove  # type: ignore[method-assign] # once
        other.change(ADA, lambda found: found.with_tombstone("c-1", NOW))
        return remove(old)

    people._items.remove = late  # type: ignore[method-assign] # a race
    people.erase(ADA, ["c-1"], NOW)
    found = people.read(ADA)
    assert found is not None
    assert (found.gone_since, found.erased_at) == (NOW, NOW)
