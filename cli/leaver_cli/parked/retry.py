"""`leaver retry`: everything of one case that is dead-lettered goes back, whatever function it is with."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from leaver_cli.cases.which import CaseOrWho, find_case
from leaver_cli.deployment import describe
from leaver_cli.parked.dead_letters import DeadLetterQueue, ParkedMessage
from leaver_cli.parked.redrive import SENT_STAYS_SENT, Moved, put_back, tell
from leaver_cli.parked.redrive_target import to_its_queue
from leaver_cli.parked.show import described
from leaver_cli.stack import PLACES, Place, Profile, Region, Stack, StackName
from leaver_cli.terminal import Terminal, confirm, say_under_way

#: an event that no rule knew is of no case yet
_FUNCTIONS: Final[tuple[Place, ...]] = tuple(each for each in PLACES if each != "unrouted")


def retry(
    case_or_who: CaseOrWho,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Show what of a case is dead-lettered, ask, and send all of it back; the exit status is 1 if nothing is."""
    began, console = datetime.now(tz=UTC), Terminal()
    deployment = describe(stack, region, profile)
    case = find_case(deployment, case_or_who)

    def chosen(message: ParkedMessage) -> bool:
        return message.case_id == case.case_id

    found: list[tuple[Place, list[ParkedMessage]]] = []
    for place, parking in _filled(deployment.stack):
        with parking.messages() as messages:
            found.append((place, [each for each in messages if chosen(each)]))
    theirs = [each for _, held in found for each in held]
    console.print(described(theirs))
    if not theirs:
        console.say(f"nothing of case {case.case_id} is dead-lettered: `leaver case {case.case_id}` shows how it is")
        raise typer.Exit(1)
    if not yes:
        confirm(f"Send these back ({len(theirs)} of case {case.case_id}, {case.email})?")
    say_under_way(SENT_STAYS_SENT)
    moved: list[Moved] = []
    for place, held in found:
        for parking in deployment.stack.parkings(place) if held else ():
            moved += list(put_back(parking, to_its_queue(deployment.stack, place), chosen=chosen, began=began))
    tell(console, moved, to="the queue that it came from" if len(moved) == 1 else "the queues that they came from")
    if any(each.stays for each in moved):
        raise typer.Exit(1)


def _filled(stack: Stack) -> Iterator[tuple[Place, DeadLetterQueue]]:
    for place in _FUNCTIONS:
        # To look hides messages from others for a moment, and an empty queue is the rule.
        yield from ((place, parking) for parking in stack.parkings(place) if parking.count())
