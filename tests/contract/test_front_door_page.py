"""docs/hr-sources.md tells of each sender what the door's table says, and its examples sign as the door reads."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest

from leaver.providers.sources import SOURCES as LOOKED_UP
from leaver.webhooks.proofs import Hmac
from leaver.webhooks.sources import SOURCES
from tests.contract.stack import ROOT
from tests.doubles.front_door import SECRETS, FrontDoor
from tests.unit.test_webhook_proofs import VECTORS
from tests.unit.test_webhook_senders import SENDERS

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
def test_the_page_leads_to_the_look_up_of_whom_a_source_does_not_name(source: str) -> None:
    *_, looked_up, _ = row(source)
    assert looked_up
    assert ("(#looked-up)" in looked_up) == (source in LOOKED_UP)


@pytest.mark.parametrize("source", SOURCES)
def test_what_the_page_says_a_source_was_tested_against_is_there(source: str) -> None:
    *_, tested = row(source)
    assert ("a vector" in tested) == (source in {each for each, *_ in VECTORS} - {"standard"})
    if source != "standard":
        assert tested.endswith(" repeats")
    assert source in {each.source for each in SENDERS}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_a_section_that_says_what_is_not_proven(source: str) -> None:
    [section] = re.findall(rf"^### `{source}`(.*?)(?=^### |\Z)", DOOR, re.MULTILINE | re.DOTALL)
    # Whoever signs by the standard is no system of somebody else's.
    assert ("*Not proven*" in section) == (source != "standard")


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


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("openssl")), reason="there is no bash, or no openssl")
def test_the_sender_in_curl_and_openssl_is_understood() -> None:
    [program] = re.findall(r"```sh\n(id=.*?)```", DOOR, re.DOTALL)
    program = program.replace("{ … }", '{"kind": "immediate"}')
    environment = {"SECRET": SECRETS["standard"], "URL": "https://door.example", "PATH": os.environ["PATH"]}
    show = "curl() { printf '%s\\n' \"$@\"; }\n"
    ran = subprocess.run(["bash", "-c", show + program], env=environment, capture_output=True, text=True, check=True)  # noqa: S603, S607
    url, *options = ran.stdout.splitlines()
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in given if name == "-H")
    door = FrontDoor()
    door.clock.now = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    answer: Any = door.post(url.removeprefix("https://door.example"), dict(given)["-d"].encode(), headers)
    assert answer.status == 200
    assert door.details[0]["data"] == {"kind": "immediate"}
