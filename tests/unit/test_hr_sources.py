"""Which source an HR event is of; Okta's and our own; how urgent one is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from leaver.messages.hr import WEBHOOKS
from tests.doubles.hr_events import CANARY, CHOICES, EVENTS, Choices, bad, envelope, payload, read, refusal, webhook

SUBJECT = ("email", "identities", "source_id")
REQUEST = (
    *(
        "actor",
        "because",
        "doubt",
        "effective_at",
        "event_id",
        "held",
        "kind",
        "may_repeat",
        "occurred_at",
        "source",
        "subject",
        "urgency",
    ),
    "version",
)
KINDS = "'immediate', 'scheduled', 'contain', 'sessions', 'cancelled' or 'reinstated'"
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
    event: dict[str, Any] = payload("okta")
    return event | {"detail": event["detail"] | detail}


def party(**fields: Any) -> dict[str, Any]:
    return {"id": "00u3m90rxKjGQ0G6L1d6", "type": "User", "alternateId": "john.doe@example.com"} | fields


def refused(event: dict[str, Any], choices: Choices = CHOICES) -> str:
    error = refusal(event, choices)
    assert isinstance(error, Rejected)
    return error.reason


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
    assert bad(okta(target=target)) == "target: expected exactly one of type User"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            {"eventType": f"user.{CANARY}"},
            "eventType: Input should be 'user.lifecycle.deactivate' or 'user.lifecycle.suspend'",
        ),
        ({"outcome": {"result": "FAILURE"}}, "outcome.result: Input should be 'SUCCESS'"),
        ({"target": [party(alternateId=f"../{CANARY}@example.com")]}, "email: expected an e-mail address"),
        ({"target": None}, "target: Input should be a valid list"),
        ({"actor": {}}, "actor.id: is missing; actor.type: is missing"),
    ],
)
def test_what_okta_should_not_send_is_refused_by_name(detail: dict[str, Any], expected: str) -> None:
    assert bad(okta(**detail)) == expected


def test_a_login_that_is_no_address_is_completed_where_the_deployment_says_how() -> None:
    logins = Choices(okta_email_domain="example.com")
    assert read(okta(target=[party(alternateId="john.doe")]), logins).subject.email == "john.doe@example.com"
    assert read(okta(target=[party(alternateId="ada@example.org")]), logins).subject.email == "ada@example.org"


LOOK_IT_UP = "look the e-mail up (GET /api/v1/users/{id}) and send OffboardingRequested"


def test_a_login_that_is_no_address_names_the_lookup_and_the_parameter() -> None:
    assert refused(okta(target=[party(alternateId=CANARY)])) == (
        f"okta: the target's login (alternateId) is no e-mail address: {LOOK_IT_UP}, or set OktaEmailDomain where "
        "logins are what stands before the @"
    )


@pytest.mark.parametrize("domain", ["", "example.com"])
@pytest.mark.parametrize("login", [{}, {"alternateId": None}, {"alternateId": ""}], ids=str)
def test_a_target_without_a_login_names_the_lookup(login: dict[str, Any], domain: str) -> None:
    target = {"id": "user-1", "type": "User", "displayName": CANARY} | login
    reason = refused(okta(target=[target]), Choices(okta_email_domain=domain))
    assert reason == f"okta: the target has no login (alternateId): {LOOK_IT_UP}"


@pytest.mark.parametrize("event_type", ["user.lifecycle.deactivate", "user.lifecycle.suspend"])
@pytest.mark.parametrize("detail_type", ["SystemLog", "System Log", CANARY])
def test_okta_may_call_its_events_as_it_likes(event_type: str, detail_type: str) -> None:
    request = read(okta(eventType=event_type) | {"detail-type": detail_type})
    assert (request.kind, request.subject.email) == ("immediate", "john.doe@example.com")


def test_the_real_system_log_event_in_the_real_envelope_is_another_one_and_refused() -> None:
    # A third party's fixture: somebody signs in to an application.
    detail = {
        "uuid": "evt-eventbridge-1",
        "eventType": "app.oauth2.signon",
        "published": "2026-01-01T12:00:00Z",
        "actor": {"id": "00u1", "alternateId": "alice@example.com", "displayName": "Alice"},
        "target": [{"id": "0oa1", "type": "AppInstance", "alternateId": "https://oidc.example.com"}],
    }
    reason = bad(envelope("aws.partner/okta.com/acme/event-stream", "SystemLog", detail))
    assert reason.startswith("eventType: Input should be 'user.lifecycle.deactivate' or 'user.lifecycle.suspend'")


# --- our own ---


@pytest.mark.parametrize("by_hand", [True, False])
def test_our_own_event_is_read_as_it_is(*, by_hand: bool) -> None:
    request = read(CANONICAL if by_hand else webhook("OffboardingRequested", CANONICAL))
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
        ({"kind": CANARY}, f"kind: Input should be {KINDS}"),
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
    assert bad(CANONICAL | detail) == expected


# --- which source it is ---


@pytest.mark.parametrize("detail_type", [CANARY, "Okta", [CANARY], {CANARY: 1}, None, 7])
def test_on_our_own_bus_the_detail_type_tells_the_source(detail_type: Any) -> None:
    known = ", ".join(["OffboardingRequested", *WEBHOOKS])
    assert bad(envelope("leaver.hr", detail_type, CANONICAL)) == f"detail-type: expected one of {known}"


@pytest.mark.parametrize("source", [CANARY, "aws.partner/onelogin.com/x", "aws.partner/okta.com.evil", 7, None])
def test_a_source_that_nobody_knows_is_refused_by_name(source: Any) -> None:
    assert bad(envelope(source, "OffboardingRequested", CANONICAL)) == (
        "source: expected leaver.hr, or one that begins with aws.partner/okta.com/ or aws.partner/sailpoint.com/"
    )


# --- how urgent it is ---


@pytest.mark.parametrize(
    ("urgent_sources", "urgency"),
    [(set(), "routine"), ({"sailpoint", "hr-system"}, "routine"), ({"okta"}, "urgent"), ({"caep", "Okta"}, "urgent")],
)
def test_every_event_of_a_source_that_the_deployment_calls_urgent_is(urgent_sources: set[str], urgency: str) -> None:
    assert read(okta(), Choices(urgent_sources=frozenset(urgent_sources))).urgency == urgency


def test_our_own_event_is_urgent_where_it_says_so_or_its_source_is_called_so() -> None:
    assert read(CANONICAL | {"urgency": "urgent"}).urgency == "urgent"
    named = CANONICAL | {"source": "HR-System"}
    assert read(named, Choices(urgent_sources=frozenset({"hr-system"}))).urgency == "urgent"
    assert read(CANONICAL, CHOICES).urgency == "routine"


# --- who a producer on the bus is ---


def told_on_the_bus(source: Any = "hr-system", **fields: Any) -> dict[str, Any]:
    return envelope("leaver.hr", "OffboardingRequested", CANONICAL | {"source": source} | fields)


def test_whatever_a_producer_calls_itself_it_is_no_other_source() -> None:
    for name in ("okta", " okta ", "producer/okta", "hibob"):
        assert read(told_on_the_bus(name)).source == f"producer/{name.strip()}"
    assert read(told_on_the_bus("okta"), Choices(urgent_sources=frozenset({"okta"}))).urgency == "routine"
    urgent = Choices(urgent_sources=frozenset({"producer/HR-System"}))
    assert read(told_on_the_bus("hr-system"), urgent).urgency == "urgent"


@pytest.mark.parametrize("name", ["operator", "Operator", " OPERATOR\n"])
def test_a_persons_word_does_not_come_by_the_bus(name: str) -> None:
    assert bad(told_on_the_bus(name)) == "source: expected a system's name; a person's word comes straight to the queue"
    assert read(CANONICAL | {"source": "operator"}).source == "operator"


@pytest.mark.parametrize("name", [None, 1, {}, "", "a" * 250])
def test_a_producers_name_is_held_to_what_a_source_may_be(name: Any) -> None:
    assert bad(told_on_the_bus(name)).startswith("source: ")
