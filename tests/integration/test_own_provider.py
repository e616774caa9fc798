"""A token goes to its own provider only: a command on somebody is refused where its connection is another one's."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import responses

from leaver.connections.access_tokens import AccessTokens
from leaver.messages.commands import Command, RefreshAccessToken, RevokeAccessToken, RevokeGrants, RevokeSsoToken
from tests.doubles.deployed import Deployment, deployment
from tests.field import Field, harms_of

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


def deliver(leaver: Deployment, command: type[Command], connection: str) -> int:
    """Hand the command to its function, which is done with it; returns how often a provider was asked."""
    function = re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()
    told: dict[str, Any] = {name: value for name, value in SOMEBODY.items() if name in command.model_fields}
    with responses.RequestsMock() as nobody_is_asked:
        came_back = leaver.deliver(function, told | {"connection": connection})
        asked = len(nobody_is_asked.calls)
    assert asked or came_back == set()
    return asked


def refused(leaver: Deployment, command: type[Command], connection: str, how: str, field: Field) -> None:
    """Send it, and record whether a token went to somebody whose it is not, or was to be replaced for that."""
    before = leaver.connection(connection)
    asked = deliver(leaver, command, connection)
    lost = leaver.connection(connection) != before or bool(leaver.drained("refresh.fifo"))
    field("a command to a wrong connection", how, 1, lost=lost, leaked=asked)
    own = "Venafi" if command is RevokeGrants else "Zoom"
    assert leaver.reasons() == [f"connection: expected a service connection to {own}"]


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
    leaver: Deployment, command: type[Command], field: Field
) -> None:
    foreign = "zoom" if command is RevokeGrants else "venafi"
    refused(leaver, command, foreign, "another provider's", field)


def test_that_holds_where_no_token_is_needed_too(leaver: Deployment) -> None:
    purge = {"user_id": "KDcuGIm1QgePTO8WbOqwIQ", "connection": "venafi"}
    assert leaver.deliver("purge_user_tokens", purge) == set()
    assert leaver.reasons() == ["connection: expected a service connection to Zoom"]


@pytest.mark.parametrize("command", ON_SOMEBODY, ids=lambda command: command.__name__)
def test_a_personal_connection_is_refused(leaver: Deployment, command: type[Command], field: Field) -> None:
    own = "venafi" if command is RevokeGrants else "zoom"
    leaver.dynamodb.update_item(
        TableName="Connections",
        Key={"connection": {"S": own}},
        UpdateExpression="SET #role = :personal",
        ExpressionAttributeNames={"#role": "role"},
        ExpressionAttributeValues={":personal": {"S": "personal"}},
    )
    refused(leaver, command, own, "a personal one", field)


def test_those_tests_see_it_where_a_token_goes_to_another_provider(
    leaver: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccessTokens, "_require_own", lambda _self, _record: None)
    test = test_another_providers_connection_is_refused_and_its_tokens_stay_as_they_are
    assert harms_of(partial(test, leaver, RevokeSsoToken))["leaked"] > 0
