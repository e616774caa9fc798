"""A hand on the raw socket of a request that Werkzeug serves, for what no framework would send."""

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class AnsweredOnTheSocketError(ConnectionAbortedError):
    """Tells Werkzeug that it has nothing left to answer: it takes this for a client that went away."""


def send_raw(environ: "WSGIEnvironment", answer: bytes) -> NoReturn:
    """Send these bytes and nothing else, then close. The request must have been read, or closing would reset it."""
    connection = _socket_of(environ)
    connection.sendall(answer)
    with contextlib.suppress(OSError):  # the client may be gone already
        connection.shutdown(socket.SHUT_RDWR)
    raise AnsweredOnTheSocketError


def reset(environ: "WSGIEnvironment") -> NoReturn:
    """End the connection with a TCP reset (RST), as a dying host or an impatient load balancer does."""
    connection = _socket_of(environ)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # `close` would drop one of several references, and the server end politely, with a FIN. Putting a dead end in the
    # descriptor's place closes the real one now, and leaves the server something that it can read to its end.
    dead_end, other_end = socket.socketpair()
    other_end.close()
    os.dup2(dead_end.fileno(), connection.fileno())
    dead_end.close()
    raise AnsweredOnTheSocketError


def _socket_of(environ: "WSGIEnvironment") -> socket.socket:
    connection = environ["werkzeug.socket"]
    if not isinstance(connection, socket.socket):
        raise TypeError("this request came over no socket")
    return connection
