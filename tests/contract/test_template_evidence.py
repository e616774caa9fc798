"""seal_case alone signs and stores evidence, and nobody takes it away or shortens its lock."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from local.aws.patterns import matches
from tests.contract.iam import Caller, administrator, is_allowed, principal
from tests.contract.stack import FULL, FUNCTIONS, SMALLEST, Stack, change, stack
from tests.contract.test_template_permissions import statements
from tests.contract.tries import Try, throw
from tests.field import Field

ROLE = "arn:aws:iam::123456789012:role/"
SEALER = f"{ROLE}SealCaseRole"
EVIDENCE_ADMIN = f"{ROLE}evidence-lead"
OPERATOR = f"{ROLE}on-call-1"
ROOT = "arn:aws:iam::123456789012:root"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/EvidenceKey"
BUCKET = "arn:aws:s3:::EvidenceBucket"
OBJECT = f"{BUCKET}/cases/c-1/bundle.json"
NEW = {"s3:if-none-match": "*"}
LOCKS = ("s3:PutObjectRetention", "s3:PutBucketObjectLockConfiguration")
LOSE_THE_KEY = ("PutKeyPolicy", "ScheduleKeyDeletion", "DisableKey")
OPEN_THE_BUCKET = ("PutBucketPolicy", "DeleteBucketPolicy", "PutBucketObjectLockConfiguration")
CHANGE_THE_CODE = ("UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2")
#: as the tests' stack resolves a reference to it, which is its name
SIGNS = "SealCaseFunction"
TAKES_AWAY = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention")


def everybody(made: Stack) -> Iterator[Caller]:
    """Every function with its own rights, and with all; and people with all."""
    for function in FUNCTIONS:
        yield principal(f"{ROLE}{function}Role", statements(made, function))
        yield administrator(f"{ROLE}{function}Role")
    yield from map(administrator, (EVIDENCE_ADMIN, OPERATOR, ROOT))


def of_the_key(made: Stack) -> list[dict[str, Any]]:
    policy: list[dict[str, Any]] = made["EvidenceKey"]["Properties"]["KeyPolicy"]["Statement"]
    return policy


def may(caller: Caller, action: str, made: Stack) -> bool:
    """Whether the caller's own policies and the key's allow it: one of both is not enough, unlike elsewhere."""
    policy = [each | {"Principal": "*"} for each in of_the_key(made)]
    opened = is_allowed(principal(arn(caller), []), action, KEY, policy)
    denied = [each for each in policy if each["Effect"] == "Deny"]
    return opened and is_allowed(caller, action, KEY, denied)


def of_the_bucket(made: Stack) -> list[dict[str, Any]]:
    policy: list[dict[str, Any]] = made["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return policy


def arn(caller: Caller) -> str:
    return caller.context["aws:PrincipalArn"]


def tries_at_the_key(made: Stack) -> Iterator[Try]:
    for caller, action in product(everybody(made), ("kms:Sign", "kms:CreateGrant")):
        expected = action == "kms:Sign" and arn(caller) == SEALER
        found = may(caller, action, made)
        yield Try(f"{caller.name}: {action}", expected=expected, found=found)


def tries_at_the_bucket(made: Stack) -> Iterator[Try]:
    policy = of_the_bucket(made)
    for caller in everybody(made):
        for action in TAKES_AWAY:
            found = is_allowed(caller, action, OBJECT, policy)
            yield Try(f"{caller.name}: {action}", expected=False, found=found)
        for action, place in zip(LOCKS, (OBJECT, BUCKET), strict=True):
            found = is_allowed(caller, action, place, policy)
            yield Try(f"{caller.name}: {action}", expected=arn(caller) == EVIDENCE_ADMIN, found=found)
        stores = is_allowed(caller, "s3:PutObject", OBJECT, policy, NEW)
        yield Try(f"{caller.name}: stores", expected=arn(caller) == SEALER, found=stores)
        over = is_allowed(caller, "s3:PutObject", OBJECT, policy)
        yield Try(f"{caller.name}: stores over another", expected=False, found=over)
        in_clear = is_allowed(caller, "s3:GetObject", OBJECT, policy, {"aws:SecureTransport": "false"})
        yield Try(f"{caller.name}: reads in the clear", expected=False, found=in_clear)


def wrong(tries: Iterator[Try]) -> list[str]:
    return [each.what for each in tries if each.is_wrong]


def test_seal_case_alone_signs_and_not_even_an_administrator(full: Stack, field: Field) -> None:
    throw(field, "everybody tries to sign evidence", tries_at_the_key(full))


def test_nobody_takes_evidence_away_and_seal_case_alone_stores_it(full: Stack, field: Field) -> None:
    throw(field, "everybody tries to change evidence", tries_at_the_bucket(full))


def test_without_evidence_admins_nobody_changes_the_lock(smallest: Stack) -> None:
    policy = of_the_bucket(smallest)
    assert not any(
        is_allowed(caller, action, place, policy)
        for caller in everybody(smallest)
        for action, place in zip(LOCKS, (OBJECT, BUCKET), strict=True)
    )


def test_the_key_is_the_accounts_whose_policies_decide_beside_its_own(either: Stack) -> None:
    root = {"AWS": ROOT}
    assert [each["Principal"] for each in of_the_key(either)] == [root, root, "*"]


def test_where_seal_case_is_not_named_nobody_signs(full: Stack) -> None:
    del of_the_key(full)[1]
    assert wrong(tries_at_the_key(full))


def test_where_administrators_had_every_right_to_the_key_the_deny_would_still_hold(full: Stack) -> None:
    change(full, ["EvidenceKey", "Properties", "KeyPolicy", "Statement", 0, "Action"], "kms:*")
    assert wrong(tries_at_the_key(full)) == [f"{SEALER}: kms:CreateGrant"]
    del of_the_key(full)[2]
    assert f"{OPERATOR}: kms:Sign" in wrong(tries_at_the_key(full))


@pytest.mark.parametrize("number", range(5))
def test_each_statement_of_the_bucket_is_needed(full: Stack, number: int) -> None:
    del of_the_bucket(full)[number]
    assert wrong(tries_at_the_bucket(full))


def test_administrators_administer_the_key_by_name(either: Stack) -> None:
    administration = of_the_key(either)[0]["Action"]
    assert not {"kms:*", "kms:Sign", "kms:CreateGrant"} & set(administration)
    # Else AWS refuses the key, or nobody could ever mend its policy.
    assert may(administrator(ROOT), "kms:PutKeyPolicy", either)


def test_nobody_is_kept_from_mending_the_buckets_policy(either: Stack) -> None:
    assert is_allowed(administrator(OPERATOR), "s3:PutBucketPolicy", BUCKET, of_the_bucket(either))


def test_the_key_signs_with_p_256_and_is_never_lost(either: Stack) -> None:
    key = either["EvidenceKey"]
    assert (key["Properties"]["KeySpec"], key["Properties"]["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    for each in ("EvidenceKey", "EvidenceBucket", "EvidenceBucketPolicy"):
        assert (either[each]["DeletionPolicy"], either[each]["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize(
    ("retention", "rule"),
    [
        ("none", None),
        ("governance", {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 400}}),
        ("compliance", {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 400}}),
    ],
)
def test_the_bucket_is_locked_as_the_deployment_wants_it(retention: str, rule: object) -> None:
    bucket = stack(FULL | {"EvidenceRetention": retention})["EvidenceBucket"]["Properties"]
    assert (bucket["ObjectLockEnabled"], bucket["VersioningConfiguration"]) == (True, {"Status": "Enabled"})
    assert bucket["ObjectLockConfiguration"].get("Rule") == rule


def test_by_default_the_lock_can_be_taken_back_on_purpose() -> None:
    bucket = stack(SMALLEST)["EvidenceBucket"]["Properties"]
    assert bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"] == "GOVERNANCE"


def test_evidence_is_deleted_thirty_days_after_its_lock_and_not_before(either: Stack) -> None:
    rules = either["EvidenceBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rules[0]["ExpirationInDays"] == 400
    assert rules[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_the_bucket_is_nobodys_but_the_accounts(either: Stack) -> None:
    assert set(either["EvidenceBucket"]["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}


def test_a_role_that_may_sign_beside_seal_case_is_noticed(full: Stack) -> None:
    for number in (1, 2):
        change(full, ["EvidenceKey", "Properties", "KeyPolicy", "Statement", number, "Condition"], {})
    assert wrong(tries_at_the_key(full))


#: as CloudTrail writes them, which appends the version of Lambda's API; the key's ARN stands under `resources`
CHANGES = [
    *(("aws.kms", each, {"resources": [{"type": "AWS::KMS::Key", "ARN": KEY}]}) for each in LOSE_THE_KEY),
    *(("aws.s3", each, {"requestParameters": {"bucketName": "EvidenceBucket"}}) for each in OPEN_THE_BUCKET),
    *(("aws.lambda", each, {"responseElements": {"functionName": SIGNS}}) for each in CHANGE_THE_CODE),
]
OTHERS = [
    ("aws.kms", "PutKeyPolicy", {"resources": [{"type": "AWS::KMS::Key", "ARN": KEY.replace("Evidence", "")}]}),
    ("aws.kms", "Sign", {"resources": [{"type": "AWS::KMS::Key", "ARN": KEY}]}),
    ("aws.s3", "PutBucketPolicy", {"requestParameters": {"bucketName": "another"}}),
    ("aws.lambda", CHANGE_THE_CODE[0], {"responseElements": {"functionName": "RevokeGrantsFunction"}}),
    # it failed
    ("aws.lambda", CHANGE_THE_CODE[0], {"responseElements": None, "requestParameters": {"functionName": SIGNS}}),
]


def is_told(made: Stack, source: str, name: str, detail: dict[str, Any]) -> bool:
    event = {"source": source, "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": name, **detail}}
    return matches(made["EvidenceChangedRule"]["Properties"]["EventPattern"], event)


@pytest.mark.parametrize(("source", "name", "detail"), CHANGES)
def test_whoever_changes_what_evidence_rests_on_is_told_of(
    either: Stack, source: str, name: str, detail: dict[str, Any]
) -> None:
    assert is_told(either, source, name, detail)


@pytest.mark.parametrize(("source", "name", "detail"), OTHERS)
def test_what_touches_no_evidence_rings_no_alarm(either: Stack, source: str, name: str, detail: dict[str, Any]) -> None:
    assert not is_told(either, source, name, detail)


def test_the_topic_is_told_who_it_was(full: Stack, smallest: Stack) -> None:
    assert full["EvidenceChangedRule"]["Properties"]["Targets"] == [{"Id": "topic", "Arn": FULL["AlarmTopicArn"]}]
    assert smallest["EvidenceChangedRule"]["Properties"]["Targets"] == []
