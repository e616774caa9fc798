"""What the functions' roles grant, held against what their processes used of it in the whole suite."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from local.aws.moto_server import CREDENTIAL
from local.aws.partitions import NOTES, SIGNING_KEY, Reach
from local.aws.template import ACCOUNT, REGION
from tests.contract.iam import is_allowed, matches, principal
from tests.contract.stack import FULL, FUNCTIONS, Stack, arn, kebab, of_type, stack
from tests.contract.test_template_permissions import CASES, SECRET, leading_keys, statements
from tests.contract.test_template_queue_policies import ROLE
from tests.contract.test_template_speakers import BUS

TABLE = CASES.removesuffix("Cases")
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:"
#: as the local world calls it
BUCKET = "leaver-evidencebucket"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/Key"
EVIDENCE_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:{SIGNING_KEY}"

#: what the functions of this process's worlds got at
USED: Final[set[Reach]] = set()

#: what AWS does in the name of a function's role, and no function calls
BY_AWS: Final[Mapping[str, str]] = {
    "sqs:ReceiveMessage": "Lambda polls the queue",
    "sqs:DeleteMessage": "Lambda polls the queue",
    "sqs:GetQueueAttributes": "Lambda polls the queue",
    "logs:CreateLogStream": "Lambda writes the log",
    "logs:PutLogEvents": "Lambda writes the log",
}


class Grant(NamedTuple):
    """One thing that a role allows; `name` as `Reach` has it, with IAM's wildcards."""

    function: str
    action: str
    name: str

    def covers(self, use: Reach) -> bool:
        """Whether whoever did that needed this grant."""
        if (f"leaver-{kebab(self.function)}", self.action) != (use.access_key, use.action):
            return False
        # Secrets Manager adds a hyphen and six characters to a secret's name.
        return matches(self.name, use.name) or matches(self.name, f"{use.name}-a1B2c3")


#: what no function's process can be seen to use here, and why it is granted all the same
EXCUSED: Final[Mapping[Grant, str]] = {
    Grant("RefreshAccessToken", "kms:Encrypt", "connection parent_version"): (
        "only in the last seconds of ninety: tests/unit/test_refresh_encrypted.py, tests/integration/test_encryption.py"
    ),
    **{
        Grant(function, "secretsmanager:GetSecretValue", "leaver/venafi-ca-??????"): (
            "the simulated Venafi speaks plain HTTP: tests/faults/test_ca_bundle.py"
        )
        for function in ("RefreshAccessToken", "RevokeAccessToken", "RevokeGrants", "Reconcile")
    },
    Grant("SealCase", "s3:GetObject", f"{BUCKET}/cases/*"): (
        "only after a run that was killed when it had stored it: tests/integration/test_evidence.py"
    ),
    Grant("SealCase", "s3:GetObject", f"{BUCKET}/days/*"): (
        "only where a day before was told of: tests/cases/test_days.py"
    ),
    Grant("SealCase", "s3:GetObject", f"{BUCKET}/reconciliations/*"): (
        "only where a run is told of twice: tests/reconcile/test_sealing.py"
    ),
    Grant("WatchDeadlines", "sqs:SendMessage", "leaver-watch-deadlines-dead-letters"): (
        "Lambda sends there what failed twice: tests/contract/test_template_functions.py"
    ),
}


def grants(stack: Stack) -> Iterator[Grant]:
    """Tell what the roles of a stack allow, but for what AWS does in their name."""
    for function in FUNCTIONS:
        for statement in statements(stack, function):
            for action in statement["Action"]:
                if action not in BY_AWS:
                    yield from (Grant(function, action, name) for name in _names(action, statement))


@cache
def full_stack() -> Stack:
    """The stack with every option in use; nobody changes it."""
    return stack(FULL)


def strays(reached: Iterable[Reach]) -> set[Reach]:
    """What functions got at although their roles, the queues or the bus do not let them: moto does."""
    return {each for each in reached if each.access_key != CREDENTIAL and not _may_reach(each)}


def faults(granted: Collection[Grant], used: Iterable[Reach], excused: Mapping[Grant, str] = EXCUSED) -> list[str]:
    """Tell what is granted and not used, used and not granted, or excused without need."""
    seen = set(used)
    unused = {each for each in granted if not any(map(each.covers, seen))}
    return [
        *(f"{' '.join(each)}: granted, and used by no test" for each in sorted(unused - excused.keys())),
        *(f"{' '.join(each)}: used, and not granted" for each in sorted(strays(seen))),
        *(f"{' '.join(each)}: excused, but used or not granted" for each in sorted(excused.keys() - unused)),
    ]


