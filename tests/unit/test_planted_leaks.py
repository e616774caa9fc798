"""Leaks planted on purpose, one for each way out of a function and of the command line: the search finds each."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from traceback import format_exception
from typing import Any
from uuid import uuid4

import pytest
import typer
from typer.core import TyperGroup

from leaver.connections.grants import ProviderGrants
from leaver.consuming.consumer import Consumer
from leaver.errors import Rejected
from leaver_cli.commands import Commands
from leaver_cli.terminal import Terminal, confirm, show_json
from tests.doubles.deployed import deployment
from tests.doubles.planted_leaks import LEAKS, secret_of, take_files_away, write
from tests.doubles.watch import Watch, own_streams
from tests.field import Field
from tests.length import some
from tests.unit.test_no_secret_shows import Scene


class Bug(BaseException):
    """What nobody catches, so that Lambda's runtime prints it."""


#: what stops the refresh → where the search has to find the secret in it
RAISED: dict[str, tuple[set[str], type[BaseException]]] = {
    "reason of an error": ({"standard output", "AWS SendMessage", "AWS PutEvents"}, Rejected),
    "exception that nobody catches": ({"exception"}, Bug),
}
ANSWER = "answer to Lambda"


def _raise(secret: str) -> None:
    raise LookupError(secret)


def _raise_with_local(secret: str) -> None:
    raise LookupError(len(secret))


def _reject(secret: str) -> None:
    raise Rejected(secret)


def _cache(secret: str) -> None:
    write(Path.home(), secret, f".planted-{uuid4()}")


#: what a command does → where the search has to find it, and what is changed in the command line for that
COMMANDS: dict[str, tuple[str, Callable[[str], object], dict[str, Any]]] = {
    "command line's output": ("standard output", lambda secret: Terminal().say(secret), {}),
    "command line's JSON": ("standard output", show_json, {}),
    "command line's question": ("standard error", confirm, {}),
    "command line's error": ("standard error", _reject, {}),
    "command line's traceback": ("standard error", _raise, {"cls": TyperGroup}),
    "command line's traceback with locals": (
        "standard error",
        _raise_with_local,
        {"cls": TyperGroup, "pretty_exceptions_enable": True, "pretty_exceptions_show_locals": True},
    ),
    "command line's cache": ("file", _cache, {}),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Refreshes that leak by every way, at the place where they have the tokens in hand."""
    refresh, consume = ProviderGrants.refresh, Consumer.consume

    def leak(*arguments: Any) -> Any:
        for plant, (_, let_out) in LEAKS.items():
            let_out(secret_of(plant))
        return refresh(*arguments)

    def answer(*arguments: Any) -> Any:
        return {**consume(*arguments), "planted": secret_of(ANSWER)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_LAMBDA_LOG_LEVEL", "DEBUG")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        with deployment(patch) as deployed:
            scene = Scene(deployed)
            with Watch() as watch, own_streams(watch):
                patch.setattr(ProviderGrants, "refresh", leak)
                patch.setattr(Consumer, "consume", watch.hearing(ANSWER, answer))
                scene.run("refresh_access_token")
                for plant, (_, kind) in RAISED.items():
                    patch.setattr(ProviderGrants, "refresh", raising(kind(secret_of(plant))))
                    try:
                        scene.run("refresh_access_token")
                    except Bug as bug:
                        watch.hands_on("exception", "".join(format_exception(bug)))
                patch.setattr("sys.excepthook", sys.excepthook)
                for plant, (_, let_out, options) in COMMANDS.items():
                    command_line(partial(let_out, secret_of(plant)), **options)
            take_files_away()
            yield watch


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def command_line(act: Callable[[], object], **options: Any) -> None:
    """Run a command as a shell would: what it does not catch is printed."""
    usual: dict[str, Any] = {"cls": Commands, "rich_markup_mode": None, "pretty_exceptions_enable": False}
    app = typer.Typer(**usual | options)
    app.command("act")(lambda: act() and None)
    app.command("other")(lambda: None)
    try:
        app(["act"])
    except SystemExit:
        pass
    except LookupError as error:
        sys.excepthook(type(error), error, error.__traceback__)


PLANTS = {plant: {place} for plant, (place, _) in LEAKS.items()}
PLANTS |= {plant: {place} for plant, (place, _, _) in COMMANDS.items()}
PLANTS |= {plant: places for plant, (places, _) in RAISED.items()} | {ANSWER: {ANSWER}}


@pytest.mark.parametrize("plant", some(PLANTS))
def test_a_planted_leak_is_found(
    planted: Watch, plant: str, record_property: Callable[[str, object], None], field: Field
) -> None:
    found = planted.found([secret_of(plant)])
    unseen = PLANTS[plant] - {each.partition(": ")[0] for each in found}
    field("a planted leak", "a secret at each way out of a process", 1, leaked=unseen)
    record_property("planted", [plant, ", ".join(sorted(PLANTS[plant])), 1])
