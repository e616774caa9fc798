"""A call to the local AWS that is held: nobody else waits for it, and it is carried out, or never is."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.aws.moto_server import MotoServer


@pytest.fixture
def aws() -> Iterator[MotoServer]:
    with MotoServer() as aws:
        yield aws


@pytest.fixture
def caller(aws: MotoServer) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as caller:
        yield caller
        aws.gate.close()


def create(aws: MotoServer, name: str) -> Any:
    return aws.client("secretsmanager").create_secret(Name=name, SecretString="{}")


def names(aws: MotoServer) -> list[str]:
    return [secret["Name"] for secret in aws.client("secretsmanager").list_secrets()["SecretList"]]


def held(aws: MotoServer, caller: ThreadPoolExecutor, name: str) -> Future[Any]:
    call = caller.submit(create, aws, name)
    assert aws.gate.wait_until_held() == 1
    return call


def test_a_call_held_before_it_is_carried_out_holds_up_nobody_else(aws: MotoServer, caller: ThreadPoolExecutor) -> None:
    aws.gate.hold("CreateSecret", "before")
    call = held(aws, caller, "one")
    assert names(aws) == []
    create(aws, "two")
    aws.gate.release()
    assert call.result()["Name"] == "one"
    assert sorted(names(aws)) == ["one", "two"]


def test_a_call_held_after_it_was_carried_out_has_had_its_effect(aws: MotoServer, caller: ThreadPoolExecutor) -> None:
    aws.gate.hold("CreateSecret", "after")
    call = held(aws, caller, "one")
    assert names(aws) == ["one"]
    assert not call.done()
    aws.gate.release()
    assert call.result()["Name"] == "one"


def test_the_second_call_of_a_name_can_be_held_and_those_of_other_names_pass(
    aws: MotoServer, caller: ThreadPoolExecutor
) -> None:
    aws.gate.hold("CreateSecret", "before", nth=2)
    create(aws, "one")
    call = held(aws, caller, "two")
    assert names(aws) == ["one"]
    aws.gate.release()
    call.result()
    create(aws, "three")
    assert list(aws.calls) == ["CreateSecret", "CreateSecret", "ListSecrets", "CreateSecret"]


def test_a_call_that_is_dropped_is_never_carried_out(aws: MotoServer, caller: ThreadPoolExecutor) -> None:
    once = Config(retries={"total_max_attempts": 1})
    session = boto3.Session("local", "local", region_name="eu-central-1")
    sender = session.client("secretsmanager", endpoint_url=aws.url, config=once)
    aws.gate.hold("CreateSecret", "before")
    call = caller.submit(sender.create_secret, Name="one", SecretString="{}")
    assert aws.gate.wait_until_held() == 1
    aws.gate.release(drop=True)
    assert isinstance(call.exception(), ClientError)
    assert names(aws) == []
    sender.close()


def test_what_is_held_goes_when_the_local_aws_ends(aws: MotoServer, caller: ThreadPoolExecutor) -> None:
    aws.gate.hold("CreateSecret", "after")
    call = held(aws, caller, "one")
    aws.gate.close()
    assert call.result()["Name"] == "one"
