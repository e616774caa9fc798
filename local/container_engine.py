"""Docker or Podman, whichever answers, by its command line; and a place in it that leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: seconds that a program may take; fetching an image is the slowest
PATIENCE = 900


class Missing(Exception):
    """Something that is needed is not on this machine; the message says what, and how it is had."""


class Failed(Exception):
    """A program that was run did not succeed; the message is what it said."""


@dataclass(frozen=True)
class Finished:
    """A program that has ended."""

    status: int
    stdout: str
    stderr: str


def execute(command: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "") -> Finished:
    """Run a program in the repository's folder to its end; when we are interrupted, it ends with all its children."""
    with subprocess.Popen(  # noqa: S603 - the commands are our own
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C in the terminal is for us, who then end it.
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=PATIENCE)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return Finished(process.returncode, stdout, stderr)


@dataclass(frozen=True)
class ContainerEngine:
    """An engine that answers: the words that begin its command line, and its socket for SAM's DOCKER_HOST."""

    command: tuple[str, ...]
    host: str

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Return what one of the engine's commands prints; Failed, with its words, when it does not succeed."""
        finished = execute([*self.command, *arguments], stdin=stdin)
        if finished.status:
            raise Failed(finished.stderr.strip())
        return finished.stdout.strip()

    def printed_by(self, container: str) -> str:
        """Return all that a container has printed, errors too."""
        finished = execute([*self.command, "logs", container])
        return f"{finished.stdout}{finished.stderr}".strip()

    @contextmanager
    def network(self, name: str) -> Iterator[None]:
        """Make a network; at the end it goes, and every container on it, whoever started it."""
        try:
            self.run("network", "create", name)
            yield
        finally:
            for container in self.run("ps", "--all", "--quiet", "--filter", f"network={name}").split():
                self.run("rm", "--force", "--volumes", container)
            if name in self.run("network", "ls", "--format", "{{.Name}}").split():
                self.run("network", "rm", name)


def find_engine() -> ContainerEngine:
    """Return the first engine that answers, Docker before Podman; Missing says what each of them lacks."""
    lacking = []
    for program, which_host, option, remedy in (
        (
            "docker",
            ("context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
            "--host",
            "is its daemon running?",
        ),
        (
            "podman",
            ("info", "--format", "{{.Host.RemoteSocket.Path}}"),
            "--url",
            "systemctl --user start podman.socket",
        ),
    ):
        if shutil.which(program) is None:
            lacking.append(f"{program} is not installed")
            continue
        # SAM speaks to a socket: a command line that works without one is of no use to it.
        host = os.environ.get("DOCKER_HOST") or execute([program, *which_host]).stdout.strip()
        host = host if "://" in host else f"unix://{host}"
        if execute([program, option, host, "info"]).status == 0:
            return ContainerEngine((program, option, host), host)
        lacking.append(f"{program} does not answer at {host} ({remedy})")
    raise Missing(f"a container engine, Docker or Podman: {'; '.join(lacking)}")
