"""Init: what it costs to start each function as shipped, beside one bare boto3 client on stock packages.

Counted is processor time: Lambda gives init a whole processor, and here others may be at work. The stock packages are
those of .venv: botocore finds awscrt and pyOpenSSL there, which others need, and loads both; without them the bare
client takes a fourth less.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import boto3

from benchmarks.figures import MOST_MEMORY, Figure
from benchmarks.queue_batches import logical_id
from local import acme
from local.world import TEMPLATE, World

#: what `sam build` leaves
BUILT = TEMPLATE.parent / ".aws-sam" / "build"

#: times the bare client
SLOWEST = 1.15
#: times the same without compiled files
COMPILED = 0.6

BARE_CLIENT = "import boto3; boto3.client('secretsmanager')"
STOCK = Path(boto3.__file__).parents[1]

#: where nobody answers: TLS is made ready as for the real one, and no handshake counts as init's own
_PROVIDER = "https://127.0.0.1:1"
_PARAMETERS = {
    "DeactivateUsers": "true",
    "VenafiUrl": _PROVIDER,
    "ZoomApiUrl": f"{_PROVIDER}/v2",
    "ZoomOAuthUrl": _PROVIDER,
}

_HOW = "processor time at its best, to that of one boto3 client on stock packages"

_MEASURE = """
import time
begun = time.process_time()
{}
seconds = time.process_time() - begun
with open("/proc/self/status") as status:
    print(seconds, *(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


@dataclass(frozen=True)
class Package:
    """What Lambda unpacks: a function's folder and, below it, a layer's `python`."""

    function: str
    folder: Path
    layer: Path


@dataclass(frozen=True)
class Init:
    """A way to start, and what each start took: seconds of processor time; MiB of memory, at most until then."""

    name: str
    source: str
    path: tuple[Path, ...]
    environment: Mapping[str, str]
    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start once, in a process of its own that sees nothing else."""
        environment = {**self.environment, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ":".join(map(str, self.path))}
        started = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-S", "-P", "-c", _MEASURE.format(self.source)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds, kib = started.stdout.split()[-2:]
        self.seconds.append(float(seconds))
        self.memory.append(float(kib) / 1024)

    def beside(self, other: "Init") -> float:
        """How many times as long as the other it takes, both at their best."""
        return min(self.seconds) / min(other.seconds)


def measure(rounds: int, progress: Callable[[], None], packages: Sequence[Package]) -> tuple[Init, list[Init]]:
    """Start the bare client and each of these packages by turns."""
    with World(parameters=_PARAMETERS, consuming=False) as world:
        acme.set_up(world)
        environments = world.environments()
        bare = Init("bare boto3 client", BARE_CLIENT, (STOCK,), world.environment())
        inits = [
            Init(
                each.function,
                "import app",
                (each.folder, each.layer),
                _in_lambda(environments[logical_id(each.function)], each.function),
            )
            for each in packages
        ]
        for _ in range(rounds):
            for init in (bare, *inits):
                init.start()
            progress()
    return bare, inits


def run(rounds: int, progress: Callable[[], None]) -> tuple[list[Figure], list[tuple[str, ...]]]:
    """Measure what `sam build` left; returns figures, and rows below their heading."""
    names = sorted(folder.parent.name for folder in TEMPLATE.parent.glob("functions/*/app.py"))
    layer = BUILT / "LeaverLayer" / "python"
    packages = [Package(name, BUILT / logical_id(name), layer) for name in names]
    with TemporaryDirectory() as folder:
        uncompiled = shutil.copytree(layer, Path(folder) / "python", ignore=shutil.ignore_patterns("__pycache__"))
        packages.append(Package(names[0], packages[0].folder, uncompiled))
        bare, inits = measure(rounds, progress, packages)
    without = replace(inits.pop(), name=f"{names[0]}, not compiled")
    figures = [
        *(Figure(f"init of {each.name}", each.beside(bare), SLOWEST, unit="x", how=_HOW) for each in inits),
        *(Figure(f"memory of {each.name}", max(each.memory), MOST_MEMORY, unit="MiB", how="peak") for each in inits),
        Figure("init, compiled to not compiled", inits[0].beside(without), COMPILED, unit="x", how=names[0]),
    ]
    return figures, _rows(bare, [*inits, without])


def _in_lambda(environment: Mapping[str, str], name: str) -> dict[str, str]:
    return {**environment, "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}


def _rows(bare: Init, inits: list[Init]) -> list[tuple[str, ...]]:
    heading = ("started", "ms, best", "ms, median", "x bare client, best", "x bare client, median", "MiB")
    return [
        heading,
        *(
            (
                each.name,
                f"{min(each.seconds) * 1000:.0f}",
                f"{median(each.seconds) * 1000:.0f}",
                f"{each.beside(bare):.2f}",
                f"{median(each.seconds) / median(bare.seconds):.2f}",
                f"{max(each.memory):.0f}",
            )
            for each in (bare, *inits)
        ),
    ]
