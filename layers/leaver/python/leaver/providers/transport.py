"""One host over HTTPS: sends a request once, and returns the answer or says whether the request had left."""

import json as jsonlib
import logging
import re
import socket
import ssl
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from threading import Timer
from typing import Any, Final, Self, TypeVar, cast
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from leaver.errors import AnswerLost, NotSent, ProviderResponse, Rejected
from leaver.providers import client_certificate
from leaver.providers.ca_bundle import CaBundle

#: seconds to reach the host, TLS included
CONNECT_TIMEOUT: Final = 3.0
#: seconds for an answer, headers and body together, where a call does not say otherwise
READ_TIMEOUT: Final = 20.0
#: bytes of a body, as they are sent and as they unpack, where a call does not say otherwise
MAX_BODY: Final = 2**20
#: no limit of our providers outlasts a day, so no Retry-After is believed beyond it
LONGEST_WAIT: Final = timedelta(days=1)

# compressed all the same, although nobody asked for it
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})
# zlib's word for "whichever of the two headers there is"
_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS

# what was sent is never repeated, whatever the answer's status or Retry-After: a refresh token works once
_CONNECT_TWICE: Final = Retry(total=None, connect=1, read=False, redirect=0, status=0, other=0)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# RFC 3986's pchar, but for "." and ".." and for encoded dots and slashes: requests would decode and resolve them
_SEGMENT: Final = re.compile(r"(?!\.{1,2}\Z)(?:[\w.~!$&'()*+,;=:@-]|%(?!2[EeFf])[0-9A-Fa-f]{2})+", re.ASCII)
# what a token consists of (RFC 6749, appendix A.12), less the space; http.client's complaint would show it
_VSCHAR: Final = re.compile(r"[\x21-\x7e]+")
# Zoom's own, as in v=2.0;clid=us04;rid=WEB_ and 32 hexadecimal digits: whatever else comes in its place may be a token
_REQUEST_ID: Final = "[A-Z]{2,8}_[0-9A-Fa-f]{1,32}"
_TRACKING_ID: Final = re.compile(rf"v=\d\.\d(?:;clid=\w{{1,8}})?(?:;rid={_REQUEST_ID})?|{_REQUEST_ID}", re.ASCII)
# numbers and RFC 6749's words only: a code ends up in logs, and nothing that looks like a token may pass for one
_CODE: Final = re.compile(r"\d{1,6}|[a-z_]{1,40}", re.ASCII)

# how a server says, under TLS 1.3 only after the handshake, that it does not like the client's certificate
_CERTIFICATE_REFUSED: Final = re.compile(r"ALERT_.*(?:CERTIFICATE|UNKNOWN_CA)")
# X509_V_ERR_…: 80 to 93 are what OpenSSL minds in its strict mode, which is Python's since 3.13; two are wrong names
_STRICT: Final = frozenset(range(80, 94))
_HOST_MISMATCH: Final = frozenset({62, 64})
_NEEDED: Final = (
    "a CA needs basic constraints that are critical, key usage and a subject key identifier; "
    "a server needs an authority key identifier and a subjectAltName with its name"
)

# its warning about headers that it can't parse shows what came in their place, and that may be a body with a token
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

Row = TypeVar("Row")


class BearerAuth(AuthBase):
    """Signs one request with an access token (RFC 6750)."""

    def __init__(self, access_token: SecretStr) -> None:
        self._access_token = access_token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the Authorization header; ValueError where the token would not fit into one."""
        token = self._access_token.get_secret_value()
        if not _VSCHAR.fullmatch(token):
            raise ValueError("not a bearer token")
        r.headers["Authorization"] = f"Bearer {token}"
        return r

    def __repr__(self) -> str:
        return "BearerAuth()"


class BasicAuth(AuthBase):
    """Signs one request with a client's id and secret (RFC 6749, section 2.3.1)."""

    def __init__(self, client_id: str, client_secret: SecretStr) -> None:
        self._client_id = client_id
        self._client_secret = client_secret

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the Authorization header."""
        pair = f"{self._client_id}:{self._client_secret.get_secret_value()}"
        r.headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        return r

    def __repr__(self) -> str:
        return "BasicAuth()"


@dataclass(frozen=True)
class Answer:
    """What came back, whole, whatever its status; the body is kept from `repr`, because bodies hold tokens."""

    status: int
    #: keys in any case
    headers: Mapping[str, str] = field(repr=False)
    #: the JSON object, or None where the body is anything else
    json: Mapping[str, Any] | None = field(repr=False)
    #: no body at all, which a few endpoints use to say something
    empty: bool
    #: what its Retry-After asks for, see retry_after()
    retry_after: datetime | None
    #: `x-zm-trackingid`: what Zoom's support asks for
    tracking_id: str | None

    def response(self, code: str | None = None) -> ProviderResponse:
        """What of it may be shown, with the code that the provider's own module found in it."""
        return ProviderResponse(self.status, code, self.tracking_id)

    def row(self, table: Mapping[str, Row], *codes: str) -> Row:
        """Find what a decision table says about this answer, the most exact row first.

        For status 401 and code "124" that is "401 124", "4xx 124", then the same for the next code, then "401 *" and
        "4xx *" (any code that is not in the table), "401", "4xx" and at last "other". Empty codes are passed over.
        """
        family = f"{self.status // 100}xx"
        named = [code for code in codes if code]
        keys = [f"{status} {code}" for code in (*named, "*") for status in (self.status, family)] if named else []
        keys += [str(self.status), family, "other"]
        return next(table[key] for key in keys if key in table)


