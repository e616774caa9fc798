"""The front door under load: signed deliveries, side by side, each of which must lie on the bus once.

The real function stands behind a local HTTP server, and every call of AWS takes 10 ms. Beside it, in the same run and
by turns, a handler that does nothing: what that bears is what the server and whoever posts leave over.
"""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Final

from benchmarks.counting_aws import CONNECTION
from benchmarks.figures import Figure
from benchmarks.processes import ask, port_of, process
from leaver.webhooks.proofs import make_standard_secret
from leaver.webhooks.sources import SOURCES

#: milliseconds that each call of AWS takes
LATENCY: Final = 10
#: who posts side by side, each over a connection of its own
SENDERS: Final = 32
#: of each sender, in each round
DELIVERIES: Final = 40
ROUNDS: Final = 3
#: of what a handler bears that does nothing
LEAST: Final = 0.1


@dataclass
class Load:
    """What was measured: deliveries a second in each round, and what the bus has in the end."""

    sent: int = 0
    heard: int = 0
    twice: int = 0
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def figures(self) -> list[Figure]:
        """The promises."""
        beside = f"deliveries a second, {SENDERS} side by side, AWS {LATENCY} ms away; a handler that does nothing: 1"
        return [
            Figure(
                "the front door's rate",
                median(self.ours) / median(self.bare),
                LEAST,
                at_least=True,
                unit="x bare",
                how=beside,
            ),
            Figure("deliveries lost", self.sent - self.heard, 0, how=f"of {self.sent} that were answered 200"),
            Figure("deliveries taken twice", self.twice, 0, how="by the ids on the bus"),
        ]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Who, and how many a second."""
        each = {"the front door": self.ours, "a handler that does nothing": self.bare}
        return [("", "deliveries a second"), *((name, f"{median(rates):.0f}") for name, rates in each.items())]


def run(progress: Callable[[str], None]) -> Load:
    """Post by turns, so that whatever else the machine does befalls both; raises RuntimeError where one is refused."""
    load, secret = Load(), make_standard_secret()
    with process("benchmarks.counting_aws", LATENCY, secret, environment={"PATH": os.defpath}) as aws:
        environment = _environment(port_of(aws))
        with _door("ours", environment) as ours, _door("bare", environment) as bare:
            for number in range(ROUNDS):
                progress(f"round {number + 1} of {ROUNDS}")
                load.ours.append(_post_all(ours, secret, f"{number}"))
                load.bare.append(_post_all(bare, secret, f"{number}"))
                load.sent += SENDERS * DELIVERIES
        counted = ask(aws, "counted")
    load.heard, load.twice = counted["heard"], counted["twice"]
    return load


def _post_all(port: int, secret: str, mark: str) -> float:
    """Let all senders post; returns deliveries a second."""
    with ThreadPoolExecutor(SENDERS) as senders:
        began = time.perf_counter()
        list(senders.map(lambda sender: _post(port, secret, f"{mark}-{sender}"), range(SENDERS)))
        return SENDERS * DELIVERIES / (time.perf_counter() - began)


def _post(port: int, secret: str, mark: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(DELIVERIES):
        body = json.dumps({"type": "OffboardingRequested", "data": {"number": number}}).encode()
        proof, now = SOURCES["standard"].proof, datetime.now(UTC)
        signed = proof.sign(f"/{CONNECTION}", body, secret, delivery=f"msg-{mark}-{number}", now=now)
        connection.request("POST", signed.path, body, {**signed.headers, "content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != SOURCES["standard"].taken:
            raise RuntimeError(f"answered {answer.status}: nothing was measured")
    connection.close()


@contextmanager
def _door(kind: str, environment: Mapping[str, str]) -> Iterator[int]:
    with process("benchmarks.door_sandbox", kind, environment=environment) as sandbox:
        yield port_of(sandbox)


def _environment(aws: int) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "DELIVERIES_TABLE": "Deliveries",
        "EVENT_BUS_NAME": "leaver",
        "POWERTOOLS_METRICS_NAMESPACE": "Leaver",
        "POWERTOOLS_SERVICE_NAME": "leaver",
        "SECRET_PREFIX": "leaver",
        "STACK_NAME": "leaver",
        "PATH": os.defpath,
    }
