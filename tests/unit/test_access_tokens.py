"""A batch's commands share what was read of their connection; what was refused is read anew."""

from typing import Any

import pytest
from pydantic import SecretStr

from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection
from leaver.errors import BadMessage, CredentialStale, InvalidToken, Rejected
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, secret_store_of, tokens


class Counting(InMemoryConnections):
    def __init__(self, *records: Connection) -> None:
        super().__init__(*records)
        self.reads = 0

    def read(self, name: str) -> Connection:
        self.reads += 1
        return super().read(name)


class CountingSecrets(StrictSecretsManager):
    reads = 0

    def get_secret_value(self, **asked: Any) -> dict[str, Any]:
        self.reads += 1
        return super().get_secret_value(**asked)


class Desk:
    """One connection, and a reader of its tokens who counts how often anything is looked up."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.connections = Counting(connection())
        self.secrets = CountingSecrets()
        self.tokens = AccessTokens(self.connections, secret_store_of(self.secrets), self.clock, "zoom")
        self.used: list[str] = []

    def use(self) -> None:
        self.tokens.with_token("zoom", lambda _, token: self.used.append(token.get_secret_value()))

    def rotated(self) -> None:
        """The refresher was here."""
        version = next_version_id("zoom", PARENT)
        self.secrets.put_secret_value(
            SecretId="leaver/tokens/zoom",
            SecretString=tokens(access_token="access-2"),
            ClientRequestToken=version,
        )
        self.connections.put(self.connections.records["zoom"].model_copy(update={"version": version}))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_account_is_the_providers_name_for_it(desk: Desk) -> None:
    assert desk.tokens.account_of("zoom") == "zoom/acme"


def test_whose_account_it_is_takes_no_second_read(desk: Desk) -> None:
    desk.tokens.look_up(["zoom", "zoom"])
    assert desk.tokens.account_of("zoom") == desk.tokens.account_of("zoom") == "zoom/acme"
    assert desk.connections.reads == 1


def test_a_connection_that_can_not_be_read_for_the_batch_is_its_commands_business(desk: Desk) -> None:
    desk.tokens.look_up(["unheard-of", "zoom"])
    desk.use()
    assert desk.connections.reads == 2
    with pytest.raises(BadMessage):
        desk.tokens.with_token("unheard-of", lambda _, __: None)


def test_an_account_is_believed_for_a_minute(desk: Desk) -> None:
    desk.tokens.account_of("zoom")
    desk.connections.put(connection(account="another"))
    desk.clock.passes(seconds=59)
    assert desk.tokens.account_of("zoom") == "zoom/acme"
    desk.clock.passes(seconds=2)
    assert desk.tokens.account_of("zoom") == "zoom/another"


def test_ten_commands_of_a_batch_read_their_connection_once(desk: Desk) -> None:
    desk.tokens.look_up(["zoom"])
    for _ in range(10):
        desk.use()
    assert desk.connections.reads == 1
    assert desk.used == ["access-1"] * 10


def test_what_was_read_for_a_batch_is_not_good_for_the_next(desk: Desk) -> None:
    desk.tokens.look_up(["zoom"])
    desk.connections.put(connection(status="revoked"))
    desk.clock.passes(seconds=2.1)
    with pytest.raises(Rejected, match="is revoked"):
        desk.use()


def test_without_a_batch_every_command_reads_for_itself(desk: Desk) -> None:
    desk.use()
    desk.use()
    assert desk.connections.reads == 2


def test_a_version_is_read_from_the_vault_once_and_its_successor_once(desk: Desk) -> None:
    for _ in range(3):
        desk.use()
    desk.rotated()
    for _ in range(3):
        desk.use()
    assert desk.used == ["access-1"] * 3 + ["access-2"] * 3
    assert desk.secrets.reads == 2


def test_a_refused_token_is_looked_up_anew_whatever_the_batch_has_read(desk: Desk) -> None:
    desk.tokens.look_up(["zoom"])
    desk.rotated()

    def call(_: Connection, token: SecretStr) -> str:
        if token.get_secret_value() == "access-1":
            raise InvalidToken("Zoom does not accept the access token")
        return token.get_secret_value()

    assert desk.tokens.with_token("zoom", call) == "access-2"


def test_a_token_that_is_refused_and_still_the_stored_one_is_stale(desk: Desk) -> None:
    desk.tokens.look_up(["zoom"])

    def call(_: Connection, __: SecretStr) -> None:
        raise InvalidToken("Zoom does not accept the access token")

    with pytest.raises(CredentialStale) as stale:
        desk.tokens.with_token("zoom", call)
    assert stale.value.version == PARENT


def test_a_token_that_expired_since_the_batch_began_is_not_used(desk: Desk) -> None:
    desk.connections.put(connection(expires_at=NOW))
    desk.tokens.look_up(["zoom"])
    with pytest.raises(CredentialStale):
        desk.use()
    assert desk.used == []


def test_reading_ahead_leaves_nothing_to_read_but_the_record(desk: Desk) -> None:
    desk.tokens.read_ahead("zoom")
    desk.use()
    assert desk.secrets.reads == 1


def test_reading_ahead_says_what_is_wrong(desk: Desk) -> None:
    with pytest.raises(BadMessage):
        desk.tokens.read_ahead("nobody-made")


def test_no_token_shows_in_a_reader(desk: Desk) -> None:
    desk.use()
    assert "access-1" not in repr(desk.tokens)
