"""The end of a call: `requests` bounds only the pause between two reads, and a dripping answer would never end."""

import socket
from contextlib import suppress
from threading import Timer


class Deadline:
    """Shuts a socket down whose answer does not end in time."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.has_passed = False
        self._connection = connection
        self._timer = Timer(seconds, self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        if self.has_passed:
            # Headers, and bodies that end with the connection, look whole where we have shut it down.
            raise TimeoutError

    def _shut_down(self) -> None:
        self.has_passed = True
        with suppress(OSError):
            # The socket below TLS: SSLSocket.shutdown would let the reader go on without TLS.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
