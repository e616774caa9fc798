"""Whatever comes to the queue of HR events, it is heard once and has one fate."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import strategies as st

from functions.start_offboarding.app import Decision, StartOffboarding, name, understand
from leaver.cases.heard import Fate
from tests.doubles.hr_events import CANARY, CHOICES
from tests.field import Field
from tests.fuzz.any_json import any_json, nearly
from tests.fuzz.fuzzing import FuzzedQueue, fuzz
from tests.fuzz.test_hr_events import SENT

DECISION = {"case": "5f2c", "decision": "close", "step": "RevokeSsoToken#zoom/acme", "because": "seen to by hand"}


@pytest.mark.parametrize("source", [*SENT, "a person's decision"])
def test_whatever_is_heard_has_one_fate(
    source: str, record_property: Callable[[str, object], None], field: Field
) -> None:
    queue = FuzzedQueue(
        StartOffboarding,
        lambda _: Fate("opened", "case-1"),
        read=partial(understand, choices=CHOICES),
        name=name,
    )
    # Some payloads are from years ago, and none is to be too old.
    queue.harness.clock.now = datetime(2007, 1, 1, tzinfo=UTC)
    sound = SENT.get(source)
    if sound is None:
        bodies = nearly(DECISION)
    else:
        details = nearly(sound["detail"]) | st.dictionaries(st.just(CANARY), any_json)
        bodies = details.map(lambda detail: sound | {"detail": detail})

    def end(body: object) -> str:
        ending = queue.takes(json.dumps(body), echoes=True)
        # Source and id of what was understood show; of what was not, nothing may.
        if ending != "done":
            queue.must_not_echo()
        (heard,) = {each.message_id for each in queue.heard.items.scan()}
        assert heard.startswith("message-")
        return ending

    fuzz(f"HR: {source}", bodies, end, record_property, field)


def test_a_decision_is_told_apart_from_an_event() -> None:
    assert Decision.model_fields.keys() >= DECISION.keys()
