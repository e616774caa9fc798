"""From a message in HR's queue to a case: which are understand, and what becomes of those that are not."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from functions.start_offboarding.app import StartOffboarding, understand
from leaver.messages.commands import RevokeGrants, RevokeSsoToken, parse
from tests.doubles.hr_events import CHOICES, Choices, payload, webhook
from tests.doubles.lambda_events import Context, batch, record, returned
from tests.doubles.office import ADA, Office

EVENTS = Path(__file__).parents[2] / "events"
OKTA = json.loads((EVENTS / "okta.json").read_text())
JOHN = "john.doe@example.com"


@pytest.fixture
def office() -> Office:
    office = Office()
    office.hire(JOHN, "john-id", "local:{john}")
    return office


def commands(office: Office) -> dict[str, dict[str, Any]]:
    return {each.pop("command"): each for each in office.commands()}


def test_an_okta_deactivation_ends_everything_of_the_one_who_leaves(office: Office) -> None:
    office.queue("StartOffboarding", OKTA)
    office.works()
    assert office.access_of(JOHN) == set()
    assert {each["requested_at"] for each in commands(office).values()} == {"2026-11-20T08:29:58Z"}
    # The administrator who did it is not the one who leaves.
    assert "okta.trainer@okta.com" not in {*office.people.under_tombstones, office.case.email}


def test_what_is_sent_is_what_the_functions_read(office: Office) -> None:
    office.hears_and_works(urgency="urgent")
    sent = commands(office)
    sso = parse(RevokeSsoToken, sent["RevokeSsoToken"], direct=False)
    grants = parse(RevokeGrants, sent["RevokeGrants"], direct=False)
    assert (sso.user_id, sso.urgency, sso.connection) == (office.zoom_id(ADA), "urgent", "zoom")
    assert (grants.identity, grants.urgency, grants.connection) == (ADA, "urgent", "venafi")


def test_o_brien_leaves_like_everybody_else(office: Office) -> None:
    office.hire("o'brien+test@example.com", "brien-id", "local:{brien}")
    office.hears_and_works(email="o'brien+test@example.com")
    assert office.access_of("o'brien+test@example.com") == set()


@pytest.mark.parametrize("email", ["john/doe@example.com", "john.doe"])
def test_what_is_no_address_is_parked_by_name(office: Office, email: str) -> None:
    office.hears_and_works(email=email)
    assert office.reasons() == ["subject.email: expected an e-mail address"]
    assert office.cases.every == []


def test_who_left_while_the_function_stood_still_for_days_loses_everything_when_it_runs_again(office: Office) -> None:
    message = office.hears()
    message.receives, message.first_received_at = 1, office.clock()
    office.clock.passes(hours=50)
    office.works()
    assert office.access_of(ADA) == set()
    assert office.reasons() == []


def test_an_event_of_a_source_that_is_called_urgent_sends_urgent_commands(office: Office) -> None:
    read = partial(understand, choices=Choices(urgent_sources=frozenset({"okta"})))
    consumer = replace(office.consumer(StartOffboarding.__name__), read=read)
    assert returned(consumer.consume(batch(record(OKTA)), Context())) == set()
    assert {each["urgency"] for each in commands(office).values()} == {"urgent"}
    assert CHOICES.urgent_sources == frozenset()


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
    office: Office, detail_type: str, name: str, reason: str
) -> None:
    office.queue("StartOffboarding", webhook(detail_type, payload(name)))
    office.works()
    assert (office.cases.every, office.commands()) == ([], [])
    assert office.reasons()[0].startswith(reason)


def test_an_old_departure_is_parked(office: Office) -> None:
    office.hears_and_works(occurred_at="2026-11-08T09:00:00Z")
    assert office.cases.every == []
    assert office.reasons()[0].startswith("older than 14 days")


def test_a_bus_that_takes_only_some_of_the_commands_gets_them_all_again(office: Office) -> None:
    office.bus.refuses = 1
    message = office.hears()
    assert not office.deliver(message)
    office.works()
    assert office.access_of(ADA) == set()
    assert len(office.cases.every) == 1
