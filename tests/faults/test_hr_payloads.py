"""What HR sources really send: each payload is recognised, or refused in true words that begin with the source's name.

A payload's file says who published it.
"""

import json
import re
from typing import Any

import pytest

from leaver.errors import LeaverError, Rejected
from leaver.messages.events import AccountEvent, AppRemoved
from leaver.messages.hr import bamboohr, gusto, hibob, scim, shared_signals
from tests.doubles import hr_events
from tests.doubles.hr_events import EVENTS, payload, webhook

SHAPES = EVENTS / "hr"
PAGE = EVENTS.parent / "docs" / "hr-sources.md"
#: | source | payload | what it is | what comes of it |
ROWS = re.findall(r"^\| `(\w+)` \| `([\w-]+)` \| (.+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
#: how the payloads get an envelope that are only a webhook's body
DETAIL_TYPES = {
    "bamboohr": bamboohr.DETAIL_TYPE,
    "caep": shared_signals.DETAIL_TYPE,
    "gusto": gusto.DETAIL_TYPE,
    "hibob": hibob.DETAIL_TYPE,
    "risc": shared_signals.DETAIL_TYPE,
    "scim": scim.DETAIL_TYPE,
}
JOHN_LEFT = r"immediate john\.doe@example\.com routine"
EXPECTED = {
    "bamboohr-employment-status-terminated": (
        rf"{JOHN_LEFT}|Rejected: bamboohr: (?!.*no departure)(?=.*monitor)(?=.*\bStatus\b).*"
    ),
    "bamboohr-field-based-deleted": r"Rejected: bamboohr: .*[Dd]eleted.*",
    "gusto-rehired-is-only-entered": r"Rejected: gusto: .*",
    "hibob-deleted-names-the-address": rf"{JOHN_LEFT}|Rejected: hibob: .*",
    "hibob-inactivated": r"Rejected: hibob: .*\bleave\b.*",
    "okta-login-is-no-address": rf"{JOHN_LEFT}|Rejected: okta: .*\blook\b.*",
    "okta-target-without-alternate-id": r"Rejected: okta: .*\blook\b.*",
    "scim-put-active-false": rf"{JOHN_LEFT}|Rejected: scim: .*\bPUT\b.*",
    "scim-value-in-an-array": JOHN_LEFT,
    "set-aliases-hold-the-address": rf"{JOHN_LEFT}|Rejected: risc: (?!.*the issuer's own id).*",
    "set-okta-ssf-transmitter": r"Rejected: caep: .*\blook\b.*",
    # whatever kind of event a hijacking is
    "set-subject-inside-the-event-rfc8935": r"\w+ john\.doe@example\.com urgent",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_source_really_sends_is_recognised_or_refused_in_true_words(name: str) -> None:
    assert re.fullmatch(EXPECTED[name], understood(shape(name))[1])


@pytest.mark.parametrize(("source", "name", "fate"), [(source, name, fate) for source, name, _, fate in ROWS])
def test_what_comes_of_a_shape_is_what_the_page_says(source: str, name: str, fate: str) -> None:
    found, words = understood(shape(name, source))
    assert found == source
    assert words.startswith("Rejected: ") == fate.startswith("refused: ")
    assert [quoted for quoted in re.findall(r"`([^`]+)`", fate) if quoted not in words] == []


def test_the_page_lists_every_shape_once() -> None:
    listed = [name for _, name, _, _ in ROWS]
    assert sorted(set(listed)) == sorted(listed)
    assert {file.stem for file in SHAPES.glob("*.json")} <= set(listed)


@pytest.mark.parametrize("file", sorted(SHAPES.glob("*.json")), ids=lambda file: str(file.stem))
def test_every_shape_says_where_it_comes_from(file: Any) -> None:
    assert json.loads(file.read_text())["from"]


def shape(name: str, source: str = "") -> dict[str, Any]:
    """A payload as an event on the bus."""
    if (SHAPES / f"{name}.json").exists():
        event: dict[str, Any] = payload(f"hr/{name}")["event"]
        return event
    sent: dict[str, Any] = payload(name)
    return webhook(DETAIL_TYPES[source], sent) if source in DETAIL_TYPES else sent


def understood(event: dict[str, Any]) -> tuple[str, str]:
    """Which source is found in an event, and what is read there, or how it is refused."""
    try:
        told = hr_events.understood(event)
    except LeaverError as error:
        how = "Rejected" if isinstance(error, Rejected) else type(error).__name__
        return error.reason.partition(":")[0], f"{how}: {error.reason}"
    if isinstance(told, AppRemoved):
        return told.provider, f"the app was removed from {told.account}"
    if isinstance(told, AccountEvent):
        words = f"{told.what} {told.user_id} {told.email}"
        return told.provider, f"{words} held: {told.departure.held}" if told.departure else words
    return told.source, f"{told.kind} {told.subject.email} {told.urgency}"
