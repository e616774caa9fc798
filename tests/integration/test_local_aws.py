"""The local AWS: what a template declares is there, what can't be there is said, and moto behaves like AWS."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from moto.sqs.models import Queue, SQSBackend

from local.aws.moto_server import MotoServer
from local.aws.stack import Stack
from local.aws.template import Template, TemplateError

OPERATOR = "arn:aws:iam::123456789012:role/operator"
LEAVER = Path(__file__).parents[2] / "template.yaml"

Build = Callable[..., Stack]


@pytest.fixture
def aws() -> Iterator[MotoServer]:
    with MotoServer() as aws:
        yield aws


@pytest.fixture
def build(aws: MotoServer, tmp_path: Path) -> Build:
    def build(template: str, **parameters: str) -> Stack:
        path = tmp_path / "template.yaml"
        path.write_text("Transform: AWS::Serverless-2016-10-31\n" + template)
        return Stack(Template(path, parameters), aws)

    return build


@pytest.fixture
def leaver(aws: MotoServer) -> Stack:
    parameters = {"VenafiUrl": "http://127.0.0.1:1", "Operators": OPERATOR}
    for parameter, bus in (("OktaEventBusName", "okta-partner"), ("SailPointEventBusName", "sailpoint-partner")):
        aws.client("events").create_event_bus(Name=bus)
        parameters[parameter] = bus
    return Stack(Template(LEAVER, parameters), aws)


def waiting(aws: MotoServer, url: str) -> list[Any]:
    answer = aws.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def put(aws: MotoServer, bus: str, source: str, detail_type: str, detail: Any = None) -> Any:
    entry = {"EventBusName": bus, "Source": source, "DetailType": detail_type, "Detail": json.dumps(detail or {})}
    return aws.client("events").put_events(Entries=[entry])


# -- building


def test_every_resource_of_our_template_is_built_or_left_out_for_a_reason(leaver: Stack) -> None:
    left_out = {kind: why for kind, _, why in leaver.not_built()}
    assert left_out["AWS::IAM::Role"] == "moto enforces no policy: here every function may do everything"
    assert all(left_out.values())
    assert leaver["EventBus"].ref == "leaver"


def test_the_refreshers_key_is_the_stacks_own_and_minds_the_encryption_context(aws: MotoServer, leaver: Stack) -> None:
    told = leaver["RefreshAccessTokenFunction"].properties["Environment"]["Variables"]["KMS_KEY_ARN"]
    assert told == leaver["Key"].attributes["Arn"]
    kms = aws.client("kms")
    context = {"connection": "zoom", "parent_version": "1"}
    sealed = kms.encrypt(KeyId=told, Plaintext=b"refresh-1", EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(KeyId=told, CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"] == b"refresh-1"
    with pytest.raises(ClientError, match="InvalidCiphertextException"):
        kms.decrypt(KeyId=told, CiphertextBlob=sealed, EncryptionContext=context | {"parent_version": "2"})


def test_a_type_that_nobody_thought_of_is_an_error_with_its_name(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"Trail is an AWS::CloudTrail::Trail"):
        build("Resources: {Trail: {Type: AWS::CloudTrail::Trail}}")


def test_a_reference_to_nothing_is_an_error_with_its_name(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"Policy refers to Nowhere"):
        build("Resources: {Policy: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Nowhere]}}}")


def test_resources_in_a_circle_are_an_error_that_shows_it(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"One → Two → One is a circle"):
        build("""
Resources:
  One: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt Two.Arn, maxReceiveCount: 1}}}
  Two: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt One.Arn, maxReceiveCount: 1}}}
""")


def test_an_intrinsic_that_is_not_understood_is_an_error(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"Fn::Cidr"):
        build("Resources: {Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Cidr [a, 1, 8]}}}")


def test_a_target_whose_input_moto_would_ignore_is_an_error(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"moto ignores InputPath"):
        build("""
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [a]}
      Targets: [{Id: queue, Arn: !GetAtt Queue.Arn, InputPath: $.detail}]
