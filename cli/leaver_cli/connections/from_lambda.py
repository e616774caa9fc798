"""`--from-lambda`: the first login is the functions' own, for a provider that this machine need not reach.

What works then works where the functions run: their network, DNS, the CA certificates, and the login.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from pydantic import SecretStr

from leaver.connections.record import Connection, Status
from leaver.errors import BadMessage, Rejected
from leaver.messages.names import name_of
from leaver.tokens import AppCredentials, TokenSet
from leaver_cli.connections.request import Target
from leaver_cli.connections.setup import credentials_json
from leaver_cli.connections.waiting import wait_until

if TYPE_CHECKING:
    from leaver_cli.deployment import Deployment

#: stands where the first access token will: no provider knows it, and it has expired before anybody could use it
_NONE_YET: Final = SecretStr("none-yet")
_LONG_AGO: Final = datetime.fromtimestamp(0, tz=UTC)


@dataclass(frozen=True)
class FirstLogin:
    """What a function needs to log in."""

    #: its name in the registry
    provider: str
    account: str
    grant_type: str
    credentials: AppCredentials = field(repr=False)
    scope: str


def prove(deployment: "Deployment", login: FirstLogin, target: Target, *, timeout: int) -> Connection:
    """Store the login, record the connection as `connecting`, and have it refreshed; returns it as it is then.

    Raises Rejected for a name that has worked before: its login is not tried out by putting another in its place.
    """
    before = _begin(deployment, login, target)
    deployment.force_refresh(target.name)

    def is_decided(record: Connection) -> bool:
        changed = record.version != before.version or record.failures > 0 or record.status is not Status.CONNECTING
        return record.lease_holder is None and changed

    return wait_until(
        is_decided,
        deployment.connections,
        target.name,
        timeout=timeout,
        message=f"{target.name}: a function logs in …",
    )


def _begin(deployment: "Deployment", login: FirstLogin, target: Target) -> Connection:
    deployment.check_the_clock()
    record = _record(deployment, login, target)
    try:
        standing = deployment.connections.read(target.name)
    except BadMessage:
        standing = None
    if standing is not None and (standing.refreshed_at is not None or standing.granted_at is not None):
        raise Rejected(f"connection {target.name} has worked before: choose another name, or leave --from-lambda out")
    store = deployment.secret_store
    store.store_first(
        record.place, record.version, TokenSet(access_token=_NONE_YET, expires_at=_LONG_AGO, scope=login.scope)
    )
    if standing is None:
        if not deployment.connections.add(record):
            raise Rejected(f"connection {target.name} was made by somebody else meanwhile")
        written = record
    else:
        again = deployment.connections.change(
            target.name, lambda current: record.model_copy(update={"item_version": current.item_version})
        )
        written = again or record
    # Now that the name is ours: somebody else's credentials are not to be overwritten.
    store.store_credentials(record.place, credentials_json(login.credentials))
    return written


def _record(deployment: "Deployment", login: FirstLogin, target: Target) -> Connection:
    return Connection(
        connection=target.name,
        provider=login.provider,
        account=login.account,
        grant_type=login.grant_type,
        role=target.role,
        owner=name_of(target.owner.strip()),
        status=Status.CONNECTING,
        version=str(uuid4()),
        expires_at=_LONG_AGO,
        refresh_at=deployment.now(),
    )
