"""Every HR source has its way in: what it sends ends that person's access and nobody else's, or is parked by name."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.storage.tables import timestamp
from local.acme import Person
from tests.doubles.hr_events import payload
from tests.e2e.watched_world import WatchedWorld


def now() -> datetime:
    return datetime.now(UTC)


def scim(world: WatchedWorld, leaver: Person) -> None:
    webhook(world, "ScimPatch", payload("scim"), leaver)


def caep(world: WatchedWorld, person: Person, **content: Any) -> None:
    claims = payload("caep") | {"iat": int(now().timestamp()), "sub_id": {"format": "email", "email": person.email}}
    (event,) = claims["events"].values()
    event |= {"event_timestamp": int(now().timestamp() * 1000)} | content
    webhook(world, "SecurityEventToken", claims)


def risc(world: WatchedWorld, leaver: Person) -> None:
    claims = payload("risc") | {"iat": int(now().timestamp()), "sub_id": {"format": "email", "email": leaver.email}}
    (event,) = claims["events"].values()
    event["reason"] = "bulk-account"
    webhook(world, "SecurityEventToken", claims)


def hibob(world: WatchedWorld, leaver: Person) -> None:
    today = {"triggeredAt": now().replace(tzinfo=None).isoformat()}
    sent = payload("hibob") | {"type": "employee.left"} | today
    sent["data"]["effectiveDate"] = now().date().isoformat()
    webhook(world, "HiBobWebhook", sent, leaver)


def gusto(world: WatchedWorld, leaver: Person) -> None:
    today = {"timestamp": int(now().timestamp())}
    webhook(world, "GustoWebhook", payload("gusto") | {"event_type": "employee.terminated_effective"} | today, leaver)


def bamboohr(world: WatchedWorld, leaver: Person) -> None:
    sent = payload("bamboohr_fields")
    sent["employees"][0]["timestamp"] = now().isoformat()
    sent["employees"][0]["fields"]["Work Email"] = leaver.email
    webhook(world, "BambooHrWebhook", sent)


def sailpoint(world: WatchedWorld, leaver: Person) -> None:
    detail = payload("sailpoint")["detail"]
    detail["identity"]["name"] = leaver.email
    world.put_sailpoint_event(detail)


def webhook(world: WatchedWorld, detail_type: str, detail: dict[str, Any], leaver: Person | None = None) -> None:
    """Put what came in on the bus, as a receiver does, with the person it looked up."""
    resources = [f"mailto:{leaver.email}"] if leaver else []
    world.put_event("leaver", "leaver.hr", detail_type, detail, resources=resources)


def is_out(world: WatchedWorld, person: Person) -> bool:
    return not world.zoom.has_session(person.email) and world.venafi.live_grants(person.venafi_id) == 0


@pytest.mark.parametrize(
    "sends", [bamboohr, gusto, hibob, risc, sailpoint, scim], ids=lambda sends: str(sends.__name__)
)
def test_what_a_source_sends_ends_that_persons_access_alone(
    world: WatchedWorld, sends: Callable[[WatchedWorld, Person], None]
) -> None:
    leaver, colleague = world.hire(), world.hire()
    sends(world, leaver)
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert world.zoom.has_session(colleague.email)
    assert world.venafi.live_grants(colleague.venafi_id) == 1
    assert world.parked("start_offboarding") == []


def test_a_session_that_a_policy_revoked_ends_grants_and_session_of_somebody_who_stays(world: WatchedWorld) -> None:
    person, colleague = world.hire(), world.hire()
    caep(world, person, initiating_entity="policy")
    world.wait_until_idle()
    assert is_out(world, person)
    assert world.zoom.has_session(colleague.email)
    [completed] = [each.detail for each in world.announced("OffboardingCompleted")]
    assert (completed["kind"], completed["outstanding"]) == ("contain", [])
    # She works on: what is asked for behind the cutoff is kept; of the cutoff's own second nothing is.
    world.wait_until(lambda: timestamp(now()) > completed["finished_at"])
    world.send("retrieve_user_token", {"user_id": person.email, "connection": "zoom"})
    world.wait_until_idle()
    assert len(world.announced("UserTokenRetrieved")) == 1
    assert world.parked("start_offboarding") == []


def test_a_session_of_which_nobody_says_who_revoked_it_ends_sessions_alone(world: WatchedWorld) -> None:
    person = world.hire()
    caep(world, person)
    world.wait_until_idle()
    assert not world.zoom.has_session(person.email)
    assert world.venafi.live_grants(person.venafi_id) == 1


def test_a_change_of_another_attribute_at_sailpoint_does_not_even_arrive(world: WatchedWorld) -> None:
    person = world.hire()
    detail = payload("sailpoint_other_attribute")["detail"]
    detail["identity"]["name"] = person.email
    world.put_sailpoint_event(detail)
    world.wait_until_idle()
    assert not is_out(world, person)
    assert world.parked("start_offboarding") == []


@pytest.mark.parametrize(
    ("detail_type", "name", "lookup"),
    [
        ("ScimPatch", "scim", "GET /Users/{id}"),
        ("SecurityEventToken", "caep_opaque_subject", "look the e-mail up at the issuer"),
        ("HiBobWebhook", "hibob", "GET /v1/people/{id}/lifecycle"),
        ("GustoWebhook", "gusto", "GET /v1/employees/{id}"),
    ],
)
def test_what_names_nobody_is_parked_with_the_lookup_that_is_missing(
    world: WatchedWorld, detail_type: str, name: str, lookup: str
) -> None:
    webhook(world, detail_type, payload(name))
    world.wait_until_idle()
    [parked] = world.parked("start_offboarding")
    assert parked.error == "Rejected"
    assert lookup in parked.reason
    assert world.zoom.journal() == world.venafi.journal() == []
