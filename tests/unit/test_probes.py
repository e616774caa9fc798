"""Whether a queue is worked on: answered before any operation, and nothing is done, kept or said."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from leaver.consuming.answers import Answers, ProbeAnswers
from leaver.consuming.consumer import Consumer
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Outcome, Result
from leaver.version import VERSION
from tests.doubles.answers import InMemoryAnswers
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import Context, batch, event, record, returned

ID = "0e0b1a52-6d37-4d0b-9c27-9f3d8c1c2f11"
PROBE = {"probe": ID}
JOHN = {"user_id": "john.doe@example.com"}


class Place:
    """One function that answers probes, and what it was asked to read and to do."""

    def __init__(self) -> None:
        self.harness = ConsumerHarness()
        self.operation = Operation(Result(Outcome.REVOKED))
        self.answers = InMemoryAnswers()

    def consumer(self) -> Consumer[RevokeSsoToken]:
        probes = ProbeAnswers("leaver-under-test", cast("Answers", self.answers), self.harness.clock)
        return replace(self.harness.consumer(RevokeSsoToken, self.operation), probes=probes)

    @property
    def done(self) -> tuple[Any, ...]:
        return self.operation.commands, self.harness.receipts.items, self.harness.bus.put, self.harness.parked


@pytest.fixture
def place() -> Place:
    return Place()


def test_it_is_answered_with_the_code_that_runs_and_nothing_is_done_kept_or_said(place: Place) -> None:
    assert consume(place.consumer(), record(PROBE)) == set()
    assert (place.answers.only.delivery, place.answers.only.found) == (
        f"preview#{ID}",
        {"function": "leaver-under-test", "version": VERSION},
    )
    assert place.answers.only.expires_at == int((NOW + timedelta(hours=1)).timestamp())
    assert place.done == ([], {}, [], [])


def test_the_command_beside_it_in_the_batch_is_carried_out(place: Place) -> None:
    assert consume(place.consumer(), record(PROBE), record(JOHN)) == set()
    assert [each.user_id for each in place.operation.commands] == [JOHN["user_id"]]
    assert len(place.answers.kept) == 1


def test_a_function_with_no_time_left_for_a_command_still_answers(place: Place) -> None:
    failures = place.consumer().consume(batch(record(PROBE)), Context([1_000]))
    assert (returned(failures), len(place.answers.kept)) == (set(), 1)


def test_nobody_is_answered_who_waits_no_more(place: Place) -> None:
    sent_at = NOW - timedelta(minutes=2, seconds=1)
    assert consume(place.consumer(), record(PROBE, sent_at=sent_at)) == set()
    assert (place.answers.kept, place.done) == ({}, ([], {}, [], []))


def test_what_could_not_be_written_comes_back_and_is_no_dead_letter(place: Place) -> None:
    place.answers.fails = True
    assert consume(place.consumer(), record(PROBE, message_id="m-1")) == {"m-1"}
    assert place.done == ([], {}, [], [])


@pytest.mark.parametrize(
    "body",
    [
        {"probe": "message#1"},
        {"probe": ID + "\n"},
        {"probe": 7},
        PROBE | JOHN,
        event("RevokeSsoToken", PROBE),
    ],
)
def test_what_is_no_probe_is_dead_lettered_and_nothing_is_done(place: Place, body: Any) -> None:
    assert consume(place.consumer(), record(body)) == set()
    assert (place.operation.commands, place.answers.kept, len(place.harness.parked)) == ([], {}, 1)
