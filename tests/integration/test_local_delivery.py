"""Queue to function as Lambda does it: batches, partial failures, errors, time-outs, crashes, schedules."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.deployment import Deployment

TEMPLATE = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {LayerName: shared, ContentUri: layer}
  EchoQueue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: echo
      VisibilityTimeout: 600
      RedrivePolicy: {deadLetterTargetArn: !GetAtt EchoDeadLetterQueue.Arn, maxReceiveCount: 2}
  EchoDeadLetterQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: echo-dead-letters}
  EchoFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: local-echo
      Runtime: python3.13
      Handler: app.lambda_handler
      CodeUri: functions/echo
      Layers: [!Ref Layer]
      Timeout: 2
      MemorySize: 256
      Environment: {Variables: {QUEUE_URL: !Ref EchoQueue, BOOK: a}}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt EchoDeadLetterQueue.Arn}}
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt EchoQueue.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
        Minute:
          Type: Schedule
          Properties: {Schedule: rate(1 minute)}
  OrderedQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: ordered.fifo, FifoQueue: true, VisibilityTimeout: 600}
  OrderedFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: local-ordered
      Runtime: python3.13
      Handler: app.lambda_handler
      CodeUri: functions/ordered
      Layers: [!Ref Layer]
      Events:
        Queue:
          Type: SQS
          Properties: {Queue: !GetAtt OrderedQueue.Arn, BatchSize: 1}
  LanedQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: laned, VisibilityTimeout: 600}
  LanedUrgentQueue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: laned-urgent, VisibilityTimeout: 600}
  LanedFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: local-laned
      Runtime: python3.13
      Handler: app.lambda_handler
      CodeUri: functions/laned
      Layers: [!Ref Layer]
      Timeout: 300
      Events:
        Queue:
          Type: SQS
          Properties: {Queue: !GetAtt LanedQueue.Arn}
        UrgentQueue:
          Type: SQS
          Properties: {Queue: !GetAtt LanedUrgentQueue.Arn}
"""

# What it does is told to it by the messages, and it tells what it saw in its log.
FUNCTION = """
import json, os, signal, sys, time
import seen

def lambda_handler(event, context):
    seen.tell(event=event, environment=dict(os.environ), path=sys.path, folder=os.getcwd(), pid=os.getpid(),
              remaining_ms=context.get_remaining_time_in_millis(), arn=context.invoked_function_arn,
              request_id=context.aws_request_id)
    failed = []
    for record in event.get("Records", [{"messageId": "", "body": event.get("detail-type", "")}]):
        match record["body"]:
            case "raise" | "Scheduled Event": raise ValueError("told to")
            case "exit": sys.exit(3)
            case "killed": os.kill(os.getpid(), signal.SIGKILL)
            case "hang": time.sleep(600)
            case "fail": failed.append({"itemIdentifier": record["messageId"]})
            case "fail once" if record["attributes"]["ApproximateReceiveCount"] == "1":
                failed.append({"itemIdentifier": record["messageId"]})
            case "name a stranger": failed.append({"itemIdentifier": "stranger"})
            case "misspell": failed.append({"identifier": record["messageId"]})
            case "answer nonsense": return "nonsense"
    return {"batchItemFailures": failed}
"""

