"""Zoom and Venafi as small machines with a memory: sessions, grants, tokens; their answers are the clients' own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal

from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.errors import AnswerLost, InvalidGrant, InvalidToken, LeaverError, ProviderResponse
from leaver.messages.commands import UserTokenType
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import PAGE, Application, Grantee, Identity, Venafi, is_prefixed, same_identity
from leaver.providers.venafi.oauth import Verified
from leaver.providers.venafi.search import PeopleSearch
from leaver.providers.zoom.api import UserToken, Zoom, ZoomUser, user_path
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import SecretStore
from leaver.tokens import GrantedTokens
from tests.doubles.clock import Clock


@dataclass
class FakeZoom(Zoom):
    """Zoom's REST API: who has a session, and whose token is what."""

    #: id → e-mail address
    users: dict[str, str] = field(default_factory=dict)
    #: access token → its account, of another account than the first
    elsewhere: dict[str, str] = field(default_factory=dict)
    #: id → account, of whoever is in another account than the first
    accounts: dict[str, str] = field(default_factory=dict)
    #: another address of theirs → id
    aliases: dict[str, str] = field(default_factory=dict)
    #: ids of those who are logged in
    sessions: set[str] = field(default_factory=set)
    #: ids of those who can't log in any more
    inactive: set[str] = field(default_factory=set)
    #: id → token; None for those who log in through Google or Facebook
    tokens: dict[str, str | None] = field(default_factory=dict)
    #: access tokens that are good
    accepts: set[str] = field(default_factory=lambda: {"access-1"})
    #: raised instead of the next answers, one after the other
    failing: list[LeaverError] = field(default_factory=list)
    #: every request: operation, who
    asked: list[tuple[str, str]] = field(default_factory=list)
    #: what was asked of the last token besides: type, ttl, meeting
    asked_for: tuple[UserTokenType, int | None, str | None] | None = None

    def get_user(self, user_id: str, access_token: SecretStr) -> ZoomUser | Result:
        found = self._find("get_user", user_id, access_token)
        return ZoomUser(found, self.users[found]) if found else _not_found()

    def get_user_token(
        self,
        user_id: str,
        access_token: SecretStr,
        *,
        type: UserTokenType,  # noqa: A002 - the parameter's name at Zoom
        ttl: int | None = None,
        meeting_id: str | None = None,
    ) -> UserToken:
        found = self._find("get_user_token", user_id, access_token)
        self.asked_for = (type, ttl, meeting_id)
        if found is None:
            return UserToken(_not_found())
        token = self.tokens[found]
        if token is None:
            return UserToken(Result(Outcome.NO_TOKEN, ProviderResponse(200)))
        return UserToken(Result(Outcome.RETRIEVED, ProviderResponse(200, tracking_id="v=2.0")), SecretStr(token))

    def delete_user_token(self, user_id: str, access_token: SecretStr) -> Result:
        found = self._find("delete_user_token", user_id, access_token)
        if found is None:
            return _not_found()
        self.sessions.discard(found)
        return Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0"))

    def deactivate_user(self, user_id: str, access_token: SecretStr) -> Result:
        found = self._find("deactivate_user", user_id, access_token)
        if found is None:
            return _not_found()
        self.inactive.add(found)
        return Result(Outcome.DEACTIVATED, ProviderResponse(204))

    def _find(self, operation: str, user_id: str, access_token: SecretStr) -> str | None:
        user_path(user_id)
        self.asked.append((operation, user_id))
        if self.failing:
            raise self.failing.pop(0)
        token = access_token.get_secret_value()
        if token not in self.accepts | self.elsewhere.keys():
            raise InvalidToken("Zoom does not accept the access token", ProviderResponse(401, "124"))
        account = self.elsewhere.get(token)
        here = {each: email for each, email in self.users.items() if self.accounts.get(each) == account}
        known = (each for each, email in here.items() if user_id in {each, email})
        alias = self.aliases.get(user_id)
        return next(known, alias if alias in here else None)


def _not_found() -> Result:
    return Result(Outcome.USER_NOT_FOUND, ProviderResponse(404, "1001"))