class Transport:
    """One host. Holds connections, no authorisation and no cookies: each request carries its own `auth`.

    `base_url` must be https; plain http is for loopback and for `plain_http_hosts`. `ca_bundle` (or the path of a PEM
    file) *replaces* the public roots: a private host has no business being vouched for by a public authority, and
    whoever needs both puts both into it. Certificates and host names are always checked; nothing can switch that off.
    A bundle that is no PEM is the first request's trouble: whoever calls other hosts goes on.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca_bundle: CaBundle | str | None = None,
        plain_http_hosts: frozenset[str] = frozenset(),
        pool_maxsize: int = 10,
        clock: Callable[[], datetime],
    ) -> None:
        self._clock = clock
        self._base_url = _checked(base_url, _LOOPBACK | plain_http_hosts)
        self._host = urlsplit(self._base_url).netloc
        self._pool_maxsize = pool_maxsize
        #: None without TLS
        self._roots: CaBundle | None = None
        if self._base_url.startswith("https:"):
            if not isinstance(ca_bundle, CaBundle):
                ca_bundle = CaBundle.of_file(Path(ca_bundle or DEFAULT_CA_BUNDLE_PATH))
            self._roots = ca_bundle

    @cached_property
    def _session(self) -> requests.Session:
        if self._roots is None:
            return _session(_PlainAdapter(pool_maxsize=self._pool_maxsize, max_retries=_CONNECT_TWICE))
        return _session(_TlsAdapter(pool_maxsize=self._pool_maxsize, context=self._roots.context()))

    def with_client_certificate(self, certificate: str, private_key: SecretStr) -> Self:
        """Make a transport to the same host, with the same roots, that shows who we are (TLS client authentication).

        Both are PEM. Close it after use: no other request should go out under that name. Raises ValueError where they
        are no pair, or the host is spoken to without TLS, and Rejected where the CA bundle is none.
        """
        if self._roots is None:
            raise ValueError("a client certificate can be shown under TLS only")
        context = client_certificate.context(self._roots, certificate, private_key)
        own = copy(self)
        own._session = _session(_TlsAdapter(pool_maxsize=1, context=context))  # noqa: SLF001 - our own
        return own

    def request(
        self,
        method: str,
        path: str,
        *,
        auth: AuthBase | None,
        params: Mapping[str, str | int] | None = None,
        form: Mapping[str, str | SecretStr] | None = None,
        json: Mapping[str, object] | None = None,
        read_timeout: float | None = None,
        max_body: int = MAX_BODY,
    ) -> Answer:
        """Send one request, at most once, and return the answer whatever its status; redirects are not followed.

        `path` is appended to the base URL. `auth` is None only where the body identifies the caller. Secrets in `form`
        and `json` (top level) stay wrapped until they are sent; `params` takes none, because URLs turn up in logs.
        Of a body not more than `max_body` bytes are read, sent or unpacked; what is cut is no JSON.
        Raises NotSent when nothing left this machine, AnswerLost when the request may have been received, and Rejected
        where a certificate (the server's, our own, the CA bundle's) is not accepted: somebody must mend it first.
        """
        if not path.startswith("/") or not all(_SEGMENT.fullmatch(segment) for segment in path[1:].split("/")):
            raise ValueError("a path is /segments, none of them empty or dots")
        session = self._session
        try:
            request = session.prepare_request(
                requests.Request(
                    method,
                    self._base_url + path,
                    auth=auth,
                    params=params,
                    data=_revealed(form),
                    json=_revealed(json),
                )
            )
        except (requests.RequestException, ValueError):
            request = None
        # each error is raised outside its handler: the original, which may show URL, headers or body, is then not even
        # this one's context
        if request is None:
            raise NotSent(f"the request to {self._host} can't be put into HTTP")
        try:
            response = session.send(
                request, timeout=(CONNECT_TIMEOUT, read_timeout or READ_TIMEOUT), allow_redirects=False, stream=True
            )
            body = _read_body(response, max_body)
        except (requests.RequestException, HTTPError, ValueError, TimeoutError, zlib.error) as error:
            failure = self._failure(error)
        else:
            return _answer(response, body, self._clock())
        raise failure

    def load_roots(self) -> None:
        """Read the CA bundle ahead of the first request, which takes its time; raises what request() would raise."""
        _ = self._session

    def open(self, count: int) -> None:
        """Open so many connections ahead of the first requests, which then need not wait for TLS.

        One that can't be opened is opened by its request, which also tells why not. Plain HTTP needs none.
        """
        adapter = self._session.get_adapter(self._base_url)
        if isinstance(adapter, _TlsAdapter):
            adapter.open(self._base_url, count)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _failure(self, error: Exception) -> NotSent | AnswerLost | Rejected:
        causes = _causes(error)
        if any(isinstance(each, ssl.SSLError) and _CERTIFICATE_REFUSED.search(each.reason or "") for each in causes):
            return Rejected(f"{self._host} does not accept our client certificate, or wants one")
        if any(isinstance(cause, ConnectTimeoutError) for cause in causes):
            untrusted = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
            if untrusted is not None:
                return Rejected(f"the certificate of {self._host} is not accepted: {_fault(untrusted)}")
            return NotSent(f"{self._host} can't be reached (name, connection or TLS)")
        if any(isinstance(cause, ReadTimeoutError | TimeoutError) for cause in causes):
            return AnswerLost(f"{self._host} took the request and did not answer in time")
        return AnswerLost(f"{self._host} took the request and its answer broke off")


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Read Retry-After as an ISO-8601 date (Zoom), an HTTP date or whole seconds (RFC 9110, section 10.2.3).

    Returns an aware UTC datetime between `now` and `now` + LONGEST_WAIT (the past is now, a year is a day), or None
    where the header is absent or makes no sense.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return now + min(timedelta(seconds=int(value)), LONGEST_WAIT)
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            named = parse(value)
        except ValueError:
            continue
        aware = named if named.tzinfo else named.replace(tzinfo=UTC)
        return min(max(aware, now), now + LONGEST_WAIT).astimezone(UTC)
    return None


def safe_code(value: object) -> str | None:
    """Return a provider's code as text, or None where it is no number or RFC 6749 word, and might be anything."""
    text = str(value) if isinstance(value, str | int) else ""
    return text if _CODE.fullmatch(text) else None


