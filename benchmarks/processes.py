"""Processes that serve or measure beside the benchmark, and are gone after it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

ROOT: Final = Path(__file__).parents[1]


@contextmanager
def process(
    module: str, *arguments: object, environment: Mapping[str, str], path: Sequence[Path] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """Run a module of ours until the end of a `with`; ending its input ends it.

    With `path` it sees these folders and no other packages, as in Lambda.
    """
    alone = ["-S", "-P"] if path else []
    running = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, *alone, "-m", module, *map(str, arguments)],
        env={**environment, "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        try:
            yield running
        finally:
            cast("IO[str]", running.stdin).close()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def port_of(running: "subprocess.Popen[str]") -> int:
    """Return the port that a server prints as soon as the server listens."""
    return int(_line(running))


def read_json(running: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the JSON that the process prints next."""
    found: dict[str, Any] = json.loads(_line(running))
    return found


def ask(running: "subprocess.Popen[str]", what: object) -> dict[str, Any]:
    """Send the process a line, and return the JSON that the process answers."""
    asked = cast("IO[str]", running.stdin)
    asked.write(f"{what}\n")
    asked.flush()
    return read_json(running)


def _line(running: "subprocess.Popen[str]") -> str:
    line = cast("IO[str]", running.stdout).readline()
    if not line:
        raise RuntimeError(f"{running.args!r} ended before it printed anything")
    return line
