"""docs/hr-sources.md tells what each source's words mean as the code's table does, and each word does mean it."""

import re
from typing import Any, Final

import pytest

from leaver.messages.events import AccountEvent, AppRemoved
from leaver.messages.hr import MEANS
from leaver.messages.look_up import LookUpNeeded
from tests.contract.stack import ROOT
from tests.doubles.hr_events import payload, understood, webhook

PAGE: Final = (ROOT / "docs" / "hr-sources.md").read_text()
ROWS: Final = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)
TOKEN: Final = "https://schemas.openid.net/secevent/"


def test_the_page_tells_what_the_table_says_and_no_more() -> None:
    table = [(source, word, meaning) for source, words in MEANS.items() for word, meaning in words.items()]
    assert table == ROWS


@pytest.mark.parametrize(("source", "word", "meaning"), ROWS)
def test_each_word_means_what_the_page_says(source: str, word: str, meaning: str) -> None:
    assert kind_of(SAYS[source](word)) == meaning


def kind_of(event: Any) -> str | None:
    """What an event is understood as."""
    try:
        told = understood(event)
    except LookUpNeeded as needed:
        return needed.unnamed.kind
    assert not isinstance(told, AppRemoved)
    return told.what if isinstance(told, AccountEvent) else told.kind


def okta(word: str) -> Any:
    event = payload("okta")
    event["detail"]["eventType"] = word
    return event


def sailpoint(word: str) -> Any:
    if word == "Identity Deleted":
        return payload("sailpoint_deleted")
    event = payload("sailpoint")
    [change] = [each for each in event["detail"]["changes"] if each["attribute"] == "cloudLifecycleState"]
    change["newValue"] = {"SailPointLeftValues": "terminated", "SailPointActiveValues": "active"}[word]
    return event


def scim(word: str) -> Any:
    operation = {"op": "replace", "path": "active", "value": word == "active: true"}
    return webhook("ScimPatch", {"Operations": [operation]}, "mailto:john.doe@example.com")


def token(profile: str, word: str) -> Any:
    name, _, beside = word.partition(", ")
    field = "initiating_entity" if profile == "caep" else "reason"
    claims = {
        "jti": "1",
        "iat": 1793611805,
        "sub_id": {"format": "email", "email": "john.doe@example.com"},
        "events": {f"{TOKEN}{profile}/event-type/{name}": {field: beside} if beside else {}},
    }
    return webhook("SecurityEventToken", claims)


def hibob(word: str) -> Any:
    data = {"employeeId": "333", "email": "john.doe@example.com"}
    return webhook("HiBobWebhook", {"type": word, "triggeredAt": "2026-11-20T08:29:00", "data": data})


def gusto(word: str) -> Any:
    event = {"uuid": "1", "event_type": word, "entity_uuid": "a9e6", "timestamp": 1793611805}
    return webhook("GustoWebhook", event, "mailto:john.doe@example.com")


def bamboohr(word: str) -> Any:
    field, _, value = word.partition(": ")
    employee = {"id": "100", "timestamp": "2026-11-20T08:29:00Z", "changedFields": [field], "fields": {field: value}}
    if word == "employee.deleted":
        employee |= {"action": "Deleted"}
    return webhook("BambooHrWebhook", {"employees": [employee]}, "mailto:john.doe@example.com")


def zoom(word: str) -> Any:
    return webhook("ZoomWebhook", {"event": word, "payload": {"object": {"id": "z8", "email": "john.doe@example.com"}}})


#: a payload that says the word
SAYS: Final[Any] = {
    "okta": okta,
    "sailpoint": sailpoint,
    "scim": scim,
    "caep": lambda word: token("caep", word),
    "risc": lambda word: token("risc", word),
    "hibob": hibob,
    "gusto": gusto,
    "bamboohr": bamboohr,
    "zoom": zoom,
}