class _Deadline:
    """Shuts a socket down whose answer does not end in time: `requests` bounds only the pause between two reads."""

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


class _BoundedConnection(HTTPConnection):
    """Gives the whole answer, headers included, no more time than one read may take."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself overrides http.client's
        deadline = _Deadline(self.sock, cast("float", self.timeout))
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


class _PlainAdapter(HTTPAdapter):
    """Connects without TLS, to this machine only."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool}


class _TlsAdapter(HTTPAdapter):
    """Connects with one preloaded SSLContext; requests would load the roots for every connection (20 ms of CPU)."""

    def __init__(self, *, pool_maxsize: int, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=pool_maxsize, max_retries=_CONNECT_TWICE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
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


def _session(adapter: HTTPAdapter) -> requests.Session:
    session = requests.Session()
    # with it, .netrc would replace our Authorization, and the environment would name proxies and roots
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": "leaver", "Accept": "application/json", "Accept-Encoding": "identity"})
    session.adapters.clear()
    session.mount("https://" if isinstance(adapter, _TlsAdapter) else "http://", adapter)
    return session


def _checked(base_url: str, plain_http_hosts: frozenset[str]) -> str:
    parts = urlsplit(base_url)
    plain = parts.scheme == "http" and parts.hostname in plain_http_hosts
    if not (plain or parts.scheme == "https") or not parts.hostname:
        raise ValueError("a provider's URL must be https; plain http is for this machine only")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a provider's URL is a host, and at most a path")
    return parts.geturl().rstrip("/")


def _revealed(fields: Mapping[str, object] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    return {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in fields.items()}


def _read_body(response: requests.Response, limit: int) -> bytes:
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


def _answer(response: requests.Response, body: bytes, now: datetime) -> Answer:
    try:
        json = jsonlib.loads(body)
    except (ValueError, RecursionError):
        json = None
    tracking_id = response.headers.get("x-zm-trackingid", "")
    return Answer(
        status=response.status_code,
        headers=CaseInsensitiveDict(response.headers),
        json=json if isinstance(json, dict) else None,
        empty=not body,
        retry_after=retry_after(response.headers, now),
        tracking_id=tracking_id if _TRACKING_ID.fullmatch(tracking_id) else None,
    )


def _fault(untrusted: ssl.SSLCertVerificationError) -> str:
    incomplete = untrusted.verify_code in _STRICT | _HOST_MISMATCH
    return f"{untrusted.verify_message}; {_NEEDED}" if incomplete else untrusted.verify_message


def _causes(error: BaseException) -> list[BaseException]:
    """List the error and what it came from: requests and urllib3 wrap by argument, `reason` and cause."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and not any(cause is known for known in found):
            found.append(cause)
            waiting += [cause.__cause__, getattr(cause, "reason", None), *cause.args]
    return found
