"""A container engine with networks and containers in memory, served over HTTP as Docker serves its API."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass
class DockerEngine:
    """Serve it by HttpServer; the engine fetches no image, and runs no program."""

    networks: set[str] = field(default_factory=set)
    #: the network of each container, by the container's name
    containers: dict[str, str] = field(default_factory=dict)
    #: the name and the body of each request to create a container
    created: dict[str, Any] = field(default_factory=dict)
    #: what every container prints: standard output, and then errors
    printed: tuple[bytes, bytes] = (b"", b"")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        status, body = self._answer(Request(environ))
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(raw, status, content_type="application/json")(environ, start_response)

    def _answer(self, request: Request) -> tuple[int, Any]:  # noqa: C901, PLR0911 - one case for each call of the API
        # /v1.41/networks/create; the version is missing where it is asked for
        place = [part for part in request.path.split("/")[1:] if not part.startswith("v1.")]
        match request.method, *place:
            case "GET", "version":
                return 200, {"ApiVersion": "1.41"}
            case "GET", "networks":
                (wanted,) = json.loads(request.args["filters"])["name"]
                return 200, [{"Id": name, "Name": name} for name in self.networks if wanted in name]
            case "POST", "networks", "create":
                name = request.get_json()["Name"]
                self.networks.add(name)
                return 201, {"Id": name}
            case "GET", "networks", name:
                return 200, {"Id": name, "Name": name}
            case "DELETE", "networks", name:
                self.networks.remove(name)
                return 204, {}
            case "GET", "containers", "json":
                (network,) = json.loads(request.args["filters"])["network"]
                return 200, [{"Id": name} for name, of in self.containers.items() if of == network]
            case "POST", "containers", "create":
                name, body = request.args["name"], request.get_json()
                self.created[name] = body
                (self.containers[name],) = body["NetworkingConfig"]["EndpointsConfig"]
                return 201, {"Id": name}
            case "POST", "containers", _, "start":
                return 204, {}
            case "GET", "containers", name, "json":
                # It has ended at once: none of its ports is published.
                ports = dict.fromkeys(self.created.get(name, {}).get("ExposedPorts", {}))
                return 200, {
                    "Id": name,
                    "Config": {"Tty": False},
                    "State": {"Status": "exited"},
                    "NetworkSettings": {"Ports": ports},
                }
            case "GET", "containers", _, "logs":
                frames = ((stream, text) for stream, text in enumerate(self.printed, start=1))
                return 200, b"".join(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4) + text for stream, text in frames)
            case "DELETE", "containers", name:
                del self.containers[name]
                return 204, {}
            case "POST", "build":
                return 200, {"error": "pull access denied"}
        return 500, {"message": f"unknown: {request.method} {request.path}"}
