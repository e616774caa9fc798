"""`leaver redrive`: put parked messages back where they came from, when the cause is mended."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Annotated
from uuid import uuid4

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import track
from rich.text import Text

from leaver.errors import Undelivered
from leaver_cli.parked import described
from leaver_cli.parking import LAPSED, ParkedMessage, Parking
from leaver_cli.stack import NoSuchQueue, Place, Profile, Region, Stack, StackName, reach

#: takes a message back to where it came from; raises Undelivered or what AWS raises
Send = Callable[[ParkedMessage], None]


@dataclass(frozen=True)
class Moved:
    """What became of one parked message."""

    message: ParkedMessage
    sent: bool
    #: why it still is parked; None if it is not
    stays: str | None


def redrive(
    function: Annotated[Place, typer.Argument(help="Whose messages; `unrouted` puts events back on the bus.")],
    *,
    message_id: Annotated[list[str] | None, typer.Option(help="Only this message or event; may be repeated.")] = None,
    error: Annotated[str | None, typer.Option(help="Only what was parked with this error, such as Rejected.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go back; move nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Send parked messages back to their queue, where the failed receipt of each is opened again."""
    began = datetime.now(tz=UTC)
    console = Console()
    reached = reach(stack, region, profile)
    parkings = reached.parkings(function)
    wanted = frozenset(message_id or ())

    def chosen(message: ParkedMessage) -> bool:
        return (not wanted or bool(wanted & message.known_as)) and error in {None, message.error}

    if dry_run:
        for parking in parkings:
            with parking.messages() as messages:
                console.print(described([each for each in messages if chosen(each)], title=f"back from {parking.name}"))
        return
    count = sum(parking.count() for parking in parkings)
    if not yes:
        what = "those you chose of about" if wanted or error else "about"
        typer.confirm(f"Send {what} {count} messages of {function} back?", abort=True)
    send = to_the_bus(reached) if function == "unrouted" else to_its_queue(reached, function)
    moving = chain.from_iterable(put_back(each, send, chosen=chosen, began=began) for each in parkings)
    moved = list(track(moving, f"{function}:", total=count, console=Console(stderr=True), transient=True))
    _tell(console, moved)
    if missing := wanted - frozenset[str]().union(*(each.message.known_as for each in moved)):
        console.print(Text(f"not found: {', '.join(sorted(missing))}"))
    if missing or any(each.stays for each in moved):
        raise typer.Exit(1)


def put_back(
    parking: Parking, send: Send, *, chosen: Callable[[ParkedMessage], bool], began: datetime
) -> Iterator[Moved]:
    """Send the chosen messages on their way, each at most once; `began` is when this run did."""
    met: set[str] = set()
    with parking.messages() as messages:
        for message in messages:
            if not chosen(message):
                continue
            # What fails again is parked again while we look: without this a run might never end. The ids tell even
            # where this machine's clock is fast; the clock tells of events, which get a new id each time.
            if message.message_id in met or message.sent_at > began:
                yield Moved(message, sent=False, stays="was parked since this run began, or lies here twice")
                continue
            met.add(message.message_id)
            yield _put_back(parking, send, message)


def _put_back(parking: Parking, send: Send, message: ParkedMessage) -> Moved:
    lapsed = message.error == LAPSED
    try:
        if not lapsed:
            send(message)
    except (BotoCoreError, ClientError, Undelivered, NoSuchQueue) as error:
        return Moved(message, sent=False, stays=f"could not be sent: {error}")
    # Sent first, deleted then: what happens in between leaves one message too many, and its receipt makes that one
    # harmless; the other order would lose it.
    try:
        parking.delete(message)
    except (BotoCoreError, ClientError) as error:
        return Moved(message, sent=not lapsed, stays=f"could not be deleted here: {error}")
    return Moved(message, sent=not lapsed, stays=None)


def to_its_queue(stack: Stack, function: Place) -> Send:
    """The way back of a function's messages."""
    url_of = cache(stack.queue_url)

    def send(message: ParkedMessage) -> None:
        queue = message.queue or stack.queue_of(function)
        fifo = queue.endswith(".fifo")
        stack.sqs.send_message(
            QueueUrl=url_of(queue),
            MessageBody=message.body,
            # By this the consumer knows that a person sent it again, and finds the receipt it left.
            MessageAttributes={"message_id": {"DataType": "String", "StringValue": message.message_id}},
            # Under its old deduplication id SQS would accept it and discard it.
            **({"MessageGroupId": message.group or "", "MessageDeduplicationId": str(uuid4())} if fifo else {}),
        )

    return send


def to_the_bus(stack: Stack) -> Send:
    """The way back of events that no rule knew, for when one does; each keeps its time, and so its age."""

    def send(message: ParkedMessage) -> None:
        event = message.content
        if "replay-name" in event:
            # The bus would deliver it as a new one, and nothing would show that it is late.
            raise Undelivered("a replayed event is not put back: send it anew if it is meant")
        try:
            entry = {
                "EventBusName": stack.bus,
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
                "Time": datetime.fromisoformat(event["time"]),
                "Resources": event.get("resources", []),
            }
        except (KeyError, TypeError, ValueError):
            raise Undelivered("not an event of the bus: send it anew") from None
        answer = stack.events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise Undelivered(f"the bus refused it: {answer['Entries'][0].get('ErrorCode', 'unknown')}")

    return send


def _tell(console: Console, moved: list[Moved]) -> None:
    for each in moved:
        if each.stays:
            console.print(Text(f"{each.message.message_id} {each.stays}"), soft_wrap=True)
    sent = sum(each.sent for each in moved)
    stayed = sum(each.stays is not None for each in moved)
    lapsed = sum(not each.sent and each.stays is None for each in moved)
    console.print(f"{sent} went back, {stayed} stayed" + (f", {lapsed} lapsed and were removed" if lapsed else ""))
