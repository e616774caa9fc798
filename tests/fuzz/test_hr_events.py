"""Whatever JSON arrives, an adapter understands it, or refuses it without repeating any of it; it never breaks."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaver.errors import BadMessage, Rejected
from leaver.messages.hr import Understood
from tests.doubles.hr_events import CANARY, envelope, payload, understood, webhook
from tests.field import Field
from tests.fuzz.any_json import NEARLY, any_json, places, replaced, told
from tests.length import length

#: what was read, and what it did
READ: Counter[str] = Counter()

JOHN = "mailto:john.doe@example.com"
OKTA, SAILPOINT, DELETED = payload("okta"), payload("sailpoint"), payload("sailpoint_deleted")
#: every source, with what it sends when all is well
SENT: Mapping[str, dict[str, Any]] = {
    "okta": OKTA,
    "sailpoint": SAILPOINT,
    "sailpoint, a deletion": DELETED,
    "canonical": webhook(
        "OffboardingRequested",
        {
            "event_id": "hr-1",
            "source": "hr-system",
            "kind": "scheduled",
            "subject": {"email": "john.doe@example.com"},
            "effective_at": "2026-11-22T09:00:00Z",
            "occurred_at": "2026-11-22T10:00:00+01:00",
        },
    ),
    "scim": webhook("ScimPatch", payload("scim"), JOHN),
    "scim without a path": webhook("ScimPatch", {"Operations": [{"op": "Add", "value": {"active": "False"}}]}, JOHN),
    "scim, a PUT": webhook(
        "ScimPatch",
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "emails": [{"value": "john.doe@example.com", "primary": True}],
            "active": False,
        },
    ),
    "caep": webhook("SecurityEventToken", payload("caep")),
    "risc": webhook("SecurityEventToken", payload("risc"), JOHN),
    "risc, as it was": webhook(
        "SecurityEventToken",
        {
            "jti": "j1",
            "iat": 1508184845,
            "events": {
                "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {
                    "subject": {"subject_type": "aliases", "identifiers": [payload("caep")["sub_id"]]}
                }
            },
        },
    ),
    "hibob": webhook("HiBobWebhook", payload("hibob") | {"type": "employee.left"}, JOHN),
    "gusto": webhook("GustoWebhook", payload("gusto"), JOHN),
    "bamboohr": webhook("BambooHrWebhook", payload("bamboohr"), JOHN),
    "bamboohr, field-based": webhook("BambooHrWebhook", payload("bamboohr_fields")),
    "standard": webhook(
        "StandardWebhook",
        {
            "type": "OffboardingRequested",
            "data": {
                "kind": "immediate",
                "subject": {"email": "john.doe@example.com"},
                "effective_at": "2026-11-20T08:00:00Z",
                "occurred_at": "2026-11-20T08:00:00Z",
            },
        },
        "source:standard/main",
        "delivery:msg_1",
    ),
    "okta, a hook": webhook("OktaEventHook", OKTA["detail"]),
    "zoom": payload("hr/zoom-deactivated")["event"],
    "zoom, a login": payload("hr/zoom-signed-in")["event"],
    "zoom, the app": payload("hr/zoom-app-deauthorized")["event"],
}


def outcome(event: dict[str, Any]) -> Understood | str:
    """Read an event; anything but a refusal goes through and fails the test."""
    READ["times"] += 1
    try:
        return understood(event)
    except (BadMessage, Rejected) as refused:
        reason = refused.reason
    except Exception:
        READ["crashed"] += 1
        raise
    assert reason
    READ["leaked"] += CANARY in reason
    assert CANARY not in reason
    return reason


@pytest.fixture
def counted(field: Field) -> Iterator[None]:
    READ.clear()
    yield
    leaked, crashed = READ["leaked"], READ["crashed"]
    field("a fuzzed input", "any JSON instead of an HR event", READ["times"], leaked=leaked, crashed=crashed)


quickly = settings(max_examples=length(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("source", SENT)
@given(detail=st.dictionaries(told, any_json, max_size=3) | st.dictionaries(st.just("employees"), any_json))
@quickly
def test_any_object_is_understood_or_refused(source: str, detail: dict[str, Any]) -> None:
    assert isinstance(outcome(SENT[source] | {"detail": detail}), str)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("source", SENT)
@given(data=st.data())
@quickly
def test_what_a_source_sends_with_one_or_two_things_changed_is_understood_or_refused(
    source: str, data: st.DataObject
) -> None:
    detail = SENT[source]["detail"]
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(detail)).filter(bool))
        detail = replaced(detail, path, data.draw(any_json))
    outcome(SENT[source] | {"detail": detail})


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("source", SENT)
def test_what_a_source_sends_with_any_one_thing_nearly_right_is_understood_or_refused(source: str) -> None:
    detail = SENT[source]["detail"]
    for path in places(detail)[1:]:
        for value in NEARLY:
            outcome(SENT[source] | {"detail": replaced(detail, path, value)})


@pytest.mark.usefixtures("counted")
@given(
    source=st.sampled_from(["leaver.hr", OKTA["source"], SAILPOINT["source"]]) | any_json,
    detail_type=st.sampled_from(["ScimPatch", "SecurityEventToken"]) | any_json,
    resources=any_json,
    event_id=any_json,
    time=any_json,
)
@quickly
def test_any_envelope_is_understood_or_refused(
    *, source: Any, detail_type: Any, resources: Any, event_id: Any, time: Any
) -> None:
    around = {"resources": resources, "id": event_id, "time": time}
    outcome(envelope(source, detail_type, payload("scim")) | around)


@pytest.mark.parametrize("source", [source for source in SENT if source != "bamboohr"])
def test_what_is_changed_above_is_understood_as_it_is(source: str) -> None:
    assert isinstance(understood(SENT[source]), Understood)
