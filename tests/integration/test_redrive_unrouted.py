"""`leaver redrive unrouted` on moto: events that no rule knew go back on the bus."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.integration.parked_stack import ARN, EVENT, NOT_DELIVERED, World, leaver, world_on_moto

QUEUE = "leaver-revoke-sso-token"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world_on_moto(monkeypatch) as world:
        yield world


def listen(world: World, queue: str, detail_type: str) -> None:
    world.events.put_rule(
        Name=queue, EventBusName="leaver", EventPattern=json.dumps({"detail-type": [detail_type]}), State="ENABLED"
    )
    arn = f"{ARN}{queue}"
    world.events.put_targets(Rule=queue, EventBusName="leaver", Targets=[{"Id": "queue", "Arn": arn}])


def test_an_unrouted_event_goes_back_on_the_bus_as_it_was_once_a_rule_knows_it(world: World) -> None:
    listen(world, QUEUE, "RevokeEverything")
    world.put("leaver-unrouted", EVENT)
    world.put("leaver-unrouted-dead-letters", EVENT, NOT_DELIVERED)
    result = leaver("redrive", "unrouted", "--yes")
    assert result.exit_code == 0, result.output
    assert "2 messages went back to the bus" in result.output
    for body in world.bodies(QUEUE):
        back = json.loads(body)
        same = ("source", "detail-type", "detail", "resources", "time")
        assert {name: back[name] for name in same} == {name: EVENT[name] for name in same}
    assert world.bodies("leaver-unrouted") == []
    assert world.bodies("leaver-unrouted-dead-letters") == []


def test_an_event_that_still_is_unknown_comes_to_rest_again(world: World) -> None:
    listen(world, "leaver-unrouted", "RevokeEverything")
    world.put("leaver-unrouted", EVENT)
    result = leaver("redrive", "unrouted", "--yes")
    assert result.exit_code == 1
    assert "1 message went back" in result.output
    assert "1 message stayed parked, as told above." in result.output
    assert len(world.bodies("leaver-unrouted")) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (json.dumps(EVENT | {"replay-name": "again"}), "a replayed event is not put back"),
        ("not JSON", "not an event of the bus"),
        (json.dumps({"user_id": "ada@example.com"}), "not an event of the bus"),
        (json.dumps(EVENT | {"time": "yesterday"}), "not an event of the bus"),
    ],
)
def test_what_the_bus_must_not_or_cannot_have_again_stays(world: World, body: str, why: str) -> None:
    world.put("leaver-unrouted", body)
    result = leaver("redrive", "unrouted", "--yes")
    assert result.exit_code == 1
    assert why in result.output
    assert "ada@example.com" not in result.output
    assert len(world.bodies("leaver-unrouted")) == 1


def test_an_event_that_the_bus_refuses_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "NotAuthorizedForSourceException"}]}
    make = boto3.Session.client

    def client(session: boto3.Session, service: str, **options: Any) -> Any:
        made = make(session, service, **options)  # type: ignore[call-overload]  # the name is only known when it runs
        if service == "events":
            monkeypatch.setattr(made, "put_events", lambda **_: refusal)
        return made

    world.put("leaver-unrouted", EVENT)
    monkeypatch.setattr(boto3.Session, "client", client)
    result = leaver("redrive", "unrouted", "--yes")
    assert result.exit_code == 1
    assert "the bus refused it: NotAuthorizedForSourceException" in result.output
    assert len(world.bodies("leaver-unrouted")) == 1
