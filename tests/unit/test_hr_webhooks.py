"""What HiBob, Gusto and BambooHR send: mostly an id, and then the refusal names the lookup that is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leaver.errors import Rejected
from tests.doubles.hr_events import CANARY, EVENT_ID, bad, payload, read, refusal, webhook

JOHN = "mailto:john.doe@example.com"


def refused(event: dict[str, Any]) -> str:
    error = refusal(event)
    assert isinstance(error, Rejected)
    return error.reason


# --- HiBob ---


def hibob(kind: str, *who: str, data: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """HiBob's own webhook of another type."""
    sent: dict[str, Any] = payload("hibob")
    del sent["data"]["tableId"]
    return webhook("HiBobWebhook", sent | {"type": kind, "data": sent["data"] | (data or {})} | fields, *who)


def test_an_employee_who_left_is_out_since_midnight_in_utc_where_no_zone_is_named() -> None:
    request = read(hibob("employee.left", JOHN))
    assert (request.event_id, request.source, request.kind) == (EVENT_ID, "hibob", "immediate")
    assert request.subject.email == "john.doe@example.com"
    assert (request.subject.source_id, request.actor) == ("3332883854254932743", "3332883804594373380")
    assert request.effective_at == datetime(2025, 1, 8, tzinfo=UTC)
    assert request.occurred_at == datetime(2025, 1, 8, 13, 6, 26, 915906, tzinfo=UTC)
    assert request.urgency == "routine"