""")


def test_parameters_are_the_templates_own_and_complete(build: Build) -> None:
    template = "Parameters: {Name: {Type: String}}\nResources: {Queue: {Type: AWS::SQS::Queue}}"
    with pytest.raises(TemplateError, match=r"Name has neither a value nor a default"):
        build(template)
    with pytest.raises(TemplateError, match=r"has no parameter Nam$"):
        build(template, Nam="x")


def test_intrinsics_and_conditions_are_resolved_as_cloudformation_does(build: Build, aws: MotoServer) -> None:
    stack = build(
        """
Parameters:
  Prefix: {Type: String, Default: p}
  Names: {Type: CommaDelimitedList, Default: ''}
Conditions:
  Named: !Not [!Equals [!Join ['', !Ref Names], '']]
  Plain: !Not [!Condition Named]
Resources:
  First:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub '${Prefix}-${AWS::StackName}-first'}
  Second:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Join ['-', [second, !Select [1, !Split ['-', !GetAtt First.QueueName]]]]
      VisibilityTimeout: !If [Named, 5, !Ref AWS::NoValue]
      DelaySeconds: !If [Plain, 7, 8]
  Third: {Type: AWS::SQS::Queue, Condition: Named}
""",
        Names="a, b",
        Prefix="q",
    )
    assert stack["First"].attributes["QueueName"] == "q-leaver-first"
    assert stack["Second"].attributes["Arn"] == "arn:aws:sqs:eu-west-1:123456789012:second-leaver"
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=stack["Second"].ref, AttributeNames=["All"])
    assert attributes["Attributes"]["VisibilityTimeout"] == "5"
    assert attributes["Attributes"]["DelaySeconds"] == "8"
    assert stack["Third"].ref.endswith("/leaver-Third")


def test_loops_are_written_out_as_cloudformation_does(build: Build) -> None:
    stack = build("""
Mappings: {Waits: {Left: {Seconds: 5}, Right: {Seconds: 7}}}
Resources:
  Fn::ForEach::Sides:
    - Side
    - [Left, Right]
    - Fn::ForEach::Lanes:
        - Lane
        - ['', Urgent]
        - ${Side}${Lane}Queue:
            Type: AWS::SQS::Queue
            Properties:
              QueueName: !Sub '${AWS::StackName}-${Side}${Lane}'
              DelaySeconds: !FindInMap [Waits, !Ref Side, Seconds]
      ${Side}Rule:
        Type: AWS::Events::Rule
        Properties:
          EventPattern: {source: [a], detail-type: ['${Side}']}
          Targets: [{Id: '${!Side}', Arn: !GetAtt [!Sub '${Side}UrgentQueue', Arn]}]
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties: {Queues: [{Ref: !Sub RightQueue}], PolicyDocument: {Statement: []}}
""")
    delays = {queue.logical_id: queue.properties["DelaySeconds"] for queue in stack.of_type("AWS::SQS::Queue")}
    assert delays == {"LeftQueue": 5, "LeftUrgentQueue": 5, "RightQueue": 7, "RightUrgentQueue": 7}
    assert stack["RightUrgentQueue"].attributes["QueueName"] == "leaver-RightUrgent"
    assert stack["LeftRule"].properties["EventPattern"] == {"source": ["a"], "detail-type": ["Left"]}
    [target] = stack["LeftRule"].properties["Targets"]
    assert target == {"Id": "${!Side}", "Arn": stack["LeftUrgentQueue"].attributes["Arn"]}
    assert stack["Policy"].properties["Queues"] == [stack["RightQueue"].ref]


def test_a_loop_over_no_list_is_an_error_with_its_name(build: Build) -> None:
    with pytest.raises(TemplateError, match=r"Fn::ForEach::Sides loops over Left, which is no list"):
        build("Resources: {'Fn::ForEach::Sides': [Side, Left, {'${Side}Queue': {Type: AWS::SQS::Queue}}]}")


def test_a_resource_whose_condition_does_not_hold_is_not_made(build: Build, aws: MotoServer) -> None:
    stack = build("""
