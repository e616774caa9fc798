"""`leaver dismiss`: a dead letter from which no case came is removed, with who and why on record."""

from datetime import timedelta
from typing import Annotated, Final

import typer

from leaver_cli.deployment import describe
from leaver_cli.fates import decide
from leaver_cli.parked.dead_letters import DeadLetterQueue, ParkedMessage
from leaver_cli.parked.show import described
from leaver_cli.stack import Place, Profile, Region, StackName
from leaver_cli.terminal import Terminal, confirm

#: whose messages may be HR events, from which something follows or nothing does
_OF_EVENTS: Final[frozenset[Place]] = frozenset({"start_offboarding", "look_up_person", "unrouted"})


def dismiss(
    function: Annotated[Place, typer.Argument(metavar="FUNCTION", help="With whose dead letters it lies.")],
    message_id: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="As `leaver parked FUNCTION` shows it.")],
    *,
    because: Annotated[str, typer.Option("--because", help="Why it is never to be done, in a sentence: it is kept.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    wait: Annotated[int, typer.Option(min=1, max=900, help="Seconds until your word must be on record.")] = 60,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show a dead letter that never became a case, ask, put your word on record, then remove it.

    A command that could still be done is not dismissed: access would stay. The exit status is 1 if nothing was removed.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    parkings = deployment.stack.parkings(function)
    found = [each for parking in parkings for each in _known_as(message_id, parking)]
    console.print(described(found))
    if not found:
        console.say(f"no dead letter of {function} is called {message_id}: `leaver parked {function}` shows each")
        raise typer.Exit(1)
    for each in found:
        if (why := _not_to_be_dismissed(each, function)) is not None:
            console.say(f"not dismissed: {why}")
            raise typer.Exit(1)
    if not yes:
        confirm("Remove it for good? What it asked for is NOT done, and your word stands on record")
    word = {"decision": "dismiss", "message": message_id, "function": function, "because": because}
    again = "your word is on record, or will be; the same command removes the message"
    fate = decide(deployment, word, patience=timedelta(seconds=wait), under_way=again)
    if fate is None or fate.fate != "dismissed":
        why = f"was {fate.fate}: {fate.because}" if fate else f"was not on record within {wait} seconds; try again"
        console.say(f"nothing was removed: your word {why}")
        raise typer.Exit(1)
    # The word first: what happens in between leaves a message too many, and never one that nobody answers for.
    for parking in parkings:
        with parking.messages() as messages:
            for each in messages:
                if message_id in each.known_as:
                    parking.delete(each)
    console.say(f"dismissed: {message_id} is removed; on record: {fate.because}")


def _known_as(message_id: str, parking: DeadLetterQueue) -> list[ParkedMessage]:
    with parking.messages() as messages:
        return [each for each in messages if message_id in each.known_as]


def _not_to_be_dismissed(message: ParkedMessage, function: Place) -> str | None:
    if (case := message.case_id) is not None:
        return f"it is of case {case}, whose access would stay: `leaver case {case}` says what to do"
    if function not in _OF_EVENTS and message.error != "BadMessage":
        return f"access would stay: mend what its reason says, then `leaver redrive {function}`"
    return None