def test_a_date_in_the_future_waits_for_its_midnight() -> None:
    request = read(hibob("employee.left", JOHN, data={"effectiveDate": "2025-02-01"}))
    assert (request.kind, request.effective_at) == ("scheduled", datetime(2025, 2, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("ahead", "kind"),
    [
        (timedelta(hours=9), "immediate"),
        (timedelta(hours=14), "immediate"),
        (timedelta(hours=14, microseconds=1), "scheduled"),
    ],
)
def test_where_the_day_has_begun_somewhere_a_leaver_does_not_wait_for_utc(ahead: timedelta, kind: str) -> None:
    said_at = datetime(2025, 1, 8, tzinfo=UTC) - ahead
    request = read(hibob("employee.left", JOHN, triggeredAt=said_at.replace(tzinfo=None).isoformat()))
    assert request.kind == kind
    assert request.effective_at == (said_at if kind == "immediate" else datetime(2025, 1, 8, tzinfo=UTC))


def test_a_zone_that_is_named_after_all_counts() -> None:
    request = read(hibob("employee.left", JOHN, triggeredAt="2025-01-08T13:06:26+09:00"))
    assert request.occurred_at == datetime(2025, 1, 8, 4, 6, 26, tzinfo=UTC)


def test_a_time_without_a_zone_counts_for_no_later_than_it_came() -> None:
    # Bob's hour in Tokyo, nine hours before UTC has it: a return within those nine hours must not seem to come before.
    request = read(hibob("employee.left", JOHN, data={"effectiveDate": None}, triggeredAt="2026-11-20T17:29:58"))
    assert request.occurred_at == request.effective_at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


def test_a_time_ahead_whose_zone_is_named_stays_as_it_is() -> None:
    request = read(hibob("employee.left", JOHN, data={"effectiveDate": None}, triggeredAt="2026-11-20T17:29:58Z"))
    assert request.occurred_at == datetime(2026, 11, 20, 17, 29, 58, tzinfo=UTC)


def test_a_leaver_without_a_date_is_out_at_once() -> None:
    request = read(hibob("employee.left", JOHN, data={"effectiveDate": None}))
    assert (request.kind, request.effective_at) == ("immediate", request.occurred_at)


def test_access_revoked_immediately_is_urgent_and_waits_for_no_date() -> None:
    request = read(hibob("employee.access.revoked.immediately", JOHN, data={"effectiveDate": "2025-02-01"}))
    assert (request.kind, request.urgency) == ("immediate", "urgent")
    assert request.effective_at == request.occurred_at


@pytest.mark.parametrize("kind", ["employee.left", "employee.access.revoked.immediately"])
def test_hibobs_payload_alone_names_the_lookup(kind: str) -> None:
    assert refused(hibob(kind)) == (
        "hibob: the payload names employee id only: look the person's e-mail up (GET /v1/people/{id}) and send "
        "OffboardingRequested"
    )


@pytest.mark.parametrize("kind", ["employee.left", "employee.access.revoked.immediately"])
def test_an_address_in_a_payload_that_has_none_by_its_documents_ends_nobodys_access(kind: str) -> None:
    assert "look the person's e-mail up" in refused(hibob(kind, data={"email": "ada@example.com"}))
    assert read(hibob(kind, JOHN, data={"email": "ada@example.com"})).subject.email == "john.doe@example.com"


def deleted(*who: str, **data: Any) -> dict[str, Any]:
    return hibob("employee.deleted", *who, data={"effectiveDate": None} | data)


def test_a_deleted_employee_is_named_by_the_payload_itself() -> None:
    request = read(deleted(email="john.doe@example.com"))
    assert (request.kind, request.urgency) == ("immediate", "routine")
    assert (request.subject.email, request.subject.source_id) == ("john.doe@example.com", "3332883854254932743")
    assert request.effective_at == request.occurred_at == datetime(2025, 1, 8, 13, 6, 26, 915906, tzinfo=UTC)


def test_the_address_in_the_payload_counts_more_than_the_one_that_was_looked_up() -> None:
    assert read(deleted("mailto:ada@example.com", email="john.doe@example.com")).subject.email == "john.doe@example.com"
    assert read(deleted("mailto:ada@example.com")).subject.email == "ada@example.com"


def test_a_deleted_employee_without_an_address_is_not_looked_up_where_nobody_is_any_more() -> None:
    assert refused(deleted()) == (
        "hibob: the payload does not name the deleted employee's e-mail, and HiBob has it no more: find it in your own "
        "records and send OffboardingRequested"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_somebody_who_is_inactive_may_be_on_leave(who: tuple[str, ...]) -> None:
    assert refused(hibob("employee.inactivated", *who)).startswith(
        "hibob: employee.inactivated can be a leave of absence: subscribe to employee.left, or look up what it is (GET "
    )


@pytest.mark.parametrize("kind", ["employee.created", "employee.joined", f"employee.{CANARY}"])
def test_another_event_of_hibobs_is_no_departure(kind: str) -> None:
    # whatever its data holds
    sent = hibob(kind, JOHN)
    assert refused(sent | {"detail": sent["detail"] | {"data": {"taskId": CANARY}}}) == (
        "hibob: type: no departure: subscribe only to employee.left, employee.access.revoked.immediately, "
        "employee.deleted"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_hibobs_published_entry_of_the_lifecycle_table_does_not_say_what_it_is(who: tuple[str, ...]) -> None:
    # It could be a hire: even with the person known it opens no case.
    reason = refused(webhook("HiBobWebhook", payload("hibob"), *who))
    assert reason.startswith("hibob: the payload names employee id and date of a lifecycle entry only: look up what")


def test_an_entry_of_another_table_is_no_departure() -> None:
    reason = refused(hibob("table.entry.updated", JOHN, data={"tableId": CANARY}))
    assert reason == "hibob: data.tableId: a change of another table than lifecycle is no departure"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": [CANARY]}, "type: Input should be a valid string"),
        ({"triggeredAt": CANARY}, "triggeredAt: Input should be a valid datetime"),
        ({"data": {"employeeId": 7}}, "data.employeeId: Input should be a valid string"),
        ({"data": {"employeeId": "7", "effectiveDate": CANARY}}, "data.effectiveDate: Input should be a valid date"),
        ({"data": CANARY}, "data: Input should be a valid dictionary"),
    ],
)
def test_what_hibob_should_not_send_is_refused_by_name(fields: dict[str, Any], expected: str) -> None:
    event = hibob("employee.left", JOHN)
    assert bad(event | {"detail": event["detail"] | fields}).startswith(expected)


# --- Gusto ---


def gusto(event_type: str, *who: str, **fields: Any) -> dict[str, Any]:
    return webhook("GustoWebhook", payload("gusto") | {"event_type": event_type} | fields, *who)


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("employee.terminated_effective", "immediate"),
        ("employee.termination_effective", "immediate"),
        ("employee.termination_cancelled", "cancelled"),
        ("employee.rehire_effective", "reinstated"),
        ("contractor.deactivation_effective", "immediate"),
        ("contractor.deactivation_cancelled", "cancelled"),
        ("contractor.reactivation_effective", "reinstated"),
    ],
)
def test_what_each_of_gustos_events_means(event_type: str, kind: str) -> None:
    request = read(gusto(event_type, JOHN))
    assert (request.source, request.kind, request.urgency) == ("gusto", kind, "routine")
    assert request.event_id == "03ffbf0c-48a9-4f1c-932a-546413a26ad1"
    assert request.occurred_at == request.effective_at == datetime(2022, 12, 14, 23, 0, 41, tzinfo=UTC)
    assert request.subject.email == "john.doe@example.com"
    assert request.subject.source_id == "bcfc9744-0ab3-4ef3-ab0d-e728255d659c"


