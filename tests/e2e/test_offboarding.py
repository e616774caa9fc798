"""From an HR event to the end of a person's access, and to what is kept and said of it."""

import json
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local import acme
from local.acme import Person
from tests.e2e.watched_world import WatchedWorld, in_seconds

OKTA = json.loads((Path(__file__).parents[2] / "events" / "okta.json").read_text())["detail"]

ALL_ENDED = ["GrantsRevoked", "OffboardingCompleted", "OffboardingStarted", "SsoTokenRevoked", "UserTokensPurged"]

#: what one case asks of AWS, its seal and its evidence included, where one leaver comes alone: each call is paid for,
#: and waited for. Who is told of two receipts at once may look twice.
CALLS = {
    "BatchGetItem": 3,
    "GetItem": 40,
    "GetSecretValue": 0,
    "PutItem": 7,
    "UpdateItem": 24,
    "Query": 28,
    "PutEvents": 8,
    "SendMessageBatch": 3,
    "SendMessage": 0,
}


def okta_event(leaver: Person, actor: Person = acme.ADMIN, **changed: Any) -> dict[str, Any]:
    """What Okta sends when `actor` deactivates `leaver`: the real payload with other names and a later date."""
    event: dict[str, Any] = deepcopy(OKTA)
    event["target"][0]["alternateId"] = leaver.email
    event["actor"]["alternateId"] = actor.email
    return {**event, "published": datetime.now(UTC).isoformat(), **changed}


def requested(leaver: Person, **changed: Any) -> dict[str, Any]:
    """Our own HR event."""
    return {
        "version": "leaver.v1",
        "event_id": "hr-2026-004711",
        "source": "hr-system",
        "kind": "immediate",
        "subject": {"email": leaver.email},
        "effective_at": in_seconds(0),
        "occurred_at": in_seconds(0),
        **changed,
    }


def is_out(world: WatchedWorld, person: Person) -> bool:
    return not world.zoom.has_session(person.email) and world.venafi.live_grants(person.venafi_id) == 0


def has_all(world: WatchedWorld, person: Person) -> bool:
    return world.zoom.has_session(person.email) and world.venafi.live_grants(person.venafi_id) == 1


def test_a_case_asks_aws_no_more_than_it_did(world: WatchedWorld) -> None:
    for number in range(2):
        leaver = world.hire()
        world.aws.calls.clear()
        world.put_hr_event("OffboardingRequested", requested(leaver, event_id=f"hr-{number}"))
        world.wait_until_idle()
        # The second time everything is warm.
        made = Counter(world.aws.calls)
        assert is_out(world, leaver)
    assert {name: made[name] for name in CALLS if made[name] > CALLS[name]} == {}, made


def test_oktas_deactivation_ends_that_persons_session_and_grants_and_nobody_elses(world: WatchedWorld) -> None:
    leaver, actor, colleague = world.hire(), world.hire(), world.hire()
    sessions, grants = set(world.zoom.sessions()), world.venafi.live_grants()
    world.put_okta_event(okta_event(leaver, actor))
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert has_all(world, actor)
    assert has_all(world, colleague)
    assert sessions - set(world.zoom.sessions()) == {leaver.zoom_id}
    assert grants - world.venafi.live_grants() == 1


def test_every_grant_of_the_leaver_is_revoked_in_every_application(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.venafi.authorize(acme.CERTIFICATE_APP, leaver.venafi_id)
    world.venafi.add_application("ansible", scope="certificate:manage")
    world.venafi.authorize("ansible", leaver.venafi_id)
    assert world.venafi.live_grants(leaver.venafi_id) == 3
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.venafi.live_grants(leaver.venafi_id) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"outcome": {"result": "FAILURE", "reason": "INSUFFICIENT_PERMISSIONS"}},
        {"eventType": "user.session.start"},
        {"eventType": "user.lifecycle.activate"},
        {"eventType": "user.lifecycle.unsuspend"},
    ],
    ids=lambda changed: str(next(iter(changed.values()))),
)
def test_what_is_no_deactivation_that_succeeded_reaches_nobody(world: WatchedWorld, changed: dict[str, Any]) -> None:
    person = world.hire()
    world.put_okta_event(okta_event(person, **changed))
    world.wait_until_idle()
    assert has_all(world, person)
    assert world.zoom.journal() == world.venafi.journal() == []
    # The rule keeps it away: the function would have parked it.
    assert world.parked("start_offboarding") == []


