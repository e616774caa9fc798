"""`leaver dismiss` on moto: the word first, then the removal; nothing is removed whose access would stay."""

from datetime import UTC, datetime

import pytest
from click.testing import Result

from leaver.cases.heard import Fate, HeardEvents, heard
from leaver_cli.cases import fate
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import Stack, stack

__all__ = ["stack"]  # a fixture

WORD = "AROA:ada, of start_offboarding: HR sent it anew"
BECAUSE = ("--because", "HR sent it anew")
DEAD_LETTERS = "leaver-start-offboarding-dead-letters"


@pytest.fixture
def words() -> list[dict[str, str]]:
    """What start_offboarding got to read."""
    return []


@pytest.fixture
def recorded(stack: Stack, words: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose start_offboarding puts a dismissal on record at once, if one was sent."""

    def record(stamp: float) -> None:
        del stamp
        for word in stack.decided():
            words.append(word)
            told = heard("word", datetime.now(tz=UTC), source="operator", event_id=word["message"])
            HeardEvents(stack.dynamodb, table="Cases").put_once(told.closed(Fate("dismissed", because=WORD)))

    monkeypatch.setattr("leaver_cli.cases.fate.time.sleep", record)
    return stack


def dismiss(*arguments: str, answer: str | None = None) -> Result:
    return leaver("dismiss", "start_offboarding", *arguments, *BECAUSE, answer=answer)


def malformed(stack: Stack) -> None:
    stack.world.park("{}", function="start-offboarding", error="BadMessage", reason="subject: missing")


def test_a_malformed_event_is_removed_after_the_word_is_on_record(recorded: Stack, words: list[dict[str, str]]) -> None:
    malformed(recorded)
    result = dismiss("first-id", answer="y\n")
    assert result.exit_code == 0
    assert "What it asked for is NOT done" in result.output
    assert f"dismissed: first-id is removed; on record: {WORD}" in result.output
    assert recorded.world.bodies(DEAD_LETTERS) == []
    assert words == [
        {"decision": "dismiss", "message": "first-id", "function": "start_offboarding", "because": "HR sent it anew"}
    ]


def test_without_a_word_on_record_nothing_is_removed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    malformed(stack)
    monkeypatch.setattr(fate, "POLL_INTERVAL", 0)
    result = dismiss("first-id", "--yes", "--wait", "1")
    assert result.exit_code == 1
    assert "nothing was removed: your word was not on record within 1 seconds; try again" in result.output
    assert stack.world.bodies(DEAD_LETTERS) == ["{}"]


def test_without_a_yes_nothing_is_said_or_removed(recorded: Stack) -> None:
    malformed(recorded)
    assert dismiss("first-id", answer="n\n").exit_code == 1
    assert (recorded.decided(), recorded.world.bodies(DEAD_LETTERS)) == ([], ["{}"])


@pytest.mark.parametrize(
    ("body", "error", "told"),
    [
        ('{"case_id": "c-1"}', "Rejected", "it is of case c-1, whose access would stay"),
        ('{"case_id": "c-1"}', "BadMessage", "it is of case c-1, whose access would stay"),
        (
            '{"user_id": "ada@example.com"}',
            "Rejected",
            "access would stay: mend what its reason says, then `leaver redrive",
        ),
    ],
)
def test_what_would_leave_access_is_not_dismissed(recorded: Stack, body: str, error: str, told: str) -> None:
    recorded.world.park(body, error=error)
    result = leaver("dismiss", "revoke_sso_token", "first-id", "--yes", *BECAUSE)
    assert result.exit_code == 1
    assert told in result.output
    assert recorded.decided() == []
    assert recorded.world.bodies("leaver-revoke-sso-token-dead-letters") == [body]


def test_a_message_that_is_not_there_is_said(recorded: Stack) -> None:
    malformed(recorded)
    result = dismiss("another-id", "--yes")
    assert result.exit_code == 1
    assert "no dead letter of start_offboarding is called another-id" in result.output
    assert recorded.decided() == []
