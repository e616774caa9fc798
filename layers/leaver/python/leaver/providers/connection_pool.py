"""Connections to one host: each ends its answer by a deadline, and TLS is checked whatever a caller asks for."""

import http.client
import logging
import ssl
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from leaver.providers.deadline import Deadline

#: seconds to reach the host, TLS included
CONNECT_TIMEOUT: Final = 3.0

# what was sent is never repeated, whatever the answer's status or Retry-After: a refresh token works once
_CONNECT_TWICE: Final = Retry(total=None, connect=1, read=False, redirect=0, status=0, other=0)

# its warning about headers that it can't parse shows what came in their place, and that may be a body with a token
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


class _FinalResponse(http.client.HTTPResponse):
    """Passes over what comes before the answer, as 103 Early Hints does; http.client passes over 100 alone.

    It would take 103 for the answer, and the answer for that to the next request of the connection.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # typeshed does not know it
            if not HTTPStatus.CONTINUE <= status < HTTPStatus.OK:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _BoundedConnection(HTTPConnection):
    """Gives the whole answer, headers included, no more time than one read may take."""

    response_class = _FinalResponse

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself overrides http.client's
        deadline = Deadline(self.sock, cast("float", self.timeout))
        try:
            response = super().getresponse()
        except BaseException:
            with deadline:
                raise
        response.deadline = deadline  # type: ignore[attr-defined]  # ours, for who reads the body
        return response


class _Connection(_BoundedConnection, HTTPSConnection):
    """Marks whatever fails before TLS stands as a failure to connect: the request is not sent yet."""

    def connect(self) -> None:
        try:
            super().connect()
        except ConnectTimeoutError:
            raise
        except (OSError, HTTPError) as error:
            raise NewConnectionError(self, "no TLS connection") from error

    @property
    def is_connected(self) -> bool:
        """Whether the server has not hung up; it may have sent a ticket since the handshake (RFC 8446, section 4.6.1).

        urllib3 takes whatever comes before an answer for the end, and would connect again.
        """
        connected: bool = super().is_connected
        if connected or self.sock is None:
            return connected
        timeout = self.sock.gettimeout()
        self.sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
        try:
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        finally:
            self.sock.settimeout(timeout)
        return False


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection

    def open(self, count: int) -> None:
        """Connect side by side; a connection that fails stays in the pool, and is tried again when it is used."""
        connections = [cast("_Connection", self._get_conn()) for _ in range(count)]
        with ThreadPoolExecutor(count) as side_by_side:
            for connection in side_by_side.map(_connected, connections):
                self._put_conn(connection)


class PlainAdapter(HTTPAdapter):
    """Connects without TLS, to this machine only."""

    def __init__(self, *, pool_maxsize: int) -> None:
        super().__init__(pool_maxsize=pool_maxsize, max_retries=_CONNECT_TWICE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Take our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool}


class TlsAdapter(HTTPAdapter):
    """Connects with one preloaded SSLContext; requests would load the roots for every connection (20 ms of CPU)."""

    def __init__(self, *, pool_maxsize: int, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=pool_maxsize, max_retries=_CONNECT_TWICE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Take our pools and the one context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {**self.poolmanager.pool_classes_by_scheme, "https": _Pool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_verify_proxies_cert: object, **_by_name: object
    ) -> ConnectionPool:
        """Connect as we always do, whatever `verify` says: False would switch the shared context's checks off."""
        return super().get_connection_with_tls_context(request, verify=True)

    def open(self, base_url: str, count: int) -> None:
        """Open connections in the very pool that requests to this URL take theirs from."""
        pool = self.get_connection_with_tls_context(requests.Request("GET", base_url).prepare())
        cast("_Pool", pool).open(count)

    def cert_verify(self, conn: object, url: object, verify: object, cert: object) -> None:
        """Leave the connection alone: here requests would name a bundle to load, or switch the checks off."""


def _connected(connection: _Connection) -> _Connection:
    connection.timeout = CONNECT_TIMEOUT
    try:
        connection.connect()
    except (OSError, HTTPError):
        connection.close()
    return connection


def session_of(adapter: HTTPAdapter) -> requests.Session:
    """Make a session that holds nothing of anybody and believes nothing but its adapter."""
    session = requests.Session()
    # with it, .netrc would replace our Authorization, and the environment would name proxies and roots
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "leaver", "Accept": "application/json", "Accept-Encoding": "identity"})
    session.adapters.clear()
    session.mount("https://" if isinstance(adapter, TlsAdapter) else "http://", adapter)
    return session
