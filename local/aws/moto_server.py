"""moto over HTTP with four of AWS's manners that it lacks: calls in turn, long polls, no forged `aws.*`, patterns.

Besides, a call can be held: a process dies best in the middle of one.
"""

import io
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from flask import Flask
from moto.core import responses
from moto.core.botocore_stubber import MockRawResponse
from moto.core.utils import method_names_from_class
from moto.events.models import EventsBackend, events_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import BackendRequest, DomainDispatcherApplication, create_backend_app
from moto.sns.models import sns_backends
from moto.sqs.models import SQSBackend, sqs_backends
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Response

from local.aws import answers, patterns
from local.aws.partitions import Reach, reached, reached_in_s3
from local.aws.template import ACCOUNT, REGION, Json
from local.call_gate import CallGate
from local.closes import Closes
from local.http_server import LOOPBACK, HttpServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: moto checks no signatures; both halves are the same word
CREDENTIAL = "local"

#: AWS's answer to an entry whose source is reserved for AWS and its partners
_NOT_AUTHORIZED = {"ErrorCode": "NotAuthorizedForSource", "ErrorMessage": "Not authorized for the source."}

#: how long a long poll may hold up closing, seconds
_POLL_S = 0.1

# moto would find out at each call which services there are, and which operations a service has: a fifth of the call.
responses.method_names_from_class = cache(method_names_from_class)  # type: ignore[attr-defined]

# moto keeps its state in module globals: a second server in the same process would be the same AWS.
_ONE_PER_PROCESS = threading.Lock()


class MotoServer(Closes):
    """AWS, empty at first, at `url`; the same in process as `sqs` and `events`, to be touched under `lock` alone."""

    def __init__(self, *, bind: str = LOOPBACK, advertise: str = LOOPBACK, port: int = 0) -> None:
        """Listen on `bind`:`port` (0: any); `advertise` is the host name by which the functions and `url` call it."""
        if not _ONE_PER_PROCESS.acquire(blocking=False):
            raise RuntimeError("this process already has a local AWS; moto can't hold two")
        try:
            moto_api_backend.reset()
            patterns.patch_moto()
            answers.patch_moto()
            self.lock = threading.RLock()
            #: keeps calls waiting, by the operation's name ("PutSecretValue")
            self.gate = CallGate()
            #: the last calls that came, by the operation's name
            self.calls: deque[str] = deque(maxlen=1000)
            #: which partitions, tables, secrets, queues and detail-types who got at
            self.reached: set[Reach] = set()
            self._closing = threading.Event()
            moto = _Moto(create_backend_app)
            moto.get_backend_for_host = cache(moto.get_backend_for_host)  # type: ignore[method-assign]
            self._behaviour = _AwsBehaviour(moto, self.lock, self._closing, self.gate, self.calls, reached=self.reached)
            self._server = HttpServer(self._behaviour, bind=bind, port=port, keeps_connections=True)
        except BaseException:
            _ONE_PER_PROCESS.release()
            raise
        self.url = f"http://{advertise}:{self._server.port}"
        self._own_url = f"http://{LOOPBACK}:{self._server.port}"
        self._clients: dict[str, Json] = {}
        #: the queues, in process
        self.sqs: SQSBackend = sqs_backends[ACCOUNT][REGION]
        #: the buses, in process: what comes in here is not asked for its source, so partners come this way
        self.events: EventsBackend = events_backends[ACCOUNT][REGION]

    def published(self, topic: str) -> list[dict[str, str]]:
        """What was sent to an SNS topic of this ARN, by protocol; the subject as `subject`."""
        with self.lock:
            sent = list(sns_backends[ACCOUNT][REGION].topics[topic].sent_notifications)
        return [json.loads(message) | {"subject": subject} for _, message, subject, *_ in sent]

    def client(self, service: str) -> Json:
        """Return the boto3 client for `service`, always the same one: it calls moto directly, at half of the cost."""
        if service not in self._clients:
            client = _session().client(service, endpoint_url=self._own_url)  # type: ignore[call-overload]
            client.meta.events.register("before-send", self._answer)
            self._clients[service] = client
        return self._clients[service]

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        asked = {name: it.decode() if isinstance(it, bytes) else it for name, it in request.headers.items()}
        environ = create_environ(request.url, self._own_url, method=request.method, headers=asked, data=request.body)
        chunks, status, headers = run_wsgi_app(self._behaviour, environ)
        body = MockRawResponse(b"".join(chunks))
        return AWSResponse(request.url, int(status[:3]), HTTPHeaders.from_pairs(headers), body)

    def close(self) -> None:
        """Stop serving; the next one begins empty."""
        self._closing.set()
        self.gate.close()
        for client in self._clients.values():
            client.close()
        self._server.close()
        _ONE_PER_PROCESS.release()