@dataclass
class FakeGrant:
    """One OAuth grant at a provider that rotates: a refresh token works once, and the tokens are numbered."""

    clock: Clock
    number: int = 1
    alive: bool = True
    rotates: bool = True
    failing: list[LeaverError] = field(default_factory=list)
    #: the next answers are lost, after the provider has committed
    loses: int = 0
    #: the next answers come damaged, so that their refresh tokens can't be read
    damages: int = 0
    #: when the last access token that was granted here ends
    expires_at: datetime | None = None
    #: every request: operation, and the token that came with it
    asked: list[tuple[str, str]] = field(default_factory=list)
    #: called after the provider has committed, before its answer arrives
    meanwhile: Callable[[], object] = lambda: None

    @property
    def access_token(self) -> str:
        return f"access-{self.number}"

    @property
    def refresh_token(self) -> str:
        return f"refresh-{self.number}" if self.rotates else "refresh-1"

    def refreshed(self, refresh_token: SecretStr) -> GrantedTokens:
        self.begin("refresh", refresh_token)
        if not self.alive or refresh_token.get_secret_value() != self.refresh_token:
            self.meanwhile()
            raise InvalidGrant("the refresh token is not accepted", ProviderResponse(400, "invalid_grant"))
        return self.minted()

    def minted(self) -> GrantedTokens:
        self.number += 1
        self.meanwhile()
        if self.loses:
            self.loses -= 1
            raise AnswerLost("Zoom did not answer")
        self.expires_at = self.clock() + timedelta(hours=1)
        is_damaged = self.damages > 0
        self.damages -= is_damaged
        return GrantedTokens(
            access_token=SecretStr(self.access_token),
            refresh_token=SecretStr(self.refresh_token) if self.rotates and not is_damaged else None,
            expires_at=self.expires_at,
            scope="user:read:admin",
            is_damaged=is_damaged,
        )

    def revoked(self, access_token: SecretStr) -> bool:
        """Tells whether there was something to revoke."""
        self.begin("revoke", access_token)
        has_ended = self.expires_at is not None and self.expires_at <= self.clock()
        if not self.alive or has_ended or access_token.get_secret_value() != self.access_token:
            return False
        self.alive = False
        return True

    def begin(self, operation: str, token: SecretStr) -> None:
        """Note what is asked, and fail if it is to fail."""
        self.asked.append((operation, token.get_secret_value()))
        if self.failing:
            raise self.failing.pop(0)


@dataclass
class FakeZoomOAuth(ZoomOAuth):
    """Zoom's OAuth endpoints, in front of one grant."""

    grant: FakeGrant
    client: tuple[str, str] = ("client-id", "client-secret")
    account_id: str = "account-1"

    def refresh(self, client_id: str, client_secret: SecretStr, refresh_token: SecretStr) -> GrantedTokens:
        assert (client_id, client_secret.get_secret_value()) == self.client
        return self.grant.refreshed(refresh_token)

    def account_credentials(self, client_id: str, client_secret: SecretStr, account_id: str) -> GrantedTokens:
        assert (client_id, client_secret.get_secret_value(), account_id) == (*self.client, self.account_id)
        self.grant.asked.append(("account_credentials", account_id))
        return self.grant.minted().model_copy(update={"refresh_token": None})

    def revoke(self, client_id: str, client_secret: SecretStr, token: SecretStr) -> Result:
        assert (client_id, client_secret.get_secret_value()) == self.client
        if self.grant.revoked(token):
            return Result(Outcome.REVOKED, ProviderResponse(200, tracking_id="v=2.0"))
        return Result(Outcome.ALREADY_GONE, ProviderResponse(400, "invalid_token"))


