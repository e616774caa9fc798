"""The queues of revoke_sso_token and of the refresher, in front of one connection to Zoom, all in memory."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from pydantic import SecretStr

from functions.revoke_sso_token.app import revoke_sso_token
from leaver.connections.access_tokens import AccessTokens
from leaver.consuming.consumer import Consumer
from leaver.errors import InvalidToken, LeaverError, ProviderResponse
from leaver.messages.commands import RevokeSsoToken
from leaver.outcomes import Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.consumer_harness import ConsumerHarness, consume
from tests.doubles.lambda_events import record
from tests.doubles.providers import FakeZoom
from tests.doubles.refresher import Stage
from tests.doubles.sqs import REFRESH_QUEUE

IN_AN_HOUR = NOW + timedelta(hours=1)


@dataclass
class PartlyRefusingZoom(FakeZoom):
    """Zoom, whose token endpoint is well, and which ends nobody's session of some users, however good the token."""

    refused: set[str] = field(default_factory=set)
    #: how often it did
    refusals: int = 0

    def delete_user_token(self, user_id: str, access_token: SecretStr) -> Result:
        if user_id in self.refused:
            self.refusals += 1
            raise InvalidToken("Zoom does not accept the access token", ProviderResponse(401, "124"))
        return super().delete_user_token(user_id, access_token)


class OneConnection:
    """Everything between a message and Zoom; the access token is good for an hour."""

    def __init__(self, **users: str) -> None:
        self.stage = Stage(connection(refresh_at=IN_AN_HOUR, expires_at=IN_AN_HOUR))
        self.clock = self.stage.clock
        self.zoom = PartlyRefusingZoom(users=users, sessions=set(users))
        self.harness = ConsumerHarness(clock=self.clock)
        tokens = AccessTokens(self.stage.connections, self.stage.secret_store, self.clock, "zoom")
        self.consumer: Consumer[Any] = self.harness.consumer(
            RevokeSsoToken, partial(revoke_sso_token, zoom=self.zoom, tokens=tokens, age_of=lambda _: timedelta(0))
        )
        #: deduplication ids of the refreshes that were carried out
        self._refreshed: set[str] = set()

    def deliver(self, user_id: str, receives: int = 1) -> bool:
        """Lambda takes the message that ends a user's session; tells whether it was acknowledged."""
        return not consume(self.consumer, record({"user_id": user_id}, message_id=user_id, receives=receives))

    def deliver_for(self, time: timedelta, user_id: str) -> None:
        """Lambda takes the message whenever it is visible, and the refresher what it was asked for meanwhile."""
        until, receives = self.clock() + time, 1
        while self.clock() < until and not self.deliver(user_id, receives):
            self._refreshes()
            self.clock.passes(seconds=max(self.harness.sqs.visible_in[f"handle of {user_id}"], 1))
            receives += 1

    @property
    def rotations(self) -> int:
        """How often the tokens were replaced."""
        return sum(operation == "refresh" for operation, _ in self.stage.grant.asked)

    def refresh(self, **asked: Any) -> None:
        self.stage.refresh(**asked)
        self.zoom.accepts = {self.stage.grant.access_token}

    def _refreshes(self) -> None:
        for message in self.harness.sqs.to(REFRESH_QUEUE):
            if message["MessageDeduplicationId"] in self._refreshed:
                continue
            self._refreshed.add(message["MessageDeduplicationId"])
            asked = json.loads(message["MessageBody"])
            with suppress(LeaverError):
                self.refresh(failed_version=asked["failed_version"])
