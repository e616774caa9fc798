"""How a delivery proves whose it is: an HMAC over its bytes, or a secret that it carries."""

import base64
import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from leaver.errors import Rejected
from leaver.webhooks.delivery import Delivery, Refused

#: how far a sender's clock may be ahead of ours
AHEAD: Final = timedelta(minutes=5)


class Proof(Protocol):
    """What makes a delivery its source's word."""

    def prove(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> str:
        """Find the secret that proves the delivery; raises Refused where none of them does, or it is too old."""

    def signed_time(self, delivery: Delivery) -> str:
        """The time that is signed, as it was written; empty where none is."""

    def sign(self, path: str, body: bytes, secret: str, *, delivery: str, now: datetime) -> Delivery:
        """Sign as the source would, for whoever wants to try the door; `delivery` is its id, where one is signed."""


@dataclass(frozen=True)
class Hmac:
    """An HMAC, in a header of its own, over bytes that `signs` puts together."""

    header: str
    signs: Callable[[Delivery], bytes]
    digest: str = "sha256"
    written: Callable[[bytes], str] = bytes.hex
    #: what stands before the digest
    prefix: str = ""
    #: several may stand in the header, with spaces between them: any that is right suffices
    is_list: bool = False
    key: Callable[[str], bytes] = str.encode
    #: other headers that are signed, the time last
    signed_headers: tuple[str, ...] = ()
    #: how old a signed time may be: it must outlast the source's own repeats, unless those are signed anew
    longest_age: timedelta | None = None

    def prove(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> str:
        """Find the secret; all are tried, so that nobody learns from the time which was nearly right."""
        missing = [name for name in (self.header, *self.signed_headers) if not delivery.headers.get(name)]
        if missing:
            raise Refused("no_signature")
        shown = delivery.headers[self.header]
        offers = shown.split(" ") if self.is_list else [shown]
        signatures = [each.removeprefix(self.prefix) for each in offers if each.startswith(self.prefix)]
        # No signature and no signed header has a comma of its own: the gateway joins with one what was sent twice.
        if any("," in each for each in (*signatures, *(delivery.headers[name] for name in self.signed_headers))):
            raise Refused("doubled_header")
        signed = self.signs(delivery)
        found = [each for each in secrets if self._matches(each, signed, signatures)]
        if not found:
            raise Refused("wrong_signature")
        if self.longest_age is not None and not -AHEAD <= now - _moment(self.signed_time(delivery)) <= self.longest_age:
            raise Refused("stale")
        return found[0]

    def signed_time(self, delivery: Delivery) -> str:
        """The last of the signed headers, where its age counts."""
        return "" if self.longest_age is None else delivery.headers[self.signed_headers[-1]]

    def sign(self, path: str, body: bytes, secret: str, *, delivery: str, now: datetime) -> Delivery:
        """Sign as the source would: of the signed headers the last is the time, and another the id."""
        told = dict.fromkeys(self.signed_headers[:-1], delivery)
        told |= {name: str(int(now.timestamp())) for name in self.signed_headers[-1:]}
        signed = self.signs(Delivery("POST", path, told, body))
        return Delivery("POST", path, {**told, self.header: self.prefix + self._signature(secret, signed)}, body)

    def _matches(self, secret: str, signed: bytes, signatures: Sequence[str]) -> bool:
        expected = self._signature(secret, signed).encode()
        return any(hmac.compare_digest(expected, each.encode(errors="replace")) for each in signatures)

    def _signature(self, secret: str, signed: bytes) -> str:
        return self.written(hmac.digest(self.key(secret), signed, self.digest))


@dataclass(frozen=True)
class Carried:
    """A secret that the request carries in a header; nothing is signed, and TLS alone keeps it."""

    header: str

    def prove(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> str:  # noqa: ARG002 - no time is signed
        """Find the secret that it carries."""
        shown = delivery.headers.get(self.header)
        if not shown:
            raise Refused("no_signature")
        given = shown.encode(errors="replace")
        found = [each for each in secrets if hmac.compare_digest(each.encode(), given)]
        if not found:
            raise Refused("wrong_signature")
        return found[0]

    def signed_time(self, delivery: Delivery) -> str:  # noqa: ARG002 - as every proof
        """None is."""
        return ""

    def sign(self, path: str, body: bytes, secret: str, *, delivery: str, now: datetime) -> Delivery:  # noqa: ARG002
        """Carry the secret, as the source would."""
        return Delivery("POST", path, {self.header: secret}, body)


def base64_text(digest: bytes) -> str:
    """Write a digest in Base64."""
    return base64.b64encode(digest).decode()


def make_standard_secret() -> str:
    """Make a Standard Webhooks secret that nobody has had before."""
    return f"whsec_{base64_text(secrets.token_bytes(32))}"


def standard_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret, `whsec_` and Base64; raises Rejected where it is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise Rejected("secret: expected whsec_ and the Base64 of 24 to 64 bytes")
    return key


def _moment(written: str) -> datetime:
    """Seconds since 1970, or ISO 8601; a time without a zone is UTC's. Raises Refused where it is neither."""
    try:
        if written.isascii() and written.isdigit():
            return datetime.fromtimestamp(int(written), tz=UTC)
        moment = datetime.fromisoformat(written)
    except (ValueError, OverflowError, OSError):
        raise Refused("stale") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
