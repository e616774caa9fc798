"""The Connections table: which connections exist, how they are, who has their leases, which tokens are theirs."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from heapq import merge
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from leaver.errors import BadMessage, LeaseHeld, ProviderResponse, Rejected, explain
from leaver.messages.commands import AccountName, ConnectionName, GrantType, ProviderName
from leaver.messages.names import name_of
from leaver.messages.publisher import Due
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Items, Value, item, timestamp, update_with_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Model = TypeVar("Model", bound=BaseModel)

#: what a function that takes a lease may live: `refresh_access_token`, the longest of them
LONGEST_LIFE: Final = timedelta(seconds=90)
#: Two clocks may be so far apart, and a little less: AWS accepts the signatures of both up to 9 min 20 s.
CLOCKS_APART: Final = timedelta(minutes=10)
#: Nobody who took a lease is alive after it, whoever's clock is asked: else two could refresh with one token.
LEASE: Final = LONGEST_LIFE + CLOCKS_APART
DAY: Final = timedelta(days=1)


VersionId = Annotated[str, Field(min_length=32, max_length=64)]
#: what a person may have written with white space around it
Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]
Role = Literal["service", "personal"]


#: After five minutes Secrets Manager shows a version to everybody: one that no clock finds new any more is gone.
SEEN_AFTER: Final = timedelta(minutes=5) + CLOCKS_APART


class Status(StrEnum):
    """How a connection is; only `active` and `cooling_down` ones are worked through."""

    ACTIVE = "active"
    #: refreshing fails; the next attempt is at `refresh_at`, and the access token may still be good
    COOLING_DOWN = "cooling_down"
    NEEDS_REAUTHORIZATION = "needs_reauthorization"
    REVOKING = "revoking"
    REVOKED = "revoked"
    #: its first login is still to be proved, by a forced refresh; until then nobody works through it
    CONNECTING = "connecting"


IN_USE: Final = frozenset({Status.ACTIVE, Status.COOLING_DOWN})


class Connection(BaseModel):
    """One item of the Connections table: everything about a connection but its secrets.

    `with_…`, `without_…` and `as_…` return a changed copy; `Connections.compare_and_swap` writes it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    connection: ConnectionName
    #: its name in the registry; whoever asks the provider says where it is not there
    provider: ProviderName
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: Annotated[AccountName, StringConstraints(strip_whitespace=True)]
    #: refresh_token, or one of those by which the provider's entry logs in
    grant_type: GrantType
    owner: Stripped
    #: of a personal connection by consent: the provider's own id of its owner; an address may be somebody else's later
    owner_id: str | None = None
    #: service: Leaver itself works through it; personal: it is one person's
    role: Role
    status: Status
    #: the version id of the current tokens
    version: VersionId
    expires_at: AwareDatetime
    #: when the next refresh is due
    refresh_at: AwareDatetime
    refreshed_at: AwareDatetime | None = None
    #: when a run recorded tokens that it or an earlier one had stored, and went on
    rolled_forward_at: AwareDatetime | None = None
    #: when tokens were replaced only because a reader saw them refused: those of the last day
    demanded_refreshes: tuple[AwareDatetime, ...] = ()
    #: counts the changes: each write is conditional on the version that it was made from
    item_version: int = 0
    #: when a person authorized it, by `leaver connect`: another time is another grant
    granted_at: AwareDatetime | None = None

    # the lease: who changes the tokens, since when, from which version on
    lease_holder: str | None = None
    leased_at: AwareDatetime | None = None
    leased_version: str | None = None

    #: when the first of those refreshes began whose answers never came, or that were killed
    unanswered_since: AwareDatetime | None = None
    #: whose refresh token was refused, and there was no time to ask twice: the next refusal is the second
    refused_version: VersionId | None = None
    #: a refresh token that Secrets Manager did not take, encrypted for nobody but the refresher
    encrypted_refresh_token: str | None = None
    #: tokens were issued that nobody holds, so that they can't be revoked by us
    orphaned_tokens: bool = False

    #: its provider did not know the owner when it was made: nobody would notice that they left
    owner_is_unknown: bool = False

    # what is wrong with it
    failures: int = 0
    reason: str | None = None
    #: since when its trouble is announced
    trouble_since: AwareDatetime | None = None
    #: the name of the announcement that the bus has not taken yet
    pending_announcement: (
        Literal["ConnectionFailing", "ConnectionNeedsReauthorization", "ConnectionRecovered"] | None
    ) = None

    #: once revoked: the provider's word for it
    revoked_outcome: Outcome | None = None
    revoked_status: int | None = None
    revoked_tracking_id: str | None = None
    #: since when its account is none of the company's any more, by a person's word: this record counts for it no more
    given_up_at: AwareDatetime | None = None

    # the previous owner's grant; `replaced_outcome` is None until its end is confirmed
    replaced_owner: str | None = None
    replaced_at: AwareDatetime | None = None
    replaced_outcome: Outcome | None = None
    #: the same in words
    replaced_description: str | None = None

    @property
    def place(self) -> str:
        """Where its secrets lie, below `tokens/` and `credentials/`."""
        return f"{self.provider}/{self.connection}"

    @property
    def grant(self) -> dict[str, str]:
        """Which grant it has: whose, and since when."""
        since = {"granted_at": timestamp(self.granted_at)} if self.granted_at else {}
        return {"owner": self.owner} | since | ({"owner_id": self.owner_id} if self.owner_id else {})

    def is_of_another(self, than: Self) -> bool:
        """Whether the owner is another: by the address, or under the same address by the provider's own id.

        At another account a consent ends nothing of what the same person gave before.
        """
        ids = {self.owner_id, than.owner_id} - {None}
        return (self.owner, self.account) != (than.owner, than.account) or len(ids) > 1

    def revocation(self) -> Result | None:
        """The provider's word for the end of a connection; None while it lives."""
        if self.status is not Status.REVOKED or self.revoked_outcome is None:
            return None
        return Result(self.revoked_outcome, ProviderResponse(self.revoked_status, tracking_id=self.revoked_tracking_id))

    def has_new_tokens(self, now: datetime) -> bool:
        """Whether its tokens were written so lately that Secrets Manager may not show them yet."""
        written = [each for each in (self.refreshed_at, self.rolled_forward_at, self.granted_at) if each is not None]
        return bool(written) and now - max(written) < SEEN_AFTER

    def has_expired_lease(self, now: datetime) -> bool:
        """Whether the lease on it is that of a run which can't be alive any more."""
        return self.leased_at is not None and now - self.leased_at > LEASE

    def with_lease(self, holder: str, now: datetime) -> Self:
        """One write is the lease, the journal and the proof that the table can be written.

        Raises LeaseHeld where a living run has the lease.
        """
        is_free = self.lease_holder in {None, holder}
        if not is_free and not self.has_expired_lease(now):
            raise LeaseHeld(f"connection {self.connection}: {_kind_of(self.lease_holder)} is under way")
        # Whoever is dead may have asked for new tokens, and nobody knows what came of it: that must not be forgotten.
        lost = None if is_free or _kind_of(self.lease_holder) == "revoke" else self.leased_at
        lease = {"lease_holder": holder, "leased_at": now, "leased_version": self.version}
        return self.model_copy(update=lease | {"unanswered_since": self.unanswered_since or lost})

    def without_lease(self) -> Self:
        """Anybody may take it."""
        return self.model_copy(update=_NO_LEASE)

    def with_unanswered_refresh(self) -> Self:
        """The provider may have answered the holder of the lease, and the answer was lost."""
        return self.model_copy(update={"unanswered_since": self.unanswered_since or self.leased_at})

    def with_refused_version(self) -> Self:
        """Its refresh token was refused once."""
        return self.model_copy(update={"refused_version": self.version})

    def with_encrypted_refresh_token(self, ciphertext: str) -> Self:
        """A refresh token that Secrets Manager did not take."""
        return self.model_copy(update={"encrypted_refresh_token": ciphertext})

    def with_stored_tokens(
        self, version: str, *, expires_at: datetime, now: datetime, is_partial: bool = False
    ) -> Self:
        """Tokens that an earlier run stored, under the same lease: that run's answer is known now.

        `is_partial`: as far as it could be read.
        """
        # They may have been stored just now, and Secrets Manager may not show them yet.
        tokens = {"version": version, "leased_version": version, "expires_at": expires_at, "rolled_forward_at": now}
        unanswered = {"unanswered_since": self.leased_at if is_partial else None}
        return self.model_copy(update=tokens | unanswered | {"encrypted_refresh_token": None})

    def with_demanded_refresh(self, now: datetime) -> Self:
        """One more of those that readers asked for."""
        recent = (each for each in self.demanded_refreshes if now - each < DAY)
        return self.model_copy(update={"demanded_refreshes": (*recent, now)})

    def with_new_tokens(
        self, version: str, *, expires_at: datetime, refresh_at: datetime, now: datetime, is_partial: bool = False
    ) -> Self:
        """Healthy, without a lease; its recovery is to be announced where its trouble was.

        `is_partial`: their answer held more than could be read of it.
        """
        tokens: dict[str, object] = {"version": version, "expires_at": expires_at, "refresh_at": refresh_at}
        health: dict[str, object] = {"status": Status.ACTIVE, "refreshed_at": now, "failures": 0, "reason": None}
        health |= {"orphaned_tokens": False, "encrypted_refresh_token": None}
        # What could not be read may have been a refresh token, which then lives and nobody holds.
        health["unanswered_since"] = (self.leased_at or now) if is_partial else None
        # Even where the trouble itself is still pending: the bus may have taken it just before a run was killed.
        health["pending_announcement"] = "ConnectionRecovered" if self.trouble_since else None
        return self.model_copy(update=_NO_LEASE | tokens | health)

    def with_new_grant(self, made: Self, *, now: datetime) -> Self:
        """The record that a person has just made by authorizing it again, whatever was wrong before."""
        update: dict[str, object] = {"item_version": self.item_version, "unanswered_since": made.unanswered_since}
        healthy = made.with_new_tokens(
            made.version, expires_at=made.expires_at, refresh_at=made.refresh_at, now=now
        ).model_copy(update=update)
        if self.trouble_since:
            update = {"pending_announcement": "ConnectionRecovered", "trouble_since": self.trouble_since}
            healthy = healthy.model_copy(update=update)
        if not made.is_of_another(self):
            return healthy.model_copy(update={name: getattr(self, name) for name in _REPLACED})
        return healthy.model_copy(update={"replaced_owner": self.owner, "replaced_at": now})

    def refuse_to_forget(self, new_owner: str) -> None:
        """Raise Rejected where another owner's grant would take the place of one that nobody saw end.

        The record remembers one of them, and its owner's case needs it.
        """
        is_open = self.replaced_owner is not None and self.replaced_outcome is None
        if is_open and name_of(new_owner) != name_of(self.owner):
            raise Rejected(
                f"connection {self.connection} still waits for the end of {self.replaced_owner}'s grant, which it "
                "replaced: choose another name"
            )

    def with_replaced_grant_ended(self, outcome: Outcome, description: str) -> Self:
        """The end of the previous owner's grant is confirmed."""
        return self.model_copy(update={"replaced_outcome": outcome, "replaced_description": description})

    def with_orphaned_tokens(self, reason: str) -> Self:
        """Its revocation waits for a person, who ends the grant at the provider; without a lease."""
        return self.model_copy(update=_NO_LEASE | {"reason": reason, "orphaned_tokens": True})

    def without_pending_announcement(self) -> Self:
        """The bus has taken it; after a recovery the trouble is over."""
        recovered = self.pending_announcement == "ConnectionRecovered"
        trouble_since = None if recovered else self.trouble_since
        return self.model_copy(update={"pending_announcement": None, "trouble_since": trouble_since})

    def as_cooling_down(self, reason: str, *, until: datetime, now: datetime, announce: bool) -> Self:
        """Left alone until then, without a lease; `announce`: its trouble is to be announced, unless it was."""
        update: dict[str, object] = {"failures": self.failures + 1, "reason": reason, "refresh_at": until}
        if self.status in IN_USE:
            update["status"] = Status.COOLING_DOWN
        if announce and self.trouble_since is None:
            update |= {"trouble_since": now, "pending_announcement": "ConnectionFailing"}
        return self.model_copy(update=_NO_LEASE | update)

    def as_needing_reauthorization(self, reason: str, *, now: datetime) -> Self:
        """Its grant is dead, and that is to be announced; without a lease."""
        trouble: dict[str, object] = {
            "status": Status.NEEDS_REAUTHORIZATION,
            "reason": reason,
            "trouble_since": self.trouble_since or now,
            "pending_announcement": "ConnectionNeedsReauthorization",
        }
        return self.model_copy(update=_NO_LEASE | trouble)

    def as_revoking(self) -> Self:
        """Nobody works through it any more, and nobody refreshes it but for its revocation, which need not cool off."""
        failures = self.failures if self.status is Status.REVOKING else 0
        return self.model_copy(update={"status": Status.REVOKING, "failures": failures})

    def as_revoked(self, result: Result) -> Self:
        """Closed for good, with the provider's word for it; without a lease."""
        word: dict[str, object] = {
            "revoked_outcome": result.outcome,
            "revoked_status": result.response.status,
            "revoked_tracking_id": result.response.tracking_id,
        }
        return self.model_copy(update=_NO_LEASE | _CLOSED | word)

    def as_given_up(self, now: datetime) -> Self:
        """The company has given its account up: without this word a revoked connection may be one being replaced."""
        return self.model_copy(update={"given_up_at": now})

    def as_removed(self, reason: str) -> Self:
        """Closed without the provider's word: who asks for its revocation is told that a person must see to it."""
        return self.model_copy(update=_CLOSED | {"orphaned_tokens": True, "reason": reason})


