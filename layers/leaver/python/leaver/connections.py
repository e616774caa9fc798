"""Which connections exist, how they are, and which version of their tokens counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from leaver.attributes import item, timestamp, values
from leaver.commands import ConnectionName
from leaver.errors import BadMessage, CredentialStale, InvalidToken, NeedsReauthorization, Rejected, explain
from leaver.outcomes import Outcome, Result
from leaver.vault import Vault

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Answer = TypeVar("Answer")


class Status(StrEnum):
    """How a connection is; only `active` and `cooling_down` ones are worked through."""

    ACTIVE = "active"
    COOLING_DOWN = "cooling_down"
    NEEDS_REAUTHORIZATION = "needs_reauthorization"
    REVOKING = "revoking"
    REVOKED = "revoked"


class Connection(BaseModel):
    """One item of the Connections table: everything about a connection but its secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    connection: ConnectionName
    provider: Literal["zoom", "venafi"]
    #: the provider's name for whose connection it is: a Zoom account id, a Venafi host
    account: str
    grant_type: Literal["refresh_token", "account_credentials", "certificate", "jwt", "password"]
    owner: str
    #: service: Leaver itself works through it; personal: it is one person's
    role: Literal["service", "personal"]
    status: Status
    #: the version id of the current tokens
    version: Annotated[str, Field(min_length=32, max_length=64)]
    expires_at: AwareDatetime
    refresh_at: AwareDatetime
    #: once revoked: the provider's word for it
    revoked_outcome: Outcome | None = None
    revoked_status: int | None = None
    revoked_tracking_id: str | None = None

    def revocation(self) -> Result | None:
        """The provider's word for the end of a connection; None while it lives."""
        if self.status is not Status.REVOKED or self.revoked_outcome is None:
            return None
        return Result(self.revoked_outcome, provider_status=self.revoked_status, tracking_id=self.revoked_tracking_id)

    def accepts(self, user_id: str) -> None:
        """Raise BadMessage for `me`, which on a service connection is nobody in particular."""
        if user_id == "me" and self.role == "service":
            raise BadMessage("user_id: expected an id or an e-mail address; me works on personal connections only")


@dataclass(frozen=True)
class Due:
    """A connection whose tokens should be refreshed now, and the version that they have."""

    connection: str
    version: str


class Connections:
    """The Connections table."""

    def __init__(self, dynamodb: "DynamoDBClient", *, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, name: str) -> Connection:
        """Read a record as it is now; raises BadMessage for an unknown one, Rejected for an unusable one."""
        found = self._dynamodb.get_item(TableName=self._table, Key=item({"connection": name}), ConsistentRead=True)
        if "Item" not in found:
            raise BadMessage("connection: expected the name of a connection that exists")
        try:
            return Connection.model_validate(values(found["Item"]))
        except ValidationError as error:
            raise Rejected(f"record of connection {name}: {explain(error, Connection)}") from None

    def due(self, now: datetime) -> Iterator[Due]:
        """Find the connections in use whose time to refresh has come, by the index `due` and never by a scan."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="#status = :active AND refresh_at <= :now",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=item({":active": Status.ACTIVE, ":now": timestamp(now)}),
        )
        for page in pages:
            for found in page["Items"]:
                held = values(found)
                yield Due(connection=str(held["connection"]), version=str(held["version"]))

    def record_refreshed(self, old: Connection, *, version: str, expires_at: datetime, refresh_at: datetime) -> bool:
        """Name the new tokens, on condition that nobody else did, nor began to revoke; tells whether it was written."""
        return self._update(
            old.connection,
            "SET version = :new, expires_at = :expires_at, refresh_at = :refresh_at",
            "version = :old AND #status = :status",
            {
                ":new": version,
                ":expires_at": timestamp(expires_at),
                ":refresh_at": timestamp(refresh_at),
                ":old": old.version,
                ":status": old.status,
            },
        )

    def needs_reauthorization(self, record: Connection) -> bool:
        """Note that the grant behind this version is dead; tells whether it was news."""
        return self._update(
            record.connection,
            "SET #status = :dead",
            "version = :version AND #status IN (:active, :cooling_down)",
            {
                ":dead": Status.NEEDS_REAUTHORIZATION,
                ":version": record.version,
                ":active": Status.ACTIVE,
                ":cooling_down": Status.COOLING_DOWN,
            },
        )

    def begin_revoking(self, name: str) -> None:
        """Let nobody refresh or use the connection any more: what is being revoked must not be renewed."""
        self._update(
            name,
            "SET #status = :revoking",
            "#status <> :revoked",
            {
                ":revoking": Status.REVOKING,
                ":revoked": Status.REVOKED,
            },
        )

    def retire(self, name: str, result: Result) -> None:
        """Close a connection for good, with the provider's word for it."""
        told = {
            ":outcome": result.outcome,
            ":status_code": result.provider_status,
            ":tracking_id": result.tracking_id,
        }
        said = {name: value for name, value in told.items() if value is not None}
        columns = {
            ":outcome": "revoked_outcome",
            ":status_code": "revoked_status",
            ":tracking_id": "revoked_tracking_id",
        }
        self._update(
            name,
            "SET #status = :revoked" + "".join(f", {columns[value]} = {value}" for value in said),
            "#status = :revoking",
            {":revoked": Status.REVOKED, ":revoking": Status.REVOKING, **said},
        )

    def _update(self, name: str, update: str, condition: str, bound: dict[str, Any]) -> bool:
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=item({"connection": name}),
                UpdateExpression=update,
                ConditionExpression=f"attribute_exists(#connection) AND {condition}",
                ExpressionAttributeNames={"#connection": "connection", "#status": "status"},
                ExpressionAttributeValues=item(bound),
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True


@dataclass(frozen=True)
class AccessTokens:
    """The one way to a connection's access token."""

    connections: Connections
    vault: Vault
    clock: Callable[[], datetime]

    def with_token(self, name: str, call: Callable[[Connection, SecretStr], Answer]) -> Answer:
        """Call with the connection's access token; once more if it was refused and has been replaced meanwhile.

        Raises CredentialStale where the refused token is still the stored one: readers never refresh.
        """
        record = self._usable(name)
        try:
            return call(record, self._access_token(record))
        except InvalidToken as refused:
            newer = self._usable(name)
            if newer.version == record.version:
                raise _stale(record, refused) from None
        try:
            return call(newer, self._access_token(newer))
        except InvalidToken as refused:
            raise _stale(newer, refused) from None

    def _usable(self, name: str) -> Connection:
        record = self.connections.read(name)
        match record.status:
            case Status.NEEDS_REAUTHORIZATION:
                raise NeedsReauthorization(f"connection {name} needs a person to authorize it again")
            case Status.REVOKING | Status.REVOKED:
                raise Rejected(f"connection {name} is {record.status}")
        return record

    def _access_token(self, record: Connection) -> SecretStr:
        # A token known to be dead is not worth a call: providers disable apps that fail too often.
        if record.expires_at <= self.clock():
            raise InvalidToken(f"the access token of connection {record.connection} has expired")
        return self.vault.tokens(record.connection, record.version).access_token


def _stale(record: Connection, refused: InvalidToken) -> CredentialStale:
    return CredentialStale(
        f"the access token of connection {record.connection} is refused",
        connection=record.connection,
        version=record.version,
        provider_status=refused.provider_status,
        provider_code=refused.provider_code,
        tracking_id=refused.tracking_id,
    )
