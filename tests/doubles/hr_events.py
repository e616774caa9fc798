"""HR events as a queue delivers them, and what Leaver makes of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from leaver.errors import BadMessage, LeaverError
from leaver.messages.envelope import Envelope
from leaver.messages.events import OffboardingRequested
from leaver.messages.hr import Understood, read_hr_event
from tests.doubles.lambda_events import record

EVENTS = Path(__file__).parents[2] / "events"
#: stands in every payload for what must not be repeated
CANARY = "canary-2c8e17"
EVENT_ID = "f32f4fdd-3161-5cda-a2bd-705c410a2b98"


@dataclass(frozen=True)
class Choices:
    """A deployment's choices; as the template's defaults, with names that want a domain."""

    urgent_sources: frozenset[str] = frozenset()
    okta_email_domain: str = ""
    sailpoint_lifecycle_attribute: str = "cloudLifecycleState"
    sailpoint_left_values: frozenset[str] = frozenset({"inactive", "terminated"})
    sailpoint_active_values: frozenset[str] = frozenset({"active"})
    sailpoint_email_domain: str = "example.com"
    zoom_departures: Literal["held", "departure"] = "held"


CHOICES = Choices()


def payload(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def webhook(detail_type: str, detail: Mapping[str, Any], *resources: str) -> dict[str, Any]:
    """What a webhook receiver puts on our bus, as a rule delivers it."""
    return envelope("leaver.hr", detail_type, detail, resources)


def envelope(source: Any, detail_type: Any, detail: Mapping[str, Any], resources: Iterable[str] = ()) -> dict[str, Any]:
    return {
        "version": "0",
        "id": EVENT_ID,
        "detail-type": detail_type,
        "source": source,
        "account": "123456789012",
        "time": "2026-11-20T08:30:00Z",
        "region": "eu-central-1",
        "resources": list(resources),
        "detail": detail,
    }


def understood(body: Mapping[str, Any], choices: Choices = CHOICES) -> Understood:
    """Read a message of the queue: an event as soon as it is on the bus, or our own detail sent by hand."""
    sent = Envelope(record(dict(body))).parse()
    return read_hr_event(replace(sent, heard_at=sent.sent_at or sent.heard_at), choices)


def read(body: Mapping[str, Any], choices: Choices = CHOICES) -> OffboardingRequested:
    """The same, of a departure or a return."""
    request = understood(body, choices)
    assert isinstance(request, OffboardingRequested)
    return request


def refusal(body: Mapping[str, Any], choices: Choices = CHOICES) -> LeaverError:
    """How a message is refused, which must not repeat anything of it."""
    with pytest.raises(LeaverError) as refused:
        understood(body, choices)
    assert CANARY not in refused.value.reason
    return refused.value


def bad(body: Mapping[str, Any], choices: Choices = CHOICES) -> str:
    """Why a message can't be understood."""
    error = refusal(body, choices)
    assert isinstance(error, BadMessage)
    return error.reason
