"""Refresh one connection's tokens and put the rotated pair back in the vault."""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from leaver import bootstrap
from leaver.connections.grants import ProviderGrants
from leaver.connections.refresh import TokenRefresher
from leaver.consuming.consumer import BatchFailures, LambdaContext
from leaver.messages.commands import RefreshAccessToken
from leaver.providers.registry import PROVIDERS
from leaver.settings import RefreshAccessTokenSettings


def grants() -> ProviderGrants:
    """What speaks to the providers' token endpoints."""
    settings = bootstrap.settings_of(RefreshAccessTokenSettings)
    return bootstrap.provider_grants(PROVIDERS, bootstrap.secret_store(settings.secret_prefix, at_once=True))


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the FIFO queue `refresh-access-token`, one connection at a time."""
    settings = bootstrap.settings_of(RefreshAccessTokenSettings)
    secret_store = bootstrap.secret_store(settings.secret_prefix, at_once=True)
    rotation = TokenRefresher(
        connections=bootstrap.connections(settings.connections_table),
        has_left=bootstrap.people(settings.cases_table).gone,
        secret_store=secret_store,
        grants=grants(),
        token_encryption=bootstrap.token_encryption(settings.kms_key_arn),
        publisher=bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url),
        holder=f"refresh#{context.aws_request_id}",
        clock=bootstrap.now,
        remaining=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
        pause=time.sleep,
    )
    return bootstrap.consumer(RefreshAccessToken, rotation.refresh, settings).consume(event, context)


bootstrap.in_init(grants)