_REPLACED: Final = ("replaced_owner", "replaced_at", "replaced_outcome", "replaced_description")
_NO_LEASE: Final[dict[str, object]] = {"lease_holder": None, "leased_at": None, "leased_version": None}
_CLOSED: Final[dict[str, object]] = {"status": Status.REVOKED, "encrypted_refresh_token": None}


class _Named(BaseModel):
    """What the index `due` tells of a record."""

    connection: ConnectionName
    version: VersionId


class Unreadable(BaseModel):
    """A record that waits for a person, and why: it stops nothing but its own connection."""

    model_config = ConfigDict(frozen=True)

    connection: str
    reason: str
    #: the account that it counts for, where that much can be read
    account: str | None = None


class Connections:
    """The Connections table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._items = Items(dynamodb, table=table, key=("connection",), model=_parse)
        self._listed: Items[Connection | Unreadable] = Items(
            dynamodb, table=table, key=("connection",), model=partial(_read_or_say_why_not, Connection)
        )

    def read(self, name: str) -> Connection:
        """Read a record as it is now; raises BadMessage for an unknown one, Rejected for an unusable one."""
        found = self._items.read(connection=name)
        if found is None:
            raise BadMessage("connection: expected the name of a connection that exists")
        return found

    def read_all(self) -> Iterator[Connection | Unreadable]:
        """Read all records: for people who want to see them, and for nothing that runs by itself."""
        return self._listed.scan()

    def add(self, record: Connection) -> bool:
        """Write a record that is not there yet; returns whether it was written."""
        return self._items.add(record)

    def change(self, name: str, change: Callable[[Connection], Connection | None]) -> Connection | None:
        """Write what `change` makes of a record as it is now; returns None, and writes nothing, where that is None.

        What `change` saw is true when it is written: if the record was changed meanwhile, `change` is called again.
        """
        return update_with_retry(lambda: self.read(name), change, self.compare_and_swap)

    def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
        """Write `new` on condition that the record still is `old`; returns what was written, None if it was not."""
        return self._items.compare_and_swap(old, new)

    def postpone(self, name: str, until: datetime) -> None:
        """Let the schedule pass over a record until then, although it can't be read."""
        self._dynamodb.update_item(
            TableName=self._table,
            Key=item({"connection": name}),
            UpdateExpression="SET refresh_at = :until",
            ConditionExpression="attribute_exists(#key)",
            ExpressionAttributeNames={"#key": "connection"},
            ExpressionAttributeValues=item({":until": timestamp(until)}),
        )

    def due(self, now: datetime) -> Iterator[Due | Unreadable]:
        """Find the connections in use whose time to refresh has come, the longest due first, by the index `due`.

        Reads the index only as far as the caller iterates.
        """
        came = [self._query(status, " AND refresh_at <= :now", {":now": timestamp(now)}) for status in sorted(IN_USE)]
        for found in merge(*came, key=lambda each: str(each["refresh_at"])):
            named = _read_or_say_why_not(_Named, found)
            yield named if isinstance(named, Unreadable) else Due(named.connection, named.version)

    def count_needing_reauthorization(self) -> int:
        """Count the connections whose grant is dead, by the index `due`."""
        return sum(1 for _ in self._query(Status.NEEDS_REAUTHORIZATION, "", {}))

    def count_failing(self) -> int:
        """Count the connections whose refreshes have failed so long that it was announced, by the index `due`."""
        return sum(1 for each in self._query(Status.COOLING_DOWN, "", {}) if each.get("trouble_since"))

    def owned_by(self, *owners: str) -> list[str]:
        """The names of the connections that are one person's, or were, however that is spelt, by the index `role`.

        `owners` are addresses, or the provider's own ids: who gave a connection may have had another address then.

        An index by owner would find one spelling alone, and a record may be written by hand.
        """
        found = [each for role in get_args(Role) for each in self._query_role(role)]
        fields = ("owner", "owner_id", "replaced_owner")
        owned = [
            sorted(
                str(each["connection"])
                for each in found
                if any(_is_owner(str(each.get(field, "")), owner) for field in fields)
            )
            for owner in owners
        ]
        return list(dict.fromkeys(name for names in owned for name in names))

    def service_connections(self, provider: str) -> Iterator[Connection | Unreadable]:
        """Read what Leaver works through at a provider, whatever it is called and however it is, by the index `role`.

        Each record is read as it is now; one that was made a moment ago may not be in the index yet.
        """
        for found in self._query_role("service", provider):
            try:
                yield self.read(str(found["connection"]))
            except BadMessage:
                continue
            except Rejected as error:
                account = str(found.get("account", "")).strip()
                is_usable = account and "#" not in account
                name = str(found["connection"])
                yield Unreadable(connection=name, reason=error.reason, account=account if is_usable else None)

    def read_of(self, role: Role) -> Iterator[Connection]:
        """Read the connections of one role that are in use, at whichever provider; what can't be read is left out."""
        for found in self._query_role(role):
            try:
                record = self.read(str(found["connection"]))
            except (BadMessage, Rejected):
                continue
            if record.status in IN_USE:
                yield record

    def accounts(self, provider: str, *, leaving: Container[str] = ()) -> dict[str, Connection | None]:
        """The company's accounts at a provider, and the connection to work through at each; None: there is none now."""
        return {
            name: min(those, default=None, key=partial(_rank, leaving)) for name, those in self._twins(provider).items()
        }

    def given_up(self, provider: str) -> dict[str, datetime]:
        """The accounts at a provider that are none of the company's any more, and since when."""
        standing = self.accounts(provider)
        records = [each for each in self.service_connections(provider) if isinstance(each, Connection)]
        given_up = [(each.given_up_at, each.account) for each in records if each.given_up_at is not None]
        return {account: at for at, account in sorted(given_up) if account not in standing}

    def usable(self, provider: str, account: str) -> Connection | None:
        """The connection to work through at an account, an active one before one that is cooling down."""
        return self.accounts(provider).get(account)

    def usable_at(self, providers: Iterable[str], *, leaving: Container[str] = ()) -> dict[str, list[Connection]]:
        """The connections to work through, by `provider/account`, the best first; no account is without one."""
        found = {name: self._twins(name) for name in dict.fromkeys(providers)}
        return {
            f"{name}/{account}": sorted(those, key=partial(_rank, leaving))
            for name in found
            for account, those in found[name].items()
            if those
        }

    def _twins(self, provider: str) -> dict[str, list[Connection]]:
        """The company's accounts at a provider, and what can be worked through at each.

        An account stands as long as any record says so, revoked or not, until a person has given it up: somebody may
        just be connecting it anew. What can't be read counts for its account, and for one of its own where that can't
        be read either.
        """
        found: dict[str, list[Connection]] = {}
        for each in self.service_connections(provider):
            if isinstance(each, Unreadable):
                found.setdefault(each.account or each.connection, [])
            elif each.given_up_at is None:
                found.setdefault(each.account, []).extend([each] if each.status in IN_USE else [])
        return found

    def _query_role(self, role: str, provider: str | None = None) -> Iterator[dict[str, Value]]:
        names, bound, condition = {"#role": "role"}, {":role": role}, "#role = :role"
        if provider is not None:
            names, bound = names | {"#provider": "provider"}, bound | {":provider": provider}
            condition += " AND #provider = :provider"
        return self._items.query("role", condition, names, bound)

    def _query(self, status: Status, condition: str, bound: dict[str, Value]) -> Iterator[dict[str, Value]]:
        values = {":status": status, **bound}
        return self._items.query("due", f"#status = :status{condition}", {"#status": "status"}, values)


def _is_owner(written: str, owner: str) -> bool:
    return name_of(written.strip()) == name_of(owner.strip())


def _rank(leaving: Container[str], each: Connection) -> tuple[bool, bool, str]:
    """An active one first; what a leaver owns last of all, for it may end with them."""
    return (name_of(each.owner) in leaving, each.status is not Status.ACTIVE, each.connection)


def _read_or_say_why_not(model: type[Model], values: Mapping[str, Value]) -> Model | Unreadable:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        return Unreadable(connection=str(values["connection"]), reason=explain(error, model))


def _parse(values: Mapping[str, Value]) -> Connection:
    try:
        return Connection.model_validate(values)
    except ValidationError as error:
        raise Rejected(f"record of connection {values['connection']}: {explain(error, Connection)}") from None


def _kind_of(holder: str | None) -> str:
    return (holder or "").partition("#")[0]
