"""Whatever a provider can answer: any status, headers and body, or one of the recorded answers, nearly right."""

import json
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import requests
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from tests.doubles.hr_events import CANARY
from tests.doubles.wire import fixture, fixtures
from tests.fuzz.any_json import any_json, nearly


@dataclass(frozen=True)
class Given:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body!r}"


#: what asks to wait, and what only looks like it
WAITS = [
    *("3", "0", "999999999", "9999999999", "-1", "1.5", "x" + CANARY, "", "٣"),
    *("2026-11-22T10:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-11-22", "2026-W47-7"),
    *("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"),
    *("Sun, 22 Nov 2026 10:00:00 +99999999999999999999", "Sun, 22 Nov 99999 10:00:00 GMT", "Sun, 99 Foo 2026 10:00"),
]
HEADERS: Mapping[str, st.SearchStrategy[str]] = {
    "Retry-After": st.sampled_from(WAITS),
    "Content-Encoding": st.sampled_from(["gzip", "deflate", "identity", "br", "gzip, gzip", CANARY]),
    "Content-Type": st.sampled_from(["application/json", "text/html", CANARY]),
    "x-zm-trackingid": st.sampled_from(["v=2.0;clid=us04;rid=WEB_0123456789abcdef0123456789abcdef", CANARY, ""]),
    "x-ratelimit-type": st.sampled_from(["QPS", "Daily-limit", CANARY, ""]),
    "Set-Cookie": st.just(f"session={CANARY}"),
    "Location": st.just(f"https://elsewhere.example/{CANARY}"),
}


@cache
def recorded(provider: str) -> list[tuple[str, dict[str, Any]]]:
    """The name and the JSON of a provider's recorded answers, by the folder of the catalogue."""
    found = []
    for name in sorted(fixtures(provider)):
        with suppress(ValueError):
            found.append((name, json.loads(fixture(f"{provider}/{name}").partition(b"\r\n\r\n")[2])))
    return [(name, body) for name, body in found if isinstance(body, dict)]


KINDS = ["nearly", "nearly", "nearly", "nearly", "headers", "status", "any", "raw", "cut", "packed", "empty"]


@st.composite
def answers(draw: st.DrawFn, provider: str, own: str) -> Given:
    """A recorded answer, whole or nearly; or any. Half of them are an endpoint's own, whose names begin like that."""
    every = recorded(provider)
    of_its_own = [each for each in every if re.match(own, each[0])]
    name, body = draw(st.sampled_from(of_its_own) | st.sampled_from(every))
    kind = draw(st.sampled_from(KINDS))
    text = json.dumps(draw(any_json if kind == "any" else nearly(body))).encode()
    if kind == "raw":
        text = draw(st.binary(max_size=40))
    status = draw(st.integers(200, 599)) if kind in {"status", "empty"} else int(name[:3])
    headers = draw(st.fixed_dictionaries({}, optional=dict(HEADERS))) if kind in {"headers", "status"} else {}
    bodies = {"cut": text[:-3] + CANARY.encode(), "packed": zlib.compress(text), "empty": b""}
    return Given(status, headers, bodies.get(kind, text))


class Wire:
    """Stands for the network below `requests`: gives the answers one after the other, the last again and again."""

    def __init__(self) -> None:
        self.given: list[Given] = []

    def answer(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        given = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        raw = HTTPResponse(
            BytesIO(given.body),
            headers={name: value.encode().decode("latin-1") for name, value in given.headers.items()},
            status=given.status,
            preload_content=False,
        )
        return HTTPAdapter().build_response(request, raw)
