"""A WSGI application served from a thread of this process, gone without a trace when it is closed."""

import contextlib
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Response

from local.closes import Closes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOOPBACK = "127.0.0.1"

#: seconds that a client whose handshake failed has to hang up
_PATIENCE_S = 5.0


def handshake(connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """Speak TLS on an accepted connection, or raise OSError when the client is sure to have read the alert.

    Closed over what the client has sent by then, the kernel would reset the connection, and the alert may be lost.
    """
    secure = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    try:
        secure.do_handshake()
    except OSError:
        with secure, contextlib.suppress(OSError):
            secure.settimeout(_PATIENCE_S)
            secure.shutdown(socket.SHUT_WR)
            while secure.recv(4096):
                pass
        raise
    return secure


class _Until(io.RawIOBase):
    """What a connection brings until a deadline; a client that sends byte by byte wins no time by each of them."""

    def __init__(self, connection: socket.socket, deadline: float, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._deadline = deadline
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _SilentHandler(WSGIRequestHandler):
    server: "HttpServer"
    # Two packets per answer without this: Nagle's algorithm then waits 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Read the one request of this connection, where the server says so until a deadline."""
        super().setup()
        if self.server.reads_within is not None:
            self.rfile.close()
            deadline = self.server.clock() + self.server.reads_within
            self.rfile = io.BufferedReader(_Until(self.connection, deadline, self.server.clock))

    def run_wsgi(self) -> None:
        """Answer and, if the server keeps connections, go on reading from this one; werkzeug closes every one."""
        if not self.server.keeps_connections:
            super().run_wsgi()
            return
        environ = self.make_environ()
        # To its end, where the next request begins.
        environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0)))
        try:
            answer = Response.from_app(self.server.app, environ, buffered=True)
        except Exception:  # noqa: BLE001 - as werkzeug does: a server outlives whatever goes wrong in its application
            answer = Response(status=500)
        body = answer.get_data()
        answer.content_length = len(body)
        answer.headers["Date"] = self.date_time_string()
        head = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in answer.headers), "", ""]
        with contextlib.suppress(OSError):  # whoever asked may be dead
            self.wfile.write("\r\n".join(head).encode("latin-1") + body)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's own name
        """Keep the terminal for what people want to read."""


class HttpServer(Closes, ThreadedWSGIServer):
    """Serves `app` at `bind`:`port` (0: any free port), with `tls` under TLS, from construction until `close`.

    No request is waited for longer than `reads_within` seconds, then its connection is closed; None waits for ever.
    A connection is closed after its one request, unless the server `keeps_connections`.
    """

    daemon_threads = False  # so that closing waits for every handler

    def __init__(
        self,
        app: "WSGIApplication",
        *,
        bind: str = LOOPBACK,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        reads_within: float | None = None,
        keeps_connections: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reads_within = reads_within
        self.keeps_connections = keeps_connections
        self.clock = clock
        self._connections: set[socket.socket] = set()
        super().__init__(bind, port, app, _SilentHandler)
        self.ssl_context = tls
        self._thread = threading.Thread(target=self.serve_forever, name=f"http-{self.port}", daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and begin TLS where it is spoken."""
        connection, address = super().get_request()
        return (handshake(connection, self.ssl_context) if self.ssl_context else connection), address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `close` can end it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Refuse new connections, end those that are open (clients keep them alive), and wait for the threads."""
        # The server sees that it is to end when its listening socket wakes it, and otherwise half a second later.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
