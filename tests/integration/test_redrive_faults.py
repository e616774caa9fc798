"""`leaver redrive` on moto when AWS fails, the process dies or a message fails again: nothing is lost, a run ends."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from leaver_cli.parked.dead_letters import Cause, DeadLetterQueue, ParkedMessage
from leaver_cli.parked.redrive import Moved, put_back
from leaver_cli.parked.redrive_target import to_its_queue
from tests.integration.parked_stack import ARN, World, leaver, world_on_moto

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

QUEUE = "leaver-revoke-sso-token"
DEAD_LETTERS = "leaver-revoke-sso-token-dead-letters"
LONG_AFTER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_on_moto(monkeypatch) as world:
        yield world


class Broken:
    """SQS, but for one operation that fails."""

    def __init__(self, sqs: "SQSClient", operation: str, error: BaseException, *, after: int = 0) -> None:
        self._sqs = sqs
        self._operation = operation
        self._error = error
        self._after = after

    def __getattr__(self, name: str) -> Any:
        if name == self._operation:
            if self._after == 0:
                return self._fail
            self._after -= 1
        return getattr(self._sqs, name)

    def _fail(self, **_asked: Any) -> Any:
        raise self._error


class Killed(BaseException):
    """The process dies here."""


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, operation)


def run(
    world: World,
    *,
    parking: "SQSClient | Broken | None" = None,
    sending: "SQSClient | Broken | None" = None,
    began: datetime = LONG_AFTER,
) -> list[Moved]:
    """A run for `revoke_sso_token` in which parts of SQS may be broken."""
    waiting = DeadLetterQueue(
        cast("SQSClient", parking or world.sqs), world.url(DEAD_LETTERS), unexplained=Cause.CRASHED
    )
    stack = world.stack
    if sending:
        stack = type(stack)("leaver", sqs=cast("SQSClient", sending), events=world.events)
    send = to_its_queue(stack, "revoke_sso_token")
    return list(put_back(waiting, send, chosen=lambda _: True, began=began))


@pytest.mark.parametrize("error", [denied("SendMessage"), EndpointConnectionError(endpoint_url="https://sqs")])
def test_a_message_that_cannot_be_sent_stays(world: World, error: Exception) -> None:
    world.park()
    (moved,) = run(world, sending=Broken(world.sqs, "send_message", error))
    assert not moved.sent
    assert moved.stays == f"could not be sent: {error}"
    assert len(world.bodies(DEAD_LETTERS)) == 1


def test_one_message_that_cannot_be_sent_does_not_keep_the_others(world: World) -> None:
    for number in range(3):
        world.park(message_id=f"id-{number}")
    moved = run(world, sending=Broken(world.sqs, "send_message", denied("SendMessage"), after=2))
    assert [each.sent for each in moved] == [True, True, False]
    assert len(world.bodies(QUEUE)) == 2
    assert len(world.bodies(DEAD_LETTERS)) == 1


def test_what_stays_is_told_and_the_exit_status_says_so(world: World) -> None:
    attributes = {"error": "Rejected", "queue": f"{ARN}leaver-gone", "message_id": "first-id"}
    world.put(DEAD_LETTERS, "{}", attributes)
    world.park(message_id="id-2")
    result = leaver("redrive", "revoke_sso_token", "--yes")
    assert result.exit_code == 1
    assert "first-id could not be sent: there is no queue leaver-gone" in result.output
    assert "1 message went back" in result.output
    assert "1 message stayed parked, as told above." in result.output


def test_a_parked_copy_that_cannot_be_deleted_is_told_and_is_not_sent_twice_in_one_run(world: World) -> None:
    world.park()
    (moved,) = run(world, parking=Broken(world.sqs, "delete_message", denied("DeleteMessage")))
    assert moved.sent
    assert moved.stays
    assert moved.stays.startswith("could not be deleted here")
    assert len(world.bodies(QUEUE)) == 1
    assert len(world.bodies(DEAD_LETTERS)) == 1


def test_dying_between_sending_and_deleting_leaves_two_copies_and_never_none(world: World) -> None:
    world.park(message_id="first-id")
    with pytest.raises(Killed):
        run(world, parking=Broken(world.sqs, "delete_message", Killed()))
    copies = [*world.take(QUEUE), *world.take(DEAD_LETTERS)]
    assert [each["MessageAttributes"]["message_id"]["StringValue"] for each in copies] == ["first-id", "first-id"]


def test_dying_before_sending_leaves_the_message_parked_and_visible(world: World) -> None:
    world.park()
    with pytest.raises(Killed):
        run(world, sending=Broken(world.sqs, "send_message", Killed()))
    assert world.bodies(QUEUE) == []
    assert len(world.bodies(DEAD_LETTERS)) == 1


def test_an_interrupted_run_tells_what_it_has_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        world.park(message_id=f"id-{number}")
    began: list[str] = []
    original = DeadLetterQueue.delete

    def delete(parking: DeadLetterQueue, message: ParkedMessage) -> None:
        if began:
            raise KeyboardInterrupt
        began.append(message.message_id)
        original(parking, message)

    monkeypatch.setattr(DeadLetterQueue, "delete", delete)
    result = leaver("redrive", "revoke_sso_token", "--yes")
    assert result.exit_code != 0
    assert "1 message went back" in result.output


# --- A run ends ---


def parks_again(world: World, send: Callable[[ParkedMessage], None]) -> Callable[[ParkedMessage], None]:
    """A consumer that is quicker than we are: whatever goes back is parked again at once."""

    rounds = iter(range(50))

    def sent(message: ParkedMessage) -> None:
        assert next(rounds, None) is not None, "the run does not end"
        send(message)
        (back,) = world.take(QUEUE)
        world.park(back["Body"], message_id=back["MessageAttributes"]["message_id"]["StringValue"])

    return sent


def test_a_message_that_fails_again_is_not_sent_a_second_time_even_by_a_clock_that_is_fast(world: World) -> None:
    for number in range(12):
        world.park(message_id=f"id-{number}")
    parking = DeadLetterQueue(world.sqs, world.url(DEAD_LETTERS), unexplained=Cause.CRASHED)
    send = parks_again(world, to_its_queue(world.stack, "revoke_sso_token"))
    moved = list(put_back(parking, send, chosen=lambda _: True, began=LONG_AFTER))
    assert sum(each.sent for each in moved) == 12
    assert [each.stays for each in moved if not each.sent] == [
        "was parked since this run began, or lies here twice" for _ in range(12)
    ]
    assert len(world.bodies(DEAD_LETTERS)) == 12


def test_what_was_parked_since_the_run_began_stays(world: World) -> None:
    world.park()
    (moved,) = run(world, began=datetime.now(tz=UTC) - timedelta(hours=1))
    assert not moved.sent
    assert moved.stays
    assert len(world.bodies(DEAD_LETTERS)) == 1
