"""What can't be understood is parked at once, with a reason that helps and shows nothing; its neighbours are done."""

import json
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from local import acme
from tests.e2e.bad_messages import BAD, NO_SUCH_CONNECTION, SECRET, USER_ID
from tests.e2e.watched_world import ParkedMessage, WatchedWorld

COMMANDS = {
    "revoke_sso_token": "RevokeSsoToken",
    "retrieve_user_token": "RetrieveUserToken",
    "revoke_grants": "RevokeGrants",
    "revoke_access_token": "RevokeAccessToken",
    "purge_user_tokens": "PurgeUserTokens",
}
#: what SQS takes, and shows, at once
AT_ONCE = 10


def batches(bad: Mapping[str, Mapping[str, tuple[object, str]]]) -> list[tuple[str, list[str]]]:
    return [
        (function, list(each)[at : at + AT_ONCE])
        for function, each in bad.items()
        for at in range(0, len(each), AT_ONCE)
    ]


#: The bus takes JSON objects; a refresh makes a detour; of applications the bus has a rule of its own. All these below.
BAD_FOR_THE_BUS = {
    function: {
        what: (detail, reason)
        for what, (detail, reason) in BAD[function].items()
        if isinstance(detail, dict)
        and not detail.keys() & {"detail-type", "confirm"}
        and what != "an application without the words"
    }
    for function in COMMANDS
}

#: how a failure of what revokes nothing is announced
FAILED_AS = {
    "refresh_access_token": "RefreshFailed",
    "schedule_refreshes": "RefreshFailed",
    "retrieve_user_token": "RetrievalFailed",
}


def park(world: WatchedWorld, function: str, body: object) -> ParkedMessage:
    world.send(function, body)
    world.settle()
    [parked] = world.parked(function)
    return parked


def park_in_silence(
    world: WatchedWorld, function: str, reasons: list[str], send: Callable[[], object]
) -> list[ParkedMessage]:
    """Send what is bad, and see all parked at the first attempt, with nothing else done and nothing of it shown."""
    before = {name: len(world.logs(name)) for name in world.functions}
    send()
    world.settle()
    parked = world.parked(function)
    assert {each.attributes["function"] for each in parked} == {f"leaver-{function.replace('_', '-')}"}
    assert world.work() == {}
    # Nothing was done: no provider was asked to end anything.
    assert world.zoom.journal(method="DELETE") == world.venafi.journal(".*revokegrants") == []

    failed = [(each.name, each.detail["reason"], each.detail["attempts"]) for each in world.announced()]
    assert Counter(failed) == Counter((FAILED_AS.get(function, "RevocationFailed"), reason, 1) for reason in reasons)
    said = [world.logs(name)[length:] for name, length in before.items()]
    details = [dict(each.detail) for each in world.announced()]
    attributes = [each.attributes for each in parked]
    assert SECRET not in json.dumps([attributes, said, details, [dict(each) for each in world.receipts()]])
    return parked


@pytest.mark.parametrize(("function", "bad"), batches(BAD), ids=str)
def test_bad_input_by_hand_is_parked_at_once_with_the_field_and_what_was_expected(
    world: WatchedWorld, function: str, bad: list[str]
) -> None:
    bodies, reasons = zip(*(BAD[function][what] for what in bad), strict=True)
    parked = park_in_silence(world, function, list(reasons), lambda: world.send(function, *bodies))
    sent = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    assert {each.body: each.reason for each in parked} == dict(zip(sent, reasons, strict=True))
    assert len(parked) == len(sent)


@pytest.mark.parametrize(("function", "bad"), batches(BAD_FOR_THE_BUS), ids=str)
def test_bad_input_by_the_bus_is_parked_at_once_with_the_field_and_what_was_expected(
    world: WatchedWorld, function: str, bad: list[str]
) -> None:
    details, reasons = zip(*(BAD_FOR_THE_BUS[function][what] for what in bad), strict=True)

    def send() -> None:
        for detail in details:
            world.put_command(COMMANDS[function], detail)

    parked = park_in_silence(world, function, list(reasons), send)
    assert len(parked) == len(details)
    found = {json.dumps(json.loads(each.body)["detail"]): each.reason for each in parked}
    assert found == {json.dumps(detail): reason for detail, reason in zip(details, reasons, strict=True)}


def test_a_refresh_by_the_bus_of_a_connection_that_nobody_made_is_parked_behind_the_scheduler(
    world: WatchedWorld,
) -> None:
    asked = {"connection": "nobody-made-this", "force": True}
    [parked] = park_in_silence(
        world, "refresh_access_token", [NO_SUCH_CONNECTION], lambda: world.put_command("RefreshAccessToken", asked)
    )
    assert parked.reason == NO_SUCH_CONNECTION


