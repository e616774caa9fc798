"""The plots of a period, in SVG: bars, and points over time; each value stands beside its mark as text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import log10
from typing import Final, NamedTuple

from leaver_cli.evidence.html import Html, tag

_WIDTH: Final = 420
_ROW: Final = 22
_LABEL: Final = 150
_TALL: Final = 190
#: seconds, and how people call them
TICKS: Final = ((1, "1 s"), (60, "1 min"), (900, "15 min"), (3600, "1 h"), (86400, "1 day"), (604800, "1 week"))


class Point(NamedTuple):
    """A case that ended then, so many seconds after it should have."""

    at: datetime
    seconds: int
    is_late: bool
    named: str


def bars(title: str, counts: Mapping[str, int], tones: Mapping[str, str] | None = None) -> Html:
    """A bar for each count, the label at its left and the number at its right."""
    most = max(counts.values(), default=0) or 1
    room = _WIDTH - _LABEL - 50
    drawn = []
    for place, (label, count) in enumerate(counts.items()):
        top, wide = place * _ROW, count / most * room
        tone = (tones or {}).get(label, "main")
        drawn += [
            tag("text", label[:24], x=str(_LABEL - 8), y=str(top + 15), text_anchor="end", class_="soft"),
            tag("rect", x=str(_LABEL), y=str(top + 4), width=f"{max(wide, 1):.1f}", height="14", rx="2", class_=tone),
            tag("text", count, x=f"{_LABEL + max(wide, 1) + 6:.1f}", y=str(top + 15)),
        ]
    return _figure(title, drawn, max(len(counts), 1) * _ROW + 4)


def points(title: str, cases: Sequence[Point]) -> Html:
    """When each case ended, and how long that took, on a scale of powers of ten."""
    times = sorted(each.at for each in cases)
    span = (times[-1] - times[0]).total_seconds() if times else 0
    top = max((each.seconds for each in cases), default=1)
    shown = [tick for number, tick in enumerate(TICKS) if number == 0 or TICKS[number - 1][0] < top]
    highest = max(log10(max(top, shown[-1][0])), 1)
    left, floor = 52, _TALL - 22

    def height(seconds: int) -> float:
        return floor - log10(max(seconds, 1)) / highest * (floor - 12)

    drawn = []
    for seconds, label in shown:
        y = height(seconds)
        drawn += [
            tag("line", x1=str(left), x2=str(_WIDTH), y1=f"{y:.1f}", y2=f"{y:.1f}", class_="axis"),
            tag("text", label, x=str(left - 8), y=f"{y + 4:.1f}", text_anchor="end", class_="soft"),
        ]
    for each in cases:
        ratio = (each.at - times[0]).total_seconds() / span if span else 0.5
        x = left + 10 + ratio * (_WIDTH - left - 20)
        tone = "bad" if each.is_late else "main"
        drawn.append(
            tag(
                "circle",
                tag("title", each.named),
                cx=f"{x:.1f}",
                cy=f"{height(each.seconds):.1f}",
                r="3.5",
                class_=tone,
            )
        )
    for at, x, anchor in ((times[0], left, "start"), (times[-1], _WIDTH, "end")) if times else ():
        drawn.append(tag("text", f"{at:%Y-%m-%d}", x=str(x), y=str(_TALL - 4), text_anchor=anchor, class_="soft"))
    return _figure(title, drawn, _TALL)


def _figure(title: str, drawn: Sequence[Html], height: int) -> Html:
    picture = tag("svg", tag("title", title), *drawn, viewBox=f"0 0 {_WIDTH} {height}", role="img")
    return tag("figure", tag("h3", title), picture)
