"""The local HTTP API starts a function with a whole request alone, and waits for no sender for ever."""

import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from local.aws.stack import Stack
from local.http_api import READS_WITHIN, HttpApi

HEAD = b"POST /hibob/main HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"


class Door:
    """A door with one route, a clock that is set by hand, and what its function was asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        integration = SimpleNamespace(ref="1", properties={"IntegrationUri": "arn"})
        route = SimpleNamespace(properties={"RouteKey": "ANY /{source}/{connection}", "Target": "integrations/1"})
        found = {"AWS::ApiGatewayV2::Integration": [integration], "AWS::ApiGatewayV2::Route": [route]}
        self.api = HttpApi(clock=lambda: self.now)
        self.api.open(cast("Stack", SimpleNamespace(of_type=found.__getitem__)), {"arn": self._answer})

    def _answer(self, event: Any) -> Any:
        self.asked.append(event["body"])
        return {"statusCode": 200, "headers": {}, "body": ""}

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.api.port), timeout=20)

    def post(self, body: str) -> int:
        url = f"http://127.0.0.1:{self.api.port}/hibob/main"
        return requests.post(url, body, headers={"content-type": "application/json"}, timeout=20).status_code


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    with door.api:
        yield door


def last_words(connection: socket.socket) -> bytes:
    """What the door says before it hangs up."""
    told = b""
    with suppress(ConnectionError):
        while more := connection.recv(4096):
            told += more
    return told


@pytest.mark.parametrize(
    "begun",
    [
        b"POST /hib",
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{",
    ],
    ids=["line", "headers", "body", "chunk"],
)
def test_whoever_sends_byte_by_byte_is_cut_off_and_keeps_nobody_waiting(door: Door, begun: bytes) -> None:
    with closing(door.connect()) as slow:
        slow.sendall(begun)
        assert door.post("{}") == 200
        door.now += READS_WITHIN - 1
        slow.sendall(b" ")
        assert door.post("{}") == 200
        # Each byte comes in time after the one before, and the whole does not.
        door.now += 1
        slow.sendall(b" ")
        assert last_words(slow)[:12] in {b"", b"HTTP/1.1 408"}
    assert door.post("{}") == 200
    assert door.asked == ["{}"] * 3


def test_whoever_is_slow_and_in_time_is_heard(door: Door) -> None:
    with closing(door.connect()) as slow:
        slow.sendall(HEAD + b"Content-Length: 4\r\n\r\n")
        for each in (b"{", b"\n", b"\n", b"}"):
            slow.sendall(each)
            assert door.post("{}") == 200
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert sorted(door.asked) == sorted(["{}"] * 4 + ["{\n\n}"])
