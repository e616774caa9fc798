"""`make sam-local` as far as it goes without an engine: what it misses, what it hands to SAM, how it judges."""

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from docker.errors import DockerException

from local.aws.template import Json, parsed
from local.container_engine import ContainerEngine, Failed, Missing, find_engine
from local.http_server import HttpServer
from local.sam_cli import SamCli, answer_in, execute, make_invoke_image
from local.sam_local import FUNCTIONS, Observed, Row
from local.sample_events import sample_event
from local.world import TEMPLATE, World
from local.world_in_container import PYTHONPATH, WorldInContainer
from tests.doubles.docker_engine import DockerEngine

ROOT = Path(__file__).parents[2]
DATES = {
    *("time", "occurred_at", "effective_at", "requested_at", "finished_at"),
    *("SentTimestamp", "ApproximateFirstReceiveTimestamp"),
}
NOW = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)

#: A `sam` that keeps what it was given.
SAM = """#!/bin/sh
cd "$(dirname "$0")"
env > environment
while [ $# -gt 0 ]; do
  case "$1" in --env-vars) cp "$2" variables ;; --event) cp "$2" event ;; esac
  shift
done
echo '{"batchItemFailures": []}'
"""


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where programs are found, besides the system's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    return folder


def install(folder: Path, program: str, script: str) -> None:
    (folder / program).write_text(script)
    (folder / program).chmod(0o755)


@pytest.fixture
def served() -> Iterator[tuple[DockerEngine, str]]:
    """A double of an engine, and its address."""
    double = DockerEngine()
    with HttpServer(double) as server:
        yield double, f"tcp://127.0.0.1:{server.port}"


@pytest.fixture
def double(served: tuple[DockerEngine, str]) -> DockerEngine:
    return served[0]


