"""Evidence as AWS's own clients write it: the key signs, the bucket keeps what was stored first, and locks it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from moto import mock_aws

from leaver.cases.evidence import CommitmentKeys
from leaver.cases.heard import Fate, HeardEvents, heard
from leaver.cases.log import CaseLog, Head, Leaf, Place
from leaver.errors import NotKept
from leaver.evidence.merkle import leaf_hash, root_hash
from leaver.evidence.signing import SigningKey
from leaver.evidence.store import EvidenceStore
from tests.integration.dynamodb import SESSION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

BUCKET = "leaver-evidence"
REGION: Final = "eu-central-1"


@pytest.fixture
def s3() -> "Iterator[S3Client]":
    with mock_aws():
        s3 = SESSION.client("s3")
        s3.create_bucket(
            Bucket=BUCKET,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 400}}
        s3.put_object_lock_configuration(
            Bucket=BUCKET,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},  # type: ignore[typeddict-item] # boto3-stubs wants a literal
        )
        yield s3


def test_what_was_stored_first_stays_and_is_locked(s3: "S3Client") -> None:
    store = EvidenceStore(s3, bucket=BUCKET)
    assert [store.keep_once("cases/c-1/bundle.json", each) for each in (b"{}", b"[]")] == [b"{}", b"{}"]
    stored = s3.head_object(Bucket=BUCKET, Key="cases/c-1/bundle.json")
    assert stored["ObjectLockMode"] == "GOVERNANCE"
    assert stored["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=399)
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


def test_a_bucket_that_is_not_there_keeps_nothing(s3: "S3Client") -> None:
    with pytest.raises(NotKept, match=r"evidence cases/c-1/bundle.json: NoSuchBucket"):
        EvidenceStore(s3, bucket="another").keep_once("cases/c-1/bundle.json", b"{}")
    with pytest.raises(NotKept, match=r"evidence cases/c-1/bundle.json: nothing is stored"):
        EvidenceStore(s3, bucket=BUCKET).read("cases/c-1/bundle.json")
    with pytest.raises(NotKept, match=r"evidence: NoSuchBucket"):
        list(EvidenceStore(s3, bucket="another").find_all("bundle.json"))


def test_every_folder_with_a_file_of_a_name_is_found(s3: "S3Client") -> None:
    store = EvidenceStore(s3, bucket=BUCKET)
    assert list(store.find_all("bundle.json")) == []
    for each in ("cases/c-1/bundle.json", "cases/c-2/envelope.json", "days/2026-11-28/bundle.json"):
        store.keep_once(each, b"{}")
    assert list(store.find_all("bundle.json")) == ["cases/c-1", "days/2026-11-28"]


def test_the_key_signs_and_its_public_half_verifies() -> None:
    with mock_aws():
        kms = SESSION.client("kms")
        made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        key = SigningKey(kms, key_arn=made["Arn"])
        envelope = key.enclose(b"{}")
        public = load_der_public_key(key.public_key)
        assert isinstance(public, EllipticCurvePublicKey)
        public.verify(envelope.signature, envelope.signed, ECDSA(SHA256()))
        assert json.loads(envelope.to_json())["signatures"][0]["keyid"] == key.key_id


def test_a_key_that_is_not_there_signs_nothing() -> None:
    with mock_aws():
        key = SigningKey(SESSION.client("kms"), key_arn=f"arn:aws:kms:{REGION}:123456789012:key/none")
        with pytest.raises(NotKept):
            key.sign(b"{}")
        with pytest.raises(NotKept):
            key.enclose(b"{}")


def test_a_case_keeps_the_key_of_its_commitments(aws: "DynamoDBClient") -> None:
    keys = CommitmentKeys(aws, table="Cases")
    assert keys.of("c-1") == keys.of("c-1") != keys.of("c-2")
    assert len(keys.of("c-1")) == 32


def test_what_lies_there_of_a_day_is_counted(aws: "DynamoDBClient") -> None:
    at, events = datetime(2026, 11, 22, tzinfo=UTC), HeardEvents(aws, table="Cases")
    hears = heard("m-1", at, source="okta", event_id="e-1")
    for each in (
        hears,
        hears.closed(Fate("refused")),
        heard("m-2", at + timedelta(days=1), source=None, event_id=None),
    ):
        events.put_once(each)
    assert [events.count_day(at + timedelta(days=number)) for number in range(3)] == [2, 1, 0]


def test_the_log_grows_by_one_leaf_for_each_case_and_by_none_for_another_try(aws: "DynamoDBClient") -> None:
    log = CaseLog(aws, table="Cases")
    statements = [b"%d" % number for number in range(9)]
    for size, each in enumerate(statements, start=1):
        leaf = log.append(f"c-{size}", each)
        assert log.append(f"c-{size}", each) == leaf
        assert (leaf.index, leaf.root) == (size - 1, root_hash([leaf_hash(one) for one in statements[:size]]))
    with pytest.raises(NotKept):
        log.append("c-1", b"another")


def test_whoever_was_slower_appends_after_whoever_was_faster(aws: "DynamoDBClient") -> None:
    class Slow(CaseLog):
        def _write(self, head: Head, leaf: Leaf, place: Place) -> None:
            if leaf.index == 0:
                CaseLog(aws, table="Cases").append("c-fast", b"fast")
            super()._write(head, leaf, place)

    assert Slow(aws, table="Cases").append("c-slow", b"slow").index == 1


def test_who_is_always_slower_gives_up(aws: "DynamoDBClient") -> None:
    class Slower(CaseLog):
        def _write(self, head: Head, leaf: Leaf, place: Place) -> None:
            CaseLog(aws, table="Cases").append(f"c-{leaf.index}", b"fast")
            super()._write(head, leaf, place)

    with pytest.raises(NotKept):
        Slower(aws, table="Cases").append("c-slow", b"slow")
