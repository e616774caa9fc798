"""A SCIM PATCH or PUT that sets `active` becomes OffboardingRequested, in every spelling that is sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.errors import Rejected
from tests.doubles.hr_events import CANARY, EVENT_ID, bad, payload, read, refusal, webhook

JOHN = "mailto:john.doe@example.com"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
URN = f"{USER}:active"


def patch(*operations: Any, who: tuple[str, ...] = (JOHN,)) -> dict[str, Any]:
    return webhook("ScimPatch", payload("scim") | ({"Operations": list(operations)} if operations else {}), *who)


def refused(event: dict[str, Any]) -> str:
    error = refusal(event)
    assert isinstance(error, Rejected)
    return error.reason


def test_the_published_patch_is_a_departure_of_the_person_whom_the_receiver_names() -> None:
    request = read(patch())
    said_at = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert (request.event_id, request.source, request.kind) == (EVENT_ID, "scim", "immediate")
    assert (request.occurred_at, request.effective_at, request.urgency) == (said_at, said_at, "routine")
    assert request.subject.email == "john.doe@example.com"


SPELLINGS = [
    {"op": "replace", "path": "active", "value": "{}"},
    {"op": "Replace", "path": "Active", "value": "{}"},
    {"op": "add", "path": "active", "value": "{}"},
    {"op": "Add", "path": URN, "value": "{}"},
    {"op": "replace", "value": {"active": "{}"}},
    {"op": "add", "value": {"Active": "{}", "displayName": CANARY}},
    {"op": "REPLACE", "path": None, "value": {URN: "{}"}},
    {"op": "replace", "path": "", "value": {"active": "{}"}},
    {"op": "replace", "path": USER, "value": {"active": "{}"}},
    {"op": "replace", "value": {USER: {"active": "{}"}}},
    {"op": "replace", "value": [{"active": "{}"}]},
]


def spell(written: Any, value: Any) -> Any:
    """A value in the place that a spelling has for it."""
    if isinstance(written, dict):
        return {name: spell(inner, value) for name, inner in written.items()}
    if isinstance(written, list):
        return [spell(inner, value) for inner in written]
    return value if written == "{}" else written


@pytest.mark.parametrize("spelling", SPELLINGS, ids=str)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (False, "immediate"),
        ("False", "immediate"),
        ("false", "immediate"),
        (True, "reinstated"),
        ("True", "reinstated"),
        ([False], "immediate"),
        (["true"], "reinstated"),
    ],
)
def test_every_spelling_of_active_is_understood(spelling: dict[str, Any], value: Any, kind: str) -> None:
    assert read(patch(spell(spelling, value))).kind == kind


def test_the_event_says_that_it_may_only_repeat_what_was() -> None:
    active = {"op": "Replace", "path": "active", "value": "True"}
    assert read(patch(active, {"op": "Replace", "path": "title", "value": "Engineer II"})).may_repeat


def test_operations_are_carried_out_in_their_order_and_the_last_one_counts() -> None:
    away, back = {"op": "replace", "path": "active", "value": False}, {"op": "add", "value": {"active": "True"}}
    assert read(patch(away, back)).kind == "reinstated"
    assert read(patch(back, away, {"op": "replace", "path": "title", "value": "x"})).kind == "immediate"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "displayName", "value": False},
        {"op": "replace", "path": 'emails[type eq "work"].active', "value": False},
        {"op": "remove", "path": "active"},
        {"op": "replace", "value": {"displayName": CANARY}},
        {"op": "replace", "value": False},
        {"op": CANARY, "path": "active", "value": False},
        {"op": "replace", "path": USER, "value": False},
        {"op": "replace", "value": {"urn:ietf:params:scim:schemas:extension:2.0:User": {"active": False}}},
    ],
    ids=str,
)
def test_a_patch_of_something_else_is_no_departure(operation: dict[str, Any]) -> None:
    error = refusal(patch(operation))
    assert isinstance(error, Rejected)
    assert error.reason == "scim: Operations: a PATCH that does not set active is no departure"


@pytest.mark.parametrize("who", [(), ("https://example.com/scim/v2/Users/2819c223",)])
def test_a_patch_whose_person_nobody_looked_up_names_the_lookup(who: tuple[str, ...]) -> None:
    error = refusal(patch(who=who))
    assert isinstance(error, Rejected)
    assert error.reason == (
        "scim: the person stands in the path of the request, not in the PATCH: look the e-mail up (GET /Users/{id}) "
        "and send OffboardingRequested"
    )


def test_two_people_are_one_too_many() -> None:
    who = (JOHN, f"mailto:{CANARY}@example.com")
    assert bad(patch(who=who)) == "resources: expected at most one that begins with mailto:"


def test_what_the_receiver_names_must_be_an_address() -> None:
    assert bad(patch(who=(f"mailto:{CANARY}",))) == "email: expected an e-mail address"


@pytest.mark.parametrize("value", [None, 0, CANARY, "", "no", [], [False, False], [[False]], {"active": False}])
def test_what_is_neither_true_nor_false_is_refused(value: Any) -> None:
    operation = {"op": "replace", "path": "active", "value": value}
    assert bad(patch(operation)) == "Operations: expected true or false for active"


def put(*who: str, **attributes: Any) -> dict[str, Any]:
    """The whole user, as a PUT sends it."""
    john = {"value": "john.doe@example.com", "type": "work", "primary": True}
    user = {"schemas": [USER], "id": "23a35c27", "userName": "john.doe", "emails": [john], "active": False}
    return webhook("ScimPatch", user | attributes, *who)


@pytest.mark.parametrize(("active", "kind"), [(False, "immediate"), ("False", "immediate"), (True, "reinstated")])
def test_a_put_names_the_person_itself(active: Any, kind: str) -> None:
    request = read(put(active=active))
    assert (request.source, request.kind, request.subject.email) == ("scim", kind, "john.doe@example.com")


def test_a_put_may_keep_its_attributes_below_the_name_of_their_schema() -> None:
    user = {"schemas": [USER.lower()], USER: {"active": False}}
    assert read(webhook("ScimPatch", user, JOHN)).kind == "immediate"


@pytest.mark.parametrize(
    ("emails", "user_name", "email"),
    [
        ([{"value": "home@example.com"}, {"value": "ada@example.com", "primary": "True"}], "ada", "ada@example.com"),
        ([{"value": "ada@example.com", "type": "work"}], "aking@example.com", "ada@example.com"),
        ([{"value": "a@example.com"}, {"value": "b@example.com"}], "ada@example.com", "ada@example.com"),
        ([{"type": "work", "value": None, "primary": None}], "ada@example.com", "ada@example.com"),
        (None, "ada@example.com", "ada@example.com"),
        ([], "ada@example.com", "ada@example.com"),
        ([], "ada", "john.doe@example.com"),
        ([{"value": "a@example.com"}, {"value": "b@example.com"}], None, "john.doe@example.com"),
    ],
)
def test_the_address_is_the_primary_one_or_the_only_one_or_the_user_name_or_looked_up(
    emails: list[Any] | None, user_name: str | None, email: str
) -> None:
    assert read(put(JOHN, emails=emails, userName=user_name)).subject.email == email


def test_a_put_without_an_address_names_the_lookup() -> None:
    assert refused(put(emails=[], userName=CANARY)) == (
        "scim: the PUT names no e-mail address: look the e-mail up (GET /Users/{id}) and send OffboardingRequested"
    )


def test_a_put_that_does_not_set_active_is_no_departure() -> None:
    user = {"schemas": [USER], "userName": "john.doe@example.com"}
    assert refused(webhook("ScimPatch", user, JOHN)) == (
        "scim: active: a PUT that does not set active is no departure: put only what does on the bus"
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"active": CANARY}, "active: expected true or false for active"),
        ({"active": None}, "active: expected true or false for active"),
        ({"emails": CANARY}, "emails: Input should be a valid list"),
        ({"userName": [CANARY]}, "userName: Input should be a valid string"),
        ({"schemas": CANARY}, "Operations: is missing"),
        ({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"]}, "Operations: is missing"),
    ],
)
def test_what_is_wrong_with_a_put_is_named(attributes: dict[str, Any], expected: str) -> None:
    assert bad(put(**attributes)).startswith(expected)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({}, "Operations: is missing"),
        ({"Operations": CANARY}, "Operations: Input should be a valid list"),
        ({"Operations": [{"path": "active", "value": False}]}, "Operations.0.op: is missing"),
        (
            {"Operations": [{"op": 1, "path": [CANARY]}]},
            "Operations.0.op: Input should be a valid string; Operations.0.p",
        ),
    ],
)
def test_what_is_no_patch_is_refused_by_name(detail: dict[str, Any], expected: str) -> None:
    assert bad(webhook("ScimPatch", detail, JOHN)).startswith(expected)
