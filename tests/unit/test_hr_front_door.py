"""What comes by the front door, at the intake: Standard Webhooks, Okta's hooks, Zoom's, and what nobody could read."""

from typing import Any

import pytest

from leaver.errors import Rejected
from leaver.messages.hr import WEBHOOKS
from tests.doubles.hr_events import CANARY, EVENT_ID, bad, payload, read, refusal, webhook

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


@pytest.mark.parametrize(
    ("event", "told"),
    [
        *((f"user.{what}", "an account was ended") for what in ("deactivated", "deleted", "disassociated")),
        *((f"user.{what}", "an account was begun or used") for what in ("activated", "created", "signed_in")),
        ("app_deauthorized", "Leaver's app was removed"),
        ("user.personal_notes_updated", "no departure"),
        (CANARY, "no departure"),
    ],
)
def test_zooms_events_are_put_aside_with_what_they_say(event: str, told: str) -> None:
    error = refusal(webhook("ZoomWebhook", {"event": event, "payload": {"object": {"id": CANARY}}}))
    assert isinstance(error, Rejected)
    assert error.reason.startswith("zoom: event: ")
    assert told in error.reason


@pytest.mark.parametrize("event", [None, 7, {}])
def test_what_zoom_does_not_send_is_refused_by_field(event: object) -> None:
    assert bad(webhook("ZoomWebhook", {"event": event})) == "event: expected Zoom's name of an event"
