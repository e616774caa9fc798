"""Which connections exist, how they are, who changes them right now, and which version of their tokens counts."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import merge
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from leaver.errors import BadMessage, LeaseHeld, Rejected, explain
from leaver.messages.commands import ConnectionName, GrantType, ProviderName
from leaver.messages.publisher import Due
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Items, Value, timestamp, update_with_retry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

#: Nobody who took an intent lives longer: 90 seconds of a function, and five minutes by which two clocks may differ
#: before AWS refuses the signature of one of them. Below that, two holders could refresh with one token.
LEASE: Final = timedelta(minutes=7)


class Status(StrEnum):
    """How a connection is; only `active` and `cooling_down` ones are worked through."""

    ACTIVE = "active"
    #: refreshing fails; the next attempt is at `refresh_at`, and the access token may still be good
    COOLING_DOWN = "cooling_down"
    NEEDS_REAUTHORIZATION = "needs_reauthorization"
    REVOKING = "revoking"
    REVOKED = "revoked"


IN_USE: Final = frozenset({Status.ACTIVE, Status.COOLING_DOWN})


class Connection(BaseModel):
    """One item of the Connections table: everything about a connection but its secrets.

    Changed by making another of it and `Connections.swap`; the methods here say what each change is.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    connection: ConnectionName
    #: its name in the registry; whoever asks the provider says where it is not there
    provider: ProviderName
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    #: refresh_token, or one of those by which the provider's entry logs in
    grant_type: GrantType
    owner: str
    #: service: Leaver itself works through it; personal: it is one person's
    role: Literal["service", "personal"]
    status: Status
    #: the version id of the current tokens
    version: Annotated[str, Field(min_length=32, max_length=64)]
    expires_at: AwareDatetime
    #: when the next refresh is due
    refresh_at: AwareDatetime
    refreshed_at: AwareDatetime | None = None
    #: counts the changes: whoever changes a record says from which revision on
    item_version: int = 0
    #: when a person authorized it, by `leaver connect`: another time is another grant
    granted_at: AwareDatetime | None = None

    # the intent: who changes the tokens, since when, from which version on
    lease_holder: str | None = None
    leased_at: AwareDatetime | None = None
    leased_version: str | None = None

    #: when the first of those refreshes began whose answers never came, or that were killed
    unanswered_since: AwareDatetime | None = None
    #: a refresh token that Secrets Manager did not take, encrypted for nobody but the refresher
    encrypted_refresh_token: str | None = None
    #: tokens were issued that nobody holds, so that they can't be revoked by us
    orphaned_tokens: bool = False

    # what is wrong with it
    failures: int = 0
    reason: str | None = None
    #: since when somebody has been told that it fails
    trouble_since: AwareDatetime | None = None
    #: the announcement that is still owed, by its name
    owed: Literal["ConnectionFailing", "ConnectionNeedsReauthorization", "ConnectionRecovered"] | None = None

    #: once revoked: the provider's word for it
    revoked_outcome: Outcome | None = None
    revoked_status: int | None = None
    revoked_tracking_id: str | None = None

    # what became of the grant that it had before, if another owner's: none is known to have ended without an outcome
    replaced_owner: str | None = None
    replaced_at: AwareDatetime | None = None
    replaced_outcome: Outcome | None = None
    #: the same in words
    replaced_said: str | None = None

    def revocation(self) -> Result | None:
        """The provider's word for the end of a connection; None while it lives."""
        if self.status is not Status.REVOKED or self.revoked_outcome is None:
            return None
        return Result(self.revoked_outcome, provider_status=self.revoked_status, tracking_id=self.revoked_tracking_id)

    def accepts(self, user_id: str) -> None:
        """Raise BadMessage for `me`, which on a service connection is nobody in particular."""
        if user_id == "me" and self.role == "service":
            raise BadMessage("user_id: expected an id or an e-mail address; me works on personal connections only")

    def abandoned(self, now: datetime) -> bool:
        """Whether the intent on it is somebody's who can't be alive any more."""
        return self.leased_at is not None and now - self.leased_at > LEASE

    def leased(self, by: str, now: datetime) -> Self:
        """With an intent: the lease, the journal and the proof that the table can be written, in one write.

        Raises LeaseHeld where a living run has one.
        """
        if self.lease_holder not in {None, by} and not self.abandoned(now):
            raise LeaseHeld(f"connection {self.connection}: {_what(self.lease_holder)} is under way")
        # Whoever is dead may have asked for new tokens, and nobody knows what came of it: that must not be forgotten.
        lost = None if self.lease_holder in {None, by} or _what(self.lease_holder) == "revoke" else self.leased_at
        intent = {"lease_holder": by, "leased_at": now, "leased_version": self.version}
        return self.model_copy(update=intent | {"unanswered_since": self.unanswered_since or lost})

    def released(self) -> Self:
        """Without the intent."""
        return self.model_copy(update=_NO_LEASE)

    def caught_up(self, version: str, *, expires_at: datetime) -> Self:
        """With the tokens named that an earlier run had kept, and the intent on it as it was: their answer is known."""
        told = {"version": version, "leased_version": version, "expires_at": expires_at}
        return self.model_copy(update=told | {"unanswered_since": None, "encrypted_refresh_token": None})

    def refreshed(self, version: str, *, expires_at: datetime, refresh_at: datetime, now: datetime) -> Self:
        """With new tokens, nothing wrong with it, and the intent gone; a recovery is owed where trouble was told."""
        told: dict[str, object] = {"version": version, "expires_at": expires_at, "refresh_at": refresh_at}
        well: dict[str, object] = {"status": Status.ACTIVE, "refreshed_at": now, "failures": 0, "reason": None}
        well |= {"unanswered_since": None, "orphaned_tokens": False, "encrypted_refresh_token": None}
        # Even where the trouble itself is still owed: the bus may have taken it just before a run was killed.
        well["owed"] = "ConnectionRecovered" if self.trouble_since else None
        return self.model_copy(update=_NO_LEASE | told | well)

    def authorized(self, by: Self, *, now: datetime) -> Self:
        """Replaced by a record that a person has just made by authorizing anew, whatever was wrong before."""
        well = by.refreshed(by.version, expires_at=by.expires_at, refresh_at=by.refresh_at, now=now)
        owed = {"owed": "ConnectionRecovered", "trouble_since": self.trouble_since} if self.trouble_since else {}
        if self.owner == by.owner:
            before: dict[str, object] = {name: getattr(self, name) for name in _REPLACED}
        else:
            before = {"replaced_owner": self.owner, "replaced_at": now}
        return well.model_copy(update={"item_version": self.item_version} | owed | before)

    def replaced(self, outcome: Outcome, said: str) -> Self:
        """With the end of the grant that it had before known."""
        return self.model_copy(update={"replaced_outcome": outcome, "replaced_said": said})

    def cooling_down(self, reason: str, *, until: datetime, now: datetime, tell: bool) -> Self:
        """Let alone until then, the intent gone; its trouble is owed an announcement where `tell` says so."""
        told: dict[str, object] = {"failures": self.failures + 1, "reason": reason}
        if self.status in IN_USE:
            told |= {"status": Status.COOLING_DOWN, "refresh_at": until}
        if tell and self.trouble_since is None:
            told |= {"trouble_since": now, "owed": "ConnectionFailing"}
        return self.model_copy(update=_NO_LEASE | told)

    def dead(self, reason: str, *, now: datetime) -> Self:
        """Waiting for a person to authorize it, the intent gone, and the announcement of that owed."""
        told = {"status": Status.NEEDS_REAUTHORIZATION, "reason": reason, "owed": "ConnectionNeedsReauthorization"}
        return self.model_copy(update=_NO_LEASE | told | {"trouble_since": self.trouble_since or now})

    def retired(self, result: Result) -> Self:
        """Closed for good, with the provider's word for it."""
        told = {
            "status": Status.REVOKED,
            "revoked_outcome": result.outcome,
            "revoked_status": result.provider_status,
            "revoked_tracking_id": result.tracking_id,
            "encrypted_refresh_token": None,
        }
        return self.model_copy(update=_NO_LEASE | told)


