"""What must outlive the stack does, everything at rest is encrypted, and logs end some day."""

import pytest

from leaver.cases.table import CaseSummary, ListedCase
from tests.contract.iam import matches
from tests.contract.stack import DROP, FULL, FUNCTIONS, SMALLEST, Stack, change, kebab, of_type, stack

KEY = "arn:aws:kms:eu-west-1:123456789012:key/Key"
LOG_GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:"
TABLES: dict[str, dict[str, object]] = {
    "Cases": {
        "KeySchema": [
            {"AttributeName": "partition", "KeyType": "HASH"},
            {"AttributeName": "entry", "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "watch",
                "KeySchema": [
                    {"AttributeName": "watch", "KeyType": "HASH"},
                    {"AttributeName": "watch_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": list(CaseSummary.model_fields),
                },
            },
            {
                "IndexName": "state",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "effective_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": list(ListedCase.model_fields)[2:],
                },
            },
        ],
    },
    "Connections": {
        "KeySchema": [{"AttributeName": "connection", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "role",
                "KeySchema": [
                    {"AttributeName": "role", "KeyType": "HASH"},
                    {"AttributeName": "provider", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["account", "owner", "owner_id", "replaced_owner"],
                },
            },
            {
                "IndexName": "due",
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": "refresh_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["version", "trouble_since"]},
            },
        ],
    },
}


#: what begins anew if it is lost: how far calls are booked ahead, and which deliveries the bus has
PASSING: dict[str, dict[str, object]] = {
    "Pace": {"KeySchema": [{"AttributeName": "bucket", "KeyType": "HASH"}]},
    "Deliveries": {"KeySchema": [{"AttributeName": "delivery", "KeyType": "HASH"}]},
}
#: what DynamoDB may delete: a repeat is known for two weeks
FORGETS = {"Deliveries": {"AttributeName": "expires_at", "Enabled": True}}


def table_faults(stack: Stack) -> list[str]:
    faults = []
    for table, shape in (TABLES | PASSING).items():
        faults += _stays(stack, table) if table in TABLES else []
        restored = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}} if table in TABLES else {}
        expected = (
            shape
            | restored
            | {
                "BillingMode": "PAY_PER_REQUEST",
                "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
                # Nothing in it may end by itself: a receipt is evidence, a connection somebody's access.
                "TimeToLiveSpecification": FORGETS.get(table),
            }
        )
        found = stack[table]["Properties"]
        faults += [f"{table}: {name} is {found.get(name)}" for name in expected if found.get(name) != expected[name]]
    return faults


def key_faults(stack: Stack) -> list[str]:
    faults = _stays(stack, "Key")
    if stack["Key"]["Properties"]["EnableKeyRotation"] is not True:
        faults.append("Key: does not rotate")
    account, logs = stack["Key"]["Properties"]["KeyPolicy"]["Statement"]
    if account["Principal"] != {"AWS": "arn:aws:iam::123456789012:root"}:
        faults.append("Key: is not the account's")
    ours = {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/leaver-*",
                # what API Gateway writes
                "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/vendedlogs/leaver-*",
            ]
        }
    }
    if logs["Principal"] != {"Service": "logs.eu-west-1.amazonaws.com"} or logs["Condition"] != ours:
        faults.append("Key: serves other log groups than ours")
    return faults


def log_faults(stack: Stack) -> list[str]:
    faults = []
    names = {f"{function}LogGroup": f"/aws/lambda/leaver-{kebab(function)}" for function in FUNCTIONS}
    # API Gateway adds a name without this prefix to a policy of CloudWatch Logs, whose length is limited.
    names["FrontDoorLogGroup"] = "/aws/vendedlogs/leaver-front-door"
    for group, found in of_type(stack, "AWS::Logs::LogGroup"):
        if found != {"LogGroupName": names[group], "RetentionInDays": 90, "KmsKeyId": KEY}:
            faults.append(f"{group}: is {found}")
    return faults


def unreadable_groups(stack: Stack) -> list[str]:
    """The log groups that the key's policy does not admit: CloudWatch Logs could not make them."""
    *_, logs = stack["Key"]["Properties"]["KeyPolicy"]["Statement"]
    admitted = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    return [
        name
        for name, group in of_type(stack, "AWS::Logs::LogGroup")
        if not any(matches(each, f"{LOG_GROUP}{group['LogGroupName']}") for each in admitted)
    ]


