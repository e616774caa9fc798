"""A provider at the other end of a long line: TLS, a round trip, and some time to think.

`python -m benchmarks.far_away FOLDER RTT_MS LATENCY_MS` prints its port, and serves until its input ends. The
authority that vouches for it is FOLDER/authority.pem.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.http import LOOPBACK, Request, port_of, talks
from tests.certificates import authority, server_of


def line_to(port: int, rtt: float) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A line to a port here, on which every packet takes half of `rtt` seconds.

    The loopback's own handshake takes no time, so that what the client says first is late by the round trip of it.
    """

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(_one_way(reader, far_writer, rtt / 2, late=rtt), _one_way(far_reader, writer, rtt / 2))

    return carry


async def _one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, late: float = 0) -> None:
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def arrive() -> None:
        while True:
            at, packet = await under_way.get()
            await asyncio.sleep(at - loop.time())
            if not packet:
                writer.close()
                return
            writer.write(packet)

    arriving = asyncio.ensure_future(arrive())
    packet = b"first"
    while packet:
        try:
            packet = await reader.read(65536)
        except ConnectionError:
            packet = b""
        under_way.put_nowait((loop.time() + delay + late, packet))
        late = 0
    await arriving


async def serve(folder: Path, rtt: float, latency: float) -> None:
    """Serve until the input ends."""

    async def answer(_: Request) -> bytes:
        await asyncio.sleep(latency)
        return b"HTTP/1.1 204 No Content\r\nx-zm-trackingid: WEB_benchmark\r\nContent-Length: 0\r\n\r\n"

    tls = server_of(authority(folder, "authority"))
    provider = await asyncio.start_server(talks(answer), LOOPBACK, 0, ssl=tls)
    line = await asyncio.start_server(line_to(port_of(provider), rtt), LOOPBACK, 0)
    print(port_of(line), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000))
