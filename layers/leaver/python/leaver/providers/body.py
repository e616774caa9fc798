"""The body of an answer: read and unpacked up to a bound, however much is sent."""

import zlib
from contextlib import nullcontext
from typing import Final

import requests

#: bytes of a body, as they are sent and as they unpack, where a call does not say otherwise
MAX_BODY: Final = 2**20

# compressed all the same, although nobody asked for it
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
# zlib's word for "whichever of the two headers there is"
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


def read_body(response: requests.Response, limit: int) -> bytes:
    """Read so much of a body and no more; raises what reading raises, and zlib.error."""
    sent = b""
    # An answer that came over no socket has no deadline.
    with response, getattr(response.raw, "deadline", nullcontext()):
        # Only a read that finds nothing more says whether the body is whole.
        while len(sent) < limit and (piece := response.raw.read(limit - len(sent), decode_content=False)):
            sent += piece
    if response.headers.get("Content-Encoding", "").strip().lower() in _COMPRESSED and sent:
        # A small body may unpack to more than the function has memory for.
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(sent, limit)
    return sent