Conditions: {Never: !Equals [a, b]}
Resources: {Queue: {Type: AWS::SQS::Queue, Condition: Never}}
""")
    assert stack.of_type("AWS::SQS::Queue") == []
    assert "QueueUrls" not in aws.client("sqs").list_queues()


def test_our_tables_queues_alarms_archive_and_key_are_there_as_declared(leaver: Stack, aws: MotoServer) -> None:
    table = aws.client("dynamodb").describe_table(TableName=leaver["Connections"].ref)["Table"]
    indexes = {each["IndexName"] for each in table["GlobalSecondaryIndexes"]}
    assert (table["KeySchema"][0]["AttributeName"], indexes) == ("connection", {"due", "role"})
    queue = aws.client("sqs").get_queue_attributes(
        QueueUrl=leaver["RefreshAccessTokenQueue"].ref, AttributeNames=["All"]
    )["Attributes"]
    assert queue["FifoQueue"] == "true"
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": leaver["RefreshAccessTokenDeadLetterQueue"].attributes["Arn"],
        "maxReceiveCount": 1000,
    }
    assert json.loads(queue["Policy"])["Statement"]
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == len(leaver.of_type("AWS::CloudWatch::Alarm")) > 0
    [archive] = aws.client("events").list_archives()["Archives"]
    assert archive["RetentionDays"] == 90
    bus = aws.client("events").describe_event_bus(Name="leaver")
    assert json.loads(bus["Policy"])["Statement"][0]["Effect"] == "Deny"
    assert aws.client("kms").get_key_rotation_status(KeyId=leaver["Key"].ref)["KeyRotationEnabled"] is True


# -- events


def test_sources_that_belong_to_aws_are_refused_and_their_neighbours_pass(leaver: Stack, aws: MotoServer) -> None:
    entries = [
        {"EventBusName": "leaver", "Source": source, "DetailType": "RevokeSsoToken", "Detail": "{}"}
        for source in ("aws.partner/okta.com/acme", "leaver.command", "aws.events")
    ]
    answer = aws.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        "NotAuthorizedForSource",
        None,
        "NotAuthorizedForSource",
    ]
    assert len(waiting(aws, leaver["RevokeSsoTokenQueue"].ref)) == 1


def test_a_call_that_moto_refuses_is_still_refused(leaver: Stack, aws: MotoServer) -> None:
    entry = {"EventBusName": leaver["EventBus"].ref, "Source": "aws.events", "DetailType": "x", "Detail": "{}"}
    with pytest.raises(ClientError, match="ValidationException"):
        aws.client("events").put_events(Entries=[entry] * 11)


def test_commands_go_to_their_queues_and_unknown_ones_to_unrouted(leaver: Stack, aws: MotoServer) -> None:
    put(aws, "leaver", "leaver.command", "RevokeGrants", {"identity": "ada"})
    put(aws, "leaver", "leaver.command", "RevokeEverything")
    put(aws, "leaver", "somebody.else", "RevokeGrants")
    [grants] = waiting(aws, leaver["RevokeGrantsQueue"].ref)
    assert (grants["detail-type"], grants["detail"]) == ("RevokeGrants", {"identity": "ada"})
    [unrouted] = waiting(aws, leaver["UnroutedQueue"].ref)
    assert unrouted["detail-type"] == "RevokeEverything"


def test_a_pattern_looks_into_an_array_of_objects(build: Build, aws: MotoServer) -> None:
    stack = build("""
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [a], detail: {changes: {attribute: [state], tags: [x]}}}
      Targets: [{Id: queue, Arn: !GetAtt Queue.Arn}]
