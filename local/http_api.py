"""The template's HTTP API on this machine: each request becomes one event of a function, and its answer comes back."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request, Response

from local.aws.stack import Stack
from local.aws.template import Json
from local.http_events import http_event
from local.http_server import LOOPBACK, HttpServer
from local.runtime_api import FunctionError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Invoke = Callable[[Json], Json]

#: bytes of a body that the gateway takes
_LARGEST = 10 * 1024 * 1024
#: seconds in which a request has to be whole: AWS does not say how long the gateway waits
READS_WITHIN = 30.0


class HttpApi(HttpServer):
    """Listens from construction, for the stack tells the address, and answers 404 until it has routes."""

    def __init__(self, *, bind: str = LOOPBACK, port: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to listen."""
        self._routes: Mapping[str, Invoke] = {}
        super().__init__(self._serve, bind=bind, port=port, reads_within=READS_WITHIN, clock=clock)

    def open(self, stack: Stack, functions: Mapping[str, Invoke]) -> None:
        """Lead the stack's routes to functions, which are given by ARN."""
        targets = {
            f"integrations/{each.ref}": functions[each.properties["IntegrationUri"]]
            for each in stack.of_type("AWS::ApiGatewayV2::Integration")
        }
        routes = stack.of_type("AWS::ApiGatewayV2::Route")
        self._routes = {each.properties["RouteKey"]: targets[each.properties["Target"]] for each in routes}

    @property
    def paths(self) -> list[str]:
        """The paths that have a route of their own."""
        return [key.partition(" ")[2] for key in self._routes if " " in key]

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(Request(environ), environ["REQUEST_URI"])(environ, start_response)

    def _answer(self, request: Request, uri: str) -> Response:
        path, _, query = uri.partition("?")
        key = next((each for each in self._routes if _leads(each, request.method, path)), "$default")
        if key not in self._routes:
            return _message(HTTPStatus.NOT_FOUND)
        if (request.content_length or 0) > _LARGEST:
            return _message(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            body = request.get_data()
        except ClientDisconnected:
            # It hung up, or took too long.
            return _message(HTTPStatus.REQUEST_TIMEOUT)
        event = http_event(request.method, path, request.headers, body, route=key, query=query)
        try:
            answer = self._routes[key](event)
        except FunctionError:
            return _message(HTTPStatus.INTERNAL_SERVER_ERROR)
        return Response(answer["body"], answer["statusCode"], answer["headers"])


def _leads(key: str, method: str, path: str) -> bool:
    wanted, _, pattern = key.partition(" ")
    parts, found = pattern.split("/"), path.split("/")
    return (
        wanted in {"ANY", method}
        and len(parts) == len(found)
        and all(part == given or (part.startswith("{") and given) for part, given in zip(parts, found, strict=True))
    )


def _message(status: HTTPStatus) -> Response:
    return Response(json.dumps({"message": status.phrase}), status, content_type="application/json")
