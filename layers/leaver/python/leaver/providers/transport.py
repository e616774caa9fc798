"""One host over HTTPS: sends a request once, and returns the answer or says whether the request had left."""

import math
import re
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.auth import AuthBase
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from leaver.errors import NotSent, OutOfTime
from leaver.providers import client_certificate
from leaver.providers.answer import Answer
from leaver.providers.body import MAX_BODY, read_body
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.call_failures import name_failure
from leaver.providers.connection_pool import CONNECT_TIMEOUT, PlainAdapter, TlsAdapter, session_of
from leaver.providers.time_left import TimeLeft

#: seconds for an answer, headers and body together, where a call does not say otherwise
READ_TIMEOUT: Final = 20.0
#: seconds below which a call is not worth beginning: it would be cut off more often than answered
SHORTEST_READ: Final = 5.0

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# RFC 3986's pchar, but for "." and ".." and for encoded dots and slashes: requests would decode and resolve them
_SEGMENT: Final = re.compile(r"(?!\.{1,2}\Z)(?:[\w.~!$&'()*+,;=:@-]|%(?!2[EeFf])[0-9A-Fa-f]{2})+", re.ASCII)


class Transport:
    """One host. Holds connections, no authorisation and no cookies: each request carries its own `auth`.

    `base_url` must be https; plain http is for loopback and for `plain_http_hosts`. `ca_bundle` *replaces*
    the public roots: a private host has no business being vouched for by a public authority, and whoever needs both
    puts both into it. Certificates and host names are always checked; nothing can switch that off. A bundle
    that is no PEM, or can't be read, is the first request's trouble: whoever calls other hosts goes on.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca_bundle: CaBundle | None = None,
        plain_http_hosts: frozenset[str] = frozenset(),
        pool_maxsize: int = 20,
        clock: Callable[[], datetime],
        time_left: TimeLeft | None = None,
    ) -> None:
        self._time_left = time_left or TimeLeft()
        self._clock = clock
        self._base_url = _checked(base_url, _LOOPBACK | plain_http_hosts)
        self._host = urlsplit(self._base_url).netloc
        self._pool_maxsize = pool_maxsize
        #: None without TLS
        self._roots: CaBundle | None = None
        if self._base_url.startswith("https:"):
            self._roots = ca_bundle or _public_roots()

    @cached_property
    def _session(self) -> requests.Session:
        if self._roots is None:
            return session_of(PlainAdapter(pool_maxsize=self._pool_maxsize))
        return session_of(TlsAdapter(pool_maxsize=self._pool_maxsize, context=self._roots.shared))

    def with_client_certificate(self, certificate: str, private_key: SecretStr) -> Self:
        """Make a transport to the same host, with the same roots, that shows who we are (TLS client authentication).

        Both are PEM. Close it after use: no other request should go out under that name. Raises ValueError where they
        are no pair, or the host is spoken to without TLS, and Rejected where the CA bundle is none.
        """
        if self._roots is None:
            raise ValueError("a client certificate can be shown under TLS only")
        context = client_certificate.context(self._roots, certificate, private_key)
        own = copy(self)
        own._session = session_of(TlsAdapter(pool_maxsize=1, context=context))  # noqa: SLF001 - our own
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
        read_timeout: float = READ_TIMEOUT,
        max_body: int = MAX_BODY,
        even_damaged: bool = False,
    ) -> Answer:
        """Send one request, at most once, and return the answer whatever its status; redirects are not followed.

        `path` is appended to the base URL. `auth` is None only where the body identifies the caller. Secrets in `form`
        and `json` (top level) stay wrapped until they are sent; `params` takes none, because URLs turn up in logs.
        The answer, headers and body, may take `read_timeout` seconds and no longer than what this run has left for it.
        Of a body not more than `max_body` bytes are read, sent or unpacked; what is cut is no JSON.
        With `even_damaged` an answer whose body is damaged or broke off is returned as far as it came, with `failure`.
        Raises NotSent when nothing left this machine, OutOfTime when that is so because this run is about to end,
        AnswerLost when the request may have been received, and Rejected where a certificate (the server's, our own, the
        CA bundle's) is not accepted: somebody must mend it first.
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
        # Connecting is tried twice, and of the whole only a second attempt is a part.
        left = self._time_left.for_a_call() - CONNECT_TIMEOUT
        if left < min(SHORTEST_READ, read_timeout):
            raise OutOfTime(f"too little time is left to ask {self._host}")
        timeout = Timeout(connect=CONNECT_TIMEOUT, read=read_timeout, total=None if math.isinf(left) else left)
        try:
            response = session.send(request, timeout=timeout, allow_redirects=False, stream=True)  # type: ignore[arg-type]  # requests takes it as it is
        except (requests.RequestException, HTTPError, ValueError, TimeoutError) as error:
            failure = name_failure(self._host, error)
        else:
            body = read_body(response, max_body)
            damage = name_failure(self._host, body.failure) if body.failure else None
            if damage is None or even_damaged:
                return Answer.read(response.status_code, response.headers, body.received, self._clock(), damage)
            failure = damage
        raise failure

    def load_roots(self) -> None:
        """Read the CA bundle ahead of the first request, which takes its time; raises what request() would raise."""
        _ = self._session

    def open(self, count: int) -> None:
        """Open so many connections ahead of the first requests, which then need not wait for TLS.

        One that can't be opened is opened by its request, which also tells why not. Plain HTTP needs none.
        """
        adapter = self._session.get_adapter(self._base_url)
        if isinstance(adapter, TlsAdapter):
            adapter.open(self._base_url, count)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


@cache
def _public_roots() -> CaBundle:
    return CaBundle.in_file(Path(DEFAULT_CA_BUNDLE_PATH))


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
