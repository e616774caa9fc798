"""Plots of the benchmark's figures: on their paper, every name on them, and the same file from the same figures."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from benchmarks import plot


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot.bars("Bars & <more>", {"ours": 1.5, "naive": 30, "nothing": 0}, unit="ms", target=2),
        lambda: plot.bars("None", {}, unit="ms"),
        lambda: plot.delays("Delays", {"ours": 0.9}, {"others, as they say": 30, "and more": 900}),
        lambda: plot.lines("Lines", {"a": [(0, 0), (10, 5)], "b": [(0, 5)]}, x="s", y="done"),
        lambda: plot.lines("Orders", {"a": [(100, 3), (1e6, 3e4)]}, x="leavers", y="s", logarithmic=True),
    ],
    ids=["bars", "no bars", "delays", "lines", "logarithmic"],
)
def test_a_plot_is_well_formed_and_stays_on_its_paper_and_is_drawn_the_same_again(draw: Callable[[], str]) -> None:
    drawn = draw()
    svg = ET.fromstring(drawn)  # noqa: S314 - our own
    left, top, width, height = map(float, svg.attrib["viewBox"].split())
    assert (left, top) == (0, 0)
    placed = [each for each in svg.iter() if "x" in each.attrib and "y" in each.attrib]
    assert placed
    for each in placed:
        assert 0 <= float(each.attrib["x"]) <= width
        assert 0 <= float(each.attrib["y"]) <= height
    assert draw() == drawn


def test_a_plot_says_its_title_its_names_its_values_and_its_target() -> None:
    svg = ET.fromstring(plot.bars("Bars & <more>", {"ours": 1.5, "naive": 2000}, unit="$", target=2))  # noqa: S314 - our own
    texts = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Bars & <more>", "ours", "naive", "1.5 $", "2,000 $", "target 2 $"} <= set(texts)
