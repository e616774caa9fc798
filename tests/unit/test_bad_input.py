"""Bad input is parked at once, by the name of its field, and what stood in the field shows nowhere."""

from typing import Any

import pytest

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
from leaver.messages.look_up import LookUpPerson
from leaver.outcomes import Outcome, Result
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import event, record
from tests.field import Field

CANARY = "canary-31f7c4"
JOHN = {"user_id": "john.doe@example.com"}
A_USER = "user_id: expected a Zoom user id or an e-mail address"

A_SOURCE = "expected a provider's name in the registry"
UNNAMED = {
    "event_id": "e-1",
    "source": "hibob",
    "source_id": "3332",
    "kind": None,
    "effective_at": "2026-11-20T08:30:00Z",
    "occurred_at": "2026-11-20T08:30:00Z",
}

BAD: list[tuple[type[Command], Any, str]] = [
    (RevokeSsoToken, f'{{"user_id": "{CANARY}"', "body: expected JSON"),
    (RevokeSsoToken, f'"{CANARY}"', "body: expected a JSON object"),
    (RevokeSsoToken, f'["{CANARY}"]', "body: expected a JSON object"),
    (RevokeSsoToken, event("RevokeSsoToken", [CANARY]), "detail: expected a JSON object"),
    (RevokeSsoToken, event("RevokeSsoToken", JOHN, time=CANARY), "time: expected the event's time, ISO-8601"),
    (RevokeSsoToken, event(CANARY, JOHN), "detail-type: expected RevokeSsoToken"),
    (RevokeSsoToken, event({CANARY: CANARY}, JOHN), "detail-type: expected RevokeSsoToken"),
    (
        RevokeSsoToken,
        JOHN | {CANARY: CANARY},
        "unknown field (allowed: account, alias, case_id, connection, email, requested_at, urgency, user_id)",
    ),
    (RevokeSsoToken, {}, "user_id: is missing"),
    (RevokeSsoToken, {"user_id": [CANARY]}, "user_id: Input should be a valid string"),
    (RevokeSsoToken, {"user_id": f"{CANARY}/token"}, A_USER),
    (RevokeSsoToken, {"user_id": f"../{CANARY}"}, A_USER),
    (RevokeSsoToken, {"user_id": ".."}, A_USER),
    (RevokeSsoToken, {"user_id": f"{CANARY}\u0000x"}, A_USER),
    (RevokeSsoToken, {"user_id": f"{CANARY}\nx"}, A_USER),
    (
        RevokeSsoToken,
        JOHN | {"case_id": f"message#{CANARY}"},
        "case_id: expected up to 128 letters, digits and _ . : -",
    ),
    (RevokeSsoToken, JOHN | {"urgency": CANARY}, "urgency: Input should be 'urgent' or 'routine'"),
    (
        RevokeSsoToken,
        JOHN | {"requested_at": CANARY},
        "requested_at: Input should be a valid datetime, invalid character in year",
    ),
    (LookUpPerson, {"missing": "x", "unnamed": UNNAMED | {"source": CANARY + "/"}}, f"unnamed.source: {A_SOURCE}"),
    (
        LookUpPerson,
        {"missing": "x", "unnamed": UNNAMED | {"kind": CANARY}},
        "unnamed.kind: Input should be 'immediate', 'scheduled', 'cancelled' or 'reinstated'",
    ),
    (PurgeUserTokens, {"user_id": f"../{CANARY}"}, A_USER),
    (DeactivateUser, {"user_id": f"{CANARY}/status"}, A_USER),
    (RetrieveUserToken, JOHN | {"ttl": 68423085}, "ttl: Input should be less than or equal to 31536000"),
    (RetrieveUserToken, JOHN | {"ttl": CANARY}, "ttl: Input should be a valid integer"),
    (RetrieveUserToken, JOHN | {"ttl": 60, "type": "token"}, "ttl: expected only with type zak or onbehalf"),
    (RetrieveUserToken, JOHN | {"type": CANARY}, "type: Input should be 'zak', 'token' or 'onbehalf'"),
    (
        RevokeGrants,
        {"grantee_prefixed_universal": CANARY, "application_id": CANARY},
        "expected exactly one of grantee_prefixed_universal, identity, application_id",
    ),
    (
        RevokeGrants,
        event("RevokeGrants", {"application_id": CANARY, "confirm": "every user of this application"}),
        "application_id: expected only in a message sent straight to the queue",
    ),
    (
        RevokeGrants,
        {"application_id": "vault", "confirm": CANARY},
        'confirm: expected the words "every user of this application"',
    ),
    (
        RevokeGrants,
        {"identity": f"{CANARY}\u0007"},
        "identity: expected up to 256 characters, none of them a control character",
    ),
    (
        RevokeAccessToken,
        {"connection": CANARY.upper()},
        "connection: expected up to 32 lower-case letters, digits and hyphens, a letter first",
    ),
    (RefreshAccessToken, {"connection": "zoom", "force": CANARY}, "force: Input should be a valid boolean"),
    (
        RefreshAccessToken,
        {"connection": "zoom", "failed_version": CANARY},
        "failed_version: expected a secret's version id",
    ),
]


@pytest.mark.parametrize(("command", "body", "reason"), BAD, ids=[reason for _, _, reason in BAD])
def test_bad_input_is_parked_at_once_and_shows_nowhere(
    command: type[Command], body: Any, reason: str, field: Field
) -> None:
    harness, operation = ConsumerHarness(), Operation(Result(Outcome.REVOKED))
    assert consume(harness.consumer(command, operation), record(body, message_id="message-1")) == set()
    assert operation.commands == []
    assert (harness.parked_attributes["error"], harness.parked_attributes["reason"]) == ("BadMessage", reason)
    assert harness.parked[0]["MessageBody"] == record(body)["body"]
    assert (harness.receipts.only.outcome, harness.receipts.only.reason) == (Outcome.FAILED, reason)
    (told,) = harness.bus.announced
    named = {RetrieveUserToken: "RetrievalFailed", RefreshAccessToken: "RefreshFailed"}.get(command, "RevocationFailed")
    assert (told["detail_type"], told["command"], told["reason"]) == (named, command.__name__, reason)
    shown = harness.written_outside().lower().count(CANARY)
    field("a hostile payload", "a message that no command can be", 1, false=operation.commands, leaked=shown)


@pytest.mark.parametrize(("command", "body", "reason"), BAD[:1] + BAD[7:8], ids=["not JSON", "unknown field"])
def test_the_neighbours_of_bad_input_are_not_touched(command: type[Command], body: Any, reason: str) -> None:
    harness, operation = ConsumerHarness(), Operation(Result(Outcome.REVOKED))
    neighbours = [record(JOHN, message_id="before"), record(body), record(JOHN, message_id="after")]
    assert consume(harness.consumer(command, operation), *neighbours) == set()
    assert len(operation.commands) == 2
    assert harness.parked_attributes["reason"] == reason
    for name in ("before", "after"):
        assert harness.receipts.items[f"message#{name}", "RevokeSsoToken"].outcome is Outcome.REVOKED
