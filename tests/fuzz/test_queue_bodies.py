"""Whatever body comes to a queue: the command is done, or the message is parked and its reason echoes nothing."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from leaver.messages.commands import (
    Command,
    DeactivateUser,
    PurgeUserTokens,
    RefreshAccessToken,
    RetrieveUserToken,
    RevokeAccessToken,
    RevokeGrants,
    RevokeSsoToken,
)
from tests.doubles.hr_events import CANARY
from tests.doubles.lambda_events import event
from tests.field import Field
from tests.fuzz.any_json import NEARLY, any_json, anything_written, nearly
from tests.fuzz.fuzzing import DONE, FuzzedQueue, fuzz

CASE = {"case_id": "5f2c", "account": "acme", "connection": "zoom"}
TOLD: Mapping[type[Command], list[dict[str, Any]]] = {
    RevokeSsoToken: [{"user_id": "john.doe@example.com", "requested_at": "2026-11-22T09:00:00Z"}, CASE],
    PurgeUserTokens: [{"user_id": "john.doe@example.com", "email": "john.doe@example.com"}],
    DeactivateUser: [{"user_id": "KDcuGIm1QgePTO8WbOqwIQ", "urgency": "urgent"}],
    RetrieveUserToken: [{"user_id": "john.doe@example.com", "type": "zak", "ttl": 60}],
    RevokeGrants: [
        {"identity": "john.doe@example.com"},
        {"grantee_prefixed_universal": "local:{1}"},
        {"application_id": "vault", "confirm": RevokeGrants.CONFIRMATION},
    ],
    RefreshAccessToken: [{"connection": "zoom", "failed_version": "0" * 32, "force": True}],
    RevokeAccessToken: [{"connection": "zoom"}],
}
#: what stands around a command on the bus; by its id an event is known again, and shows
AROUND: Mapping[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("time", "detail-type", "source", "resources", "replay-name", "detail"), any_json),
    "id": st.sampled_from(NEARLY),
}
Record = Callable[[str, object], None]


@pytest.mark.parametrize("command", TOLD, ids=lambda command: command.__name__)
def test_any_body_is_parked_and_not_echoed(command: type[Command], record_property: Record, field: Field) -> None:
    queue = FuzzedQueue(command, lambda _: DONE)
    sound = json.loads(event(command.__name__, {CANARY: CANARY}))
    bodies = any_json.map(json.dumps) | anything_written.map(lambda text: f"{text}{CANARY}")
    envelopes = st.fixed_dictionaries({}, optional=AROUND).map(lambda given: json.dumps(sound | given))
    fuzz(f"any body: {command.__name__}", bodies | envelopes, queue.takes, record_property, field)


@pytest.mark.parametrize("command", TOLD, ids=lambda command: command.__name__)
def test_a_body_that_is_nearly_right_is_done_or_parked(
    command: type[Command], record_property: Record, field: Field
) -> None:
    queue = FuzzedQueue(command, lambda _: DONE)
    details = nearly(*TOLD[command])

    def end(detail: Any) -> str:
        ending = queue.takes(json.dumps(detail), echoes=True)
        # What was understood names somebody, and that name shows; what was not understood must not.
        if queue.harness.receipts.only.subject == "unknown":
            queue.must_not_echo()
        return ending

    fuzz(f"nearly right: {command.__name__}", details, end, record_property, field)
