"""`sam build` below a folder whose name has a space touches no folder that is named like the part before the space."""

import shutil
import subprocess
from pathlib import Path

from tests.contract.stack import ROOT

#: stands in for pip, which would fetch packages; what it puts there is what the makefile trims
PYTHON = """#!/bin/bash
while [ $# -gt 0 ]; do
  [ "$1" = --target ] && mkdir -p "$2"/{bin,boto3/data,boto3/examples,botocore/data}
  shift
done
exit 0
"""


def test_building_the_layer_below_a_path_with_a_space_removes_nothing_of_a_neighbours(tmp_path: Path) -> None:
    photos = tmp_path / "My" / "photos.txt"
    photos.parent.mkdir()
    photos.write_text("precious\n")
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    source = tmp_path / "My Projects" / "leaver"
    shutil.copytree(ROOT / "layers" / "leaver", source)
    artifacts = source / ".aws-sam" / "build" / "LeaverLayer"
    built = subprocess.run(  # noqa: S603 - our own makefile
        ["make", "build-LeaverLayer", f"PYTHON={python}", f"ARTIFACTS_DIR={artifacts}"],  # noqa: S607 - whichever there is
        cwd=source,
        capture_output=True,
        check=False,
    )
    assert photos.exists()
    assert built.returncode != 0 or (artifacts / "python" / "leaver").is_dir()
