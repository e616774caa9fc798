"""A webhook through the front door becomes a case, and a forged one becomes nothing."""

import json
from datetime import UTC, datetime

import pytest
import requests
from typer.testing import CliRunner

from leaver.webhooks.places import Places
from leaver.webhooks.sources import SOURCES
from leaver_cli.main import app
from local import acme
from tests.doubles.front_door import sign
from tests.e2e.test_look_ups import left
from tests.e2e.watched_world import WatchedWorld

TIMEOUT = 20


def post(world: WatchedWorld, path: str, body: bytes, headers: dict[str, str]) -> requests.Response:
    return requests.post(f"{world.api_url}{path}", data=body, headers=headers, timeout=TIMEOUT)


def test_a_signed_webhook_ends_that_persons_access_alone(world: WatchedWorld) -> None:
    leaver, colleague = world.hire(), world.hire()
    headers, body = acme.standard_webhook(leaver, datetime.now(UTC))
    answers = [post(world, "/standard/main", body.encode(), headers) for _ in range(2)]
    assert [(each.status_code, each.text) for each in answers] == [(200, "")] * 2
    world.wait_until_idle()
    assert not world.zoom.has_session(leaver.email)
    assert world.venafi.live_grants(leaver.venafi_id) == 0
    assert world.zoom.has_session(colleague.email)
    [completed] = [each.detail for each in world.announced("OffboardingCompleted")]
    # Whatever a sender calls itself, its word is that of the connection it came by.
    assert (completed["source"], completed["event_id"]) == ("standard/main", headers["webhook-id"])
    assert world.parked("start_offboarding") == []


def test_what_only_names_an_id_is_parked_and_so_is_what_nobody_can_read(world: WatchedWorld) -> None:
    now = datetime.now(UTC)
    left = b'{"version":"v2","type":"employee.left","triggeredAt":"2026-11-20T08:30:00","data":{"employeeId":"333"}}'
    for body, kind in ((left, "application/json"), (b"employee=333", "application/x-www-form-urlencoded")):
        headers = sign("hibob", body, now, secret=acme.WEBHOOK_SECRETS["hibob"]) | {"content-type": kind}
        assert post(world, "/hibob/main", body, headers).status_code == 200
    world.wait_until_idle()
    reasons = sorted(each.reason for each in world.parked("start_offboarding"))
    assert [reason.partition(":")[0] for reason in reasons] == ["hibob", "raw"]


def test_strangers_get_nothing_and_nothing_happens(world: WatchedWorld) -> None:
    person = world.hire()
    headers, body = acme.standard_webhook(person, datetime.now(UTC))
    forged = {**headers, "webhook-signature": "v1,AAAA"}
    attempts = [
        post(world, "/standard/main", body.encode(), forged),
        post(world, "/standard/main", body.encode() + b" ", headers),
        post(world, "/standard/other", body.encode(), headers),
        post(world, "/standard/main/", body.encode(), headers),
        post(world, "/nowhere", body.encode(), headers),
        post(world, "/", b"", {}),
        requests.get(f"{world.api_url}/standard/main", timeout=TIMEOUT),
    ]
    seen = {(each.status_code, each.text, each.headers.get("cache-control")) for each in attempts}
    assert seen == {(401, "", "no-store")}
    world.wait_until_idle()
    assert world.zoom.has_session(person.email)
    assert person.email not in world.logs("receive_webhook")


def test_a_signed_hibob_webhook_with_an_id_only_ends_as_that_persons_sealed_case(world: WatchedWorld) -> None:
    leaver, colleague = world.hire(), world.hire()
    body = json.dumps(left(world.leaves_at_hibob(leaver))).encode()
    now = datetime.now(UTC)
    headers = sign("hibob", body, now, secret=acme.WEBHOOK_SECRETS["hibob"]) | {"content-type": "application/json"}
    assert post(world, "/hibob/main", body, headers).status_code == 200
    world.wait_until_idle()
    [case] = [each for each in world.cases() if each["email"] == leaver.email]
    assert (case["state"], case["source"]) == ("completed", "hibob")
    assert case["head"]
    assert not world.zoom.has_session(leaver.email)
    assert world.zoom.has_session(colleague.email)


def tried(world: WatchedWorld, place: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["door", "test", place], env=world.environment())
    return result.exit_code, result.output


@pytest.mark.parametrize("source", SOURCES)
def test_every_connection_can_be_tried_as_far_as_the_intake_and_nothing_follows(
    world: WatchedWorld, source: str
) -> None:
    places = Places(world.client("dynamodb"), table=world.resource("Deliveries").ref)
    before = places.connected()
    status, told = tried(world, f"{source}/main")
    assert (status, f"{source}/main nothing_follows leaver door test" in told) == (0, True), told
    assert world.parked("start_offboarding") == []
    # A feed that is dead is not brought to life by whoever tries the door every night.
    assert places.connected() == before


def test_a_trial_that_is_refused_says_so(world: WatchedWorld) -> None:
    order = ["door", "test", "hibob/main", "--endpoint", f"{world.api_url}/nowhere"]
    result = CliRunner().invoke(app, order, env=world.environment())
    assert (result.exit_code, "hibob/main: 401: refused" in result.output) == (1, True)
