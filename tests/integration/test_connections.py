"""The Connections table: its conditions on moto, and the fake that unit tests use held to the same."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pytest

from leaver.connections.record import IN_USE, Connection, Connections, Status, Unreadable
from leaver.errors import BadMessage, ProviderResponse, Rejected
from leaver.messages.publisher import Due
from leaver.outcomes import Outcome, Result
from leaver.storage.secrets import next_version_id
from leaver.storage.tables import item, timestamp
from tests.doubles.clock import NOW
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.secrets_manager import PARENT

CHILD = next_version_id("zoom", PARENT)
LATER = NOW + timedelta(hours=1)

Made = Callable[..., Connections]


def stored(record: Connection) -> dict[str, Any]:
    """A record as README has people write it."""
    values = record.model_dump(exclude_none=True)
    return item(
        {
            name: timestamp(value) if isinstance(value, datetime) else value
            for name, value in values.items()
            if (name, value) != ("item_version", 0)
        }
    )


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


def test_a_record_is_read_as_it_was_written(made: Made) -> None:
    assert made(connection()).read("zoom") == connection()


def test_the_refreshes_that_readers_asked_for_are_read_as_they_were_written(made: Made) -> None:
    connections = made(connection())
    connections.change("zoom", lambda standing: standing.with_demanded_refresh(NOW).with_demanded_refresh(LATER))
    assert connections.read("zoom").demanded_refreshes == (NOW, LATER)
    connections.change("zoom", lambda standing: standing.with_demanded_refresh(NOW + timedelta(days=1)))
    assert connections.read("zoom").demanded_refreshes == (LATER, NOW + timedelta(days=1))


def test_an_unknown_connection_is_the_messages_fault(made: Made) -> None:
    with pytest.raises(BadMessage, match=r"^connection: expected the name of a connection that exists$"):
        made(connection()).read("zoom-eu")


def test_a_record_that_people_wrote_has_no_revision_and_its_first_change_gives_it_one(made: Made) -> None:
    connections = made(connection())
    old = connections.read("zoom")
    assert old.item_version == 0
    written = connections.compare_and_swap(old, old.with_lease("refresh#1", NOW))
    assert written is not None
    assert written.item_version == 1
    assert connections.read("zoom") == written


def test_a_change_is_written_on_condition_that_nobody_was_faster(made: Made) -> None:
    connections = made(connection())
    old = connections.read("zoom")
    first = connections.compare_and_swap(old, old.with_lease("refresh#1", NOW))
    assert first is not None
    assert connections.compare_and_swap(old, old.with_lease("refresh#2", NOW)) is None
    assert connections.read("zoom") == first
    second = connections.compare_and_swap(first, first.without_lease())
    assert second is not None
    assert second.item_version == 2
    assert (
        connections.compare_and_swap(first, first.without_lease().model_copy(update={"owner": "other@example.com"}))
        is None
    )
    assert connections.read("zoom") == second


def test_what_becomes_nothing_is_taken_off_the_record(made: Made) -> None:
    connections = made(connection())
    connections.change("zoom", lambda standing: standing.with_lease("refresh#1", NOW))
    connections.change("zoom", lambda standing: standing.without_lease())
    record = connections.read("zoom")
    assert (record.lease_holder, record.leased_at, record.leased_version) == (None, None, None)
    assert record == connection(item_version=2)


def test_a_change_is_made_of_the_record_as_it_is_then(made: Made) -> None:
    connections = made(connection())
    seen: list[str] = []

    def with_new_owner(standing: Connection) -> Connection:
        seen.append(standing.owner)
        if len(seen) == 1:
            assert connections.compare_and_swap(standing, standing.model_copy(update={"owner": "faster@example.com"}))
        return standing.model_copy(update={"failures": standing.failures + 1})

    assert connections.change("zoom", with_new_owner)
    assert seen == ["it@example.com", "faster@example.com"]
    record = connections.read("zoom")
    assert (record.owner, record.failures, record.item_version) == ("faster@example.com", 1, 2)


def test_what_need_not_be_changed_is_not_written(made: Made) -> None:
    connections = made(connection())
    assert connections.change("zoom", lambda _: None) is None
    assert connections.read("zoom") == connection()


def test_times_are_kept_to_the_second_in_utc(made: Made) -> None:
    connections = made(connection())
    odd = NOW.replace(microsecond=987_654).astimezone(timezone(timedelta(hours=5, minutes=30)))
    written = connections.change("zoom", lambda standing: standing.with_lease("refresh#1", odd))
    assert written is not None
    assert connections.read("zoom").leased_at == NOW
    # What was written is what is there, whatever the table cut off: the next change is made of it.
    assert connections.compare_and_swap(written, written.without_lease())


def test_new_tokens_a_cool_down_and_an_end_are_read_back_whole(made: Made) -> None:
    connections = made(connection())
    cooled = connections.read("zoom").as_cooling_down("Zoom is out of order", until=LATER, now=NOW, announce=True)
    changes: list[Connection] = [
        cooled,
        cooled.with_new_tokens(CHILD, expires_at=LATER, refresh_at=LATER, now=NOW),
        cooled.as_needing_reauthorization("the refresh token is not accepted", now=NOW),
        cooled.model_copy(update={"encrypted_refresh_token": "c2VhbGVk", "unanswered_since": NOW}),
        cooled.model_copy(update={"status": Status.REVOKING, "orphaned_tokens": True, "granted_at": NOW}),
        cooled.as_revoked(Result(Outcome.REVOKED, ProviderResponse(200, tracking_id="v=2.0"))),
    ]
    for new in changes:
        standing = connections.read("zoom")
        written = connections.compare_and_swap(standing, new.model_copy(update={"item_version": standing.item_version}))
        assert connections.read("zoom") == written


@pytest.mark.parametrize(
    "word",
    [
        Result(Outcome.REVOKED, ProviderResponse(200, tracking_id="v=2.0")),
        Result(Outcome.ALREADY_GONE, ProviderResponse(400)),
        Result(Outcome.ALREADY_GONE),
    ],
    ids=str,
)
def test_a_retired_connection_keeps_the_providers_word(made: Made, word: Result) -> None:
    connections = made(connection(status=Status.REVOKING))
    connections.change("zoom", lambda standing: standing.as_revoked(word))
    record = connections.read("zoom")
    assert record.status is Status.REVOKED
    assert record.revocation() == word


def test_a_connection_is_added_once(made: Made) -> None:
    connections = made(connection())
    new = connection("zoom-eu", granted_at=NOW)
    assert connections.add(new)
    assert connections.read("zoom-eu") == new
    # A write whose answer was lost is repeated, and finds itself.
    assert connections.add(new)
    assert not connections.add(connection("zoom-eu", owner="other@example.com"))
    assert connections.read("zoom-eu") == new


def test_people_see_every_record(made: Made) -> None:
    records = [connection(status.replace("_", "-"), status=status) for status in Status]
    seen = sorted(made(*records).read_all(), key=lambda each: each.connection)
    assert seen == sorted(records, key=lambda each: each.connection)


def test_people_see_a_record_that_can_not_be_read_beside_the_others(table: Made, aws: Any) -> None:
    connections = table(connection("whole"), connection("broken"))
    aws.update_item(
        TableName="Connections",
        Key=item({"connection": "broken"}),
        UpdateExpression="REMOVE version, grant_type SET expires_at = :canary",
        ExpressionAttributeValues=item({":canary": "canary"}),
    )
    broken, whole = sorted(connections.read_all(), key=lambda each: each.connection)
    assert whole == connection("whole")
    assert isinstance(broken, Unreadable)
    assert "grant_type: is missing" in broken.reason
    assert "version: is missing" in broken.reason
    assert "canary" not in broken.reason


def test_a_living_connection_has_no_revocation() -> None:
    assert connection(status=Status.REVOKING).revocation() is None


def test_connections_in_use_are_due_when_their_time_has_come_the_longest_due_first(made: Made) -> None:
    soon = NOW + timedelta(seconds=1)
    connections = made(
        connection("now", refresh_at=NOW),
        connection("cooled-off", refresh_at=NOW - timedelta(hours=1), status=Status.COOLING_DOWN),
        connection("past", refresh_at=NOW - timedelta(days=3)),
        connection("soon", refresh_at=soon),
        connection("still-cooling", refresh_at=soon, status=Status.COOLING_DOWN),
        *(
            connection(status.replace("_", "-"), refresh_at=NOW, status=status)
            for status in Status
            if status not in IN_USE
        ),
    )
    assert list(connections.due(NOW)) == [Due("past", PARENT), Due("cooled-off", PARENT), Due("now", PARENT)]


def test_those_that_wait_for_a_person_are_counted(made: Made) -> None:
    others = [connection(status.replace("_", "-"), status=status) for status in Status]
    connections = made(*others, connection("another", status=Status.NEEDS_REAUTHORIZATION))
    assert connections.count_needing_reauthorization() == 2


def test_those_whose_trouble_lasts_are_counted_and_those_that_only_cool_off_are_not(made: Made) -> None:
    connections = made(*(connection(name) for name in ("well", "cooling", "failing", "dead")))
    for name in ("cooling", "failing", "dead"):
        cooled = connections.read(name).as_cooling_down("no", until=LATER, now=NOW, announce=name != "cooling")
        connections.compare_and_swap(connections.read(name), cooled)
    connections.change("dead", lambda current: current.as_needing_reauthorization("dead", now=NOW))
    assert connections.count_failing() == 1


# --- whose they are, and for which accounts Leaver has something to work through ---


@pytest.mark.parametrize("written", ["John.Doe@Example.COM", "john.doe@example.com", " JOHN.DOE@example.com "])
def test_somebodys_connections_are_found_however_their_records_spell_the_owner(made: Made, written: str) -> None:
    connections = made(
        connection("johns", owner=written, role="personal"),
        connection("zoom-of-john", owner=written),
        connection("adas", owner="ada@example.com", role="personal"),
        connection("once-johns", owner="ada@example.com", replaced_owner=written),
        connection("of-an-id", owner="john.doe", role="personal"),
        connection("under-another-address", owner="jd@example.com", owner_id="KDcuGIm1Qg", role="personal"),
    )
    assert connections.owned_by("KDcuGIm1Qg") == ["under-another-address"]
    assert connections.owned_by("john.doe@example.com") == ["johns", "once-johns", "zoom-of-john"]
    assert connections.owned_by("John.DOE@example.com") == ["johns", "once-johns", "zoom-of-john"]
    of_several_names = connections.owned_by("KDcuGIm1Qg", "john.doe@example.com", "KDcuGIm1Qg")
    assert of_several_names == ["under-another-address", "johns", "once-johns", "zoom-of-john"]


def test_an_owner_is_found_in_whichever_normal_form_the_address_is_written(made: Made) -> None:
    connections = made(connection("joses", owner="jose\u0301@example.com", role="personal"))
    assert connections.owned_by("jos\u00e9@example.com") == ["joses"]


def test_what_leaver_works_through_is_found_whatever_it_is_called_and_however_it_is(made: Made) -> None:
    ours = [connection(f"my-{status.replace('_', '-')}", status=status) for status in Status]
    connections = made(*ours, connection("tpp", provider="venafi"), connection("zoom", role="personal"))
    found = sorted(connections.service_connections("zoom"), key=lambda each: each.connection)
    assert found == sorted(ours, key=lambda each: each.connection)
    assert [each.connection for each in connections.service_connections("venafi")] == ["tpp"]


def test_an_account_is_worked_at_through_an_active_connection_before_one_that_is_cooling_down(made: Made) -> None:
    connections = made(
        connection("a-cooling", status=Status.COOLING_DOWN),
        connection("b-dead", status=Status.NEEDS_REAUTHORIZATION),
        connection("c-active"),
        connection("d-active"),
        connection("e-cooling", account="acme-eu", status=Status.COOLING_DOWN),
    )
    assert connections.accounts("zoom") == {
        "acme": connections.read("c-active"),
        "acme-eu": connections.read("e-cooling"),
    }
    assert connections.usable("zoom", "acme") == connections.read("c-active")
    assert connections.usable("zoom", "unheard-of") is None


@pytest.mark.parametrize("status", [Status.NEEDS_REAUTHORIZATION, Status.REVOKING, Status.REVOKED])
def test_an_account_stands_although_there_is_nothing_to_work_through_until_it_is_given_up(
    made: Made, status: Status
) -> None:
    connections = made(connection("my-zoom", status=status))
    assert connections.accounts("zoom") == {"acme": None}
    connections.change("my-zoom", lambda standing: standing.as_given_up(NOW))
    assert connections.accounts("zoom") == {}


def test_an_account_is_not_given_up_while_another_record_says_that_it_is_the_companys(made: Made) -> None:
    connections = made(
        connection("old", status=Status.REVOKED, given_up_at=NOW), connection("older", status=Status.REVOKED)
    )
    assert connections.accounts("zoom") == {"acme": None}


def test_an_account_that_is_connected_anew_is_the_companys_again(made: Made) -> None:
    connections = made(connection("my-zoom", status=Status.REVOKED, given_up_at=NOW))
    connections.change("my-zoom", lambda standing: standing.with_new_grant(connection("my-zoom"), now=NOW))
    assert list(connections.accounts("zoom")) == ["acme"]


def test_two_connections_of_one_account_are_one_account_whatever_white_space_was_written(made: Made) -> None:
    connections = made(connection("one", account=" acme "), connection("other", account="acme"))
    assert list(connections.accounts("zoom")) == ["acme"]


# --- what only a table can be ---


def test_a_record_that_can_not_be_read_still_counts_for_its_account(table: Made, aws: Any) -> None:
    connections = table(connection("broken"), connection("nameless", account="acme-eu"), connection("whole"))
    for name, damage in (("broken", "REMOVE grant_type"), ("nameless", "REMOVE account")):
        aws.update_item(TableName="Connections", Key=item({"connection": name}), UpdateExpression=damage)
    assert connections.accounts("zoom") == {"acme": connections.read("whole"), "nameless": None}
    aws.delete_item(TableName="Connections", Key=item({"connection": "whole"}))
    assert connections.accounts("zoom") == {"acme": None, "nameless": None}


def test_an_account_that_steps_can_not_be_named_by_counts_as_one_that_can_not_be_read(table: Made, aws: Any) -> None:
    """Else the second of a person's names at acme, and the first at acme#2, would be one step."""
    connections = table(connection("odd"))
    aws.update_item(
        TableName="Connections",
        Key=item({"connection": "odd"}),
        UpdateExpression="SET account = :odd",
        ExpressionAttributeValues=item({":odd": "acme#2"}),
    )
    assert connections.accounts("zoom") == {"odd": None}


