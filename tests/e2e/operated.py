"""The local world with somebody at the command line."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from leaver_cli.main import app
from local import acme
from tests.e2e.watched_world import WatchedWorld


class Operated(WatchedWorld):
    """A world with somebody at the command line."""

    def leaver(self, *arguments: object, typed: str = "") -> Result:
        """Run the command line as an operator of this stack, in a pipe."""
        environ = self.environment() | {"COLUMNS": "80"}
        return CliRunner(mix_stderr=False).invoke(app, list(map(str, arguments)), input=typed, env=environ)

    def case(self, case_id: str) -> Any:
        (found,) = [each for each in self.cases() if each["case_id"] == case_id]
        return found


@pytest.fixture(scope="module")
def shared_world() -> Iterator[Operated]:
    with Operated() as world:
        acme.set_up(world)
        yield world
        world.forget()


def rows(result: Result) -> dict[str, str]:
    """What a script reads of what became of a decision."""
    return dict(line.split("\t", 1) for line in result.stdout.splitlines() if "\t" in line)
