"""`leaver door rotate`: give a sender its first secret, or the next one while the last one still counts."""

import re
from datetime import timedelta
from typing import Annotated, Final

import typer

from leaver.webhooks.secrets import DoorSecret
from leaver.webhooks.sources import PATH, SOURCES, Source
from leaver_cli.connections.health import moment
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.deployment import Deployment, describe, now
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal, says_yes

#: how long a secret is waited for that the sender itself offers
WINDOW: Final = timedelta(minutes=15)


def _connection(name: str) -> str:
    found = re.fullmatch(PATH, f"/{name}")
    if found is None or found[1] not in SOURCES:
        raise typer.BadParameter(f"expected one of {', '.join(SOURCES)}, a slash and a name, such as hibob/main")
    return name


ConnectionName = Annotated[str, typer.Argument(callback=_connection, help="The source and a name, as in hibob/main.")]


def rotate(
    connection: ConnectionName,
    *,
    secret_file: Annotated[
        str | None, typer.Option(help="Where the secret is, - for standard input; else it is asked for, or made.")
    ] = None,
    finish: Annotated[bool, typer.Option("--finish", help="Let the previous secret count no more.")] = False,
    stack: StackName = "leaver",
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Store a sender's next secret; the one before counts until --finish."""
    deployment, console = describe(stack, region, profile), Terminal()
    source = SOURCES[connection.partition("/")[0]]
    secret = deployment.secret_store.find_webhook_secret(connection, DoorSecret) or DoorSecret()
    if finish:
        _store(deployment, connection, secret.model_copy(update={"previous": None}))
        console.say(f"{connection}: only the current secret counts")
        return
    if secret.previous is not None:
        # A third secret would drop one that the sender may still sign with.
        console.say(f"{connection}: the last rotation is not over: change the secret at the sender, then --finish")
        raise typer.Exit(1)
    if source.offers is not None and secret_file is None:
        _take_offer(deployment, connection, secret, console)
        return
    _store(deployment, connection, secret.followed_by(_next(source, secret_file, console)))
    console.say(_what_next(connection, secret))


def _next(source: Source, secret_file: str | None, console: Terminal) -> str:
    if source.make_secret is not None and secret_file is None:
        made = source.make_secret()
        console.say(f"the secret, which is shown only now: {made}")
        return made
    given = SecretInput().secret("the sender's secret", secret_file).get_secret_value()
    source.check_secret(given)
    return given


def _take_offer(deployment: Deployment, connection: str, secret: DoorSecret, console: Terminal) -> None:
    if secret.offered is None:
        until = now() + WINDOW
        _store(deployment, connection, secret.model_copy(update={"open_until": until}))
        console.say(
            f"{connection}: waits until {moment(until)} for the secret that the sender offers; then rotate again"
        )
        return
    offered = secret.offered.get_secret_value()
    console.say(f"offered: {offered}")
    if says_yes("Give it to the sender to verify. Did the sender accept it?"):
        _store(deployment, connection, secret.followed_by(offered))
        console.say(_what_next(connection, secret))
    else:
        _store(deployment, connection, secret.model_copy(update={"offered": None}))
        console.say(f"{connection}: the offer is thrown away; rotate again to wait for another")


def _store(deployment: Deployment, connection: str, secret: DoorSecret) -> None:
    # First: a connection without a secret is shown and rings, and a secret without a connection opens nothing.
    deployment.places.connect(connection, now())
    deployment.secret_store.store_webhook_secret(connection, secret.as_stored())


def _what_next(connection: str, before: DoorSecret) -> str:
    if before.current is None:
        return f"{connection}: the secret counts"
    return f"{connection}: both secrets count: change it at the sender, then leaver door rotate {connection} --finish"
