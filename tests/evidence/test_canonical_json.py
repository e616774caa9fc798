"""Canonical JSON: one value is written in one way, as RFC 8785 writes it, and nothing else is read."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from leaver.evidence.canonical_json import LARGEST, NotCanonical, canonical, read_canonical

SCALARS = st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(VALUES)
def test_it_is_written_as_somebody_elses_rfc_8785_writes_it(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_keys_go_as_javascript_sorts_them() -> None:
    assert canonical({"\ufb01": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb01":1}'.encode()


@given(VALUES)
def test_what_was_written_is_read_again(value: Any) -> None:
    assert read_canonical(canonical(value)) == value


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), LARGEST + 1, -LARGEST - 1, {1: "one"}, "\ud800", {"\ud800": 1}, b"bytes", {"a": [{"b": 0.5}]}],
)
def test_what_two_readers_could_understand_in_two_ways_is_not_written(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [b'{"a":1,"a":2}', b'{"a": 1}', b'{"b":1,"a":2}', b"1.0", b'"\\u0041"', b'{"a":1}\n', b"{", b"\xff", b"NaN"],
)
def test_what_is_written_in_another_way_is_not_read(text: bytes) -> None:
    with pytest.raises(NotCanonical):
        read_canonical(text)
