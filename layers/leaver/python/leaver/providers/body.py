"""The body of an answer: read and unpacked up to a bound, and as far as it can be read where it is damaged."""

import zlib
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final

import requests
from urllib3.exceptions import HTTPError

#: bytes of a body, as they are sent and as they unpack, where a call does not say otherwise
MAX_BODY: Final = 2**20

# compressed all the same, although nobody asked for it
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
# zlib's word for "whichever of the two headers there is"
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_NO_HEADER: Final = -zlib.MAX_WBITS
#: bytes of a gzip header without a name or a remark (RFC 1952)
_GZIP_HEADER: Final = 10
#: of what does not unpack as it should, not more is looked through byte by byte: a token answer is a few thousand long
_LONGEST_SEARCH: Final = 2**16


@dataclass(frozen=True)
class Body:
    """What came of a body."""

    received: bytes = field(repr=False)
    #: why it is not whole, or not what its header says; None: it is
    failure: Exception | None = None


def read_body(response: requests.Response, limit: int) -> Body:
    """Read so much of a body and no more, until its end or a failure."""
    sent = b""
    failure: Exception | None = None
    try:
        # An answer that came over no socket has no deadline.
        with response, getattr(response.raw, "deadline", nullcontext()):
            # Only a read that finds nothing more says whether the body is whole. One piece each: a read of all there is
            # would keep what it has where the end is missing.
            while len(sent) < limit and (piece := response.raw.read1(limit - len(sent), decode_content=False)):
                sent += piece
    except (HTTPError, OSError, ValueError) as error:
        failure = error
    if response.headers.get("Content-Encoding", "").strip().lower() in _COMPRESSED and sent:
        return _unpack(sent, limit, failure)
    return Body(sent, failure)


def _unpack(sent: bytes, limit: int, failure: Exception | None) -> Body:
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        # A small body may unpack to more than the function has memory for.
        unpacked = unpacking.decompress(sent, limit)
    except zlib.error as error:
        failure = failure or error
    else:
        # A body that is cut in its beginning unpacks to nothing, and nothing is a success of Venafi's.
        is_cut = not unpacking.eof and len(unpacked) < limit
        return Body(unpacked, failure or (zlib.error("the end is missing") if is_cut else None))
    # The end may be damaged, the header may be wrong or missing, or the body was never compressed.
    ways = ((_GZIP_OR_ZLIB, sent), (_NO_HEADER, sent), (_NO_HEADER, sent[_GZIP_HEADER:]))
    unpacked = max((_unpack_beginning(packed, bits) for bits, packed in ways), key=len)
    return Body(unpacked + sent[:_LONGEST_SEARCH], failure)


def _unpack_beginning(packed: bytes, bits: int) -> bytes:
    """Unpack up to the first fault, and no more than is worth a search: a few bytes may unpack to any number."""
    unpacking, unpacked = zlib.decompressobj(bits), bytearray()
    with suppress(zlib.error):
        for at in range(min(len(packed), _LONGEST_SEARCH)):
            unpacked += unpacking.decompress(packed[at : at + 1], _LONGEST_SEARCH)
            if len(unpacked) >= _LONGEST_SEARCH:
                break
    return bytes(unpacked)