_REPLACED: Final = ("replaced_owner", "replaced_at", "replaced_outcome", "replaced_said")
_NO_LEASE: Final = {"lease_holder": None, "leased_at": None, "leased_version": None}


class Connections:
    """The Connections table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._items = Items(dynamodb, table=table, key=("connection",), model=_record)

    def read(self, name: str) -> Connection:
        """Read a record as it is now; raises BadMessage for an unknown one, Rejected for an unusable one."""
        found = self._items.read(connection=name)
        if found is None:
            raise BadMessage("connection: expected the name of a connection that exists")
        return found

    def every(self) -> Iterator[Connection]:
        """Read all records: for people who want to see them, and for nothing that runs by itself."""
        return self._items.scan()

    def add(self, record: Connection) -> bool:
        """Write a record that is not there yet; tells whether it was written."""
        return self._items.add(record)

    def change(self, name: str, to: Callable[[Connection], Connection | None]) -> Connection | None:
        """Change a record as it is now into what `to` makes of it; None, and nothing written, where that is None.

        Whatever `to` found holds at the moment of the write: if the record changed meanwhile, `to` is asked again.
        """
        return update_with_retry(lambda: self.read(name), to, self.compare_and_swap)

    def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
        """Write `new` on condition that the record still is `old`; returns it with its revision, None if it was not."""
        return self._items.compare_and_swap(old, new)

    def due(self, now: datetime) -> Iterator[Due]:
        """Find the connections in use whose time to refresh has come, the longest due first, by the index `due`.

        Reads on only as far as it is asked.
        """
        came = [self._of(status, " AND refresh_at <= :now", {":now": timestamp(now)}) for status in sorted(IN_USE)]
        for found in merge(*came, key=lambda each: str(each["refresh_at"])):
            yield Due(connection=str(found["connection"]), version=str(found["version"]))

    def waiting_for_a_person(self) -> int:
        """Count the connections whose grant is dead, by the index `due`."""
        return sum(1 for _ in self._of(Status.NEEDS_REAUTHORIZATION, "", {}))

    def owned_by(self, owner: str) -> list[str]:
        """The names of the connections that are one person's, by the index `owner`."""
        found = self._items.query("owner", "#owner = :owner", {"#owner": "owner"}, {":owner": owner})
        return [str(each["connection"]) for each in found]

    def _of(self, status: Status, condition: str, bound: dict[str, Value]) -> Iterator[dict[str, Value]]:
        told = {":status": status, **bound}
        return self._items.query("due", f"#status = :status{condition}", {"#status": "status"}, told)


def _record(told: Mapping[str, Value]) -> Connection:
    try:
        return Connection.model_validate(told)
    except ValidationError as error:
        raise Rejected(f"record of connection {told['connection']}: {explain(error, Connection)}") from None


def _what(holder: str | None) -> str:
    return (holder or "").partition("#")[0]
