"""docs/hr-sources.md tells of each sender what the door's table says, and its examples sign as the door reads."""

import re
from typing import Any

import pytest

from leaver.webhooks.proofs import Hmac
from leaver.webhooks.sources import SOURCES
from tests.contract.stack import ROOT
from tests.doubles.front_door import SECRETS, FrontDoor

PAGE = (ROOT / "docs" / "hr-sources.md").read_text()
DOOR = PAGE[PAGE.index("## The front door") : PAGE.index("## The receiver is yours")]


def row(source: str) -> list[str]:
    [found] = re.findall(rf"^\| \[`{source}`\]\(#[a-z-]+\) \|(.*)\|$", DOOR, re.MULTILINE)
    return [cell.strip() for cell in found.split("|")]


@pytest.mark.parametrize("source", SOURCES)
def test_the_page_tells_how_a_source_proves_itself(source: str) -> None:
    detail_type, headers, proof, age, *_ = row(source)
    entry = SOURCES[source]
    assert detail_type == f"`{entry.detail_type}`"
    if not isinstance(entry.proof, Hmac):
        assert (headers, proof, age) == ("`authorization`", "the secret itself", "")
        return
    named = (entry.proof.header, *entry.proof.signed_headers)
    assert headers == ", ".join(f"`{each}`" for each in named)
    digest = entry.proof.digest.upper().replace("SHA", "SHA-")
    written = "hex" if entry.proof.written is bytes.hex else "Base64"
    assert proof == f"HMAC {digest}, {written}"
    limit = entry.proof.longest_age
    assert age == ("" if limit is None else f"{int(limit.total_seconds() // 60)} minutes")


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_a_section(source: str) -> None:
    assert re.search(rf"^### `{source}`", DOOR, re.MULTILINE)


def test_the_sender_in_python_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    [program] = re.findall(r"```python\n(.*?)```", DOOR, re.DOTALL)
    door = FrontDoor()
    sent: list[Any] = []
    monkeypatch.setattr("urllib.request.urlopen", sent.append)
    monkeypatch.setattr("time.time", door.clock.now.timestamp)
    program = program.replace("whsec_…", SECRETS["standard"]).replace("….execute-api.….amazonaws.com", "door.example")
    exec(program, {})  # noqa: S102 - our own page
    [request] = sent
    answer: Any = door.post("/standard/main", request.data, dict(request.header_items()))
    assert answer.status == 200
    assert door.details[0]["data"]["subject"] == {"email": "john.doe@example.com"}
