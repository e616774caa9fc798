"""The bar of a long run: on a terminal of 80 columns, and beside what goes into a pipe."""

import re
from io import StringIO
from typing import Any

import pytest

from leaver_cli import terminal
from leaver_cli.terminal import Terminal, progress_of

HOSTILE = "\x9b2J[b]:x:[/]\nSEALED"


def shown(monkeypatch: pytest.MonkeyPatch, told: str, *, in_a_pipe: bool = False) -> str:
    screen = StringIO()
    options: dict[str, Any] = {"file": screen, "width": 80, "force_terminal": not in_a_pipe}
    monkeypatch.setattr(terminal, "Terminal", lambda **_: Terminal(**options))
    with progress_of(100) as tell:
        tell(40, told)
    return screen.getvalue()


def test_it_tells_how_many_are_done_how_fast_and_what_became_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "30 opened, 6 repeated, 2 refused, 2 dead lettered, 1 held, and more than a line holds"
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(monkeypatch, told)).strip().splitlines()[-1]
    assert " 40/100 " in last
    assert "30 opened, 6 repeated" in last
    assert len(last) <= 80


def test_in_a_pipe_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, "30 opened", in_a_pipe=True).strip() == ""


def test_what_it_tells_commands_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, HOSTILE)
    assert "\x9b" not in lines
    assert "[b]:x:[/]" in lines
    assert not any(line.startswith("SEALED") for line in lines.splitlines())
