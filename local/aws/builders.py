"""How each type of resource is made through moto's API: properties in, what `Ref` and `Fn::GetAtt` give out."""

import json
from collections.abc import Callable, Mapping

from local.aws.moto_server import MotoServer
from local.aws.template import ACCOUNT, REGION, Json, TemplateError

Made = tuple[str, dict[str, str]]
#: what is in the ARN of a target that is an address
API_DESTINATION = ":api-destination/"
Builder = Callable[[MotoServer, str, Json], Made]


def _alarm(aws: MotoServer, name: str, properties: Json) -> Made:
    aws.client("cloudwatch").put_metric_alarm(**{**properties, "AlarmName": name})
    return name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"}


def _table(aws: MotoServer, name: str, properties: Json) -> Made:
    dynamodb = aws.client("dynamodb")
    arguments = {**properties, "TableName": name}
    recovery = arguments.pop("PointInTimeRecoverySpecification", None)
    expiry = arguments.pop("TimeToLiveSpecification", None)
    if encryption := arguments.pop("SSESpecification", None):
        arguments["SSESpecification"] = {"Enabled": encryption.pop("SSEEnabled"), **encryption}
    table = dynamodb.create_table(**arguments)["TableDescription"]
    if recovery:
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if expiry:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
    return name, {"Arn": table["TableArn"]}


def _archive(aws: MotoServer, name: str, properties: Json) -> Made:
    arguments = {key: value for key, value in properties.items() if key not in {"SourceArn", "EventPattern"}}
    arguments |= {"ArchiveName": name, "EventSourceArn": properties["SourceArn"]}
    if "EventPattern" in properties:
        arguments["EventPattern"] = json.dumps(properties["EventPattern"])
    return name, {"Arn": aws.client("events").create_archive(**arguments)["ArchiveArn"]}


def _dashboard(aws: MotoServer, name: str, properties: Json) -> Made:
    aws.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=as_text(properties["DashboardBody"]))
    return name, {}


def _event_bus(aws: MotoServer, name: str, properties: Json) -> Made:
    bus = aws.client("events").create_event_bus(**{**properties, "Name": name})
    return name, {"Arn": bus["EventBusArn"], "Name": name}


def _event_bus_policy(aws: MotoServer, name: str, properties: Json) -> Made:
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Sid": properties["StatementId"], **properties["Statement"]}],
    }
    aws.client("events").put_permission(EventBusName=properties["EventBusName"], Policy=json.dumps(policy))
    return name, {}


def _rule(aws: MotoServer, name: str, properties: Json) -> Made:
    events = aws.client("events")
    bus = properties.get("EventBusName", "default")
    targets = properties["Targets"]
    for target in targets:
        if ignored := target.keys() & {"Input", "InputPath"}:
            raise TemplateError(f"rule {name}: moto ignores {', '.join(ignored)} and would deliver the whole event")
    arguments = {key: value for key, value in properties.items() if key not in {"EventPattern", "Targets"}}
    if "EventPattern" in properties:
        arguments["EventPattern"] = json.dumps(properties["EventPattern"])
    arn = events.put_rule(**{**arguments, "Name": name, "EventBusName": bus})["RuleArn"]
    # To moto a schedule's rule, which has no pattern, matches every event of its bus, so it gets no targets.
    if "EventPattern" in properties and targets:
        reached = [
            target if API_DESTINATION not in target["Arn"] else _on_its_way(aws, name, target) for target in targets
        ]
        events.put_targets(Rule=name, EventBusName=bus, Targets=reached)
    return name, {"Arn": arn}


def _on_its_way(aws: MotoServer, rule: str, target: Json) -> Json:
    """A queue in place of an address, which moto calls without the event: local.api_destination takes it from there."""
    queue = on_its_way(rule, target)
    aws.client("sqs").create_queue(QueueName=queue)
    return {"Id": target["Id"], "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"}


def on_its_way(rule: str, target: Json) -> str:
    """The name of the queue in which lies what a rule of that name sends to an address."""
    return f"{rule}-{target['Id']}"


def _key(aws: MotoServer, _name: str, properties: Json) -> Made:
    kms = aws.client("kms")
    arguments = {key: value for key, value in properties.items() if key not in {"EnableKeyRotation", "KeyPolicy"}}
    key = kms.create_key(**arguments, Policy=json.dumps(properties["KeyPolicy"]))["KeyMetadata"]
    if properties.get("EnableKeyRotation"):
        kms.enable_key_rotation(KeyId=key["KeyId"])
    return key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]}


def _bucket(aws: MotoServer, name: str, properties: Json) -> Made:
    s3, name = aws.client("s3"), name.lower()
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=properties["ObjectLockEnabled"],
    )
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=properties["ObjectLockConfiguration"])
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _key_alias(aws: MotoServer, name: str, properties: Json) -> Made:
    aws.client("kms").create_alias(**properties)
    return name, {}


def _queue(aws: MotoServer, name: str, properties: Json) -> Made:
    if properties.get("FifoQueue") and not name.endswith(".fifo"):
        name += ".fifo"
    attributes = {key: as_text(value) for key, value in properties.items() if key not in {"QueueName", "Tags"}}
    aws.client("sqs").create_queue(QueueName=name, Attributes=attributes)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    return f"{aws.url}/{ACCOUNT}/{name}", {"Arn": arn, "QueueName": name}


def _queue_policy(aws: MotoServer, name: str, properties: Json) -> Made:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, {}


def as_text(value: Json) -> str:
    """Return what CloudFormation makes of a value where only text may stand."""
    return value if isinstance(value, str) else json.dumps(value)


def _log_group(aws: MotoServer, name: str, _properties: Json) -> Made:
    aws.client("logs").create_log_group(logGroupName=name)
    return name, {"Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"}


BUILDERS: Mapping[str, Builder] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Archive": _archive,
    "AWS::Events::EventBus": _event_bus,
    "AWS::Events::EventBusPolicy": _event_bus_policy,
    "AWS::Events::Rule": _rule,
    "AWS::KMS::Alias": _key_alias,
    "AWS::KMS::Key": _key,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
}
