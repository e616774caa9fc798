"""Plots as SVG: bars beside each other, and lines over common axes."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import format_number

_STYLE: Final[dict[Any, Any]] = {
    "figure.constrained_layout.w_pad": 0.15,
    "font.size": 9,
    "svg.fonttype": "none",
    # Without a salt the ids in the file are drawn by chance, and the same figures make another file.
    "svg.hashsalt": "leaver",
    # A dollar sign is one.
    "text.parse_math": False,
}
_WIDTH: Final = 7.6

#: seconds at which the axis of delays begins
_SHORTEST: Final = 0.1

Points = Sequence[tuple[float, float]]


def bars(title: str, values: Mapping[str, float], *, unit: str, target: float | None = None) -> str:
    """Draw one bar for each name; `target` is a line across all of them."""
    with rc_context(_STYLE):
        figure, axes = _paper(title, height=1.0 + 0.3 * len(values))
        drawn = axes.barh(list(values), list(values.values()), color="C0")
        labels = [f"{format_number(value)} {unit}" for value in values.values()]
        axes.bar_label(drawn, labels, padding=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        if target is not None:
            axes.axvline(target, color="C1", linestyle="--", label=f"target {format_number(target)} {unit}")
            figure.legend(loc="outside lower right", frameon=False)
        return _svg(figure)


def delays(title: str, ours: Mapping[str, float], others: Mapping[str, float]) -> str:
    """Draw a mark for each delay in seconds over one logarithmic axis; what was measured and what others publish."""
    with rc_context(_STYLE):
        figure, axes = _paper(title, height=1.4 + 0.34 * (len(ours) + len(others)))
        every = {**ours, **others}
        axes.hlines(list(every), _SHORTEST, list(every.values()), color="0.85", linewidth=1)
        axes.plot(list(ours.values()), list(ours), "o", color="C0", label="measured")
        axes.plot(list(others.values()), list(others), "D", color="C1", label="as published, at most")
        for name, seconds in every.items():
            axes.annotate(_duration(seconds), (seconds, name), (8, 0), textcoords="offset points", va="center")
        axes.set(xscale="log", xlim=(_SHORTEST, max(every.values()) * 4))
        axes.set_xticks([0.1, 1, 10, 60, 600, 3600], ["0.1 s", "1 s", "10 s", "1 min", "10 min", "1 h"])
        axes.minorticks_off()
        axes.invert_yaxis()
        axes.grid(axis="x", color="0.92")
        figure.legend(loc="outside lower right", frameon=False, ncols=2)
        return _svg(figure)


def lines(title: str, curves: Mapping[str, Points], *, x: str, y: str, logarithmic: bool = False) -> str:
    """Draw a line for each name; `x` and `y` name the axes, and `logarithmic` is for both."""
    with rc_context(_STYLE):
        figure, axes = _paper(title, height=3.8)
        for name, points in curves.items():
            axes.plot([point[0] for point in points], [point[1] for point in points], label=name)
        axes.set(xlabel=x, ylabel=y)
        if logarithmic:
            axes.set(xscale="log", yscale="log")
        else:
            axes.set(xlim=(0, None), ylim=(0, None))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: format_number(value))
        axes.grid(color="0.9")
        figure.legend(loc="outside right upper", frameon=False)
        return _svg(figure)


def _duration(seconds: float) -> str:
    return f"{format_number(seconds)} s" if seconds < 120 else f"{format_number(seconds / 60)} min"


def _paper(title: str, *, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    figure.suptitle(title, x=0.02, horizontalalignment="left", weight="bold")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", metadata={"Creator": None, "Date": None})
    return drawn.getvalue()
