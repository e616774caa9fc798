"""A CA bundle that is none, in the secret or file that VenafiCaBundle names: only what needs Venafi is held up."""

import json

import pytest
import responses

from leaver.messages.commands import RevokeAccessToken
from tests.doubles.deployed import ZOOM_OAUTH, deployment

#: saved from JSON or from an environment variable, with every line break spelt out
BUNDLE = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
GRANTEE = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
PAIR = {"access_token": "access-2", "token_type": "bearer", "refresh_token": "refresh-2", "expires_in": 3599}


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("venafi-ca", "secret venafi-ca: holds no certificates in PEM"),
        ("/no/such/bundle.pem", "file /no/such/bundle.pem: can't be read"),
    ],
)
@responses.activate
def test_each_function_goes_on_with_zoom_and_dead_letters_at_once_what_needs_venafi(
    named: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployment(monkeypatch) as leaver:
        leaver.secrets.create_secret(Name="venafi-ca", SecretString=BUNDLE)
        monkeypatch.setenv("VENAFI_CA_BUNDLE", named)
        for name in ("venafi", "zoom"):
            leaver.connect(name)
        asked = json.dumps({"grantee_prefixed_universal": GRANTEE})
        assert leaver.deliver("revoke_grants", asked) == set()

        responses.post(f"{ZOOM_OAUTH}/oauth/token", json=PAIR)
        for name in ("venafi", "zoom"):
            assert leaver.deliver("refresh_access_token", {"connection": name, "force": True}) == set()
        assert leaver.stored("leaver/tokens/zoom/zoom")["refresh_token"] == "refresh-2"

        responses.post(f"{ZOOM_OAUTH}/oauth/revoke", json={"status": "success"})
        for name in ("venafi", "zoom"):
            assert (
                leaver.deliver("revoke_access_token", {"connection": name, "confirm": RevokeAccessToken.CONFIRMATION})
                == set()
            )
        assert leaver.connection("zoom")["status"] == "revoked"
        assert leaver.reasons() == [reason] * 3