def _stays(stack: Stack, logical_id: str) -> list[str]:
    policies = ("DeletionPolicy", "UpdateReplacePolicy")
    return [f"{logical_id}: {policy} is no Retain" for policy in policies if stack[logical_id].get(policy) != "Retain"]


def test_tables_outlive_the_stack_and_can_be_restored(either: Stack) -> None:
    assert {logical_id for logical_id, _ in of_type(either, "AWS::DynamoDB::Table")} == (TABLES | PASSING).keys()
    assert table_faults(either) == []


def test_the_key_rotates_and_outlives_the_stack(either: Stack) -> None:
    assert key_faults(either) == []


def test_logs_are_encrypted_and_end_some_day(either: Stack) -> None:
    assert log_faults(either) == []


def test_every_log_group_is_known(full: Stack) -> None:
    groups = {name for name, _ in of_type(full, "AWS::Logs::LogGroup")}
    assert groups == {f"{function}LogGroup" for function in FUNCTIONS} | {"FrontDoorLogGroup"}


def test_the_key_admits_every_log_group_whatever_the_stack_is_called(full: Stack) -> None:
    assert unreadable_groups(full) == []
    assert unreadable_groups(stack(SMALLEST | {"FrontDoor": "http-api"}, {"AWS::StackName": "hr-doors"})) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["FrontDoorLogGroup", "Properties", "LogGroupName"], "/aws/apigateway/leaver-front-door"),
        (["FrontDoorLogGroup", "Properties", "LogGroupName"], "/aws/vendedlogs/front-door-of-leaver"),
    ],
)
def test_a_log_group_that_the_key_does_not_admit_is_noticed(full: Stack, path: list[str | int], value: str) -> None:
    change(full, path, value)
    assert unreadable_groups(full) == ["FrontDoorLogGroup"]


def test_a_key_that_does_not_admit_what_the_gateway_writes_is_noticed(full: Stack) -> None:
    *_, logs = full["Key"]["Properties"]["KeyPolicy"]["Statement"]
    del logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"][1]
    assert unreadable_groups(full) == ["FrontDoorLogGroup"]


def test_a_given_key_is_used_everywhere_and_none_is_made() -> None:
    given = "arn:aws:kms:eu-west-1:123456789012:key/0e4f0d4c-7b0c-4c5c-9d0e-7a2f4a4c1c11"
    with_key = stack(FULL | {"KmsKeyArn": given})
    assert "Key" not in with_key
    assert KEY not in str(with_key)
    assert with_key["Cases"]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == given
    assert with_key["Connections"]["Properties"]["SSESpecification"]["KMSMasterKeyId"] == given
    variables = with_key["RetrieveUserTokenFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["KMS_KEY_ARN"] == given


@pytest.mark.parametrize(
    "path",
    [
        ["Cases", "DeletionPolicy"],
        ["Connections", "UpdateReplacePolicy"],
        ["Cases", "Properties", "PointInTimeRecoverySpecification"],
        ["Connections", "Properties", "SSESpecification"],
        ["Connections", "Properties", "GlobalSecondaryIndexes"],
    ],
)
def test_a_table_that_could_be_lost_is_noticed(full: Stack, path: list[str | int]) -> None:
    change(full, path, DROP)
    assert [fault for fault in table_faults(full) if fault.startswith(f"{path[0]}: {path[-1]} ")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["Key", "DeletionPolicy"], "Delete"),
        (["Key", "Properties", "EnableKeyRotation"], False),
        (["Key", "Properties", "KeyPolicy", "Statement", 0, "Principal"], {"AWS": "*"}),
        (["Key", "Properties", "KeyPolicy", "Statement", 1, "Condition"], {}),
    ],
)
def test_a_key_that_serves_others_or_is_lost_is_noticed(full: Stack, path: list[str | int], value: object) -> None:
    change(full, path, value)
    assert key_faults(full)


@pytest.mark.parametrize("group", ["RevokeGrantsLogGroup", "FrontDoorLogGroup"])
@pytest.mark.parametrize("name", ["RetentionInDays", "KmsKeyId"])
def test_a_log_group_that_is_kept_for_ever_or_in_clear_is_noticed(full: Stack, group: str, name: str) -> None:
    change(full, [group, "Properties", name], DROP)
    assert [fault for fault in log_faults(full) if fault.startswith(f"{group}: ")]
