"""A token goes to its own provider only: a command on somebody is refused where its connection is another one's."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from leaver.messages.commands import Command, RefreshAccessToken, RevokeAccessToken, RevokeGrants
from tests.doubles.deployed import Deployment, deployment

#: whom a command may be about, as far as its model has the field
SOMEBODY = {"user_id": "john.doe@example.com", "identity": "local:john.doe"}
ON_SOMEBODY = [
    command
    for command in Command.__subclasses__()
    if command.__module__ == Command.__module__ and command not in {RefreshAccessToken, RevokeAccessToken}
]


@pytest.fixture
def leaver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployment(monkeypatch) as deployed:
        deployed.connect("zoom")
        deployed.connect("venafi")
        yield deployed


def deliver(leaver: Deployment, command: type[Command], connection: str) -> set[str]:
    function = re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()
    told: dict[str, Any] = {name: value for name, value in SOMEBODY.items() if name in command.model_fields}
    with responses.RequestsMock() as nobody_is_asked:
        came_back = leaver.deliver(function, told | {"connection": connection})
        assert not nobody_is_asked.calls
    return came_back


def test_the_commands_on_somebody_are_all_there() -> None:
    assert {command.__name__ for command in ON_SOMEBODY} == {
        "RetrieveUserToken",
        "RevokeSsoToken",
        "PurgeUserTokens",
        "DeactivateUser",
        "RevokeGrants",
    }


@pytest.mark.parametrize("command", ON_SOMEBODY, ids=lambda command: command.__name__)
def test_another_providers_connection_is_refused_and_its_tokens_stay_as_they_are(
    leaver: Deployment, command: type[Command]
) -> None:
    own = "venafi" if command is RevokeGrants else "zoom"
    (foreign,) = {"zoom", "venafi"} - {own}
    before = leaver.connection(foreign)
    assert deliver(leaver, command, foreign) == set()
    assert leaver.reasons() == [f"connection: expected a service connection to {own.title()}"]
    assert leaver.drained("refresh.fifo") == []
    assert leaver.connection(foreign) == before


def test_that_holds_where_no_token_is_needed_too(leaver: Deployment) -> None:
    purge = {"user_id": "KDcuGIm1QgePTO8WbOqwIQ", "connection": "venafi"}
    assert leaver.deliver("purge_user_tokens", purge) == set()
    assert leaver.reasons() == ["connection: expected a service connection to Zoom"]


@pytest.mark.parametrize("command", ON_SOMEBODY, ids=lambda command: command.__name__)
def test_a_personal_connection_is_refused(leaver: Deployment, command: type[Command]) -> None:
    own = "venafi" if command is RevokeGrants else "zoom"
    leaver.dynamodb.update_item(
        TableName="Connections",
        Key={"connection": {"S": own}},
        UpdateExpression="SET #role = :personal",
        ExpressionAttributeNames={"#role": "role"},
        ExpressionAttributeValues={":personal": {"S": "personal"}},
    )
    assert deliver(leaver, command, own) == set()
    assert leaver.reasons() == [f"connection: expected a service connection to {own.title()}"]