def test_a_suspended_okta_user_leaves_like_a_deactivated_one(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.put_okta_event(okta_event(leaver, eventType="user.lifecycle.suspend"))
    world.wait_until_idle()
    assert is_out(world, leaver)


def test_our_own_event_on_the_bus_ends_access(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver))
    world.wait_until_idle()
    assert is_out(world, leaver)


def test_our_own_event_straight_into_the_queue_ends_access(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.send("start_offboarding", requested(leaver))
    world.wait_until_idle()
    assert is_out(world, leaver)


def test_the_names_that_the_source_knows_count_more_than_the_mail_address(world: WatchedWorld) -> None:
    leaver, other = world.hire(), world.hire()
    world.venafi.add_identity(leaver.venafi_id, "known-otherwise", email="known.otherwise@example.com")
    subject = {
        "email": leaver.email,
        "identities": {"zoom": {"id": leaver.zoom_id}, "venafi": {"prefixed_universal": leaver.venafi_id.upper()}},
    }
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, subject=subject))
    world.wait_until_idle()
    assert is_out(world, leaver)
    assert has_all(world, other)


def test_a_zoom_id_that_is_somebody_elses_is_refused_and_both_keep_everything(world: WatchedWorld) -> None:
    leaver, other = world.hire(), world.hire()
    identities = {"zoom": {"id": leaver.zoom_id}, "venafi": {"prefixed_universal": leaver.venafi_id}}
    subject = {"email": other.email, "identities": identities}
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, subject=subject))
    world.wait_until_idle()
    assert has_all(world, leaver)
    assert has_all(world, other)
    [parked] = world.parked("start_offboarding")
    assert parked.reason == "subject.identities.zoom.id: there this is somebody with another address than subject.email"


@pytest.mark.parametrize("searched", ["name", "address"])
def test_a_stranger_with_a_similar_name_keeps_everything(world: WatchedWorld, searched: str) -> None:
    leaver, stranger = world.hire(at_venafi=False), world.hire()
    world.venafi.add_identity(stranger.venafi_id, "jroe2", email=f"{leaver.email}.au")
    subject = {"email": leaver.email} | ({"identities": {"venafi": {"name": "jroe"}}} if searched == "name" else {})
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, subject=subject))
    world.wait_until_idle()
    assert has_all(world, stranger)
    assert world.announced("GrantsRevoked") == []
    [failed] = world.announced("RevocationFailed")
    assert (failed.detail["command"], failed.detail["outcome"]) == ("RevokeGrants", "user_not_found")


def test_a_name_with_an_apostrophe_and_a_plus_leaves_like_everybody_else(world: WatchedWorld) -> None:
    world.put_okta_event(okta_event(acme.OBRIEN))
    world.wait_until_idle()
    assert is_out(world, acme.OBRIEN)
    [deleted] = world.zoom.journal(method="DELETE")
    assert deleted.path == f"/v2/users/{acme.OBRIEN.zoom_id}/token"
    assert world.announced_names() == ALL_ENDED


def test_what_is_for_later_ends_nothing_now(world: WatchedWorld) -> None:
    person = world.hire()
    told = requested(person, kind="scheduled", effective_at=in_seconds(3600))
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", told)
    world.wait_until_idle()
    assert has_all(world, person)
    assert world.parked("start_offboarding") == []


