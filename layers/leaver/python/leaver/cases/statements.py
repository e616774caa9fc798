"""Sign a statement about a file, store both where nobody can change them, and append the statement to the log."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leaver.cases.log import CaseLog, Leaf
from leaver.cases.record import Signed
from leaver.errors import NotKept
from leaver.evidence.bundle import SIGNED_AT
from leaver.evidence.dsse import Envelope
from leaver.evidence.log_proof import LogProof
from leaver.evidence.note import Checkpoint
from leaver.evidence.signing import SigningKey
from leaver.evidence.statement import Statement
from leaver.evidence.store import EvidenceStore
from leaver.storage.tables import timestamp


@dataclass(frozen=True)
class Statements:
    """The key, the bucket and the log; seal_case alone has them."""

    signing_key: SigningKey
    store: EvidenceStore
    log: CaseLog
    clock: Callable[[], datetime]

    def keep(self, folder: str, bundle: bytes, *, kind: str, claimed: Mapping[str, Any]) -> Signed:
        """Sign, store and log what is claimed of a bundle that is stored.

        The folder's last part is what the log knows it by. Begun anew after any crash, it stores nothing twice. Raises
        NotKept, also where another statement is stored.
        """
        name = folder.rpartition("/")[2]
        statement = self._keep_statement(folder, name, bundle, kind, claimed)
        checkpoint = self._keep_proof(folder, name, self.log.append(name, statement))
        return Signed(statement=_sha256(statement), checkpoint=checkpoint)

    def has(self, folder: str, signed: Signed) -> bool:
        """Whether it is this statement that is stored there."""
        stored = self.store.find(f"{folder}/envelope.json")
        return stored is not None and _sha256(Envelope.from_json(stored).payload) == signed.statement

    def _keep_statement(self, folder: str, name: str, bundle: bytes, kind: str, claimed: Mapping[str, Any]) -> bytes:
        predicate = {**claimed, SIGNED_AT: timestamp(self.clock())}
        statement = Statement.about(bundle, name="bundle.json", predicate_type=kind, predicate=predicate)
        envelope = self.signing_key.enclose(statement.to_json())
        stored = self.store.keep_once(f"{folder}/envelope.json", envelope.to_json())
        kept = Statement.from_json(Envelope.from_json(stored).payload)
        if _without_time(kept) != _without_time(statement):
            raise NotKept(f"evidence of {name}: the statement is another than the one that is stored")
        return kept.to_json()

    def _keep_proof(self, folder: str, name: str, leaf: Leaf) -> str:
        checkpoint = Checkpoint(self.store.log_origin, leaf.index + 1, leaf.root)
        path = tuple(map(bytes.fromhex, leaf.path))
        proof = LogProof(leaf.index, path, self.signing_key.note(checkpoint))
        stored = self.store.keep_once(f"{folder}/envelope.tlog-proof", proof.to_text().encode())
        kept = LogProof.from_text(stored.decode())
        signed = kept.checkpoint.startswith(f"{checkpoint.to_text()}\n")
        if (kept.index, kept.hashes, signed) != (leaf.index, path, True):
            raise NotKept(f"evidence of {name}: the proof is of another place in the log")
        return kept.checkpoint


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _without_time(statement: Statement) -> Statement:
    said = {name: value for name, value in statement.predicate.items() if name != SIGNED_AT}
    return Statement(statement.name, statement.sha256, statement.predicate_type, said)
