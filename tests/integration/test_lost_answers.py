"""Conditional writes on moto whose answers are lost: who wrote learns that it was written, and it is written once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from leaver.cases.receipts import Receipts
from leaver.connections.lease import take_lease
from leaver.connections.record import Connections
from leaver.errors import LeaseHeld, ProviderResponse
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Items, item
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection
from tests.doubles.lost_answers import LosesAnswers
from tests.integration.dynamodb import dynamodb, make_tables
from tests.integration.test_receipts import OPEN

REVOKED = Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0"), details={"grants_left": 0})
FAILED = Result(Outcome.FAILED, ProviderResponse(400, "4711"))


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield LosesAnswers(client).client


@pytest.fixture
def connections(aws: Any) -> Connections:
    aws.delete_item(TableName="Connections", Key=item({"connection": "zoom"}))
    return Connections(aws, table="Connections")


@pytest.fixture
def receipts(aws: Any) -> Receipts:
    aws.delete_item(TableName="Cases", Key=item({"partition": OPEN.partition, "entry": OPEN.entry}))
    return Receipts(aws, table="Cases")


def test_a_connection_is_added_leased_and_changed_once(connections: Connections) -> None:
    assert connections.add(connection())
    lease = take_lease(connections, connections.read("zoom"), holder="refresh#1", now=NOW)
    assert lease.confirm()
    assert lease.update(lambda current: current.model_copy(update={"failures": current.failures + 1}))
    lease.release()
    record = connections.read("zoom")
    assert (record.lease_holder, record.failures, record.item_version) == (None, 1, 3)


def test_who_comes_second_does_not_take_somebody_elses_lease_for_its_own(connections: Connections) -> None:
    connections.add(connection())
    record = connections.read("zoom")
    take_lease(connections, record, holder="refresh#1", now=NOW)
    with pytest.raises(LeaseHeld):
        take_lease(connections, record, holder="refresh#2", now=NOW)


def test_a_record_that_can_not_be_read_is_postponed(connections: Connections) -> None:
    connections.add(connection())
    connections.postpone("zoom", NOW + timedelta(days=1))
    assert connections.read("zoom").refresh_at == NOW + timedelta(days=1)


def test_the_last_word_on_a_receipt_is_the_writers_own(receipts: Receipts) -> None:
    closed = OPEN.closed(REVOKED, now=NOW)
    assert receipts.finish(closed) == receipts.read(OPEN)
    assert receipts.finish(closed).outcome is Outcome.REVOKED


def test_a_failure_is_counted_and_taken_back(receipts: Receipts) -> None:
    # A lost answer counts twice, which makes the next pause longer and nothing else.
    assert receipts.count_failure(OPEN) == 2
    receipts.finish(OPEN.closed(FAILED, now=NOW))
    receipts.reopen(OPEN)
    standing = receipts.read(OPEN)
    assert standing is not None
    assert standing.outcome is None


def test_a_person_who_closes_a_step_is_told_that_it_is_closed(receipts: Receipts) -> None:
    standing = receipts.finish(OPEN.closed(FAILED, now=NOW))
    words = standing.closed_by("arn:aws:iam::123456789012:user/ada", "they never had an account", now=NOW)
    closed = receipts.close(standing, words)
    assert closed is not None
    assert (closed.outcome, closed.details["who"]) == (Outcome.CLOSED, "arn:aws:iam::123456789012:user/ada")


def test_another_persons_word_is_not_taken_for_ones_own(receipts: Receipts) -> None:
    standing = receipts.finish(OPEN.closed(FAILED, now=NOW))
    assert receipts.close(standing, standing.closed_by("ada", "because", now=NOW))
    assert receipts.close(standing, standing.closed_by("bob", "because", now=NOW)) is None


def test_those_tests_see_it_where_nobody_looks_what_was_written(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections.add(connection())
    record = connections.read("zoom")
    monkeypatch.setattr(Items, "_stands", lambda *_: False)
    with pytest.raises(LeaseHeld):
        take_lease(connections, record, holder="refresh#1", now=NOW)