def test_an_older_webhook_without_an_id_has_the_events() -> None:
    assert read(gusto("employee.rehire_effective", JOHN, uuid=None)).event_id == EVENT_ID


def test_gustos_published_payload_names_the_lookup() -> None:
    assert refused(webhook("GustoWebhook", payload("gusto"))) == (
        "gusto: the payload names employee id only: look the person's e-mail up (GET /v1/employees/{id}) and send "
        "OffboardingRequested"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_a_termination_that_was_entered_does_not_end_access_before_its_day(who: tuple[str, ...]) -> None:
    reason = refused(gusto("employee.terminated", *who))
    assert reason.startswith("gusto: the payload names employee id only, not the last day: look both up (GET ")
    assert reason.endswith("and send OffboardingRequested, kind scheduled")


@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_so_does_the_dismissal_of_a_contractor_which_gusto_calls_deactivated(who: tuple[str, ...]) -> None:
    assert refused(gusto("contractor.deactivated", *who)) == (
        "gusto: the payload names contractor id only, not the last day: look both up (GET /v1/contractors/{id}) and "
        "send OffboardingRequested, kind scheduled"
    )


def test_a_contractor_is_looked_up_among_contractors() -> None:
    assert refused(gusto("contractor.deactivation_effective")) == (
        "gusto: the payload names contractor id only: look the person's e-mail up (GET /v1/contractors/{id}) and send "
        "OffboardingRequested"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
@pytest.mark.parametrize(
    ("entered", "begins"),
    [
        ("employee.rehired", "employee.rehire_effective"),
        ("contractor.reactivated", "contractor.reactivation_effective"),
    ],
)
def test_a_rehire_that_was_only_entered_brings_nobody_back(entered: str, begins: str, who: tuple[str, ...]) -> None:
    assert refused(gusto(entered, *who)) == (
        f"gusto: a rehire was entered and has not begun: nothing follows before {begins}"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
@pytest.mark.parametrize("event_type", ["employee.rehire_cancelled", "contractor.reactivation_cancelled"])
def test_after_a_rehire_that_was_cancelled_the_person_stays_out(event_type: str, who: tuple[str, ...]) -> None:
    assert refused(gusto(event_type, *who)).startswith(
        "gusto: a rehire that was entered is cancelled: nothing follows, the person stays out"
    )


@pytest.mark.parametrize("event_type", ["employee.created", "contractor.onboarded", "company.updated", CANARY])
def test_another_event_of_gustos_is_no_departure(event_type: str) -> None:
    reason = refused(gusto(event_type, JOHN))
    assert reason.startswith("gusto: event_type: no departure: put on the bus only employee.terminated, contractor.dea")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event_type": [CANARY]}, "event_type: Input should be a valid string"),
        ({"timestamp": CANARY}, "timestamp: Input should be a valid datetime"),
        ({"entity_uuid": None}, "entity_uuid: Input should be a valid string"),
        ({"uuid": ""}, "uuid: String should have at least 1 character"),
    ],
)
def test_what_gusto_should_not_send_is_refused_by_name(fields: dict[str, Any], expected: str) -> None:
    event = gusto("employee.rehire_effective", JOHN)
    assert bad(event | {"detail": event["detail"] | fields}).startswith(expected)


# --- BambooHR ---


def posted(*who: str, changed: str = "Status", **fields: Any) -> dict[str, Any]:
    """A field-based webhook that posts other fields."""
    sent: dict[str, Any] = payload("bamboohr_fields")
    (employee,) = sent["employees"]
    employee["changedFields"] = [changed]
    employee["fields"] |= fields
    return webhook("BambooHrWebhook", sent, *who)


@pytest.mark.parametrize(("status", "is_held"), [("Inactive", True), ("Active", False)])
@pytest.mark.parametrize("field", ["Work Email", "workEmail"])
def test_an_address_that_changes_in_the_moment_of_leaving_waits_for_a_person(
    field: str, status: str, *, is_held: bool
) -> None:
    event = posted(Status=status)
    event["detail"]["employees"][0]["changedFields"] = ["Status", field]
    doubt = read(event).doubt
    assert (doubt is not None) == is_held
    assert doubt is None or doubt.startswith("bamboohr: the work e-mail was changed together with the status")


def acted(action: str, *who: str) -> dict[str, Any]:
    """A field-based webhook of a record that was created or deleted: no fields come with it, as an empty list."""
    sent: dict[str, Any] = payload("bamboohr_fields")
    (employee,) = sent["employees"]
    employee |= {"action": action, "changedFields": [], "fields": []}
    return webhook("BambooHrWebhook", sent, *who)


def told(event_type: str, *who: str, changed: tuple[str, ...] = ()) -> dict[str, Any]:
    """An event-based webhook of another type."""
    sent = payload("bamboohr")
    return webhook(
        "BambooHrWebhook", sent | {"type": event_type, "data": sent["data"] | {"changedFields": changed}}, *who
    )


def test_a_field_based_webhook_carries_the_person() -> None:
    request = read(posted())
    assert (request.event_id, request.source, request.kind) == (EVENT_ID, "bamboohr", "immediate")
    assert (request.subject.email, request.subject.source_id) == ("john.doe@example.com", "12345")
    assert request.occurred_at == request.effective_at == datetime(2026, 1, 31, 18, 42, tzinfo=UTC)


def test_an_active_status_is_a_return() -> None:
    assert read(posted(Status="Active")).kind == "reinstated"


def test_fields_may_go_by_the_names_of_the_api() -> None:
    sent = posted()
    (employee,) = sent["detail"]["employees"]
    employee |= {"changedFields": ["status"], "fields": {"status": "Inactive", "workEmail": "ada@example.com"}}
    assert read(sent).subject.email == "ada@example.com"


def test_a_webhook_that_posts_no_address_takes_the_one_that_was_looked_up() -> None:
    assert read(posted(JOHN, **{"Work Email": ""})).subject.email == "john.doe@example.com"
    assert refused(posted(**{"Work Email": ""})).startswith(
        "bamboohr: the webhook does not post Work Email: look it up"
    )


@pytest.mark.parametrize("name", ["Employment Status", "employmentHistoryStatus"])
def test_an_employment_that_is_terminated_is_a_departure(name: str) -> None:
    request = read(posted(changed=name, **{name: "Terminated", "Status": "Active"}))
    assert (request.kind, request.subject.email) == ("immediate", "john.doe@example.com")


@pytest.mark.parametrize("value", ["Full-Time", "", None])
def test_another_employment_status_says_neither_that_somebody_left_nor_that_somebody_is_back(value: Any) -> None:
    assert refused(posted(JOHN, changed="Employment Status", **{"Employment Status": value})) == (
        "bamboohr: Employment Status: another than Terminated says neither that somebody left nor that somebody is "
        "back: monitor and post Status"
    )


@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_bamboohrs_published_payloads_are_no_departures(who: tuple[str, ...]) -> None:
    no_departure = "bamboohr: changedFields: a change of other fields than status is no departure: monitor Status alone"
    assert refused(webhook("BambooHrWebhook", payload("bamboohr"), *who)) == no_departure
    assert refused(posted(*who, changed="First Name")) == no_departure


@pytest.mark.parametrize(
    ("event_type", "changed"),
    [
        ("employee.updated", ("status",)),
        ("employee.updated", ("employmentHistoryStatus",)),
        (CANARY, ("firstName",)),
    ],
)
@pytest.mark.parametrize("who", [(), (JOHN,)])
def test_an_event_based_webhook_names_the_lookup(
    event_type: str, changed: tuple[str, ...], who: tuple[str, ...]
) -> None:
    assert refused(told(event_type, *who, changed=changed)) == (
        "bamboohr: the payload names employee id only: look up the person's status and e-mail (GET "
        "/api/v1/employees/{id}?fields=status,workEmail) and send OffboardingRequested"
    )


@pytest.mark.parametrize(
    ("event", "source_id"), [(acted("Deleted", JOHN), "12345"), (told("employee.deleted", JOHN), "67890")]
)
def test_a_deleted_record_whose_person_was_looked_up_is_a_departure(event: dict[str, Any], source_id: str) -> None:
    request = read(event)
    assert (request.event_id, request.kind, request.urgency) == (EVENT_ID, "immediate", "routine")
    assert (request.subject.email, request.subject.source_id) == ("john.doe@example.com", source_id)
    assert request.occurred_at == request.effective_at == datetime(2026, 1, 31, 18, 42, tzinfo=UTC)


@pytest.mark.parametrize("event", [acted("Deleted"), told("employee.deleted")])
def test_a_deleted_record_is_not_looked_up_where_it_is_no_more(event: dict[str, Any]) -> None:
    assert refused(event) == (
        "bamboohr: a record was deleted, the payload names employee id only, and BambooHR knows it no more: find the "
        "person's e-mail in your own records and send OffboardingRequested"
    )


@pytest.mark.parametrize("event", [acted("Created", JOHN), told("employee.created", JOHN)])
def test_a_record_that_was_created_is_no_departure(event: dict[str, Any]) -> None:
    assert refused(event).startswith("bamboohr: a record that was created is no departure: ")


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({}, "type: is missing; data: is missing"),
        ({"type": "employee.updated", "data": {"employeeId": 7}}, "data.employeeId: Input should be a valid string"),
        ({"employees": []}, "employees: expected exactly one"),
        ({"employees": [CANARY]}, "employees.0: Input should be a valid dictionary"),
        ({"employees": CANARY}, "employees: Input should be a valid list"),
    ],
)
def test_what_bamboohr_should_not_send_is_refused_by_name(detail: dict[str, Any], expected: str) -> None:
    assert bad(webhook("BambooHrWebhook", detail, JOHN)).startswith(expected)


def test_two_employees_in_one_webhook_are_not_told_apart_by_guessing() -> None:
    sent = payload("bamboohr_fields")
    sent["employees"] *= 2
    assert bad(webhook("BambooHrWebhook", sent)).startswith("employees: expected exactly one")


@pytest.mark.parametrize("status", [CANARY, "", None, 7])
def test_a_status_that_says_neither_is_refused(status: Any) -> None:
    assert bad(posted(Status=status)) == "employees.0.fields: expected Status to be Active or Inactive"
