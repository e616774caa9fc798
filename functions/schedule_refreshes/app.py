"""Send one FIFO message for each connection that is to be refreshed: those that are due, and those asked for."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from leaver import bootstrap
from leaver.commands import RefreshAccessToken
from leaver.consumer import BatchFailures, LambdaContext
from leaver.errors import BadMessage
from leaver.outbox import Outbox
from leaver.settings import ScheduleRefreshesSettings


def pass_on(command: RefreshAccessToken, *, outbox: Outbox) -> None:
    """Send a refresh that somebody asked for on the bus to the queue that keeps one connection's refreshes apart."""
    if command.for_revocation:
        raise BadMessage("for_revocation: expected only from revoke_access_token")
    outbox.forward_refresh(command.model_dump(mode="json", exclude_defaults=True))


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures | None:
    """Plan what is due when the schedule fires; consume the queue `schedule-refreshes` otherwise."""
    settings = bootstrap.settings_of(ScheduleRefreshesSettings)
    outbox = bootstrap.outbox(settings.event_bus_name, settings.dead_letter_queue_url, settings.refresh_queue_url)
    if "Records" in event:
        return bootstrap.consumer(RefreshAccessToken, partial(pass_on, outbox=outbox), settings).consume(event, context)
    now = bootstrap.now()
    outbox.schedule(bootstrap.connections(settings.connections_table).due(now), now=now)
    return None
