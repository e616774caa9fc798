"""docs/notices.md tells of each announcement in the words that people are told, and shows the event that is posted."""

import json
import re
from typing import Any

import pytest

from leaver.messages.events import PeopleNotified
from leaver.messages.notices import TOLD, notice_of
from tests.contract.stack import ROOT

PAGE = (ROOT / "docs" / "notices.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
SEEN: dict[str, Any] = {
    "announcement_id": "c-6f2b/OffboardingHeld",
    "case_id": "c-6f2b",
    "subject": "zoe@example.com",
    "steps": ["a", "b", "c"],
    "outstanding": ["a"],
    "residual": [],
    "command": "RevokeGrants",
    "system": "venafi",
    "outcome": "failed",
    "connection": "zoom",
    "provider": "zoom",
    "since": "2026-11-20T08:30:00Z",
    "source": "hibob/main",
    "silent_since": "2026-11-12T08:30:00Z",
    "counts": {"gone_and_alive": 1, "alive_again": 1},
    "connections_of_who_left": ["zoom"],
    "because": ["the roster is old"],
    "dry_run": False,
}


def test_the_page_tells_of_every_announcement_that_people_are_told_of() -> None:
    assert tuple(ROWS) == TOLD


@pytest.mark.parametrize("name", TOLD)
def test_the_page_says_what_people_are_told(name: str) -> None:
    took = {"time_to_revoke": 42} if name == "OffboardingCompleted" else {}
    notice = notice_of(name, SEEN | took, with_address=False)
    assert notice is not None
    assert ROWS[name] == notice.sentence
    assert f"`{notice.next_step}`" in PAGE


def test_the_event_on_the_page_is_the_one_that_is_posted() -> None:
    [shown] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    event = json.loads(shown)
    notice = notice_of("OffboardingHeld", SEEN, with_address=False)
    assert notice is not None
    assert PeopleNotified(detail_type=event["detail-type"], **event["detail"]) == notice.as_event()
