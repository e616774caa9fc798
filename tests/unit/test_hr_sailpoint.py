"""What SailPoint says of an identity's life-cycle state becomes OffboardingRequested, or is refused by name."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from tests.doubles.hr_events import CANARY, Choices, bad, payload, read, refusal


def change(**fields: Any) -> dict[str, Any]:
    return {"attribute": "cloudLifecycleState", "oldValue": "active", "newValue": "inactive"} | fields


def sailpoint(*changes: dict[str, Any], name: str = "john.doe") -> dict[str, Any]:
    """SailPoint's own event, with other changes."""
    event: dict[str, Any] = payload("sailpoint")
    event["detail"]["identity"]["name"] = name
    return event | {"detail": event["detail"] | ({"changes": list(changes)} if changes else {})}


def test_a_state_that_means_gone_is_a_departure_at_the_events_time() -> None:
    request = read(sailpoint())
    said_at = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert (request.source, request.kind, request.urgency) == ("sailpoint", "immediate", "routine")
    assert request.event_id == "845cff81-a7b7-c77f-e565-170b7d985cad"
    assert request.subject.email == "john.doe@example.com"
    assert request.subject.source_id == "2c91808473bafd7e0173be54efcf2fab"
    assert (request.occurred_at, request.effective_at) == (said_at, said_at)


@pytest.mark.parametrize("value", ["inactive", "Terminated", " TERMINATED "])
def test_any_of_the_values_that_mean_gone_will_do(value: str) -> None:
    assert read(sailpoint(change(newValue=value))).kind == "immediate"


def test_a_state_that_means_here_again_is_a_return() -> None:
    assert read(sailpoint(change(oldValue="inactive", newValue="active"))).kind == "reinstated"


def test_a_truth_value_can_tell_it_too() -> None:
    choices = Choices(
        sailpoint_lifecycle_attribute="terminated",
        sailpoint_left_values=frozenset({"true"}),
        sailpoint_active_values=frozenset({"false"}),
    )
    assert read(sailpoint(change(attribute="terminated", newValue=True)), choices).kind == "immediate"
    assert read(sailpoint(change(attribute="terminated", newValue=False)), choices).kind == "reinstated"


def test_other_changes_beside_it_do_not_matter() -> None:
    moved = {"attribute": "department", "oldValue": "Music", "newValue": None}
    assert read(sailpoint(moved, change())).kind == "immediate"


@pytest.mark.parametrize("value", [CANARY, "", None, 0, [CANARY], {CANARY: "inactive"}])
def test_a_state_whose_meaning_nobody_told_opens_no_case_and_is_not_lost(value: Any) -> None:
    error = refusal(sailpoint(change(newValue=value)))
    assert isinstance(error, Rejected)
    expected = "sailpoint: changes: the new value is in neither SailPointLeftValues nor SailPointActiveValues"
    assert error.reason == expected


def test_the_published_sample_is_a_change_of_another_attribute() -> None:
    expected = "changes: expected exactly one of SailPointLifecycleAttribute"
    assert bad(payload("sailpoint_other_attribute")) == expected


def test_two_changes_of_the_state_leave_open_which_holds() -> None:
    expected = "changes: expected exactly one of SailPointLifecycleAttribute"
    assert bad(sailpoint(change(), change(newValue="active"))) == expected


def test_a_name_that_is_an_address_needs_no_domain() -> None:
    choices = Choices(sailpoint_email_domain="")
    assert read(sailpoint(name="ada@example.org"), choices).subject.email == "ada@example.org"
    assert read(sailpoint(name="ada@example.org")).subject.email == "ada@example.org"


def test_a_name_that_is_none_names_the_lookup_that_is_missing() -> None:
    error = refusal(sailpoint(name=CANARY), Choices(sailpoint_email_domain=""))
    assert isinstance(error, Rejected)
    assert error.reason.startswith(
        "sailpoint: the event names the identity's id and name only: look the e-mail up (GET /identities/{id}) and "
        "send OffboardingRequested"
    )


@pytest.mark.parametrize("choices", [Choices(), Choices(sailpoint_email_domain="")])
def test_a_display_name_is_not_completed(choices: Choices) -> None:
    error = refusal(sailpoint(name=f"{CANARY} Doe"), choices)
    assert isinstance(error, Rejected)
    assert error.reason == (
        "sailpoint: identity.name is a display name, not an address: look the e-mail up (GET /identities/{id}) and "
        "send OffboardingRequested"
    )


def deletion(*, trigger: str = "idn:identity-deleted", name: str = "john.doe", **attributes: Any) -> dict[str, Any]:
    """SailPoint's example of a deleted identity, with other attributes."""
    event: dict[str, Any] = payload("sailpoint_deleted")
    event["detail"]["_metadata"]["triggerId"] = trigger
    event["detail"]["identity"]["name"] = name
    event["detail"]["attributes"] |= attributes
    return event


def test_a_deleted_identity_is_a_departure_of_the_person_in_its_attributes() -> None:
    request = read(deletion(name="John Doe"), Choices(sailpoint_email_domain=""))
    said_at = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert (request.source, request.kind, request.urgency) == ("sailpoint", "immediate", "routine")
    assert (request.subject.email, request.subject.source_id) == (
        "john.doe@example.com",
        "ee769173319b41d19ccec6cea52f237b",
    )
    assert (request.occurred_at, request.effective_at) == (said_at, said_at)


@pytest.mark.parametrize("email", [None, ""])
def test_a_deleted_identity_without_an_address_goes_by_its_name(email: str | None) -> None:
    assert read(deletion(name="ada@example.org", email=email)).subject.email == "ada@example.org"
    assert read(deletion(name="ada", email=email)).subject.email == "ada@example.com"


@pytest.mark.parametrize(("name", "domain"), [("John Doe", "example.com"), ("John Doe", ""), ("john.doe", "")])
def test_a_deleted_identity_is_not_looked_up_where_it_is_no_more(name: str, domain: str) -> None:
    error = refusal(deletion(name=name, email=None), Choices(sailpoint_email_domain=domain))
    assert isinstance(error, Rejected)
    assert error.reason.startswith("sailpoint: ")
    assert "SailPoint has the identity no more: find the e-mail in your own records and send" in error.reason


def test_a_new_identity_which_looks_the_same_is_no_departure() -> None:
    assert bad(deletion(trigger="idn:identity-created")) == "changes: is missing"


@pytest.mark.parametrize("metadata", [None, CANARY, {}, {"triggerId": [CANARY]}])
def test_without_the_triggers_id_nobody_is_deleted(metadata: Any) -> None:
    event = deletion()
    event["detail"]["_metadata"] = metadata
    assert bad(event) == "changes: is missing"


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"identity": None}, "identity: Input should be a valid dictionary or instance of _Identity"),
        ({"identity": {"id": "1"}}, "identity.name: is missing"),
        ({"identity": {"id": "1", "name": f"{CANARY}@"}}, "email: expected an e-mail address"),
        ({"identity": {"id": "\n", "name": "ada"}}, "source_id: expected up to 256 characters, none of them a control"),
        ({"changes": CANARY}, "changes: Input should be a valid list"),
        ({"changes": [{"newValue": CANARY}]}, "changes.0.attribute: is missing"),
    ],
)
def test_what_sailpoint_should_not_send_is_refused_by_name(detail: dict[str, Any], expected: str) -> None:
    event = sailpoint()
    assert bad(event | {"detail": event["detail"] | detail}).startswith(expected)
