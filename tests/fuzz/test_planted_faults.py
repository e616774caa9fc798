"""What the fuzzing must see: a crash, an echo, and a message that is lost."""

import json
from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from leaver.consuming.failures import FailureHandler
from leaver.consuming.message import Handled
from leaver.consuming.recorder import OutcomeRecorder
from leaver.messages import commands
from leaver.messages.commands import RevokeSsoToken
from tests.doubles.hr_events import CANARY
from tests.field import harms_of
from tests.fuzz.fuzzing import DONE, FuzzedQueue, fuzz

GOOD = '{"user_id": "john.doe@example.com"}'
BAD = json.dumps({"user_id": f"/{CANARY}"})


def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is read as if it had to be there."""
    monkeypatch.setattr(commands, "explain", lambda *_: "".index("field"))


def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason that quotes what it was given."""
    monkeypatch.setattr(commands, "explain", lambda *_: BAD)


def lose_what_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is acknowledged and not parked."""
    monkeypatch.setattr(FailureHandler, "_dead_letter", lambda *_: Handled(acknowledged=True))


def lose_what_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is acknowledged without a receipt."""
    monkeypatch.setattr(OutcomeRecorder, "record", lambda *_: Handled(acknowledged=True))


@pytest.mark.parametrize(
    ("plant", "body", "harm"),
    [
        (crash, BAD, "crashed"),
        (echo, BAD, "leaked"),
        (lose_what_is_bad, BAD, "lost"),
        (lose_what_is_good, GOOD, "lost"),
    ],
)
def test_a_planted_fault_is_seen(
    plant: Callable[[pytest.MonkeyPatch], None], body: str, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FuzzedQueue(RevokeSsoToken, lambda _: DONE)
    queue.takes(body)
    plant(monkeypatch)
    assert harms_of(lambda field: fuzz("planted", st.just(body), queue.takes, lambda *_: None, field)) == {harm: 1}
