"""The one way in which evidence is written as JSON: RFC 8785, of which floats and long numbers are left out."""

import json
from collections.abc import Mapping
from typing import Any, Final

#: RFC 8785 writes numbers as JavaScript does, which knows no whole number beyond these
LARGEST: Final = 2**53 - 1


class NotCanonical(ValueError):
    """It is neither written nor read: two readers could understand two things."""


def canonical(value: Any) -> bytes:
    """Write a value of maps with ASCII keys, lists, text, whole numbers, booleans and None.

    Raises NotCanonical for anything else. Without keys beyond ASCII there is one order of keys, and without floats one
    way to write a number.
    """
    _check(value)
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotCanonical("half of a surrogate pair") from None


def read_canonical(text: bytes) -> Any:
    """Read what `canonical` wrote; raises NotCanonical where it would have written other bytes."""
    try:
        value = json.loads(text)
    except ValueError:
        raise NotCanonical("is not JSON") from None
    # Also where a key stands there twice: json.loads keeps the last of the two in silence.
    if canonical(value) != text:
        raise NotCanonical("is written in another way")
    return value


def _check(value: Any) -> None:
    match value:
        case None | bool() | str():
            return
        case int() if abs(value) <= LARGEST:
            return
        case list() | tuple():
            for each in value:
                _check(each)
        case Mapping():
            for name, each in value.items():
                if not (isinstance(name, str) and name.isascii()):
                    raise NotCanonical("a key that is not ASCII text")
                _check(each)
        case _:
            raise NotCanonical(f"a value of the type {type(value).__name__}, or out of range")
