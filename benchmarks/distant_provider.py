"""A provider at the other end of a long line: TLS, a round trip, and some time to think.

`python -m benchmarks.distant_provider FOLDER RTT_MS LATENCY_MS` prints its port, and serves until its input ends. The
authority that vouches for it is FOLDER/authority.pem.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.http import LOOPBACK, Request, talks
from tests.doubles.certificates import authority, server_of


async def serve(folder: Path, rtt: float, latency: float) -> None:
    """Serve until the input ends; all that a client sees of the line is when answers come."""

    async def answer(_: Request) -> bytes:
        await asyncio.sleep(rtt + latency)
        return b"HTTP/1.1 204 No Content\r\nx-zm-trackingid: WEB_be7c4\r\nContent-Length: 0\r\n\r\n"

    tls = server_of(authority(folder, "authority"))
    loop = asyncio.get_running_loop()

    async def far(connection: socket.socket) -> None:
        # TCP and TLS take a round trip each; nothing is read before.
        await asyncio.sleep(2 * rtt)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader, talks(answer))
        with suppress(ConnectionError):
            await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)

    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
        print(listening.getsockname()[1], flush=True)
        async with asyncio.TaskGroup() as under_way:
            ended = under_way.create_task(asyncio.to_thread(sys.stdin.read))
            accepting = under_way.create_task(_accept(listening, lambda each: under_way.create_task(far(each))))
            await ended
            accepting.cancel()


async def _accept(listening: socket.socket, take: Callable[[socket.socket], object]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listening)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        take(connection)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000))
