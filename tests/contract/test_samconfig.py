"""samconfig.toml lets SAM do what template.yaml needs of it."""

import tomllib
from typing import Any

from tests.contract.stack import ROOT

SAMCONFIG: dict[str, Any] = tomllib.loads((ROOT / "samconfig.toml").read_text())
PARAMETERS: dict[str, Any] = SAMCONFIG["default"]


def test_sam_reads_the_loops_and_asks_cloudformation_to_write_them_out() -> None:
    assert "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]" in (ROOT / "template.yaml").read_text()
    assert PARAMETERS["global"]["parameters"]["language_extensions"] is True
    assert PARAMETERS["deploy"]["parameters"]["capabilities"].split() == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def test_prod_is_deployed_as_the_default_is_and_asks_nothing() -> None:
    prod, usual = SAMCONFIG["prod"], PARAMETERS
    assert prod["global"] == usual["global"]
    assert prod["deploy"]["parameters"] == usual["deploy"]["parameters"] | {"confirm_changeset": False}
