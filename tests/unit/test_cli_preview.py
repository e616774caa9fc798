"""What is shown before the question: whole, in 80 columns, and whatever a provider calls somebody."""

from io import StringIO

import pytest

from leaver.messages.decisions import Begin
from leaver_cli.offboarding.preview import Outlook, Sight, show
from leaver_cli.terminal import Terminal

UNIVERSAL = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"
HOSTILE = "\x9b2J[b]:x:[/]\nSEALED\t"
ADA = Begin(decision="offboard", who="ada@example.com")


def shown(outlook: Outlook, capsys: pytest.CaptureFixture[str], *, on_a_terminal: bool) -> list[str]:
    screen = StringIO()
    show(Terminal(file=screen, width=80, force_terminal=on_a_terminal), ADA, outlook)
    return (screen.getvalue() + capsys.readouterr().out).splitlines()


def test_it_fits_a_terminal_and_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    grants = Sight("RevokeGrants#venafi/acme", UNIVERSAL, "address", "2 grants", {"found_by": "local_part"})
    case = {"case": "c-1", "kind": "departure", "state": "scheduled"}
    lines = shown(Outlook([grants], [case], None), capsys, on_a_terminal=True)
    assert lines == [
        "who     ada@example.com",
        "case    c-1 (departure, scheduled) is there already",
        "ends    RevokeGrants#venafi/acme  2 grants",
        f"        {UNIVERSAL} (by local part)",
    ]


def test_in_a_pipe_each_thing_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    session = Sight("RevokeSsoToken#zoom/acme", "z8", "account", "a session, if there is one", {})
    lines = shown(Outlook([session], [], "somebody new"), capsys, on_a_terminal=False)
    assert lines == [
        "who\tada@example.com",
        "why\tsomebody new",
        "ends\tRevokeSsoToken#zoom/acme\tz8 (by account)\ta session, if there is one",
    ]


@pytest.mark.parametrize("on_a_terminal", [True, False])
def test_no_name_commands_the_terminal(capsys: pytest.CaptureFixture[str], *, on_a_terminal: bool) -> None:
    hostile = Sight(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {"prefixed_universal": HOSTILE})
    case = dict.fromkeys(("case", "kind", "state"), HOSTILE)
    lines = shown(Outlook([hostile], [case], HOSTILE), capsys, on_a_terminal=on_a_terminal)
    assert "\x9b" not in "".join(lines)
    assert not any(line.startswith("SEALED") for line in lines)
    assert "".join(lines).count("[b]:x:[/]") == 8
