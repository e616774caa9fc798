"""The layer as `sam build` makes it; the packages are fetched once and stay below .aws-sam, for each run after."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.set_up import RUNTIME
from tests.contract.stack import ROOT

SOURCE = ROOT / "layers" / "leaver"
#: what SAM would copy the source to, anew each time
WORKSHOP = ROOT / ".aws-sam" / "workshop"


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lies in /opt/python."""
    release = "{}.{}".format(*sys.version_info)
    if release != RUNTIME:
        pytest.skip(f"the layer is compiled by Python {RUNTIME}, and this is {release}")
    artifacts = tmp_path_factory.mktemp("a layer, with spaces")
    shutil.rmtree(WORKSHOP / "python", ignore_errors=True)
    # With the files' dates: make fetches the packages again when requirements.txt is newer.
    shutil.copytree(SOURCE, WORKSHOP, dirs_exist_ok=True)
    subprocess.run(  # noqa: S603 - our own makefile
        ["make", "--makefile", str(SOURCE / "Makefile"), "build-LeaverLayer"],  # noqa: S607 - whichever make there is
        cwd=WORKSHOP,
        env=os.environ | {"ARTIFACTS_DIR": str(artifacts), "PYTHON": sys.executable},
        check=True,
    )
    return artifacts / "python"
