"""Plots as SVG, of as few elements as they need: bars beside each other, and lines over a common axis."""

from collections.abc import Mapping, Sequence
from html import escape
from math import floor, log10
from typing import Final

_WIDTH: Final = 760
_ROW: Final = 30
_LEFT: Final = 250
_RIGHT: Final = 90
_TOP: Final = 56
_BOTTOM: Final = 46
_HEIGHT: Final = 380
_INK: Final = "#1f2933"
_PALE: Final = "#d5dbe1"
#: can be told apart by most eyes (Okabe and Ito)
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777", "#000000")

Points = Sequence[tuple[float, float]]


def bars(title: str, values: Mapping[str, float], *, unit: str, target: float | None = None) -> str:
    """Draw one bar for each name, longest possible; `target` is a line across all of them."""
    longest = max([*values.values(), target or 0]) or 1
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    drawn = []
    for row, (name, value) in enumerate(values.items()):
        y = _TOP + row * _ROW
        drawn += [
            _text(_LEFT - 8, y + 17, name, anchor="end"),
            _bar(_LEFT, y + 4, max(1, value * scale)),
            _text(_LEFT + value * scale + 6, y + 17, f"{number(value)} {unit}"),
        ]
    height = _TOP + len(values) * _ROW + 34
    if target is not None:
        x = _LEFT + target * scale
        drawn += [
            f'<path d="M{x:.1f} {_TOP - 4}V{height - 28}" stroke="{_COLOURS[1]}" stroke-dasharray="5 3"/>',
            _text(x, height - 12, f"target {number(target)} {unit}", anchor="middle"),
        ]
    return _svg(title, height, drawn)


def lines(title: str, curves: Mapping[str, Points], *, x: str, y: str, logarithmic: bool = False) -> str:
    """Draw a line for each name; `x` and `y` are what the axes say, and `logarithmic` is for both."""
    left, right = 78, 220
    found = [point for points in curves.values() for point in points]
    across = _Axis([point[0] for point in found], left, _WIDTH - right, logarithmic=logarithmic)
    up = _Axis([point[1] for point in found], _HEIGHT - _BOTTOM, _TOP, logarithmic=logarithmic)
    drawn = []
    for tick in across.ticks():
        at = across.at(tick)
        drawn.append(f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_PALE}"/>')
        drawn.append(_text(at, _HEIGHT - _BOTTOM + 16, number(tick), anchor="middle"))
    for tick in up.ticks():
        at = up.at(tick)
        drawn.append(f'<path d="M{left} {at:.1f}H{_WIDTH - right}" stroke="{_PALE}"/>')
        drawn.append(_text(left - 6, at + 4, number(tick), anchor="end"))
    drawn.append(_text((left + _WIDTH - right) / 2, _HEIGHT - 8, x, anchor="middle"))
    drawn.append(_text(left, _TOP - 8, y))
    for place, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{across.at(a):.1f},{up.at(b):.1f}" for a, b in points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(
            f'<rect x="{_WIDTH - right + 14}" y="{_TOP + place * 22}" width="12" height="12" fill="{colour}"/>'
        )
        drawn.append(_text(_WIDTH - right + 32, _TOP + place * 22 + 11, name))
    return _svg(title, _HEIGHT, drawn)


def number(value: float) -> str:
    """Write a number as shortly as it says something: three digits, and thousands apart."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class _Axis:
    """From values to places on the paper."""

    def __init__(self, values: Sequence[float], begin: float, end: float, *, logarithmic: bool) -> None:
        self._logarithmic = logarithmic
        self._begin, self._end = begin, end
        self._most = max(values, default=1) or 1
        self._least = min((each for each in values if each > 0), default=1) if logarithmic else 0.0
        if self._most == self._least:
            self._most = self._least + 1

    def at(self, value: float) -> float:
        if self._logarithmic:
            share = (log10(max(value, self._least)) - log10(self._least)) / (log10(self._most) - log10(self._least))
        else:
            share = (value - self._least) / (self._most - self._least)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        if self._logarithmic:
            first = floor(log10(self._least))
            powers = [10.0**power for power in range(first, floor(log10(self._most)) + 1)]
            return [each for each in powers if each >= self._least]
        rough = self._most / 5
        power = 10.0 ** floor(log10(rough))
        step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough)
        return [step * place for place in range(floor(self._most / step) + 1)]


def _bar(x: float, y: float, width: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{_ROW - 10}" fill="{_COLOURS[0]}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(title: str, height: int, drawn: Sequence[str]) -> str:
    heading = f'<text x="12" y="26" font-size="16" font-weight="600">{escape(title)}</text>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"',
            f' width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}"',
            f' font-family="sans-serif" font-size="12" fill="{_INK}">',
            '<rect width="100%" height="100%" fill="white"/>',
            heading,
            *drawn,
            "</svg>\n",
        ]
    )
