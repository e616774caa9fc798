"""Gusto's webhooks about employees and contractors: what happened, and the person's id."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.errors import Rejected
from leaver.messages.events import HrEvent, OffboardingRequested
from leaver.messages.look_up import LookUpNeeded, Unnamed

DETAIL_TYPE = "GustoWebhook"

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
#: what an event means; Gusto's two documentations spell the end of an employment differently
MEANS: Final[Mapping[str, Literal["immediate", "scheduled", "cancelled", "reinstated"]]] = {
    # only entered: the last day has to be looked up
    "employee.terminated": "scheduled",
    "employee.terminated_effective": "immediate",
    "employee.termination_effective": "immediate",
    "employee.termination_cancelled": "cancelled",
    "employee.rehire_effective": "reinstated",
    "contractor.deactivation_effective": "immediate",
    "contractor.deactivation_cancelled": "cancelled",
    "contractor.reactivation_effective": "reinstated",
}
#: an end was entered, for a day that the payload does not name: where Gusto has it
_LAST_DAYS: Mapping[str, str] = {
    "employee.terminated": "GET /v1/employees/{id}/terminations and GET /v1/employees/{id}",
    "contractor.deactivated": "GET /v1/contractors/{id}",
}
#: a rehire was entered: the event that comes when it begins
_RETURNS: Mapping[str, str] = {
    "employee.rehired": "employee.rehire_effective",
    "contractor.reactivated": "contractor.reactivation_effective",
}
_RETURNS_CANCELLED = frozenset({"employee.rehire_cancelled", "contractor.reactivation_cancelled"})


class _Webhook(BaseModel):
    model_config = _AS_SENT
    event_type: str
    entity_uuid: str
    #: seconds
    timestamp: AwareDatetime
    #: older webhooks have none
    uuid: Annotated[str | None, Field(min_length=1)] = None


def read(event: HrEvent) -> OffboardingRequested:
    """Read the end of an employment or a contract, the cancellation of one that was planned, and a rehire that began.

    Raises ValidationError where it is no webhook of Gusto's, Rejected where nothing follows from it yet, or where a
    contractor's day or address is missing, LookUpNeeded where an employee's is (unless the receiver looked it up).
    """
    webhook = _Webhook.model_validate(event.detail)
    kind = MEANS.get(webhook.event_type)
    worker = webhook.event_type.partition(".")[0]
    is_only_entered = webhook.event_type in _LAST_DAYS
    if kind is None and not is_only_entered:
        raise Rejected(_why_no_case(webhook.event_type))
    unnamed = Unnamed(
        event_id=webhook.uuid or event.id,
        source="gusto",
        source_id=webhook.entity_uuid,
        kind=kind or "scheduled",
        effective_at=webhook.timestamp,
        occurred_at=webhook.timestamp,
        needs_last_day=is_only_entered,
    )
    if event.looked_up_email is not None and not is_only_entered:
        return unnamed.named(event.looked_up_email)
    why = _why_unknown(webhook.event_type, worker)
    # Nobody has proved what Gusto says of a contractor.
    raise LookUpNeeded(why, unnamed) if worker == "employee" else Rejected(why)


def _why_unknown(event_type: str, worker: str) -> str:
    if event_type in _LAST_DAYS:
        return (
            f"gusto: the payload names {worker} id only, not the last day: look both up ({_LAST_DAYS[event_type]}) and "
            "send OffboardingRequested, kind scheduled"
        )
    return (
        f"gusto: the payload names {worker} id only: look the person's e-mail up (GET /v1/{worker}s/{{id}}) and send "
        "OffboardingRequested"
    )


def _why_no_case(event_type: str) -> str:
    if event_type in _RETURNS:
        return f"gusto: a rehire was entered and has not begun: nothing follows before {_RETURNS[event_type]}"
    if event_type in _RETURNS_CANCELLED:
        return (
            "gusto: a rehire that was entered is cancelled: nothing follows, the person stays out; send "
            "OffboardingRequested if the person is back already"
        )
    return f"gusto: event_type: no departure: put on the bus only {', '.join(dict.fromkeys([*_LAST_DAYS, *MEANS]))}"
