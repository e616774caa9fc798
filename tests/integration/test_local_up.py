"""The local world from start to end: its control door, and that nothing of it is left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local.aws.template import TemplateError
from local.control import Control
from local.deployment import Deployment

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
    template.write_text(TEMPLATE + "  Bucket: {Type: AWS::S3::Bucket}\n")
    with pytest.raises(TemplateError):
        Deployment(template, {}, partner_buses=["partner"])


def test_the_control_door_delivers_partner_events_and_fires_schedules(template: Path) -> None:
    with Deployment(template, {}, partner_buses=["partner"]) as deployment, Control(deployment) as control:
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
        assert status["functions"] == {"sleep": deployment.functions["sleep"].pid}
        environments = requests.get(f"{url}/environments", timeout=10).json()
        assert environments["SleepFunction"]["AWS_ENDPOINT_URL"] == deployment.aws.url

        assert requests.post(f"{url}/schedules/nobody", timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", json={"bus": "partner"}, timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", json=event | {"bus": "nowhere"}, timeout=10).status_code == 400
        assert requests.post(f"{url}/partner-events", data="nonsense", timeout=10).status_code == 400
        assert requests.get(f"{url}/nowhere", timeout=10).status_code == 404


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_world_in_the_foreground_ends_without_a_trace(
    number: signal.Signals, exit_status: int, tmp_path: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "200"}
    command = [sys.executable, "-m", "local", "up"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = ""
        while "/environments" not in printed:
            line = process.stdout.readline()
            assert line, f"it ended early: {printed}"
            printed += line
        addresses = re.findall(r"http://127\.0\.0\.1:\d+", printed)
        [control] = {url for url in addresses if f"{url}/environments" in printed}
        requests.post(f"{control}/schedules/schedule_refreshes", timeout=10)
        functions = _running_functions(control)
        process.send_signal(number)
        process.stdout.read()
    assert process.returncode == exit_status
    assert not any(psutil.pid_exists(pid) for pid in functions)
    assert not any(is_open(url) for url in addresses)
    assert list(tmp_path.iterdir()) == []


def _running_functions(control: str) -> list[int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # it is another process: nothing here tells when
        status: dict[str, Any] = requests.get(f"{control}/status", timeout=10).json()
        if pids := [pid for pid in status["functions"].values() if pid]:
            return pids
        time.sleep(0.02)
    raise AssertionError("no function was started")
