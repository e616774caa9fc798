"""Claims of CAEP and RISC security event tokens become OffboardingRequested, or name what is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from tests.doubles.hr_events import CANARY, bad, payload, read, refusal, webhook

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
JOHN = {"format": "email", "email": "john.doe@example.com"}
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
OAUTH = "https://schemas.openid.net/secevent/oauth/event-type/"
ISSUER = "https://idp.example.com/"


def token(name: str = "caep", *, looked_up: str | None = None, **claims: Any) -> dict[str, Any]:
    """The claims as a receiver puts them on our bus, some of them changed."""
    resources = [f"mailto:{looked_up}"] if looked_up else []
    return webhook("SecurityEventToken", payload(name) | claims, *resources)


def revoked(**content: Any) -> dict[str, Any]:
    return token(events={f"{CAEP}session-revoked": content})


def refused(event: dict[str, Any]) -> str:
    error = refusal(event)
    assert isinstance(error, Rejected)
    return error.reason


def test_a_revoked_session_ends_the_sessions_of_its_subject_who_stays() -> None:
    request = read(token())
    assert (request.event_id, request.source) == ("24c63fb56e5a2d77a6b512616ca9fa24", "caep")
    assert (request.kind, request.urgency) == ("sessions", "routine")
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
        (f"{CAEP}session-revoked", "caep", "sessions"),
        (f"{RISC}account-disabled", "risc", "immediate"),
        (f"{RISC}account-purged", "risc", "immediate"),
        (f"{RISC}account-enabled", "risc", "reinstated"),
    ],
)
def test_what_each_event_means(event_type: str, source: str, kind: str) -> None:
    request = read(token("risc", sub_id=JOHN, events={event_type: {}}))
    assert (request.source, request.kind, request.urgency) == (source, kind, "routine")


def test_a_hijacked_account_is_contained_and_urgent_for_the_source_says_so() -> None:
    hijacked = read(token("risc", sub_id=JOHN))
    assert (hijacked.kind, hijacked.urgency) == ("contain", "urgent")
    routine = {f"{RISC}account-disabled": {"reason": "bulk-account"}}
    disabled = read(token("risc", sub_id=JOHN, events=routine))
    assert (disabled.kind, disabled.urgency) == ("immediate", "routine")


def test_an_account_that_is_gone_for_good_is_a_departure_whatever_the_reason() -> None:
    purged = {f"{RISC}account-purged": {"reason": "hijacking"}}
    assert read(token("risc", sub_id=JOHN, events=purged)).kind == "immediate"


@pytest.mark.parametrize(
    ("sub_id", "source_id"),
    [
        (JOHN, None),
        ({"format": "iss_sub", "iss": ISSUER, "sub": "john.doe@example.com"}, "john.doe@example.com"),
        ({"format": "complex", "user": JOHN, "device": {"format": "opaque", "id": CANARY}}, None),
        ({"format": "complex", "user": {"format": "iss_sub", "sub": "john.doe@example.com"}}, "john.doe@example.com"),
        ({"format": "aliases", "identifiers": [{"format": "phone_number", "phone_number": CANARY}, JOHN]}, None),
        ({"format": "complex", "user": {"format": "aliases", "identifiers": [JOHN]}}, None),
        ({"subject_type": "email", "email": "john.doe@example.com"}, None),
        ({"subject_type": "id_token_claims", "email": "john.doe@example.com", "sub": "7375"}, "7375"),
        ({"user": JOHN, "tenant": {"format": "opaque", "id": CANARY}}, None),
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


@pytest.mark.parametrize(
    ("sub_id", "named"),
    [
        (OPAQUE[0], "the person by the issuer's own id"),
        (OPAQUE[1], "the person by the issuer's own id"),
        (OPAQUE[2], "the person by an account (acct:), which need not be an e-mail address"),
        (OPAQUE[3], "the person by a telephone number"),
        (OPAQUE[4], "a session, a device or a tenant, and no user"),
        ({"format": "aliases", "identifiers": OPAQUE[:2]}, "the person by aliases, none of which is an e-mail address"),
        ({"format": "did", "url": CANARY}, "the person by a decentralized identifier"),
        ({"format": "uri", "uri": CANARY}, "the person by a URI"),
    ],
    ids=str,
)
def test_how_the_person_is_named_stands_in_the_reason(sub_id: dict[str, Any], named: str) -> None:
    assert refused(token(sub_id=sub_id)) == (
        f"caep: sub_id names {named}: look the e-mail up at the issuer and send OffboardingRequested, or have its "
        "stream send subjects in the format email"
    )


def inside(name: str, subject: dict[str, Any], *, looked_up: str | None = None) -> dict[str, Any]:
    """The claims with the subject where it stood before the final specifications: in the event."""
    claims = payload(name)
    ((event_type, content),) = claims["events"].items()
    event = token(name, looked_up=looked_up, events={event_type: content | {"subject": subject}})
    del event["detail"]["sub_id"]
    return event


@pytest.mark.parametrize(
    "subject", [JOHN, {"user": JOHN}, {"subject_type": "email", "email": "john.doe@example.com"}], ids=str
)
def test_a_subject_inside_the_event_is_found(subject: dict[str, Any]) -> None:
    assert read(inside("caep", subject)).subject.email == "john.doe@example.com"


@pytest.mark.parametrize("format_", ["iss-sub", "iss_sub"])
def test_a_subject_inside_the_event_waits_for_its_lookup_too(format_: str) -> None:
    subject = {"subject_type": format_, "iss": "https://accounts.google.com/", "sub": "7375626A656374"}
    assert refused(inside("risc", subject)).startswith("risc: subject names the person by the issuer's own id: look ")
    request = read(inside("risc", subject, looked_up="john.doe@example.com"))
    assert (request.subject.email, request.subject.source_id) == ("john.doe@example.com", "7375626A656374")


def test_what_the_token_says_of_its_subject_counts_more_than_the_event() -> None:
    content = {"subject": {"format": "email", "email": "ada@example.com"}}
    assert read(revoked(**content)).subject.email == "john.doe@example.com"


@pytest.mark.parametrize("spelling", ["initiating_entity", "initiatingEntity"])
def test_from_somebodys_own_log_out_nothing_follows_however_it_is_spelled(spelling: str) -> None:
    reason = "caep: initiating_entity: the person's own log-out: nothing follows"
    assert refused(revoked(**{spelling: "user"})) == reason


@pytest.mark.parametrize("spelling", ["initiating_entity", "initiatingEntity"])
@pytest.mark.parametrize("entity", ["admin", "policy", "system"])
def test_a_session_that_somebody_else_revoked_contains_its_subject(spelling: str, entity: str) -> None:
    assert read(revoked(**{spelling: entity})).kind == "contain"


def test_an_initiating_entity_that_the_specification_does_not_have_is_named() -> None:
    assert bad(revoked(initiating_entity=CANARY)) == "initiating_entity: expected one of user, admin, policy, system"


def test_what_people_do_to_their_own_account_is_no_departure() -> None:
    own = {f"{RISC}account-disabled": {"initiating_entity": "user"}}
    reason = "risc: initiating_entity: what people do to themselves is no departure"
    assert refused(token("risc", sub_id=JOHN, events=own)) == reason


@pytest.mark.parametrize(
    "events",
    [
        {},
        {CANARY: {}},
        {f"https://schemas.openid.net/secevent/{CANARY}/event-type/verification": {}},
        {f"{CAEP}credential-change": {}, CANARY: {}},
        {f"{CAEP}session-revoked": {}, f"{RISC}account-enabled": {}},
        {f"{CAEP}session-revoked": {}, f"{CAEP}credential-change": {}},
        {f"{CAEP}session-revoked": {}, CANARY: {}},
    ],
)
def test_an_event_that_nobody_knows_or_several_are_refused(events: dict[str, Any]) -> None:
    assert bad(token(events=events)) == (
        "events: expected exactly one, of session-revoked, account-disabled, account-purged, account-enabled"
    )


@pytest.mark.parametrize(
    ("events", "source"),
    [
        ({f"{CAEP}credential-change": {"change_type": "revoke"}}, "caep"),
        ({f"{RISC}sessions-revoked": {}}, "risc"),
        ({f"{OAUTH}tokens-revoked": {}}, "oauth"),
        # two at once, as IBM's transmitter sends them
        ({f"{CAEP}risk-level-change": {}, f"{RISC}credential-compromise": {}}, "caep"),
    ],
)
def test_another_event_is_no_departure(events: dict[str, Any], source: str) -> None:
    assert refused(token(events=events, looked_up="john.doe@example.com")) == (
        f"{source}: events: no departure: have the stream send only session-revoked, account-disabled, "
        "account-purged, account-enabled"
    )


@pytest.mark.parametrize(
    ("event_type", "source"),
    [(f"{SSF}verification", "ssf"), (f"{SSF}stream-updated", "ssf"), (f"{RISC}verification", "risc")],
)
def test_nothing_follows_from_an_event_about_the_stream_itself(event_type: str, source: str) -> None:
    stream = {"format": "opaque", "id": CANARY}
    assert refused(token(events={event_type: {"state": CANARY}}, sub_id=stream)) == (
        f"{source}: events: about the stream itself: nothing follows, keep it off the bus"
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
        ({"sub_id": None}, "sub_id: is missing, and so is the event's own subject"),
        ({"sub_id": CANARY}, "sub_id: Input should be a valid dictionary"),
        ({"sub_id": {"format": "aliases", "identifiers": CANARY}}, "sub_id.identifiers: Input should be a valid list"),
        ({"sub_id": {"subject_type": [CANARY]}}, "sub_id.format: is missing"),
        ({"sub_id": {"email": f"{CANARY}@example.com"}}, "sub_id.format: is missing"),
        ({"sub_id": {"format": "email"}}, "sub_id.email: is missing"),
        ({"sub_id": {"format": "email", "email": CANARY}}, "email: expected an e-mail address"),
    ],
)
def test_what_is_wrong_with_claims_is_named(claims: dict[str, Any], expected: str) -> None:
    assert bad(token(**claims)).startswith(expected)
