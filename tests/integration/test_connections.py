"""The Connections table: its conditions on moto, and the fake that unit tests use held to the same."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto import mock_aws

from leaver.attributes import item, timestamp
from leaver.connections import Connection, Connections, Due, Status
from leaver.errors import BadMessage, Rejected
from leaver.outcomes import Outcome, Result
from leaver.vault import child_of
from tests.fake_connections import InMemoryConnections, connection
from tests.fake_secrets import PARENT
from tests.fakes import NOW
from tests.integration.dynamodb import dynamodb, make_tables

CHILD = child_of("zoom", PARENT)
LATER = NOW + timedelta(hours=1)

Made = Callable[..., Connections]


def stored(record: Connection) -> dict[str, Any]:
    """A record as README has people write it."""
    values = record.model_dump(exclude_none=True)
    return item({name: timestamp(value) if name.endswith("_at") else value for name, value in values.items()})


@pytest.fixture
def aws() -> Iterator[Any]:
    with mock_aws():
        client = dynamodb()
        make_tables(client)
        yield client


@pytest.fixture
def table(aws: Any) -> Made:
    def make(*records: Connection) -> Connections:
        for record in records:
            aws.put_item(TableName="Connections", Item=stored(record))
        return Connections(aws, table="Connections")

    return make


@pytest.fixture(params=["table", "fake"])
def made(request: pytest.FixtureRequest) -> Made:
    """Both make Connections of records."""
    if request.param == "fake":
        return InMemoryConnections
    make: Made = request.getfixturevalue("table")
    return make


def refreshed(connections: Connections, old: Connection) -> bool:
    return connections.record_refreshed(old, version=CHILD, expires_at=LATER, refresh_at=LATER - timedelta(minutes=12))


def test_a_record_is_read_as_it_was_written(made: Made) -> None:
    assert made(connection()).read("zoom") == connection()


def test_an_unknown_connection_is_the_messages_fault(made: Made) -> None:
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        made(connection()).read("zoom-eu")


def test_new_tokens_are_recorded(made: Made) -> None:
    connections = made(connection())
    assert refreshed(connections, connection())
    record = connections.read("zoom")
    assert (record.version, record.expires_at, record.refresh_at) == (CHILD, LATER, LATER - timedelta(minutes=12))
    assert (record.status, record.owner) == (Status.ACTIVE, "it@example.com")


@pytest.mark.parametrize("changed", [{"version": child_of("zoom", "another")}, {"status": Status.REVOKING}])
def test_new_tokens_are_not_recorded_where_somebody_was_faster(made: Made, changed: dict[str, Any]) -> None:
    connections = made(connection(**changed))
    assert not refreshed(connections, connection())
    assert connections.read("zoom") == connection(**changed)


def test_new_tokens_of_a_connection_that_is_being_revoked_are_recorded_for_its_revocation(made: Made) -> None:
    revoking = connection(status=Status.REVOKING)
    connections = made(revoking)
    assert refreshed(connections, revoking)
    assert connections.read("zoom").status is Status.REVOKING


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.COOLING_DOWN])
def test_a_dead_grant_is_news_once(made: Made, status: Status) -> None:
    record = connection(status=status)
    connections = made(record)
    assert connections.needs_reauthorization(record)
    assert not connections.needs_reauthorization(record)
    assert connections.read("zoom").status is Status.NEEDS_REAUTHORIZATION


@pytest.mark.parametrize(
    "changed", [{"version": CHILD}, {"status": Status.REVOKING}, {"status": Status.REVOKED}], ids=str
)
def test_a_dead_grant_is_no_news_of_another_version_or_of_a_revoked_connection(
    made: Made, changed: dict[str, Any]
) -> None:
    connections = made(connection(**changed))
    assert not connections.needs_reauthorization(connection())
    assert connections.read("zoom") == connection(**changed)


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.COOLING_DOWN, Status.NEEDS_REAUTHORIZATION, Status.REVOKING])
def test_whatever_lives_can_be_revoked(made: Made, status: Status) -> None:
    connections = made(connection(status=status))
    connections.begin_revoking("zoom")
    assert connections.read("zoom").status is Status.REVOKING


def test_what_is_revoked_stays_revoked(made: Made) -> None:
    revoked = connection(status=Status.REVOKED, revoked_outcome=Outcome.REVOKED)
    connections = made(revoked)
    connections.begin_revoking("zoom")
    connections.retire("zoom", Result(Outcome.ALREADY_GONE))
    assert connections.read("zoom") == revoked


@pytest.mark.parametrize(
    "word",
    [
        Result(Outcome.REVOKED, provider_status=200, tracking_id="v=2.0"),
        Result(Outcome.ALREADY_GONE, provider_status=400),
        Result(Outcome.ALREADY_GONE),
    ],
    ids=str,
)
def test_a_retired_connection_keeps_the_providers_word(made: Made, word: Result) -> None:
    connections = made(connection(status=Status.REVOKING))
    connections.retire("zoom", word)
    record = connections.read("zoom")
    assert record.status is Status.REVOKED
    assert record.revocation() == word


def test_only_what_is_being_revoked_is_retired(made: Made) -> None:
    connections = made(connection())
    connections.retire("zoom", Result(Outcome.REVOKED))
    assert connections.read("zoom") == connection()


def test_a_living_connection_has_no_revocation() -> None:
    assert connection(status=Status.REVOKING).revocation() is None


def test_only_active_connections_are_due_when_their_time_has_come(made: Made) -> None:
    connections = made(
        connection("now", refresh_at=NOW),
        connection("past", refresh_at=NOW - timedelta(days=3)),
        connection("soon", refresh_at=NOW + timedelta(seconds=1)),
        *(
            connection(status.replace("_", "-"), refresh_at=NOW, status=status)
            for status in Status
            if status != "active"
        ),
    )
    assert set(connections.due(NOW)) == {Due("now", PARENT), Due("past", PARENT)}


# --- what only a table can be ---


def test_more_connections_are_due_than_one_page_holds(table: Made, aws: Any) -> None:
    records = [connection(f"zoom-{number}", refresh_at=NOW) for number in range(25)]
    connections = table(*records)
    # DynamoDB's pages end after 1 MB; a smaller limit makes them end as truly
    aws.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: params.update(Limit=10), unique_id="small-pages"
    )
    assert {each.connection for each in connections.due(NOW)} == {each.connection for each in records}


def test_a_connection_that_is_gone_is_not_made_again(table: Made) -> None:
    connections = table()
    connections.begin_revoking("zoom")
    assert not refreshed(connections, connection())
    assert not connections.needs_reauthorization(connection())
    with pytest.raises(BadMessage):
        connections.read("zoom")


def test_a_record_with_more_on_it_than_we_know_is_read(table: Made, aws: Any) -> None:
    connections = table()
    aws.put_item(
        TableName="Connections",
        Item=stored(connection()) | {"note": {"S": "ask Ada"}, "tags": {"SS": ["a"]}, "failures": {"N": "3"}},
    )
    assert connections.read("zoom") == connection()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("status", "canary-71", "status: Input should be 'active', 'cooling_down'"),
        ("version", "canary-71", "version: String should have at least 32 characters"),
        ("expires_at", "canary-71", "expires_at: Input should be a valid datetime"),
        ("expires_at", "2026-11-22T10:00:00", "expires_at: Input should have timezone info"),
        ("role", None, "role: is missing"),
        ("grant_type", "canary-71", "grant_type: Input should be 'refresh_token', 'account_credentials'"),
    ],
)
def test_a_record_that_somebody_wrote_wrongly_is_rejected_by_field(
    table: Made, aws: Any, field: str, value: str | None, reason: str
) -> None:
    connections = table()
    written = {name: each for name, each in stored(connection()).items() if name != field}
    aws.put_item(TableName="Connections", Item=written | item({field: value}))
    with pytest.raises(Rejected) as rejected:
        connections.read("zoom")
    assert rejected.value.reason.startswith(f"record of connection zoom: {reason}")
    assert "canary-71" not in rejected.value.reason
