"""What Leaver itself keeps of a leaver, and the account at Zoom, where the deployment wants that deactivated."""

from collections.abc import Iterator

import pytest

from leaver.storage.tables import item
from local import acme
from local.acme import Person
from tests.e2e.test_offboarding import requested
from tests.e2e.watched_world import WatchedWorld


@pytest.fixture(scope="module")
def world() -> Iterator[WatchedWorld]:
    with WatchedWorld(DeactivateUsers="true") as world:
        acme.set_up(world)
        yield world


def kept_of(world: WatchedWorld, person: Person) -> list[str]:
    pages = world.client("secretsmanager").get_paginator("list_secrets").paginate()
    names = [secret["Name"] for page in pages for secret in page["SecretList"]]
    return [name for name in names if f"/user-tokens/{person.zoom_id}/" in name]


def status_of(world: WatchedWorld, person: Person) -> object:
    (status,) = (user["status"] for user in world.zoom.users() if user["id"] == person.zoom_id)
    return status


def leaves(world: WatchedWorld, person: Person, **changed: str) -> None:
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(person, **changed))
    world.wait_until_idle()


def test_a_leavers_tokens_are_destroyed_the_account_deactivated_and_nothing_is_handed_out_any_more(
    world: WatchedWorld,
) -> None:
    world.forget()
    leaver, colleague = world.hire(), world.hire()
    for person in (leaver, colleague):
        world.send(
            "retrieve_user_token",
            *({"user_id": person.email, "type": kind, "connection": "zoom"} for kind in ("zak", "token")),
        )
    world.wait_until_idle()
    assert len(kept_of(world, leaver)) == len(kept_of(world, colleague)) == 2
    expiries = [told.detail["details"]["expires_at"] for told in world.announced("UserTokenRetrieved")]

    leaves(world, leaver)
    assert (len(kept_of(world, leaver)), len(kept_of(world, colleague))) == (0, 2)
    assert (status_of(world, leaver), status_of(world, colleague)) == ("inactive", "active")
    assert not world.zoom.has_session(leaver.email)
    [purged] = world.announced("UserTokensPurged")
    assert purged.detail["details"]["destroyed"] == 2
    assert purged.detail["details"]["handed_out_until"] in expiries
    [deactivated] = world.announced("UserDeactivated")
    assert deactivated.detail["details"] == {"session": "revoked"}
    [completed] = world.announced("OffboardingCompleted")
    assert [each["until"] for each in completed.detail["residual"]] == [purged.detail["details"]["handed_out_until"]]

    minted = len(world.zoom.user_tokens(leaver.email))
    sent = world.send(
        "retrieve_user_token",
        {"user_id": leaver.email, "connection": "zoom"},
        {"user_id": leaver.zoom_id, "connection": "zoom"},
    )
    world.wait_until_idle()
    assert {world.receipt(each)["outcome"] for each in sent} == {"refused"}
    assert len(world.zoom.user_tokens(leaver.email)) == minted
    assert kept_of(world, leaver) == []


def test_a_retrieval_that_is_under_way_when_the_user_leaves_leaves_nothing_behind(world: WatchedWorld) -> None:
    world.forget()
    leaver = world.hire()
    world.zoom.inject("/v2/users/.*/token", method="GET", hold="after")
    [sent] = world.send("retrieve_user_token", {"user_id": leaver.email, "connection": "zoom"})
    assert world.zoom.wait_until_held() == 1
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, event_id="hr-under-way"))
    world.wait_until(lambda: world.announced("UserTokensPurged"))
    world.zoom.release()
    world.wait_until_idle()
    assert world.receipt(sent)["outcome"] == "refused"
    assert kept_of(world, leaver) == []
    assert world.announced("UserTokenRetrieved") == []


def test_a_token_that_is_dead_is_destroyed_by_the_schedule_and_one_that_lives_is_not(world: WatchedWorld) -> None:
    world.forget()
    one, other = world.hire(), world.hire()
    world.send(
        "retrieve_user_token",
        {"user_id": one.email, "connection": "zoom"},
        {"user_id": other.email, "connection": "zoom"},
    )
    world.wait_until_idle()
    world.client("dynamodb").update_item(
        TableName=world.resource("Cases").ref,
        Key=item({"partition": f"user-token#{one.zoom_id}", "entry": "zoom#zak"}),
        UpdateExpression="SET expires_at = :past, watch_at = :past",
        ExpressionAttributeValues=item({":past": "2020-01-01T00:00:00Z"}),
    )
    world.fire_schedule("watch_deadlines")
    world.wait_until_idle()
    assert (len(kept_of(world, one)), len(kept_of(world, other))) == (0, 1)