def table(granted: Collection[Grant], used: Iterable[Reach]) -> Iterator[str]:
    """Return the table for a terminal: how much each function may do, and how much of it was seen."""
    seen = set(used)
    yield f"{'function':<20}{'grants':>8}{'used':>8}{'excused':>9}"
    for function in FUNCTIONS:
        own = [each for each in granted if each.function == function]
        found = sum(any(map(each.covers, seen)) for each in own)
        yield f"{function:<20}{len(own):>8}{found:>8}{sum(each in EXCUSED for each in own):>9}"


@cache
def _may_reach(reach: Reach) -> bool:
    made = full_stack()
    [function] = [each for each in FUNCTIONS if f"leaver-{kebab(each)}" == reach.access_key]
    caller = principal(f"{ROLE}{function}Role", statements(made, function))
    return is_allowed(caller, reach.action, *_asked(made, reach))


def _asked(made: Stack, reach: Reach) -> tuple[str, list[Any], dict[str, Any]]:
    """What was got at, what says there who may, and what the conditions are told."""
    match reach.action.partition(":")[0]:
        case "dynamodb":
            table, key = _row(reach.name)
            return f"{TABLE}{table}", [], {"dynamodb:LeadingKeys": [key]}
        case "secretsmanager":
            return f"{SECRET}{reach.name}-a1B2c3", [], {"aws:RequestedRegion": REGION}
        case "sqs":
            [queue] = [name for name, each in of_type(made, "AWS::SQS::Queue") if each["QueueName"] == reach.name]
            [policy] = [each for _, each in of_type(made, "AWS::SQS::QueuePolicy") if queue in each["Queues"]]
            return arn(made, queue), policy["PolicyDocument"]["Statement"], {}
        case "sns":
            return f"{TOPIC}{reach.name}", [], {}
        case "kms":
            return _of_a_key(reach.name)
        case service:
            return _of_a_bucket(made, reach.name) if service == "s3" else _of_the_bus(made, reach.name)


def _row(name: str) -> tuple[str, str]:
    """The table in which it was, and a key of that kind."""
    if name in NOTES:
        return "Deliveries", name
    return ("Cases", f"{name}1") if name.endswith("#") else (name, "1")


def _of_a_key(name: str) -> tuple[str, list[Any], dict[str, Any]]:
    if name == SIGNING_KEY:
        return EVIDENCE_KEY, [], {}
    names = name.split()
    context = {f"kms:EncryptionContext:{each}": "zoom" for each in names}
    return KEY, [], {"kms:EncryptionContextKeys": names, **context}


def _of_a_bucket(made: Stack, name: str) -> tuple[str, list[Any], dict[str, Any]]:
    if not name.startswith(BUCKET):
        # the deployment's own, with a policy of its own
        return f"arn:aws:s3:::{name}", [], {}
    policy = made["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    # That a put says If-None-Match, the double holds it to.
    return f"arn:aws:s3:::{name.replace(BUCKET, 'EvidenceBucket')}", policy, {"s3:if-none-match": "*"}


def _of_the_bus(made: Stack, name: str) -> tuple[str, list[Any], dict[str, Any]]:
    source, _, detail_type = name.partition("/")
    said = [each["Statement"] for _, each in of_type(made, "AWS::Events::EventBusPolicy")]
    return BUS, said, {"events:source": source, "events:detail-type": detail_type}


def _names(action: str, statement: Mapping[str, Any]) -> Iterator[str]:
    condition = statement.get("Condition", {})
    both = condition.get("ForAllValues:StringEquals", {})
    for resource in statement["Resource"]:
        last = resource.split(":", 5)[-1]
        match action.partition(":")[0]:
            case "dynamodb" if condition:
                yield from leading_keys(condition)
            case "dynamodb":
                yield last.removeprefix("table/")
            case "secretsmanager":
                yield last.removeprefix("secret:")
            case "s3":
                yield last.replace("EvidenceBucket", BUCKET)
            case "events":
                yield from (f"{both['events:source']}/{each}" for each in _listed(both["events:detail-type"]))
            case "kms" if "kms:ViaService" in condition.get("StringEquals", {}):
                # DynamoDB and Secrets Manager use the key in the role's name, and moto asks nobody.
                return
            case "kms" if "kms:EncryptionContextKeys" in both:
                yield " ".join(both["kms:EncryptionContextKeys"])
            case _:
                yield last


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
