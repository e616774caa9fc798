"""Gusto's employee webhooks: what happened, and the employee's id."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "GustoWebhook"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)
#: a termination was entered, for a day that the payload does not name
_ENTERED = "employee.terminated"
#: Gusto's two documentations spell the second event differently
_KINDS: Mapping[str, Literal["immediate", "cancelled", "reinstated"]] = {
    "employee.terminated_effective": "immediate",
    "employee.termination_effective": "immediate",
    "employee.termination_cancelled": "cancelled",
    "employee.rehired": "reinstated",
    "employee.rehire_effective": "reinstated",
}


class _Webhook(BaseModel):
    model_config = _AS_SENT
    event_type: str
    entity_uuid: str
    #: seconds
    timestamp: AwareDatetime
    #: older webhooks have none
    uuid: Annotated[str | None, Field(min_length=1)] = None


def read(event: HrEvent) -> OffboardingRequested:
    """Read the end of an employment, the cancellation of one that was planned, and a rehire.

    Raises ValidationError or BadMessage where it is another event, Rejected where the day is missing, or (always,
    unless the receiver looked it up) the e-mail address.
    """
    webhook = _Webhook.model_validate(event.detail)
    if webhook.event_type == _ENTERED:
        raise Rejected(
            "gusto: the payload names employee id only, not the last day: look both up (GET "
            "/v1/employees/{id}/terminations and GET /v1/employees/{id}) and send OffboardingRequested, kind scheduled"
        )
    if webhook.event_type not in _KINDS:
        raise BadMessage(f"event_type: expected one of {', '.join([_ENTERED, *_KINDS])}")
    if event.looked_up_email is None:
        raise Rejected(
            "gusto: the payload names employee id only: look the person's e-mail up (GET /v1/employees/{id}) and send "
            "OffboardingRequested"
        )
    return OffboardingRequested(
        event_id=webhook.uuid or event.id,
        source="gusto",
        kind=_KINDS[webhook.event_type],
        subject=Subject(email=event.looked_up_email, source_id=webhook.entity_uuid),
        effective_at=webhook.timestamp,
        occurred_at=webhook.timestamp,
    )
