"""What comes by the front door, at the intake: Standard Webhooks, Okta's hooks, Zoom's, and what nobody could read."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from leaver.messages.events import AccountEvent, AppRemoved
from leaver.messages.hr import WEBHOOKS
from leaver.messages.hr.zoom import HELD
from tests.doubles.hr_events import CANARY, CHOICES, EVENT_ID, bad, payload, read, refusal, understood, webhook

CAME_BY = ("source:standard/workday", "delivery:msg_2KWP", "sha256:00")
DATA: dict[str, Any] = {
    "kind": "immediate",
    "subject": {"email": "john.doe@example.com"},
    "effective_at": "2026-11-20T08:00:00Z",
    "occurred_at": "2026-11-20T08:00:00Z",
}


def standard(*resources: str, **data: Any) -> dict[str, Any]:
    return webhook("StandardWebhook", {"type": "OffboardingRequested", "data": DATA | data}, *(resources or CAME_BY))


def test_a_standard_webhook_is_the_word_of_the_connection_it_came_by() -> None:
    request = read(standard())
    assert (request.source, request.event_id, request.kind) == ("standard/workday", "msg_2KWP", "immediate")


@pytest.mark.parametrize("claimed", ["operator", "okta", "standard/other", "", None, 7])
def test_whatever_a_sender_calls_itself_it_is_no_other_source(claimed: object) -> None:
    assert read(standard(source=claimed)).source == "standard/workday"


def test_a_sender_may_name_its_own_event() -> None:
    assert read(standard(event_id="hr-1")).event_id == "hr-1"
    assert read(standard("source:standard/workday")).event_id == EVENT_ID


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            webhook("StandardWebhook", {"type": "OffboardingRequested", "data": DATA}),
            "resources: expected the connection",
        ),
        (webhook("StandardWebhook", {"type": CANARY, "data": DATA}, *CAME_BY), "type: expected OffboardingRequested"),
        (webhook("StandardWebhook", {"data": DATA}, *CAME_BY), "type: expected OffboardingRequested"),
        (
            webhook("StandardWebhook", {"type": "OffboardingRequested", "data": CANARY}, *CAME_BY),
            "data: expected a JSON",
        ),
        (standard(kind=CANARY), "kind: Input should be 'immediate', "),
        (standard(**{CANARY: 1}), "unknown field (allowed: actor, "),
        (standard("source:a", "source:b"), "resources: expected at most one that begins with source:"),
    ],
    ids=str,
)
def test_a_standard_webhook_that_is_none_is_refused_by_field(event: dict[str, Any], expected: str) -> None:
    assert bad(event).startswith(expected)


@pytest.mark.parametrize("detail_type", WEBHOOKS)
def test_what_the_door_could_not_read_is_put_aside_with_its_bytes(detail_type: str) -> None:
    reason = bad(webhook(detail_type, {"raw": CANARY}, *CAME_BY))
    assert reason == "raw: expected a JSON object; the bytes that came, and were rightly signed, stand there in Base64"


def okta(**fields: Any) -> dict[str, Any]:
    return webhook("OktaEventHook", payload("okta")["detail"] | fields, "source:okta/main")


def test_an_event_of_oktas_hook_is_the_same_event_as_on_the_partner_bus() -> None:
    assert read(okta()) == read(payload("okta"))


@pytest.mark.parametrize("event_type", ["user.lifecycle.activate", CANARY, None, {}])
def test_other_events_of_oktas_hook_are_no_departure(event_type: object) -> None:
    error = refusal(okta(eventType=event_type))
    assert isinstance(error, Rejected)
    assert error.reason.startswith("okta: eventType: no departure: have the hook tell of user.lifecycle.deactivate")


def zoom(event: object, *, user: object = None, **fields: Any) -> dict[str, Any]:
    given = {"id": "z8", "email": "ada@example.com"} if user is None else user
    payload = {"account_id": "acme", "operator": "admin@example.com", "object": given}
    return webhook("ZoomWebhook", {"event": event, "event_ts": 1763627400123, "payload": payload} | fields)


@pytest.mark.parametrize("event", ["user.deactivated", "user.deleted", "user.disassociated"])
def test_an_account_that_ended_at_zoom_is_a_departure_that_waits_for_another_word(event: str) -> None:
    told = understood(zoom(event))
    assert isinstance(told, AccountEvent)
    assert (told.what, told.user_id, told.actor) == ("ended", "z8", "admin@example.com")
    assert told.occurred_at == datetime(2025, 11, 20, 8, 30, 0, 123000, tzinfo=UTC)
    departure = told.departure
    assert departure
    assert (departure.source, departure.kind, departure.held) == ("zoom", "immediate", HELD)
    assert departure.subject.model_dump(exclude_none=True) == {
        "email": "ada@example.com",
        "identities": {"zoom": {"id": "z8"}},
    }


def test_it_waits_for_nothing_where_the_deployment_says_departure() -> None:
    told = understood(zoom("user.deleted"), replace(CHOICES, zoom_departures="departure"))
    assert isinstance(told, AccountEvent)
    assert told.departure
    assert told.departure.held is None


def test_it_is_urgent_where_the_deployment_says_so_of_zoom() -> None:
    told = understood(zoom("user.deleted"), replace(CHOICES, urgent_sources=frozenset({"zoom"})))
    assert isinstance(told, AccountEvent)
    assert told.departure
    assert told.departure.urgency == "urgent"


def test_without_an_address_an_end_says_of_nobody_that_they_left() -> None:
    told = understood(zoom("user.deleted", user={"id": "z8"}))
    assert isinstance(told, AccountEvent)
    assert (told.email, told.departure) == (None, None)


@pytest.mark.parametrize(
    ("event", "what"), [("user.activated", "activated"), ("user.created", "used"), ("user.signed_in", "used")]
)
def test_an_account_that_begins_or_is_used_is_no_departure(event: str, what: str) -> None:
    told = understood(zoom(event))
    assert isinstance(told, AccountEvent)
    assert (told.what, told.departure) == (what, None)


@pytest.mark.parametrize("time", [None, CANARY, True, -1, 10**30, 4102444800000])
def test_what_zoom_dates_ahead_or_not_at_all_happened_when_it_was_heard_of(time: object) -> None:
    told = understood(zoom("user.signed_in", event_ts=time))
    assert told.occurred_at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


def test_zoom_tells_that_leavers_own_app_was_removed() -> None:
    told = understood(zoom("app_deauthorized"))
    assert isinstance(told, AppRemoved)
    assert (told.provider, told.account) == ("zoom", "acme")


@pytest.mark.parametrize("event", ["user.personal_notes_updated", CANARY])
def test_other_events_of_zooms_are_put_aside(event: str) -> None:
    error = refusal(zoom(event))
    assert isinstance(error, Rejected)
    assert error.reason == "zoom: event: no departure: subscribe to no such event"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (zoom("user.deleted", payload=CANARY), "payload: expected a JSON object"),
        (zoom("user.deleted", user=[CANARY]), "payload.object: expected a JSON object"),
        (zoom("user.deleted", user={"email": CANARY}), "payload.object.id: expected Zoom's id of a user"),
        (zoom("user.deleted", user={"id": CANARY * 20}), "payload.object.id: expected Zoom's id of a user"),
        (zoom("user.deleted", user={"id": "z8", "email": CANARY}), "email: "),
    ],
)
def test_zooms_event_about_nobody_is_refused_by_field(event: dict[str, Any], expected: str) -> None:
    assert bad(event).startswith(expected)


@pytest.mark.parametrize("event", [None, 7, {}])
def test_what_zoom_does_not_send_is_refused_by_field(event: object) -> None:
    assert bad(webhook("ZoomWebhook", {"event": event})) == "event: expected Zoom's name of an event"
