"""One request as an HTTP API hands it over, format 2.0: its bytes, and nothing guessed."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from leaver.messages.speakers import DOOR_TEST

#: bytes of a body: what HR systems post is a hundredth of it
LARGEST: Final = 128 * 1024
#: bytes of what the bus gets of it: PutEvents takes 256 KB, resources and all
_LARGEST_DETAIL: Final = 192 * 1024
#: characters of as many bytes, in Base64
_LARGEST_AS_BASE64: Final = -(-LARGEST // 3) * 4

#: a JSON object
Content = Mapping[str, Any]

Reason = Literal[
    "too_large",
    "malformed",
    "unknown_path",
    "unknown_connection",
    "wrong_method",
    "no_signature",
    "doubled_header",
    "wrong_signature",
    "stale",
    "no_window",
]

#: what can be wrong only where there is such a connection
OF_A_CONNECTION: Final = frozenset[Reason]({"no_signature", "doubled_header", "wrong_signature", "stale", "no_window"})


class Refused(Exception):
    """A request that is not taken; from outside every reason but the size looks alike."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


@dataclass(frozen=True)
class Delivery:
    """What somebody posted; nobody has said yet that it is true."""

    method: str
    path: str
    #: by lower-case name; what was sent twice is joined by a comma
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def content(self) -> Content | None:
        """The JSON object of the body; None where it is anything else, or what the bus would not take as JSON."""
        try:
            content = json.loads(self.body.decode(), object_pairs_hook=_once_each)
            fits = len(as_written(content).encode()) <= _LARGEST_DETAIL
        except (ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) and fits else None

    @cached_property
    def detail(self) -> Content:
        """What lies on the bus of it: the JSON object, or the bytes as they came."""
        return as_raw(self.body) if self.content is None else self.content

    @property
    def is_test(self) -> bool:
        """Whether it is what `leaver door test` posts: no word of the source's own."""
        return self.detail.keys() == {DOOR_TEST}

    @property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return hashlib.sha256(self.body).hexdigest()


def read_delivery(event: Mapping[str, Any]) -> Delivery:
    """Read a request; raises Refused where it is too large, or its Base64 or its text is none."""
    text, is_base64 = event.get("body") or "", bool(event.get("isBase64Encoded"))
    # The size comes before anything else looks at it: what comes after costs time for each byte.
    if len(text) > (_LARGEST_AS_BASE64 if is_base64 else LARGEST):
        raise Refused("too_large")
    try:
        body = base64.b64decode(text, validate=True) if is_base64 else text.encode()
    except (binascii.Error, UnicodeError):
        raise Refused("malformed") from None
    if len(body) > LARGEST:
        raise Refused("too_large")
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    return Delivery(event["requestContext"]["http"]["method"], event["rawPath"], headers, body)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; raises ValueError where a name stands twice: readers differ over which of the two counts."""
    content = dict(members)
    if len(content) != len(members):
        raise ValueError("a name stands twice")
    return content


def as_raw(unread: bytes) -> Content:
    """What lies on the bus of what is no JSON object."""
    return {"raw": base64.b64encode(unread).decode()}


def as_written(content: Any) -> str:
    """Write what the bus gets; raises ValueError where JSON has no word for it, as for NaN."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
