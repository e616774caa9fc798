"""Everything that leaves this process while it is watched: what it says, writes, sends, starts, and hands on."""

import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from traceback import format_exception
from types import TracebackType
from typing import Any, Final, Self
from unittest import mock

import requests
from botocore.client import BaseClient
from botocore.endpoint import Endpoint

from tests.doubles.spellings import spelled_in

#: what of a call to AWS may hold a secret: there it belongs, or nobody but KMS sees it
MAY_HOLD_SECRETS: Final = {
    "CreateSecret": "SecretString",
    "PutSecretValue": "SecretString",
    "Encrypt": "Plaintext",
}
#: what Python tells of itself so often that it would hide the rest, and of nothing that leaves the process
_INSIDE: Final = ("import", "compile", "exec", "marshal.", "object.", "code.", "sys._", "gc.", "ctypes.", "cpython.")
_WRITES: Final = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Left:
    """Something that left, and by which way."""

    place: str
    text: str


class Watch:
    """Watches from `with` to its end; `found` searches all that left meanwhile.

    What is printed it gets from `own_streams`, or in a test of pytest's, which changes the streams itself, from capfd.
    """

    def __init__(self) -> None:
        #: bodies of messages that hold a secret when they come: a dead letter is the message as it came
        self.came_so: set[str] = set()
        self._left: list[Left] = []
        self._written: set[str] = set()
        self._ending = ExitStack()

    @property
    def places(self) -> set[str]:
        """By which ways something left."""
        return {each.place for each in self._left}

    def found(self, secrets: Iterable[str]) -> set[str]:
        """Say by which ways a secret left, and in which spelling."""
        self._read_files()
        texts = {place: "\n".join(each.text for each in self._left if each.place == place) for place in self.places}
        return {
            f"{place}: {spelling}"
            for place, text in texts.items()
            for secret in secrets
            for spelling in spelled_in(text, secret)
        }

    def hands_on(self, place: str, thing: object) -> None:
        """Take down what the process hands on by a way that only its caller sees."""
        if text := thing if isinstance(thing, str) else json.dumps(thing, default=str):
            self._left.append(Left(place, text))

    def hearing(self, place: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Make a call whose answer is taken down."""

        def heard(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            self.hands_on(place, answer)
            return answer

        return heard

    def __enter__(self) -> Self:
        watched = ExitStack()
        handler = _Records(partial(self.hands_on, "log record"))
        root = logging.getLogger()
        # As Lambda does where AWS_LAMBDA_LOG_LEVEL is DEBUG; by Leaver's own an earlier test may have made its logger.
        for logger in (root, logging.getLogger("leaver")):
            watched.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
        root.addHandler(handler)
        watched.callback(root.removeHandler, handler)
        watched.enter_context(mock.patch.object(warnings, "showwarning", self._warns))
        watched.enter_context(
            mock.patch.object(BaseClient, "_make_api_call", self._calls(vars(BaseClient)["_make_api_call"]))
        )
        watched.enter_context(mock.patch.object(Endpoint, "make_request", self._asks(Endpoint.make_request)))
        watched.enter_context(mock.patch.object(requests.Session, "send", self._sends(requests.Session.send)))
        watched.enter_context(mock.patch.object(Thread, "start", self._starts(Thread.start)))
        _audited_by.append(self._audit)
        watched.callback(_audited_by.remove, self._audit)
        self._ending = watched.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.hands_on("exception", "".join(format_exception(error)))
        self._read_files()
        self._ending.close()

    def _warns(self, message: Warning | str, *_: object, **__: object) -> None:
        self.hands_on("warning", str(message))

    def _calls(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            told = {
                name: each
                for name, each in parameters.items()
                if MAY_HOLD_SECRETS.get(operation) != name and not (name == "MessageBody" and each in self.came_so)
            }
            self.hands_on(f"AWS {operation}", told)
            return call(client, operation, parameters)

        return watched

    def _asks(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def watched(endpoint: Any, operation: Any, request: dict[str, Any]) -> Any:
            self.hands_on("AWS header", dict(request["headers"]))
            return ask(endpoint, operation, request)

        return watched

    def _sends(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def watched(session: Any, request: requests.PreparedRequest, **options: Any) -> Any:
            self.hands_on("HTTP address", str(request.url))
            self.hands_on("HTTP header", {k: v for k, v in request.headers.items() if k != "Authorization"})
            return send(session, request, **options)

        return watched

    def _starts(self, start: Callable[[Thread], None]) -> Callable[[Thread], None]:
        def watched(thread: Thread) -> None:
            self.hands_on("thread name", thread.name)
            start(thread)

        return watched

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and isinstance(flags, int) and flags & _WRITES:
                self.hands_on("file name", path)
                # Only later does it hold what is written.
                self._written.add(path)
        elif event == "os.putenv" and arguments[0] == b"PYTEST_CURRENT_TEST":
            return  # a test's own name, which may hold a canary
        elif texts := [text for each in arguments for text in _texts(each)]:
            self.hands_on(event, " ".join(texts))

    def _read_files(self) -> None:
        for path in tuple(self._written):
            with suppress(OSError):
                self.hands_on("file", Path(path).read_text(errors="replace"))


@contextmanager
def own_streams(watch: Watch) -> Iterator[None]:
    """Take both streams, for those too who print past Python."""
    with ExitStack() as taken:
        for descriptor, redirect, place in (
            (1, redirect_stdout, "standard output"),
            (2, redirect_stderr, "standard error"),
        ):
            file = taken.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            kept = os.dup(descriptor)

            def end(file: Any = file, kept: int = kept, descriptor: int = descriptor, place: str = place) -> None:
                file.flush()
                os.dup2(kept, descriptor)
                os.close(kept)
                file.seek(0)
                watch.hands_on(place, file.read())

            taken.callback(end)
            os.dup2(file.fileno(), descriptor)
            taken.enter_context(redirect(file))
        yield


class _Records(logging.Handler):
    """All that a log record holds, whatever a formatter would show of it."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(f"{record.getMessage()} {vars(record)}")
        if record.exc_info and record.exc_info[1]:
            self._take("".join(format_exception(record.exc_info[1])))


def _texts(thing: object) -> Iterable[str]:
    match thing:
        case str():
            yield thing
        case bytes():
            yield thing.decode(errors="replace")
        case dict():
            for each in thing.items():
                yield from _texts(each)
        case list() | tuple():
            for each in thing:
                yield from _texts(each)


#: a hook can't be taken away again, so it asks who watches
_audited_by: list[Callable[[str, tuple[Any, ...]], None]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _audited_by and not event.startswith(_INSIDE):
        for audit in tuple(_audited_by):
            audit(event, arguments)


sys.addaudithook(_hook)
