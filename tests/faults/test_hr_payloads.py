"""What HR sources really send: each payload is recognised, or refused in true words that begin with the source's name.

A payload's file says who reported it, what is expected, and what came of it at first.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from leaver.errors import LeaverError
from tests.doubles.hr_events import read

PAYLOADS = Path(__file__).parent / "payloads"
JOHN_LEFT = r"immediate john\.doe@example\.com routine"


def passes(payload: str, expected: str) -> pytest.ParameterSet:
    return pytest.param(payload, expected, id=payload)


CASES = [
    passes(
        "bamboohr-employment-status-terminated",
        rf"{JOHN_LEFT}|Rejected: bamboohr: (?!.*no departure)(?=.*monitor)(?=.*\bStatus\b).*",
    ),
    passes(
        "bamboohr-field-based-deleted",
        r"Rejected: bamboohr: .*[Dd]eleted.*",
    ),
    passes(
        "gusto-rehired-is-only-entered",
        r"Rejected: gusto: .*",
    ),
    passes(
        "hibob-deleted-names-the-address",
        rf"{JOHN_LEFT}|Rejected: hibob: .*",
    ),
    passes(
        "hibob-inactivated",
        r"Rejected: hibob: .*\bleave\b.*",
    ),
    passes(
        "okta-login-is-no-address",
        rf"{JOHN_LEFT}|Rejected: okta: .*\blook\b.*",
    ),
    passes(
        "okta-target-without-alternate-id",
        r"Rejected: okta: .*\blook\b.*",
    ),
    passes(
        "scim-put-active-false",
        rf"{JOHN_LEFT}|Rejected: scim: .*\bPUT\b.*",
    ),
    passes("scim-value-in-an-array", JOHN_LEFT),
    passes(
        "set-aliases-hold-the-address",
        rf"{JOHN_LEFT}|Rejected: risc: (?!.*the issuer's own id).*",
    ),
    passes(
        "set-okta-ssf-transmitter",
        r"Rejected: caep: .*\blook\b.*",
    ),
    passes(
        "set-subject-inside-the-event-rfc8935",
        # whatever kind of event a hijacking is
        r"\w+ john\.doe@example\.com urgent",
    ),
]


@pytest.mark.parametrize(("payload", "expected"), CASES)
def test_what_a_source_really_sends_is_recognised_or_refused_in_true_words(payload: str, expected: str) -> None:
    assert re.fullmatch(expected, understood(json.loads((PAYLOADS / f"{payload}.json").read_text())["event"]))


def test_every_payload_is_tried() -> None:
    assert {case.id for case in CASES} == {file.stem for file in PAYLOADS.glob("*.json")}


def understood(event: dict[str, Any]) -> str:
    """What is read in an event, or how it is refused."""
    try:
        request = read(event)
    except LeaverError as error:
        return f"{type(error).__name__}: {error.reason}"
    return f"{request.kind} {request.subject.email} {request.urgency}"
