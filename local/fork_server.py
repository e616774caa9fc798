"""Forks the functions' processes from one that has imported their layers already: importing is most of a cold start."""

import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: the most that one order may take up: a function's environment and its paths, as JSON
_ORDER_BYTES = 2**16


class ForkedProcess:
    """A child of the fork server; several threads may ask after it at once."""

    def __init__(self, channel: socket.socket) -> None:
        """Take the end of the channel that tells first the process's id and then, when it has ended, how."""
        self._channel = channel
        self._lock = threading.Lock()
        self._returncode: int | None = None
        self.pid = int(channel.recv(64))

    def poll(self) -> int | None:
        """Return how it ended, negative after a signal, None while it runs."""
        with self._lock:
            return self._ended(socket.MSG_DONTWAIT)

    def kill(self) -> None:
        """End it at once (SIGKILL), if it has not ended by itself, and come back when it has ended."""
        with self._lock:
            if self._ended(socket.MSG_DONTWAIT) is None:
                os.kill(self.pid, signal.SIGKILL)
                self._ended(0)

    def _ended(self, flags: int) -> int | None:
        if self._returncode is None:
            try:
                told = self._channel.recv(64, flags)
            except BlockingIOError:
                return None
            self._channel.close()
            # Nothing but the end of the server itself leaves its children without a word.
            self._returncode = int(told) if told else -signal.SIGKILL
        return self._returncode


class ForkServer:
    """The process from which others are forked, from construction until `close`; it belongs to one set of layers."""

    def __init__(self, layers: Sequence[Path]) -> None:
        """Start it; it imports every module of the layers, while its first orders wait."""
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-P", __file__, *map(str, layers)],
                env={
                    # What a developer has in ~/.aws is none of its business.
                    "AWS_CONFIG_FILE": os.devnull,
                    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                    "LANG": "en_US.UTF-8",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONPATH": os.pathsep.join(map(str, layers)),
                },
                stdin=theirs.fileno(),
                # Ctrl-C in the terminal is for the world, which then ends its functions.
                start_new_session=True,
            )

    def start(
        self, module: str, *arguments: str, folder: Path, environment: Mapping[str, str], log: Path
    ) -> ForkedProcess:
        """Run `python -m module arguments` in `folder`, with this `environment` alone; what it prints goes to `log`."""
        order = {"module": module, "arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("ab") as output:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [theirs.fileno(), output.fileno()])
        return ForkedProcess(ours)

    def close(self) -> None:
        """End it; its children must have ended before."""
        self._orders.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for every order; returns in each child with its order, and in the server itself with None, at the end."""
    children: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([orders.fileno(), *children], [], [])[0]:
            if ready in children:
                pid, channel = children.pop(ready)
                os.close(ready)
                with channel:
                    channel.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
                continue
            order, fds, _, _ = socket.recv_fds(orders, _ORDER_BYTES, 2)
            if not order:
                return None
            channel, output = socket.socket(fileno=fds[0]), fds[1]
            if (pid := os.fork()) == 0:
                # Whoever holds a channel keeps it open, also when its own process has ended.
                for each in (orders, channel, *(other for _, other in children.values())):
                    each.close()
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                for standard in (1, 2):
                    os.dup2(output, standard)
                mine: dict[str, Any] = json.loads(order)
                return mine
            os.close(output)
            channel.send(str(pid).encode())
            children[os.pidfd_open(pid)] = pid, channel


def _become(order: dict[str, Any]) -> None:
    """Be what a fresh interpreter would be with this order."""
    os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    sys.path.insert(0, order["folder"])
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _read_descriptions() -> None:
    """Read what botocore knows of AWS's APIs, where the layers use it: each process would read that anew."""
    if session := sys.modules.get("botocore.session"):
        vars(session)["create_loader"] = functools.cache(session.create_loader)
        # Each client would work out again which names its events have by now.
        hooks: Any = sys.modules["botocore.hooks"]
        names = hooks.EventAliaser(hooks.HierarchicalEmitter())
        hooks.EventAliaser._alias_event_name = staticmethod(functools.cache(names._alias_event_name))  # noqa: SLF001
        reader = session.Session()
        reader.set_credentials("nobody", "nothing")
        for service in ("dynamodb", "events", "kms", "secretsmanager", "sqs"):
            reader.create_client(service, "local")
            reader.get_paginator_model(service)


if __name__ == "__main__":
    # Danger: AWS's runtime client reads its address from the environment when it is imported, and is in no layer.
    for _module in pkgutil.walk_packages(sys.argv[1:]):
        importlib.import_module(_module.name)
    _read_descriptions()
    # A child's first search for garbage would write to, and so copy, half of what it shares with the others.
    gc.freeze()
    if (_order := _serve(socket.socket(fileno=os.dup(0)))) is not None:
        _become(_order)
