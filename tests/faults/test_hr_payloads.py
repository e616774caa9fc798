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


def fails(payload: str, expected: str, *, until: str) -> pytest.ParameterSet:
    mark = pytest.mark.xfail(strict=True, raises=AssertionError, reason=until)
    return pytest.param(payload, expected, marks=mark, id=payload)


CASES = [
    fails(
        "bamboohr-employment-status-terminated",
        rf"{JOHN_LEFT}|Rejected: bamboohr: (?!.*no departure)(?=.*monitor)(?=.*\bStatus\b).*",
        until="bamboohr knows Employment Status: Terminated, or asks for Status to be monitored",
    ),
    fails(
        "bamboohr-field-based-deleted",
        r"Rejected: bamboohr: .*[Dd]eleted.*",
        until="bamboohr reads Deleted, whose fields are an empty list, and refuses it in its own name",
    ),
    fails(
        "gusto-rehired-is-only-entered",
        r"Rejected: gusto: .*",
        until="gusto takes employee.rehired for a rehire that was entered, as employee.terminated is",
    ),
    fails(
        "hibob-deleted-names-the-address",
        rf"{JOHN_LEFT}|Rejected: hibob: .*",
        until="hibob knows employee.deleted, which carries the e-mail address",
    ),
    fails(
        "hibob-inactivated",
        r"Rejected: hibob: .*\bleave\b.*",
        until="hibob knows employee.inactivated, and says that it may be a leave of absence",
    ),
    fails(
        "okta-login-is-no-address",
        rf"{JOHN_LEFT}|Rejected: okta: .*\blook\b.*",
        until="okta completes a login by a domain parameter, or names the lookup that is missing",
    ),
    fails(
        "okta-target-without-alternate-id",
        r"Rejected: okta: .*\blook\b.*",
        until="okta names the lookup that is missing where the target has no alternateId",
    ),
    fails(
        "scim-put-active-false",
        rf"{JOHN_LEFT}|Rejected: scim: .*\bPUT\b.*",
        until="scim reads a PUT of the whole user, or says that it is one",
    ),
    fails("scim-value-in-an-array", JOHN_LEFT, until="scim takes a boolean in an array of one for the boolean"),
    fails(
        "set-aliases-hold-the-address",
        rf"{JOHN_LEFT}|Rejected: risc: (?!.*the issuer's own id).*",
        until="shared_signals finds the e-mail address among the identifiers of the format aliases",
    ),
    fails(
        "set-okta-ssf-transmitter",
        r"Rejected: caep: .*\blook\b.*",
        until="shared_signals reads the subject inside the event, as Okta's transmitter sends it",
    ),
    fails(
        "set-subject-inside-the-event-rfc8935",
        # whatever kind of event a hijacking is
        r"\w+ john\.doe@example\.com urgent",
        until="shared_signals reads the subject inside the event, as RFC 8935 shows it",
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
