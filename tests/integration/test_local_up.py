"""The local world from start to end: its control door, and that nothing of it is left behind."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from string import Template

import boto3
import psutil
import pytest
import requests

from leaver.webhooks.sources import SOURCES
from local import acme
from local.aws.template import TemplateError
from local.control_server import ControlServer
from local.deployment import Deployment
from local.sam_local import FUNCTIONS
from tests.contract.stack import LANED, snake
from tests.length import at_length

ROOT = Path(__file__).parents[2]

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  SleepQueue: {Type: AWS::SQS::Queue}
  SleepFunction:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.lambda_handler
      CodeUri: sleep
      Timeout: 900
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt SleepQueue.Arn}}
        Minute: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  PartnerRule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: partner
      EventPattern: {source: [{prefix: aws.partner/okta.com}], detail: {eventType: [user.lifecycle.deactivate]}}
      Targets: [{Id: queue, Arn: !GetAtt PartnerQueue.Arn}]
  PartnerQueue: {Type: AWS::SQS::Queue}
"""

FUNCTION = """
import time
def lambda_handler(event, context):
    print("began", flush=True)
    time.sleep(900)
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "sleep").mkdir()
    (tmp_path / "sleep" / "app.py").write_text(FUNCTION)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path / "template.yaml"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, nothing else does."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def nothing_left(temporary: Path) -> Iterator[None]:
    threads, children = set(threading.enumerate()), set(psutil.Process().children(recursive=True))
    yield
    assert set(threading.enumerate()) == threads
    assert set(psutil.Process().children(recursive=True)) == children
    assert list(temporary.iterdir()) == []


def is_open(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.usefixtures("nothing_left")
def test_the_end_takes_with_it_what_is_under_way(template: Path) -> None:
    with Deployment(template, {}, partner_buses=["partner"], ticking=True) as deployment:
        url = deployment.aws.url
        client = requests.Session()  # its connection stays open, as those of clients do
        client.get(url)
        deployment.client("sqs").send_message(QueueUrl=deployment.queue_url("sleep"), MessageBody="x")
        deployment.fire_schedule("sleep")
        deployment.wait_until(lambda: "began" in deployment.logs("sleep"))
        assert is_open(url)
    assert not is_open(url)
    client.close()


@pytest.mark.usefixtures("nothing_left")
def test_an_exception_inside_ends_it_too(template: Path) -> None:
    def work() -> None:
        with Deployment(template, {}, partner_buses=["partner"]) as deployment:
            deployment.client("sqs").send_message(QueueUrl=deployment.queue_url("sleep"), MessageBody="x")
            deployment.wait_until(lambda: "began" in deployment.logs("sleep"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


@pytest.mark.usefixtures("nothing_left")
def test_a_start_that_fails_leaves_nothing(template: Path) -> None:
    template.write_text(TEMPLATE + "  Network: {Type: AWS::EC2::VPC}\n")
    with pytest.raises(TemplateError):
        Deployment(template, {}, partner_buses=["partner"])


def test_the_control_door_delivers_partner_events_and_fires_schedules(template: Path) -> None:
    with Deployment(template, {}, partner_buses=["partner"]) as deployment, ControlServer(deployment) as control:
        url = f"http://127.0.0.1:{control.port}"
        event = {
            "bus": "partner",
            "source": "aws.partner/okta.com/acme",
            "detail-type": "SystemLog",
            "detail": {"eventType": "user.lifecycle.deactivate"},
        }
        answer = requests.post(f"{url}/partner-events", json=event, timeout=10)
        requests.post(f"{url}/partner-events", json=event | {"detail": {"eventType": "user.login"}}, timeout=10)
        queue = deployment.resource("PartnerQueue").ref
        messages = deployment.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        [delivered] = [json.loads(message["Body"]) for message in messages]
        assert delivered["id"] == answer.json()["event_id"]
        assert delivered["source"] == "aws.partner/okta.com/acme"

        assert requests.post(f"{url}/schedules/sleep", timeout=10).status_code == 202
        deployment.wait_until(lambda: "began" in deployment.logs("sleep"))
        status = requests.get(f"{url}/status", timeout=10).json()
        assert status["work"] == {"sleep": 1}
        assert status["functions"] == {"sleep": deployment.functions["sleep"].pids}
        environments = requests.get(f"{url}/environments", timeout=10).json()
        assert environments["SleepFunction"]["AWS_ENDPOINT_URL"] == deployment.aws.url

        assert requests.post(f"{url}/schedules/nobody", timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", json={"bus": "partner"}, timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", json=event | {"bus": "nowhere"}, timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", data="nonsense", timeout=10).status_code == 400
        assert requests.get(f"{url}/nowhere", timeout=10).status_code == 404


@contextmanager
def in_the_foreground(temporary: Path, number: signal.Signals, exit_status: int) -> Iterator[str]:
    """`make up`, and what it printed when it was ready; a signal then ends it, and it leaves no trace."""
    # As narrow as a terminal may be: what somebody is to copy must be whole all the same.
    environment = {**os.environ, "TMPDIR": str(temporary), "COLUMNS": "60"}
    command = [sys.executable, "-m", "local", "up"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while "/environments" not in printed:
                line = process.stdout.readline()
                assert line, f"it ended early: {printed}"
                printed += line
            yield printed
            running = functions(printed)
            process.send_signal(number)
            process.communicate()
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate()
    assert process.returncode == exit_status
    assert running
    assert not any(psutil.pid_exists(pid) for pid in running)
    assert not any(is_open(url) for url in addresses(printed))
    assert list(temporary.iterdir()) == []


def addresses(printed: str) -> list[str]:
    return re.findall(r"http://127\.0\.0\.1:\d+", printed)


def control(printed: str) -> str:
    [url] = re.findall(r"^export CONTROL_URL=(\S+)$", printed, re.MULTILINE)
    return str(url)


def functions(printed: str) -> list[int]:
    """The processes in which functions run now."""
    running = requests.get(f"{control(printed)}/status", timeout=10).json()["functions"]
    return [pid for pids in running.values() for pid in pids]


@at_length
def test_a_world_in_the_foreground_ends_by_ctrl_c_without_a_trace(tmp_path: Path) -> None:
    with in_the_foreground(tmp_path, signal.SIGINT, exit_status=0) as printed:
        requests.post(f"{control(printed)}/schedules/schedule_refreshes", timeout=10)
        eventually(lambda: bool(functions(printed)))


@at_length
def test_what_a_world_in_the_foreground_prints_can_be_pasted_into_another_shell_and_nothing_outlives_its_end(
    tmp_path: Path,
) -> None:
    with in_the_foreground(tmp_path, signal.SIGTERM, exit_status=143) as printed:
        for source in SOURCES:
            assert re.search(rf"http://127\.0\.0\.1:\d+/{source}/main\b", printed), source
        exports = dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
        assert exports.keys() >= {
            "CONNECTIONS_TABLE",
            *(f"{each.upper()}_QUEUE_URL" for each in FUNCTIONS if each not in {"watch_deadlines", "receive_webhook"}),
            *(f"{snake(each).upper()}_URGENT_QUEUE_URL" for each in LANED),
        }
        lines = re.findall("^(?:aws|curl) .*", printed, re.MULTILINE)
        pasted = [shlex.split(Template(line).substitute(exports), comments=True) for line in lines]
        aws = boto3.Session(
            exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"], region_name=exports["AWS_REGION"]
        )
        for words in pasted:
            match words:
                case ["aws", "--endpoint-url", url, "events", "put-events", _, entries]:
                    aws.client("events", endpoint_url=url).put_events(Entries=json.loads(entries))
                case ["aws", "--endpoint-url", url, "sqs", "send-message", _, queue, _, body]:
                    aws.client("sqs", endpoint_url=url).send_message(QueueUrl=queue, MessageBody=body)
                case ["curl", url, "-d", body]:
                    assert requests.post(url, data=body, timeout=10).ok
                case ["curl", url, "-H", first, "-H", second, "-H", third, "-H", fourth, "-d", body]:
                    headers = dict(each.split(": ") for each in (first, second, third, fourth))
                    assert requests.post(url, data=body, headers=headers, timeout=20).ok
                case ["curl", "-X", "POST", url]:
                    assert requests.post(url, timeout=10).ok
                case ["curl", url]:
                    assert requests.get(url, timeout=10).ok
                case _:
                    pytest.fail(f"nobody has tried {words}")

        [zoom, venafi] = re.findall(r"(?:Zoom|Venafi TPP) +│ +(http://\S+)", printed)
        signed_in, grants = f"{zoom}/_control/has_session", f"{venafi}/_control/live_grants"
        nobody = [partial(ask, signed_in, user=person.email) for person in (acme.ADA, acme.JOHN, acme.OBRIEN)]
        none = [partial(ask, grants, prefixed_universal=person.venafi_id) for person in (acme.GRACE, acme.JOHN)]
        eventually(lambda: [each() for each in (*nobody, *none)] == [False, False, False, 0, 0])


def ask(question: str, **about: str) -> object:
    return requests.get(question, params=about, timeout=10).json()["result"]


def eventually(it_is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not it_is_so():  # it is another process: nothing here tells when
        assert time.monotonic() < deadline
        time.sleep(0.02)
