"""The FIFO queue of refreshes: whatever becomes of one message of a connection, those behind it get their turn."""

from collections import deque
from datetime import timedelta
from typing import Any

import pytest

from leaver.connections.record import Status
from leaver.consuming import failures
from leaver.errors import AnswerLost, LeaverError, NotSent, ProviderUnavailable, Throttled
from leaver.messages.commands import RefreshAccessToken
from leaver.outcomes import Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.consumer_harness import ConsumerHarness, consume
from tests.doubles.lambda_events import FIFO_QUEUE, record
from tests.doubles.refresher import Stage
from tests.doubles.sqs import FIFO_DEAD_LETTERS

LONG = Throttled("daily limit", until=NOW + timedelta(hours=9))
DOWN = ProviderUnavailable("Zoom is out of order")


class Group:
    """One connection's messages, in order as SQS keeps them: whoever is behind one that is away waits for it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.harness = ConsumerHarness(clock=stage.clock)
        self.messages: deque[dict[str, Any]] = deque()
        self.consumer = self.harness.consumer(
            RefreshAccessToken, self._refresh, receipts=False, dead_letters=FIFO_DEAD_LETTERS
        )

    def send(self, **asked: Any) -> None:
        number = str(len(self.messages))
        body = {"connection": self.stage.name, **asked}
        self.messages.append(record(body, message_id=number, queue=FIFO_QUEUE, group=self.stage.name))

    def deliver_for(self, time: timedelta) -> None:
        """Deliver the head of the group whenever it is visible; what is acknowledged makes way."""
        until = self.stage.clock() + time
        while self.messages and self.stage.clock() <= until:
            head = self.messages[0]
            if consume(self.consumer, head):
                self.stage.clock.passes(seconds=max(1, self.harness.sqs.visible_in[head["receiptHandle"]]))
            else:
                self.messages.popleft()

    def _refresh(self, command: RefreshAccessToken) -> Result | None:
        return self.stage.run(self.stage.refresher(), **command.model_dump(exclude={"connection"}, exclude_none=True))


FAILURES = pytest.mark.parametrize(
    "error", [LONG, DOWN, NotSent("no connection"), AnswerLost("no answer")], ids=lambda error: type(error).__name__
)


@FAILURES
def test_a_refresh_that_failed_holds_up_no_person_who_asks_for_another(error: LeaverError) -> None:
    stage = Stage()
    group = Group(stage)
    group.send()
    group.send(force=True)
    stage.grant.failing = [error, error] if isinstance(error, AnswerLost) else [error]
    group.deliver_for(timedelta(minutes=1))
    assert not group.messages
    assert stage.record.status is Status.ACTIVE
    assert stage.announced in ([], ["ConnectionFailing", "ConnectionRecovered"])


@FAILURES
def test_a_refresh_that_failed_holds_up_no_revocation(error: LeaverError) -> None:
    stage = Stage(connection(refresh_at=NOW, expires_at=NOW))
    group = Group(stage)
    group.send()
    stage.grant.failing = [error, error] if isinstance(error, AnswerLost) else [error]
    group.deliver_for(timedelta(0))
    # As revoke_access_token does.
    stage.connections.change(stage.name, lambda current: current.as_revoking())
    group.send(for_revocation=True)
    group.deliver_for(timedelta(minutes=1))
    assert not group.messages
    assert stage.record.status is Status.REVOKED
    assert stage.clock() - NOW <= timedelta(minutes=1)


def test_what_the_queue_let_go_is_refreshed_by_the_schedule_when_its_time_has_come() -> None:
    stage = Stage()
    group = Group(stage)
    group.send()
    stage.grant.failing = [LONG]
    group.deliver_for(timedelta(minutes=1))
    stage.grant.failing = []
    assert list(stage.connections.due(NOW + timedelta(hours=8))) == []
    assert [each.connection for each in stage.connections.due(NOW + timedelta(hours=9))] == [stage.name]


def test_a_person_who_is_refused_as_well_asks_once_and_not_again_and_again() -> None:
    stage = Stage()
    group = Group(stage)
    stage.grant.failing = [LONG] * 9
    group.send(force=True)
    group.deliver_for(timedelta(hours=1))
    assert len(stage.grant.asked) == 1


def test_what_fails_before_the_record_can_say_so_is_back_within_a_minute() -> None:
    stage = Stage()
    group = Group(stage)
    group.harness.sqs.visible_in.clear()
    stage.connections.records[stage.name] = stage.record.with_lease("connect#somebody", NOW)
    group.send()
    for _ in range(12):
        consume(group.consumer, group.messages[0] | {"attributes": _received_often(group.messages[0])})
        assert group.harness.sqs.visible_in["handle of 0"] <= 60


def _received_often(message: dict[str, Any]) -> dict[str, str]:
    return {**message["attributes"], "ApproximateReceiveCount": "20"}


def test_those_tests_see_it_where_a_message_waits_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    # As it was: whatever failed came back to its place in the queue when the provider had said.
    monkeypatch.setattr(failures, "LONGEST_PAUSE_IN_ORDER", failures.LONGEST_PAUSE)
    monkeypatch.setattr(LeaverError, "is_postponed", property(lambda _: False, lambda *_: None), raising=False)
    with pytest.raises(AssertionError):
        test_a_refresh_that_failed_holds_up_no_person_who_asks_for_another(LONG)
    with pytest.raises(AssertionError):
        test_a_refresh_that_failed_holds_up_no_revocation(LONG)
