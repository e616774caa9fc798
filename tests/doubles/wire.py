"""A real server on loopback that plays one raw answer per connection, and remembers what it was asked."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import parse_headers
from pathlib import Path
from threading import Thread
from typing import Literal

from local.http_server import handshake

CATALOGUE = Path(__file__).parents[2] / "local" / "catalogue"

#: so that a caller who never hangs up fails its test and does not hang it
MOST_DRIPS = 500

Ending = Literal["close", "reset", "hold", "drip"]


def fixture(name: str) -> bytes:
    """The bytes of an answer, exactly as they go over the wire; `name` is provider/name."""
    return (CATALOGUE / f"{name}.http").read_bytes()


def fixtures(provider: str) -> set[str]:
    """The names of all answers of a provider that there are."""
    return {file.stem for file in (CATALOGUE / provider).glob("*.http")}


@dataclass(frozen=True)
class Play:
    """Bytes to answer with, and then: close in peace, reset the connection, hold it open and say no more, or drip.

    A dripping server sends byte after byte until the other side hangs up.
    """

    raw: bytes = b""
    ending: Ending = "close"


@dataclass(frozen=True)
class Asked:
    """One request, as it came; header names in lower case. Its secrets stay out of the tests' own tracebacks."""

    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass
class Wire:
    """Where the server listens, and what it was asked so far."""

    port: int
    scheme: str
    asked: list[Asked] = field(default_factory=list)
    #: how many callers hung up while it dripped
    hung_up: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def only(self) -> Asked:
        """The one request that there was."""
        (asked,) = self.asked
        return asked


@contextmanager
def serving(*answers: bytes | Play, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Answer one connection after the other, each with the next answer; then refuse connections."""
    plays = [answer if isinstance(answer, Play) else Play(answer) for answer in answers]
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as held:
        wire = Wire(listener.getsockname()[1], "https" if tls else "http")
        thread = Thread(target=_serve, args=(listener, plays, wire, held, tls))
        if not plays:
            listener.close()
        thread.start()
        try:
            yield wire
        finally:
            # wakes the accept() that may still wait
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, plays: list[Play], wire: Wire, held: ExitStack, tls: ssl.SSLContext | None) -> None:
    while plays:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with ExitStack() as own:
            own.enter_context(connection)
            try:
                spoken = own.enter_context(handshake(connection, tls)) if tls else connection
                asked = _read(spoken)
            except OSError:
                continue
            if asked is None:
                continue
            wire.asked.append(asked)
            play = plays.pop(0)
            with suppress(OSError):
                spoken.sendall(play.raw)
            if play.ending == "reset":
                spoken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if play.ending == "drip":
                wire.hung_up += _drip(spoken)
            if play.ending == "hold":
                held.push(own.pop_all())
    listener.close()


def _drip(connection: socket.socket) -> bool:
    """Send byte after byte; returns whether the other side has hung up."""
    connection.settimeout(0.02)
    for _ in range(MOST_DRIPS):
        try:
            if not connection.recv(1):
                return True
        except TimeoutError:
            with suppress(OSError):
                connection.sendall(b"x")
        except OSError:
            return True
    return False


def _read(connection: socket.socket) -> Asked | None:
    with connection.makefile("rb") as stream:
        line = stream.readline()
        if not line:
            return None
        method, target, _ = line.decode().split(" ")
        headers = {name.lower(): value for name, value in parse_headers(stream).items()}
        return Asked(method, target, headers, stream.read(int(headers.get("content-length", 0))))
