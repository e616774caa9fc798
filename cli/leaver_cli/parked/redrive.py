"""`leaver redrive`: put parked messages back where they came from, when the cause is mended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final

import typer
from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import Undelivered
from leaver_cli.parked.dead_letters import Cause, DeadLetterQueue, ParkedMessage
from leaver_cli.parked.redrive_target import Send, to_its_queue, to_the_bus
from leaver_cli.parked.show import UNSEEN, described
from leaver_cli.stack import NoSuchQueue, Place, Profile, Region, StackName, reach
from leaver_cli.terminal import Terminal, confirm, counting, say_under_way

#: what Ctrl-C does not undo
SENT_STAYS_SENT: Final = (
    "what was sent back so far stays sent; the rest is still parked, and the same command goes on there"
)


@dataclass(frozen=True)
class Moved:
    """What became of one parked message."""

    message: ParkedMessage
    sent: bool
    #: why it still is parked; None if it is not
    stays: str | None


def redrive(
    function: Annotated[
        Place, typer.Argument(metavar="FUNCTION", help="Whose messages; `unrouted` puts events back on the bus.")
    ],
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
    console = Terminal()
    reached = reach(stack, region, profile)
    parkings = reached.parkings(function)
    wanted = frozenset(message_id or ())

    def chosen(message: ParkedMessage) -> bool:
        return (not wanted or bool(wanted & message.known_as)) and error in {None, message.error}

    if dry_run:
        for parking in parkings:
            with parking.messages() as messages:
                going = [each for each in messages if chosen(each)]
            console.print(described(going))
            console.note(f"{len(going)} would go back to {_where(function)}; nothing was moved")
        return
    count = sum(parking.count() for parking in parkings)
    if not yes:
        what = "those you chose of about" if wanted or error else "about"
        confirm(f"Send {what} {count} messages of {function} back?")
    send = to_the_bus(reached) if function == "unrouted" else to_its_queue(reached, function)
    moving = chain.from_iterable(put_back(each, send, chosen=chosen, began=began) for each in parkings)
    moved: list[Moved] = []
    say_under_way(SENT_STAYS_SENT)
    try:
        for each in counting(moving, f"{function}:", count):
            moved.append(each)  # noqa: PERF402 - one by one, so that an interrupted run can tell what it has done
    finally:
        tell(console, moved, to=_where(function))
    unseen = 0 if wanted else max(0, count - sum(parking.shown for parking in parkings))
    if unseen:
        console.say(f"about {unseen} {UNSEEN}")
    if missing := wanted - frozenset[str]().union(*(each.message.known_as for each in moved)):
        console.say(f"not found: {', '.join(sorted(missing))}")
    if unseen or missing or any(each.stays for each in moved):
        raise typer.Exit(1)


def put_back(
    parking: DeadLetterQueue, send: Send, *, chosen: Callable[[ParkedMessage], bool], began: datetime
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


def _put_back(parking: DeadLetterQueue, send: Send, message: ParkedMessage) -> Moved:
    lapsed = message.error == Cause.LAPSED
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


def _where(function: Place) -> str:
    return "the bus" if function == "unrouted" else f"the queue of {function}"


def tell(console: Terminal, moved: Sequence[Moved], *, to: str) -> None:
    """Say in one sentence what a run did, after a line for each message that stayed."""
    for each in moved:
        if each.stays:
            console.say(f"{each.message.message_id} {each.stays}")
    sent = sum(each.sent for each in moved)
    stayed = sum(each.stays is not None for each in moved)
    lapsed = sum(not each.sent and each.stays is None for each in moved)
    console.tell(sent=sent, stayed=stayed, removed=lapsed)
    console.say(_sentence(sent, stayed, lapsed, to))


def _sentence(sent: int, stayed: int, lapsed: int, to: str) -> str:
    if not (sent or stayed or lapsed):
        return "Nothing went back: no such message is parked here."
    parts = []
    if sent:
        parts.append(f"{_messages(sent)} went back to {to}, to be tried again now: what is not mended parks it again")
    if stayed:
        parts.append(f"{_messages(stayed)} stayed parked, as told above")
    if lapsed:
        parts.append(f"{_messages(lapsed)} of the past {'was' if lapsed == 1 else 'were'} removed")
    return f"{'; '.join(parts)}."


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
