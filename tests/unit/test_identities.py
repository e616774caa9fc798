"""A leaver at each provider: the names that an event may give, and the steps that follow from them."""

from collections.abc import Mapping, Sequence
from typing import Final

import pytest

from leaver.cases import identities
from leaver.cases.start import COMMANDS
from leaver.errors import BadMessage
from leaver.messages.commands import parse
from leaver.messages.events import Subject
from leaver.providers.entry import Leaver
from leaver.providers.registry import PROVIDERS
from tests.doubles.acme.entry import REGISTRY
from tests.doubles.hr_events import CANARY
from tests.doubles.office import Office

ADA = "ada@example.com"
#: the company's accounts, by provider
ONE_EACH: Final = {"zoom": ["acme"], "venafi": ["acme"]}
SHAPE = "expected by provider an object of names, without control characters and up to 256 long"


def subject(**told: dict[str, str]) -> Subject:
    return Subject.model_validate({"email": ADA, "identities": told})


def found_by(leaver: Subject, accounts: Mapping[str, Sequence[str]] = ONE_EACH, **found: str) -> dict[str, str]:
    """By where and command: by whose word the identity is known."""
    ids = {f"{name}/acme": each for name, each in found.items()}
    steps = identities.steps(leaver, PROVIDERS, accounts, ids)
    return {f"{at}: {step.command.__name__}": step.found_by for at, step in steps}


def steps_of(leaver: Subject, **found: str) -> dict[str, dict[str, str]]:
    """By provider and command: whose access it ends."""
    ids = {f"{name}/acme": each for name, each in found.items()}
    steps = identities.steps(leaver, PROVIDERS, ONE_EACH, ids)
    return {f"{at.removesuffix('/acme')}: {step.command.__name__}": dict(step.fields) for at, step in steps}


def test_somebody_of_whom_only_the_address_is_known_is_meant_by_it_everywhere() -> None:
    assert steps_of(subject()) == {
        "zoom: RevokeSsoToken": {"user_id": ADA, "email": ADA},
        "zoom: PurgeUserTokens": {"user_id": ADA, "email": ADA},
        "zoom: DeactivateUser": {"user_id": ADA, "email": ADA},
        "venafi: RevokeGrants": {"identity": ADA},
    }


def test_what_the_source_calls_somebody_counts_more_than_the_address_and_at_zoom_once_zoom_has_confirmed_it() -> None:
    leaver = subject(zoom={"id": "ada-id"}, venafi={"name": "ada"})
    steps = steps_of(leaver)
    assert steps["zoom: RevokeSsoToken"] == {"user_id": ADA, "email": ADA}
    assert steps_of(leaver, zoom="ada-id")["zoom: RevokeSsoToken"] == {"user_id": "ada-id", "email": ADA}
    assert steps["venafi: RevokeGrants"] == {"identity": "ada", "email": ADA}


def test_a_prefixed_universal_counts_more_than_a_name() -> None:
    steps = steps_of(subject(venafi={"name": "ada", "prefixed_universal": "local:{ada}"}))
    assert steps["venafi: RevokeGrants"] == {"grantee_prefixed_universal": "local:{ada}", "email": ADA}


def test_what_the_account_itself_calls_somebody_counts_most() -> None:
    steps = steps_of(subject(zoom={"id": "told"}), zoom="found")
    assert steps["zoom: PurgeUserTokens"]["user_id"] == "found"


def test_each_account_has_its_steps_and_an_id_counts_at_the_account_that_gave_it() -> None:
    accounts = {"zoom": ["acme", "europe"], "venafi": []}
    steps = identities.steps(subject(), PROVIDERS, accounts, {"zoom/acme": "ada-id"})
    assert [(at, step.found_by, next(iter(step.fields.values()))) for at, step in steps if not step.opt_in] == [
        ("zoom/acme", "account", "ada-id"),
        ("zoom/acme", "account", "ada-id"),
        ("zoom/europe", "address", ADA),
        ("zoom/europe", "address", ADA),
        ("venafi", "address", ADA),
    ]


def test_what_hr_calls_somebody_is_certain_where_the_provider_has_one_account() -> None:
    leaver = subject(venafi={"name": "ada"})
    assert found_by(leaver)["venafi/acme: RevokeGrants"] == "hr"
    two = {"zoom": [], "venafi": ["acme", "lab"]}
    assert {found_by(leaver, two)[f"venafi/{each}: RevokeGrants"] for each in two["venafi"]} == {"address"}


def test_only_deactivating_is_opted_into() -> None:
    steps = [step for _, step in identities.steps(subject(), PROVIDERS, ONE_EACH, {})]
    assert [step.command.__name__ for step in steps if step.opt_in] == ["DeactivateUser"]


def test_every_step_is_a_command_that_can_be_sent() -> None:
    for _, step in identities.steps(subject(), PROVIDERS, ONE_EACH, {}):
        assert parse(step.command, dict(step.fields), direct=False)


def test_a_provider_where_a_leaver_has_nothing_adds_no_step() -> None:
    accounts = {**ONE_EACH, "acme": ["acme"]}
    places = {at for at, _ in identities.steps(subject(acme={"login": "ada"}), REGISTRY, accounts, {})}
    assert places == {"zoom/acme", "venafi/acme"}


@pytest.mark.parametrize(
    "told",
    [{}, {"zoom": {}}, {"zoom": {"id": "ada-id"}, "venafi": {"name": "ada", "prefixed_universal": "local:{ada}"}}],
)
def test_the_keys_of_a_providers_entry_are_taken(told: dict[str, dict[str, str]]) -> None:
    identities.check(subject(**told), PROVIDERS)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"zoom": {CANARY: "x"}}, "subject.identities.zoom: unknown field (allowed: id)"),
        ({"zoom": {"id": "x", "name": "x"}}, "subject.identities.zoom: unknown field (allowed: id)"),
        ({"venafi": {"id": "x"}}, "subject.identities.venafi: unknown field (allowed: name, prefixed_universal)"),
        ({"acme": {"login": "x"}}, "subject.identities: unknown field (allowed: venafi, zoom)"),
    ],
)
def test_a_key_that_no_entry_takes_is_refused_by_its_field_and_not_named_back(
    told: dict[str, dict[str, str]], expected: str
) -> None:
    with pytest.raises(BadMessage) as refused:
        identities.check(subject(**told), PROVIDERS)
    assert refused.value.reason == expected
    office = Office()
    office.hears_and_works(subject={"identities": told})
    assert office.reasons() == [expected]
    assert office.commands() == []


@pytest.mark.parametrize(
    "told",
    ["zoom", ["zoom"], {"zoom": "x"}, {"zoom": {"id": 1}}, {"zoom": {"id": "\x00"}}, {CANARY.upper(): {"id": "x"}}],
)
def test_what_is_no_object_of_names_is_refused_and_not_named_back(told: object) -> None:
    office = Office()
    office.hears_and_works(subject={"identities": told})
    assert office.reasons() == [f"subject.identities: {SHAPE}"]


def test_an_event_may_name_somebody_at_whatever_provider_the_registry_holds() -> None:
    identities.check(subject(acme={"login": "ada"}), REGISTRY)


def test_every_command_that_ends_something_for_a_leaver_can_be_sent_as_a_step() -> None:
    leaver = Leaver(email=ADA)
    asked = {step.command.__name__ for provider in PROVIDERS.values() for step in provider.steps(leaver)}
    assert asked - set(COMMANDS) == set()
