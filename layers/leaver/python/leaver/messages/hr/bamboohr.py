"""BambooHR's webhooks: field-based ones, that can carry the person, and event-based ones, that carry an id."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested
from leaver.messages.look_up import LookUpNeeded, Unnamed

DETAIL_TYPE = "BambooHrWebhook"

_Kind = Literal["immediate", "reinstated"]
#: what a field's new value means, and a record that is there no more
MEANS: Final[Mapping[str, _Kind]] = {
    "Status: Inactive": "immediate",
    "Status: Active": "reinstated",
    "Employment Status: Terminated": "immediate",
    "employee.deleted": "immediate",
}

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)
#: a field goes by its English name, or by its alias in the API
_STATUS = ("Status", "status")
_EMPLOYMENT_STATUS = ("Employment Status", "employmentHistoryStatus")
_WORK_EMAIL = ("Work Email", "workEmail")
_NO_DEPARTURE = "bamboohr: changedFields: a change of other fields than status is no departure: monitor Status alone"
_CREATED = "bamboohr: a record that was created is no departure: have the webhook tell of changes and deletions alone"
_DELETED = (
    "bamboohr: a record was deleted, the payload names employee id only, and BambooHR knows it no more: find the "
    "person's e-mail in your own records and send OffboardingRequested"
)
_NO_WORK_EMAIL = (
    "bamboohr: the webhook does not post Work Email: look it up (GET /api/v1/employees/{id}?fields=workEmail) and send "
    "OffboardingRequested, or have the webhook post it"
)
#: whoever may write their own address could have somebody else shut out, and keep what they have themselves
_ADDRESS_CHANGED = "bamboohr: the work e-mail was changed together with the status: ask HR whose it is"
_ID_ONLY = (
    "bamboohr: the payload names employee id only: look up the person's status and e-mail (GET "
    "/api/v1/employees/{id}?fields=status,workEmail) and send OffboardingRequested"
)


class _Employee(BaseModel):
    """One employee of a field-based webhook, with the fields that the webhook is told to post."""

    model_config = _AS_SENT
    id: str
    timestamp: AwareDatetime
    #: Created, Updated or Deleted
    action: str = "Updated"
    changed_fields: Annotated[list[str], Field(alias="changedFields")]
    #: no fields at all come as an empty list
    fields_: Annotated[dict[str, Any], BeforeValidator(lambda sent: {} if sent == [] else sent), Field(alias="fields")]


class _FieldBased(BaseModel):
    model_config = _AS_SENT
    employees: list[_Employee]


class _Data(BaseModel):
    model_config = _AS_SENT
    employee_id: Annotated[str, Field(alias="employeeId")]
    #: only `employee.updated` has any
    changed_fields: Annotated[list[str], Field(alias="changedFields")] = []


class _EventBased(BaseModel):
    model_config = _AS_SENT
    type: str
    data: _Data
    timestamp: AwareDatetime


def read(event: HrEvent) -> OffboardingRequested:
    """Read a field-based webhook that posts status and work e-mail, and a deletion whose person the receiver names.

    Raises ValidationError or BadMessage where it is no webhook of BambooHR's, Rejected where it is no departure or a
    lookup is missing.
    """
    if "employees" not in event.detail:
        return _read_event_based(event)
    employees = _FieldBased.model_validate(event.detail).employees
    if len(employees) != 1:
        raise BadMessage("employees: expected exactly one: put one event for each on the bus")
    (employee,) = employees
    if employee.action == "Deleted":
        return _read_deletion(event, employee.id, employee.timestamp)
    kind = _read_kind(employee)
    unnamed = _unnamed(event, kind, employee.id, employee.timestamp)
    email = _find_field(employee.fields_, _WORK_EMAIL) or event.looked_up_email
    if email is None:
        raise LookUpNeeded(_NO_WORK_EMAIL, unnamed)
    if kind == "immediate" and _names(employee.changed_fields, _WORK_EMAIL):
        return unnamed.named(email, doubt=_ADDRESS_CHANGED)
    return unnamed.named(email)


def _read_kind(employee: _Employee) -> _Kind:
    if employee.action == "Created":
        raise Rejected(_CREATED)
    if _names(employee.changed_fields, _STATUS):
        kind = MEANS.get(f"Status: {(_find_field(employee.fields_, _STATUS) or '').capitalize()}")
        if kind is None:
            raise BadMessage("employees.0.fields: expected Status to be Active or Inactive")
        return kind
    if not _names(employee.changed_fields, _EMPLOYMENT_STATUS):
        raise Rejected(_NO_DEPARTURE)
    kind = MEANS.get(f"Employment Status: {(_find_field(employee.fields_, _EMPLOYMENT_STATUS) or '').capitalize()}")
    if kind is None:
        raise Rejected(
            "bamboohr: Employment Status: another than Terminated says neither that somebody left nor that somebody is "
            "back: monitor and post Status"
        )
    return kind


def _read_event_based(event: HrEvent) -> OffboardingRequested:
    webhook = _EventBased.model_validate(event.detail)
    if webhook.type == "employee.deleted":
        return _read_deletion(event, webhook.data.employee_id, webhook.timestamp)
    if webhook.type == "employee.created":
        raise Rejected(_CREATED)
    if webhook.type == "employee.updated" and not _names(webhook.data.changed_fields, (*_STATUS, *_EMPLOYMENT_STATUS)):
        raise Rejected(_NO_DEPARTURE)
    unnamed = _unnamed(event, None, webhook.data.employee_id, webhook.timestamp)
    if webhook.type == "employee.updated":
        raise LookUpNeeded(_ID_ONLY, unnamed)
    raise Rejected(_ID_ONLY)


def _read_deletion(event: HrEvent, employee_id: str, deleted_at: datetime) -> OffboardingRequested:
    if event.looked_up_email is None:
        raise Rejected(_DELETED)
    return _unnamed(event, MEANS["employee.deleted"], employee_id, deleted_at).named(event.looked_up_email)


def _unnamed(event: HrEvent, kind: _Kind | None, employee_id: str, changed_at: datetime) -> Unnamed:
    return Unnamed(
        event_id=event.id,
        source="bamboohr",
        source_id=employee_id,
        kind=kind,
        effective_at=changed_at,
        occurred_at=changed_at,
    )


def _names(changed: Collection[str], names: Collection[str]) -> bool:
    return any(name in changed for name in names)


def _find_field(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]), None)
