"""`leaver erase`: nobody can tell any more whose cases these were; what refuses goes on to refuse."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, NamedTuple
from uuid import uuid4

import click
import typer

from leaver.cases.erasure import is_at_rest
from leaver.cases.record import Case
from leaver.cases.states import State
from leaver.cases.table import ListedCase, UnreadableCase
from leaver.messages.names import name_of
from leaver_cli.connections.health import moment
from leaver_cli.deployment import Deployment, describe
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.table import Column, Table
from leaver_cli.terminal import Terminal, confirm, say_under_way, waiting

#: how long seal_case is waited for: it may be telling of days
PATIENCE: Final = timedelta(seconds=90)
PAUSE: Final = 0.5


class Remnant(NamedTuple):
    """What is not erased."""

    where: str
    what: str
    until: str


def erase(
    who: Annotated[str, typer.Argument(metavar="PERSON|CASE", help="An address or id; or a case, for that one alone.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Erase whom cases are about, for good; the exit status is 1 where somebody is still named.

    Evidence holds afterwards, and so does each tombstone.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    cases, unreadable = find_cases(deployment, who)
    if going := [each for each in cases if not is_at_rest(each)]:
        raise click.ClickException(f"nothing is erased: {'; '.join(map(_what_goes_on, going))}")
    standing = [each for each in cases if each.erased_at is None]
    if not standing and not _is_erased(deployment, who, cases):
        raise click.ClickException(f"nobody of the name {who} has a case")
    columns = (
        Column("case"),
        Column("who"),
        Column("kind", spare=2),
        Column("state", spare=1),
        Column("requested", spare=3),
    )
    table = Table("cases", columns)
    for each in standing:
        table.add(each.case_id, each.email, each.kind, each.state, each.requested_at)
    console.print(table)
    if standing and not yes:
        confirm("Nobody can take it back. Erase whom these are about")
    left = _ask(deployment, standing) if standing else []
    named = sorted({*left, *_find_named(deployment, who)})
    erased = [each.case_id for each in standing if each.case_id not in named]
    console.tell(erased=erased, still_named=named, unreadable=unreadable)
    _tell(console, named, unreadable)
    console.print(_remnants_of(deployment.parameters))
    if named or unreadable:
        raise typer.Exit(1)


def find_cases(deployment: Deployment, who: str) -> tuple[list[Case], list[str]]:
    """Find all cases of a person, under each name that they give; and which cases can't be read."""
    if (one := deployment.cases.read(who)) is not None:
        return [one], []
    listed = [each for state in State for each in deployment.cases.find_in(state)]
    theirs: dict[str, ListedCase] = {}
    names, known = {name_of(who)}, set[str]()
    while names != known:
        known = set(names)
        for each in listed:
            if isinstance(each, ListedCase) and not names.isdisjoint({*each.names, name_of(each.email)}):
                theirs[each.case_id] = each
                names |= {*each.names, name_of(each.email)}
    unreadable = [each.case_id for each in listed if isinstance(each, UnreadableCase)]
    return [deployment.cases.require(each) for each in sorted(theirs)], unreadable


def what_remains(parameters: Mapping[str, str]) -> Iterator[Remnant]:
    """What Leaver does not erase, and until when it is there."""
    days = parameters.get("EvidenceDays", "400")
    is_locked = parameters.get("EvidenceRetention") != "none"
    yield Remnant("the bus's archive", "HR events as they came", "90 days after each")
    yield Remnant("queues and dead-letter queues", "what is parked about them: leaver parked", "14 days after each")
    yield Remnant("logs", "cases' ids, and what was logged", f"{parameters.get('LogRetentionDays', '?')} days")
    yield Remnant("point-in-time recovery of the tables", "all that was erased", "35 days")
    yield Remnant("the evidence's bucket", "commitments without a key", f"{days} days and 30" if is_locked else "ever")
    yield Remnant("table Cases, heard#", "ids of HR's events and messages", "ever")
    yield Remnant("table Cases, message#", "receipts of commands that were of no case", "ever")
    yield Remnant("table Cases, user-token#", "Zoom's id, and the address's SHA-256", "ever")
    yield Remnant("table Cases, hour#", "SHA-256 of whom an hour's ceiling counted", "ever")
    yield Remnant("table Connections", "owners of connections", "ever")
    yield Remnant("table Deliveries", "previews, deliveries, rosters, what reconcile found", "each item's expires_at")
    yield Remnant("where you sent it", "announcements, exports, backups, folders of evidence", "you delete it")


def _find_named(deployment: Deployment, who: str) -> Iterator[str]:
    """Find the cases by which a person is named, also one that was opened meanwhile, or is not recorded."""
    yield from (each.case_id for each in find_cases(deployment, who)[0] if each.erased_at is None)
    found = deployment.people.read(who)
    if found is not None and found.erased_at is None:
        yield from found.cases


def _is_erased(deployment: Deployment, who: str, cases: Sequence[Case]) -> bool:
    found = deployment.people.read(who)
    return bool(cases) or (found is not None and found.erased_at is not None)


def _what_goes_on(case: Case) -> str:
    if case.watch_at is None:
        return f"{case.case_id} is {case.state}, and waits"
    return f"{case.case_id} is {case.state}, and is looked at again at {moment(case.watch_at)}"


def _ask(deployment: Deployment, cases: Sequence[Case]) -> list[str]:
    """Have seal_case erase; returns the cases that are not, so far."""
    deployment.stack.sqs.send_message(
        QueueUrl=deployment.stack.queue_url(deployment.stack.queue_of("seal_case")),
        # By their ids: a message that is parked names nobody.
        MessageBody=json.dumps({"erase": [each.case_id for each in cases]}),
        MessageGroupId="cases",
        MessageDeduplicationId=str(uuid4()),
    )
    say_under_way("it is asked for, and goes on without you")
    left = [each.case_id for each in cases]
    until = time.monotonic() + PATIENCE.total_seconds()
    with waiting("seal_case erases"):
        while True:
            left = [each for each in left if deployment.cases.require(each).erased_at is None]
            if not left or time.monotonic() >= until:
                return left
            time.sleep(PAUSE)


def _remnants_of(parameters: Mapping[str, str]) -> Table:
    columns = (Column("where", prose=True), Column("what", prose=True), Column("until", prose=True))
    table = Table("remains", columns, title="what remains:")
    for each in what_remains(parameters):
        table.add(*each)
    return table


def _tell(console: Terminal, named: Sequence[str], unreadable: Sequence[str]) -> None:
    for each in named:
        console.say(f"{each} is not erased: see the log of seal_case, and ask again")
    for each in unreadable:
        console.say(f"{each} can not be read: whether it is of this person, nobody can tell")
    if not named:
        console.say("erased: tombstones go on to refuse, and evidence holds; nobody can be named from it any more")
