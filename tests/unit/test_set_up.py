"""What `make demo` says before anything is installed, and when it makes .venv anew."""

import ensurepip
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import set_up
from local.set_up import lack, make_venv


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are run, each of which succeeds, in a folder with nothing in it."""
    commands: list[list[str]] = []

    def run(command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        Path(command[-1]).mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, int(check))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    monkeypatch.setattr(set_up, "VENV", tmp_path / ".venv")
    return commands


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *words], cwd=set_up.ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    [targets] = re.findall(r"^\.PHONY: (.*)$", (set_up.ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^make (\S+) +\S.*", make().stdout, re.MULTILINE)
    assert set(listed) == {each for each in targets.split() if not each.startswith(".venv")}
    assert make("help").stdout == make().stdout


def test_without_a_python_it_is_said_which_one_is_needed() -> None:
    asked = make("demo", "PYTHON=/nowhere/python3")
    assert "needs Python 3.11 or later, and /nowhere/python3 is none" in asked.stderr
    assert asked.returncode != 0


def test_this_python_lacks_nothing_to_run_leaver() -> None:
    assert lack("demo") is None


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_from_which_package_to_get_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_up, "find_spec", lambda name: None if name == module else name)
    monkeypatch.setattr(sys, "version_info", (3, 12, 3))
    assert "`apt install python3.12-venv`" in str(lack("test"))


def test_an_old_pip_is_told_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensurepip, "version", lambda: "20.0.2")
    assert "brings pip 20.0.2, and Leaver needs 22.3 or later" in str(lack("demo"))


@pytest.mark.parametrize(("what", "enough"), [("demo", True), ("test", True), ("dev", False)])
def test_only_what_compiles_the_layer_needs_lambdas_python(
    what: str, monkeypatch: pytest.MonkeyPatch, *, enough: bool
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 2))
    assert (lack(what) is None) == enough
    assert enough or "make PYTHON=" in str(lack(what))


def test_a_venv_that_fits_is_kept(made: list[list[str]]) -> None:
    assert make_venv(set_up.VENV)
    assert make_venv(set_up.VENV)
    assert made == [[sys.executable, "-m", "venv", "--clear", str(set_up.VENV)]]


def test_a_venv_of_another_python_is_made_anew(made: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    make_venv(set_up.VENV)
    monkeypatch.setattr(sys, "version", "3.11.2 (main)")
    make_venv(set_up.VENV)
    assert len(made) == 2


def test_a_venv_that_was_moved_is_made_anew(
    made: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(set_up.VENV)
    monkeypatch.setattr(set_up, "ROOT", tmp_path / "moved")
    make_venv(set_up.VENV)
    assert len(made) == 2


def test_a_venv_whose_making_was_interrupted_is_made_anew(made: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    make_venv(set_up.VENV)
    assert len(made) == 1


def test_the_scanners_have_a_venv_of_their_own(made: list[list[str]], tmp_path: Path) -> None:
    make_venv(tmp_path / ".venv-scanners")
    assert made == [[sys.executable, "-m", "venv", "--clear", str(tmp_path / ".venv-scanners")]]


def test_a_link_to_another_checkouts_is_refused_and_what_it_leads_to_is_left_alone(
    tmp_path: Path, made: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "theirs")
    assert not make_venv(tmp_path / ".venv")
    assert made == []
    assert "remove the link first" in capsys.readouterr().out
