"""What both simulators share: a server, a lock, a clock to move, faults, a journal and the control endpoint."""

import copy
import json
import random
import ssl
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar
from urllib.parse import unquote

from werkzeug import Request, Response

from local.closes import Closes
from local.http_server import LOOPBACK, HttpServer
from local.simulators import control, wire
from local.simulators.faults import OWN, RESET, Fault, Faults, Handling, Hold
from local.simulators.grants import TokenMint, digest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CATALOGUE = Path(__file__).parents[1] / "catalogue"
#: every minted token begins with this, so that a search for it finds each leak
CANARY = "leaver-canary-"

State = TypeVar("State")


class Refused(Exception):
    """The provider's answer to a request that it does not grant."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True)
class JournalEntry:
    """One request that a simulator got, without any secret."""

    received_at: datetime
    answered_at: datetime
    method: str
    #: as it was sent: percent-encoded, without the query
    path: str
    #: the names of the query parameters (a value may be a secret that was put in the wrong place)
    query: tuple[str, ...]
    #: what went over the wire; None: the connection was reset
    status: int | None
    #: SHA-256 of the bearer token
    bearer: str | None


@dataclass(frozen=True)
class Call:
    """A request at the moment it is handled, and the mint for the tokens that it may be granted."""

    request: Request
    now: datetime
    mint: TokenMint


def json_response(status: int, body: object) -> Response:
    """Build an answer as JSON APIs give it."""
    return Response(json.dumps(body, ensure_ascii=False), status=status, content_type="application/json;charset=UTF-8")


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def raw_path(request: Request) -> str:
    """Return the path as it was sent, before anything was decoded."""
    return str(request.environ["RAW_URI"]).partition("?")[0]


def segments(request: Request) -> tuple[str, ...]:
    """Return the segments of the path, each decoded once; `//`, `/./` and `/../` are resolved as web servers do."""
    resolved: list[str] = []
    for segment in map(unquote, raw_path(request).split("/")):
        if segment == "..":
            del resolved[-1:]
        elif segment not in ("", "."):
            resolved.append(segment)
    return tuple(resolved)


def bearer_digest(request: Request) -> str | None:
    """Return the digest of the request's bearer token, if it carries one."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        return None
    return digest(authorization.token)


class ProviderSimulator(Closes, Generic[State]):
    """A provider that answers on loopback from construction until `close`.

    Every public method may be called from any thread, and from any process as `POST /_control/<method>` with its
    arguments, by name, as a JSON object (an empty body: none), or as GET with the arguments in the query where all of
    them are strings; the reply is `{"result": <what it returns>}`, with times in ISO-8601.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = (
        "advance",
        "clear_faults",
        "clear_journal",
        "inject",
        "journal",
        "now",
        "release",
        "wait_until_held",
    )

    def __init__(
        self,
        state: State,
        *,
        catalogue: Path = CATALOGUE,
        clock: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        token_prefix: str = CANARY,
        bind: str = LOOPBACK,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Begin to serve.

        `catalogue` holds `<provider>/<name>.http`; `clock` returns aware UTC; `rng` makes the tokens (default: the
        system's); `port` 0 is any free one; `tls` is the server's side of it, None: plain http.
        """
        self._state = state
        self._lock = threading.RLock()
        self._clock = clock
        self._advanced = timedelta()
        self._mint = TokenMint(token_prefix, rng or random.SystemRandom())
        self._faults = Faults(catalogue)
        self._journal: list[JournalEntry] = []
        self._server = HttpServer(self._application, bind=bind, port=port, tls=tls)
        self.url = f"{'https' if tls else 'http'}://{bind}:{self._server.port}"

    def close(self) -> None:
        """Release what is held, serve no more, and free the port."""
        self._faults.close()
        self._server.close()

    # -- time

    def now(self) -> datetime:
        """Return the provider's time, UTC."""
        with self._lock:
            return self._clock() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        with self._lock:
            self._advanced += timedelta(seconds=seconds)

    # -- faults (see `Fault` for what the fields mean)

    def inject(
        self,
        path: str,
        *,
        method: str = "*",
        times: int | None = 1,
        handling: Handling = "commit",
        reply: str = OWN,
        latency_ms: int = 0,
        hold: Hold = "never",
    ) -> None:
        """Let the next `times` requests that match go wrong."""
        self._faults.inject(Fault(path, method, times, handling, reply, latency_ms, hold))

    def clear_faults(self) -> None:
        """Forget every fault that is still queued."""
        self._faults.clear()

    def wait_until_held(self, count: int = 1, timeout_s: float = 10) -> int:
        """Wait until so many requests are held (`Fault.hold`), or the time is over; return how many are."""
        return self._faults.wait_until_held(count, timeout_s)

    def release(self) -> None:
        """Let every request go that is held now."""
        self._faults.release()

    # -- the journal

    def journal(self, path: str = ".*", method: str = "*") -> list[JournalEntry]:
        """Return the requests that were answered, oldest first; `path` is a regular expression for the whole path."""
        wanted = Fault(path=path, method=method)
        with self._lock:
            return [entry for entry in self._journal if wanted.matches(entry.method, entry.path)]

    def clear_journal(self) -> None:
        """Forget the requests that were answered."""
        with self._lock:
            self._journal.clear()

    # -- serving

    def _application(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()  # read it all: closing a socket with something unread resets it
        if request.path.startswith(control.CONTROL_PATH):
            methods = {name: getattr(self, name) for name in self.CONTROLS}
            return control.answer(methods, request)(environ, start_response)
        received_at = self.now()
        fault = self._faults.take(request.method, raw_path(request))
        response = None
        if fault.handling == "skip":
            self._wait(fault)
        else:
            response = self._process(request, fault)
        self._faults.hold(fault, "after")
        raw = self._faults.raw_answer(fault)
        if fault.reply == RESET:
            self._note(request, received_at, status=None)
            wire.reset(environ)
        if raw is not None:
            self._note(request, received_at, status=int(raw.split(maxsplit=2)[1]))
            wire.send_raw(environ, raw)
        if response is None:
            raise AssertionError("a fault that skips a request has a reply")
        self._note(request, received_at, status=response.status_code)
        return response(environ, start_response)

    def _note(self, request: Request, received_at: datetime, *, status: int | None) -> None:
        entry = JournalEntry(
            received_at=received_at,
            answered_at=self.now(),
            method=request.method,
            path=raw_path(request),
            query=tuple(request.args),
            status=status,
            bearer=bearer_digest(request),
        )
        with self._lock:
            self._journal.append(entry)

    def _wait(self, fault: Fault) -> None:
        self._faults.delay(fault)
        self._faults.hold(fault, "before")

    def _process(self, request: Request, fault: Fault) -> Response:
        """Let the fault's time pass, then handle the request, on a copy of the state if it is to be a lie."""
        self._wait(fault)
        with self._lock:
            state = copy.deepcopy(self._state) if fault.handling == "pretend" else self._state
            try:
                return self._handle(state, Call(request, self.now(), self._mint))
            except Refused as refused:
                return refused.response

    @abstractmethod
    def _handle(self, state: State, call: Call) -> Response:
        """Answer a call from this state, and change it accordingly. The lock is held. May raise Refused."""
