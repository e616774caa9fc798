"""A third provider by one folder and one entry: connected, refreshed with rotation, revoked, and reconciled."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner

from functions.reconcile.app import Accounts, Reconcile
from functions.revoke_access_token.app import revoke_access_token
from leaver import bootstrap
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection, Status
from leaver.connections.refresh import TokenRefresher
from leaver.connections.token_versions import TokenVersions
from leaver.errors import CredentialStale, InvalidClient
from leaver.messages.commands import RefreshAccessToken, RevokeAccessToken
from leaver.messages.publisher import Publisher
from leaver.outcomes import Outcome, Result
from leaver.providers.listing import Holding, Lists, Person
from leaver.storage.encryption import TokenEncryption
from leaver.storage.secrets import SecretStore
from leaver_cli.commands import Commands
from leaver_cli.connections import connect
from leaver_cli.deployment import Deployment
from tests.doubles.acme.entry import ACME, REGISTRY
from tests.doubles.acme.form import WITH_ACME
from tests.doubles.acme.server import CLIENT_ID, CLIENT_SECRET, AcmeServer, acme_server
from tests.doubles.connections_table import InMemoryConnections
from tests.doubles.event_bus import FakeBus
from tests.doubles.kms import KEY, FakeKms
from tests.doubles.rate_limiter import NoLimit
from tests.doubles.reconciling import Reconciled
from tests.doubles.secrets_manager import StrictSecretsManager
from tests.doubles.sqs import FIFO_DEAD_LETTERS, FakeSqs


def now() -> datetime:
    return datetime.now(tz=UTC)


@dataclass
class World:
    """A stack in memory that knows Acme, and Acme itself."""

    acme: AcmeServer
    folder: Path
    connections: InMemoryConnections = field(default_factory=InMemoryConnections)
    secrets: StrictSecretsManager = field(default_factory=StrictSecretsManager)

    @property
    def secret_store(self) -> SecretStore:
        return SecretStore(self.secrets.client, prefix="leaver")

    @property
    def grants(self) -> ProviderGrants:
        return bootstrap.provider_grants(REGISTRY, self.secret_store)

    @property
    def record(self) -> Connection:
        return self.connections.records["acme"]

    def connect(self, owner: str, client_secret: str = CLIENT_SECRET) -> str:
        """Somebody consents, and a person types `leaver connect acme`; returns what is printed."""
        (self.folder / "secret").write_text(client_secret)
        (self.folder / "code").write_text(self.acme.consent(owner))
        deployment = Deployment(
            stack=cast("Any", None),
            connections=self.connections,
            cases=cast("Any", None),
            people=cast("Any", None),
            heard=cast("Any", None),
            evidence=cast("Any", None),
            secret_store=self.secret_store,
            places=cast("Any", None),
            preview_answers=cast("Any", None),
            reconciliations=cast("Any", None),
            documents=cast("Any", None),
            parameters={"AcmeUrl": self.acme.url},
            ahead=timedelta(0),
            door_url=None,
            secrets_manager=cast("Any", None),
            cloudwatch=cast("Any", None),
            logs=cast("Any", None),
            providers=REGISTRY,
        )
        app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.add_typer(connect.commands(lambda *_: deployment, WITH_ACME), name="connect")
        options = ["--client-id", CLIENT_ID, "--owner", owner]
        files = ["--client-secret-file", str(self.folder / "secret"), "--code-file", str(self.folder / "code")]
        return CliRunner().invoke(app, ["connect", "acme", *options, *files], env={"COLUMNS": "200"}).output

    def refresh(self, **asked: Any) -> Result | None:
        refresher = TokenRefresher(
            connections=self.connections,
            has_left=lambda _: False,
            token_versions=TokenVersions(self.secret_store, TokenEncryption(FakeKms().client, key_arn=KEY)),
            grants=self.grants,
            publisher=Publisher(
                events=FakeBus().client, sqs=FakeSqs().client, bus="leaver", dead_letter_queue_url=FIFO_DEAD_LETTERS
            ),
            holder="refresh#1",
            clock=now,
            remaining=lambda: timedelta(seconds=90),
            pause=lambda _: None,
        )
        return refresher.refresh(RefreshAccessToken(connection="acme", **asked))

    def revoke(self) -> Result:
        return revoke_access_token(
            RevokeAccessToken(connection="acme", confirm=RevokeAccessToken.CONFIRMATION),
            grants=self.grants,
            connections=self.connections,
            secret_store=self.secret_store,
            holder="revoke#1",
            clock=now,
        )

    def refresh_token(self) -> str:
        """The one that the record names."""
        held = self.secret_store.tokens("acme/acme", self.record.version).refresh_token
        assert held is not None
        return held.get_secret_value()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    bootstrap._transport_to.cache_clear()
    with acme_server() as acme:
        monkeypatch.setenv("ACME_URL", acme.url)
        monkeypatch.setenv("ZOOM_OAUTH_URL", "https://zoom.invalid")
        monkeypatch.setenv("VENAFI_URL", "https://venafi.invalid")
        yield World(acme, tmp_path)
    bootstrap._transport_to.cache_clear()


def test_it_is_connected_by_the_command_line(world: World) -> None:
    printed = world.connect("it@example.com")
    assert printed.startswith("acme is connected, its access token lives until ")
    assert (world.record.provider, world.record.account, world.record.status) == (
        "acme",
        "acme.example.com",
        Status.ACTIVE,
    )
    assert world.acme.knows(world.refresh_token())
    assert world.acme.asked == ["authorization_code"]


def test_a_wrong_secret_is_said_and_nothing_connected(world: World) -> None:
    assert "Acme does not accept client_id and client_secret" in world.connect("it@example.com", "wrong")
    assert world.connections.records == {}


def test_its_refresh_token_is_rotated_and_the_new_one_kept(world: World) -> None:
    world.connect("it@example.com")
    first = world.refresh_token()
    result = world.refresh(force=True)
    assert result is not None
    assert result.outcome is Outcome.REFRESHED
    assert world.refresh_token() != first
    assert not world.acme.knows(first)
    assert world.acme.knows(world.refresh_token())


def test_its_word_that_a_token_is_revoked_is_no_proof_and_a_refused_refresh_is(world: World) -> None:
    world.connect("it@example.com")
    with pytest.raises(CredentialStale, match="is called revoked by a provider that says so of any token") as stale:
        world.revoke()
    assert world.acme.asked == ["authorization_code", "revoke"]
    assert world.refresh(for_revocation=True, failed_version=stale.value.version) is None
    assert world.record.status is Status.REVOKED
    assert world.revoke().outcome is Outcome.ALREADY_GONE
    assert world.acme.live() == 0
    assert world.acme.asked == ["authorization_code", "revoke", *["refresh_token"] * 2]


def test_what_is_only_called_revoked_is_never_recorded_as_revoked(world: World) -> None:
    world.connect("it@example.com")
    world.acme.only_says_so = True
    for _ in range(3):
        with pytest.raises(CredentialStale) as stale:
            world.revoke()
        assert world.refresh(for_revocation=True, failed_version=stale.value.version) is None
        assert (world.record.status, world.record.lease_holder) == (Status.REVOKING, None)
    # Whatever was issued on the way is held, and can still be ended.
    world.acme.only_says_so = False
    with pytest.raises(CredentialStale) as stale:
        world.revoke()
    assert world.refresh(for_revocation=True, failed_version=stale.value.version) is None
    assert world.record.status is Status.REVOKED
    assert world.acme.live() == 0


def test_connected_anew_its_old_grant_is_ended_and_that_is_proved(world: World) -> None:
    world.connect("it@example.com")
    printed = world.connect("boss@example.com")
    assert "the old grant: already_gone" in printed
    assert world.acme.live() == 1
    assert world.acme.knows(world.refresh_token())


def test_connected_anew_an_old_grant_that_is_only_called_revoked_is_said_to_live(world: World) -> None:
    world.connect("it@example.com")
    world.acme.only_says_so = True
    printed = world.connect("boss@example.com")
    assert "the old grant: not confirmed: the provider called it revoked, and renews it still; it may live" in printed
    assert world.acme.live() == 2


def test_what_its_own_entry_says_of_a_401_counts(world: World) -> None:
    world.connect("it@example.com")
    held = world.secret_store.tokens("acme/acme", world.record.version)
    own = world.grants.credentials(world.record).model_copy(update={"client_id": "nobody"})
    with pytest.raises(InvalidClient):
        world.grants.by(own).revoke(world.record, held.access_token)


def test_who_was_forgotten_there_is_found_and_named_by_what_its_entry_says(world: World) -> None:
    world.connect("it@example.com")
    world.acme.people = {"anna": "anna@example.com", "gus": "gone@example.com"}
    company = Reconciled([Person("anna@example.com"), Person("gone@example.com", is_gone=True)])

    def listing_of(place: str) -> Lists[Holding]:
        assert place == "acme/acme.example.com"
        assert ACME.who_has_something is not None
        return bootstrap.listing(ACME.who_has_something.listing, ACME.who_has_something.host)

    def tokens_of(provider: str) -> AccessTokens:
        return AccessTokens(world.connections, world.secret_store, now, provider)

    accounts = Accounts({"acme": ACME}, world.connections, listing_of, tokens_of, lambda _: NoLimit())
    for night in ("night-1", "night-2"):
        replace(company.reconciliation, accounts=accounts).work(Reconcile(run=night), lambda: True)
        company.clock.passes(hours=24)
    (word,) = company.said_words
    assert (word.subject.email, word.subject.identities) == ("gone@example.com", {"acme": {"login": "gus"}})
    assert word.held is not None
