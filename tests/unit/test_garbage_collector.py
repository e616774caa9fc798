"""While a function is loaded nothing is garbage, and nobody looks for some; afterwards the collector is at work."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.stack import ROOT

FUNCTIONS = sorted(ROOT.glob("functions/*/app.py"))
#: what builds a function, and is loaded first
ROOTS = ("bootstrap", "front_door", "notifying")
PATH = str(ROOT / "layers" / "leaver" / "python")


def collects_after(module: str, environment: dict[str, str]) -> str:
    tell = f"import gc, {module}; print(gc.isenabled(), gc.get_freeze_count() > 0)"
    asked = [sys.executable, "-c", tell]
    return subprocess.run(  # noqa: S603 - our own interpreter
        asked, env={"PYTHONPATH": PATH, **environment}, capture_output=True, check=True, text=True
    ).stdout


@pytest.mark.parametrize("root", ROOTS)
def test_a_function_that_is_loaded_collects_garbage(root: str) -> None:
    assert collects_after(f"leaver.{root}", {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}) == "True True\n"


@pytest.mark.parametrize("root", ROOTS)
def test_a_function_that_is_being_loaded_does_not(tmp_path: Path, root: str) -> None:
    (tmp_path / "boto3.py").write_text("import gc; raise SystemExit(str(gc.isenabled()))")
    for environment, told in (({"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}, "False\n"), ({}, "True\n")):
        path = {"PYTHONPATH": f"{tmp_path}:{PATH}"}
        stopped = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", f"import leaver.{root}"],
            env=path | environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert stopped.stderr == told


@pytest.mark.parametrize("app", FUNCTIONS, ids=lambda app: app.parent.name)
def test_every_function_loads_what_switches_the_collector_on_again(app: Path) -> None:
    assert any(f"import {root}" in app.read_text() for root in ROOTS)
