"""A stack that takes, in memory, what `leaver connect` makes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import typer
from click.testing import Result
from typer.testing import CliRunner

from leaver.connections.record import Connection
from leaver.consuming.answers import Answer
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.entry import Client, HostVariables
from leaver.providers.transport import Transport
from leaver.tokens import GrantedTokens
from leaver_cli.commands import Commands
from leaver_cli.connections import connect
from leaver_cli.connections.forms import FORMS
from leaver_cli.connections.from_lambda import FirstLogin
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.setup import Established, credentials_json
from tests.doubles.connections_table import connection


@dataclass
class Stack:
    """Takes what `leaver connect` makes, in memory, and knows where its providers are."""

    zoom_oauth_url: str = "https://zoom.invalid"
    venafi_url: str = "https://venafi.invalid"
    #: where BambooHR, HiBob, Gusto and Okta are
    hr_url: str = "https://hr.invalid"
    venafi_ca_bundle: CaBundle | None = None
    #: what becomes of the grant that the connection had
    old_grant: str | None = None
    old_grant_ended: bool = True
    made: list[tuple[ConnectionRequest, Target]] = field(default_factory=list)
    kept: list[GrantedTokens] = field(default_factory=list)
    #: what is amiss besides, what a function says of the owner, and what becomes of a login from Lambda
    amiss: list[str] = field(default_factory=list)
    answer: Answer | None = None
    owners: list[str] = field(default_factory=list)
    proved: dict[str, Any] = field(default_factory=dict)
    logins: list[tuple[FirstLogin, Target, int]] = field(default_factory=list)
    #: names, regions and profiles of the stacks that were asked for
    described: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    def url(self, host: HostVariables) -> str:
        return {
            "ZOOM_OAUTH_URL": self.zoom_oauth_url,
            "ZOOM_API_URL": f"{self.zoom_oauth_url}/v2",
            "VENAFI_URL": self.venafi_url,
            **dict.fromkeys(("BAMBOOHR_URL", "HIBOB_URL", "GUSTO_URL", "OKTA_URL"), self.hr_url),
        }[host.url]

    def client(self, kind: Callable[[Transport, Callable[[], datetime]], Client], host: HostVariables) -> Client:
        bundle = self.venafi_ca_bundle if host.ca_bundle else None
        return kind(Transport(self.url(host), ca_bundle=bundle, clock=_now), _now)

    def describe(self, name: str, region: str | None, profile: str | None) -> "Stack":
        self.described.append((name, region, profile))
        return self

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        self.made.append((new, target))
        self.kept.append(new.obtain())
        record = connection(target.name, expires_at=self.tokens.expires_at)
        return Established(record, self.tokens, self.old_grant, self.old_grant_ended)

    def look_around(self) -> list[str]:
        return self.amiss

    def ask_for_owner(self, made: Connection) -> Answer | None:
        self.owners.append(made.owner)
        return self.answer

    def prove_from_lambda(self, login: FirstLogin, target: Target, timeout: int) -> Connection:
        self.logins.append((login, target, timeout))
        return connection(target.name, **self.proved)

    @property
    def new(self) -> ConnectionRequest:
        ((new, _),) = self.made
        return new

    @property
    def credentials(self) -> Any:
        return json.loads(credentials_json(self.new.credentials).get_secret_value())

    @property
    def tokens(self) -> GrantedTokens:
        (tokens,) = self.kept
        return tokens

    def leaver(self, *arguments: object, answer: str | None = None) -> Result:
        """Run the command line as in a wide terminal."""
        app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.add_typer(connect.commands(self.describe, FORMS), name="connect")
        environ = {"COLUMNS": "200"}
        return CliRunner().invoke(app, ["connect", *map(str, arguments)], input=answer, env=environ)


def _now() -> datetime:
    return datetime.now(tz=UTC)
