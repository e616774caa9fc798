"""Whatever is posted at the front door is answered, and only what is rightly signed reaches the bus."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaver.webhooks.sources import SOURCES
from tests.doubles.front_door import JSON, SECRETS, FrontDoor, mac, sign
from tests.doubles.hr_events import CANARY
from tests.field import Field
from tests.fuzz.any_json import any_json
from tests.length import length

#: what was posted, and what it did
POSTED: Counter[str] = Counter()

quickly = settings(max_examples=length(100), deadline=None, suppress_health_check=[HealthCheck.too_slow])
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
paths = st.sampled_from([f"/{source}/main" for source in SOURCES]) | text.map(lambda each: f"/hibob/{each}") | text
#: every header that the door looks at, beside any other
names = st.sampled_from(
    [
        *(name for source in SOURCES for name in sign(source, b"", FrontDoor().clock.now)),
        "x-okta-verification-challenge",
    ]
)
values = text.map(lambda each: each + CANARY) | st.sampled_from(["v1,AAAA", "v0=", "v1,", ",", "1", "9" * 400, "1e9"])
bodies = (
    st.binary(max_size=200)
    | any_json.map(lambda each: json.dumps(each).encode())
    | st.sampled_from([b"Ping test", b'{"verification_token": "t"}', b'{"event": "endpoint.url_validation"}'])
)


@pytest.fixture
def counted(field: Field) -> Iterator[None]:
    POSTED.clear()
    yield
    field("a fuzzed input", "any request at the front door", POSTED["times"], leaked=POSTED["leaked"], crashed=0)


@pytest.mark.usefixtures("counted")
@given(
    method=st.sampled_from(["POST", "GET", "PUT"]),
    path=paths,
    headers=st.dictionaries(names, values, max_size=4),
    body=bodies,
)
@quickly
def test_whatever_a_stranger_posts_is_answered_and_nothing_reaches_the_bus(
    *, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    door = FrontDoor()
    answer = door.post(path, body, headers, method=method)
    POSTED["times"] += 1
    assert answer.status in {200, 401}
    assert answer.status == 401 or path.startswith(("/hibob/", "/okta/"))
    assert door.events.put == []
    leaked = CANARY in str(door.logged) + str(door.counted)
    POSTED["leaked"] += leaked
    assert not leaked


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("source", SOURCES)
@given(body=bodies)
@quickly
def test_whatever_is_rightly_signed_lies_on_the_bus_and_can_be_had_back(source: str, body: bytes) -> None:
    door = FrontDoor()
    answer = door.deliver(source, body)
    POSTED["times"] += 1
    # A greeting, an offer of a secret
    if door.events.put == []:
        assert answer.status in {200, 401}
        return
    assert answer.status == 200
    for each in door.events.put:
        assert len(each["Detail"].encode()) < 256 * 1024
        detail: Any = json.loads(each["Detail"])
        if [*detail] == ["raw"]:
            assert base64.b64decode(detail["raw"]) == body or json.loads(body) == detail
        elif source not in {"okta", "bamboohr"}:
            assert detail == json.loads(body)


@given(written=text | st.sampled_from(["9" * 30, "-1", "1e9", "٣", "2026-11-22T09:30:00", "9999-12-31T23:59:59-23:59"]))
@quickly
def test_whatever_time_is_rightly_signed_is_now_or_stale(written: str) -> None:
    door = FrontDoor()
    signature = mac(SECRETS["bamboohr"].encode(), b"{}" + written.encode()).hex()
    headers = {"x-bamboohr-signature": signature, "x-bamboohr-timestamp": written}
    assert door.post("/bamboohr/main", b"{}", headers, JSON).status in {200, 401}
