"""The command line, the layer and the template have one version: by that a half deployed stack is noticed."""

import tomllib

from leaver.version import VERSION
from tests.contract.stack import ROOT, SMALLEST, outputs


def test_the_template_the_layer_and_the_command_line_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert outputs(SMALLEST)["Version"] == project["version"] == VERSION
