"""The user tokens that are kept, with their index in memory, of a table that may be restored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from leaver.cases.user_token_index import SHOWN, Address, Proof, StoredUserToken, UserTokenIndex
from leaver.cases.user_tokens import StoredUserTokens
from leaver.storage.user_token_secrets import UserTokenSecrets
from tests.doubles.cases_table import InMemoryItems
from tests.doubles.clock import Clock
from tests.doubles.secrets_manager import StrictSecretsManager

_KEY = ("partition", "entry")


@dataclass
class KeptTokens:
    """Secrets Manager, the items, and what one asks of them."""

    secrets: StrictSecretsManager
    clock: Callable[[], datetime]
    tokens: InMemoryItems[StoredUserToken] | None = None
    table: str = "as it was made"

    def __post_init__(self) -> None:
        self.items = self.tokens or InMemoryItems(StoredUserToken, key=_KEY)
        self.addresses = InMemoryItems(Address, key=_KEY)
        self.proofs = InMemoryItems(Proof, key=_KEY)
        index = UserTokenIndex(self.items, self.addresses, self.proofs, lambda: self.table)
        secrets = UserTokenSecrets(self.secrets.client, prefix="leaver", kms_key_arn="arn:aws:kms:key")
        self.stored = StoredUserTokens(index, secrets, self.clock)

    def prove(self, clock: Clock) -> None:
        """Let watch_deadlines look, and look again when Secrets Manager shows what it holds."""
        self.stored.prove_index(lambda: True)
        clock.passes(seconds=SHOWN.total_seconds())
        self.stored.prove_index(lambda: True)

    def is_whole_from_the_start(self) -> None:
        """Nothing lay there before this table did."""
        self.proofs.add(Proof(table=self.table, since=self.clock(), whole=True))

    def restore(self, *, empty: bool = True) -> None:
        """Somebody restores the table, as it was before there was a token, or as it is; the marker comes with it."""
        self.table = "as it was restored"
        if empty:
            self.items.kept.clear()
            self.addresses.kept.clear()
