"""The one way in which evidence is written as JSON: RFC 8785, with no floats and no numbers beyond JavaScript's."""

import json
from collections.abc import Mapping
from typing import Any, Final

#: RFC 8785 writes numbers as JavaScript does, which knows no whole number beyond these
LARGEST: Final = 2**53 - 1


class NotCanonical(ValueError):
    """It is neither written nor read: two readers could understand two things."""


def canonical(value: Any) -> bytes:
    """Write a value of maps, lists, text, whole numbers, booleans and None; raises NotCanonical for anything else."""
    try:
        return json.dumps(_in_order(value), separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotCanonical("half of a surrogate pair") from None
    except RecursionError:
        raise NotCanonical("is nested too deeply") from None


def read_canonical(text: bytes) -> Any:
    """Read what `canonical` wrote; raises NotCanonical where it would have written other bytes."""
    try:
        value = json.loads(text)
    except ValueError:
        raise NotCanonical("is not JSON") from None
    except RecursionError:
        raise NotCanonical("is nested too deeply") from None
    # Also where a key stands there twice: json.loads keeps the last of the two in silence.
    if canonical(value) != text:
        raise NotCanonical("is written in another way")
    return value


def _in_order(value: Any) -> Any:
    match value:
        case None | bool() | str():
            return value
        case int() if abs(value) <= LARGEST:
            return value
        case list() | tuple():
            return [_in_order(each) for each in value]
        case Mapping() if all(isinstance(name, str) for name in value):
            return {name: _in_order(value[name]) for name in sorted(value, key=_as_javascript_sorts)}
    raise NotCanonical(f"a value of the type {type(value).__name__}, or out of range")


def _as_javascript_sorts(name: str) -> bytes:
    """By UTF-16 units: Python sorts by code points, which differs beyond the first 65,536 of them."""
    return name.encode("utf-16-be")