SEEN = """
import json

told = 0

def tell(**what):
    global told
    told += 1
    print("SEEN " + json.dumps(what | {"told": told}, default=str), flush=True)
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    for name in ("echo", "ordered", "laned"):
        (tmp_path / "functions" / name).mkdir(parents=True)
        (tmp_path / "functions" / name / "app.py").write_text(FUNCTION)
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "seen.py").write_text(SEEN)
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    with Deployment(template, {}) as deployment:
        yield deployment


def send(deployment: Deployment, *bodies: str, function: str = "echo", **more: Any) -> None:
    entries = [{"Id": str(place), "MessageBody": body, **more} for place, body in enumerate(bodies)]
    answer = deployment.client("sqs").send_message_batch(QueueUrl=deployment.queue_url(function), Entries=entries)
    assert len(answer["Successful"]) == len(bodies)


def seen(deployment: Deployment, function: str = "echo") -> list[dict[str, Any]]:
    lines = deployment.logs(function).splitlines()
    return [json.loads(line.removeprefix("SEEN ")) for line in lines if line.startswith("SEEN ")]


def bodies(deployment: Deployment, function: str = "echo") -> list[list[str]]:
    return [[record["body"] for record in one["event"]["Records"]] for one in seen(deployment, function)]


def counts(deployment: Deployment, url: str) -> tuple[int, int]:
    """Visible and in flight."""
    attributes = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


def invoked(deployment: Deployment, times: int) -> None:
    """Wait until the function began so often and nothing is under way."""
    deployment.wait_until(lambda: len(seen(deployment)) == times)
    deployment.settle()


def test_a_message_arrives_in_the_shape_that_lambda_gives_it(deployment: Deployment) -> None:
    attributes = {
        "reason": {"DataType": "String", "StringValue": "why"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0"},
    }
    send(deployment, "hello", MessageAttributes=attributes)
    deployment.wait_until_idle()

    [invocation] = seen(deployment)
    [record] = invocation["event"]["Records"]
    system = record.pop("attributes")
    assert record.pop("messageId")
    assert record.pop("receiptHandle")
    assert record.pop("md5OfMessageAttributes")
    assert record == {
        "body": "hello",
        "messageAttributes": {
            "reason": {"stringValue": "why", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:echo",
        "awsRegion": "eu-west-1",
    }
    assert system.keys() == {
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SentTimestamp",
        "SenderId",
    }
    assert system["ApproximateReceiveCount"] == "1"
    assert all(isinstance(value, str) for value in system.values())


def test_a_function_sees_its_own_environment_and_lambdas_and_nothing_else(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DEVELOPER", "x")
    send(deployment, "hello")
    deployment.wait_until_idle()

    [invocation] = seen(deployment)
    environment = invocation["environment"]
    assert environment["BOOK"] == "a"
    assert environment["QUEUE_URL"] == deployment.queue_url("echo")
    assert environment["AWS_ENDPOINT_URL"] == deployment.aws.url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "local-echo"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["LEAVER_LOCAL_WORLD"] == "127.0.0.1"
    assert "SECRET_OF_THE_DEVELOPER" not in environment
    assert invocation["folder"] == str(tmp_path / "functions" / "echo")
    assert str(tmp_path / "layer" / "python") in invocation["path"]
    assert str(Path(__file__).parents[2]) not in invocation["path"]
    assert invocation["arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:local-echo"
    assert 0 < invocation["remaining_ms"] <= 2000


def test_messages_that_wait_together_arrive_in_one_batch_and_are_gone_when_it_succeeds(deployment: Deployment) -> None:
    send(deployment, *"abcde")
    deployment.wait_until_idle()
    assert sorted(body for batch in bodies(deployment) for body in batch) == list("abcde")
    assert max(len(batch) for batch in bodies(deployment)) > 1
    assert counts(deployment, deployment.queue_url("echo")) == (0, 0)


def test_a_reported_failure_alone_comes_back_when_its_visibility_timeout_is_over(deployment: Deployment) -> None:
    send(deployment, "fine", "fail once")
    invoked(deployment, 1)
    assert counts(deployment, deployment.queue_url("echo")) == (0, 1)
    deployment.hurry()
    deployment.wait_until_idle()
    assert bodies(deployment) == [["fine", "fail once"], ["fail once"]]


@pytest.mark.parametrize(
    "answer", ["name a stranger", "misspell", "answer nonsense", "raise", "exit", "killed", "hang"]
)
def test_the_whole_batch_comes_back_after_an_error_or_an_answer_that_is_not_understood(
    deployment: Deployment, answer: str
) -> None:
    send(deployment, "fine", answer)
    invoked(deployment, 1)
    assert counts(deployment, deployment.queue_url("echo")) == (0, 2)


def test_a_message_that_was_received_too_often_goes_to_the_dead_letter_queue(deployment: Deployment) -> None:
    send(deployment, "fail")
    for times in (1, 2):
        invoked(deployment, times)
        deployment.hurry()
    deployment.wait_until_idle()
    assert counts(deployment, deployment.queue_url("echo")) == (0, 0)
    [message] = deployment.client("sqs").receive_message(QueueUrl=deployment.dead_letter_queue_url("echo"))["Messages"]
    assert message["Body"] == "fail"


def test_a_function_that_takes_too_long_is_killed_and_started_again(deployment: Deployment) -> None:
    send(deployment, "hang")
    invoked(deployment, 1)
    assert "Task timed out after 2.00 seconds" in deployment.logs("echo")
    send(deployment, "hello")
    invoked(deployment, 2)
    first, second = seen(deployment)
    assert first["pid"] != second["pid"]


def test_a_crash_is_told_in_the_log_as_lambda_tells_it(deployment: Deployment) -> None:
    send(deployment, "killed")
    invoked(deployment, 1)
    assert "Runtime exited with error: signal: SIGKILL" in deployment.logs("echo")


def test_a_function_can_be_killed_in_the_middle_of_a_batch(deployment: Deployment) -> None:
    send(deployment, "hang")
    deployment.wait_until(lambda: len(seen(deployment)) == 1)
    deployment.kill("echo")
    invoked(deployment, 1)
    assert "Task timed out" not in deployment.logs("echo")
    assert counts(deployment, deployment.queue_url("echo")) == (0, 1)


def test_a_warm_function_keeps_its_process(deployment: Deployment) -> None:
    for times in (1, 2):
        send(deployment, "hello")
        invoked(deployment, times)
    first, second = seen(deployment)
    assert first["pid"] == second["pid"]
    assert first["request_id"] != second["request_id"]


def test_a_killed_process_is_replaced_by_the_next_event(deployment: Deployment) -> None:
    send(deployment, "hello")
    invoked(deployment, 1)
    os.kill(deployment.functions["echo"].pids[0], signal.SIGKILL)
    deployment.wait_until(lambda: not deployment.functions["echo"].pids)
    send(deployment, "hello again")
    deployment.wait_until_idle()
    assert bodies(deployment) == [["hello"], ["hello again"]]


def test_a_process_has_the_layer_as_it_was_imported_whatever_others_have_done_with_it(deployment: Deployment) -> None:
    for body in ("hello", "killed"):
        send(deployment, body)
        deployment.settle()
    send(deployment, "hello", function="laned")
    deployment.settle()
    assert [each["told"] for each in seen(deployment)] == [1, 2]
    deployment.hurry()
    deployment.settle()
    assert [each["told"] for each in (*seen(deployment), *seen(deployment, "laned"))] == [1, 2, 1, 1]


def test_a_function_that_cannot_be_imported_says_so_and_loses_no_message(
    deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "functions" / "echo" / "app.py").write_text("import nothing_of_that_name")
    send(deployment, "hello")
    deployment.settle()
    assert "Runtime.ImportModuleError" in deployment.logs("echo")
    assert counts(deployment, deployment.queue_url("echo")) == (0, 1)


def test_a_group_waits_for_its_first_message_while_others_pass(deployment: Deployment) -> None:
    sqs, url = deployment.client("sqs"), deployment.queue_url("ordered")
    for body, group in [("raise", "a"), ("second of a", "a"), ("b", "b")]:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)
    deployment.settle()
    assert bodies(deployment, "ordered") == [["raise"], ["b"]]
    attributes = seen(deployment, "ordered")[1]["event"]["Records"][0]["attributes"]
    assert attributes["MessageGroupId"] == "b"
    assert attributes["MessageDeduplicationId"] == "b"
    deployment.hurry()
    deployment.settle()
    assert bodies(deployment, "ordered") == [["raise"], ["b"], ["raise"]]


def test_a_schedule_starts_the_function_with_eventbridges_event(deployment: Deployment) -> None:
    deployment.fire_schedule("echo")
    deployment.wait_until_idle()
    event = seen(deployment)[0]["event"]
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == [deployment.resource("EchoFunctionMinute").attributes["Arn"]]


def test_a_start_that_fails_to_the_end_is_told_to_its_on_failure_queue(deployment: Deployment) -> None:
    deployment.fire_schedule("echo")
    deployment.wait_until_idle()
    assert len(seen(deployment)) == 2
    [message] = deployment.client("sqs").receive_message(QueueUrl=deployment.dead_letter_queue_url("echo"))["Messages"]
    record = json.loads(message["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestPayload"]["detail-type"] == "Scheduled Event"
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_settling_waits_for_new_messages_beside_one_that_waits_for_its_next_attempt(deployment: Deployment) -> None:
    send(deployment, "fail")
    invoked(deployment, 1)
    send(deployment, "hello")
    deployment.settle()
    assert bodies(deployment) == [["fail"], ["hello"]]


def test_hurrying_leaves_alone_what_a_function_that_lives_works_on(deployment: Deployment) -> None:
    send(deployment, "hang")
    deployment.wait_until(lambda: len(seen(deployment)) == 1)
    deployment.hurry()
    assert counts(deployment, deployment.queue_url("echo")) == (0, 1)
    deployment.kill("echo")


def test_waiting_for_quiet_names_what_is_still_to_do(deployment: Deployment) -> None:
    send(deployment, "fail")
    invoked(deployment, 1)
    with pytest.raises(TimeoutError, match="echo"):
        deployment.wait_until_idle(timeout=0.1)


def test_a_batch_of_one_queue_does_not_wait_for_a_batch_of_another(deployment: Deployment) -> None:
    send(deployment, "hang", function="laned")
    deployment.wait_until(lambda: len(seen(deployment, "laned")) == 1)
    urgent = deployment.resource("LanedUrgentQueue").ref
    deployment.client("sqs").send_message(QueueUrl=urgent, MessageBody="hello")
    deployment.wait_until(lambda: counts(deployment, urgent) == (0, 0))
    assert bodies(deployment, "laned") == [["hang"], ["hello"]]
    assert counts(deployment, deployment.queue_url("laned")) == (0, 1)
    assert len(deployment.functions["laned"].pids) == 2


def test_all_processes_of_a_function_are_killed_together(deployment: Deployment) -> None:
    send(deployment, "hang", function="laned")
    deployment.client("sqs").send_message(QueueUrl=deployment.resource("LanedUrgentQueue").ref, MessageBody="hang")
    deployment.wait_until(lambda: len(seen(deployment, "laned")) == 2)
    deployment.kill("laned")
    assert deployment.functions["laned"].pids == []
    deployment.settle()
    assert deployment.work() == {"laned": 2}
