"""Who was counted in an hour: in the table as in the double of it, each person once and all or nothing."""

from datetime import timedelta
from typing import Any

import pytest

from leaver.cases.ceiling import EVERYBODY, ROUTINE, URGENT, PeopleAnHour
from tests.doubles.cases_table import InMemoryPeopleAnHour
from tests.doubles.clock import NOW


@pytest.fixture(params=["table", "double"])
def people(request: pytest.FixtureRequest) -> PeopleAnHour:
    if request.param == "double":
        return InMemoryPeopleAnHour()
    return PeopleAnHour(request.getfixturevalue("aws"), table="Cases")


def test_each_person_counts_once_an_hour_in_whatever_spelling(people: PeopleAnHour) -> None:
    for email in ("ada@example.com", "ben@example.com", "ADA@example.com", "cy@example.com"):
        assert people.find_exceeded(email, {ROUTINE: 3}, NOW) is None
    assert people.counts(NOW).get(ROUTINE, 0) == 3
    assert people.find_exceeded("dan@example.com", {ROUTINE: 3}, NOW) == ROUTINE
    assert people.find_exceeded("ada@example.com", {ROUTINE: 3}, NOW) is None
    assert people.find_exceeded("dan@example.com", {ROUTINE: 3}, NOW + timedelta(hours=1)) is None


def test_who_exceeds_one_limit_is_counted_under_none(people: PeopleAnHour) -> None:
    limits = {"from okta": 1, EVERYBODY: 2}
    assert people.find_exceeded("ada@example.com", limits, NOW) is None
    assert people.find_exceeded("ben@example.com", limits, NOW) == "from okta"
    assert people.counts(NOW).get(EVERYBODY, 0) == 1
    assert people.find_exceeded("ben@example.com", {EVERYBODY: 2}, NOW) is None
    assert people.find_exceeded("cy@example.com", {EVERYBODY: 2}, NOW) == EVERYBODY


def test_what_was_counted_before_is_added_to(people: PeopleAnHour) -> None:
    assert people.find_exceeded("ada@example.com", {EVERYBODY: 5}, NOW) is None
    assert people.find_exceeded("ada@example.com", {URGENT: None, EVERYBODY: 5}, NOW) is None
    assert (people.counts(NOW).get(EVERYBODY, 0), people.counts(NOW).get(URGENT, 0)) == (1, 1)


def test_a_limit_of_none_lets_nobody_pass(people: PeopleAnHour) -> None:
    assert people.find_exceeded("ada@example.com", {ROUTINE: 0}, NOW) == ROUTINE


def test_the_largest_limits_cost_no_more_than_the_smallest(people: PeopleAnHour) -> None:
    # DynamoDB reads a hundred items at once, and no more: counters of many parts once stopped everybody's case.
    limits = {ROUTINE: 100_000, "from okta": 100_000, EVERYBODY: 200_000}
    assert people.find_exceeded("ada@example.com", limits, NOW) is None
    assert people.counts(NOW) == dict.fromkeys(limits, 1)


def test_who_is_killed_between_count_and_mark_is_counted_once_more_and_never_too_seldom(
    people: PeopleAnHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(people, "_mark", lambda *_: None)
        assert people.find_exceeded("ada@example.com", {EVERYBODY: 3}, NOW) is None
    assert people.find_exceeded("ada@example.com", {EVERYBODY: 3}, NOW) is None
    assert people.counts(NOW) == {EVERYBODY: 2}
    assert people.find_exceeded("ada@example.com", {EVERYBODY: 3}, NOW) is None
    assert people.counts(NOW) == {EVERYBODY: 2}


def test_the_first_beyond_a_limit_stays_the_first(people: PeopleAnHour) -> None:
    told = [people.is_first_beyond(ROUTINE, each, NOW) for each in ("ada@example.com", "ben@example.com") * 2]
    assert told == [True, False, True, False]
    assert people.is_first_beyond(ROUTINE, "ben@example.com", NOW + timedelta(hours=1))


def test_who_comes_in_between_is_seen_and_the_limit_kept(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (PeopleAnHour(aws, table="Cases") for _ in range(2))
    read = one._read_mark

    def read_and_be_overtaken(*asked: Any) -> Any:
        found = read(*asked)
        monkeypatch.setattr(one, "_read_mark", read)
        assert other.find_exceeded("ben@example.com", {ROUTINE: 1}, NOW) is None
        return found

    monkeypatch.setattr(one, "_read_mark", read_and_be_overtaken)
    assert one.find_exceeded("ada@example.com", {ROUTINE: 1}, NOW) == ROUTINE
    assert other.counts(NOW)[ROUTINE] == 1