""")
    details: list[Any] = [
        {"changes": [{"attribute": "state", "tags": ["w", "x"]}]},
        {"changes": [{"attribute": "name"}, 7, {"attribute": "state", "tags": "x"}]},
        {"changes": {"attribute": "state", "tags": "x"}},
        {"changes": [{"attribute": "name", "tags": "x"}]},
        {"changes": [{"attribute": "state"}]},
        {"changes": []},
        {"changes": ["state"]},
        {},
    ]
    for detail in details:
        put(aws, "bus", "a", "b", detail)
    assert [event["detail"]["changes"] for event in waiting(aws, stack["Queue"].ref)] == [
        [{"attribute": "state", "tags": ["w", "x"]}],
        [{"attribute": "name"}, 7, {"attribute": "state", "tags": "x"}],
        {"attribute": "state", "tags": "x"},
    ]


def test_lanes_are_told_apart_by_a_field_that_may_be_missing(build: Build, aws: MotoServer) -> None:
    stack = build("""
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: lanes}}
  Routine: {Type: AWS::SQS::Queue}
  Urgent: {Type: AWS::SQS::Queue}
  RoutineRule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {detail: {urgency: [{exists: false}, {anything-but: [urgent]}]}}
      Targets: [{Id: queue, Arn: !GetAtt Routine.Arn}]
  UrgentRule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {detail: {urgency: [urgent]}}
      Targets: [{Id: queue, Arn: !GetAtt Urgent.Arn}]
""")
    for detail in ({"n": 1}, {"n": 2, "urgency": "routine"}, {"n": 3, "urgency": "urgent"}):
        put(aws, "lanes", "leaver.command", "RevokeSsoToken", detail)
    assert [event["detail"]["n"] for event in waiting(aws, stack["Routine"].ref)] == [1, 2]
    assert [event["detail"]["n"] for event in waiting(aws, stack["Urgent"].ref)] == [3]


def test_a_schedules_rule_gets_no_events_of_its_bus(build: Build, aws: MotoServer) -> None:
    stack = build("""
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Rule:
    Type: AWS::Events::Rule
    Properties: {ScheduleExpression: rate(1 minute), Targets: [{Id: queue, Arn: !GetAtt Queue.Arn}]}
