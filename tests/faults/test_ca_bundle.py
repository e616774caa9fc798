"""A CA bundle that is no PEM, in the secret that VenafiCaBundle names: only what needs Venafi is held up by it."""

import json
from collections.abc import Iterator

import pytest
import responses

from tests.doubles.deployed import ZOOM_OAUTH, Deployment, deployment

#: saved from JSON or from an environment variable, with every line break spelt out
BUNDLE = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
GRANTEE = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
PAIR = {"access_token": "access-2", "token_type": "bearer", "refresh_token": "refresh-2", "expires_in": 3599}


@pytest.fixture
def leaver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployment(monkeypatch) as deployed:
        deployed.secrets.create_secret(Name="venafi-ca", SecretString=BUNDLE)
        monkeypatch.setenv("VENAFI_CA_BUNDLE", "venafi-ca")
        yield deployed


def test_what_needs_venafi_is_parked_with_the_reason(leaver: Deployment) -> None:
    leaver.connect("venafi")
    assert leaver.deliver("revoke_grants", json.dumps({"grantee_prefixed_universal": GRANTEE})) == set()
    assert leaver.reasons() == ["secret venafi-ca: holds no certificates in PEM"]


@responses.activate
def test_a_connection_to_zoom_is_refreshed(leaver: Deployment) -> None:
    leaver.connect("zoom")
    responses.post(f"{ZOOM_OAUTH}/oauth/token", json=PAIR)
    assert leaver.deliver("refresh_access_token", {"connection": "zoom", "force": True}) == set()
    assert leaver.stored("leaver/tokens/zoom")["refresh_token"] == "refresh-2"


@responses.activate
def test_a_connection_to_zoom_is_revoked(leaver: Deployment) -> None:
    leaver.connect("zoom")
    responses.post(f"{ZOOM_OAUTH}/oauth/revoke", json={"status": "success"})
    assert leaver.deliver("revoke_access_token", {"connection": "zoom"}) == set()
    assert leaver.connection("zoom")["status"] == "revoked"
