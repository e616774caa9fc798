"""Refresh one connection's tokens, and keep what its provider grants."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from leaver import bootstrap
from leaver.connections.grants import ProviderGrants
from leaver.connections.refresh import TokenRefresher
from leaver.connections.token_versions import TokenVersions
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.messages.commands import RefreshAccessToken
from leaver.providers.sources import CONNECTABLE
from leaver.settings import Consumes, EncryptsTokens, UsesConnections


class Settings(Consumes, UsesConnections, EncryptsTokens):
    """What `refresh_access_token` reads from its environment, beside the hosts that the providers' entries name."""


def grants() -> ProviderGrants:
    """What speaks to the providers' token endpoints."""
    settings = bootstrap.settings_of(Settings)
    return bootstrap.provider_grants(CONNECTABLE, bootstrap.secret_store(settings.secret_prefix, at_once=True))


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the FIFO queue `refresh-access-token`, one connection at a time."""
    settings = bootstrap.settings_of(Settings)
    refresher = TokenRefresher(
        connections=bootstrap.connections(settings.connections_table),
        has_left=bootstrap.people(settings.cases_table).gone,
        token_versions=TokenVersions(
            bootstrap.secret_store(settings.secret_prefix, at_once=True),
            bootstrap.token_encryption(settings.kms_key_arn),
        ),
        grants=grants(),
        publisher=bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url),
        holder=f"refresh#{context.aws_request_id}",
        clock=bootstrap.now,
        remaining=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
        pause=time.sleep,
    )
    return bootstrap.consumer(RefreshAccessToken, refresher.refresh, settings).consume(event, context)


bootstrap.in_init(grants)
