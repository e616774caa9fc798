"""Each function has one role, and that role may do what the function does and nothing else."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any, get_args

import pytest

from leaver.cases.start import COMMANDS as STEPS
from leaver.cases.states import AnnouncementName
from leaver.messages import commands
from leaver.messages.commands import Command
from leaver.messages.events import ConnectionAnnouncement, ReconciliationAnnouncement
from leaver.messages.speakers import HR_EVENTS
from leaver.providers.sources import SOURCES as ASKED
from leaver.webhooks.sources import SOURCES
from tests.contract.iam import is_allowed, matches, principal
from tests.contract.stack import DROP, FIFO, FUNCTIONS, LANED, ONLY_ASKED, ONLY_SCHEDULED, Stack, change, kebab, of_type
from tests.contract.tries import Try, throw
from tests.field import Field, harms_of

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
CASES = "arn:aws:dynamodb:eu-west-1:123456789012:table/Cases"
READER = {
    "sqs:SendMessage": {"leaver-refresh-access-token.fifo"},
    "dynamodb:GetItem": {"table/Cases", "table/Connections"},
    # the receipts of a whole batch
    "dynamodb:BatchGetItem": {"table/Cases"},
    "dynamodb:UpdateItem": {"table/Cases"},
    "secretsmanager:GetSecretValue": {"leaver/tokens/zoom/*"},
    "kms:Decrypt": {"key/Key"},
    "kms:GenerateDataKey": {"key/Key"},
}
#: who carries out a step tells seal_case
STEP = READER | {"sqs:SendMessage": {"leaver-refresh-access-token.fifo", "leaver-seal-case.fifo"}}
#: who calls a provider's limited API books the calls ahead, unseen, and finds the connection of who named none
PACED = {
    "dynamodb:UpdateItem": {"table/Cases", "table/Pace"},
    "dynamodb:Query": {"table/Connections/index/role"},
}
#: of user tokens: unseen
DESTROYER = {
    "secretsmanager:DescribeSecret": {"leaver/user-tokens/*"},
    "secretsmanager:DeleteSecret": {"leaver/user-tokens/*"},
}
#: what whoever carries out a step may do in the table of cases: what belongs to no case is counted
KEPT_BY_A_STEP = {
    "GetItem": {"receipts#*", "message#*", "case#*", "hour#*"},
    "BatchGetItem": {"receipts#*", "message#*"},
    "UpdateItem": {"receipts#*", "message#*", "hour#*"},
}
#: function → action on the table of cases → partitions, and no others
PARTITIONS: dict[str, dict[str, set[str]]] = {
    # a step of no case: it sees that there is no such receipt, and writes none
    "RetrieveUserToken": {
        "GetItem": {"message#*", "person#*", "user-token#*"},
        "BatchGetItem": {"receipts#*", "message#*"},
        "UpdateItem": {"message#*", "user-token#*"},
        "PutItem": {"user-token#*"},
    },
    "RefreshAccessToken": {"GetItem": {"person#*"}},
    "RevokeAccessToken": KEPT_BY_A_STEP,
    "RevokeSsoToken": KEPT_BY_A_STEP,
    "RevokeGrants": KEPT_BY_A_STEP,
    "PurgeUserTokens": KEPT_BY_A_STEP
    | {
        "GetItem": KEPT_BY_A_STEP["GetItem"] | {"user-token#*"},
        "UpdateItem": KEPT_BY_A_STEP["UpdateItem"] | {"user-token#*"},
        "PutItem": {"user-token#*"},
        "Query": {"user-token#*"},
    },
    "DeactivateUser": KEPT_BY_A_STEP,
    "ScheduleRefreshes": {},
    "StartOffboarding": {
        # a receipt is a person's word on a step
        "GetItem": {"case#*", "person#*", "receipts#*", "hour#*"},
        "PutItem": {"case#*", "person#*", "heard#*"},
        "UpdateItem": {"case#*", "person#*", "receipts#*", "hour#*"},
        "Query": {"receipts#*"},
    },
    "LookUpPerson": {"PutItem": {"heard#*"}},
    "WatchDeadlines": {
        "GetItem": {"case#*", "person#*", "receipts#*", "user-token#*", "hour#*"},
        "PutItem": {"case#*", "person#*", "user-token#*"},
        "UpdateItem": {"case#*", "person#*", "receipts#*", "hour#*", "user-token#*"},
        # what is kept of somebody is destroyed also where the company has given the account up
        "Query": {"receipts#*", "user-token#*"},
    },
    "SealCase": {
        "GetItem": {"case#*", "person#*", "evidence#*", "log#*"},
        # the cutoff of somebody who stays, the key of a case's commitments, and receipts of nobody any more
        "PutItem": {"person#*", "evidence#*", "log#*", "receipts#*"},
        # whoever is erased
        "DeleteItem": {"person#*", "evidence#*"},
        "UpdateItem": {"case#*", "person#*"},
        "Query": {"case#*", "receipts#*", "heard#*"},
    },
    "ReceiveWebhook": {},
    "NotifyPeople": {},
    # who left, and by which case: it changes neither
    "Reconcile": {"GetItem": {"person#*", "case#*"}},
}
#: where the index of user tokens may be another table's, the secrets themselves are looked at
FINDER = {"secretsmanager:ListSecrets": {"*"}, "dynamodb:DescribeTable": {"table/Cases"}}
CA_BUNDLE = "leaver/venafi-ca-??????"
#: what is there only where a deployment names it
ROSTERS = "arn:aws:s3:::acme-rosters/*"
OF_OPTIONS = {CA_BUNDLE, "leaver-people", ROSTERS}
#: action → resources, without what every function may do
EVIDENCE = {f"arn:aws:s3:::EvidenceBucket/{each}/*" for each in ("cases", "days", "reconciliations")}
MAY: dict[str, dict[str, set[str]]] = {
    "RetrieveUserToken": READER
    | PACED
    | {
        "secretsmanager:CreateSecret": {"leaver/user-tokens/*"},
        "secretsmanager:PutSecretValue": {"leaver/user-tokens/*"},
        "secretsmanager:TagResource": {"leaver/user-tokens/*"},
        "secretsmanager:ListSecretVersionIds": {"leaver/user-tokens/*"},
        "dynamodb:PutItem": {"table/Cases"},
    }
    | DESTROYER,
    "RefreshAccessToken": {
        "dynamodb:GetItem": {"table/Cases", "table/Connections"},
        "dynamodb:UpdateItem": {"table/Connections"},
        "secretsmanager:GetSecretValue": {"leaver/credentials/*", "leaver/tokens/*", CA_BUNDLE},
        "secretsmanager:PutSecretValue": {"leaver/tokens/*"},
        "kms:Encrypt": {"key/Key"},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
    "RevokeAccessToken": STEP
    | {
        "dynamodb:UpdateItem": {"table/Cases", "table/Connections"},
        "secretsmanager:GetSecretValue": {"leaver/credentials/*", "leaver/tokens/*", CA_BUNDLE},
    },
    "RevokeSsoToken": STEP | PACED,
    "RevokeGrants": STEP
    | PACED
    | {
        "secretsmanager:GetSecretValue": {"leaver/tokens/venafi/*", CA_BUNDLE},
    },
    "PurgeUserTokens": STEP
    | PACED
    | DESTROYER
    | FINDER
    | {
        "dynamodb:PutItem": {"table/Cases"},
        "dynamodb:Query": {"table/Cases", "table/Connections/index/role"},
    },
    "DeactivateUser": STEP | PACED,
    "ScheduleRefreshes": {
        "sqs:SendMessage": {"leaver-refresh-access-token.fifo"},
        "dynamodb:Query": {"table/Connections/index/due"},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
    "StartOffboarding": {
        "sqs:SendMessage": {"leaver-refresh-access-token.fifo", "leaver-look-up-person", "leaver-seal-case.fifo"},
        "dynamodb:GetItem": {"table/Cases", "table/Connections"},
        "dynamodb:PutItem": {"table/Cases"},
        "dynamodb:UpdateItem": {"table/Cases", "table/Pace"},
        "dynamodb:Query": {"table/Cases", "table/Connections/index/role"},
        "secretsmanager:GetSecretValue": {"leaver/tokens/zoom/*"},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
    "LookUpPerson": {
        "sqs:SendMessage": {
            *("leaver-refresh-access-token.fifo", "leaver-start-offboarding", "leaver-start-offboarding-urgent")
        },
        "dynamodb:GetItem": {"table/Connections"},
        "dynamodb:PutItem": {"table/Cases"},
        "dynamodb:Query": {"table/Connections/index/role"},
        "secretsmanager:GetSecretValue": {f"leaver/tokens/{name}/*" for name in ASKED},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
    "SealCase": {
        "dynamodb:GetItem": {"table/Cases", "table/Connections"},
        "dynamodb:DeleteItem": {"table/Cases"},
        "dynamodb:PutItem": {"table/Cases"},
        "dynamodb:UpdateItem": {"table/Cases"},
        "dynamodb:Query": {"table/Cases", "table/Connections/index/role"},
        "s3:PutObject": EVIDENCE,
        "s3:GetObject": EVIDENCE,
        "kms:Sign": {"key/EvidenceKey"},
        "kms:GetPublicKey": {"key/EvidenceKey"},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
    "WatchDeadlines": DESTROYER
    | FINDER
    | {
        "sqs:SendMessage": {"leaver-seal-case.fifo", "leaver-start-offboarding", "leaver-start-offboarding-urgent"},
        "dynamodb:GetItem": {"table/Cases", "table/Connections", "table/Deliveries"},
        "dynamodb:PutItem": {"table/Cases"},
        "dynamodb:UpdateItem": {"table/Cases", "table/Deliveries"},
        "dynamodb:Query": {"table/Cases", "table/Cases/index/watch", "table/Connections/index/role"},
        "kms:Decrypt": {"key/Key"},
        "kms:GenerateDataKey": {"key/Key"},
    },
}
MAY["ReceiveWebhook"] = {
    "dynamodb:GetItem": {"table/Deliveries"},
    "dynamodb:PutItem": {"table/Deliveries"},
    "dynamodb:UpdateItem": {"table/Deliveries"},
    "secretsmanager:GetSecretValue": {"leaver/webhooks/*"},
    # takes no resource: of each secret GetSecretValue must be allowed
    "secretsmanager:BatchGetSecretValue": {"*"},
    # the handshake
    "secretsmanager:PutSecretValue": {"leaver/webhooks/gusto/*"},
    "kms:Decrypt": {"key/Key"},
    "kms:GenerateDataKey": {"key/Key"},
}
MAY["NotifyPeople"] = {
    "sns:Publish": {"leaver-people"},
    "dynamodb:GetItem": {"table/Deliveries"},
    "dynamodb:PutItem": {"table/Deliveries"},
    "kms:Decrypt": {"key/Key"},
    "kms:GenerateDataKey": {"key/Key"},
}
MAY["Reconcile"] = {
    # to itself, where a run goes on; and to the intake, which holds whom it names
    "sqs:SendMessage": {
        "leaver-refresh-access-token.fifo",
        "leaver-start-offboarding",
        "leaver-reconcile",
        "leaver-seal-case.fifo",
    },
    "dynamodb:GetItem": {"table/Cases", "table/Connections", "table/Deliveries"},
    "dynamodb:PutItem": {"table/Deliveries"},
    "dynamodb:UpdateItem": {"table/Deliveries", "table/Pace"},
    "dynamodb:Query": {"table/Connections/index/role"},
    "secretsmanager:GetSecretValue": {
        *("leaver/tokens/zoom/*", "leaver/tokens/venafi/*", "leaver/tokens/okta/*", CA_BUNDLE)
    },
    "secretsmanager:ListSecrets": {"*"},
    "s3:GetObject": {ROSTERS},
    "kms:Decrypt": {"key/Key"},
    "kms:GenerateDataKey": {"key/Key"},
}
#: who answers to people: whoever works on a queue
ANSWERS = sorted(MAY.keys() - {"WatchDeadlines", "ReceiveWebhook"})
for each in ANSWERS:
    MAY[each] = MAY[each] | {"dynamodb:PutItem": MAY[each].get("dynamodb:PutItem", set()) | {"table/Deliveries"}}
#: of its own queue, whoever has one
CONSUMES = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")
#: who sends commands, and does not only tell what it did
COMMANDERS = {"StartOffboarding", "SealCase", "WatchDeadlines"}
#: what is pending of a case, whoever comes to tell of it; that it is completed seal_case alone tells
OF_CASES = set(get_args(AnnouncementName)) - {"OffboardingCompleted"}
CARRIED_OUT: list[type[Command]] = [*STEPS.values(), commands.RetrieveUserToken, commands.RefreshAccessToken]
#: function → what it announces, as its code makes it
ANNOUNCES: dict[str, set[str]] = {
    **{each.__name__: {each.announced_as, each.failure_announced_as} for each in CARRIED_OUT},
    # only that it could not be passed on
    "ScheduleRefreshes": {commands.RefreshAccessToken.failure_announced_as},
    "StartOffboarding": OF_CASES | {"StepClosed", Command.failure_announced_as},
    "LookUpPerson": {Command.failure_announced_as},
    "SealCase": OF_CASES | {"OffboardingCompleted", Command.failure_announced_as},
    "WatchDeadlines": OF_CASES | {"SourceSilent"},
    "ReceiveWebhook": set(),
    "NotifyPeople": {"PeopleNotified"},
    "Reconcile": {
        *get_args(ReconciliationAnnouncement.model_fields["detail_type"].annotation),
        Command.failure_announced_as,
    },
}
ANNOUNCES["RefreshAccessToken"] |= set(get_args(ConnectionAnnouncement.model_fields["detail_type"].annotation))
#: who refreshes and revokes the tokens themselves, whosever they are
ASKS_EVERY_PROVIDER = {"RefreshAccessToken", "RevokeAccessToken"}
READS_NO_ZOOM_TOKEN = {
    "RevokeGrants",
    "ScheduleRefreshes",
    "SealCase",
    "WatchDeadlines",
    "LookUpPerson",
    "NotifyPeople",
}
IN_A_NETWORK = {"RefreshAccessToken", "RevokeAccessToken", "RevokeGrants", "Reconcile"}

#: one secret of each kind, as Secrets Manager names it: with a hyphen and six characters of its own
SECRETS = {
    "credentials": SECRET + "leaver/credentials/zoom/main-a1B2c3",
    "tokens": SECRET + "leaver/tokens/zoom/main-a1B2c3",
    "Venafi's tokens": SECRET + "leaver/tokens/venafi/zoom-a1B2c3",
    **{f"tokens of {name}": f"{SECRET}leaver/tokens/{name}/main-a1B2c3" for name in ASKED},
    "user tokens": SECRET + "leaver/user-tokens/KDcuGIm1QgePTO8WbOqwIQ/zoom/zak-a1B2c3",
    "CA bundle": SECRET + "leaver/venafi-ca-a1B2c3",
    "what Gusto signs with": SECRET + "leaver/webhooks/gusto/main-a1B2c3",
    "CA bundle's neighbour": SECRET + "leaver/venafi-ca-of-another-a1B2c3",
    "another deployment's tokens": SECRET + "leaver-test/tokens/zoom/main-a1B2c3",
    "somebody else's": SECRET + "payroll/database-a1B2c3",
}


def statements(stack: Stack, function: str) -> list[dict[str, Any]]:
    """What a function's role allows; each statement's actions and resources as lists."""
    found = []
    beside = [policy for _, policy in of_type(stack, "AWS::IAM::Policy") if f"{function}Role" in policy["Roles"]]
    for policy in (*stack[f"{function}Role"]["Properties"]["Policies"], *beside):
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            listed = {
                name: [statement[name]] if isinstance(statement[name], str) else statement[name]
                for name in ("Action", "Resource")
            }
            found.append(statement | listed)
    return found


def is_of_all_secrets(statement: dict[str, Any]) -> bool:
    """Whether this is a right that AWS grants for all secrets or none, in this region.

    To list names and tags; and to read several at once, each of which GetSecretValue has to allow.
    """
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    return (statement["Action"], statement["Resource"], statement.get("Condition")) in [
        ([f"secretsmanager:{action}"], ["*"], condition) for action in ("ListSecrets", "BatchGetSecretValue")
    ]


def may(stack: Stack, function: str, action: str, resource: str) -> bool:
    return any(
        any(matches(each.lower(), action.lower()) for each in statement["Action"])
        and any(matches(each, resource) for each in statement["Resource"])
        for statement in statements(stack, function)
    )


def grant_faults(stack: Stack, *, options: bool = True) -> list[str]:
    """Compare each role with what is written above, action by action; without `options` nobody needs theirs."""
    faults = []
    for function in FUNCTIONS:
        own = f"leaver-{kebab(function)}"
        fifo = ".fifo" if function in FIFO else ""
        consumes = function not in ONLY_SCHEDULED | ONLY_ASKED
        lanes = {f"{own}{fifo}", *({f"{own}-urgent"} if function in LANED else ())}
        every = {action: lanes for action in CONSUMES if consumes} | {
            "events:PutEvents": {"event-bus/EventBus"},
            "logs:CreateLogStream": {f"/aws/lambda/{own}:*"},
            "logs:PutLogEvents": {f"/aws/lambda/{own}:*"},
        }
        expected = every | MAY[function]
        if function not in ONLY_ASKED:
            parks = {f"{own}-dead-letters{fifo}"}
            expected["sqs:SendMessage"] = parks | expected.get("sqs:SendMessage", set())
        if function == "NotifyPeople":
            del expected["sqs:ChangeMessageVisibility"]
        if not options:
            given = ((action, resources - OF_OPTIONS) for action, resources in expected.items())
            expected = {action: resources for action, resources in given if resources}
        found: dict[str, set[str]] = {}
        for statement in statements(stack, function):
            for action in statement["Action"]:
                found.setdefault(action, set()).update(_short(each) for each in statement["Resource"])
        faults += [
            f"{function}: may {action} on {found.get(action)}, not {expected.get(action)}"
            for action in expected.keys() | found.keys()
            if found.get(action) != expected.get(action)
        ]
    return faults


def _short(arn: str) -> str:
    """The part of an ARN that is ours; anything that is no ARN of this account stays whole."""
    return re.sub(r"^arn:aws:(\w+):eu-west-1:123456789012:(?:secret:|log-group:)?(?=.)", "", arn)


def wildcard_faults(stack: Stack) -> list[str]:
    """No wildcard is a whole action or resource; those there are stand for what arises at run time."""
    tokens = ("tokens/zoom/*", "tokens/venafi/*", *(f"tokens/{name}/*" for name in ASKED), "tokens/*")
    arises = (
        "acme-rosters/*",
        "webhooks/*",
        "webhooks/gusto/*",
        *tokens,
        "credentials/*",
        "/cases/*",
        "/days/*",
        "/reconciliations/*",
        ":*",
        "-??????",
    )
    faults = []
    for function in FUNCTIONS:
        for statement in statements(stack, function):
            faults += [f"{function}: any {action}" for action in statement["Action"] if "*" in action]
            faults += [
                f"{function}: any {resource}"
                for resource in statement["Resource"]
                if not is_of_all_secrets(statement)
                and re.search(r"[*?]", resource.removesuffix(next(filter(resource.endswith, arises), "")))
            ]
    return faults


def secret_faults(stack: Stack) -> list[str]:
    """No pattern matches two kinds of secret, or a secret that is not ours."""
    tokens = {"tokens", "Venafi's tokens", *(f"tokens of {name}" for name in ASKED)}
    ours = {"credentials", "user tokens", "CA bundle", "what Gusto signs with"} | tokens
    faults = []
    for function in FUNCTIONS:
        for statement in statements(stack, function):
            if is_of_all_secrets(statement):
                continue
            for pattern in statement["Resource"]:
                kinds = {kind for kind, arn in SECRETS.items() if matches(pattern, arn)}
                is_about_secrets = any(action.startswith("secretsmanager:") for action in statement["Action"])
                if function in ASKS_EVERY_PROVIDER and kinds == tokens:
                    continue
                if len(kinds) > 1 or kinds - ours or (is_about_secrets and not kinds):
                    faults.append(f"{function}: {pattern} matches {sorted(kinds)}")
    return faults


#: what a refresh token that Secrets Manager did not take is sealed for
SEALS = {
    "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["connection", "parent_version"]},
    "Null": {"kms:EncryptionContext:connection": "false", "kms:EncryptionContext:parent_version": "false"},
}


#: with the key of evidence
SIGNS = ["kms:Sign", "kms:GetPublicKey"]


def condition_faults(stack: Stack) -> list[str]:
    """Functions announce what they make, three command; the key is used through services; the refresher seals."""
    faults = []
    for function in FUNCTIONS:
        speaks = [{"events:source": "leaver", "events:detail-type": ANNOUNCES[function]}]
        if function == "ReceiveWebhook":
            types = {each.detail_type for each in SOURCES.values()}
            speaks = [{"events:source": HR_EVENTS, "events:detail-type": types}]
        if function in COMMANDERS:
            speaks.append({"events:source": "leaver.command", "events:detail-type": set(STEPS)})
        if (spoken := list(_spoken(stack, function))) != speaks:
            faults.append(f"{function}: speaks {spoken}, not {speaks}")
        faults += [fault for each in statements(stack, function) if (fault := _fault_with_keys(function, each))]
    return faults


def _fault_with_keys(function: str, statement: dict[str, Any]) -> str | None:
    condition = statement.get("Condition")
    if "kms:Encrypt" in statement["Action"]:
        if function != "RefreshAccessToken" or condition != SEALS:
            return f"{function}: encrypts on condition {condition}"
    elif statement["Action"] == SIGNS:
        if function != "SealCase" or not statement["Resource"][0].endswith(":key/EvidenceKey"):
            return f"{function}: signs"
    elif any(action.startswith("kms:") for action in statement["Action"]):
        through = (condition or {}).get("StringEquals", {}).get("kms:ViaService", [])
        through = {through} if isinstance(through, str) else set(through)
        if not through or through - {"dynamodb.eu-west-1.amazonaws.com", "secretsmanager.eu-west-1.amazonaws.com"}:
            return f"{function}: uses the key through {through}"
    return None


def _spoken(stack: Stack, function: str) -> Iterator[object]:
    for statement in statements(stack, function):
        if "events:PutEvents" in statement["Action"]:
            condition = dict(statement.get("Condition", {}))
            both = condition.pop("ForAllValues:StringEquals", {})
            # ForAllValues alone is true of nothing.
            narrowed = condition == {"Null": {"events:source": "false", "events:detail-type": "false"}}
            types = both.get("events:detail-type", "*")
            types = {types} if isinstance(types, str) else set(types)
            yield {**both, "events:detail-type": types} if narrowed else condition


def key_faults(stack: Stack) -> list[str]:
    """Compare which partitions of the table of cases each role gets at with what is written above."""
    faults = []
    for function in FUNCTIONS:
        found: dict[str, set[str]] = {}
        for statement in statements(stack, function):
            if any(resource.endswith("table/Cases") for resource in statement["Resource"]):
                keys = leading_keys(statement.get("Condition", {}))
                for action in set(statement["Action"]) - {"dynamodb:DescribeTable"}:  # which knows no items
                    found.setdefault(action.removeprefix("dynamodb:"), set()).update(keys)
        expected = PARTITIONS[function]
        faults += [
            f"{function}: may {action} {sorted(found.get(action, ()))}, not {sorted(expected.get(action, ()))}"
            for action in sorted(found.keys() | expected.keys())
            if found.get(action) != expected.get(action)
        ]
    return faults


def leading_keys(condition: Mapping[str, Any]) -> list[str]:
    """The partitions that a condition narrows to; all of them, where it is not exactly that."""
    keys = condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", "*")
    narrowed = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}, "Null": {"dynamodb:LeadingKeys": "false"}}
    if condition != narrowed:
        return ["*"]
    return [keys] if isinstance(keys, str) else list(keys)


def role_faults(stack: Stack) -> list[str]:
    """One role per function, for Lambda alone, and no managed policy but the network's."""
    faults = []
    network = ["arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"]
    for function in FUNCTIONS:
        properties = stack[f"{function}Function"]["Properties"]
        if properties["Role"] != f"arn:aws:iam::123456789012:role/{function}Role":
            faults.append(f"{function}: runs as {properties['Role']}")
        role = stack[f"{function}Role"]["Properties"]
        trusted = [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
        if role["AssumeRolePolicyDocument"]["Statement"] != trusted:
            faults.append(f"{function}: its role is for others too")
        if role.get("ManagedPolicyArns", []) != (network if "VpcConfig" in properties else []):
            faults.append(f"{function}: has the managed policies {role.get('ManagedPolicyArns')}")
    return faults


def test_every_function_may_do_what_it_does_and_nothing_else(full: Stack) -> None:
    assert grant_faults(full) == []


def test_without_a_ca_bundle_nobody_may_read_one_and_without_a_topic_nobody_may_tell_it(smallest: Stack) -> None:
    assert grant_faults(smallest, options=False) == []


def test_no_wildcard_is_a_whole_action_or_resource(either: Stack) -> None:
    assert wildcard_faults(either) == []


def test_no_pattern_matches_another_kind_of_secret(either: Stack) -> None:
    assert secret_faults(either) == []


@pytest.mark.parametrize(
    ("kind", "readers"),
    [
        ("credentials", ASKS_EVERY_PROVIDER),
        ("tokens", set(FUNCTIONS) - READS_NO_ZOOM_TOKEN - ONLY_ASKED),
        ("Venafi's tokens", ASKS_EVERY_PROVIDER | {"RevokeGrants", "Reconcile"}),
        *(
            (f"tokens of {name}", ASKS_EVERY_PROVIDER | {"LookUpPerson"} | ({"Reconcile"} if entry.roster else set()))
            for name, entry in ASKED.items()
        ),
        ("user tokens", set()),
        ("CA bundle", IN_A_NETWORK),
        ("what Gusto signs with", ONLY_ASKED),
        ("CA bundle's neighbour", set()),
        ("another deployment's tokens", set()),
        ("somebody else's", set()),
    ],
)
def test_a_secret_is_read_by_those_who_need_it(full: Stack, kind: str, readers: set[str], field: Field) -> None:
    action = "secretsmanager:GetSecretValue"
    throw(
        field,
        "every role reads every kind of secret",
        [Try(each, expected=each in readers, found=may(full, each, action, SECRETS[kind])) for each in FUNCTIONS],
    )


@pytest.mark.parametrize(
    "action",
    [
        "CreateSecret",
        "DeleteSecret",
        "PutResourcePolicy",
        "PutSecretValue",
        "RotateSecret",
        "TagResource",
        "UpdateSecret",
        "UpdateSecretVersionStage",
    ],
)
def test_only_the_refresher_and_the_revoker_may_do_more_to_tokens_than_read_them(full: Stack, action: str) -> None:
    writers = {each for each in FUNCTIONS if may(full, each, f"secretsmanager:{action}", SECRETS["tokens"])}
    assert writers <= {"RefreshAccessToken", "RevokeAccessToken"}


def test_all_secrets_names_are_seen_by_who_looks_for_user_tokens_alone(full: Stack) -> None:
    may_list = {each for each in FUNCTIONS if may(full, each, "secretsmanager:ListSecrets", SECRETS["somebody else's"])}
    assert may_list == {"PurgeUserTokens", "WatchDeadlines", "Reconcile"}


def test_a_list_that_becomes_more_than_a_list_is_noticed(full: Stack) -> None:
    path = _statement_about(full, "PurgeUserTokens", "secretsmanager:ListSecrets")
    change(full, [*path, "Action"], ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue"])
    assert wildcard_faults(full)
    assert secret_faults(full)


def test_nobody_writes_what_people_stored(full: Stack) -> None:
    for function in FUNCTIONS:
        for statement in statements(full, function):
            if is_of_all_secrets(statement):
                continue
            if any(matches(pattern, SECRETS["credentials"]) for pattern in statement["Resource"]):
                assert statement["Action"] == ["secretsmanager:GetSecretValue"]


def test_functions_speak_as_themselves_and_use_the_key_through_its_services(either: Stack) -> None:
    assert condition_faults(either) == []


def test_every_function_gets_at_its_own_partitions_of_the_cases_and_at_no_others(either: Stack) -> None:
    assert key_faults(either) == []


def partition_tries(stack: Stack, functions: Iterable[str] = FUNCTIONS) -> Iterator[Try]:
    """Let each role try every operation on each partition of the cases, alone and beside its own, and on all."""
    kinds = sorted({kind for may in PARTITIONS.values() for each in may.values() for kind in each})
    actions = {action for may in PARTITIONS.values() for action in may} | {"Scan", "DeleteItem", "BatchWriteItem"}
    for function, action in product(functions, sorted(actions)):
        own = PARTITIONS[function].get(action, set())
        role = principal(f"{function}Role", statements(stack, function))
        asked = [{kind} for kind in kinds] + [{kind, *own} for kind in kinds if kind not in own] + [set[str]()]
        for partitions in asked:
            keys = {"dynamodb:LeadingKeys": [each.replace("*", "1") for each in partitions]} if partitions else {}
            found = is_allowed(role, f"dynamodb:{action}", CASES, [], keys)
            expected = bool(partitions) and partitions <= own
            yield Try(f"{function}: {action} {sorted(partitions)}", expected=expected, found=found)


def test_a_role_gets_at_no_partition_of_the_cases_but_its_own(either: Stack, field: Field) -> None:
    throw(field, "every role tries every partition of the cases", partition_tries(either))


def test_intake_watch_and_seal_case_alone_may_change_a_case(full: Stack) -> None:
    writes = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
    writers = {each for each, may in PARTITIONS.items() if any("case#*" in may.get(action, ()) for action in writes)}
    assert writers == {"StartOffboarding", "WatchDeadlines", "SealCase"}
    path = _statement_about(full, "RevokeSsoToken", "dynamodb:UpdateItem", "table/Cases")
    change(full, [*path, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"], ["receipts#*", "case#*"])
    assert key_faults(full)


def test_a_receipt_of_a_case_is_written_by_who_carries_out_steps_and_by_who_decides_and_watches() -> None:
    writers = {each for each, may in PARTITIONS.items() if "receipts#*" in may.get("UpdateItem", ())}
    assert writers == {*STEPS, "StartOffboarding", "WatchDeadlines"}


#: function → action → what of the deliveries it gets at; who may post is written by people alone
DELIVERIES: dict[str, dict[str, set[str]]] = {
    **{each: {"PutItem": {"preview#1"}} for each in ANSWERS},
    "WatchDeadlines": {"GetItem": {"connected", "spoke", "silent"}, "UpdateItem": {"silent"}},
    "NotifyPeople": {"GetItem": {"notice#1"}, "PutItem": {"notice#1", "preview#1"}},
}


@pytest.mark.parametrize("function", DELIVERIES)
def test_of_the_deliveries_each_gets_at_its_own_notes_alone(either: Stack, function: str) -> None:
    role = principal(f"{function}Role", statements(either, function))
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/Deliveries"
    for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"):
        found = {
            key
            for key in ("connected", "spoke", "silent", "notice#1", "preview#1", "hibob/main#1")
            if is_allowed(role, f"dynamodb:{action}", table, [], {"dynamodb:LeadingKeys": [key]})
        }
        assert found == DELIVERIES[function].get(action, set()), action


@pytest.mark.parametrize(("function", "action"), [(f, action) for f, may in PARTITIONS.items() for action in may])
@pytest.mark.parametrize("part", [DROP, "Null", "LeadingKeys"])
def test_a_way_to_all_partitions_is_noticed(full: Stack, function: str, action: str, part: object) -> None:
    path = _statement_about(full, function, f"dynamodb:{action}", "table/Cases")
    match part:
        case "Null":
            change(full, [*path, "Condition", "Null"], DROP)
        case "LeadingKeys":
            change(full, [*path, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys"], "*")
        case _:
            change(full, [*path, "Condition"], DROP)
    assert [fault for fault in key_faults(full) if fault.startswith(f"{function}: may {action} ")]

    def that_role_tries(field: Field) -> None:
        throw(field, "that role tries every partition of the cases", partition_tries(full, [function]))

    assert harms_of(that_role_tries).keys() == {"false"}


def test_nobody_but_the_refresher_may_encrypt(full: Stack) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/Key"
    assert {each for each in FUNCTIONS if may(full, each, "kms:Encrypt", key)} == {"RefreshAccessToken"}


@pytest.mark.parametrize(
    "value",
    [
        DROP,
        {"ForAllValues:StringEquals": SEALS["ForAllValues:StringEquals"]},
        {"Null": SEALS["Null"]},
        {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}},
    ],
    ids=["none", "no keys at all are allowed", "more keys are allowed", "through a service"],
)
def test_a_seal_that_would_open_something_else_is_noticed(full: Stack, value: object) -> None:
    change(full, [*_statement_about(full, "RefreshAccessToken", "kms:Encrypt"), "Condition"], value)
    assert [fault for fault in condition_faults(full) if fault.startswith("RefreshAccessToken: encrypts ")]


def test_another_that_encrypts_is_noticed(full: Stack) -> None:
    path = _statement_about(full, "RevokeAccessToken", "kms:Decrypt")
    change(full, [*path, "Action"], ["kms:Encrypt", "kms:Decrypt"])
    assert [fault for fault in condition_faults(full) if fault.startswith("RevokeAccessToken: encrypts ")]


def test_every_function_has_a_role_of_its_own(either: Stack) -> None:
    assert role_faults(either) == []


def test_no_policy_lies_beside_the_roles(either: Stack) -> None:
    # A policy of its own could be hung on any role, and nothing above would see it.
    of_iam = {logical_id: each["Type"] for logical_id, each in either.items() if each["Type"].startswith("AWS::IAM::")}
    of_iam.pop("NotifyDestinationRole", None)
    # But for what the role itself can't say: the key that it may use names the role.
    assert of_iam.pop("SignEvidencePolicy") == "AWS::IAM::Policy"
    assert either["SignEvidencePolicy"]["Properties"]["Roles"] == ["SealCaseRole"]
    assert of_iam == {f"{function}Role": "AWS::IAM::Role" for function in FUNCTIONS}


def test_eventbridge_may_post_notices_to_the_one_address(full: Stack) -> None:
    properties = full["NotifyDestinationRole"]["Properties"]
    assert properties.keys() == {"AssumeRolePolicyDocument", "Policies"}
    trusted = [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    assert properties["AssumeRolePolicyDocument"]["Statement"] == trusted
    address = "arn:aws:events:eu-west-1:123456789012:api-destination/NotifyDestination"
    assert [each["PolicyDocument"]["Statement"] for each in properties["Policies"]] == [
        [{"Effect": "Allow", "Action": "events:InvokeApiDestination", "Resource": address}]
    ]
    [target] = full["NotifyDestinationRule"]["Properties"]["Targets"]
    assert (target["Arn"], target["RoleArn"]) == (address, "arn:aws:iam::123456789012:role/NotifyDestinationRole")


def _statement_about(stack: Stack, function: str, action: str, resource: str = "") -> list[str | int]:
    """The path to the first statement of a role that holds an action on what is called so."""
    path: list[str | int] = [f"{function}Role", "Properties", "Policies", 0, "PolicyDocument", "Statement"]
    index = next(
        i
        for i, each in enumerate(statements(stack, function))
        if action in each["Action"] and any(found.endswith(resource) for found in each["Resource"])
    )
    return [*path, index]


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        ("dynamodb:GetItem", "Resource", "*"),
        ("dynamodb:GetItem", "Action", "*"),
        ("dynamodb:GetItem", "Action", "dynamodb:*"),
        ("sqs:SendMessage", "Resource", "arn:aws:sqs:eu-west-1:123456789012:leaver-*"),
        ("secretsmanager:GetSecretValue", "Resource", SECRET + "*/tokens/*"),
    ],
)
def test_a_wildcard_too_many_is_noticed(full: Stack, action: str, name: str, value: object) -> None:
    change(full, [*_statement_about(full, "RevokeSsoToken", action), name], value)
    assert [fault for fault in wildcard_faults(full) if fault.startswith("RevokeSsoToken: any ")]
    assert grant_faults(full)


@pytest.mark.parametrize(
    "pattern",
    [
        SECRET + "leaver/*",
        SECRET + "leaver/tokens/*",
        SECRET + "leaver/*tokens/*",
        SECRET + "leaver*/tokens/*",
        SECRET + "leaver/venafi-ca-*",
        SECRET + "leaver/token/*",
    ],
)
def test_a_pattern_that_matches_other_secrets_or_none_is_noticed(full: Stack, pattern: str) -> None:
    change(full, [*_statement_about(full, "RevokeSsoToken", "secretsmanager:GetSecretValue"), "Resource"], pattern)
    assert [fault for fault in secret_faults(full) if fault.startswith("RevokeSsoToken: ")]
    assert grant_faults(full)


def test_a_role_that_reads_another_kind_of_secret_makes_its_row_red(full: Stack) -> None:
    path = _statement_about(full, "RevokeSsoToken", "secretsmanager:GetSecretValue")
    change(full, [*path, "Resource"], SECRET + "leaver/credentials/*")
    test = test_a_secret_is_read_by_those_who_need_it
    assert harms_of(partial(test, full, "credentials", ASKS_EVERY_PROVIDER)) == {"false": 1}
    readers = set(FUNCTIONS) - READS_NO_ZOOM_TOKEN - ONLY_ASKED
    assert harms_of(partial(test, full, "tokens", readers)) == {"lost": 1}


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("secretsmanager:GetSecretValue", ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]),
        ("dynamodb:UpdateItem", ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]),
        ("sqs:ReceiveMessage", ["sqs:ReceiveMessage", "sqs:DeleteMessage"]),
    ],
)
def test_an_action_too_many_or_too_few_is_noticed(full: Stack, action: str, value: object) -> None:
    change(full, [*_statement_about(full, "RevokeSsoToken", action), "Action"], value)
    assert [fault for fault in grant_faults(full) if fault.startswith("RevokeSsoToken: ")]


