"""A run that is killed, or runs out of time, counts as a failure: it is given up after a day like any other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from functions.revoke_grants.app import revoke_grants
from leaver.cases.receipts import Progress, Receipt
from leaver.cases.states import State
from leaver.connections.access_tokens import AccessTokens
from leaver.consuming.consumer import Consumer
from leaver.consuming.message import Handled, Message
from leaver.errors import OutOfTime, ProviderUnavailable, Throttled
from leaver.messages.commands import Command, RefreshAccessToken, RevokeGrants, RevokeSsoToken
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import FIFO_QUEUE, QUEUE, record
from tests.doubles.providers import FakeVenafi, proved_search
from tests.doubles.receipts_table import InMemoryReceipts
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.doubles.sqs import DEAD_LETTERS, FIFO_DEAD_LETTERS

JOHN = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
#: what the template gives the function, and how long a message of a killed run stays away
TIMEOUT = timedelta(seconds=60)
VISIBILITY = timedelta(seconds=360)


class Killed(BaseException):
    """Lambda ends the process."""


class Queue:
    """One message, delivered again and again until it is acknowledged; the runs of its function may be killed."""

    def __init__(self, body: dict[str, Any], *, fifo: bool = False) -> None:
        self.harness = ConsumerHarness()
        self.body = body
        self.queue = FIFO_QUEUE if fifo else QUEUE
        self.group = "zoom" if fifo else None
        self.receives = 0

    def deliver(self, consumer: Consumer[Any]) -> bool:
        """Deliver it once, and let time pass until it is visible again; returns whether it was acknowledged."""
        self.receives += 1
        message = record(
            self.body,
            message_id="1",
            queue=self.queue,
            group=self.group,
            first_received_at=NOW,
            receives=self.receives,
        )
        self.harness.sqs.visible_in.clear()
        try:
            if not consume(consumer, message):
                return True
        except Killed:
            self.harness.clock.passes(seconds=VISIBILITY.total_seconds())
            return False
        self.harness.clock.passes(seconds=self.harness.sqs.visible_in["handle of 1"])
        return False

    def deliver_for(self, time: timedelta, consumer: Consumer[Any]) -> bool:
        until = self.harness.clock() + time
        while self.harness.clock() < until:
            if self.deliver(consumer):
                return True
        return False


def killing(command: Any) -> Result:
    raise Killed(command)


CONSUMERS: dict[str, tuple[type[Command], dict[str, Any], bool]] = {
    "with receipts": (RevokeSsoToken, {"user_id": "john.doe@example.com"}, True),
    "without": (RefreshAccessToken, {"connection": "zoom"}, False),
}


@pytest.mark.parametrize("kind", CONSUMERS)
def test_a_message_whose_runs_are_all_killed_is_given_up_after_a_day(kind: str) -> None:
    command, body, receipts = CONSUMERS[kind]
    queue = Queue(body, fifo=not receipts)
    parked = DEAD_LETTERS if receipts else FIFO_DEAD_LETTERS
    consumer = queue.harness.consumer(command, killing, receipts=receipts, dead_letters=parked)
    assert not queue.deliver_for(timedelta(hours=23), consumer)
    assert queue.harness.parked == []
    assert queue.deliver_for(timedelta(hours=2), consumer)
    assert queue.harness.parked_attributes["error"] == "Killed"


def test_that_test_sees_it_where_a_killed_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Consumer, "_count_killed_runs", lambda _, message: message)
    for kind in CONSUMERS:
        with pytest.raises(AssertionError):
            test_a_message_whose_runs_are_all_killed_is_given_up_after_a_day(kind)


@pytest.mark.parametrize("receives", [1, 2, 9])
@pytest.mark.parametrize("kind", CONSUMERS)
def test_a_message_whose_function_stood_still_for_a_day_gets_its_try(kind: str, receives: int) -> None:
    command, body, receipts = CONSUMERS[kind]
    queue = Queue(body, fifo=not receipts)
    tried = Operation(Result(Outcome.REFRESHED))
    queue.harness.clock.passes(hours=30)
    queue.receives = receives - 1
    parked = DEAD_LETTERS if receipts else FIFO_DEAD_LETTERS
    assert queue.deliver(queue.harness.consumer(command, tried, receipts=receipts, dead_letters=parked))
    assert (len(tried.commands), queue.harness.parked) == (1, [])


def test_that_test_sees_it_where_the_time_alone_tells_of_a_killed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaver.consuming.consumer.OFTEN", 0)
    with pytest.raises(AssertionError):
        test_a_message_whose_function_stood_still_for_a_day_gets_its_try("without", 2)


def test_a_run_that_is_throttled_for_days_was_not_killed() -> None:
    queue = Queue({"user_id": "john.doe@example.com"})

    def throttled(_: RevokeSsoToken) -> Result:
        raise Throttled("daily limit", until=queue.harness.clock() + timedelta(hours=5))

    assert not queue.deliver_for(timedelta(days=6), queue.harness.consumer(RevokeSsoToken, throttled))
    assert queue.harness.parked == []
    revoked = queue.harness.consumer(RevokeSsoToken, lambda _: Result(Outcome.REVOKED))
    assert queue.deliver(revoked)
    assert (queue.harness.receipts.only.attempts, queue.harness.receipts.only.outcome) == (1, Outcome.REVOKED)


def test_what_is_done_is_announced_again_however_late() -> None:
    queue = Queue({"user_id": "john.doe@example.com"})
    consumer = queue.harness.consumer(RevokeSsoToken, lambda _: Result(Outcome.REVOKED))
    queue.harness.bus.broken = True
    assert not queue.deliver_for(timedelta(hours=26), consumer)
    queue.harness.bus.broken = False
    assert queue.deliver(consumer)
    assert queue.harness.parked == []


def test_of_a_day_of_failures_the_last_one_is_still_named() -> None:
    queue = Queue({"user_id": "john.doe@example.com"})

    def down(_: RevokeSsoToken) -> Result:
        raise ProviderUnavailable("Zoom is out of order")

    assert queue.deliver_for(timedelta(hours=25), queue.harness.consumer(RevokeSsoToken, down))
    assert queue.harness.parked_attributes["error"] == "ProviderUnavailable"


def late(receives: int, message_id: str = "1") -> dict[str, Any]:
    """A delivery of a command that a rule had sent more than a day ago; SQS may have more than one message of it."""
    return record(
        {"user_id": "john.doe@example.com", "case_id": "case-1"},
        message_id=message_id,
        first_received_at=NOW - timedelta(hours=25),
        receives=receives,
    )


def over(harness: ConsumerHarness, operation: Callable[..., Result], state: State) -> Consumer[RevokeSsoToken]:
    case: Any = SimpleNamespace(state=state)
    return replace(harness.consumer(RevokeSsoToken, operation), read_case=lambda *_: case, request_seals=None)


@pytest.mark.parametrize("receives", [8, 9, 10])
def test_who_is_revoked_beside_a_late_duplicate_is_revoked_on_the_receipt_too(receives: int) -> None:
    harness = ConsumerHarness()
    revoked = over(harness, lambda _: Result(Outcome.REVOKED), State.OPEN)

    def slow(_: RevokeSsoToken) -> Result:
        assert not consume(revoked, late(receives, "2"))
        return Result(Outcome.REVOKED)

    assert not consume(over(harness, slow, State.OPEN), late(9))
    assert (harness.receipts.only.outcome, harness.parked) == (Outcome.REVOKED, [])


def test_that_test_sees_it_where_the_note_is_not_the_messages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Consumer._count_killed_runs

    def anybodys(self: Consumer[Any], message: Message[Any]) -> None:
        if message.standing and message.standing.last_try:
            noted = {message.envelope.id_in_queue: 0}
            message = replace(message, standing=message.standing.model_copy(update={"last_try": noted}))
        count(self, message)

    monkeypatch.setattr(Consumer, "_count_killed_runs", anybodys)
    with pytest.raises(AssertionError):
        test_who_is_revoked_beside_a_late_duplicate_is_revoked_on_the_receipt_too(9)


def test_two_messages_of_one_command_whose_runs_are_all_killed_are_both_given_up() -> None:
    harness = ConsumerHarness()
    consumer = over(harness, killing, State.OPEN)
    for message_id in ("1", "2"):
        with pytest.raises(Killed):
            consume(consumer, late(8, message_id))
    assert not consume(consumer, late(9, "1"))
    assert harness.parked_attributes["error"] == "Killed"


def test_of_a_case_that_is_over_nobody_was_killed() -> None:
    harness = ConsumerHarness()
    with pytest.raises(Killed):
        consume(over(harness, killing, State.OPEN), late(8))
    assert not consume(over(harness, killing, State.CANCELLED), late(9))
    assert (harness.receipts.only.outcome, harness.parked) == (Outcome.REFUSED, [])


def test_that_test_sees_it_where_the_runs_of_such_a_case_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out = Consumer._carry_out

    def counting(self: Consumer[Any], command: Any, message: Any, progress: Progress, *, is_over: bool) -> Handled:
        self._count_killed_runs(message)
        return carry_out(self, command, message, progress, is_over=is_over)

    monkeypatch.setattr(Consumer, "_carry_out", counting)
    with pytest.raises(AssertionError):
        test_of_a_case_that_is_over_nobody_was_killed()


# --- an operation of several calls ---


class SlowVenafi(FakeVenafi):
    """Each answer takes long; a call that does not fit into the run is not begun, as the transport has it."""

    run_ends: Any = None

    def _asked(self, what: str, access_token: Any) -> None:
        if self.clock() + self.takes > self.run_ends:
            raise OutOfTime("too little time is left to ask Venafi")
        super()._asked(what, access_token)


def slow(takes: timedelta) -> tuple[Queue, SlowVenafi, Callable[[], Consumer[RevokeGrants]]]:
    queue = Queue({"identity": "john.doe@example.com"})
    clock = queue.harness.clock
    venafi = SlowVenafi(grants={JOHN: 3}, people={"john.doe@example.com": [JOHN]}, clock=clock, takes=takes)
    tokens = AccessTokens(
        InMemoryConnections(connection("venafi", provider="venafi", expires_at=NOW + timedelta(days=9))),
        secret_store_of(StrictSecretsManager(), "venafi"),
        clock,
        "venafi",
    )
    search = proved_search(venafi, clock)
    operation = partial(revoke_grants, venafi=venafi, tokens=tokens, search=search, age_of=lambda _: timedelta(0))

    def run() -> Consumer[RevokeGrants]:
        venafi.run_ends = clock() + TIMEOUT
        return queue.harness.consumer(RevokeGrants, operation, resumes=True)

    return queue, venafi, run


def test_a_venafi_that_takes_sixteen_seconds_a_call_ends_the_grants_and_says_so() -> None:
    queue, venafi, run = slow(timedelta(seconds=16))
    runs = 1
    while not queue.deliver(run()):
        runs += 1
        assert runs < 9
    assert venafi.asked.count("revoke_grants") == 1
    receipt = queue.harness.receipts.only
    assert (receipt.outcome, receipt.provider_status, receipt.provider_code) == (Outcome.REVOKED, 200, "0")
    assert receipt.details["prefixed_universal"] == JOHN
    assert receipt.details["grants_left"] == 0
    assert (receipt.progress, receipt.last_try) == (None, None)


def test_of_somebody_whom_a_slow_venafi_does_not_find_it_says_so_in_the_end() -> None:
    queue, venafi, run = slow(timedelta(seconds=16))
    venafi.people.clear()
    runs = 1
    while not queue.deliver(run()):
        runs += 1
        assert runs < 9
    receipt = queue.harness.receipts.only
    assert receipt.outcome is Outcome.NOT_SEARCHABLE
    assert receipt.details["because"] == "the grants of all applications could not be looked through in time"


def test_that_test_sees_it_where_each_run_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receipt, "going_on", lambda self, _: self)
    with pytest.raises(AssertionError):
        test_a_venafi_that_takes_sixteen_seconds_a_call_ends_the_grants_and_says_so()


def test_grants_that_are_left_are_revoked_again_by_the_next_run() -> None:
    queue, venafi, run = slow(timedelta(seconds=1))
    venafi.clings_to = 1
    assert not queue.deliver(run())
    venafi.clings_to = 0
    assert queue.deliver(run())
    assert venafi.asked.count("revoke_grants") == 2
    assert queue.harness.receipts.only.outcome is Outcome.REVOKED


@pytest.mark.parametrize("then", [ProviderUnavailable("no"), Throttled("no", until=NOW)], ids=["failed", "throttled"])
def test_grants_that_somebody_got_between_two_runs_are_revoked_again(then: Exception) -> None:
    queue = Queue({"application_id": "vault", "confirm": RevokeGrants.CONFIRMATION})
    revocations: list[Progress] = []

    def operation(_: RevokeGrants, progress: Progress) -> Result:
        if "outcome" not in progress:
            revocations.append(dict(progress))
            progress["outcome"] = "revoked"
            raise ProviderUnavailable("the rest can not be counted")
        if len(revocations) == 1:
            del progress["outcome"]
            raise then
        return Result(Outcome.REVOKED)

    consumer = queue.harness.consumer(RevokeGrants, operation, resumes=True)
    assert [queue.deliver(consumer) for _ in range(4)] == [False, False, False, True]
    assert revocations == [{}, {}]


@pytest.mark.parametrize("then", [ProviderUnavailable("no"), Throttled("no", until=NOW)], ids=["failed", "throttled"])
def test_that_test_sees_it_where_progress_is_never_taken_back(then: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    put = InMemoryReceipts._put

    def keeping(self: InMemoryReceipts, receipt: Receipt, *, failures: int = 1) -> Receipt | None:
        standing = self.read(receipt)
        kept = standing.progress if standing else None
        return put(self, receipt.model_copy(update={"progress": receipt.progress or kept}), failures=failures)

    monkeypatch.setattr(InMemoryReceipts, "_put", keeping)
    with pytest.raises(AssertionError):
        test_grants_that_somebody_got_between_two_runs_are_revoked_again(then)


def test_an_applications_grants_that_are_left_are_revoked_again() -> None:
    queue, venafi, run = slow(timedelta(seconds=1))
    queue.body = {"application_id": "vault", "confirm": RevokeGrants.CONFIRMATION}
    venafi.grants["vault"] = 17
    venafi.clings_to = 1
    assert not queue.deliver(run())
    venafi.clings_to = 0
    assert queue.deliver(run())
    assert (venafi.asked.count("revoke_grants"), venafi.grants["vault"]) == (2, 0)


def test_what_a_run_did_before_the_last_try_is_known_to_the_last_try() -> None:
    queue = Queue({"user_id": "john.doe@example.com"})
    seen: list[Progress] = []

    def operation(_: RevokeSsoToken, progress: Progress) -> Result:
        seen.append(dict(progress))
        progress["found"] = "yes"
        raise Throttled("no", until=NOW + timedelta(hours=25))

    consumer = queue.harness.consumer(RevokeSsoToken, operation, resumes=True)
    assert not queue.deliver_for(timedelta(hours=26), consumer)
    assert seen[0] == {}
    assert all(each == {"found": "yes"} for each in seen[1:])
    assert queue.harness.receipts.only.progress == {"found": "yes"}


@pytest.mark.parametrize("error", [ProviderUnavailable("no"), Throttled("no", until=NOW)], ids=["failed", "throttled"])
def test_what_a_run_did_is_known_to_the_next_whatever_stopped_it(error: Exception) -> None:
    queue = Queue({"user_id": "john.doe@example.com"})
    seen: list[Progress] = []

    def operation(_: RevokeSsoToken, progress: Progress) -> Result:
        seen.append(dict(progress))
        if progress:
            return Result(Outcome.REVOKED)
        progress["found"] = "yes"
        raise error

    consumer = queue.harness.consumer(RevokeSsoToken, operation, resumes=True)
    assert not queue.deliver(consumer)
    assert queue.deliver(consumer)
    assert seen == [{}, {"found": "yes"}]


def test_what_a_person_sends_again_goes_on_with_whom_it_had_found() -> None:
    harness = ConsumerHarness()
    seen: list[Progress] = []

    def operation(_: RevokeSsoToken, progress: Progress) -> Result:
        seen.append(dict(progress))
        progress["found"] = "somebody"
        raise ProviderUnavailable("no")

    consumer = harness.consumer(RevokeSsoToken, operation, resumes=True)
    john = {"user_id": "john.doe@example.com"}
    consume(consumer, record(john, message_id="1", first_received_at=NOW - timedelta(hours=24)))
    assert harness.receipts.only.outcome is Outcome.FAILED
    consume(consumer, record(john, message_id="2", before_parking="1"))
    assert seen == [{}, {"found": "somebody"}]
