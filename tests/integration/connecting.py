"""A stack that takes, in memory, what `leaver connect` makes."""

import json
from dataclasses import dataclass, field
from typing import Any

import typer
from click.testing import Result
from typer.testing import CliRunner

from leaver.tokens import GrantedTokens
from leaver_cli import connect
from leaver_cli.gathered import Gathered, Target
from leaver_cli.main import Commands


@dataclass
class Stack:
    """Takes what `leaver connect` makes, in memory."""

    made: list[tuple[Gathered, Target]] = field(default_factory=list)
    kept: list[GrantedTokens] = field(default_factory=list)

    def establish(self, new: Gathered, target: Target) -> GrantedTokens:
        self.made.append((new, target))
        self.kept.append(new.obtain())
        return self.kept[-1]

    @property
    def new(self) -> Gathered:
        ((new, _),) = self.made
        return new

    @property
    def credentials(self) -> Any:
        return json.loads(self.new.credentials_json().get_secret_value())

    @property
    def tokens(self) -> GrantedTokens:
        (tokens,) = self.kept
        return tokens

    def leaver(self, *arguments: object, answer: str | None = None) -> Result:
        """Run the command line as in a wide terminal."""
        app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.add_typer(connect.commands(self.establish), name="connect")
        environ = {"COLUMNS": "200"}
        return CliRunner().invoke(app, ["connect", *map(str, arguments)], input=answer, env=environ)
