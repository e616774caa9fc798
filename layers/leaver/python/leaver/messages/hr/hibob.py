"""HiBob's webhooks, version 2: what happened, and the employee's id."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import Rejected
from leaver.messages.events import HrEvent, OffboardingRequested
from leaver.messages.look_up import LookUpNeeded, Unnamed

DETAIL_TYPE = "HiBobWebhook"

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
_IMMEDIATELY = "employee.access.revoked.immediately"
_DELETED = "employee.deleted"
#: what a type means; `employee.left` of a date that has begun nowhere yet is `scheduled`
MEANS: Final[Mapping[str, Literal["immediate"]]] = {
    "employee.left": "immediate",
    _IMMEDIATELY: "immediate",
    _DELETED: "immediate",
}
_INACTIVATED = "employee.inactivated"
_TABLE_ENTRIES = frozenset({"table.entry.created", "table.entry.updated"})
_GONE_FROM_THERE = (
    "hibob: the payload does not name the deleted employee's e-mail, and HiBob has it no more: find it in your own "
    "records and send OffboardingRequested"
)
_NOBODY = (
    "hibob: the payload names employee id only: look the person's e-mail up (GET /v1/people/{id}) and send "
    "OffboardingRequested"
)
#: a date begins that much sooner than in UTC where it begins first
_FIRST_ZONE = timedelta(hours=14)


class _Data(BaseModel):
    model_config = _AS_SENT
    employee_id: Annotated[str, Field(alias="employeeId")]
    table_id: Annotated[str | None, Field(alias="tableId")] = None
    effective_date: Annotated[date | None, Field(alias="effectiveDate")] = None
    #: only of a deleted employee, whom nobody can look up any more
    email: str | None = None


class _AnyWebhook(BaseModel):
    model_config = _AS_SENT
    type: str


class _Webhook(_AnyWebhook):
    triggered_by: Annotated[str | None, Field(alias="triggeredBy")] = None
    #: HiBob names no zone
    triggered_at: Annotated[datetime, Field(alias="triggeredAt")]
    data: _Data


def read(event: HrEvent) -> OffboardingRequested:
    """Read `employee.left`, `employee.access.revoked.immediately` and `employee.deleted`.

    Raises ValidationError where it is no webhook of HiBob's, Rejected where it is no departure, or where the e-mail
    address is missing: only a deleted employee's is in the payload, any other must be looked up.
    """
    kind = _AnyWebhook.model_validate(event.detail).type
    if kind not in MEANS and kind not in _TABLE_ENTRIES:
        raise Rejected(_why_no_departure(kind))
    webhook = _Webhook.model_validate(event.detail)
    if kind in _TABLE_ENTRIES:
        raise Rejected(_why_unknown(webhook.data))
    occurred_at = _read_time(webhook.triggered_at, event.sent_at)
    last_day = webhook.data.effective_date if kind == "employee.left" else None
    midnight = datetime.combine(last_day, time(), tzinfo=UTC) if last_day else occurred_at
    # HiBob says "left" when it is midnight at the person's site, without the site's zone: wait only for a date that
    # has begun nowhere yet, or somebody in Tokyo would keep access for nine hours.
    is_ahead = midnight - occurred_at > _FIRST_ZONE
    unnamed = Unnamed(
        event_id=event.id,
        source="hibob",
        source_id=webhook.data.employee_id,
        kind="scheduled" if is_ahead else MEANS[kind],
        effective_at=midnight if is_ahead else min(midnight, occurred_at),
        occurred_at=occurred_at,
        actor=webhook.triggered_by,
        urgency="urgent" if kind == _IMMEDIATELY else "routine",
        is_true_of_who_stays=kind == _IMMEDIATELY,
    )
    # Of whoever can be looked up, HiBob itself says which address is the one at work, and whether the person is gone.
    email = (webhook.data.email if kind == _DELETED else None) or event.looked_up_email
    if email is not None:
        return unnamed.named(email)
    if kind == _DELETED:
        raise Rejected(_GONE_FROM_THERE)
    raise LookUpNeeded(_NOBODY, unnamed)


def _read_time(triggered_at: datetime, sent_at: datetime) -> datetime:
    """When it happened: a time without a zone is taken for UTC, but never for later than it was put on the bus."""
    if triggered_at.tzinfo:
        return triggered_at
    # A tenant east of UTC writes hours that have not come yet: what happens next would seem to have happened before.
    return min(triggered_at.replace(tzinfo=UTC), sent_at)


def _why_no_departure(kind: str) -> str:
    if kind == _INACTIVATED:
        return (
            f"hibob: {_INACTIVATED} can be a leave of absence: subscribe to employee.left, or look up what it is (GET "
            "/v1/people/{id}/lifecycle) and send OffboardingRequested"
        )
    return f"hibob: type: no departure: subscribe only to {', '.join(MEANS)}"


def _why_unknown(data: _Data) -> str:
    if data.table_id != "lifecycle":
        return "hibob: data.tableId: a change of another table than lifecycle is no departure"
    return (
        "hibob: the payload names employee id and date of a lifecycle entry only: look up what it says (GET "
        "/v1/people/{id}/lifecycle) and the person's e-mail (GET /v1/people/{id}) and send OffboardingRequested"
    )
