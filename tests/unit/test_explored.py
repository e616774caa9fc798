"""A machine comes upon the same in every run, also where other tests have loaded more modules of ours."""

import importlib.util
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.explored import explore


class Draws(RuleBasedStateMachine):
    """It remembers what was drawn for it."""

    drawn: ClassVar[list[int]] = []

    @rule(number=st.integers())
    def draw(self, number: int) -> None:
        self.drawn.append(number)


def drawn() -> list[int]:
    Draws.drawn.clear()
    explore(Draws, 20)
    return list(Draws.drawn)


def test_what_a_module_holds_that_is_loaded_meanwhile_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = drawn()
    written = tmp_path / "loaded.py"
    written.write_text("\n".join(f"_{number} = {number}" for number in range(54_321, 54_421)))
    spec = importlib.util.spec_from_file_location("loaded", written)
    assert spec
    monkeypatch.setitem(sys.modules, "loaded", importlib.util.module_from_spec(spec))
    assert drawn() == before