""")
    assert put(aws, "default", "anybody", "Anything")["FailedEntryCount"] == 0
    assert waiting(aws, stack["Queue"].ref) == []


# -- moto with AWS's manners


def test_a_long_poll_holds_up_nobody_and_ends_when_a_message_comes(build: Build, aws: MotoServer) -> None:
    url = build("Resources: {Queue: {Type: AWS::SQS::Queue}}")["Queue"].ref
    sqs = aws.client("sqs")
    with ThreadPoolExecutor() as executor:
        poll = executor.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=5)
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        assert [message["Body"] for message in poll.result()["Messages"]] == ["hello"]


def test_calls_reach_moto_one_after_the_other(monkeypatch: pytest.MonkeyPatch, aws: MotoServer) -> None:
    # moto has no locks: two conditional writes at once both succeed, and a message sent during a deletion is lost.
    together = threading.Barrier(2, timeout=0.3)
    met: list[bool] = []

    def meet(_: SQSBackend, queue_name_prefix: str) -> list[Queue]:
        del queue_name_prefix
        try:
            together.wait()
        except threading.BrokenBarrierError:
            met.append(False)
        else:
            met.append(True)
        return []

    monkeypatch.setattr(SQSBackend, "list_queues", meet)
    sqs = aws.client("sqs")
    with ThreadPoolExecutor(2) as executor:
        for call in [executor.submit(sqs.list_queues), executor.submit(sqs.list_queues)]:
            call.result()
    assert met == [False, False]


def test_the_end_waits_neither_for_a_long_poll_nor_for_a_silent_client(monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()
    wait_for_messages = Queue.wait_for_messages

    def noted(queue: Queue, timeout: int) -> None:
        began.set()
        wait_for_messages(queue, timeout)

    monkeypatch.setattr(Queue, "wait_for_messages", noted)
    aws = MotoServer()
    url = aws.client("sqs").create_queue(QueueName="empty")["QueueUrl"]
    sqs = boto3.client(
        "sqs",
        endpoint_url=aws.url,
        region_name="eu-west-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    address = aws.url.removeprefix("http://").split(":")
    with ThreadPoolExecutor() as executor, socket.create_connection((address[0], int(address[1]))), closing(sqs):
        poll = executor.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        assert began.wait(10)
        executor.submit(aws.close).result(timeout=10)
        with pytest.raises(BotoCoreError):
            poll.result(timeout=10)


def test_every_kind_of_value_comes_back_as_it_was_written(leaver: Stack, aws: MotoServer) -> None:
    written = {
        "connection": {"S": "zoom"},
        "number": {"N": "1.50"},
        "flag": {"BOOL": False},
        "nothing": {"NULL": True},
        "bytes": {"B": b"\x00\xff"},
        "names": {"SS": ["ada", "bob"]},
        "map": {"M": {"list": {"L": [{"N": "1"}, {"M": {}}, {"B": b"\x01"}]}, "empty": {"L": []}, "S": {"S": ""}}},
    }
    table = leaver["Connections"].ref
    aws.client("dynamodb").put_item(TableName=table, Item=written)
    over_http = boto3.Session("a", "b", region_name="eu-west-1").client("dynamodb", endpoint_url=aws.url)
    with closing(over_http) as asked:
        for client in (aws.client("dynamodb"), asked):
            assert client.get_item(TableName=table, Key={"connection": {"S": "zoom"}})["Item"] == written
            assert client.scan(TableName=table)["Items"] == [written]


def test_a_connection_is_kept_and_the_next_answer_is_to_the_next_call(aws: MotoServer) -> None:
    host, port = aws.url.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port))) as connection:
        sockets = set()
        for name in ("one", "two"):
            headers = {
                "Authorization": "AWS4-HMAC-SHA256 Credential=local/20261129/eu-west-1/sqs/aws4_request",
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "AmazonSQS.CreateQueue",
            }
            connection.request("POST", "/", json.dumps({"QueueName": name}), headers)
            assert json.loads(connection.getresponse().read())["QueueUrl"].endswith(f"/{name}")
            sockets.add(connection.sock)
    assert len(sockets) == 1


def test_two_local_awses_in_one_process_would_be_one_and_are_refused(aws: MotoServer) -> None:
    with pytest.raises(RuntimeError, match="already has a local AWS"):
        MotoServer()
    assert aws.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_functions_in_containers_call_it_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")
    with MotoServer(bind="0.0.0.0", advertise="leaver-world.invalid") as aws:  # noqa: S104 - as in a container
        url = Stack(Template(tmp_path / "template.yaml", {}), aws)["Queue"].ref
        assert url.startswith("http://leaver-world.invalid:")
        aws.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
        assert waiting(aws, url) == [{}]


def test_a_new_local_aws_is_empty() -> None:
    with MotoServer() as first:
        first.client("sqs").create_queue(QueueName="left-over")
    with MotoServer() as second:
        assert "QueueUrls" not in second.client("sqs").list_queues()


def test_the_stack_tells_of_itself_what_cloudformation_would(aws: MotoServer) -> None:
    stack = Stack(
        Template(LEAVER, {"VenafiUrl": "http://127.0.0.1:1", "Operators": OPERATOR, "UrgentSources": "okta, caep"}), aws
    )
    [told] = aws.client("cloudformation").describe_stacks(StackName="leaver")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in told["Outputs"]}
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in told["Parameters"]}
    assert outputs["ConnectionsTable"] == stack["Connections"].ref
    assert outputs["KeyArn"] == stack["Key"].attributes["Arn"]
    assert (parameters["SecretPrefix"], outputs["SecretPrefix"]) == ("", "leaver")
    assert parameters["VenafiUrl"] == "http://127.0.0.1:1"
    assert outputs["Operators"] == parameters["Operators"] == OPERATOR
    assert parameters["UrgentSources"] == "okta,caep"
