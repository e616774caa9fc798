"""What an operator is shown, whatever it holds."""

from io import StringIO

import pytest

from leaver_cli.connections import show
from leaver_cli.terminal import Terminal, printable
from tests.doubles.clock import NOW
from tests.doubles.connections_table import connection

CONTROL = [chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x2066, 0xE0001, 0xD800)]


@pytest.mark.parametrize("control", CONTROL, ids=ascii)
def test_no_control_character_reaches_the_terminal(control: str) -> None:
    assert printable(f"a{control}b") == "a b"


def test_a_connection_can_not_clear_the_screen_of_who_looks_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = StringIO()
    monkeypatch.setattr(show, "Terminal", lambda: Terminal(file=screen, width=200))
    show._show([connection(account="\x9b2J[red]", owner="\x1b[2Jit", status="cooling_down", reason="\x9b3J")], [], NOW)
    assert not {"\x9b", "\x1b"} & set(screen.getvalue())
    assert "zoom  2J[red]" in screen.getvalue()
