"""A batch: what ten and a hundred revocations take, beside a naive handler and beside what can't be less.

Every handler runs in a process of its own, with the packages of the layer as shipped and nothing else. The provider is
40 ms away and takes 100 ms; AWS answers after 5 ms. The pace is in use, with a limit that nobody reaches: what a limit
does is measured elsewhere.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import certifi

from benchmarks.figures import MOST_MEMORY, Figure
from benchmarks.init import BUILT
from benchmarks.processes import ROOT, ask, port_of, process, read_json

if TYPE_CHECKING:
    from subprocess import Popen

#: milliseconds
ROUND_TRIP: Final = 40
LATENCY: Final = 100
AWS_LATENCY: Final = 5
#: messages that are worked on side by side
WIDTH: Final = 10

ROUNDS: Final = 7
#: warm batches of ten in each round
WARM: Final = 5

#: nobody reaches it
NO_LIMIT: Final = 1_000_000

#: what a command that belongs to a case does without
COUNTED: Final = "three calls of each message count, for MostAnHour, whose access a command of no case ends"

#: what a function is told whoever answers it: a test holds it to the template
TOLD: Final = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_LAMBDA_FUNCTION_NAME": "leaver-RevokeSsoToken",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "CASES_TABLE": "Cases",
    "CONNECTIONS_TABLE": "Connections",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.invalid/dead-letters",
    "DELIVERIES_TABLE": "Deliveries",
    "EVENT_BUS_NAME": "leaver",
    "GIVE_UP_AFTER": "86400",
    # Above what a run sends, or the ceiling would park the messages.
    "MOST_AN_HOUR": "1000000",
    "PACE_TABLE": "Pace",
    "POWERTOOLS_METRICS_NAMESPACE": "Leaver",
    "POWERTOOLS_SERVICE_NAME": "leaver",
    "PYTHONDONTWRITEBYTECODE": "1",
    "REFRESH_QUEUE_URL": "https://sqs.invalid/refresh.fifo",
    "REQUESTS_PER_SECOND": str(NO_LIMIT),
    "SEAL_QUEUE_URL": "https://sqs.invalid/seal.fifo",
    "SECRET_PREFIX": "leaver",
    "STACK_NAME": "leaver",
}


@dataclass
class Batches:
    """What was measured, a value for each batch: seconds, and seconds of processor time."""

    first: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    warm_cpu: list[float] = field(default_factory=list)
    hundred: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    naive_cpu: list[float] = field(default_factory=list)
    naive_hundred: list[float] = field(default_factory=list)
    #: for each message: one request, and the AWS calls that fall to it
    reference_cpu: list[float] = field(default_factory=list)
    aws_calls: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)

    @property
    def figures(self) -> list[Figure]:
        """The promises, each against what was measured in the same run."""
        ten, hundred, naive = median(self.warm), median(self.hundred), median(self.naive)
        beside = f"median of {len(self.warm)} to (round trip + latency) + 2 AWS calls"
        paced = "the pace in use, its limit out of reach"
        beyond = f"{(ten - floor(10)) * 1000:.0f} ms beyond; {COUNTED}"
        calls = f"to one requests call and {median(self.aws_calls):.1f} boto3 calls by themselves, processor time"
        return [
            Figure("warm batch of 10", ten / floor(10), 1.15, unit="x floor", how=f"{beside}; {paced}; {beyond}"),
            Figure("warm batch of 100", hundred / floor(100), 1.25, unit="x floor", how=f"ten side by side; {paced}"),
            Figure("faster than naive", naive / ten, 8, at_least=True, unit="x", how="a batch of 10"),
            Figure(
                "less processor time than naive",
                median(self.naive_cpu) / median(self.warm_cpu),
                9,
                at_least=True,
                unit="x",
                how=f"a batch of 10, the same packages; {COUNTED}",
            ),
            Figure("first batch", median(self.first) / ten, 1.3, unit="x warm", how="a batch of 10 in a new process"),
            Figure(
                "processor time of a message",
                median(self.warm_cpu) / WIDTH / median(self.reference_cpu),
                1.3,
                unit="x its calls",
                how=calls,
            ),
            Figure(
                "memory of revoke_sso_token, with batches",
                max(self.peak_mib),
                MOST_MEMORY,
                unit="MiB",
                how="VmHWM after batches of 10 and 100",
            ),
        ]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, milliseconds for a batch of 10 and of 100, and processor time for one message."""
        return [
            ("", "10 messages", "100 messages", "processor time of one"),
            ("floor", _ms(floor(10)), _ms(floor(100)), ""),
            ("ours, warm", _ms(median(self.warm)), _ms(median(self.hundred)), _ms(median(self.warm_cpu) / 10)),
            ("ours, first", _ms(median(self.first)), "", ""),
            ("naive", _ms(median(self.naive)), _ms(median(self.naive_hundred)), _ms(median(self.naive_cpu) / 10)),
            ("its calls alone", "", "", _ms(median(self.reference_cpu))),
        ]


