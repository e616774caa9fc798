"""The pages that show commands with their output: each is played, and prints today what the page says."""

from pathlib import Path

import pytest

from tests.e2e.played import ROOT, masked, play
from tests.length import at_length


@at_length
@pytest.mark.parametrize("page", ["a-day.md"])
def test_each_command_of_the_page_prints_what_the_page_says(page: str, tmp_path: Path) -> None:
    path = ROOT / "docs" / page
    assert masked(play(path, tmp_path)) == masked(path.read_text())