@pytest.mark.parametrize(
    ("action", "value"),
    [
        ("events:PutEvents", DROP),
        ("events:PutEvents", {"ForAllValues:StringEquals": {"events:source": "leaver"}}),
        (
            "events:PutEvents",
            {
                "ForAllValues:StringEquals": {"events:source": "leaver"},
                "Null": {"events:source": "false", "events:detail-type": "false"},
            },
        ),
        ("kms:Decrypt", DROP),
        ("kms:Decrypt", {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}),
    ],
)
def test_a_condition_that_is_missing_is_noticed(full: Stack, action: str, value: object) -> None:
    change(full, [*_statement_about(full, "RevokeSsoToken", action), "Condition"], value)
    assert [fault for fault in condition_faults(full) if fault.startswith("RevokeSsoToken: ")]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["RevokeSsoTokenFunction", "Properties", "Role"], "arn:aws:iam::123456789012:role/RevokeGrantsRole"),
        (["RevokeSsoTokenRole", "Properties", "ManagedPolicyArns"], ["arn:aws:iam::aws:policy/AdministratorAccess"]),
        (
            ["RevokeSsoTokenRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0, "Principal"],
            {"AWS": "*"},
        ),
    ],
)
def test_a_role_that_is_shared_or_open_is_noticed(full: Stack, path: list[str | int], value: object) -> None:
    change(full, path, value)
    assert [fault for fault in role_faults(full) if fault.startswith("RevokeSsoToken: ")]
