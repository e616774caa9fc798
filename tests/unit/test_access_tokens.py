"""A batch's commands share what was read of their connection; what was refused is read anew."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connection, Status, Unreadable
from leaver.errors import BadMessage, CredentialStale, InvalidToken, LeaverError, Rejected
from leaver.storage.secrets import next_version_id
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.secrets_manager import PARENT, StrictSecretsManager, place_of, secret_store_of, tokens


class Counting(InMemoryConnections):
    def __init__(self, *records: Connection) -> None:
        super().__init__(*records)
        self.reads = 0
        self.searches = 0

    def service_connections(self, provider: str) -> Iterator[Connection | Unreadable]:
        self.searches += 1
        return super().service_connections(provider)

    def read(self, name: str) -> Connection:
        self.reads += 1
        return super().read(name)


class Desk:
    """Connections, and a reader of their tokens who counts how often anything is looked up."""

    def __init__(self, *records: Connection) -> None:
        self.clock = Clock()
        self.connections = Counting(*(records or [connection()]))
        self.secrets = StrictSecretsManager()
        self.tokens = AccessTokens(self.connections, secret_store_of(self.secrets), self.clock, "zoom")
        self.used: list[str] = []

    def use(self) -> None:
        self.tokens.with_token("zoom", lambda _, token: self.used.append(token.get_secret_value()))

    def rotated(self) -> None:
        """The refresher was here."""
        version = next_version_id("zoom", PARENT)
        self.secrets.put_secret_value(
            SecretId="leaver/tokens/zoom/zoom",
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


def test_ten_commands_side_by_side_ask_for_a_new_token_once(desk: Desk) -> None:
    desk.tokens.look_up(["zoom"])
    assert desk.secrets.reads == 1
    desk.rotated()
    desk.clock.passes(seconds=3)
    desk.tokens.look_up(["zoom"])
    assert desk.secrets.reads == 2
    for _ in range(10):
        desk.use()
    assert desk.secrets.reads == 2


@pytest.mark.parametrize("altered", [{"provider": "venafi"}, {"role": "personal"}, {"status": "revoked"}])
def test_for_a_batch_no_token_is_read_that_is_not_to_be_used(altered: dict[str, Any]) -> None:
    desk = Desk(connection(**altered))
    desk.tokens.look_up(["zoom"])
    assert (desk.connections.reads, desk.secrets.reads) == (1, 0)


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


@pytest.mark.parametrize(
    "refused", [InvalidToken("Zoom does not accept the access token"), Rejected("missing scopes: user:delete:token")]
)
def test_a_refused_token_is_looked_up_anew_whatever_the_batch_has_read(desk: Desk, refused: LeaverError) -> None:
    desk.tokens.look_up(["zoom"])
    desk.rotated()

    def call(_: Connection, token: SecretStr) -> str:
        if token.get_secret_value() == "access-1":
            raise refused
        return token.get_secret_value()

    assert desk.tokens.with_token("zoom", call) == "access-2"


def test_what_the_stored_token_may_not_do_is_asked_for_once(desk: Desk) -> None:
    asked: list[str] = []

    def call(_: Connection, token: SecretStr) -> None:
        asked.append(token.get_secret_value())
        raise Rejected("missing scopes: user:delete:token")

    with pytest.raises(Rejected, match="missing scopes"):
        desk.tokens.with_token("zoom", call)
    assert asked == ["access-1"]


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
    desk.tokens.read_ahead()
    desk.use()
    assert (desk.secrets.reads, desk.connections.reads) == (1, 1)


def test_reading_ahead_says_what_is_wrong(desk: Desk) -> None:
    desk.connections.put(connection(expires_at=NOW))
    with pytest.raises(InvalidToken):
        desk.tokens.read_ahead()


def test_reading_ahead_reads_every_connection_in_use_whatever_it_is_called() -> None:
    desk = Desk(
        connection("my-zoom"), connection("zoom-eu", account="acme-eu"), connection("old", status=Status.REVOKED)
    )
    for name in ("my-zoom", "zoom-eu"):
        desk.secrets.create_secret(
            Name=f"leaver/tokens/{place_of(name)}", SecretString=tokens(), ClientRequestToken=PARENT
        )
    desk.tokens.read_ahead()
    assert desk.secrets.reads == 2


def test_a_command_without_a_connection_goes_over_the_only_service_connection_whatever_it_is_called() -> None:
    others = [
        connection("johns", role="personal"),
        connection("tpp", provider="venafi"),
        connection("old", status=Status.REVOKED),
        connection("older", status=Status.REVOKING),
    ]
    assert Desk(connection("my-zoom"), *others).tokens.connection_for(None) == "my-zoom"


@pytest.mark.parametrize("twin", [{}, {"account": "acme-eu"}, {"status": Status.NEEDS_REAUTHORIZATION}], ids=str)
def test_with_several_service_connections_a_command_has_to_say_which(twin: dict[str, Any]) -> None:
    desk = Desk(connection("my-zoom"), connection("zoom-eu", **twin))
    expected = r"^connection: expected the name of one of several service connections to Zoom$"
    with pytest.raises(BadMessage, match=expected):
        desk.tokens.with_token(None, lambda _, __: None)
    assert desk.tokens.connection_for("zoom-eu") == "zoom-eu"


def test_without_any_service_connection_a_command_is_told_so() -> None:
    desk = Desk(connection("zoom", role="personal"))
    with pytest.raises(BadMessage, match=r"^connection: expected a service connection to Zoom, and there is none$"):
        desk.tokens.connection_for(None)


def test_the_only_one_is_believed_for_a_minute_and_a_named_one_is_never_looked_for(desk: Desk) -> None:
    desk.tokens.connection_for("zoom")
    assert desk.connections.searches == 0
    for _ in range(10):
        desk.tokens.connection_for(None)
    desk.clock.passes(seconds=61)
    desk.connections.put(connection("second"))
    with pytest.raises(BadMessage):
        desk.tokens.connection_for(None)
    assert desk.connections.searches == 2


def test_no_token_shows_in_a_reader(desk: Desk) -> None:
    desk.use()
    assert "access-1" not in repr(desk.tokens)