@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_what_takes_back_the_departure_of_nobody_ends_nothing_and_is_dead_lettered(
    world: WatchedWorld, kind: str
) -> None:
    person = world.hire()
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(person, kind=kind))
    world.wait_until_idle()
    assert has_all(world, person)
    [parked] = world.parked("start_offboarding")
    assert parked.reason == f"{kind}: nobody of this name has a case, and HR believes that somebody's is undone"


def test_who_signs_in_between_two_departures_is_out_after_the_second(world: WatchedWorld) -> None:
    person = world.hire()
    world.put_okta_event(okta_event(person))
    world.wait_until_idle()
    ended = datetime.now(UTC)
    world.venafi.authorize(acme.CERTIFICATE_APP, person.venafi_id)
    assert not is_out(world, person)
    while datetime.now(UTC) < ended + timedelta(seconds=1):
        # What happens in the second of the case's end is the same departure.
        world.wait_until_idle()
    world.put_okta_event(okta_event(person))
    world.wait_until_idle()
    assert is_out(world, person)


def test_a_departure_that_is_told_too_late_ends_nothing(world: WatchedWorld) -> None:
    person = world.hire()
    world.put_okta_event(okta_event(person, published=in_seconds(-15 * 86400)))
    world.wait_until_idle()
    assert has_all(world, person)
    [parked] = world.parked("start_offboarding")
    assert parked.reason == "older than 14 days: it might hit somebody who was hired again"


# --- What is kept and said of it ---


def acted_on(leaver: Person) -> dict[str, Any]:
    """What a receipt says of whose grants were revoked."""
    name = leaver.email.partition("@")[0]
    whose = {"prefixed_universal": leaver.venafi_id, "prefixed_name": f"local:{name}"}
    return {"grants_left": 0, **whose, "found_by": "address", "searched": "address"}


def test_the_receipts_carry_the_providers_word(world: WatchedWorld) -> None:
    leaver = world.hire()
    published = in_seconds(-90)
    world.put_okta_event(okta_event(leaver, published=published))
    world.wait_until_idle()
    kept = [*world.receipts(leaver.email), *world.receipts(leaver.zoom_id)]
    receipts = {receipt["command"]: receipt for receipt in kept}
    assert receipts.pop("PurgeUserTokens")["outcome"] == "purged"
    assert set(receipts) == {"RevokeSsoToken", "RevokeGrants"}
    session, grants = receipts["RevokeSsoToken"], receipts["RevokeGrants"]

    assert (session["system"], session["connection"]) == ("zoom", "zoom")
    assert (session["outcome"], session["provider_status"]) == ("revoked", 204)
    assert session["tracking_id"].startswith("WEB_")
    assert session["attempts"] == 1

    assert (grants["system"], grants["connection"]) == ("venafi", "venafi")
    assert (grants["outcome"], grants["provider_status"], grants["provider_code"]) == ("revoked", 200, "0")
    assert grants["details"] == acted_on(leaver)
    assert grants["attempts"] == 1

    # Access lasted from the HR event, not from when we heard of it.
    for receipt in receipts.values():
        assert receipt["requested_at"] == published
        assert receipt["time_to_revoke"] >= 90


