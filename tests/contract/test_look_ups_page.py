"""docs/hr-sources.md tells of each HR system what is asked there, what is read, and which word of it means gone."""

import json
import re
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from leaver.errors import Rejected
from leaver.providers.source import Account
from leaver.providers.sources import SOURCES
from leaver.providers.transport import Transport
from tests.contract.stack import ROOT
from tests.doubles.wire import fixtures, serving

PAGE = (ROOT / "docs" / "hr-sources.md").read_text()
LOOKED_UP = PAGE[PAGE.index("## Looked up") : PAGE.index("## What each needs")]
ROWS: Final = {
    source: [cell.strip() for cell in rest.split("|")]
    for source, rest in re.findall(r"^\| `(\w+)` \|(.*)\|$", LOOKED_UP, re.MULTILINE)
}
#: every system takes it for an id
PERSON: Final = "1234567890123456"
NOW: Final = datetime(2026, 11, 2, 9, 30, 5, tzinfo=UTC)


def fields(source: str) -> tuple[str, str]:
    """Where the page says that the address stands, and the status."""
    address, status, *_ = re.findall(r"`([\w.]+)`", ROWS[source][1])
    return address, status


def gone(source: str) -> list[Any]:
    """What the page says that the status is of somebody who is gone; a word that is the field's own name means true."""
    words = [word.strip(" `") for word in ROWS[source][2].split(",")]
    return [True if word == fields(source)[1] else word for word in words]


def record(source: str, told: dict[str, Any]) -> dict[str, Any]:
    """An answer with these fields and no others, under each system's own name for the id."""
    answer: dict[str, Any] = {"id": PERSON, "uuid": PERSON, "/root/id": PERSON}
    for field, value in told.items():
        within, _, name = field.rpartition(".")
        if source == "hibob":
            answer["/" + field.replace(".", "/")] = value
        elif within:
            answer[within] = {name: value}
        else:
            answer[name] = value
    return answer


def look_up(source: str, *answers: Any, with_last_day: bool = False) -> tuple[Account, list[str]]:
    """Ask the system, which answers so; returns what came of it, and what was asked for."""
    bodies = [json.dumps(each).encode() for each in answers]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    with serving(*(head % (len(body), body) for body in bodies)) as wire:
        with closing(Transport(wire.url, clock=lambda: NOW)) as transport:
            api = SOURCES[source].api(transport, lambda: NOW)
            account = api.look_up(PERSON, SecretStr("a-token"), with_last_day=with_last_day)
        return account, [f"{each.method} {unquote(each.target)}" for each in wire.asked]


def both(source: str, status: Any) -> dict[str, Any]:
    return dict(zip(fields(source), ("ada@example.com", status), strict=True))


def test_the_page_tells_of_every_system_that_can_be_asked_and_of_no_other() -> None:
    assert list(ROWS) == list(SOURCES)


@pytest.mark.parametrize("source", SOURCES)
def test_the_page_tells_what_is_asked(source: str) -> None:
    told = re.findall(r"`([^`]+)`", ROWS[source][0])
    _, asked = look_up(source, record(source, both(source, gone(source)[0])))
    assert asked == [re.sub(r"\{\w+\}", PERSON, told[0])]


def test_the_page_tells_what_else_gusto_is_asked_where_an_end_was_only_entered() -> None:
    first, second = re.findall(r"`([^`]+)`", ROWS["gusto"][0])
    *_, day = re.findall(r"`(\w+)`", ROWS["gusto"][1])
    account, asked = look_up(
        "gusto", record("gusto", both("gusto", status=False)), [{day: "2026-11-30"}], with_last_day=True
    )
    assert asked == [each.replace("{uuid}", PERSON) for each in (first, second.replace("…", first))]
    assert str(account.last_day) == "2026-11-30"


@pytest.mark.parametrize(("source", "status"), [(source, status) for source in SOURCES for status in gone(source)])
def test_each_word_that_the_page_says_means_gone_means_it(source: str, status: Any) -> None:
    account, _ = look_up(source, record(source, both(source, status)))
    assert account == Account("ada@example.com", is_gone=True)


@pytest.mark.parametrize("source", SOURCES)
def test_another_word_means_that_the_person_stays(source: str) -> None:
    stays = False if True in gone(source) else "Active"
    account, _ = look_up(source, record(source, both(source, stays)))
    assert account == Account("ada@example.com", is_gone=False)


@pytest.mark.parametrize("left_out", [0, 1], ids=["address", "status"])
@pytest.mark.parametrize("source", SOURCES)
def test_nothing_else_is_read_where_one_of_the_fields_is_left_out(source: str, left_out: int) -> None:
    told = both(source, gone(source)[0])
    field = fields(source)[left_out]
    del told[field]
    private = {"email": "ada@home.example"} if source == "gusto" else {}
    # Okta's reason names the field in the profile.
    name = field.rpartition(".")[2] if source == "okta" else field
    with pytest.raises(Rejected, match=rf"^{source}: {re.escape(name)} is left out"):
        look_up(source, record(source, told | private))


@pytest.mark.parametrize("source", SOURCES)
def test_what_the_page_says_it_was_tested_against_is_there(source: str) -> None:
    assert ROWS[source][3] == "its documented answers"
    assert fixtures(source)
