"""Acme's authorization server, on loopback: rotation, and a revocation that succeeds for any token."""

import json
import random
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs

from local.simulators.grants import Grants, InvalidGrantError, Issued, Rotation, TokenMint, digest

CLIENT_ID: Final = "leaver-app"
CLIENT_SECRET: Final = "acme-s3cret"


class AcmeServer:
    """What Acme knows: its grants, and the codes that people's consent brought."""

    def __init__(self) -> None:
        """Begin with nobody's consent."""
        self.grants = Grants(
            access_lifetime=timedelta(hours=1),
            refresh_lifetime=None,
            grant_lifetime=None,
            rotation=Rotation.STRICT,
            refresh_kills_access=False,
        )
        #: what was asked, in order: /token or /revoke, and the grant type or the kind of token
        self.asked: list[str] = []
        #: calls every token revoked, and ends no grant
        self.only_says_so = False
        #: who has an account, by login
        self.people: dict[str, str] = {}
        self.url = ""
        self._codes: dict[str, str] = {}
        self._mint = TokenMint("acme-", random.Random(7))  # noqa: S311 - the same each time
        self._lock = threading.Lock()

    def consent(self, subject: str) -> str:
        """Somebody consents; returns the code."""
        code = self._mint("code")
        self._codes[code] = subject
        return code

    def live(self) -> int:
        """How many grants can still be used."""
        now = datetime.now(tz=UTC)
        return sum(grant.is_alive(now) for grant in self.grants)

    def knows(self, refresh_token: str) -> bool:
        """Whether a refresh token works."""
        return digest(refresh_token) in self.grants.live_tokens(datetime.now(tz=UTC))["refresh"]

    def answer(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        """Answer a form as RFC 6749 and RFC 7009 have it."""
        with self._lock:
            if path == "/revoke":
                self.asked.append("revoke")
                return self._revoke(form["token"])
            self.asked.append(form["grant_type"])
            return self._token(form)

    def list_people(self, access_token: str) -> tuple[int, dict[str, object]]:
        """Answer whoever has a token that works with everybody who has an account."""
        found = self.grants.of_access_token(digest(access_token))
        if found is None or not found[0].is_alive(datetime.now(tz=UTC)):
            return 401, {}
        return 200, {"people": [{"login": login, "email": email} for login, email in self.people.items()]}

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        now = datetime.now(tz=UTC)
        try:
            if form["grant_type"] == "authorization_code":
                subject = self._codes.pop(form["code"])
                issued = self.grants.authorize(CLIENT_ID, subject, "read", now=now, mint=self._mint)
            else:
                issued = self.grants.refresh(form["refresh_token"], CLIENT_ID, now=now, mint=self._mint)
        except (KeyError, InvalidGrantError):
            return 400, {"error": "invalid_grant"}
        return 200, _tokens(issued, now)

    def _revoke(self, token: str) -> tuple[int, dict[str, object]]:
        found = self.grants.of_access_token(digest(token))
        if found is not None and not self.only_says_so:
            self.grants.revoke(found[0])
        return 200, {}


def _tokens(issued: Issued, now: datetime) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": int((issued.access.expires_at - now).total_seconds()),
        "refresh_token": issued.refresh_token,
        "scope": issued.access.scope,
    }


@contextmanager
def acme_server() -> Iterator[AcmeServer]:
    """Run it on a free port of loopback."""
    acme = AcmeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            signed = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
            if signed == f"{CLIENT_ID}:{CLIENT_SECRET}":
                status, told = acme.answer(self.path, {name: values[0] for name, values in parse_qs(body).items()})
            else:
                status, told = 401, {"error": "invalid_client"}
            self._send(status, told)

        def do_GET(self) -> None:
            self._send(*acme.list_people(self.headers["Authorization"].removeprefix("Bearer ")))

        def _send(self, status: int, told: dict[str, object]) -> None:
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Keep quiet: a request may hold a token."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        acme.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield acme
        finally:
            server.shutdown()
            thread.join()