@dataclass
class FakeVenafi(Venafi):
    """A Venafi server: who has how many grants, who is who, and whom the robot's own token speaks for."""

    #: prefixed universal id or application → number of grants
    grants: dict[str, int] = field(default_factory=dict)
    #: name or e-mail address → prefixed universal ids of those who have it
    people: dict[str, list[str]] = field(default_factory=dict)
    #: another address → the prefixed universal id of whom the search finds by it
    aliases: dict[str, str] = field(default_factory=dict)
    #: prefixed universal ids of groups
    groups: set[str] = field(default_factory=set)
    #: how long each answer takes
    clock: Clock = field(default_factory=Clock)
    takes: timedelta = timedelta(0)
    #: success is reported, and so many grants are left all the same
    clings_to: int = 0
    own: Verified = field(
        default_factory=lambda: Verified(
            identity="local:{7B9E4C1A-0000-4000-8000-0000000000AA}",
            application="Leaver",
            scope="admin:delete",
            expires_at=None,
        )
    )
    accepts: set[str] = field(default_factory=lambda: {"access-1"})
    grant: FakeGrant = field(default_factory=lambda: FakeGrant(Clock()))
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(Transport("http://127.0.0.1:1", clock=self.clock), self.clock)

    def revoke_grants(self, target: Grantee | Application, access_token: SecretStr) -> Result:
        self._asked("revoke_grants", access_token)
        had = self.grants.get(_named(target), 0)
        self.grants[_named(target)] = self.clings_to
        return Result(Outcome.REVOKED if had else Outcome.ALREADY_GONE, ProviderResponse(200, "0"))

    def remaining_grants(
        self,
        target: Grantee | Application,
        access_token: SecretStr,
        *,
        at_once: bool = False,  # noqa: ARG002
    ) -> int:
        self._asked("remaining_grants", access_token)
        return self.grants.get(_named(target), 0)

    def count_grants(self, target: Grantee, access_token: SecretStr, *, at_most: int = PAGE) -> int:
        self._asked("count_grants", access_token)
        return min(self.grants.get(_named(target), 0), at_most)

    def list_applications(self, start: int, access_token: SecretStr) -> list[str]:
        self._asked("list_applications", access_token)
        return ["vcert"][start:]

    def list_grantees(self, application_id: str, start: int, access_token: SecretStr) -> list[str]:
        """Whoever has a grant, has it of one application."""
        assert application_id == "vcert"
        self._asked("list_grantees", access_token)
        grantees = [grantee for grantee, count in self.grants.items() if is_prefixed(grantee) for _ in range(count)]
        return grantees[start : start + PAGE]

    def browse(self, searched: str, access_token: SecretStr) -> list[Identity]:
        """Whose name or address begins so, and nobody of another identity provider than the robot's own."""
        self._asked("browse", access_token)
        own = self.own.identity.partition(":")[0]
        beginning = searched.casefold()
        searchable = self.people | {alias: [universal] for alias, universal in self.aliases.items()}
        found = [
            self._known(universal)
            for name, universals in searchable.items()
            for universal in universals
            if name.casefold().startswith(beginning) and universal.partition(":")[0] == own
        ]
        return found[:2]

    def validate(
        self, key: Literal["PrefixedUniversal", "PrefixedName"], value: str, access_token: SecretStr
    ) -> Identity | None:
        """Of any provider, in Venafi's own spelling."""
        self._asked("validate", access_token)
        known = [self._known(each) for each in (*chain(*self.people.values()), self.own.identity)]
        if key == "PrefixedName":
            return next((each for each in known if each.prefixed_name.casefold() == value.casefold()), None)
        return next((each for each in known if same_identity(each.prefixed_universal, value)), None)

    def read_attribute(self, identity: Identity, attribute: str, access_token: SecretStr) -> list[str]:
        """A directory has the address as `mail`, Venafi's own users under Venafi's name for it."""
        self._asked("read_attribute", access_token)
        kept_as = "Internet EMail Address" if identity.prefixed_universal.startswith("local:") else "mail"
        names = [name for name, universals in self.people.items() if identity.prefixed_universal in universals]
        return [name for name in names if "@" in name] if attribute == kept_as else []

    def _known(self, universal: str) -> Identity:
        names = [name for name, universals in self.people.items() if universal in universals]
        name = next((name for name in names if "@" not in name), names[0].partition("@")[0] if names else "robot")
        prefixed_name = f"{universal.partition(':')[0]}:{name}"
        return Identity(universal, prefixed_name, name, is_user=universal not in self.groups)

    def verify(self, access_token: SecretStr) -> Verified:
        self._asked("verify", access_token)
        return self.own

    def refresh(self, client_id: str, refresh_token: SecretStr) -> GrantedTokens:
        assert client_id == "client-id"
        return self.grant.refreshed(refresh_token)

    def authorize_oauth(self, client_id: str, username: str, password: SecretStr, scope: str) -> GrantedTokens:
        return self._logged_in("password", client_id, f"{username} {password.get_secret_value()} {scope}")

    def authorize_jwt(self, client_id: str, jwt: SecretStr, scope: str) -> GrantedTokens:
        return self._logged_in("jwt", client_id, f"{jwt.get_secret_value()} {scope}")

    def authorize_certificate(
        self, client_id: str, certificate: str, private_key: SecretStr, scope: str
    ) -> GrantedTokens:
        return self._logged_in("certificate", client_id, f"{certificate} {private_key.get_secret_value()} {scope}")

    def _logged_in(self, how: str, client_id: str, told: str) -> GrantedTokens:
        assert client_id == "client-id"
        self.grant.begin(how, SecretStr(told))
        return self.grant.minted()

    def revoke_token(self, access_token: SecretStr) -> Result:
        if not self.grant.revoked(access_token):
            raise InvalidToken("Venafi does not accept the access token", ProviderResponse(401))
        return Result(Outcome.REVOKED, ProviderResponse(200))

    def _asked(self, operation: str, access_token: SecretStr) -> None:
        self.asked.append(operation)
        self.clock.now += self.takes
        if access_token.get_secret_value() not in self.accepts:
            raise InvalidToken("Venafi does not accept the access token", ProviderResponse(401))


def proved_search(venafi: FakeVenafi, clock: Clock) -> PeopleSearch:
    """A search that sees everybody whom this robot's identity provider knows, and knows it by a colleague of theirs."""
    prefix = venafi.own.identity.partition(":")[0]
    venafi.people["colleague@example.com"] = [f"{prefix}:{{colleague}}"]
    return PeopleSearch(venafi, prefixes={prefix}, known_addresses={"colleague@example.com"}, clock=clock)


def _named(target: Grantee | Application) -> str:
    return target.prefixed_universal if isinstance(target, Grantee) else target.application_id


def provider_grants(grant: FakeGrant, secret_store: SecretStore) -> ProviderGrants:
    """Both providers' token endpoints, in front of one grant."""
    return ProviderGrants(PROVIDERS, {"zoom": FakeZoomOAuth(grant), "venafi": FakeVenafi(grant=grant)}, secret_store)