def floor(size: int) -> float:
    """Seconds that no handler can do without: each call once, ten side by side, and two calls to AWS around them."""
    return ((ROUND_TRIP + LATENCY) * ceil(size / WIDTH) + 2 * AWS_LATENCY) / 1000


def run(progress: Callable[[str], None]) -> Batches:
    """Measure by turns, so that whatever else the machine does befalls all of them."""
    batches = Batches()
    with _surroundings() as environment:
        for number in range(ROUNDS):
            progress(f"round {number + 1} of {ROUNDS}")
            _ours(batches, environment)
            with _sandbox("naive", environment) as naive:
                measurement = _batch(naive, 10)
                batches.naive.append(measurement["wall"])
                batches.naive_cpu.append(measurement["cpu"])
            with _sandbox("reference", environment) as reference:
                measurement = ask(reference, 10)
                batches.reference_cpu.append((measurement["request"] + measurement["aws"]) / 1000)
                batches.aws_calls.append(measurement["aws_calls"])
        progress("a hundred, naively")
        with _sandbox("naive", environment) as naive:
            batches.naive_hundred.append(_batch(naive, 100)["wall"])
    return batches


def end_one_session_naively() -> float:
    """Seconds in which the naive handler, started anew, ends one session; it asks nobody who is meant."""
    with _surroundings() as environment:
        begun = time.monotonic()
        with _sandbox("naive", environment) as naive:
            _batch(naive, 1)
            return time.monotonic() - begun


def _ours(batches: Batches, environment: Mapping[str, str]) -> None:
    with _sandbox("ours", environment) as ours:
        batches.first.append(_batch(ours, 10)["wall"])
        for _ in range(WARM):
            measurement = _batch(ours, 10)
            batches.warm.append(measurement["wall"])
            batches.warm_cpu.append(measurement["cpu"])
        measurement = _batch(ours, 100)
        batches.hundred.append(measurement["wall"])
        batches.peak_mib.append(measurement["peak_mib"])


def _batch(sandbox: "Popen[str]", size: int) -> dict[str, float]:
    measurement = ask(sandbox, size)
    if failed := measurement.pop("batchItemFailures"):
        raise RuntimeError(f"{len(failed)} of {size} messages failed: nothing was measured")
    return measurement


@contextmanager
def _sandbox(kind: str, environment: Mapping[str, str]) -> Iterator["Popen[str]"]:
    path = (BUILT / "RevokeSsoTokenFunction", BUILT / "LeaverLayer" / "python", ROOT)
    with process("benchmarks.sandbox", kind, environment=environment, path=path) as sandbox:
        read_json(sandbox)
        yield sandbox


@contextmanager
def _surroundings() -> Iterator[dict[str, str]]:
    """A provider and an AWS; what a function is told of them, and of all else that the template tells it."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="leaver-")))
        alone = {"PATH": os.defpath, "HOME": str(folder)}
        far_away = ("benchmarks.distant_provider", folder, ROUND_TRIP, LATENCY)
        provider = port_of(ending.enter_context(process(*far_away, environment=alone)))
        aws = port_of(ending.enter_context(process("benchmarks.fast_aws", AWS_LATENCY, environment=alone)))
        bundle = folder / "bundle.pem"
        bundle.write_bytes(Path(certifi.where()).read_bytes() + (folder / "authority.pem").read_bytes())
        there = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
            "CA_BUNDLE": str(bundle),
            "ZOOM_API_URL": f"https://127.0.0.1:{provider}/v2",
        }
        yield alone | TOLD | there


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
