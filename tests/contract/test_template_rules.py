"""What a deployment must be given, beyond what one parameter can say of itself: the template's rules, evaluated."""

from collections.abc import Mapping
from operator import contains, eq
from typing import Any

import pytest

from leaver.providers.registry import PROVIDERS
from tests.contract.stack import FULL, SMALLEST, WRITTEN, stack


def refusals(given: Mapping[str, str], template: Mapping[str, Any] = WRITTEN) -> list[str]:
    """What CloudFormation says before it makes anything of these parameters."""
    declared = template["Parameters"]
    values: dict[str, Any] = {name: given.get(name, each.get("Default", "")) for name, each in declared.items()}
    for name, each in declared.items():
        if each["Type"] == "CommaDelimitedList":
            values[name] = [part.strip() for part in values[name].split(",")]
    return [
        each["AssertDescription"]
        for rule in template["Rules"].values()
        if _holds(rule["RuleCondition"], values)
        for each in rule["Assertions"]
        if not _holds(each["Assert"], values)
    ]


def _holds(condition: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    ((function, argument),) = condition.items()
    if function == "Fn::Not":
        return not _holds(argument[0], values)
    one, other = (values[each["Ref"]] if isinstance(each, dict) else each for each in argument)
    return bool({"Fn::Contains": contains, "Fn::Equals": eq}[function](one, other))


@pytest.mark.parametrize("given", [SMALLEST, FULL, {"Providers": "zoom"}])
def test_a_deployment_that_says_where_its_providers_are_is_made(given: dict[str, str]) -> None:
    assert refusals(given) == []


@pytest.mark.parametrize("given", [{}, {"Providers": "venafi"}, {"Providers": "zoom, venafi"}])
def test_a_deployment_with_venafi_and_without_its_address_is_refused(given: dict[str, str]) -> None:
    assert refusals(given) == [
        "Give VenafiUrl, your TPP host; or leave venafi out of Providers, if the company has none."
    ]


def test_a_default_that_is_another_than_the_rule_knows_is_noticed() -> None:
    changed = {**WRITTEN["Parameters"], "VenafiUrl": {"Type": "String", "Default": "https://tpp.example.org"}}
    assert refusals({}) != refusals({}, {**WRITTEN, "Parameters": changed})


def test_a_company_has_no_other_providers_than_those_of_the_registry() -> None:
    declared = WRITTEN["Parameters"]["Providers"]
    assert declared["AllowedValues"] == declared["Default"].split(",") == list(PROVIDERS)


def test_start_offboarding_is_told_what_the_company_has() -> None:
    told = stack(SMALLEST | {"Providers": "zoom"})["StartOffboardingFunction"]["Properties"]["Environment"]["Variables"]
    assert told["PROVIDERS"] == "zoom"
