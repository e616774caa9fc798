"""BambooHR's webhooks: field-based ones, that can carry the person, and event-based ones, that carry an id."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

DETAIL_TYPE = "BambooHrWebhook"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)
#: a field goes by its English name, or by its alias in the API
_STATUS = ("Status", "status")
_WORK_EMAIL = ("Work Email", "workEmail")
_NO_DEPARTURE = "bamboohr: changedFields: a change of other fields than status is no departure"


class _Employee(BaseModel):
    """One employee of a field-based webhook, with the fields that the webhook is told to post."""

    model_config = _AS_SENT
    id: str
    timestamp: AwareDatetime
    changed_fields: Annotated[list[str], Field(alias="changedFields")]
    fields_: Annotated[dict[str, Any], Field(alias="fields")]


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


def read(event: HrEvent) -> OffboardingRequested:
    """Read a field-based webhook that posts status and work e-mail; an event-based one names neither.

    Raises ValidationError or BadMessage where it is no webhook of BambooHR's, Rejected where it is no departure or a
    lookup is missing.
    """
    if "employees" not in event.detail:
        raise Rejected(_why_not_enough(_EventBased.model_validate(event.detail)))
    employees = _FieldBased.model_validate(event.detail).employees
    if len(employees) != 1:
        raise BadMessage("employees: expected exactly one: put one event for each on the bus")
    (employee,) = employees
    if not _names_status(employee.changed_fields):
        raise Rejected(_NO_DEPARTURE)
    status = (_find_field(employee.fields_, _STATUS) or "").casefold()
    if status not in {"active", "inactive"}:
        raise BadMessage("employees.0.fields: expected Status to be Active or Inactive")
    email = _find_field(employee.fields_, _WORK_EMAIL) or event.looked_up_email
    if email is None:
        raise Rejected(
            "bamboohr: the webhook does not post Work Email: look it up (GET /api/v1/employees/{id}?fields=workEmail) "
            "and send OffboardingRequested, or have the webhook post it"
        )
    return OffboardingRequested(
        event_id=event.id,
        source="bamboohr",
        kind="immediate" if status == "inactive" else "reinstated",
        subject=Subject(email=email, source_id=employee.id),
        effective_at=employee.timestamp,
        occurred_at=employee.timestamp,
    )


def _why_not_enough(webhook: _EventBased) -> str:
    if webhook.type == "employee.updated" and not _names_status(webhook.data.changed_fields):
        return _NO_DEPARTURE
    return (
        "bamboohr: the payload names employee id only: look up the person's status and e-mail (GET "
        "/api/v1/employees/{id}?fields=status,workEmail) and send OffboardingRequested"
    )


def _names_status(changed: Collection[str]) -> bool:
    return any(name in changed for name in _STATUS)


def _find_field(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]), None)
