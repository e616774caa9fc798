"""Fifty readers find one token dead: one rotation, and then all of them get what they came for."""

import json
from typing import Any

import pytest

from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Status
from leaver.consuming.consumer import Consumer
from leaver.errors import ProviderUnavailable
from leaver.messages.commands import RefreshAccessToken, RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import Clock
from tests.doubles.connections_table import connection
from tests.doubles.consumer_harness import ConsumerHarness
from tests.doubles.lambda_events import Context, batch, record, returned
from tests.doubles.providers import FakeZoom
from tests.doubles.refresher import CHILD, Stage
from tests.doubles.secrets_manager import PARENT
from tests.doubles.sqs import REFRESH_QUEUE, FakeSqs

READERS = 50


class FifoQueue:
    """The refresh queue as SQS keeps it: a deduplication id that it has seen within five minutes is dropped."""

    def __init__(self, sqs: FakeSqs) -> None:
        self._sqs = sqs

    def delivered(self) -> list[dict[str, Any]]:
        """Every message that SQS would deliver, once."""
        by_id: dict[str, dict[str, Any]] = {}
        for message in self._sqs.to(REFRESH_QUEUE):
            by_id.setdefault(message["MessageDeduplicationId"], json.loads(message["MessageBody"]))
        self._sqs.sent.clear()
        return list(by_id.values())


class Readers:
    """Fifty messages of fifty people, and one connection whose token Zoom refuses."""

    def __init__(self) -> None:
        self.stage = Stage(connection())
        self.clock: Clock = self.stage.clock
        self.harness = ConsumerHarness(clock=self.clock)
        self.queue = FifoQueue(self.harness.sqs)
        people = {f"id-{number}": f"person.{number}@example.com" for number in range(READERS)}
        # The stored token is refused, long before it was to expire.
        self.zoom = FakeZoom(users=people, sessions=set(people), accepts={"access-2"})
        self.messages = [record({"user_id": email}) for email in people.values()]

    def come(self) -> set[str]:
        """Each tries; returns the ids of the messages that come back."""
        tokens = AccessTokens(self.stage.connections, self.stage.secret_store, self.clock, "zoom")

        def operation(command: RevokeSsoToken) -> Result:
            return tokens.with_token(
                command.connection, lambda _, token: self.zoom.delete_user_token(command.user_id, token)
            )

        consumer: Consumer[RevokeSsoToken] = self.harness.consumer(RevokeSsoToken, operation)
        back = returned(consumer.consume(batch(*self.messages), Context()))
        self.messages = [each for each in self.messages if each["messageId"] in back]
        return back

    def refresh(self) -> list[Result | None]:
        """Let the refresher work through what it was asked for."""
        refresher = self.stage.refresher()
        return [refresher.refresh(RefreshAccessToken.model_validate(asked)) for asked in self.queue.delivered()]


def outcomes(results: list[Result | None]) -> list[str | None]:
    return [str(result.outcome) if result else None for result in results]


@pytest.fixture
def readers() -> Readers:
    return Readers()


def test_fifty_readers_of_one_dead_token_cause_one_rotation_and_all_succeed(readers: Readers) -> None:
    assert len(readers.come()) == READERS
    assert len(readers.harness.sqs.to(REFRESH_QUEUE)) == READERS
    assert outcomes(readers.refresh()) == ["refreshed"]
    assert readers.stage.grant.asked == [("refresh", "refresh-1")]
    assert readers.come() == set()
    assert readers.zoom.sessions == set()
    assert readers.harness.parked == []


def test_readers_that_come_over_several_minutes_cause_one_rotation_too(readers: Readers) -> None:
    late, readers.messages = readers.messages[10:], readers.messages[:10]
    readers.come()
    readers.clock.passes(minutes=1)
    readers.messages += late
    readers.come()
    # Another minute is another deduplication id; the version that failed is what tells the refresher.
    assert outcomes(readers.refresh()) == ["refreshed", "still_fresh"]
    assert len(readers.stage.grant.asked) == 1
    assert readers.come() == set()
    assert readers.zoom.sessions == set()


def test_a_reader_that_comes_late_with_the_old_version_causes_none(readers: Readers) -> None:
    readers.come()
    readers.refresh()
    assert readers.stage.refresh(failed_version=PARENT) == Result(Outcome.STILL_FRESH)
    assert readers.stage.record.version == CHILD
    assert len(readers.stage.grant.asked) == 1


def test_readers_of_a_connection_that_cannot_be_refreshed_now_cause_no_hammering(readers: Readers) -> None:
    readers.stage.grant.failing = [ProviderUnavailable("Zoom is out of order")]
    readers.come()
    with pytest.raises(ProviderUnavailable):
        readers.refresh()
    for _ in range(3):
        readers.come()
        assert set(outcomes(readers.refresh())) == {"refused"}
    assert len(readers.stage.grant.asked) == 1
    assert readers.stage.record.status is Status.COOLING_DOWN
