"""What `leaver connect` writes, in which order, and what becomes of the grant that a connection had: at the simulators.

Stores are in memory, the providers answer over HTTP and know what still works.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection, Status
from leaver.errors import LeaseHeld, LeaverError, NotKept, Rejected
from leaver.outcomes import Outcome
from leaver.providers.registry import PROVIDERS
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import Venafi
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import SecretStore
from leaver.tokens import GrantedTokens
from leaver_cli.connections.request import NewConnection
from leaver_cli.connections.setup import ATTEMPTS, ConnectionSetup, Established
from local.simulators.grants import digest
from local.simulators.provider import CANARY
from local.simulators.venafi import VenafiSimulator
from local.simulators.zoom import ZoomSimulator
from tests.doubles.canary import shown_by
from tests.doubles.connections_table import InMemoryConnections
from tests.doubles.secrets_manager import StrictSecretsManager
from tests.integration.simulated_venafi import ROBOT
from tests.integration.simulated_venafi import set_up as set_up_venafi

SCOPES = ["user:read:user:admin", "user:delete:token:admin"]
IT, BOSS = "it@example.com", "boss@example.com"
APP, OTHER_APP = "leaver-app", "other-app"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"


def now() -> datetime:
    return datetime.now(tz=UTC)


def secret_of(app: str) -> str:
    return f"{CANARY}{app}-s3cret"


@dataclass
class Desk:
    """Whoever runs `leaver connect zoom`, in front of a stack and of Zoom."""

    zoom: ZoomSimulator
    connections: InMemoryConnections = field(default_factory=InMemoryConnections)
    secrets: StrictSecretsManager = field(default_factory=StrictSecretsManager)
    #: called while Secrets Manager is given time
    waiting: Callable[[], object] = lambda: None
    #: called after the provider has granted
    granted: Callable[[], object] = lambda: None
    obtained: int = 0
    runs: int = 0

    @property
    def secret_store(self) -> SecretStore:
        return SecretStore(self.secrets.client, prefix="leaver", kms_key_arn=KEY)

    @property
    def grants(self) -> ProviderGrants:
        oauth = ZoomOAuth(Transport(self.zoom.url, clock=now), now)
        return ProviderGrants(PROVIDERS, {"zoom": oauth}, self.secret_store)

    @property
    def record(self) -> Connection:
        return self.connections.records["zoom"]

    def connect(self, owner: str = IT, *, user: str | None = None, app: str = APP, **other: Any) -> Established:
        """Connect zoom; `user` (else the owner) is who consents to `app`."""

        def obtain() -> GrantedTokens:
            self.obtained += 1
            answer = self.zoom.authorize(app, user or owner)
            self.granted()
            return GrantedTokens.model_validate_json(json.dumps(answer))

        rest = Zoom(Transport(self.zoom.api_url, clock=now), now)
        whole: dict[str, Any] = {
            "name": "zoom",
            "provider": "zoom",
            "account": "acme",
            "grant_type": "refresh_token",
            "role": "service",
            "owner": owner,
            "credentials": ZoomCredentials(client_id=app, client_secret=SecretStr(secret_of(app))),
            "obtain": obtain,
            "find_consenter": lambda token: (
                found.id if isinstance(found := rest.get_user("me", token), ZoomUser) else None
            ),
        }
        self.runs += 1
        return ConnectionSetup(
            connections=self.connections,
            secret_store=self.secret_store,
            grants=self.grants,
            holder=f"connect#{self.runs}",
            clock=now,
            pause=self._pause,
        ).establish(NewConnection(**whole | other))

    def _pause(self, _seconds: float) -> None:
        self.waiting()

    def stored(self, kind: str, version: str | None = None) -> Any:
        secret = self.secrets.secrets[f"leaver/{kind}/zoom/zoom"]
        return json.loads(secret.versions[version or secret.stages["AWSCURRENT"]])

    def tokens(self) -> Any:
        """The tokens that the record names."""
        return self.stored("tokens", self.record.version)

    def lives(self, tokens: Any) -> bool:
        """Whether anything of a pair still works at Zoom."""
        return any(self.zoom.live_token_kind(digest(tokens[kind])) for kind in ("access_token", "refresh_token"))

    def alter(self, **to: Any) -> None:
        self.connections.alter("zoom", **to)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with ZoomSimulator() as zoom:
        zoom.add_account("acme")
        for app in (APP, OTHER_APP):
            zoom.add_app(app, secret_of(app), account_id="acme", scopes=SCOPES)
        for user in (IT, BOSS):
            zoom.add_user(user.partition("@")[0], user, account_id="acme")
        yield Desk(zoom)


@contextmanager
def long_ago(zoom: ZoomSimulator) -> Iterator[None]:
    """What is granted meanwhile has an access token that has expired."""
    zoom.advance(-7200)
    yield
    zoom.advance(7200)


def test_a_new_connection_is_two_secrets_and_a_record_that_names_the_tokens(desk: Desk) -> None:
    made = desk.connect()
    assert made.old_grant is None
    assert desk.record == made.record
    assert (desk.record.status, desk.record.owner, desk.record.lease_holder) == (Status.ACTIVE, IT, None)
    assert desk.stored("credentials") == {"client_id": APP, "client_secret": secret_of(APP)}
    assert desk.lives(desk.tokens())
    assert {each.kms_key_id for each in desk.secrets.secrets.values()} == {KEY}
    assert now() < desk.record.refresh_at < desk.record.expires_at


def test_the_same_person_who_consents_again_ends_their_old_grant_by_it(desk: Desk) -> None:
    desk.connect()
    first = desk.tokens()
    assert desk.connect().old_grant == "ended by the new one"
    # to revoke the old could have ended the new: they are one authorisation
    assert desk.zoom.journal("/oauth/revoke") == []
    assert not desk.lives(first)
    assert desk.lives(desk.tokens())


def test_a_hand_over_to_a_new_owner_ends_the_old_ones_grant(desk: Desk) -> None:
    desk.connect(IT)
    first = desk.tokens()
    made = desk.connect(BOSS)
    assert (made.old_grant, made.old_grant_ended) == ("revoked", True)
    assert desk.record.owner == BOSS
    assert not desk.lives(first)
    assert desk.lives(desk.tokens())


def replaced(record: Connection) -> tuple[object, ...]:
    """What the case of a leaver who owned it before reads on the record."""
    return record.replaced_owner, record.replaced_outcome, record.replaced_description


def test_what_became_of_the_former_owners_grant_is_on_the_record(desk: Desk) -> None:
    desk.connect(IT)
    assert replaced(desk.record) == (None, None, None)
    desk.connect(BOSS)
    assert replaced(desk.record) == (IT, Outcome.REVOKED, "revoked")
    assert desk.record.replaced_at
    desk.connect(BOSS)
    assert replaced(desk.record) == (IT, Outcome.REVOKED, "revoked"), "who owns it now took nothing over from anybody"


def test_what_became_of_the_grant_of_whoever_had_the_address_before_is_on_the_record(desk: Desk) -> None:
    def of(id_: str) -> dict[str, Any]:
        return {"role": "personal", "find_owner_id": lambda _: id_}

    desk.connect(IT, **of("first"))
    desk.connect(IT, **of("first"))
    assert replaced(desk.record) == (None, None, None)
    desk.connect(IT, user=BOSS, **of("second"))
    assert (desk.record.owner_id, replaced(desk.record)) == ("second", (IT, Outcome.REVOKED, "revoked"))


def test_a_grant_whose_end_nobody_saw_is_not_forgotten_for_a_third_owner(desk: Desk) -> None:
    desk.connect(IT)
    del desk.secrets.secrets["leaver/credentials/zoom/zoom"]
    desk.connect(BOSS)
    before = desk.record
    with pytest.raises(Rejected, match=f"still waits for the end of {IT}'s grant"):
        desk.connect("third@example.com")
    assert desk.record == before


def test_the_end_of_a_former_owners_grant_is_on_the_record_only_where_it_is_confirmed(desk: Desk) -> None:
    desk.connect(IT)
    del desk.secrets.secrets["leaver/credentials/zoom/zoom"]
    assert not desk.connect(BOSS).old_grant_ended
    assert replaced(desk.record) == (IT, None, None)
    # The end of another grant, of who owns it now, says nothing of that one.
    assert desk.connect(BOSS).old_grant_ended
    assert replaced(desk.record) == (IT, None, None)


def test_a_former_owners_server_to_server_token_is_nobodys_grant_and_the_record_says_so(desk: Desk) -> None:
    desk.connect(IT)
    desk.alter(grant_type="account_credentials")
    desk.connect(BOSS)
    owner, outcome, said = replaced(desk.record)
    assert (owner, outcome) == (IT, Outcome.ALREADY_GONE)
    assert str(said).startswith("a server-to-server token, which ends at ")


def test_who_consents_decides_and_not_who_owns_it(desk: Desk) -> None:
    desk.connect(IT, user="boss")
    assert desk.connect(BOSS, user="boss").old_grant == "ended by the new one"
    assert desk.zoom.journal("/oauth/revoke") == []
    second = desk.tokens()
    assert desk.connect(BOSS, user="it").old_grant == "revoked"
    assert not desk.lives(second)
    assert desk.lives(desk.tokens())


def test_another_apps_grant_does_not_end_by_itself_and_is_ended_by_that_app(desk: Desk) -> None:
    desk.connect(app=APP)
    first = desk.tokens()
    assert desk.connect(app=OTHER_APP).old_grant == "revoked"
    assert not desk.lives(first)
    assert desk.lives(desk.tokens())
    assert desk.stored("credentials")["client_id"] == OTHER_APP


def test_of_one_app_the_newer_secret_ends_the_old_grant(desk: Desk) -> None:
    desk.connect(IT)
    desk.zoom.add_app(APP, "rotated", account_id="acme", scopes=SCOPES)
    credentials = ZoomCredentials(client_id=APP, client_secret=SecretStr("rotated"))
    assert desk.connect(BOSS, credentials=credentials).old_grant == "revoked"


def test_an_old_grant_whose_access_token_has_expired_is_refreshed_and_revoked(desk: Desk) -> None:
    with long_ago(desk.zoom):
        desk.connect(app=APP)
    first = desk.tokens()
    assert desk.connect(app=OTHER_APP).old_grant == "revoked"
    assert not desk.lives(first)
    assert desk.zoom.live_tokens(APP) == {"access": [], "refresh": []}


def test_the_newest_tokens_of_the_old_grant_are_those_that_a_killed_refresher_left(desk: Desk) -> None:
    with long_ago(desk.zoom):
        desk.connect(app=APP)
    old = desk.secret_store.tokens("zoom/zoom", desk.record.version)
    renewed = desk.grants.refresh(desk.record, old)
    kept = old.model_copy(update={"access_token": renewed.access_token, "refresh_token": renewed.refresh_token})
    desk.secret_store.store_next("zoom/zoom", desk.record.version, kept)
    assert desk.connect(app=OTHER_APP).old_grant == "revoked"
    assert desk.zoom.live_tokens(APP) == {"access": [], "refresh": []}


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"unanswered_since": now() - timedelta(hours=1)}, "a refresh of it was never answered, and what that issued"),
        ({"encrypted_refresh_token": "c2VhbGVk"}, "its newest refresh token lies encrypted in the record"),
    ],
)
def test_what_may_have_been_issued_and_nobody_holds_is_not_claimed_to_be_ended(
    desk: Desk, trouble: dict[str, Any], reason: str
) -> None:
    with long_ago(desk.zoom):
        desk.connect(app=APP)
    # Zoom answered, and nobody heard it
    desk.grants.refresh(desk.record, desk.secret_store.tokens("zoom/zoom", desk.record.version))
    desk.alter(**trouble)
    made = desk.connect(app=OTHER_APP)
    assert not made.old_grant_ended
    assert str(made.old_grant).startswith(f"not confirmed: {reason}")
    assert desk.zoom.live_tokens(APP)["refresh"] != []
    assert (made.record.status, made.record.unanswered_since, made.record.encrypted_refresh_token) == (
        Status.ACTIVE,
        None,
        None,
    )


def test_an_old_grant_whose_app_an_administrator_disabled_is_not_claimed_to_be_ended(desk: Desk) -> None:
    with long_ago(desk.zoom):
        desk.connect(app=APP)
    desk.zoom.inject("/oauth/token", times=2, handling="skip", reply="zoom_oauth/400-4738")
    made = desk.connect(app=OTHER_APP)
    assert not made.old_grant_ended
    assert made.old_grant == "not confirmed: an administrator disabled the app, which can be undone"
    assert desk.zoom.live_tokens(APP)["refresh"] != []


def test_a_provider_that_does_not_end_the_old_grant_is_said_and_the_new_one_works(desk: Desk) -> None:
    desk.connect(IT)
    desk.zoom.inject("/oauth/revoke", times=None, handling="skip", reply="zoom_oauth/500-html")
    made = desk.connect(BOSS)
    assert (made.old_grant, made.old_grant_ended) == ("not confirmed: Zoom is out of order", False)
    assert desk.record.owner == BOSS
    assert desk.lives(desk.tokens())


def test_without_the_old_apps_credentials_nothing_is_claimed_of_its_grant(desk: Desk) -> None:
    desk.connect(app=APP)
    del desk.secrets.secrets["leaver/credentials/zoom/zoom"]
    made = desk.connect(app=OTHER_APP)
    assert not made.old_grant_ended
    assert desk.zoom.live_tokens(APP)["refresh"] != []


def test_an_old_server_to_server_token_is_left_to_its_hour(desk: Desk) -> None:
    desk.connect()
    desk.alter(grant_type="account_credentials")
    made = desk.connect(app=OTHER_APP)
    assert str(made.old_grant).startswith("a server-to-server token, which ends at ")
    assert made.old_grant_ended


def test_a_connection_that_was_revoked_has_no_old_grant(desk: Desk) -> None:
    desk.connect()
    desk.alter(status=Status.REVOKED, revoked_outcome=Outcome.REVOKED)
    desk.secret_store.destroy("zoom/zoom")
    made = desk.connect()
    assert made.old_grant is None
    assert (desk.record.status, desk.record.revocation()) == (Status.ACTIVE, None)
    assert desk.lives(desk.tokens())


STANDS = (
    "connection zoom stands for account acme, which leavers would keep: choose another name, or give that account up"
)


@pytest.mark.parametrize("other", [{"account": "europe"}, {"role": "personal"}])
@pytest.mark.parametrize("status", [Status.ACTIVE, Status.REVOKED])
def test_a_name_that_stands_for_an_account_is_taken_for_no_other(
    desk: Desk, status: Status, other: dict[str, str]
) -> None:
    desk.connect()
    desk.obtained = 0
    desk.alter(status=status)
    before = desk.record
    with pytest.raises(Rejected) as refused:
        desk.connect(**other)
    assert refused.value.reason.startswith(STANDS)
    assert (desk.record, desk.obtained) == (before, 0)


def test_an_account_that_steps_can_not_be_named_by_is_refused_before_anything_is_asked_for(desk: Desk) -> None:
    with pytest.raises(Rejected, match="account acme#2: expected an account without #"):
        desk.connect(account="acme#2")
    assert (desk.obtained, desk.connections.records) == (0, {})


@pytest.mark.parametrize("standing", [{"given_up_at": now(), "status": Status.REVOKED}, {"role": "personal"}])
def test_a_name_that_stands_for_no_account_is_free_for_any(desk: Desk, standing: dict[str, Any]) -> None:
    desk.connect()
    desk.alter(**standing)
    desk.connect(account="europe")
    assert list(desk.connections.accounts("zoom")) == ["europe"]


@pytest.mark.parametrize(
    ("standing", "error", "reason"),
    [
        ({"lease_holder": "refresh#1"}, LeaseHeld, "connection zoom: refresh is under way"),
        ({"status": Status.REVOKING}, LeaseHeld, "connection zoom is being revoked: wait until it is"),
        ({"provider": "venafi"}, Rejected, "connection zoom is one to venafi: choose another name"),
    ],
)
def test_nothing_is_asked_of_the_provider_while_the_connection_is_not_ours_to_change(
    desk: Desk, standing: dict[str, Any], error: type[LeaverError], reason: str
) -> None:
    desk.connect()
    first, desk.obtained = desk.tokens(), 0
    desk.alter(**standing, leased_at=now() if "lease_holder" in standing else None)
    before = desk.record
    with pytest.raises(error) as refused:
        desk.connect()
    assert refused.value.reason == reason
    assert desk.obtained == 0
    assert desk.record == before
    assert desk.lives(first)


def test_where_the_provider_grants_nothing_the_connection_is_let_go(desk: Desk) -> None:
    desk.connect()
    first = desk.tokens()

    def refuse() -> GrantedTokens:
        assert desk.record.lease_holder == "connect#2"
        raise Rejected("the authorization code is not valid")

    with pytest.raises(Rejected):
        desk.connect(obtain=refuse)
    assert desk.record.lease_holder is None
    assert desk.tokens() == first


def test_an_unreadable_secret_store_is_found_out_before_the_provider_is_asked(desk: Desk) -> None:
    desk.connect()
    desk.obtained, desk.secrets.unreadable = 0, True
    with pytest.raises(LeaverError):
        desk.connect()
    assert desk.obtained == 0
    assert desk.record.lease_holder is None


def test_secrets_manager_is_asked_until_it_takes_what_was_granted(desk: Desk) -> None:
    desk.connect()
    tries: list[int] = []

    def wait() -> None:
        tries.append(1)
        desk.secrets.read_only = len(tries) < 5

    desk.waiting, desk.granted = wait, lambda: setattr(desk.secrets, "read_only", True)
    desk.connect()
    assert len(tries) == 5
    assert desk.lives(desk.tokens())


def test_what_can_not_be_kept_is_revoked_and_said(desk: Desk) -> None:
    desk.connect(IT)
    first = desk.tokens()
    waits: list[int] = []
    desk.waiting = lambda: waits.append(1)
    desk.granted = lambda: setattr(desk.secrets, "read_only", True)
    with pytest.raises(NotKept) as failure:
        desk.connect(BOSS, app=OTHER_APP)
    assert len(waits) >= ATTEMPTS - 1
    assert failure.value.reason.startswith(
        "secret leaver/tokens/zoom/zoom: InternalServiceError; the new grant: revoked"
    )
    assert desk.zoom.live_tokens(OTHER_APP) == {"access": [], "refresh": []}
    assert desk.record.lease_holder is None
    assert desk.tokens() == first
    assert desk.lives(first)


def test_who_is_revoking_it_meanwhile_wins_and_finds_the_old_apps_credentials(desk: Desk) -> None:
    desk.connect(app=APP)
    desk.granted = lambda: desk.alter(status=Status.REVOKING)
    with pytest.raises(LeaseHeld, match=r"^connection zoom is being revoked; the new grant: revoked$"):
        desk.connect(app=OTHER_APP)
    assert desk.zoom.live_tokens(OTHER_APP) == {"access": [], "refresh": []}
    assert (desk.record.status, desk.record.lease_holder) == (Status.REVOKING, None)
    # by another app's credentials Zoom would say that there is nothing
    result = desk.grants.revoke(desk.record, desk.secret_store.tokens("zoom/zoom", desk.record.version).access_token)
    assert result.outcome is Outcome.REVOKED


def test_of_two_who_make_the_same_connection_one_wins_and_the_others_grant_is_ended(desk: Desk) -> None:
    def win() -> None:
        desk.granted = lambda: None
        desk.connect(BOSS, app=OTHER_APP)

    desk.granted = win
    with pytest.raises(
        LeaseHeld, match=r"^connection zoom was made by somebody else meanwhile; the new grant: revoked$"
    ):
        desk.connect(IT, app=APP)
    assert desk.record.owner == BOSS
    assert desk.stored("credentials")["client_id"] == OTHER_APP
    assert desk.zoom.live_tokens(APP) == {"access": [], "refresh": []}
    assert desk.lives(desk.tokens())


def test_the_end_of_a_grant_that_came_too_late_is_not_claimed_unproved(desk: Desk) -> None:
    desk.connect()
    desk.zoom.inject("/oauth/revoke", times=None, handling="skip", reply="zoom_oauth/500-html")
    desk.granted = lambda: desk.alter(status=Status.REVOKING)
    with pytest.raises(LeaseHeld, match=r"the new grant: not confirmed: Zoom is out of order; end it at the provider$"):
        desk.connect(app=OTHER_APP)
    assert desk.record.lease_holder is None


@pytest.mark.parametrize("trouble", ["read_only", "revoking"])
def test_no_secret_shows(desk: Desk, trouble: str) -> None:
    made = desk.connect()

    def fail() -> None:
        desk.secrets.read_only = trouble == "read_only"
        if trouble == "revoking":
            desk.alter(status=Status.REVOKING)

    desk.granted = fail
    with pytest.raises(LeaverError) as failure:
        desk.connect(BOSS)
    assert CANARY not in repr(made) + shown_by(failure.value)


def test_a_venafi_connection_that_is_made_anew_ends_the_login_that_it_replaces() -> None:
    with VenafiSimulator() as venafi:
        set_up_venafi(venafi)
        client = Venafi(Transport(venafi.url, clock=now), now)
        secrets, connections = StrictSecretsManager(), InMemoryConnections()
        secret_store = SecretStore(secrets.client, prefix="leaver")
        password = SecretStr("pass-word")
        new = NewConnection(
            name="venafi",
            provider="venafi",
            account="tpp.example.com",
            grant_type="password",
            role="service",
            owner=IT,
            credentials=VenafiCredentials(client_id="leaver", username="robot", password=password),
            obtain=lambda: client.authorize_oauth("leaver", "robot", password, "admin:delete;configuration"),
        )

        def connect(run: int) -> Established:
            return ConnectionSetup(
                connections=connections,
                secret_store=secret_store,
                grants=ProviderGrants(PROVIDERS, {"venafi": client}, secret_store),
                holder=f"connect#{run}",
                clock=now,
                pause=lambda _: None,
            ).establish(new)

        first = connect(1)
        assert first.old_grant is None
        second = connect(2)
        assert second.old_grant == "revoked"
        assert venafi.live_grants(ROBOT) == 1
        kind = venafi.live_token_kind(digest(second.granted.access_token.get_secret_value()))
        assert kind == "access"
        assert connections.records["venafi"].version == second.record.version
