"""Lambda's own runtime emulator, as SAM ships it: a function as it is packed, on free ports of this machine alone."""

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil
import requests

from local.aws.template import Json
from local.call_gate import CallGate
from local.fork_server import ForkServer
from local.http_server import LOOPBACK
from local.runtime_api import Function, FunctionError, _lambda_environment

#: what Lambda's image has in /var/runtime, and no layer
RUNTIME: Final = ("awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client*.so")
INVOKE: Final = "/2015-03-31/functions/function/invocations"
#: seconds until the emulator listens, and between two looks
READY_S, LOOK_S = 10.0, 0.02
#: Lambda counts the pages that a function holds (see `peak`). RLIMIT_DATA, and RLIMIT_AS still more, count what malloc
#: only reserves, hundreds of MiB for ten threads: under these a function is short of memory long before Lambda's limit.
LIMITED: Final = 'ulimit -d "$0" && exec "$@"'


def emulator() -> Path:
    """Where aws-sam-cli has it for this machine."""
    samcli = find_spec("samcli")
    assert samcli is not None, "the emulator comes with aws-sam-cli: make .venv/dev"
    assert samcli.submodule_search_locations
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    return Path(samcli.submodule_search_locations[0]) / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def lay_out_runtime(folder: Path) -> Path:
    """Put what runs a function into a folder of its own: a function must see that, and else the layer's packages."""
    packages = Path(str(find_spec("awslambdaric").origin)).parents[1]  # type: ignore[union-attr]  # it is installed
    for pattern in RUNTIME:
        for found in packages.glob(pattern):
            (folder / found.name).symlink_to(found)
    return folder


class Emulator:
    """One process of the emulator, which has one event at a time: what `local.runtime_api` calls a sandbox."""

    def __init__(
        self,
        function: Function,
        log: Path,
        environment: Mapping[str, str],
        _processes: ForkServer,
        _gate: CallGate,
        *,
        layer: Path,
        runtime: Path,
        data_limit: int | None = None,
    ) -> None:
        """Take what is in /opt/python and /var/runtime, and RLIMIT_DATA in MiB, None: as much as there is."""
        self._function = function
        port, api_port = _free_port(), _free_port()
        self._url = f"http://{LOOPBACK}:{port}{INVOKE}"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - AWS's emulator and our own interpreter
                [
                    *(str(emulator()), "--runtime-interface-emulator-address", f"{LOOPBACK}:{port}"),
                    *("--runtime-api-address", f"{LOOPBACK}:{api_port}"),
                    *("/bin/sh", "-c", LIMITED, str(data_limit * 1024) if data_limit else "unlimited"),
                    *(sys.executable, "-S", "-P", "-m", "awslambdaric", function.handler),
                ],
                env={
                    **environment,
                    **_lambda_environment(function, f"{LOOPBACK}:{api_port}"),
                    "AWS_LAMBDA_FUNCTION_TIMEOUT": str(int(function.timeout)),
                    "PYTHONPATH": os.pathsep.join(map(str, (function.folder, layer, runtime))),
                },
                cwd=function.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._killed = False
        self._session = requests.Session()
        self._session.trust_env = False
        self._wait_until_it_listens(port)

    @property
    def alive(self) -> bool:
        """Whether it takes another event: of one whose function died in between, the next event would fail."""
        return not self._killed and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The function's process; the emulator's own as long as there is none."""
        return next((child.pid for child in self._children()), self._process.pid)

    @property
    def peak(self) -> float:
        """The most that the function's process held so far, MiB; 0 where there is none."""
        told = "".join(Path(f"/proc/{child.pid}/status").read_text() for child in self._children())
        return max((int(kib) / 1024 for kib in re.findall(r"VmHWM:\s+(\d+) kB", told)), default=0)

    def kill(self) -> None:
        """End the function's process, as the kernel does when the memory is used up."""
        self._killed = True
        for child in self._children():
            child.kill()

    def stop_the_clock(self) -> None:
        """Let the function's process stand still, so that only Lambda's own clock goes on."""
        for child in self._children():
            child.send_signal(signal.SIGSTOP)

    def close(self) -> None:
        self._session.close()
        self._process.terminate()
        self._process.wait()

    def invoke(self, event: Json) -> Json:
        """Hand over an event; FunctionError for what Lambda, too, would call a failure."""
        answer = self._session.post(self._url, json=event, timeout=self._function.timeout + READY_S)
        try:
            told = answer.json()
        except ValueError:
            raise FunctionError("Sandbox.Timedout", answer.text) from None
        if isinstance(told, dict) and "errorType" in told:
            raise FunctionError(told["errorType"], told.get("errorMessage", ""))
        return told

    def _children(self) -> list[psutil.Process]:
        running = self._process.poll() is None
        return psutil.Process(self._process.pid).children(recursive=True) if running else []

    def _wait_until_it_listens(self, port: int) -> None:
        deadline = time.monotonic() + READY_S
        while True:
            with socket.socket() as asking:
                if asking.connect_ex((LOOPBACK, port)) == 0:
                    return
            if not self.alive or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"the emulator of {self._function.name} does not listen")
            time.sleep(LOOK_S)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind((LOOPBACK, 0))
        port: int = asked.getsockname()[1]
        return port


def invocations(log: str) -> tuple[int, int]:
    """How often a function was started, and how often it was invoked, by what the emulator printed."""
    return log.count("INIT START("), log.count("INVOKE START(")
