"""A person's consent, by way of their browser: authorization code with PKCE and a loopback redirect (RFC 8252)."""

import queue
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from threading import Thread
from typing import Protocol, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from leaver.providers.answer import safe_code
from leaver_cli.commands import InASentence

_LOOPBACK = "127.0.0.1"


class NoConsent(InASentence):
    """There is no code: nobody came back from the consent page in time, or they declined, or they can't come back."""


@dataclass(frozen=True)
class Consent:
    """A code in hand, and what it must be exchanged with."""

    code: SecretStr
    code_verifier: SecretStr
    redirect_uri: str


class ConsentPage(Protocol):
    """Builds the address of a provider's consent page (RFC 6749, section 4.1.1; RFC 7636, section 4.3)."""

    def __call__(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Build it: it holds nothing that has to be kept from the browser."""


def code_challenge(code_verifier: SecretStr) -> str:
    """Return what may be shown of a code verifier before it is used itself (RFC 7636, section 4.2, S256)."""
    return urlsafe_b64encode(sha256(code_verifier.get_secret_value().encode()).digest()).decode().rstrip("=")


def ask_for_consent(
    consent_page: ConsentPage, *, show: Callable[[str, str], None], port: int = 0, timeout: float = 300
) -> Consent:
    """Wait for somebody to consent at a provider, `timeout` seconds; raises NoConsent.

    `show` is given the page to open and the redirect URI, which the app must have on its list there; port 0 is any free
    one.
    """
    state, code_verifier = token_urlsafe(32), SecretStr(token_urlsafe(64))
    try:
        listening = _Redirect(state, port)
    except OSError as error:
        raise NoConsent(f"port {port}: {error.strerror}") from None
    with listening as redirect:
        page = consent_page(redirect_uri=redirect.uri, state=state, code_challenge=code_challenge(code_verifier))
        show(page, redirect.uri)
        return Consent(redirect.wait(timeout), code_verifier, redirect.uri)


@dataclass(frozen=True)
class _Back:
    """What the browser brought: a code, or the word for why there is none."""

    code: SecretStr | None = None
    error: str | None = None


class _Redirect(ThreadingHTTPServer):
    """Where the browser is sent back to. Threads, because browsers open connections that they then don't use."""

    def __init__(self, state: str, port: int) -> None:
        self._state = state
        self._came_back: queue.Queue[_Back] = queue.Queue(maxsize=1)
        super().__init__((_LOOPBACK, port), _Handler)
        self.uri = f"http://{_LOOPBACK}:{self.server_port}/"
        self._thread = Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def wait(self, timeout: float) -> SecretStr:
        """Wait for the one request that counts."""
        try:
            back = self._came_back.get(timeout=timeout)
        except queue.Empty:
            raise NoConsent(f"nobody came back from the consent page within {timeout:g} seconds") from None
        if back.code is None:
            raise NoConsent(f"the browser was sent back without a code: {back.error or 'it did not say why'}")
        return back.code

    def read(self, query: str) -> _Back | None:
        """Read what the browser brings; None where it does not come from the page that we asked for."""
        parameters = parse_qs(query, max_num_fields=20)
        if any(len(values) > 1 for values in parameters.values()):
            return None
        one = {name: value for name, (value,) in parameters.items()}
        # Without this, a page in the same browser could slip us a code of its own: somebody else's connection.
        if not compare_digest(one.get("state", "").encode(), self._state.encode()):
            return None
        if code := one.get("code", "").strip():
            return _Back(code=SecretStr(code))
        return _Back(error=safe_code(one.get("error")))

    def take(self, back: _Back) -> None:
        """Keep what came first; the browser may ask once more for the same page."""
        with suppress(queue.Full):
            self._came_back.put_nowait(back)


class _Handler(BaseHTTPRequestHandler):
    server: _Redirect
    #: seconds
    timeout = 10

    def do_GET(self) -> None:
        """Answer the browser, and only then let the command go on: it closes the server."""
        address = urlsplit(self.path)
        if address.path != "/":
            self._answer(HTTPStatus.NOT_FOUND, "Nothing is here.")
            return
        try:
            back = self.server.read(address.query)
        except ValueError:
            back = None
        if back is None:
            self._answer(HTTPStatus.BAD_REQUEST, "leaver connect is not waiting for this: use the link that it shows.")
            return
        said = "Thank you. You can close this page and go back to the terminal."
        self._answer(HTTPStatus.OK, said if back.code else "No consent was given, and nothing is connected.")
        self.server.take(back)

    def _answer(self, status: HTTPStatus, said: str) -> None:
        page = f"<!doctype html><title>Leaver</title><p>{escape(said)}</p>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing: the line would hold the code."""
