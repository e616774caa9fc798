"""What only a look-up can complete says whom it is about, so that whoever looks up need not read the payload again."""

from typing import Any

import pytest

from leaver.messages.look_up import LookUpNeeded
from tests.doubles.hr_events import payload, refusal, webhook


def shape(name: str) -> Any:
    return payload(f"hr/{name}")["event"]


@pytest.mark.parametrize(
    ("event", "about"),
    [
        (webhook("GustoWebhook", payload("gusto")), ("gusto", "cancelled", payload("gusto")["entity_uuid"])),
        (shape("hibob-left"), ("hibob", "immediate", "3332")),
        (shape("bamboohr-event-based-status"), ("bamboohr", None, "67890")),
        (shape("okta-login-is-no-address"), ("okta", "immediate", "00u1")),
        (shape("okta-target-without-alternate-id"), ("okta", "immediate", "user-1")),
    ],
    ids=str,
)
def test_an_event_that_names_an_id_alone_says_whose(event: Any, about: tuple[str, str | None, str]) -> None:
    error = refusal({**event, "resources": []})
    assert isinstance(error, LookUpNeeded)
    assert (error.unnamed.source, error.unnamed.kind, error.unnamed.source_id) == about
