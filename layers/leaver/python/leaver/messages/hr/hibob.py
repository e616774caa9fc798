"""HiBob's webhooks, version 2: what happened, and the employee's id."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "HiBobWebhook"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)
#: a date begins that much sooner than in UTC where it begins first
_FIRST_ZONE = timedelta(hours=14)


class _Data(BaseModel):
    model_config = _AS_SENT
    employee_id: Annotated[str, Field(alias="employeeId")]
    table_id: Annotated[str | None, Field(alias="tableId")] = None
    effective_date: Annotated[date | None, Field(alias="effectiveDate")] = None


class _Webhook(BaseModel):
    model_config = _AS_SENT
    type: Literal["employee.left", "employee.access.revoked.immediately", "table.entry.created", "table.entry.updated"]
    triggered_by: Annotated[str | None, Field(alias="triggeredBy")] = None
    #: HiBob names no zone
    triggered_at: Annotated[datetime, Field(alias="triggeredAt")]
    data: _Data


def read(event: HrEvent) -> OffboardingRequested:
    """Read `employee.left` and `employee.access.revoked.immediately`, whose times are taken for UTC.

    Raises ValidationError where it is another event, Rejected where it is no departure, or (always, unless the
    receiver looked it up) where the e-mail address is missing.
    """
    webhook = _Webhook.model_validate(event.detail)
    if webhook.type.startswith("table.entry."):
        raise Rejected(_why_unknown(webhook.data))
    if event.looked_up_email is None:
        raise Rejected(
            "hibob: the payload names employee id only: look the person's e-mail up (GET /v1/people/{id}) and send "
            "OffboardingRequested"
        )
    occurred_at = webhook.triggered_at if webhook.triggered_at.tzinfo else webhook.triggered_at.replace(tzinfo=UTC)
    is_immediate = webhook.type == "employee.access.revoked.immediately"
    last_day = None if is_immediate else webhook.data.effective_date
    midnight = datetime.combine(last_day, time(), tzinfo=UTC) if last_day else occurred_at
    # HiBob says "left" when it is midnight at the person's site, without the site's zone: wait only for a date that
    # has begun nowhere yet, or somebody in Tokyo would keep access for nine hours.
    is_ahead = midnight - occurred_at > _FIRST_ZONE
    return OffboardingRequested(
        event_id=event.id,
        source="hibob",
        kind="scheduled" if is_ahead else "immediate",
        subject=Subject(email=event.looked_up_email, source_id=webhook.data.employee_id),
        effective_at=midnight if is_ahead else min(midnight, occurred_at),
        occurred_at=occurred_at,
        actor=webhook.triggered_by,
        urgency="urgent" if is_immediate else "routine",
    )


def _why_unknown(data: _Data) -> str:
    if data.table_id != "lifecycle":
        return "hibob: data.tableId: a change of another table than lifecycle is no departure"
    return (
        "hibob: the payload names employee id and date of a lifecycle entry only: look up what it says (GET "
        "/v1/people/{id}/lifecycle) and the person's e-mail (GET /v1/people/{id}) and send OffboardingRequested"
    )
