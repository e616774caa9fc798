"""A revocation that needs a refresh waits as long as the provider lets it wait, and then ends the grant."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.revoke_access_token import app
from leaver.connections.record import Connection
from leaver.consuming import failures
from leaver.errors import InvalidClient, LeaverError, ProviderUnavailable, Throttled
from leaver.messages.commands import RevokeAccessToken
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.providers import provider_grants
from tests.doubles.refresher import Stage
from tests.doubles.secrets_manager import PARENT, tokens
from tests.doubles.sqs import REFRESH_QUEUE
from tests.unit.test_killed_runs import Queue

EXPIRED = NOW - timedelta(days=3)
FULL = "what the provider takes in a day is used up"


class Revocation:
    """A connection whose access token has expired is revoked; the refresher works off whatever it is asked."""

    def __init__(self) -> None:
        self.stage = Stage(connection(role="personal", expires_at=EXPIRED, refresh_at=NOW + timedelta(days=20)))
        self.stage.secrets.secrets["leaver/tokens/zoom/zoom"].versions[PARENT] = tokens(expires_at=EXPIRED)
        self.queue = Queue({"connection": "zoom"})
        self.queue.harness.clock = self.stage.clock
        self.refusals = 0
        self.deliveries = 0

    def revoke(self, command: RevokeAccessToken) -> Result:
        return app.revoke_access_token(
            command,
            grants=provider_grants(self.stage.grant, self.stage.secret_store),
            connections=self.stage.connections,
            secret_store=self.stage.secret_store,
            holder=f"revoke#{self.deliveries}",
            clock=self.stage.clock,
        )

    @property
    def passed(self) -> timedelta:
        return self.stage.clock() - NOW

    @property
    def demands(self) -> int:
        return len(self.queue.harness.sqs.to(REFRESH_QUEUE))

    def runs(self) -> Outcome | None:
        consumer = self.queue.harness.consumer(RevokeAccessToken, self.revoke)
        done = False
        while not done and self.passed < timedelta(days=3) and self.refusals < 9:
            demands = self.demands
            self.deliveries += 1
            done = self.queue.deliver(consumer)
            if self.demands > demands:
                self._refreshes()
        return self.queue.harness.receipts.only.outcome

    def _refreshes(self) -> None:
        try:
            self.refusals += self.stage.refresh(for_revocation=True) is not None
        except LeaverError:
            return


@pytest.mark.parametrize("failures_before", [0, 6])
def test_a_revocation_whose_refresh_has_to_wait_for_a_day_ends_the_grant_then(failures_before: int) -> None:
    revocation = Revocation()
    full: datetime = NOW + timedelta(days=1, minutes=30)
    failing: list[LeaverError] = [ProviderUnavailable("Zoom is out of order") for _ in range(failures_before)]
    revocation.stage.grant.failing = [*failing, Throttled(FULL, until=full)]
    assert revocation.runs() is Outcome.REVOKED
    assert not revocation.stage.grant.alive
    assert revocation.queue.harness.parked == []
    assert timedelta(days=1) < revocation.passed < timedelta(days=1, hours=1)
    assert revocation.refusals == 0
    assert revocation.deliveries < 25


def test_that_test_sees_it_where_the_day_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "REFRESHES_OF_A_REVOCATION", 0)
    with pytest.raises(AssertionError):
        test_a_revocation_whose_refresh_has_to_wait_for_a_day_ends_the_grant_then(0)


def test_that_test_sees_it_where_a_refresh_is_asked_for_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stale: Callable[..., LeaverError] = app._stale_until_refreshed

    def at_once(record: Connection, *told: Any, **more: Any) -> LeaverError:
        return stale(record.model_copy(update={"failures": 0}), *told, **more)

    monkeypatch.setattr(app, "_stale_until_refreshed", at_once)
    with pytest.raises(AssertionError):
        test_a_revocation_whose_refresh_has_to_wait_for_a_day_ends_the_grant_then(0)


@pytest.mark.parametrize("error", [ProviderUnavailable("Zoom is out of order"), InvalidClient("no such client")])
def test_a_revocation_whose_refresh_fails_for_good_is_a_persons_business_after_a_day(error: LeaverError) -> None:
    revocation = Revocation()
    revocation.stage.grant.failing = [error] * 999
    assert revocation.runs() is Outcome.FAILED
    assert revocation.queue.harness.parked_attributes["error"] == "CredentialStale"
    assert timedelta(days=1) <= revocation.passed < timedelta(days=1, hours=2)
    assert revocation.refusals == 0
    assert revocation.demands < 60
