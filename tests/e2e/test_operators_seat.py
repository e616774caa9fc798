"""The operator's seat on the local world, by the real command line in a pipe: see, follow, mend."""

import os
import subprocess
import sys

from tests.e2e.watched_world import WatchedWorld


def leaver(world: WatchedWorld, *arguments: str, exit_code: int = 0) -> list[list[str]]:
    """Run the command line as a script does; returns the cells of its rows."""
    told = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "leaver_cli.main", *arguments],
        env={**os.environ, **world.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == exit_code, told.stdout + told.stderr
    return [line.split("\t") for line in told.stdout.splitlines()]
