"""Ask an HR system whom an event means that names only an id, and send the event on to the intake."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final

from pydantic import ValidationError

from leaver import bootstrap
from leaver.cases.heard import Fate
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Connections
from leaver.consuming.consumer import Consumer
from leaver.errors import Rejected
from leaver.messages.events import OffboardingRequested
from leaver.messages.look_up import LookUpPerson, Unnamed
from leaver.providers.source import Account, LooksUp
from leaver.providers.source_answers import UnknownPerson
from leaver.providers.sources import SOURCES
from leaver.settings import Consumes, RequestsRefreshes, UsesConnections

#: the front door's connection of a company with one account: its look-ups may be called anything
MAIN: Final = "main"
#: a day has ended everywhere so long after it ended in UTC
_LAST_ZONE: Final = timedelta(hours=12)


class Settings(Consumes, UsesConnections, RequestsRefreshes):
    """What `look_up_person` reads from its environment, beside the hosts that the sources' entries name."""

    start_offboarding_queue_url: str
    start_offboarding_urgent_queue_url: str


def look_up_person(
    command: LookUpPerson,
    *,
    systems: Mapping[str, LooksUp],
    connections: Connections,
    tokens_of: Callable[[str], AccessTokens],
    hand_on: Callable[[OffboardingRequested], None],
) -> Fate:
    """Complete an event by what its source says of the person now, and send it on.

    Raises Rejected where nobody can be asked, where it can't be told whom, and where the source contradicts a return.
    """
    unnamed = command.unnamed
    source = unnamed.source
    usable = connections.usable_at([source])
    if source not in systems or not usable:
        raise Rejected(command.missing)
    connection = _find_connection(command, usable.values(), accounts=len(connections.accounts(source)))
    try:
        account = tokens_of(source).with_token(
            connection.connection,
            lambda _, access_token: systems[source].look_up(
                unnamed.source_id, access_token, with_last_day=unnamed.needs_last_day
            ),
        )
    except UnknownPerson as error:
        own = "find the person's e-mail in your own records and send OffboardingRequested"
        raise Rejected(f"{source}: nobody has that id there: {own}", error.response) from None
    hand_on(complete(unnamed, account))
    return Fate("handed_on", because="the person was looked up")


def _find_connection(command: LookUpPerson, usable: Iterable[Sequence[Connection]], *, accounts: int) -> Connection:
    """Find whom to ask: ids are small numbers, and each account of a source may know somebody by this one."""
    source, door = command.unnamed.source, command.door
    every = [each for twins in usable for each in twins]
    for each in every:
        if each.connection == door:
            return each
    if door not in {None, MAIN}:
        raise Rejected(
            f"{source}: it came by the front door's {source}/{door}, and no connection is called so: leaver connect "
            f"{source} {door}, to the account that posts there"
        )
    if accounts > 1:
        # Also where one of them can't be asked now.
        raise Rejected(f"{source}: there are connections to several accounts, and the event does not say to which")
    return every[0]


def complete(unnamed: Unnamed, account: Account) -> OffboardingRequested:
    """Make the whole event of what a source said, and what it says of the account now.

    What may be wrong waits for a person or another source; a return that is contradicted gives nobody anything back.
    """
    kind = unnamed.kind or ("immediate" if account.is_gone else "reinstated")
    settled: dict[str, object] = {"kind": kind}
    if unnamed.needs_last_day:
        settled = _of_last_day(unnamed, account.last_day)
    elif kind == "immediate" and not account.is_gone and not unnamed.is_true_of_who_stays:
        settled["held"] = f"{unnamed.source} was asked, and does not say any more that this person left"
    elif kind in {"cancelled", "reinstated"} and account.is_gone:
        raise Rejected(f"{unnamed.source}: it was asked, and says that the person is gone: {kind} is not believed")
    try:
        return unnamed.named(account.email, **settled)
    except ValidationError:
        raise Rejected(f"{unnamed.source}: what it has for this person is no e-mail address") from None


def _of_last_day(unnamed: Unnamed, last_day: date | None) -> dict[str, object]:
    """When it ends: nobody loses anything on a last day, wherever that is."""
    if last_day is None:
        held = f"{unnamed.source} was asked, and has no end of this employment entered any more"
        return {"kind": "immediate", "held": held}
    ends_at = datetime.combine(last_day, time(), tzinfo=UTC) + timedelta(days=1) + _LAST_ZONE
    if ends_at <= unnamed.occurred_at:
        return {"kind": "immediate"}
    return {"kind": "scheduled", "effective_at": ends_at}


def name(command: LookUpPerson) -> tuple[str, str | None]:
    """Who said it, and how it is called there."""
    return command.unnamed.source, command.unnamed.event_id


@cache
def systems() -> Mapping[str, LooksUp]:
    """The HR systems' APIs."""
    return bootstrap.sources(SOURCES)


def consumer() -> Consumer[LookUpPerson]:
    """What works through the queue `look-up-person`."""
    settings = bootstrap.settings_of(Settings)
    publisher = bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url, settings.refresh_queue_url)
    connections = bootstrap.connections(settings.connections_table)

    def hand_on(request: OffboardingRequested) -> None:
        is_urgent = request.urgency == "urgent"
        lanes = (settings.start_offboarding_queue_url, settings.start_offboarding_urgent_queue_url)
        publisher.hand_on(request, lanes[is_urgent])

    def operation(command: LookUpPerson) -> Fate:
        return look_up_person(
            command,
            systems=systems(),
            connections=connections,
            tokens_of=lambda source: bootstrap.access_tokens(
                settings.connections_table, settings.secret_prefix, provider=source
            ),
            hand_on=hand_on,
        )

    return bootstrap.consumer(
        LookUpPerson,
        operation,
        settings,
        refresh_queue_url=settings.refresh_queue_url,
        journal=bootstrap.journal(settings.cases_table, name),
    )


lambda_handler = bootstrap.serve(consumer)
