"""`leaver dismiss` on moto: the word first, then the removal; nothing is removed whose access would stay."""

import pytest
from click.testing import Result

from leaver.cases.heard import Fate
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import Stack, stack

__all__ = ["stack"]  # a fixture

WORD = "AROA:ada, of start_offboarding: HR sent it anew"
BECAUSE = ("--because", "HR sent it anew")
DEAD_LETTERS = "leaver-start-offboarding-dead-letters"


@pytest.fixture
def recorded(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose start_offboarding puts a dismissal on record at once, if one was sent."""
    monkeypatch.setattr("leaver_cli.fates.time.sleep", lambda _: stack.reads_of_it(Fate("dismissed", because=WORD)))
    return stack


def dismiss(*arguments: str, answer: str | None = None) -> Result:
    return leaver("dismiss", "start_offboarding", *arguments, *BECAUSE, answer=answer)


def malformed(stack: Stack) -> None:
    stack.world.park("{}", function="start-offboarding", error="BadMessage", reason="subject: missing")


def test_a_malformed_event_is_removed_after_the_word_is_on_record(recorded: Stack) -> None:
    malformed(recorded)
    result = dismiss("first-id", answer="y\n")
    assert result.exit_code == 0
    assert "What it asked for is NOT done" in result.output
    assert f"dismissed: first-id is removed; on record: {WORD}" in result.output
    assert recorded.world.bodies(DEAD_LETTERS) == []
    assert recorded.decided() == [
        {"decision": "dismiss", "message": "first-id", "function": "start_offboarding", "because": "HR sent it anew"}
    ]


def test_without_a_word_on_record_nothing_is_removed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    malformed(stack)
    monkeypatch.setattr("leaver_cli.fates.PAUSE", 0)
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


def test_a_word_that_is_not_taken_removes_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    malformed(stack)
    refused = Fate("dead_lettered", because="because: expected up to 256 characters")
    monkeypatch.setattr("leaver_cli.fates.time.sleep", lambda _: stack.reads_of_it(refused))
    result = dismiss("first-id", "--yes")
    assert result.exit_code == 1
    assert "nothing was removed: your word was dead_lettered: because: expected" in result.output
    assert stack.world.bodies(DEAD_LETTERS) == ["{}"]
