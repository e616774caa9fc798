"""HTTP/1.1 as fast as asyncio answers it: servers that are not what is measured."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What came in; the names of headers are in small letters."""

    line: str
    headers: Mapping[str, str]
    body: bytes


#: returns a whole answer, in bytes
Answer = Callable[[Request], Awaitable[bytes]]


def talks(answer: Answer) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Make what asyncio.start_server takes: one connection, kept alive until the client hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *fields = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                writer.write(await answer(Request(line, headers, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return talk


def port_of(server: asyncio.Server) -> int:
    """Where a server listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port
