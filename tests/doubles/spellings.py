"""In which spellings a secret can stand in a text."""

import base64
import math
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import quote


def spelled_in(text: str, secret: str) -> list[str]:
    """Return in which spellings a secret, or what it begins with, stands in a text."""
    exact, in_any_case = _spellings(secret)
    lower = text.lower()
    return [name for name, looks in exact.items() if looks in text] + [
        name for name, looks in in_any_case.items() if looks in lower
    ]


@cache
def _spellings(secret: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """In base64 letters count as they are, in the other spellings they don't."""
    encoded = secret.encode()
    in_any_case = {
        "in clear": secret,
        "in a form": quote(secret, safe=""),
        "URL-encoded": quote(secret, safe="").replace("-", "%2D"),
        "URL-encoded in full": "".join(f"%{byte:02x}" for byte in encoded),
        "in hex": encoded.hex(),
        "with JSON's escapes": secret.replace("-", "\\u002d").replace("/", "\\/"),
    }
    # The first name of those that look the same.
    named = {looks.lower(): name for name, looks in reversed(in_any_case.items())}
    return dict(_base64(encoded)), {name: looks for looks, name in named.items()}


def _base64(secret: bytes) -> Iterator[tuple[str, str]]:
    """What is the same in all base64 of a text that holds the secret `offset` bytes after a multiple of three."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + secret).decode()
        yield f"in base64 at {offset}", text[math.ceil(offset * 8 / 6) : (offset + len(secret)) * 8 // 6]