@cache
def _session() -> boto3.Session:
    """Keep what botocore has read of AWS's APIs from one local AWS to the next."""
    return boto3.Session(CREDENTIAL, CREDENTIAL, region_name=REGION)


class _Moto(DomainDispatcherApplication):
    """moto without Flask, which takes a fifth of a call, where a service is called by X-Amz-Target, at one address."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        service = self.get_application(environ)
        if "HTTP_X_AMZ_TARGET" not in environ:
            answer: Iterable[bytes] = service(environ, start_response)
            return answer
        request = BackendRequest(environ)
        try:
            status, headers, body = _handler(service, request.path)(request, request.raw_url, dict(request.headers))
        except HTTPException as refusal:
            return refusal(environ, start_response)
        return Response(body, status, headers)(environ, start_response)


@cache
def _handler(service: Flask, path: str) -> Callable[..., tuple[int, Json, str]]:
    """Ask Flask what it would call."""
    endpoint, _ = service.url_map.bind("").match(path, "POST")
    view: Json = service.view_functions[endpoint]
    handler: Callable[..., tuple[int, Json, str]] = view.callback
    return handler


class _AwsBehaviour:
    def __init__(
        self,
        moto: "WSGIApplication",
        lock: threading.RLock,
        closing: threading.Event,
        gate: CallGate,
        calls: deque[str],
        *,
        reached: set[Reach],
    ) -> None:
        self._moto = moto
        self._lock = lock
        self._closing = closing
        self._gate = gate
        self._calls = calls
        self._reached = reached

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target == "AmazonSQS.ReceiveMessage":
            self._wait_for_a_message(environ)
        operation = target.rpartition(".")[2]
        # What a function prints, Lambda itself writes down: that is no call of the function's.
        if operation != "PutLogEvents":
            self._calls.append(operation)
        if target:
            request = _read(environ)
            self._reached.update(reached(environ.get("HTTP_AUTHORIZATION", ""), target, request))
            _replace(environ, request)
        elif "/s3/aws4_request" in (authorization := environ.get("HTTP_AUTHORIZATION", "")):
            self._reached.update(reached_in_s3(authorization, environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            # SNS speaks AWS's older protocol.
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            form = dict(parse_qsl(body.decode()))
            operation = form.get("Action", "")
            self._calls[-1] = operation
            self._reached.update(reached(environ.get("HTTP_AUTHORIZATION", ""), f"SNS.{operation}", form))
            environ["wsgi.input"] = io.BytesIO(body)
        if not self._gate.wait_if_held(operation, "before"):
            return Response("dropped", 503)(environ, start_response)
        # moto reads, checks and writes without a lock: two conditional writes at once would both succeed, and a
        # message sent while another is deleted would be lost.
        with self._lock:
            if target == "AWSEvents.PutEvents":
                answer = self._put_events(environ, start_response)
            else:
                answer = self._moto(environ, start_response)
        self._gate.wait_if_held(operation, "after")
        return answer

    def _wait_for_a_message(self, environ: "WSGIEnvironment") -> None:
        request = _read(environ)
        deadline = time.monotonic() + request.get("WaitTimeSeconds", 0)
        # moto would wait with the lock in hand.
        _replace(environ, request | {"WaitTimeSeconds": 0})
        queue = sqs_backends[ACCOUNT][REGION].queues.get(request["QueueUrl"].rsplit("/", 1)[-1])
        while queue and not queue.messages and time.monotonic() < deadline and not self._closing.is_set():
            queue.wait_for_messages(_POLL_S)  # type: ignore[arg-type]  # passed on to Condition.wait_for, which takes a float

    def _put_events(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = _read(environ)
        forged = [place for place, entry in enumerate(request["Entries"]) if entry.get("Source", "").startswith("aws.")]
        for place in forged:
            # moto refuses an entry without a source, and keeps its place in the answer.
            request["Entries"][place]["Source"] = ""
        _replace(environ, request)
        chunks, status, headers = run_wsgi_app(self._moto, environ)
        answer = json.loads(b"".join(chunks))
        if status.startswith("200"):
            for place in forged:
                answer["Entries"][place] = _NOT_AUTHORIZED
        return Response(json.dumps(answer), status, content_type=headers["Content-Type"])(environ, start_response)


def _read(environ: "WSGIEnvironment") -> Json:
    return json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))


def _replace(environ: "WSGIEnvironment", request: Json) -> None:
    body = json.dumps(request).encode()
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
