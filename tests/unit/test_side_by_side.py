"""Questions at the same time: whatever goes wrong with one is told as if they had been asked one after the other."""

from threading import Barrier, current_thread

import pytest

from leaver.providers.side_by_side import ask_of_each, beside, side_by_side


def refuse(which: str) -> str:
    raise ValueError(which)


def test_neither_of_two_waits_for_the_other() -> None:
    meeting = Barrier(2)
    assert side_by_side(lambda: meeting.wait(60) >= 0, lambda: meeting.wait(60) >= 0) == (True, True)


def test_of_two_that_fail_the_first_is_told_of() -> None:
    with pytest.raises(ValueError, match="one"):
        side_by_side(lambda: refuse("one"), lambda: refuse("other"))
    with pytest.raises(ValueError, match="other"):
        side_by_side(lambda: "one", lambda: refuse("other"))


def test_what_is_asked_beside_is_waited_for_and_its_failure_is_told_to_whoever_asks_for_the_answer() -> None:
    asked = []
    with beside(lambda: asked.append("beside")):
        pass
    assert asked == ["beside"]
    with beside(lambda: refuse("beside")) as answer, pytest.raises(ValueError, match="beside"):
        answer()


def test_of_several_each_is_asked_and_the_answers_have_their_order() -> None:
    meeting = Barrier(3)
    assert ask_of_each(lambda each: (meeting.wait(60) >= 0, each)[1], [3, 1, 2]) == [3, 1, 2]
    assert ask_of_each(refuse, []) == []


def test_the_first_of_several_failures_is_told_of() -> None:
    with pytest.raises(ValueError, match="a"):
        ask_of_each(refuse, ["a", "b"])


def test_one_alone_takes_no_thread() -> None:
    assert ask_of_each(lambda _: current_thread(), ["one"]) == [current_thread()]
