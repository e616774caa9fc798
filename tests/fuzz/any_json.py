"""Any JSON, with a canary in its texts; and JSON that is nearly what was expected."""

from typing import Any

from hypothesis import strategies as st

from tests.doubles.hr_events import CANARY

#: JSON can hold halves of a surrogate pair, which are no text anywhere else
anything_written = st.text(st.characters(exclude_categories=()), max_size=8)
#: what others send where a time, a truth, a number or a name is expected, and what only looks like it
NEARLY: list[Any] = [
    *("False", "true", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31"),
    *("2025-01-08T13:06:26.915906", "john.doe@example.com", "@", "mailto:", "immediate", "email", "complex"),
    *(10**18, -(10**18), 10**400, 1e300, float("inf"), float("-inf"), float("nan"), 1615304991643, -1, True),
    *(None, "", "\ud800@example.com", "\x00", [], {}, [[]], [{}], {"": None}),
]
told = anything_written.map(lambda text: text + CANARY)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NEARLY) | told
any_json = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(told, inner, max_size=3), max_leaves=6
)


def places(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of everything in a JSON value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def replaced(node: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """The same with another value in that place."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)  # type: ignore[index]  # a path fits its own node
    return copy


@st.composite
def nearly(draw: st.DrawFn, *sound: Any) -> Any:
    """One of these, with one or two things in it replaced by anything."""
    value = draw(st.sampled_from(sound))
    for _ in range(draw(st.integers(0, 2))):
        value = replaced(value, draw(st.sampled_from(places(value)[1:] or [()])), draw(any_json))
    return value
