"""What was tried is shown as the tests recorded it, in the order of the table."""

from typing import Final

from tests.forged import Forged, forged_in
from tests.proof.parts import PARTS
from tests.proof.report import as_markdown, shown
from tests.proof.run import Ran
from tests.tried import Tried, tried_in

REPORT: Final = """<testsuites><testsuite tests="2" failures="0" errors="0">
<testcase><properties>
<property name="tried" value="[10, 'The wrong time', 'a year ahead', 'completed', 'nothing']" />
</properties></testcase>
<testcase><properties>
<property name="cases" value="[1]" />
<property name="tried" value="[2, 'The wrong person', 'somebody else', 'no case', 'a session']" />
</properties></testcase>
</testsuite></testsuites>"""


def test_each_row_is_read_as_a_test_recorded_it() -> None:
    assert sorted(tried_in(REPORT)) == [
        Tried(2, "The wrong person", "somebody else", "no case", "a session"),
        Tried(10, "The wrong time", "a year ahead", "completed", "nothing"),
    ]


def test_a_report_that_is_missing_tells_of_nothing_tried() -> None:
    assert list(tried_in("")) == []


def test_the_terminal_and_the_page_show_every_row_in_order() -> None:
    ran = [Ran(PARTS[0], 2, passed=True, found="", seconds=1, tried=tuple(tried_in(REPORT)))]
    for shows in (shown(ran), as_markdown(ran)):
        told = [
            "The wrong person",
            "somebody else",
            "no case",
            "a session",
            "The wrong time",
            "a year ahead",
            "nothing",
        ]
        places = [shows.index(each) for each in told]
        assert places == sorted(places)
    assert "| somebody else | no case | a session |" in as_markdown(ran)


def test_the_page_shows_what_was_forged_and_what_found_it() -> None:
    report = REPORT.replace('name="cases" value="[1]"', "name=\"forged\" value=\"[3, 'A key', 'it']\"")
    assert list(forged_in(report)) == [Forged(3, "A key", "it")]
    assert list(forged_in("")) == []
    ran = [Ran(PARTS[0], 2, passed=True, found="", seconds=1, forged=tuple(forged_in(report)))]
    assert "| A key | it |" in as_markdown(ran)
    assert "forged" not in as_markdown([Ran(PARTS[0], 2, passed=True, found="", seconds=1)])
