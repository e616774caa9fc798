"""`leaver disconnect` on moto where no provider is asked: a removed connection, and an account that is given up."""

from leaver.storage.tables import columns, item
from tests.doubles.connections_table import connection
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import Stack, stack

__all__ = ["stack"]  # a fixture


def test_without_the_provider_its_secrets_are_destroyed_and_then_its_account_can_be_given_up(stack: Stack) -> None:
    stack.dynamodb.put_item(TableName="Connections", Item=item(columns(connection())))
    refused = leaver("disconnect", "zoom", "--without-provider", answer="n\n")
    assert refused.exit_code == 1
    assert "Destroy its secrets, and leave its grant as it is?" in refused.output
    removed = leaver("disconnect", "zoom", "--without-provider", answer="y\n")
    assert (removed.exit_code, "zoom IS REMOVED; its grant may live on" in removed.output) == (0, True), removed.output
    given_up = leaver("disconnect", "zoom", "--give-up-account", answer="y\n")
    assert given_up.exit_code == 0, given_up.output
    assert "whoever leaves keeps what they have there" in given_up.output
    assert "is given up: nothing is ended there for whoever leaves" in given_up.output
