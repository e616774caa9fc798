"""The key that signs and the bucket that keeps evidence, in memory, at least as strict as AWS documents them."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key

from leaver.cases.days import DayEvidence
from leaver.cases.evidence import CaseEvidence, CommitmentKey, CommitmentKeys
from leaver.cases.heard import HeardEvents
from leaver.cases.log import CaseLog, Head, Leaf, Place
from leaver.cases.record import Case
from leaver.cases.statements import Statements
from leaver.cases.table import Cases
from leaver.evidence.signing import SigningKey
from leaver.evidence.store import EvidenceStore
from leaver.evidence.verification import Trust
from leaver.storage.tables import columns
from tests.doubles.cases_table import InMemoryItems
from tests.doubles.key_pair import ALGORITHM, KeyPair
from tests.doubles.steps import Effects

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/evidence"
BUCKET: Final = "leaver-evidence"
_PRIVATE: Final = generate_private_key(SECP256R1())


@dataclass
class FakeSigner(KeyPair):
    """KMS with one key pair (P-256), the same in all tests."""

    private: EllipticCurvePrivateKey = field(default=_PRIVATE, repr=False)
    effects: Effects = field(default_factory=Effects)
    is_disabled: bool = False
    signed: list[bytes] = field(default_factory=list)

    @property
    def client(self) -> "KMSClient":
        return cast("KMSClient", self)

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert KeyId == KEY
        return {"PublicKey": self.public, "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, bytes]:  # noqa: N803 - AWS's names
        assert (KeyId, MessageType, SigningAlgorithm) == (KEY, "RAW", "ECDSA_SHA_256")

        def sign() -> dict[str, bytes]:
            if not 0 < len(Message) <= 4096:
                raise _error("Sign", "ValidationException", 400)
            if self.is_disabled:
                raise _error("Sign", "DisabledException", 400)
            self.signed.append(Message)
            return {"Signature": self.private.sign(Message, ALGORITHM)}

        return self.effects.of("sign", sign)


@dataclass
class FakeBucket:
    """S3 with one bucket with a lock: what stands there stays, and whoever wants to write over it is told so."""

    effects: Effects = field(default_factory=Effects)
    objects: dict[str, bytes] = field(default_factory=dict)
    #: how often the next puts meet another put
    conflicts: int = 0
    is_broken: bool = False

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - AWS's names
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfNoneMatch: str,  # noqa: N803
        ChecksumAlgorithm: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert (Bucket, IfNoneMatch, ChecksumAlgorithm) == (BUCKET, "*", "SHA256")

        def put() -> dict[str, Any]:
            if self.is_broken:
                raise _error("PutObject", "InternalError", 500)
            if self.conflicts:
                self.conflicts -= 1
                raise _error("PutObject", "ConditionalRequestConflict", 409)
            if Key in self.objects:
                raise _error("PutObject", "PreconditionFailed", 412)
            self.objects[Key] = Body
            return {}

        return self.effects.of("store evidence", put)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        assert Bucket == BUCKET

        def get() -> dict[str, Any]:
            if Key not in self.objects:
                raise _error("GetObject", "NoSuchKey", 404)
            return {"Body": io.BytesIO(self.objects[Key])}

        return self.effects.of("read evidence", get)

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return SimpleNamespace(paginate=lambda *, Bucket: [{"Contents": [{"Key": each} for each in self.objects]}])  # noqa: N803, ARG005 - AWS's names


class InMemoryCommitmentKeys(CommitmentKeys):
    """The keys of commitments, by case."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.items = InMemoryItems(CommitmentKey, key=("partition", "entry"), effects=effects)
        self._items = self.items


class InMemoryLog(CaseLog):
    """The log; what is to be written together is written together or not at all."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        key = ("partition", "entry")
        self.heads = InMemoryItems(Head, key=key, effects=effects)
        self.leaves = InMemoryItems(Leaf, key=key, effects=effects)
        self.places = InMemoryItems(Place, key=key, effects=effects)
        self._heads, self._leaves, self._places = self.heads, self.leaves, self.places

    @property
    def hashes(self) -> list[bytes]:
        return [bytes.fromhex(str(each["hash"])) for _, each in sorted(self.leaves.kept.items())]

    def _write(self, head: Head, leaf: Leaf, place: Place) -> None:
        def write() -> None:
            keys = [(each.partition, each.entry) for each in (leaf, place)]
            if keys[0] not in self.leaves.kept and keys[1] not in self.places.kept:
                self.heads.kept[head.partition, head.entry] = columns(head)
                self.leaves.kept[keys[0]] = columns(leaf)
                self.places.kept[keys[1]] = columns(place)

        self.effects.of("append to the log", write)


class Evidence:
    """Everything that evidence takes, in memory."""

    def __init__(self, cases: Cases, clock: Callable[[], datetime], effects: Effects | None = None) -> None:
        effects = effects or Effects()
        self.signer, self.bucket = FakeSigner(effects=effects), FakeBucket(effects)
        self.keys, self.log = InMemoryCommitmentKeys(effects), InMemoryLog(effects)
        self.of_cases = CaseEvidence(
            cases=cases,
            keys=self.keys,
            statements=Statements(
                signing_key=SigningKey(self.signer.client, key_arn=KEY),
                store=EvidenceStore(self.bucket.client, bucket=BUCKET),
                log=self.log,
                clock=clock,
            ),
        )

    @property
    def trust(self) -> Trust:
        """What an auditor of it trusts."""
        return Trust(self.signer.public, self.signer.is_signed, self.of_cases.statements.store.log_origin)

    def keep(self, case: Case) -> Case:
        return self.of_cases.keep(case)

    def of_days(self, heard: HeardEvents) -> DayEvidence:
        return DayEvidence(heard, self.of_cases.statements)


def _error(operation: str, code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "it says something"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item] # of the metadata the status alone
        operation,
    )
