"""`leaver doctor` on the local world as `make up` has it, by the real command line: all green, and rows made red."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from click.testing import Result
from typer.testing import CliRunner

from leaver_cli.main import app
from local import acme, surroundings
from tests.e2e.watched_world import WatchedWorld

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text().partition("## What you must be allowed to do")[2]
#: what the page says that an operator must be allowed to do; KMS is asked by DynamoDB
RIGHTS = set(re.findall(r"(?<=\| |, )`([a-z]+:\w+)`", PAGE)) - {"kms:Decrypt"}


@pytest.fixture(scope="module")
def shared_world() -> Iterator[WatchedWorld]:
    with WatchedWorld(**surroundings.PARAMETERS) as world:
        surroundings.surround(world)
        acme.set_up(world)
        acme.connect_hibob(world)
        yield world
        world.forget()


def leaver(world: WatchedWorld, *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=world.environment())


def examined(world: WatchedWorld, *options: str) -> tuple[int, list[dict[str, Any]]]:
    result = leaver(world, "doctor", "--json", *options)
    return result.exit_code, json.loads(result.stdout)["rows"]


def test_all_is_well_after_make_up_and_every_queue_answers_a_probe(
    world: WatchedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # boto3-stubs leave it out

    def heard(client: Any, operation: str, request: Any) -> Any:
        if client.meta.endpoint_url == world.aws.url:
            asked.add(f"{client.meta.service_model.service_name}:{operation}")
        return call(client, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", heard)
    code, rows = examined(world, "--probe")
    assert [each for each in rows if not each["well"]] == []
    assert code == 0
    # The world itself writes the functions' logs.
    asked.discard("logs:PutLogEvents")
    # Of a partner's bus moto has no event source; and who somebody is needs no right.
    assert asked | {"events:DescribeEventSource"} == RIGHTS | {"sts:GetCallerIdentity"}


def test_what_make_up_says_how_to_connect_is_connected_by_that(world: WatchedWorld) -> None:
    by_server, _, by_robot = surroundings.offer_connections(world).splitlines()
    for line, option in ((by_server, "--client-secret-file"), (by_robot, "--password-file")):
        command, _, secret = line.partition("    # asks for the ")
        typed = f"{secret.partition(': ')[2]}\n"
        arguments = [*shlex.split(command)[1:], option, "-"]
        result = CliRunner().invoke(app, arguments, input=typed, env=world.environment())
        assert result.exit_code == 0, result.output
        assert "is connected" in result.output
    code, rows = examined(world)
    assert [each for each in rows if not each["well"]] == []
    assert code == 0


def test_what_is_amiss_is_told_with_what_to_do(world: WatchedWorld) -> None:
    world.put_hr_event("OffboardingRequested", {"subject": {}})
    world.wait_until_idle()
    world.zoom.add_account(acme.BOUGHT_ACCOUNT)
    there = acme.BOUGHT_ADMIN
    world.zoom.add_user(there.zoom_id, there.email, account_id=acme.BOUGHT_ACCOUNT)
    poor = (acme.READ_USER, acme.READ_TOKEN)
    acme.connect_zoom(world, "zoom-poor", poor, account=acme.BOUGHT_ACCOUNT, administrator=there)
    code, rows = examined(world)
    assert code == 1
    assert {(each["row"], each["to_do"]) for each in rows if not each["well"]} == {
        ("dead letters", "leaver parked start_offboarding"),
        ("scopes and roles", "grant it, then: leaver connect zoom zoom-poor"),
    }
    [providers] = [each["says"] for each in rows if each["row"] == "providers"]
    assert "zoom has 2 accounts (acme-zoom-account, bought-zoom-account): a leaver has steps at each" in providers