def test_what_ended_is_announced_by_its_name_with_the_providers_word(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.announced_names() == ALL_ENDED
    [session] = world.announced("SsoTokenRevoked")
    [grants] = world.announced("GrantsRevoked")
    assert (session.detail["subject"], grants.detail["subject"]) == (leaver.zoom_id, leaver.email)
    assert (session.detail["outcome"], session.detail["provider_status"]) == ("revoked", 204)
    assert (grants.detail["outcome"], grants.detail["provider_code"]) == ("revoked", "0")
    assert grants.detail["details"] == acted_on(leaver)
    assert session.detail["announcement_id"] != grants.detail["announcement_id"]


def test_a_user_whom_zoom_does_not_know_is_never_announced_as_revoked(world: WatchedWorld) -> None:
    leaver = world.hire(at_zoom=False)
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.announced_names() == ["GrantsRevoked", "OffboardingStarted", "RevocationFailed", "UserTokensPurged"]
    [failed] = world.announced("RevocationFailed")
    assert failed.detail["command"] == "RevokeSsoToken"
    assert (failed.detail["outcome"], failed.detail["provider_status"]) == ("user_not_found", 404)
    assert failed.detail["provider_code"] == "1001"
    assert "time_to_revoke" not in failed.detail
    # It is a last word, not a failure to mend.
    assert world.parked("revoke_sso_token") == []
    assert world.venafi.live_grants(leaver.venafi_id) == 0


def test_an_identity_that_venafi_does_not_know_is_never_announced_as_revoked(world: WatchedWorld) -> None:
    leaver = world.hire(at_venafi=False)
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    # An address that Venafi does not know proves nothing: the case stays open until a person says so.
    assert world.announced_names() == sorted(
        {*ALL_ENDED, "RevocationFailed"} - {"GrantsRevoked", "OffboardingCompleted"}
    )
    [failed] = world.announced("RevocationFailed")
    assert (failed.detail["command"], failed.detail["outcome"]) == ("RevokeGrants", "user_not_found")
    assert world.parked("revoke_grants") == []


def test_a_leaver_whom_the_robot_can_not_see_and_whose_name_is_another_is_found_by_their_grants(
    world: WatchedWorld,
) -> None:
    leaver = world.hire(at_venafi=False)
    in_directory = "AD+corp:{5e1f0000-2d77-43af-8f1f-39f1ba132825}"
    world.venafi.add_identity(in_directory, "u4711", email=leaver.email)
    world.venafi.authorize(acme.CERTIFICATE_APP, in_directory)
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.venafi.live_grants(in_directory) == 0
    [revoked] = world.announced("GrantsRevoked")
    assert revoked.detail["details"] == {
        "grants_left": 0,
        "prefixed_universal": in_directory,
        "prefixed_name": "AD+corp:u4711",
        "found_by": "application",
        "searched": "address,local_part,application",
    }


def test_a_leaver_whose_account_was_deleted_before_hr_spoke_is_not_said_to_be_unknown(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.venafi.delete_identity(leaver.venafi_id)
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.venafi.live_grants(leaver.venafi_id) == 1
    [failed] = world.announced("RevocationFailed")
    assert (failed.detail["command"], failed.detail["outcome"]) == ("RevokeGrants", "not_searchable")
    assert world.announced("OffboardingCompleted") == []
    sent = world.put_command("RevokeGrants", {"grantee_prefixed_universal": leaver.venafi_id})
    world.wait_until_idle()
    assert (world.receipt(sent)["outcome"], world.venafi.live_grants(leaver.venafi_id)) == ("revoked", 0)


def test_two_identities_under_one_name_are_a_persons_decision(world: WatchedWorld) -> None:
    leaver = world.hire()
    world.venafi.add_identity("local:{namesake}", "namesake", email=leaver.email)
    world.venafi.authorize(acme.CERTIFICATE_APP, "local:{namesake}")
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    [parked] = world.parked("revoke_grants")
    assert (parked.error, parked.reason) == ("Rejected", "ambiguous identity")
    assert world.venafi.live_grants(leaver.venafi_id) == world.venafi.live_grants("local:{namesake}") == 1


def test_leaver_does_not_revoke_the_grants_that_it_works_through(world: WatchedWorld) -> None:
    before = world.venafi.live_grants(acme.LEAVER_ID)
    sent = world.put_command("RevokeGrants", {"grantee_prefixed_universal": acme.LEAVER_ID, "connection": "venafi"})
    world.wait_until_idle()
    assert world.venafi.live_grants(acme.LEAVER_ID) == before
    [parked] = world.parked("revoke_grants")
    assert parked.reason == "this is the identity that Leaver itself works as"
    assert world.receipt(sent)["outcome"] == "failed"
