"""A simulator's control endpoint, `/_control/<name>`, and how another process uses it."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

import requests
from werkzeug import Request, Response

CONTROL_PATH = "/_control/"
_TIMEOUT_S = 60

Method = Callable[..., object]


def answer(methods: Mapping[str, Method], request: Request) -> Response:
    """Call the method that the path names, with the arguments of the JSON body, or for a GET of the query (strings).

    Replies 200 `{"result": ...}`; 404 `{"error": ...}` for an unknown name; 400 `{"error": ...}` for wrong arguments.
    """
    name = request.path.removeprefix(CONTROL_PATH)
    method = methods.get(name)
    if method is None:
        return _json(404, {"error": f"no such control; there are {', '.join(sorted(methods))}"})
    try:
        arguments = request.args.to_dict() if request.method == "GET" else json.loads(request.get_data() or b"{}")
        inspect.signature(method).bind(**arguments)
    except (TypeError, ValueError) as error:
        return _json(400, {"error": f"{name}: {error}"})
    try:
        return _json(200, {"result": method(**arguments)})
    except (LookupError, ValueError, OSError) as error:
        return _json(400, {"error": f"{name}: {error}"})


def _json(status: int, body: object) -> Response:
    return Response(json.dumps(body, default=_plain), status=status, mimetype="application/json")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


class ControlError(Exception):
    """The simulator did not do what its control endpoint was asked; the message says why."""


class RemoteSimulator:
    """A simulator that runs in another process: `RemoteSimulator(url).ask("has_session", user="ada@example.com")`."""

    def __init__(self, url: str) -> None:
        """Take the simulator's own address, as its `url` says it."""
        self._url = url + CONTROL_PATH
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy from the environment has no way to our loopback

    # The shape of the answer is that of the named method.
    def ask(self, name: str, /, **arguments: object) -> Any:
        """Call the simulator's method of that name; return its result as JSON has it."""
        reply = self._session.post(self._url + name, json=arguments, timeout=_TIMEOUT_S)
        if reply.status_code != requests.codes.ok:
            raise ControlError(reply.json()["error"])
        return reply.json()["result"]

    def close(self) -> None:
        """Close the connections to the simulator."""
        self._session.close()
