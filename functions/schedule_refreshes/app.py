"""Send one FIFO message for each connection that is to be refreshed: those that are due, and those asked for."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any, Final

from leaver import bootstrap
from leaver.connections.record import Connections, Unreadable
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.errors import BadMessage
from leaver.messages.commands import RefreshAccessToken
from leaver.messages.publisher import Due, Publisher
from leaver.settings import Consumes, RequestsRefreshes

#: Secrets Manager takes 50 writes a second, and every refresh is one. Ten refreshers at once (MaximumConcurrency), of
#: which each needs a fifth of a second at the least (one call over the internet, ten to AWS), can't be faster than
#: that; and 1,500 a minute are 25 a second, which leaves as much to whoever connects and to other people's secrets. Ten
#: thousand connections that come due at once are planned in 7 minutes, of the 15 that 75 % leaves of an hour's life.
MOST_AT_ONCE: Final = 1_500


class Settings(Consumes, RequestsRefreshes):
    """What `schedule_refreshes` reads from its environment."""

    connections_table: str


def plan(*, connections: Connections, publisher: Publisher, now: datetime) -> list[Unreadable]:
    """Send one refresh for each connection that is due, the longest due first; returns the records that can't be read.

    What is still waiting in the queue a minute later is sent again: the refresher finds it fresh by then. Raises
    Undelivered.
    """
    found = list(islice(connections.due(now), MOST_AT_ONCE))
    publisher.schedule((each for each in found if isinstance(each, Due)), now=now)
    return [each for each in found if isinstance(each, Unreadable)]


def pass_on(command: RefreshAccessToken, *, publisher: Publisher) -> None:
    """Send a refresh that somebody asked for on the bus to the queue that keeps one connection's refreshes apart."""
    if command.for_revocation:
        raise BadMessage("for_revocation: expected only from revoke_access_token")
    publisher.forward_refresh(command.model_dump(mode="json", exclude_defaults=True))


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures | None:
    """Plan what is due when the schedule fires; consume the queue `schedule-refreshes` otherwise."""
    settings = bootstrap.settings_of(Settings)
    publisher = bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url, settings.refresh_queue_url)
    if "Records" in event:
        return bootstrap.consumer(RefreshAccessToken, partial(pass_on, publisher=publisher), settings).consume(
            event, context
        )
    bootstrap.begin(context)
    connections = bootstrap.connections(settings.connections_table)
    unreadable = plan(connections=connections, publisher=publisher, now=bootstrap.now())
    # Counted each minute and not when it happens: a run that is killed at that moment would count nothing.
    needing_a_person = connections.count_needing_reauthorization() + len(unreadable)
    bootstrap.gauges({"ConnectionsNeedingAPerson": needing_a_person, "ConnectionsFailing": connections.count_failing()})
    for each in unreadable:
        _log_once(each)
    return None


@cache
def _log_once(record: Unreadable) -> None:
    bootstrap.logger().error("a connection's record can't be read", extra=record.model_dump())
