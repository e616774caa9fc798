"""How a secret gets in: typed without an echo, from a file, or from standard input; arguments are for all to see."""

import sys
import warnings
from getpass import GetPassWarning
from pathlib import Path

import typer
from pydantic import SecretStr

from leaver_cli.commands import InASentence

#: the path that means standard input
STANDARD_INPUT = "-"


class NoSecret(InASentence):
    """A secret could not be read; the sentence says which, and never what was read instead."""


class SecretInput:
    """Reads secrets; standard input gives one of them and no more."""

    def __init__(self) -> None:
        self._spent_on: str | None = None

    def secret(self, name: str, path: str | None) -> SecretStr:
        """Read a secret, without white space around it: a trailing newline comes back from Zoom as `invalid_client`.

        `name` is what people call it; without a path they are asked. Raises NoSecret.
        """
        found = (self._asked_for(name) if path is None else self.content(name, path)).strip()
        if not found:
            raise NoSecret(f"{name}: is empty")
        return SecretStr(found)

    def content(self, name: str, path: str) -> str:
        """Read a file or, for `-`, standard input; raises NoSecret."""
        if path == STANDARD_INPUT:
            if self._spent_on is not None:
                raise NoSecret(f"{name}: standard input already gave the {self._spent_on}")
            self._spent_on = name
        try:
            return sys.stdin.read() if path == STANDARD_INPUT else Path(path).read_text(encoding="utf-8")
        except OSError as error:
            reason = error.strerror or "can't be read"
        except UnicodeDecodeError:
            reason = "is no text"
        raise NoSecret(f"{name}: {path}: {reason}")

    def _asked_for(self, name: str) -> str:
        with warnings.catch_warnings():
            # where there is no terminal to be kept from echoing, Python would warn, ask all the same, and show it
            warnings.simplefilter("error", GetPassWarning)
            try:
                return str(typer.prompt(f"{name[0].upper()}{name[1:]}", hide_input=True))
            except GetPassWarning:
                pass
        raise NoSecret(f"{name}: no terminal to ask at without showing it; name a file, or - for standard input")
