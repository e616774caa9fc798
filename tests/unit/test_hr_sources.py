"""What HR systems send becomes OffboardingRequested, or is refused by name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leaver.errors import BadMessage
from leaver.events import OffboardingRequested
from leaver.hr_sources import offboarding_from

EVENTS = Path(__file__).parents[2] / "events"
CANARY = "canary-2c8e17"
SUBJECT = ("email", "source_id", "venafi_identity", "venafi_prefixed_universal", "zoom_user_id")
REQUEST = ("actor", "effective_at", "event_id", "kind", "occurred_at", "source", "subject", "urgency", "version")
CANONICAL: dict[str, Any] = {
    "version": "leaver.v1",
    "event_id": "hr-1",
    "source": "hr-system",
    "kind": "immediate",
    "subject": {"email": "john.doe@example.com"},
    "effective_at": "2026-11-22T09:00:00Z",
    "occurred_at": "2026-11-22T10:00:00+01:00",
}


def okta(**detail: Any) -> dict[str, Any]:
    """Okta's own event, with other fields."""
    event: dict[str, Any] = json.loads((EVENTS / "okta.json").read_text())
    return event | {"detail": event["detail"] | detail}


def party(**fields: Any) -> dict[str, Any]:
    return {"id": "00u3m90rxKjGQ0G6L1d6", "type": "User", "alternateId": "john.doe@example.com"} | fields


def read(event: dict[str, Any]) -> OffboardingRequested:
    return offboarding_from(event, event["detail"])


def reason(event: dict[str, Any] | None, detail: dict[str, Any]) -> str:
    with pytest.raises(BadMessage) as refused:
        offboarding_from(event, detail)
    assert CANARY not in refused.value.reason
    return refused.value.reason


# --- Okta ---


def test_the_leaver_is_the_target_and_not_the_administrator() -> None:
    request = read(okta())
    assert request.subject.email == "john.doe@example.com"
    assert request.subject.source_id == "00u3m90rxKjGQ0G6L1d6"
    assert request.actor == "00u2di94bAMSEPvAY1d6"


def test_oktas_event_is_immediate_and_dated_when_it_was_published() -> None:
    request = read(okta())
    published = datetime(2026, 11, 20, 8, 29, 58, 862000, tzinfo=UTC)
    assert (request.event_id, request.source, request.kind) == (
        "ab62c0bc-2837-11eb-9823-9fb8f750c5a9",
        "okta",
        "immediate",
    )
    assert (request.occurred_at, request.effective_at, request.urgency) == (published, published, "routine")


def test_targets_that_are_no_users_are_passed_over() -> None:
    application = {"id": "0oa1", "type": "AppInstance", "alternateId": None, "displayName": "Zoom"}
    assert read(okta(target=[application, party()])).subject.email == "john.doe@example.com"


@pytest.mark.parametrize("target", [[], [party(type="AppInstance")], [party(), party(alternateId="jane@example.com")]])
def test_okta_names_exactly_one_leaver(target: list[dict[str, Any]]) -> None:
    event = okta(target=target)
    assert reason(event, event["detail"]) == "target: expected exactly one of type User"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"eventType": f"user.{CANARY}"}, "eventType: Input should be 'user.lifecycle.deactivate'"),
        ({"outcome": {"result": "FAILURE"}}, "outcome.result: Input should be 'SUCCESS'"),
        ({"target": [party(alternateId=CANARY)]}, "email: expected an e-mail address"),
        ({"target": [party(alternateId=None)]}, "email: expected an e-mail address"),
        ({"target": [party(alternateId=f"../{CANARY}@example.com")]}, "email: expected an e-mail address"),
        ({"target": None}, "target: Input should be a valid list"),
        ({"actor": {}}, "actor.id: is missing; actor.type: is missing"),
    ],
)
def test_what_okta_should_not_send_is_refused_by_name(detail: dict[str, Any], expected: str) -> None:
    event = okta(**detail)
    assert reason(event, event["detail"]) == expected


# --- our own ---


@pytest.mark.parametrize("by_hand", [True, False])
def test_our_own_event_is_read_as_it_is(*, by_hand: bool) -> None:
    envelope = {"source": "leaver.hr", "detail-type": "OffboardingRequested", "detail": CANONICAL}
    request = offboarding_from(None if by_hand else envelope, CANONICAL)
    assert (request.event_id, request.subject.email, request.kind) == ("hr-1", "john.doe@example.com", "immediate")
    assert request.occurred_at == request.effective_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert request.urgency == "routine"


def test_our_own_sample_is_read() -> None:
    (record,) = json.loads((EVENTS / "start_offboarding.json").read_text())["Records"]
    assert read(json.loads(record["body"])).subject.email == "john.doe@example.com"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"version": "leaver.v2"}, "version: Input should be 'leaver.v1'"),
        ({"kind": CANARY}, "kind: Input should be 'immediate', 'scheduled', 'cancelled' or 'reinstated'"),
        ({"subject": {"email": CANARY}}, "subject.email: expected an e-mail address"),
        ({"subject": {"email": "a\x00@example.com"}}, "subject.email: expected an e-mail address"),
        ({"subject": {}}, "subject.email: is missing"),
        (
            {"subject": {"email": "a@b", CANARY: CANARY}},
            f"subject: unknown field (allowed: {', '.join(SUBJECT)})",
        ),
        ({"occurred_at": CANARY}, "occurred_at: Input should be a valid datetime, invalid character in year"),
        (
            {CANARY: CANARY},
            f"unknown field (allowed: {', '.join(REQUEST)})",
        ),
    ],
)
def test_what_is_wrong_with_our_own_event_is_named(detail: dict[str, Any], expected: str) -> None:
    assert reason(None, CANONICAL | detail) == expected


def test_our_own_source_sends_one_detail_type() -> None:
    envelope = {"source": "leaver.hr", "detail-type": CANARY, "detail": CANONICAL}
    assert reason(envelope, CANONICAL) == "detail-type: expected OffboardingRequested"


@pytest.mark.parametrize("source", [CANARY, "aws.partner/sailpoint.com/x", 7, None])
def test_a_source_without_a_front_door_is_refused_by_name(source: Any) -> None:
    envelope = {"source": source, "detail-type": "OffboardingRequested", "detail": CANONICAL}
    assert reason(envelope, CANONICAL) == "source: expected leaver.hr, or one that begins with aws.partner/okta.com/"