def test_what_is_no_json_does_not_get_on_the_bus(world: WatchedWorld) -> None:
    entry = {
        "EventBusName": "leaver",
        "Source": "leaver.command",
        "DetailType": "RevokeSsoToken",
        "Detail": '{"user_id": ',
    }
    answer = world.client("events").put_events(Entries=[entry])
    assert (answer["FailedEntryCount"], answer["Entries"][0]["ErrorCode"]) == (1, "MalformedDetail")


@pytest.mark.parametrize("body", ['{"user_id": ', {"user_id": "a/../b"}, {"user_id": "ada", "conection": "zoom"}])
def test_the_neighbours_in_the_batch_are_done(world: WatchedWorld, body: object) -> None:
    one, other = world.hire(), world.hire()
    asked = [{"user_id": person.email, "connection": "zoom"} for person in (one, other)]
    first, bad, last = world.send("revoke_sso_token", asked[0], body, asked[1])
    world.wait_until_idle()
    assert not world.zoom.has_session(one.email)
    assert not world.zoom.has_session(other.email)
    assert [world.receipt(sent)["outcome"] for sent in (first, bad, last)] == ["revoked", "failed", "revoked"]
    assert len(world.parked("revoke_sso_token")) == 1
    assert world.announced_names() == ["RevocationFailed", "SsoTokenRevoked", "SsoTokenRevoked"]


def test_a_parked_message_leaves_a_receipt_that_says_why(world: WatchedWorld) -> None:
    [sent] = world.send("revoke_sso_token", {"user_id": "..", "connection": "zoom"})
    world.wait_until_idle()
    receipt = world.receipt(sent)
    assert (receipt["outcome"], receipt["reason"]) == ("failed", USER_ID)
    assert (receipt["subject"], receipt["attempts"]) == ("unknown", 1)


@pytest.mark.parametrize(
    ("source", "detail_type"), [("leaver.command", "RevokeEverything"), ("leaver.hr", "OffboardingWithdrawn")]
)
def test_an_event_that_nobody_knows_goes_to_the_unrouted_queue(
    world: WatchedWorld, source: str, detail_type: str
) -> None:
    person = world.hire()
    world.put_event("leaver", source, detail_type, {"user_id": person.email, "connection": "zoom"})
    world.wait_until_idle()
    [unrouted] = world.peek(world.resource("UnroutedQueue").ref)
    assert json.loads(unrouted.body)["detail-type"] == detail_type
    assert world.zoom.has_session(person.email)
    assert world.announced() == []


def test_an_event_that_is_known_does_not_go_to_the_unrouted_queue(world: WatchedWorld) -> None:
    world.put_command("RevokeSsoToken", {"user_id": world.hire().email, "connection": "zoom"})
    world.wait_until_idle()
    assert world.peek(world.resource("UnroutedQueue").ref) == []


def test_an_application_by_the_bus_is_parked_and_everybody_keeps_their_grants(world: WatchedWorld) -> None:
    person = world.hire()
    before = world.venafi.live_grants()
    asked = {"application_id": acme.CERTIFICATE_APP, "confirm": "every user of this application"}
    world.put_command("RevokeGrants", asked)
    world.wait_until_idle()
    [parked] = world.parked("revoke_grants")
    assert parked.reason == "application_id: expected only in a message sent straight to the queue"
    assert world.venafi.live_grants() == before
    assert world.venafi.live_grants(person.venafi_id) == 1


def test_an_application_by_the_queue_with_the_words_loses_every_users_grants_and_no_others(
    world: WatchedWorld,
) -> None:
    person, other = world.hire(), world.hire()
    world.venafi.add_application("doomed", scope="certificate:manage")
    for each in (person, other):
        world.venafi.authorize("doomed", each.venafi_id)
    [sent] = world.send("revoke_grants", {"application_id": "doomed", "confirm": "every user of this application"})
    world.wait_until_idle()
    assert world.venafi.live_grants(application_id="doomed") == 0
    assert world.venafi.live_grants(person.venafi_id) == world.venafi.live_grants(other.venafi_id) == 1
    assert world.receipt(sent)["outcome"] == "revoked"


def test_the_application_that_leaver_works_through_is_refused(world: WatchedWorld) -> None:
    before = world.venafi.live_grants()
    asked = {"application_id": acme.VENAFI_APP, "confirm": "every user of this application"}
    assert park(world, "revoke_grants", asked).reason == "this is the application that Leaver itself works through"
    assert world.venafi.live_grants() == before
