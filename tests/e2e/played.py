"""A page of docs, played on the local world: each command that it shows is run, in a terminal of 80 columns.

`python -m tests.e2e.played docs/a-day.md` writes the page anew, with what the commands print today.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from local import acme, surroundings
from local.__main__ import addresses
from local.world import World
from tests.length import length

ROOT: Final = Path(__file__).parents[2]
BLOCK: Final = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
#: what is typed where a command asks for it
ANSWERS: Final = {
    b"[y/N]: ": b"y\n",
    b"Client secret: ": acme.zoom_secret("app-of-the-server").encode() + b"\n",
    b"Password: ": surroundings.PASSWORD.encode() + b"\n",
}
QUESTION: Final = re.compile(r"^[A-Z][^\n]*(\n[^\n]*)*?\[y/N\]", re.MULTILINE)
#: what a run has of its own: ids, times, digests, ports, how long something took
OWN: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|WEB_[0-9a-f]{32}|[0-9a-f]{64}|AIDA[A-Z0-9]+"
    r"|\d{4}-\d\d-\d\d|\d+:\d\d:\d\dZ?|\d\d:\d\d|(?<=:)\d{4,5}"
    r"|\d+(?= (seconds?|a minute|d|h|min)\b)|(?<=second)s?\b|\bin \d.*(?=\?)"
)


class Player:
    """Runs a page's commands, one after the other, as one shell would."""

    def __init__(self, world: World, folder: Path) -> None:
        self._folder = folder
        shim = folder / "bin" / "leaver"
        shim.parent.mkdir()
        shim.write_text(f"#!{sys.executable}\nfrom leaver_cli.main import app\napp(prog_name='leaver')\n")
        shim.chmod(0o755)
        paths = [str(ROOT), str(ROOT / "layers/leaver/python"), str(ROOT / "cli")]
        self._environ = {
            **os.environ,
            **world.environment(),
            **addresses(world),
            "PATH": f"{shim.parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(paths),
            # A terminal that is no screen: nothing spins.
            "TERM": "dumb",
        }

    def page(self, text: str) -> str:
        """Play a page, or as many of its first blocks as `make proof` asks for; returns it as printed now."""
        count = length(len(BLOCK.findall(text)))
        return BLOCK.sub(lambda block: "".join(self._played(block[0])), text, count=count)

    def _played(self, block: str) -> Iterator[str]:
        for command, printed in commands(block):
            del printed
            shown = f"$ {command}\n{self._run(command)}"
            sys.stderr.write(shown)
            yield shown

    def _run(self, command: str) -> str:
        """Run a command on a terminal; what it asks is answered, and an exit status is told if it is not 0."""
        # What a command sets is there for the next one.
        kept = self._folder / "environment"
        script = f"{command}\nstatus=$?; env -0 > {kept}; exit $status"
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        with subprocess.Popen(  # noqa: S603 - a page of our own
            ["/bin/bash", "-a", "-c", script],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=self._folder,
            env=self._environ,
            start_new_session=True,
        ) as process:
            os.close(terminal)
            shown = b""
            while part := _read(master):
                shown += part
                for asked, answer in ANSWERS.items():
                    if shown.endswith(asked):
                        os.write(master, answer)
        os.close(master)
        self._environ = dict(each.split("=", 1) for each in kept.read_text().split("\0") if "=" in each)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
        return text + (f"[exit status {process.returncode}]\n" if process.returncode else "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        # Nobody is left who could write.
        return b""


def commands(block: str) -> Iterator[tuple[str, str]]:
    """A block's commands, each with what it printed; one goes on in the next line after a backslash."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        ends = next(number for number, line in enumerate(lines) if not line.endswith("\\\n"))
        yield "".join(lines[: ends + 1]).rstrip("\n"), "".join(lines[ends + 1 :])


def masked(page: str) -> Mapping[str, list[str]]:
    """What each command printed, without what a run has of its own, and in no order: steps end as they end."""
    told = [each for block in BLOCK.findall(page) for each in commands(block)]
    return {f"{number} {command}": _lines(command, printed) for number, (command, printed) in enumerate(told)}


def _lines(command: str, printed: str) -> list[str]:
    # Where a line was folded depends on how long its times and ids were.
    asked = QUESTION.sub(lambda question: question[0].replace("\n", " "), printed)
    whole = re.sub(r"\n {2,}", " ", asked).splitlines()
    # What a look happens to catch on the way is chance.
    shown = whole[-1:] if command.startswith("leaver watch") else whole
    return sorted(re.sub(r"\s+", " ", OWN.sub("·", line)) for line in shown)


def play(path: Path, folder: Path) -> str:
    """Play a page on a world of its own, as `make up` makes it."""
    with World(parameters=surroundings.PARAMETERS, ticking=True) as world:
        surroundings.surround(world)
        acme.set_up(world)
        acme.hire_an_office(world)
        acme.connect_hibob(world)
        surroundings.offer_connections(world)
        return Player(world, folder).page(path.read_text())


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as place:
            Path(name).write_text(play(Path(name), Path(place)))
