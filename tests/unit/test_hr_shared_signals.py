"""Claims of CAEP and RISC security event tokens become OffboardingRequested, or name what is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from tests.doubles.hr_events import CANARY, bad, payload, read, refusal, webhook

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
JOHN = {"format": "email", "email": "john.doe@example.com"}
ISSUER = "https://idp.example.com/"


def token(name: str = "caep", *, looked_up: str | None = None, **claims: Any) -> dict[str, Any]:
    """The claims as a receiver puts them on our bus, some of them changed."""
    resources = [f"mailto:{looked_up}"] if looked_up else []
    return webhook("SecurityEventToken", payload(name) | claims, *resources)


def revoked(**content: Any) -> dict[str, Any]:
    return token(events={f"{CAEP}session-revoked": content})


def test_a_revoked_session_is_a_departure_of_its_subject() -> None:
    request = read(token())
    assert (request.event_id, request.source) == ("24c63fb56e5a2d77a6b512616ca9fa24", "caep")
    assert (request.kind, request.urgency) == ("immediate", "routine")
    assert request.subject.email == "john.doe@example.com"


@pytest.mark.parametrize("timestamp", [1615304991643, 1615304991.643, "1615304991643"])
def test_times_are_seconds_as_specified_or_milliseconds_as_in_the_specifications_examples(timestamp: Any) -> None:
    request = read(revoked(event_timestamp=timestamp))
    assert request.occurred_at == request.effective_at == datetime(2021, 3, 9, 15, 49, 51, 643000, tzinfo=UTC)


def test_whole_seconds_are_seconds() -> None:
    assert read(revoked(event_timestamp=1615304991)).occurred_at == datetime(2021, 3, 9, 15, 49, 51, tzinfo=UTC)


def test_without_a_time_of_the_event_the_tokens_counts() -> None:
    assert read(revoked()).occurred_at == datetime(2021, 3, 9, 15, 52, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event_type", "source", "kind"),
    [
        (f"{CAEP}session-revoked", "caep", "immediate"),
        (f"{RISC}account-disabled", "risc", "immediate"),
        (f"{RISC}account-purged", "risc", "immediate"),
        (f"{RISC}account-enabled", "risc", "reinstated"),
    ],
)
def test_what_each_event_means(event_type: str, source: str, kind: str) -> None:
    request = read(token("risc", sub_id=JOHN, events={event_type: {}}))
    assert (request.source, request.kind, request.urgency) == (source, kind, "routine")


def test_a_hijacked_account_is_urgent_for_the_source_says_so() -> None:
    assert read(token("risc", sub_id=JOHN)).urgency == "urgent"
    routine = {f"{RISC}account-disabled": {"reason": "bulk-account"}}
    assert read(token("risc", sub_id=JOHN, events=routine)).urgency == "routine"


@pytest.mark.parametrize(
    ("sub_id", "source_id"),
    [
        (JOHN, None),
        ({"format": "iss_sub", "iss": ISSUER, "sub": "john.doe@example.com"}, "john.doe@example.com"),
        ({"format": "complex", "user": JOHN, "device": {"format": "opaque", "id": CANARY}}, None),
        ({"format": "complex", "user": {"format": "iss_sub", "sub": "john.doe@example.com"}}, "john.doe@example.com"),
    ],
)
def test_a_subject_that_is_an_address_is_understood(sub_id: dict[str, Any], source_id: str | None) -> None:
    subject = read(token(sub_id=sub_id)).subject
    assert (subject.email, subject.source_id) == ("john.doe@example.com", source_id)


OPAQUE = [
    {"format": "iss_sub", "iss": ISSUER, "sub": "145234573"},
    {"format": "opaque", "id": "11112222333344445555"},
    {"format": "account", "uri": "acct:john.doe@example.com"},
    {"format": "phone_number", "phone_number": "+12065550100"},
    {"format": "complex", "session": {"format": "opaque", "id": CANARY}},
    {"format": CANARY},
]


@pytest.mark.parametrize("name", ["caep_opaque_subject", "risc"])
def test_the_published_claims_name_the_lookup_that_is_missing(name: str) -> None:
    error = refusal(token(name))
    assert isinstance(error, Rejected)
    source = name.partition("_")[0]
    assert error.reason.startswith(f"{source}: sub_id names the person by the issuer's own id: look the e-mail up at ")


@pytest.mark.parametrize("sub_id", OPAQUE, ids=lambda sub_id: str(sub_id["format"]))
def test_a_subject_that_is_no_address_waits_for_its_lookup(sub_id: dict[str, Any]) -> None:
    assert isinstance(refusal(token(sub_id=sub_id)), Rejected)
    request = read(token(sub_id=sub_id, looked_up="john.doe@example.com"))
    assert request.subject.email == "john.doe@example.com"
    assert request.subject.source_id == (sub_id.get("sub") or sub_id.get("id"))


def test_what_people_do_to_themselves_is_no_departure() -> None:
    error = refusal(revoked(initiating_entity="user"))
    assert isinstance(error, Rejected)
    assert error.reason == "caep: initiating_entity: what people do to themselves is no departure"
    for other in ("admin", "policy", "system"):
        assert read(revoked(initiating_entity=other)).kind == "immediate"


@pytest.mark.parametrize(
    "events",
    [
        {},
        {f"{CAEP}credential-change": {}},
        {"https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": CANARY}},
        {f"{CAEP}session-revoked": {}, f"{RISC}account-enabled": {}},
        {f"{CAEP}session-revoked": {}, CANARY: {}},
    ],
)
def test_another_event_or_several_are_refused(events: dict[str, Any]) -> None:
    assert bad(token(events=events)) == (
        "events: expected exactly one, of session-revoked, account-disabled, account-purged, account-enabled"
    )


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"events": {f"{CAEP}session-revoked": CANARY}}, "events: expected an object under the event's type"),
        ({"events": CANARY}, "events: Input should be a valid dictionary"),
        (
            {"events": {f"{CAEP}session-revoked": {"event_timestamp": CANARY}}},
            "event_timestamp: Input should be a valid",
        ),
        ({"events": {f"{CAEP}session-revoked": {"event_timestamp": 1e300}}}, "event_timestamp: "),
        ({"iat": None}, "iat: Input should be a valid datetime"),
        ({"iat": "2021-03-09T15:52:39"}, "iat: Input should have timezone info"),
        ({"jti": None}, "jti: Input should be a valid string"),
        ({"sub_id": None}, "sub_id: Input should be a valid dictionary"),
        ({"sub_id": {"email": f"{CANARY}@example.com"}}, "sub_id.format: is missing"),
        ({"sub_id": {"format": "email"}}, "sub_id.email: is missing"),
        ({"sub_id": {"format": "email", "email": CANARY}}, "email: expected an e-mail address"),
    ],
)
def test_what_is_wrong_with_claims_is_named(claims: dict[str, Any], expected: str) -> None:
    assert bad(token(**claims)).startswith(expected)
