"""Whoever deploys is asked for each parameter in a group, under a label, and is told what it is for."""

import pytest

from tests.contract.stack import WRITTEN

INTERFACE = WRITTEN["Metadata"]["AWS::CloudFormation::Interface"]


def test_every_parameter_stands_in_one_group_and_in_its_order() -> None:
    grouped = [name for group in INTERFACE["ParameterGroups"] for name in group["Parameters"]]
    assert grouped == list(WRITTEN["Parameters"])


def test_every_group_has_a_label_of_its_own() -> None:
    labels = [group["Label"]["default"] for group in INTERFACE["ParameterGroups"]]
    assert all(labels)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("parameter", WRITTEN["Parameters"])
def test_every_parameter_has_a_label_and_a_description(parameter: str) -> None:
    assert INTERFACE["ParameterLabels"][parameter]["default"]
    assert WRITTEN["Parameters"][parameter]["Description"]
