"""AWS in memory: what a run reads and writes there, each call an effect."""

import json
from dataclasses import dataclass
from typing import Any

from leaver.connections.record import Connection
from tests.doubles.connections_table import InMemoryConnections
from tests.doubles.event_bus import FakeBus
from tests.doubles.secrets_manager import StrictSecretsManager
from tests.doubles.sqs import FakeSqs
from tests.doubles.steps import Effects


class Table(InMemoryConnections):
    """The Connections table, each call an effect."""

    def __init__(self, effects: Effects, *records: Connection) -> None:
        super().__init__(*records)
        self.effects = effects

    def read(self, name: str) -> Connection:
        read = super().read
        return self.effects.of("read record", lambda: read(name))

    def add(self, record: Connection) -> bool:
        add = super().add
        return self.effects.of("write record", lambda: add(record))

    def compare_and_swap(self, old: Connection, new: Connection) -> Connection | None:
        swap = super().compare_and_swap
        return self.effects.of("write record", lambda: swap(old, new))


class Secrets(StrictSecretsManager):
    """Secrets Manager, each call an effect."""

    effects: Effects

    def get_secret_value(self, **asked: Any) -> dict[str, Any]:
        get = super().get_secret_value
        return self.effects.of("read secret", lambda: get(**asked))

    def put_secret_value(self, **asked: Any) -> dict[str, Any]:
        put = super().put_secret_value
        return self.effects.of("write secret", lambda: put(**asked))


@dataclass
class Kms:
    """A key; what it encrypts can be seen to be encrypted."""

    effects: Effects

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: dict[str, str]) -> dict[str, bytes]:  # noqa: N803 - AWS's names
        assert KeyId
        encrypted = json.dumps([Plaintext.decode()[::-1], EncryptionContext]).encode()
        return self.effects.of("encrypt", lambda: {"CiphertextBlob": encrypted})

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: dict[str, str]) -> dict[str, bytes]:  # noqa: N803 - AWS's names
        assert KeyId
        backwards, context = json.loads(CiphertextBlob)
        assert context == EncryptionContext, "AWS answers InvalidCiphertextException"
        return self.effects.of("decrypt", lambda: {"Plaintext": backwards[::-1].encode()})


class Bus(FakeBus):
    """EventBridge, each call an effect."""

    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self._effects = effects

    def put_events(self, **asked: Any) -> dict[str, Any]:
        put = super().put_events
        return self._effects.of("announce", lambda: put(**asked))


class Queues(FakeSqs):
    """SQS, each message sent an effect."""

    def __init__(self, effects: Effects) -> None:
        super().__init__()
        self._effects = effects

    def send_message(self, **message: Any) -> None:
        send = super().send_message
        return self._effects.of("park", lambda: send(**message))

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:
        send = super().send_message_batch
        return self._effects.of("ask for a refresh", lambda: send(**asked))
