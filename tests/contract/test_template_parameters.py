"""Whoever deploys is asked for each parameter in a group, under a label, and is told what it is for."""

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # carries no types

from tests.contract.stack import ROOT

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
INTERFACE = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]


def test_every_parameter_stands_in_one_group_and_in_its_order() -> None:
    grouped = [name for group in INTERFACE["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(TEMPLATE["Parameters"])


def test_every_group_has_a_label_of_its_own() -> None:
    labels = [group["Label"]["default"] for group in INTERFACE["ParameterGroups"]]
    assert all(labels)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("parameter", TEMPLATE["Parameters"])
def test_every_parameter_has_a_label_and_a_description(parameter: str) -> None:
    assert INTERFACE["ParameterLabels"][parameter]["default"]
    assert TEMPLATE["Parameters"][parameter]["Description"]
