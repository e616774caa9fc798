"""What only a look-up can complete says whom it is about, so that whoever looks up need not read the payload again."""

from typing import Any

import pytest

from leaver.errors import NeedsLookUp
from tests.doubles.hr_events import payload, refusal, webhook


def shape(name: str) -> Any:
    return payload(f"hr/{name}")["event"]


@pytest.mark.parametrize(
    ("event", "about"),
    [
        (webhook("HiBobWebhook", payload("hibob")), ("hibob", "employee", "3332883854254932743")),
        (webhook("GustoWebhook", payload("gusto")), ("gusto", "employee", payload("gusto")["entity_uuid"])),
        (shape("hibob-left"), ("hibob", "employee", "3332")),
        (shape("gusto-contractor-deactivated"), ("gusto", "contractor", "bcf")),
        (shape("bamboohr-event-based-status"), ("bamboohr", "employee", "67890")),
        (shape("okta-login-is-no-address"), ("okta", "user", "00u1")),
        (shape("okta-target-without-alternate-id"), ("okta", "user", "user-1")),
    ],
    ids=str,
)
def test_an_event_that_names_an_id_alone_says_whose(event: Any, about: tuple[str, str, str]) -> None:
    error = refusal({**event, "resources": []})
    assert isinstance(error, NeedsLookUp)
    assert (error.source, error.kind, error.id) == about
