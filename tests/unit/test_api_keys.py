"""A key that a person made: renewed by a look-up, kept while its system is out of order, and ended by nobody here."""

import json
from datetime import timedelta
from typing import Final

import pytest
from pydantic import SecretStr

from leaver.connections.grants import ProviderGrants
from leaver.connections.record import Connection
from leaver.errors import InvalidGrant, ProviderUnavailable, Rejected
from leaver.providers.source import Account
from leaver.providers.sources import SOURCES
from leaver.tokens import TokenSet
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import connection
from tests.doubles.hr_system import FakeHrSystem
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of

KEYS: Final = sorted(name for name, source in SOURCES.items() if "api_key" in source.logins)
#: base64 of what each system wants
TOKENS: Final = {"bamboohr": "a2V5Ong=", "hibob": "cm9ib3Q6a2V5", "okta": "key"}


class System(FakeHrSystem):
    """One that knows the time."""

    clock = staticmethod(Clock())


@pytest.fixture
def system() -> System:
    return System(people={"333": Account("it@example.com", is_gone=False)}, accepts=set(TOKENS.values()))


def record_of(name: str) -> Connection:
    return connection(name, provider=name, grant_type="api_key")


def grants_of(name: str, system: System) -> ProviderGrants:
    secrets = StrictSecretsManager()
    secret_store = secret_store_of(secrets, name, place=f"{name}/{name}")
    own = {"client_id": "robot", "api_key": "key", "known_person": "333"}
    secrets.put_secret_value(SecretId=f"leaver/credentials/{name}/{name}", SecretString=json.dumps(own))
    return ProviderGrants(SOURCES, {name: system}, secret_store)


def held(name: str) -> TokenSet:
    return TokenSet(access_token=SecretStr(TOKENS[name]), expires_at=NOW)


@pytest.mark.parametrize("name", KEYS)
def test_a_refresh_looks_the_known_person_up_and_keeps_the_key_for_a_day(name: str, system: System) -> None:
    granted = grants_of(name, system).refresh(record_of(name), held(name))
    assert system.asked == ["333"]
    assert granted.access_token.get_secret_value() == TOKENS[name]
    assert granted.expires_at == NOW + timedelta(days=1)
    assert granted.refresh_token is None


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_sees_too_little_or_is_refused_rings_before_a_leaver_comes(name: str, system: System) -> None:
    system.failing.append(Rejected(f"{name}: email is left out of the answer"))
    with pytest.raises(Rejected, match="left out"):
        grants_of(name, system).refresh(record_of(name), held(name))


def test_an_outage_says_nothing_of_the_key(system: System) -> None:
    system.failing.append(ProviderUnavailable("out of order"))
    with pytest.raises(ProviderUnavailable):
        grants_of("hibob", system).refresh(record_of("hibob"), held("hibob"))


@pytest.mark.parametrize("name", KEYS)
def test_nobody_here_ends_a_key_and_nobody_claims_it(name: str, system: System) -> None:
    grants = grants_of(name, system)
    with pytest.raises(Rejected, match="delete it at"):
        grants.revoke(record_of(name), SecretStr(TOKENS[name]))
    with pytest.raises(InvalidGrant):
        grants.refresh(record_of(name).as_revoking(), held(name))
    # A refresh that is due ends nothing of what is in use.
    assert not grants.outlives(record_of(name))
    assert grants.is_a_key(record_of(name))
