"""Whoever hears notices: a ticket system at `/notices`, AWS's chat app, to which SNS posts, at `/chat`."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from local.http_server import HttpServer
from tests.doubles.chat_app import shown_in_channel

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Receiver(HttpServer):
    """Keeps what it is told by whoever says the secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        #: the events that the ticket system took, and what the channel shows
        self.notices: list[dict[str, Any]] = []
        self.shown: list[dict[str, Any]] = []
        #: what the ticket system answers instead to the next posts
        self.answers: list[int] = []
        self.posts = 0
        super().__init__(self._serve)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sentences(self) -> list[str]:
        return [each["detail"]["sentence"] for each in self.notices]

    def forget(self) -> None:
        self.notices.clear()
        self.shown.clear()
        self.answers.clear()
        self.posts = 0

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        told = json.loads(request.get_data())
        if request.path == "/chat":
            self.shown.append(shown_in_channel(told["Message"]))
            return Response()(environ, start_response)
        return Response(status=self._take(request, told))(environ, start_response)

    def _take(self, request: Request, told: dict[str, Any]) -> int:
        self.posts += 1
        if self.answers:
            return self.answers.pop(0)
        if (request.method, request.headers.get("Authorization")) != ("POST", self._secret):
            return 401
        if request.mimetype != "application/json" or told["detail-type"] != "PeopleNotified":
            return 400
        self.notices.append(told)
        return 204