def test_accounts_and_owners_are_found_by_the_index_and_never_by_a_scan(table: Made, aws: Any) -> None:
    connections = table(connection("my-zoom"), connection("johns", owner="john@example.com", role="personal"))
    asked: list[str] = []
    aws.meta.events.register(
        "provide-client-params.dynamodb.*", lambda model, **_: asked.append(model.name), unique_id="asked"
    )
    assert connections.usable("zoom", "acme")
    assert asked == ["Query", "GetItem"]
    asked.clear()
    assert connections.owned_by("john@example.com") == ["johns"]
    assert asked == ["Query", "Query"]


def test_more_connections_are_due_than_one_page_holds(table: Made, aws: Any) -> None:
    records = [connection(f"zoom-{number}", refresh_at=NOW) for number in range(25)]
    connections = table(*records)
    # DynamoDB's pages end after 1 MB; a smaller limit makes them end as truly
    aws.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: params.update(Limit=10), unique_id="small-pages"
    )
    assert {each.connection for each in connections.due(NOW)} == {each.connection for each in records}


def test_what_is_due_is_read_only_as_far_as_it_is_asked_for_and_never_by_a_scan(table: Made, aws: Any) -> None:
    statuses = (Status.ACTIVE, Status.COOLING_DOWN)
    records = [
        connection(f"zoom-{number}", refresh_at=NOW - timedelta(seconds=number), status=statuses[number % 2])
        for number in range(40)
    ]
    connections = table(*records)
    asked: list[str] = []

    def small_pages(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked.append(model.name)
        params.update(Limit=5)

    aws.meta.events.register("provide-client-params.dynamodb.*", small_pages)
    found = [each.connection for each in islice(connections.due(NOW), 12)]
    assert found == [f"zoom-{number}" for number in reversed(range(28, 40))]
    assert asked == ["Query"] * 4


def test_a_connection_that_is_gone_is_not_made_again(table: Made) -> None:
    connections = table()
    assert connections.compare_and_swap(connection(), connection(owner="other@example.com")) is None
    assert list(connections.read_all()) == []


def test_a_write_whose_answer_was_lost_is_repeated_and_recognises_itself(table: Made, aws: Any) -> None:
    connections = table(connection())
    old = connections.read("zoom")

    def answer_is_lost(attempts: int, **_: Any) -> int | None:
        # The table has done it, and botocore does as it does when a connection breaks: it asks again.
        asked.append(attempts)
        return 0 if attempts == 1 else None

    asked: list[int] = []
    aws.meta.events.register_first("needs-retry.dynamodb.UpdateItem", answer_is_lost)
    written = connections.compare_and_swap(old, old.with_lease("refresh#1", NOW.replace(microsecond=5)))
    assert asked == [1, 2]
    assert written is not None
    assert connections.read("zoom").lease_holder == "refresh#1"
    assert connections.read("zoom").item_version == written.item_version == 1


def test_a_record_with_more_on_it_than_we_know_is_read_and_keeps_it(table: Made, aws: Any) -> None:
    connections = table()
    more = {"note": {"S": "ask Ada"}, "tags": {"SS": ["a"]}, "revision_of_somebody": {"N": "3"}}
    aws.put_item(TableName="Connections", Item=stored(connection()) | more)
    old = connections.read("zoom")
    assert old == connection()
    assert connections.compare_and_swap(old, old.with_lease("refresh#1", NOW))
    found = aws.get_item(TableName="Connections", Key=item({"connection": "zoom"}))["Item"]
    assert {name: found[name] for name in more} == more
    assert found["lease_holder"] == {"S": "refresh#1"}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("status", "canary-71", "status: Input should be 'active', 'cooling_down'"),
        ("version", "canary-71", "version: String should have at least 32 characters"),
        ("expires_at", "canary-71", "expires_at: Input should be a valid datetime"),
        ("expires_at", "2026-11-22T10:00:00", "expires_at: Input should have timezone info"),
        ("role", None, "role: is missing"),
        ("grant_type", "canary-71", "grant_type: expected a grant type, in small letters"),
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
