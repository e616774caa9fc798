"""A local world whose providers speak TLS, and its functions as `sam build` left them, each in a process of its own."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

from benchmarks.init import BUILT
from benchmarks.processes import ROOT, process
from benchmarks.queue_batches import logical_id
from local import acme
from local.http_server import HttpServer
from local.world import World
from tests.doubles.certificates import authority, server_of

if TYPE_CHECKING:
    from subprocess import Popen


@dataclass(frozen=True)
class Shipped:
    """The world, and what its functions are told of it beside what the template tells them."""

    world: World
    there: Mapping[str, str]

    def start(self, function: str) -> "AbstractContextManager[Popen[str]]":
        """Start a function anew, as benchmarks.sandbox; it says when it is initialised."""
        environment = {
            **self.world.environments()[logical_id(function)],
            **self.there,
            "AWS_LAMBDA_FUNCTION_NAME": function,
        }
        path = (BUILT / logical_id(function), BUILT / "LeaverLayer" / "python", ROOT)
        return process("benchmarks.sandbox", "ours", environment=environment, path=path)


@contextmanager
def shipped(parameters: Mapping[str, str]) -> Iterator[Shipped]:
    """Deploy it, with connections to both providers; nothing is delivered but by hand."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="leaver-")))
        vouching = authority(folder, "authority")
        bundle = folder / "bundle.pem"
        bundle.write_bytes(Path(certifi.where()).read_bytes() + vouching.bundle.read_bytes())
        world = ending.enter_context(World(parameters=parameters, consuming=False))
        acme.set_up(world)
        tls = server_of(vouching)
        zoom, venafi = (
            ending.enter_context(HttpServer(provider._application, tls=tls))  # noqa: SLF001 - the same one, behind TLS
            for provider in (world.zoom, world.venafi)
        )
        there = {
            "ZOOM_API_URL": f"https://127.0.0.1:{zoom.port}/v2",
            "VENAFI_URL": f"https://127.0.0.1:{venafi.port}",
            "CA_BUNDLE": str(bundle),
            "PATH": os.defpath,
            "HOME": str(folder),
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        }
        yield Shipped(world, there)
