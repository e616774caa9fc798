"""`leaver door test`: post a rightly signed event from which nothing follows, and follow it to its fate."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit
from uuid import uuid4

import requests
import typer

from leaver.messages.speakers import DOOR_TEST
from leaver.webhooks.secrets import DoorSecret
from leaver.webhooks.sources import SOURCES
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.door.rotate import ConnectionName
from leaver_cli.fates import await_fate
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, waiting

#: seconds until the door must have answered, as its slowest sender waits
_PATIENCE: Final = 10
_MEANINGS: Mapping[int, str] = {
    401: "refused: does the function read another secret, or another path?",
    429: "throttled: somebody floods this address",
    503: "not taken: the log of receive_webhook says why",
}


def try_out(
    connection: ConnectionName,
    *,
    endpoint: Annotated[str | None, typer.Option(help="Post there instead of at the stack's own address.")] = None,
    wait: Annotated[int, typer.Option(min=1, max=900, help="Seconds until the event must have its fate.")] = 120,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Try a connection from its address to the intake; the exit status is 0 only where all of that works.

    No word of the source's own: it breaks no silence.
    """
    deployment, console = describe(stack, region, profile), Terminal()
    url = _address(endpoint or deployment.door_url)
    id_, since = f"test-{uuid4()}", deployment.now()
    status = _post(deployment, url, connection, id_)
    if status != SOURCES[connection.partition("/")[0]].taken:
        console.say(f"{connection}: {status}: {_MEANINGS.get(status, 'that is not the door of this stack')}")
        raise typer.Exit(1)
    with waiting(f"{connection}: taken; waiting for its fate"):
        fate = await_fate(deployment, lambda heard: heard.event_id == id_, since, timedelta(seconds=wait))
    if fate is None:
        console.say(f"{connection}: taken, and not heard within {wait} seconds: see leaver parked")
        raise typer.Exit(1)
    told = " ".join(each for each in (fate.source, fate.fate, fate.because) if each)
    console.say(f"{connection}: heard as message {fate.message_id}: {told}")
    if (fate.source, fate.fate) != (connection, "nothing_follows"):
        raise typer.Exit(1)


def _address(url: str | None) -> str:
    if url is None:
        raise typer.BadParameter("nothing listens: the parameter FrontDoor is none")
    parts = urlsplit(url)
    # Of some sources the secret itself travels.
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise typer.BadParameter("expected https, or this machine")
    return url.rstrip("/")


def _post(deployment: Deployment, url: str, connection: str, id_: str) -> int:
    """Post the event; returns the status."""
    secret = deployment.secret_store.find_webhook_secret(connection, DoorSecret) or DoorSecret()
    if secret.current is None:
        raise typer.BadParameter(f"{connection} has no secret: leaver door rotate {connection}")
    body = json.dumps({DOOR_TEST: id_}).encode()
    signed = SOURCES[connection.partition("/")[0]].proof.sign(
        f"/{connection}", body, secret.current.get_secret_value(), delivery=id_, now=now() + deployment.ahead
    )
    headers = {**signed.headers, "content-type": "application/json"}
    address = f"{url}{signed.path}"
    try:
        # The status is all that counts: whatever answers there, its body is not read.
        with requests.post(
            address, data=signed.body, headers=headers, timeout=_PATIENCE, allow_redirects=False, stream=True
        ) as answer:
            return answer.status_code
    except requests.RequestException as error:
        # Not its message: it may quote what was sent.
        raise typer.BadParameter(f"no answer from {url}: {type(error).__name__}") from None
