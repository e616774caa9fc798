"""The search for a leaver over real HTTP: what a robot of each identity provider sees of the simulated Venafi."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from leaver.providers.transport import Transport
from leaver.providers.venafi.api import Venafi
from leaver.providers.venafi.identities import Found
from leaver.providers.venafi.search import Nobody, PeopleSearch
from local.simulators.provider import CANARY
from local.simulators.venafi import VenafiSimulator
from local.simulators.venafi_state import Role
from tests.integration.simulated_venafi import ADA, BOB, ROBOT, set_up

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
AD_ROBOT = "AD+corp:{33333333-2d77-43af-8f1f-39f1ba132825}"
CARL = "AD+corp:{44444444-2d77-43af-8f1f-39f1ba132825}"


@pytest.fixture
def simulator() -> Iterator[VenafiSimulator]:
    with VenafiSimulator(clock=lambda: NOON) as simulator:
        set_up(simulator)
        simulator.add_identity(AD_ROBOT, "ad-robot", email="ad-robot@example.com", role=Role.GRANT_ADMIN)
        # An alias of his is carl@example.com.
        simulator.add_identity(CARL, "carl", full_name="carl@example.com", email="c.linnaeus@example.com")
        yield simulator


def find(
    simulator: VenafiSimulator,
    value: str,
    *,
    robot: str = ROBOT,
    prefixes: str = "local",
    known: str = "ada@example.com",
) -> Found | Nobody:
    token = SecretStr(str(simulator.authorize("leaver", robot)["access_token"]))
    with closing(Transport(simulator.url, clock=lambda: NOON)) as transport:
        search = PeopleSearch(
            Venafi(transport, lambda: NOON),
            prefixes=prefixes.split(","),
            known_addresses=known.split(","),
            clock=lambda: NOON,
        )
        return search.find(value, version="1", access_token=token)


def how(found: Found | Nobody) -> tuple[str, str]:
    assert isinstance(found, Found)
    return found.identity.prefixed_universal, found.found_by


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ada@example.com", (ADA, "address")),
        ("ADA", (ADA, "name")),
        ("ad+corp:BOB", (BOB, "name")),
        (BOB.upper(), (BOB, "prefixed_universal")),
        ("bob", (BOB, "application")),
    ],
)
def test_a_local_robot_finds_everybody_who_has_a_grant(
    simulator: VenafiSimulator, value: str, found: tuple[str, str]
) -> None:
    assert how(find(simulator, value)) == found


def test_a_local_robot_finds_a_directorys_user_by_local_part_only_with_that_very_address(
    simulator: VenafiSimulator,
) -> None:
    both = "AD+corp,local"
    simulator.add_identity(BOB, "bob", email="bob@example.com")
    assert how(find(simulator, "bob@example.com", prefixes=both)) == (BOB, "local_part")
    assert isinstance(find(simulator, "bob@example.org", prefixes=both), Nobody)


@pytest.mark.parametrize("value", ["carl@example.com", "c.linnaeus@example.com", "nobody@example.com"])
def test_a_local_robot_proves_nothing_of_a_directory(simulator: VenafiSimulator, value: str) -> None:
    nobody = find(simulator, value, prefixes="AD+corp,local", known="ada@example.com,ad-robot@example.com")
    assert isinstance(nobody, Nobody)
    assert "in AD+corp" in str(nobody.because)


def test_a_directorys_robot_proves_its_directory(simulator: VenafiSimulator) -> None:
    of_directory = {"robot": AD_ROBOT, "prefixes": "AD+corp", "known": "ad-robot@example.com"}
    assert how(find(simulator, "c.linnaeus@example.com", **of_directory)) == (CARL, "address")
    nobody = find(simulator, "nobody@example.com", **of_directory)
    assert isinstance(nobody, Nobody)
    assert (nobody.because, nobody.details["applications"], nobody.details["grantees"]) == (None, 2, 3)


def test_an_alias_is_nobodys_own_address_and_a_persons_to_decide(simulator: VenafiSimulator) -> None:
    of_directory = {"robot": AD_ROBOT, "prefixes": "AD+corp", "known": "ad-robot@example.com"}
    nobody = find(simulator, "carl@example.com", **of_directory)
    assert isinstance(nobody, Nobody)
    assert "whose own is another" in str(nobody.because)


def test_what_is_told_of_nobody_holds_no_grant(simulator: VenafiSimulator) -> None:
    nobody = find(simulator, "nobody@example.com")
    assert isinstance(nobody, Nobody)
    assert CANARY not in repr(nobody)
