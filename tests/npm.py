"""npm's packages as tests/foreign pins them, beside the programs that use them."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

_FOREIGN: Final = Path(__file__).parent / "foreign"


def installed(folder: Path, packages: str) -> Path:
    """Install what tests/foreign pins in this folder, and return it; where that can not be, the test is skipped."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip(f"there is no Node, with which npm's {packages} would run")
    shutil.copytree(_FOREIGN, folder, dirs_exist_ok=True)
    # Nothing of a package runs while it is installed.
    install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    if subprocess.run(install, cwd=folder, capture_output=True, check=False).returncode:  # noqa: S603 - npm
        pytest.skip(f"npm can't install {packages} here: no registry within reach")
    return folder
