"""`leaver connect` of an HR system that takes a key: the key is proved by one look-up, and kept."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

import click
import typer

from leaver.errors import Rejected
from leaver.providers.api_key import API_KEY, KeyCredentials
from leaver.providers.source import Source
from leaver.tokens import GrantedTokens
from leaver_cli.connections.connect import Form, Name, Owner, checked, establish
from leaver_cli.connections.destination import Describe, Destination
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.stack import Profile, Region, StackName
from leaver_cli.terminal import Terminal

KeyName = Annotated[
    str,
    typer.Option(prompt="Client ID", help="The service user's id at HiBob; elsewhere what the key is called there."),
]
KnownPerson = Annotated[
    str,
    typer.Option(
        prompt="The id there of somebody who stays", help="The id there of somebody who stays: tries a look-up."
    ),
]


def key_form(provider: str, source: Source[Any, KeyCredentials]) -> Form:
    """Make the form of one HR system."""

    def form(describe: Describe) -> Callable[..., None]:
        def connect(
            name: Name = provider,
            *,
            client_id: KeyName,
            api_key_file: Annotated[
                str | None, typer.Option(metavar="PATH|-", help="Where the key or token is; else you are asked.")
            ] = None,
            known_person: KnownPerson,
            owner: Owner,
            stack: StackName = "leaver",
            region: Region = None,
            profile: Profile = None,
        ) -> None:
            """Connect an HR system, which is then asked who somebody is, by a key."""
            into = describe(stack, region, profile)
            account = account_at(into, source)
            key = SecretInput().secret("key", api_key_file)
            own = checked(KeyCredentials, client_id=client_id, api_key=key, known_person=known_person)
            new = by_key(provider, source, into.client(source.client, source.host), own, account)
            establish(into, new, Target(name, owner, "service"), Terminal())

        return connect

    return form


def by_key(
    provider: str, source: Source[Any, KeyCredentials], client: object, own: KeyCredentials, account: str
) -> ConnectionRequest:
    """Prepare a connection whose token is a key; a look-up with the key comes before anything is stored."""

    def obtain() -> GrantedTokens:
        granted = source.log_in(client, own, API_KEY, "")
        if granted is None:
            raise Rejected("api_key: is missing")
        return granted

    return ConnectionRequest(
        provider=provider, account=account, grant_type=API_KEY, credentials=own, obtain=obtain, check=lambda _: []
    )


def account_at(into: Destination, source: Source[Any, Any]) -> str:
    """The host, in one spelling; a UsageError where the stack was not told where it is."""
    host = urlsplit(into.url(source.host)).netloc.lower()
    if host.endswith(".invalid"):
        raise click.UsageError("the stack does not know where this system is: deploy it with the parameter for that")
    return host
