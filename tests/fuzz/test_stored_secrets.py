"""Whatever somebody stored as a secret, the command is done, parked or comes back, and nothing of the secret shows."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from leaver.messages.commands import RefreshAccessToken
from leaver.outcomes import Result
from leaver.providers.venafi.credentials import VenafiCredentials
from leaver.providers.zoom.credentials import ZoomCredentials
from leaver.storage.secrets import SecretStore
from tests.doubles.hr_events import CANARY
from tests.doubles.secrets_manager import PARENT, Secret, StrictSecretsManager, tokens
from tests.field import Field
from tests.fuzz.any_json import any_json, anything_written, nearly
from tests.fuzz.fuzzing import DONE, FuzzedQueue, fuzz

TOKENS = json.loads(tokens(access_token=f"access-{CANARY}", refresh_token=f"refresh-{CANARY}"))
ZOOM = {"client_id": "client-id", "client_secret": CANARY, "account_id": "account"}
VENAFI = {"client_id": "client-id", "username": "robot", "password": CANARY}
CERTIFICATE = {"client_id": "client-id", "certificate": "-----BEGIN", "private_key": CANARY}
#: what is stored, by its name, and who reads it
STORED: Mapping[str, tuple[str, list[dict[str, Any]], Callable[[SecretStore], object]]] = {
    "tokens": ("leaver/tokens/zoom", [TOKENS], lambda store: store.tokens("zoom", PARENT)),
    "Zoom's credentials": ("leaver/credentials/zoom", [ZOOM], lambda store: store.credentials("zoom", ZoomCredentials)),
    "Venafi's credentials": (
        "leaver/credentials/venafi",
        [VENAFI, CERTIFICATE],
        lambda store: store.credentials("venafi", VenafiCredentials),
    ),
}


@pytest.mark.parametrize("what", STORED)
def test_any_secret_is_read_or_refused(what: str, record_property: Callable[[str, object], None], field: Field) -> None:
    name, sound, read = STORED[what]
    manager = StrictSecretsManager()
    store = SecretStore(manager.client, prefix="leaver")

    def operation(_: object) -> Result:
        read(store)
        return DONE

    queue = FuzzedQueue(RefreshAccessToken, operation)

    def end(text: str) -> str:
        manager.secrets[name] = Secret({PARENT: text}, {"AWSCURRENT": PARENT})
        return queue.takes('{"connection": "zoom"}')

    texts = (nearly(*sound) | any_json).map(json.dumps) | anything_written.map(lambda text: text + CANARY)
    fuzz(f"secret: {what}", texts, end, record_property, field)
