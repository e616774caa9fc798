"""A roster is read line by line, and not believed where it is old, cut short, or lost too many people."""

from datetime import UTC, datetime, timedelta

import pytest

from leaver.providers.listing import Person
from leaver.reconcile.roster import BadRoster, find_faults, read_csv, require_one_each, with_who_is_missing

AS_OF = datetime(2026, 11, 29, 1, tzinfo=UTC)
HEAD = b"# as_of=2026-11-29T01:00:00Z count=2\n"
GOOD = (
    HEAD
    + b"email,aliases,employee_id,status,zoom:id\nada@example.com,a@x.com b@x.com,E1,,Z1\nbob@example.com,,,gone,\n"
)


def test_a_roster_tells_who_is_here_and_who_left() -> None:
    roster = read_csv(b"\xef\xbb\xbf" + GOOD)
    assert roster.people == (
        Person("ada@example.com", ("a@x.com", "b@x.com"), "E1", ("Z1",)),
        Person("bob@example.com", is_gone=True),
    )
    assert (roster.as_of, roster.said, roster.here) == (AS_OF, 2, 1)
    assert read_csv(GOOD.replace(b",", b";")).people == roster.people
    assert not find_faults(roster, None, AS_OF, may_shrink=5)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (GOOD[len(HEAD) :], "line 1"),
        (GOOD.replace(b"01:00:00Z", b"01:00:00"), "line 1"),
        (GOOD.replace(b"email,", b"mail,"), "line 2"),
        (GOOD.replace(b"employee_id", b"employe_id"), "line 2: column 3"),
        (GOOD.replace(b"ada@example.com", b"ada"), "line 3: email"),
        (GOOD.replace(b"gone", b"on leave"), "line 4: status"),
        (GOOD.replace(b",gone,", b",gone"), "line 4: expected as many"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_what_is_no_roster_is_refused_by_its_line(wrong: bytes, why: str) -> None:
    with pytest.raises(BadRoster, match=why):
        read_csv(wrong)


def test_a_roster_that_lost_a_page_was_cut_short() -> None:
    lost = read_csv(GOOD.rpartition(b"bob")[0])
    assert find_faults(lost, None, AS_OF, may_shrink=5) == [
        "the roster was cut short: it says 2 people, and has 1",
    ]


def test_an_old_roster_and_one_of_a_time_to_come_are_not_believed() -> None:
    roster = read_csv(GOOD)
    assert "old" in find_faults(roster, None, AS_OF + timedelta(hours=49), may_shrink=5)[0]
    assert "to come" in find_faults(roster, None, AS_OF - timedelta(hours=1), may_shrink=5)[0]


@pytest.mark.parametrize(("here", "believed"), [(95, True), (94, False), (0, False)])
def test_a_roster_that_shrank_by_more_than_its_share_is_not_believed(here: int, *, believed: bool) -> None:
    people = "".join(f"p{number}@example.com\n" for number in range(here))
    roster = read_csv(f"# as_of=2026-11-29T01:00:00Z count={here}\nemail\n{people}".encode())
    assert (not find_faults(roster, 100, AS_OF, may_shrink=5)) is believed


def test_two_people_who_are_here_share_no_name_and_one_that_passed_on_is_no_fault() -> None:
    with pytest.raises(BadRoster, match="an address of person 2 is person 1's"):
        require_one_each([Person("ada@example.com"), Person("x@example.com", ("ADA@example.com",))])
    with pytest.raises(BadRoster, match="the employee id of person 2"):
        require_one_each([Person("a@x.com", employee_id="7"), Person("b@x.com", employee_id="7")])
    require_one_each([Person("ada@example.com"), Person("ada@example.com", is_gone=True)])


def test_who_is_missing_from_a_roster_is_remembered_as_gone_since_then_until_they_are_back() -> None:
    ada, bob = Person("ada@example.com"), Person("bob@example.com", employee_id="7")
    first = with_who_is_missing([ada], [ada, bob], "2026-11-28")
    assert first[1] == Person("bob@example.com", employee_id="7", is_gone=True, missing_since="2026-11-28")
    assert with_who_is_missing([ada], first, "2026-11-29") == first
    assert with_who_is_missing([ada, Person("robert@example.com", employee_id="7")], first, "2026-11-30")[1:] == (
        Person("robert@example.com", employee_id="7"),
    )
