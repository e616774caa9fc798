"""How the command line takes a secret, and what it never does with it."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from leaver_cli.connections.secret_input import NoSecret, SecretInput

SECRET = "CANARY-secret"


def shown(read: str) -> Any:
    """A command that reads a secret and says how long it is."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        typer.echo(len(SecretInput().secret("client secret", read or None).get_secret_value()))

    return app


@pytest.mark.parametrize("written", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", f" {SECRET} \n\n"])
def test_white_space_around_a_secret_in_a_file_is_dropped(tmp_path: Path, written: str) -> None:
    file = tmp_path / "secret"
    file.write_text(written)
    assert SecretInput().secret("client secret", str(file)).get_secret_value() == SECRET


def test_a_dash_is_standard_input() -> None:
    result = CliRunner().invoke(shown("-"), input=f"{SECRET}\n")
    assert result.output == "13\n"


def test_a_secret_that_is_typed_is_not_shown() -> None:
    result = CliRunner().invoke(shown(""), input=f"{SECRET}\n")
    assert result.output.splitlines() == ["Client secret: ", "13"]


def test_without_a_terminal_that_can_keep_still_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # what getpass does where there is no terminal: it warns, and then reads with an echo
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr("getpass.os.open", _no_terminal)
    with pytest.raises(NoSecret, match=r"^client secret: no terminal to ask at without showing it") as caught:
        SecretInput().secret("client secret", None)
    assert sys.stdin.read() == f"{SECRET}\n"
    assert SECRET not in str(caught.value)


def _no_terminal(*_: object) -> int:
    raise OSError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "client secret: is empty"),
        (b" \n", "client secret: is empty"),
        (b"\xff\xfe", "client secret: {}: is no text"),
    ],
)
def test_a_file_without_a_secret_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(NoSecret) as caught:
        SecretInput().secret("client secret", str(file))
    assert str(caught.value) == said.format(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSecret) as caught:
        SecretInput().secret("client secret", str(tmp_path / "none"))
    assert str(caught.value) == f"client secret: {tmp_path / 'none'}: No such file or directory"


def test_standard_input_holds_one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    asking = SecretInput()
    assert asking.content("certificate", "-") == f"{SECRET}\n"
    with pytest.raises(NoSecret, match=r"^private key: standard input already gave the certificate$"):
        asking.secret("private key", "-")
