"""A person dismisses a dead letter from which no case came: who and why stand on record, and nothing else happens."""

import pytest

from functions.start_offboarding.app import Dismissal
from leaver.errors import BadMessage
from leaver.messages.commands import parse
from tests.cases.test_closing import SENDER
from tests.doubles.office import Office

WORD = {"decision": "dismiss", "message": "m-1", "function": "start_offboarding", "because": "HR sent it anew"}


def test_who_and_why_stand_on_record_and_nothing_else_happens() -> None:
    office = Office()
    office.queue("StartOffboarding", WORD)
    office.works()
    [fate] = office.heard.fates
    assert (fate.source, fate.event_id, fate.fate) == ("operator", "m-1", "dismissed")
    assert fate.because == f"{SENDER}, of start_offboarding: HR sent it anew"
    assert office.announced("OffboardingStarted") == []


@pytest.mark.parametrize("left_out", ["message", "function", "because"])
def test_a_word_without_what_it_is_about_or_why_is_none(left_out: str) -> None:
    told = {name: value for name, value in WORD.items() if name != left_out}
    with pytest.raises(BadMessage, match=left_out):
        parse(Dismissal, {**told, "who": SENDER}, direct=True)
