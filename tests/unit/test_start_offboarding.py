"""From an HR event to one command for each thing that the leaver must lose."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from functions.start_offboarding.app import StartOffboarding, start_offboarding, understood
from leaver.commands import RevokeGrants, RevokeSsoToken, parse
from tests.fakes import Context, batch, record, returned
from tests.house import House
from tests.hr import CHOICES, Choices, payload, webhook

EVENTS = Path(__file__).parents[2] / "events"
OKTA = (EVENTS / "okta.json").read_text()
REQUESTED: dict[str, Any] = {
    "event_id": "hr-1",
    "source": "hr-system",
    "kind": "immediate",
    "subject": {"email": "john.doe@example.com"},
    "effective_at": "2026-11-22T09:00:00Z",
    "occurred_at": "2026-11-22T09:00:00Z",
}


@pytest.fixture
def house() -> House:
    return House()


def consume(house: House, body: str | dict[str, Any], *, choices: Choices = CHOICES, **fields: Any) -> bool:
    """Let the function have a message; tells whether it was acknowledged."""

    def operation(command: StartOffboarding) -> None:
        start_offboarding(command, outbox=house.outbox())

    read = partial(understood, choices=choices)
    consumer = house.consumer(StartOffboarding, operation, receipts=False, read=read)
    return returned(consumer.consume(batch(record(body, **fields)), Context())) == set()


def commands(house: House) -> dict[str, dict[str, Any]]:
    """What was put on the bus as commands, by name."""
    sent = [each for each in house.bus.put if each["Source"] == "leaver.command"]
    assert all(each["EventBusName"] == "leaver" for each in sent)
    return {each["DetailType"]: json.loads(each["Detail"]) for each in sent}


def test_an_okta_deactivation_ends_the_session_and_the_grants_of_the_one_who_leaves(house: House) -> None:
    assert consume(house, OKTA)
    assert commands(house) == {
        "RevokeSsoToken": {"user_id": "john.doe@example.com", "requested_at": "2026-11-20T08:29:58.862000Z"},
        "RevokeGrants": {"identity": "john.doe@example.com", "requested_at": "2026-11-20T08:29:58.862000Z"},
    }
    assert "okta.trainer@okta.com" not in json.dumps(house.bus.put)


def test_our_own_event_does_the_same(house: House) -> None:
    assert consume(house, REQUESTED)
    told = {"requested_at": "2026-11-22T09:00:00Z"}
    assert commands(house) == {
        "RevokeSsoToken": {"user_id": "john.doe@example.com", **told},
        "RevokeGrants": {"identity": "john.doe@example.com", **told},
    }


def test_what_is_sent_is_what_the_functions_read(house: House) -> None:
    consume(house, REQUESTED | {"urgency": "urgent"})
    sent = commands(house)
    sso = parse(RevokeSsoToken, sent["RevokeSsoToken"], direct=False)
    grants = parse(RevokeGrants, sent["RevokeGrants"], direct=False)
    assert (sso.user_id, sso.urgency, sso.connection) == ("john.doe@example.com", "urgent", "zoom")
    assert (grants.identity, grants.urgency, grants.connection) == ("john.doe@example.com", "urgent", "venafi")


@pytest.mark.parametrize(
    ("known", "user_id", "identity"),
    [
        ({"zoom_user_id": "KDcuGIm1QgePTO8WbOqwIQ"}, "KDcuGIm1QgePTO8WbOqwIQ", {"identity": "john.doe@example.com"}),
        ({"venafi_identity": "jdoe"}, "john.doe@example.com", {"identity": "jdoe"}),
        (
            {"venafi_identity": "jdoe", "venafi_prefixed_universal": "local:{1}"},
            "john.doe@example.com",
            {"grantee_prefixed_universal": "local:{1}"},
        ),
    ],
)
def test_the_most_exact_name_is_used(
    house: House, known: dict[str, str], user_id: str, identity: dict[str, str]
) -> None:
    consume(house, REQUESTED | {"subject": {"email": "john.doe@example.com"} | known})
    sent = commands(house)
    assert sent["RevokeSsoToken"]["user_id"] == user_id
    assert {key: sent["RevokeGrants"][key] for key in identity} == identity
    assert len(sent["RevokeGrants"]) == 2


def test_o_brien_leaves_like_everybody_else(house: House) -> None:
    assert consume(house, REQUESTED | {"subject": {"email": "o'brien+test@example.com"}})
    assert commands(house)["RevokeSsoToken"]["user_id"] == "o'brien+test@example.com"


@pytest.mark.parametrize("kind", ["scheduled", "cancelled", "reinstated"])
def test_what_needs_a_case_to_remember_it_is_parked_and_nobody_loses_anything(house: House, kind: str) -> None:
    assert consume(house, REQUESTED | {"kind": kind})
    assert commands(house) == {}
    assert house.parked_attributes["error"] == "Rejected"
    assert house.parked_attributes["reason"].startswith(f"kind: {kind} needs cases")


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("jürgen@example.com", "user_id: expected a Zoom user id or an e-mail address"),
        ("john%2e@example.com", "user_id: expected a Zoom user id or an e-mail address"),
        ("john/doe@example.com", "subject.email: expected an e-mail address"),
        ("john.doe", "subject.email: expected an e-mail address"),
    ],
)
def test_an_address_that_can_not_stand_in_zooms_path_is_parked_by_name(house: House, email: str, reason: str) -> None:
    assert consume(house, REQUESTED | {"subject": {"email": email}})
    assert commands(house) == {}
    assert (house.parked_attributes["error"], house.parked_attributes["reason"]) == ("BadMessage", reason)


def test_an_event_of_a_source_that_is_called_urgent_sends_urgent_commands(house: House) -> None:
    assert consume(house, OKTA, choices=Choices(urgent_sources=frozenset({"okta"})))
    assert {command["urgency"] for command in commands(house).values()} == {"urgent"}


@pytest.mark.parametrize(
    ("detail_type", "name", "reason"),
    [
        ("ScimPatch", "scim", "scim: the person stands in the path of the request, not in the PATCH: look the e-mail "),
        ("HiBobWebhook", "hibob", "hibob: the payload names employee id and date of a lifecycle entry only: look up "),
        ("GustoWebhook", "gusto", "gusto: the payload names employee id only: look the person's e-mail up (GET /v1/"),
        ("BambooHrWebhook", "bamboohr", "bamboohr: changedFields: a change of other fields than status is no depar"),
    ],
)
def test_what_names_nobody_or_is_no_departure_is_parked_and_nobody_loses_anything(
    house: House, detail_type: str, name: str, reason: str
) -> None:
    assert consume(house, webhook(detail_type, payload(name)))
    assert commands(house) == {}
    assert house.parked_attributes["error"] == "Rejected"
    assert house.parked_attributes["reason"].startswith(reason)


def test_an_old_departure_is_parked(house: House) -> None:
    assert consume(house, REQUESTED | {"occurred_at": "2026-11-08T09:00:00Z"})
    assert commands(house) == {}
    assert house.parked_attributes["reason"].startswith("older than 14 days")


def test_a_bus_that_takes_only_one_of_the_commands_gets_both_again(house: House) -> None:
    house.bus.refuses = 1
    assert not consume(house, REQUESTED)
    assert list(commands(house)) == ["RevokeGrants"]
    assert consume(house, REQUESTED)
    assert set(commands(house)) == {"RevokeSsoToken", "RevokeGrants"}


def test_a_refused_event_of_the_bus_is_told_with_its_code(house: House) -> None:
    house.bus.refuses = 2
    consume(house, REQUESTED)
    assert house.logged[0]["reason"] == "the bus refused 2 events: ThrottlingException"
