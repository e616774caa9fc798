"""Docker or Podman, whichever answers, by Docker's API; and a network that leaves nothing behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import docker
from docker.context import ContextAPI
from docker.errors import DockerException, NotFound

#: seconds that the engine may take to answer; to fetch an image is the slowest
PATIENCE = 900


class Missing(Exception):
    """Something that is needed is not on this machine; the message says what, and how to get it."""


class Failed(Exception):
    """A program that was run did not succeed; the message is what the program printed."""


@dataclass(frozen=True)
class ContainerEngine:
    """An engine that answers, and its address, which SAM takes as DOCKER_HOST."""

    client: docker.DockerClient
    host: str

    @contextmanager
    def network(self, name: str) -> Iterator[None]:
        """Make a network; in the end remove the network and every container on it, whoever started the container."""
        try:
            self.client.networks.create(name)
            yield
        finally:
            for container in self.client.containers.list(all=True, filters={"network": name}, ignore_removed=True):
                with suppress(NotFound):
                    container.remove(force=True, v=True)
            for network in self.client.networks.list(names=[name]):
                # The engine looks for the name anywhere in a network's name.
                if network.name == name:
                    network.remove()


def find_engine() -> ContainerEngine:
    """Return the first engine that answers, Docker before Podman; Missing names the addresses that were tried."""
    silent = []
    for name, socket, remedy in (
        ("docker", ContextAPI.get_current_context().Host or "unix:///var/run/docker.sock", "is its daemon running?"),
        (
            "podman",
            f"unix://{os.environ.get('XDG_RUNTIME_DIR', '/run')}/podman/podman.sock",
            "systemctl --user start podman.socket",
        ),
    ):
        host = os.environ.get("DOCKER_HOST") or socket
        try:
            client = docker.from_env(timeout=PATIENCE, environment={**os.environ, "DOCKER_HOST": host})
        except DockerException:
            silent.append(f"{name} does not answer at {host} ({remedy})")
        else:
            return ContainerEngine(client, host)
    raise Missing(f"a container engine, Docker or Podman: {'; '.join(silent)}")