@pytest.fixture
def docker(served: tuple[DockerEngine, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ContainerEngine]:
    monkeypatch.setenv("DOCKER_HOST", served[1])
    engine = find_engine()
    yield engine
    engine.client.close()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(parameters={"DeactivateUsers": "true"}, consuming=False) as world:
        yield world


# -- what is missing


def test_without_an_engine_it_says_what_is_missing_and_exits_3(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/docker.sock"
    ended = subprocess.run(
        [sys.executable, "-m", "local", "sam-local"],
        cwd=ROOT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "DOCKER_HOST": host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    needs = "`make sam-local` needs a container engine, Docker or Podman: "
    docker = f"docker does not answer at {host} (is its daemon running?)"
    podman = f"podman does not answer at {host} (systemctl --user start podman.socket)"
    assert ended.stdout == f"{needs}{docker}; {podman}.\n"
    assert ended.stderr == ""


@pytest.mark.usefixtures("bin_folder")
def test_an_engine_that_does_not_answer_is_named_with_its_address() -> None:
    with pytest.raises(Missing, match=r"docker does not answer at tcp://127\.0\.0\.1:1 "):
        find_engine()


def test_podman_is_taken_where_docker_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    podman = Mock()

    def connect(*, environment: Mapping[str, str], **_: object) -> Mock:
        if environment["DOCKER_HOST"] != "unix:///run/user/1000/podman/podman.sock":
            raise DockerException
        return podman

    monkeypatch.setattr("docker.from_env", connect)
    found = find_engine()
    assert found.host == "unix:///run/user/1000/podman/podman.sock"
    assert found.client is podman


@pytest.mark.usefixtures("bin_folder")
def test_a_missing_sam_is_named(docker: ContainerEngine, tmp_path: Path) -> None:
    with pytest.raises(Missing, match="the AWS SAM CLI"):
        SamCli(docker, tmp_path)


def test_an_image_that_cant_be_had_is_named_with_the_engines_reason(docker: ContainerEngine) -> None:
    with pytest.raises(Missing, match=r"example\.invalid/python:3\.13, .*pull access denied.*SAM_LOCAL_BASE_IMAGE"):
        make_invoke_image(docker, "example.invalid/python:3.13", "leaver-world", 5000)


# -- what is left behind


def test_a_network_goes_with_all_that_stands_on_it_whatever_happened(
    docker: ContainerEngine, double: DockerEngine
) -> None:
    double.networks |= {"leaver-12", "bridge"}
    double.containers |= {"another": "leaver-12"}

    def work() -> None:
        with docker.network("leaver-1"):
            assert "leaver-1" in double.networks
            double.containers |= {"world": "leaver-1", "of-sam": "leaver-1"}
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert double.networks == {"leaver-12", "bridge"}
    assert double.containers == {"another": "leaver-12"}


def test_a_program_that_was_interrupted_ends_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = tmp_path / "pids"
    os.mkfifo(pids)
    started: list[int] = []

    def interrupted(*_: object, **__: object) -> None:
        started.extend(map(int, pids.read_text().split()))
        raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen.communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        execute(["/bin/sh", "-c", f"sleep 60 & echo $$ $! > {pids}; wait"], env={})
    assert len(started) == 2
    gone, alive = psutil.wait_procs([psutil.Process(pid) for pid in started if psutil.pid_exists(pid)], timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], gone


def test_a_command_that_fails_says_what_the_engine_said(docker: ContainerEngine) -> None:
    with pytest.raises(DockerException, match=r"unknown: POST /v1\.41/volumes/create"):
        docker.client.volumes.create("leaver")


# -- what SAM is given


def functions(template: Json) -> dict[str, Json]:
    """The functions as they are written: none of them stands in a loop."""
    alone = {name: it for name, it in template["Resources"].items() if not name.startswith("Fn::ForEach::")}
    return {name: it for name, it in alone.items() if it["Type"] == "AWS::Serverless::Function"}


def test_the_variables_name_all_that_the_template_declares(world: World) -> None:
    template = parsed(TEMPLATE.read_text())
    everywhere = template["Globals"]["Function"]["Environment"]["Variables"]
    declared = {
        name: {
            variable
            for variable, value in (everywhere | it["Properties"].get("Environment", {}).get("Variables", {})).items()
            if value != {"Ref": "AWS::NoValue"}
        }
        for name, it in functions(template).items()
    }
    given = world.environments()
    assert given.keys() == declared.keys()
    for function, names in declared.items():
        assert names <= given[function].keys()


def test_sam_is_given_the_event_and_the_worlds_variables_and_none_of_ours(
    docker: ContainerEngine, bin_folder: Path, tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(bin_folder, "sam", SAM)
    for name in ("CONNECTIONS_TABLE", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "ours")
    answer, _ = SamCli(docker, tmp_path).invoke(
        "RevokeSsoTokenFunction",
        {"Records": []},
        environments=world.environments(),
        network="leaver-1",
        aws_url=world.aws.url,
    )
    assert answer == '{"batchItemFailures": []}'
    assert json.loads((bin_folder / "event").read_text()) == {"Records": []}
    assert json.loads((bin_folder / "variables").read_text()) == world.environments()
    told = dict(line.split("=", 1) for line in (bin_folder / "environment").read_text().splitlines())
    assert "ours" not in told.values()
    assert told["AWS_ENDPOINT_URL_STS"] == world.aws.url
    assert told["AWS_CONFIG_FILE"] == told["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert told["DOCKER_HOST"] == docker.host


def test_a_world_without_functions_leaves_its_queues_alone(world: World) -> None:
    world.put_command("RevokeSsoToken", {"user_id": "ada@example.com"})
    assert world.work() == {}
    received = world.client("sqs").receive_message(QueueUrl=world.queue_url("revoke_sso_token"))["Messages"]
    assert json.loads(received[0]["Body"])["detail"] == {"user_id": "ada@example.com"}


# -- the payloads


def dates_of(event: Any) -> Any:
    """Take out what says when, wherever it stands."""
    if isinstance(event, dict):
        return {name: dates_of(value) for name, value in event.items() if name not in DATES}
    return event


# What is signed can be dated by nobody else.
@pytest.mark.parametrize("function", [each for each in FUNCTIONS if each != "receive_webhook"])
def test_a_payload_is_of_today_and_otherwise_the_sample(function: str) -> None:
    sample, now = json.loads((ROOT / "events" / f"{function}.json").read_text()), sample_event(function, NOW)
    assert "2026" not in json.dumps(now).replace("hr-2026-004711", "")
    if "Records" not in sample:
        assert now["time"] == "2031-05-04T03:02:01Z"
        assert dates_of(now) == dates_of(sample)
        return
    [was], [record] = sample["Records"], now["Records"]
    body = record.pop("body")
    assert record.pop("md5OfBody") == hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    assert dates_of(json.loads(body)) == dates_of(json.loads(was.pop("body")))
    assert record["attributes"]["SentTimestamp"] == "1935630121000"
    del was["md5OfBody"]
    assert dates_of(record) == dates_of(was)


def test_an_hr_event_happens_and_takes_effect_today() -> None:
    detail = json.loads(sample_event("start_offboarding", NOW)["Records"][0]["body"])["detail"]
    assert detail["occurred_at"] == detail["effective_at"] == "2031-05-04T03:02:01Z"


# -- the judgement


@pytest.mark.parametrize(
    ("stdout", "answer"),
    [
        ('{"batchItemFailures": []}', '{"batchItemFailures": []}'),
        ('{"batchItemFailures":[{"itemIdentifier":"1"}]}\n', '{"batchItemFailures": [{"itemIdentifier": "1"}]}'),
        ("null", "null"),
        ("", "no answer"),
        ("\n", "no answer"),
        ('{"errorMessage": "no BUS", "errorType": "InvalidSetting", "stackTrace": []}', "InvalidSetting: no BUS"),
        ('{"errorMessage": "killed"}', "an error: killed"),
    ],
)
def test_an_answer_is_read_from_what_sam_prints(stdout: str, answer: str) -> None:
    assert answer_in(stdout) == answer


@pytest.mark.parametrize(
    ("answer", "before", "after", "holds"),
    [
        ('{"batchItemFailures": []}', "signed in", "no session", True),
        ('{"batchItemFailures": []}', "signed in", "signed in", False),
        ('{"batchItemFailures": []}', "no session", "no session", False),
        ('{"batchItemFailures": [{"itemIdentifier": "1"}]}', "signed in", "no session", False),
        ("no answer", "signed in", "no session", False),
    ],
)
def test_a_row_holds_when_the_function_said_so_and_the_world_changed(
    answer: str, before: str, after: str, *, holds: bool
) -> None:
    row = Row("revoke_sso_token", "no session", "Zoom", lambda _, __: "unused")
    assert Observed(row, answer, before, after).holds is holds


def test_every_function_is_invoked_and_the_connections_end_comes_last() -> None:
    template = parsed(TEMPLATE.read_text())
    deployed = {Path(it["Properties"]["CodeUri"]).name for it in functions(template).values()}
    assert set(FUNCTIONS) == deployed
    assert FUNCTIONS[-1] == "revoke_access_token"


def test_in_its_container_the_local_world_finds_all_that_it_imports() -> None:
    # -S: without the packages' own .pth files, which know where this checkout lies
    mounted = {"/site-packages": sysconfig.get_path("purelib"), "/leaver": str(ROOT)}
    inside = re.compile(rf"^({'|'.join(mounted)})(?=/|$)")
    path = os.pathsep.join(inside.sub(lambda found: mounted[found[1]], each) for each in PYTHONPATH.split(os.pathsep))
    started = subprocess.run(
        [sys.executable, "-S", "-c", "import local.__main__"],
        env={"PYTHONPATH": path},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (started.returncode, started.stderr) == (0, "")


def test_a_world_that_does_not_start_is_told_with_all_that_its_container_printed(
    docker: ContainerEngine, double: DockerEngine
) -> None:
    double.printed = (b"out\n", b"wrong\n")
    with pytest.raises(Failed, match=r"did not start:\nout\nwrong\n$"):
        WorldInContainer(docker, "python:3.13", "leaver-1")


def test_a_worlds_container_is_known_by_name_on_its_network_and_on_this_machine_alone(
    docker: ContainerEngine, double: DockerEngine
) -> None:
    with pytest.raises(Failed):
        WorldInContainer(docker, "python:3.13", "leaver-1")
    asked = double.created["leaver-1-world"]
    assert asked["NetworkingConfig"]["EndpointsConfig"]["leaver-1"]["Aliases"] == ["leaver-world"]
    bindings = asked["HostConfig"]["PortBindings"].values()
    assert [binding["HostIp"] for [binding] in bindings] == ["127.0.0.1"] * 5
    assert all(bind.endswith(":ro") for bind in asked["HostConfig"]["Binds"])
