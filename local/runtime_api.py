"""A function in a process of its own, run by AWS's runtime client against a Lambda Runtime API that is served here."""

import json
import os
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from local.aws.template import Json
from local.call_gate import CallGate
from local.closes import Closes
from local.fork_server import ForkServer
from local.http_server import HttpServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_API = "/2018-06-01/runtime/"

#: how long importing a function may take on a busy machine, seconds; Lambda allows 10
_INIT_TIMEOUT_S = 60.0

#: how soon a dead process is noticed, seconds
_LOOK_S = 0.02


@dataclass(frozen=True)
class Function:
    """What the template says about a function; `timeout` in seconds, `environment` without Lambda's own variables."""

    name: str
    arn: str
    folder: Path
    layers: tuple[Path, ...]
    handler: str
    timeout: float
    memory: int
    log_format: str
    environment: Mapping[str, str]


class FunctionError(Exception):
    """An invocation that failed; `payload` is what Lambda would answer: errorType, errorMessage."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        self.payload = {"errorType": error_type, "errorMessage": message}


@dataclass
class _Invocation:
    """One event on its way through the function, and what came of it."""

    event: bytes
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline: float | None = None
    result: Json = None
    error: Json = None
    done: bool = False


class RunningFunction(Closes):
    """A function as Lambda runs it: each event in a process that has no other one, a new process where none is free.

    All that it prints is appended to the file `log`.
    """

    def __init__(self, function: Function, log: Path, environment: Mapping[str, str], processes: ForkServer) -> None:
        """Take what every function is given besides its own `environment`: where AWS is, and with which credentials.

        Its `processes` are forked from one that has imported its layers.
        """
        self.function = function
        self._processes = processes
        #: keeps its answers waiting, all of them called "response"
        self.gate = CallGate()
        self._log = log
        self._log.touch()
        self._environment = environment
        self._changed = threading.Condition()
        self._free: list[_Sandbox] = []
        self._busy: list[_Sandbox] = []
        self._closed = False

    def invoke(self, event: Json) -> Json:
        """Hand over `event` and wait for the answer; FunctionError when it raises, dies or takes too long."""
        sandbox = self._take()
        try:
            return sandbox.invoke(event)
        except _SandboxLostError as lost:
            sandbox.kill()
            with self._log.open("a") as log:
                log.write(f"{lost}\n")
            raise FunctionError(lost.error_type, str(lost)) from None
        finally:
            self._give_back(sandbox)

    def kill(self) -> None:
        """End its processes at once (SIGKILL), as a crash would; the next event starts a new one."""
        with self._changed:
            for sandbox in self._all():
                sandbox.kill()

    @property
    def pids(self) -> list[int]:
        """Its processes, as many as there were events at once."""
        with self._changed:
            return [sandbox.pid for sandbox in self._all() if sandbox.alive]

    def log(self) -> str:
        """Return all that it has printed so far, over all its processes."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """End its processes for good, whatever they do; events under way fail."""
        with self._changed:
            self._closed = True
        self.gate.close()
        self.kill()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            while self._free:
                self._free.pop().close()

    def _all(self) -> "list[_Sandbox]":
        return [*self._free, *self._busy]

    def _take(self) -> "_Sandbox":
        with self._changed:
            if self._closed:
                raise FunctionError("ServiceException", f"{self.function.name} was ended together with its world")
            for dead in [sandbox for sandbox in self._free if not sandbox.alive]:
                self._free.remove(dead)
                dead.close()
            if not self._free:
                self._free.append(_Sandbox(self.function, self._log, self._environment, self._processes, self.gate))
            self._busy.append(self._free.pop())
            return self._busy[-1]

    def _give_back(self, sandbox: "_Sandbox") -> None:
        with self._changed:
            self._busy.remove(sandbox)
            self._free.append(sandbox)
            self._changed.notify_all()


class _SandboxLostError(Exception):
    """The process is dead, or was killed because it took too long."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class _Sandbox:
    """One process and the Runtime API that it alone talks to."""

    def __init__(
        self, function: Function, log: Path, environment: Mapping[str, str], processes: ForkServer, gate: CallGate
    ) -> None:
        self._function = function
        self._gate = gate
        self._changed = threading.Condition()
        self._waiting: _Invocation | None = None
        self._under_way: _Invocation | None = None
        self._init_error: Json = None
        self._closed = False
        self._api = HttpServer(self._serve, keeps_connections=True)
        try:
            self._process = processes.start(
                "awslambdaric",
                function.handler,
                folder=function.folder,
                environment=dict(environment)
                | _lambda_environment(function, f"127.0.0.1:{self._api.port}")
                # As a sandbox has /tmp: its own, for as long as it lives.
                | {"TMPDIR": tempfile.mkdtemp(prefix=f"{function.name}-", dir=log.parent)},
                log=log,
            )
        except BaseException:
            self._api.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.kill()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._api.close()

    def invoke(self, event: Json) -> Json:
        invocation = _Invocation(json.dumps(event).encode())
        init_deadline = time.time() + _INIT_TIMEOUT_S
        with self._changed:
            self._waiting = invocation
            self._changed.notify_all()
            while not invocation.done:
                self._check(invocation, init_deadline)
                self._changed.wait(_LOOK_S)
        if invocation.error is not None:
            raise FunctionError(invocation.error.get("errorType", ""), invocation.error.get("errorMessage", ""))
        return invocation.result

    def _check(self, invocation: _Invocation, init_deadline: float) -> None:
        started = f"RequestId: {invocation.request_id} Error: "
        if (returncode := self._process.poll()) is not None:
            if self._init_error is not None:
                raise _SandboxLostError(self._init_error["errorType"], self._init_error["errorMessage"])
            raise _SandboxLostError("Runtime.ExitError", f"{started}Runtime exited with {_how(returncode)}")
        if invocation.deadline is None and time.time() > init_deadline:
            raise _SandboxLostError("Sandbox.Timedout", f"{started}no init after {_INIT_TIMEOUT_S:.2f} seconds")
        if invocation.deadline is not None and time.time() > invocation.deadline:
            raise _SandboxLostError(
                "Sandbox.Timedout", f"{started}Task timed out after {self._function.timeout:.2f} seconds"
            )

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        path = request.path.removeprefix(_API)
        response = self._next() if path == "invocation/next" else self._taken(path, request.get_data())
        return response(environ, start_response)

    def _taken(self, path: str, body: bytes) -> Response:
        kind = path.rpartition("/")[2]
        if not self._gate.wait_if_held(kind, "before"):
            return Response("dropped", 503)
        response = self._take(path, body)
        self._gate.wait_if_held(kind, "after")
        return response

    def _next(self) -> Response:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            invocation, self._waiting = self._waiting, None
            if invocation is None:
                return Response("the sandbox is closed", 410)
            self._under_way = invocation
            # Lambda's clock for a function starts here: what came before was its init.
            invocation.deadline = time.time() + self._function.timeout
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            }
        return Response(invocation.event, 200, headers, content_type="application/json")

    def _take(self, path: str, body: bytes) -> Response:
        with self._changed:
            if path == "init/error":
                self._init_error = json.loads(body)
                return Response('{"status": "OK"}', 202)
            _, request_id, kind = path.split("/")
            invocation = self._under_way
            if invocation is None or invocation.request_id != request_id:
                return Response('{"errorType": "InvalidRequestID"}', 400)
            if kind == "response":
                invocation.result = json.loads(body or b"null")
            else:
                invocation.error = json.loads(body)
            invocation.done = True
            self._under_way = None
            self._changed.notify_all()
        return Response('{"status": "OK"}', 202)


def _how(returncode: int) -> str:
    return f"error: signal: {signal.Signals(-returncode).name}" if returncode < 0 else f"exit status {returncode}"


def _lambda_environment(function: Function, runtime_api: str) -> dict[str, str]:
    """Return the variables that Lambda sets, and the few that stand for its sandbox (paths, read-only code)."""
    return {
        **function.environment,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(str(path) for path in (function.folder, *function.layers)),
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
