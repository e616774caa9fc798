"""The local world over HTTP, for other processes: what AWS's API has no call for."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from local.aws.template import Json
from local.deployment import Deployment
from local.http_server import LOOPBACK, HttpServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class ControlServer(HttpServer):
    """Serves JSON in and out.

    `GET /status`: what is to do, the functions' processes, what is not built.
    `GET /environments`: the variables of each function by its logical id, for `sam local invoke`.
    `GET /topics/<arn>`: what was sent to an SNS topic, by protocol.
    `POST /partner-events`: `bus`, `source`, `detail-type`, `detail`; answers `event_id`.
    `POST /schedules/<function>`: starts a function as its schedule would.
    """

    def __init__(self, deployment: Deployment, *, bind: str = LOOPBACK, port: int = 0) -> None:
        """Begin to serve."""
        self._deployment = deployment
        super().__init__(self._serve, bind=bind, port=port)

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        status, answer = self._answer(Request(environ))
        return Response(json.dumps(answer), status, content_type="application/json")(environ, start_response)

    def _answer(self, request: Request) -> tuple[HTTPStatus, Json]:
        method, [first, *rest] = request.method, request.path.strip("/").split("/")
        try:
            match method, first, rest:
                case "GET", _, _:
                    return self._read(first, rest)
                case "POST", "partner-events", []:
                    event = json.loads(request.get_data())
                    event_id = self._deployment.put_partner_event(
                        event["bus"], event["source"], event["detail-type"], event["detail"]
                    )
                    return HTTPStatus.OK, {"event_id": event_id}
                case "POST", "schedules", [function]:
                    self._deployment.fire_schedule(function)
                    return HTTPStatus.ACCEPTED, {}
        except (KeyError, ValueError) as error:
            return HTTPStatus.BAD_REQUEST, {"error": f"{type(error).__name__}: {error}"}
        return HTTPStatus.NOT_FOUND, {"error": f"no {method} {request.path} here"}

    def _read(self, what: str, rest: list[str]) -> tuple[HTTPStatus, Json]:
        match what, rest:
            case "status", []:
                return HTTPStatus.OK, self._status()
            case "environments", []:
                return HTTPStatus.OK, self._deployment.environments()
            case "topics", [arn]:
                return HTTPStatus.OK, self._deployment.aws.published(arn)
        return HTTPStatus.NOT_FOUND, {"error": f"no GET {'/'.join([what, *rest])} here"}

    def _status(self) -> Json:
        return {
            "work": self._deployment.work(),
            "functions": {name: function.pids for name, function in self._deployment.functions.items()},
            "not_built": [
                {"type": kind, "resources": names, "why": why}
                for kind, names, why in self._deployment.stack.not_built()
            ],
        }
