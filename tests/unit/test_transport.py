"""What the transport sends, what it never does, and how it tells "not sent" from "answer lost"."""

import gzip
import json
import logging
import math
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import urllib3.util.connection
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from urllib3 import Timeout

from leaver.errors import AnswerLost, NotSent, OutOfTime
from leaver.providers import body as body_module
from leaver.providers import transport as transport_module
from leaver.providers.answer import Answer, retry_after, safe_code
from leaver.providers.authorization import BasicAuth, BearerAuth
from leaver.providers.body import MAX_BODY, Body
from leaver.providers.connection_pool import CONNECT_TIMEOUT
from leaver.providers.time_left import TIME_TO_RECORD, TimeLeft
from leaver.providers.transport import Transport
from tests.doubles import wire as wire_module
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, Wire, fixture, serving
from tests.field import Field

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECRET = SecretStr("CANARY-secret")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def transport_to(url: str, *, plain_http_hosts: frozenset[str] = frozenset()) -> Transport:
    return Transport(url, plain_http_hosts=plain_http_hosts, clock=lambda: NOW)


@contextmanager
def answering(*answers: bytes | Play) -> Iterator[tuple[Transport, Wire]]:
    with serving(*answers) as wire, closing(transport_to(f"{wire.url}/base")) as transport:
        yield transport, wire


def saying(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# Where it goes


@pytest.mark.parametrize(
    "url",
    [
        "http://api.zoom.us/v2",
        "http://127.0.0.1.example.com",
        "http://localhost@zoom.us",
        "http://10.0.0.1",
        "https://user:password@zoom.us",
        "https://zoom.us?x=1",
        "https://zoom.us#x",
        "ftp://127.0.0.1",
        "https://",
        "zoom.us",
        "",
    ],
)
def test_only_https_and_nothing_but_a_host_and_a_path_will_do(url: str) -> None:
    with pytest.raises(ValueError, match="a provider's URL"):
        transport_to(url)


@pytest.mark.parametrize(
    "url", ["https://zoom.us", "HTTPS://api.zoom.us/v2", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"]
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    transport_to(url).close()


def test_plain_http_is_for_the_hosts_of_the_local_world_too() -> None:
    transport_to("http://host.docker.internal:8080", plain_http_hosts=frozenset({"host.docker.internal"})).close()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "users",
        "@elsewhere.example/users",
        "//elsewhere.example/users",
        "/users//token",
        "/users/../token",
        "/users/./token",
        "/users/..",
        "/users/%2e%2E/token",
        "/users/a%2Fb",
        "/users/%zz",
        "/users/a b",
        "/users/a\n",
        "/users?x=1",
        "/users#x",
        "/users\\x",
        "/users/",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_not_sent(path: str) -> None:
    with answering(OK) as (transport, wire), pytest.raises(ValueError, match="a path is /segments"):
        transport.request("DELETE", path, auth=None)
    assert wire.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_not_followed(status: int) -> None:
    with serving(OK) as elsewhere:
        redirect = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        with answering(redirect.encode()) as (transport, _):
            answer = transport.request("GET", "/users", auth=BearerAuth(SECRET))
        assert answer.status == status
        assert elsewhere.asked == []


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(OK) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        with answering(OK, OK) as (transport, wire):
            transport.request("GET", "/users", auth=BearerAuth(SECRET))
            transport.request("GET", "/users", auth=None)
        assert proxy.asked == []
    assert [asked.headers.get("authorization") for asked in wire.asked] == ["Bearer CANARY-secret", None]


# What it sends


def test_a_form_is_in_the_body_and_never_in_the_url() -> None:
    with answering(OK) as (transport, wire):
        transport.request("POST", "/oauth/token", auth=None, form={"grant_type": "refresh_token", "token": SECRET})
    assert wire.only.target == "/base/oauth/token"
    assert wire.only.headers["content-type"] == "application/x-www-form-urlencoded"
    assert wire.only.body == b"grant_type=refresh_token&token=CANARY-secret"


def test_a_secret_in_json_is_unwrapped_on_its_way_out() -> None:
    with answering(OK) as (transport, wire):
        transport.request("POST", "/x", auth=None, json={"refresh_token": SECRET, "Start": 0})
    assert wire.only.headers["content-type"] == "application/json"
    assert json.loads(wire.only.body) == {"refresh_token": "CANARY-secret", "Start": 0}


def test_basic_authorisation_is_utf_8() -> None:
    with answering(OK) as (transport, wire):
        transport.request("GET", "/x", auth=BasicAuth("client", SecretStr("pass-wörd-€")))
    # base64 of client:pass-wörd-€
    assert wire.only.headers["authorization"] == "Basic Y2xpZW50OnBhc3Mtd8O2cmQt4oKs"


def test_the_session_remembers_neither_authorisation_nor_cookies() -> None:
    cookie = saying(b"{}", b"Set-Cookie: session=CANARY; Path=/")
    with answering(cookie, OK) as (transport, wire):
        transport.request("GET", "/x", auth=BearerAuth(SECRET))
        transport.request("GET", "/x", auth=None)
        assert len(transport._session.cookies) == 0
        assert transport._session.auth is None
    assert "authorization" not in wire.asked[1].headers
    assert "cookie" not in wire.asked[1].headers


@pytest.mark.parametrize("token", ["", "two words", "new\nline", "ünicode", "\ud800"])
def test_a_token_that_fits_no_header_is_not_sent_and_not_shown(token: str) -> None:
    with answering(OK) as (transport, wire), pytest.raises(NotSent) as caught:
        transport.request("GET", "/x", auth=BearerAuth(SecretStr(f"CANARY{token}" if token else "")))
    assert wire.asked == []
    assert "CANARY" not in shown_by(caught.value)


def test_what_signs_a_request_does_not_show_what_it_signs_with() -> None:
    assert repr(BearerAuth(SECRET)) == "BearerAuth()"
    assert repr(BasicAuth("client", SECRET)) == "BasicAuth()"
    assert "CANARY" not in str(vars(BearerAuth(SECRET))) + str(vars(BasicAuth("client", SECRET)))


# What it makes of an answer


def test_an_answer_is_status_headers_object_and_tracking_id() -> None:
    raw = saying(b'{"a": [1]}', b"X-Zm-TrackingId: v=2.0;clid=us04;rid=WEB_1", b"Retry-After: 7")
    with answering(raw) as (transport, _):
        answer = transport.request("GET", "/x", auth=None)
    assert answer.status == 200
    assert answer.json == {"a": [1]}
    assert answer.empty is False
    assert answer.headers["retry-AFTER"] == "7"
    assert answer.retry_after == NOW + timedelta(seconds=7)
    assert answer.tracking_id == "v=2.0;clid=us04;rid=WEB_1"


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        b"[1]",
        b'"text"',
        b"null",
        b'{"a":',
        b"\xff\xfe\x00",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["html", "list", "text", "null", "cut", "utf-16", "latin-1", "deep", "long-number"],
)
def test_what_is_no_json_object_is_none(body: bytes) -> None:
    with answering(saying(body)) as (transport, _):
        answer = transport.request("GET", "/x", auth=None)
    assert answer.json is None
    assert answer.empty is False


def test_an_empty_body_is_told_apart() -> None:
    with answering(saying(b"")) as (transport, _):
        answer = transport.request("GET", "/x", auth=None)
    assert (answer.json, answer.empty) == (None, True)


def test_a_byte_order_mark_does_no_harm() -> None:
    with answering(saying(b'\xef\xbb\xbf{"a": 1}')) as (transport, _):
        assert transport.request("GET", "/x", auth=None).json == {"a": 1}


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 ",
        b"HTTP/1.1 204 No Content\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["in the status", "in a header", "in the body", "in a body without a length"],
)
def test_an_answer_that_drips_for_ever_is_given_up_and_never_taken_for_a_whole_one(begun: bytes, field: Field) -> None:
    with answering(Play(begun, "drip"), OK) as (transport, wire):
        taken = 0
        with pytest.raises(AnswerLost):
            taken += transport.request("DELETE", "/x", auth=None, read_timeout=0.2).status
        assert transport.request("GET", "/x", auth=None, read_timeout=20).status == 200
        field("a dripping answer", "an answer that comes byte by byte and never ends", wire.hung_up, false=taken)
        assert wire.hung_up == 1


def left_for(seconds: float) -> TimeLeft:
    """A run that has so many seconds for an answer."""
    time_left = TimeLeft()
    time_left.begins(lambda: 1000 * (seconds + CONNECT_TIMEOUT + TIME_TO_RECORD))
    return time_left


def test_no_answer_may_take_longer_than_what_the_run_has_left_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "SHORTEST_READ", 0.1)
    with serving(Play(b"HTTP/1.1 200 OK\r\nX-Slow: ", "drip")) as wire:
        transport = Transport(wire.url, clock=lambda: NOW, time_left=left_for(0.2))
        with closing(transport), pytest.raises(AnswerLost):
            transport.request("GET", "/x", auth=None, read_timeout=20)
    # Only who is done serving has counted it.
    assert wire.hung_up == 1


def test_that_test_sees_it_where_a_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    # The server would drip for ten seconds, and hang up.
    monkeypatch.setattr(wire_module, "MOST_DRIPS", 20)
    monkeypatch.setattr(TimeLeft, "for_a_call", lambda _: math.inf)
    with pytest.raises(pytest.fail.Exception):
        test_no_answer_may_take_longer_than_what_the_run_has_left_for_it(monkeypatch)


@pytest.mark.parametrize(("seconds", "asks"), [(4.9, False), (5.1, True), (-30, False)])
def test_a_call_that_does_not_fit_into_what_is_left_is_not_begun(seconds: float, *, asks: bool) -> None:
    with serving(OK) as wire, closing(Transport(wire.url, clock=lambda: NOW, time_left=left_for(seconds))) as transport:
        if asks:
            assert transport.request("GET", "/x", auth=None).status == 200
        else:
            with pytest.raises(OutOfTime, match="too little time is left to ask"):
                transport.request("GET", "/x", auth=None)
        assert len(wire.asked) == asks


def test_nobody_is_asked_to_compress() -> None:
    with answering(OK) as (transport, wire):
        transport.request("GET", "/x", auth=None)
    assert wire.only.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_what_is_compressed_all_the_same_is_read(pack: Callable[[bytes], bytes]) -> None:
    encoding = b"Content-Encoding: " + (b"gzip" if pack is gzip.compress else b"deflate")
    with answering(saying(pack(b'{"a": 1}'), encoding)) as (transport, _):
        assert transport.request("GET", "/x", auth=None).json == {"a": 1}


PACKED: Final = gzip.compress(b'{"error": "invalid_token"}')
GZIPPED: Final = b"Content-Encoding: gzip"


@pytest.mark.parametrize("cut", range(1, len(PACKED)))
def test_a_compressed_body_that_is_cut_is_lost_and_never_empty(cut: int) -> None:
    # A proxy that cuts it says that this is its length.
    with answering(saying(PACKED[:cut], GZIPPED), saying(PACKED[:cut], GZIPPED)) as (transport, _):
        with pytest.raises(AnswerLost):
            transport.request("GET", "/x", auth=None)
        assert transport.request("GET", "/x", auth=None, even_damaged=True).empty is False


def test_that_test_sees_it_where_the_end_of_a_compressed_body_is_not_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unpack(sent: bytes, limit: int, failure: Exception | None) -> Body:
        return Body(zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(sent, limit), failure)

    monkeypatch.setattr(body_module, "_unpack", unpack)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_a_compressed_body_that_is_cut_is_lost_and_never_empty(12)


@pytest.mark.parametrize("packed", [False, True], ids=["a long body", "a small body that unpacks to a long one"])
def test_of_a_body_without_end_one_mebibyte_is_read_and_the_status_counts(*, packed: bool) -> None:
    long = b'{"a": "' + b"x" * 64 * MAX_BODY + b'"}'
    raw = saying(gzip.compress(long, 1), b"Content-Encoding: gzip") if packed else saying(long)
    with answering(raw, OK) as (transport, _):
        tracemalloc.start()
        try:
            answer = transport.request("GET", "/x", auth=None)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (answer.status, answer.json, answer.empty) == (200, None, False)
        assert most < 8 * MAX_BODY
        assert transport.request("GET", "/x", auth=None).status == 200


def test_a_call_that_lists_may_say_that_it_reads_more() -> None:
    long = b'{"a": "' + b"x" * 2 * MAX_BODY + b'"}'
    with answering(saying(long)) as (transport, _):
        answer = transport.request("GET", "/x", auth=None, max_body=16 * MAX_BODY)
    assert answer.json == {"a": "x" * 2 * MAX_BODY}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"<script>",
        b"x" * 129,
        b"two words",
        b"eyJhbGciOiJIUzUxMiJ9.eyJhdWQiOiJodHRwczovL29hdXRoLnpvb20udXMifQ.c2lnbmF0dXJl",
        b"8JWhvbmVfdG9rZW4-dGhhdA==",
        b"v=2.0;clid=us04;rid=8JWhvbmVfdG9rZW4dGhhdA",
        b"v=2.0;clid=8JWhvbmVfdG9rZW4dGhhdA;rid=WEB_1",
        b"WEB_" + b"0" * 33,
    ],
)
def test_an_odd_tracking_id_is_dropped(value: bytes) -> None:
    with answering(saying(b"{}", b"x-zm-trackingid: " + value)) as (transport, _):
        assert transport.request("GET", "/x", auth=None).tracking_id is None


def test_an_answer_does_not_show_its_body_or_headers() -> None:
    with answering(saying(b'{"access_token": "CANARY"}', b"Set-Cookie: a=CANARY")) as (transport, _):
        answer = transport.request("GET", "/x", auth=None)
    assert "CANARY" not in repr(answer)


TABLE = {
    "400 teapot": "status and code",
    "4xx teapot": "family and code",
    "4xx kettle": "the second code",
    "400 *": "status and any code",
    "4xx *": "family and any code",
    "403": "status",
    "4xx": "family",
    "other": "nothing else",
}


@pytest.mark.parametrize(
    ("status", "codes", "row"),
    [
        (400, ("teapot",), "status and code"),
        (401, ("teapot",), "family and code"),
        (403, ("teapot",), "family and code"),
        (401, ("kettle", "teapot"), "the second code"),
        (401, ("unheard of", "", "kettle"), "the second code"),
        (400, ("unheard of",), "status and any code"),
        (403, ("unheard of",), "family and any code"),
        (400, ("",), "family"),
        (403, (), "status"),
        (404, ("", ""), "family"),
        (500, ("teapot",), "nothing else"),
        (999, (), "nothing else"),
    ],
)
def test_the_most_exact_row_of_a_decision_table_counts(status: int, codes: tuple[str, ...], row: str) -> None:
    answer = Answer(status=status, headers={}, json=None, empty=True, retry_after=None, tracking_id=None)
    assert answer.row(TABLE, *codes) == row


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (124, "124"),
        ("1001", "1001"),
        (0, "0"),
        ("invalid_grant", "invalid_grant"),
        (True, None),
        (None, None),
        (-1, None),
        (1.5, None),
        ("", None),
        ("Invalid Token!", None),
        ("eyJhbGciOiJIUzUxMiJ9", None),
        ("4MyGeneratedBearerTknz==", None),
        ("x" * 41, None),
        ("invalid_grant\n", None),
    ],
)
def test_only_what_can_be_nothing_but_a_code_is_one(value: object, code: str | None) -> None:
    assert safe_code(value) == code


# Retry-After


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-21T18:00:00Z", "2026-11-21T18:00:00+00:00"),
        ("2026-11-21T18:00:00+02:00", "2026-11-21T16:00:00+00:00"),
        ("2026-11-21T18:00:00", "2026-11-21T18:00:00+00:00"),
        ("Sat, 21 Nov 2026 18:00:00 GMT", "2026-11-21T18:00:00+00:00"),
        ("120", "2026-11-21T10:02:00+00:00"),
        (" 0 ", "2026-11-21T10:00:00+00:00"),
        # the past is now, and nothing is further off than a day
        ("2020-05-31T00:00:00Z", "2026-11-21T10:00:00+00:00"),
        ("Sun, 31 May 2020 00:00:00 GMT", "2026-11-21T10:00:00+00:00"),
        ("2027-11-21T00:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("Sun, 21 Nov 2027 00:00:00 GMT", "2026-11-22T10:00:00+00:00"),
        ("31536000", "2026-11-22T10:00:00+00:00"),
        ("999999999", "2026-11-22T10:00:00+00:00"),
    ],
)
def test_retry_after_is_read_in_all_its_forms(value: str, expected: str) -> None:
    until = retry_after({"Retry-After": value}, NOW)
    assert until is not None
    assert until.isoformat() == expected


BEYOND_NUMBERS = "Sun, 22 Nov 2026 10:00:00 +99999999999999999999"


@pytest.mark.parametrize(
    "value",
    ["", "soon", "-5", "1.5", "1790000000000", "2026-13-45T00:00:00Z", "tomorrow 10:00", BEYOND_NUMBERS],
)
def test_a_retry_after_that_makes_no_sense_is_absent(value: str) -> None:
    assert retry_after({"Retry-After": value}, NOW) is None


def test_an_absent_retry_after_is_absent() -> None:
    assert retry_after({}, NOW) is None


@given(
    st.one_of(
        st.text(),
        st.integers().map(str),
        st.datetimes().map(str),
        st.datetimes(timezones=st.timezones()).map(lambda date: date.isoformat()),
        st.from_regex(r"(Mon, )?\d{1,2} (Jan|Feb) \d{1,5} \d\d:\d\d:\d\d ([+-]\d{4}|GMT)", fullmatch=True),
    )
)
def test_no_retry_after_breaks_anything(value: str) -> None:
    until = retry_after({"Retry-After": value}, NOW)
    assert until is None or NOW <= until <= NOW + timedelta(days=1)


# What never completes

LOST = {
    "it never answers": Play(ending="hold"),
    "it closes": Play(),
    "it resets": Play(ending="reset"),
    "it talks nonsense": Play(b"nonsense\r\n\r\n"),
    "it stops in the headers": Play(b"HTTP/1.1 200 OK\r\nContent-Le", ending="hold"),
    "it stops in the body": Play(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ending="hold"),
    "it closes in the body": Play(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "it resets in the body": Play(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", ending="reset"),
    "it closes between chunks": Play(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    "it compresses nonsense": Play(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
}


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("play", LOST.values(), ids=LOST)
def test_what_was_sent_and_not_answered_is_lost_and_never_repeated(method: str, play: Play) -> None:
    with answering(play, OK) as (transport, wire), pytest.raises(AnswerLost) as caught:
        transport.request(
            method,
            "/x",
            auth=BearerAuth(SECRET),
            params={"meeting_id": "93398114182"},
            form={"refresh_token": SECRET} if method == "POST" else None,
            read_timeout=0.05,
        )
    assert len(wire.asked) == 1
    assert "CANARY" not in shown_by(caught.value)
    assert "93398114182" not in repr(caught.value)


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
@pytest.mark.parametrize("name", ["zoom/429-retry-after-seconds", "venafi/503-retry-after", "zoom/502-html"])
def test_an_answer_that_asks_for_patience_is_not_waited_for(method: str, name: str) -> None:
    with answering(fixture(name), OK) as (transport, wire):
        answer = transport.request(method, "/x", auth=None)
    assert answer.status == int(name.split("/")[1][:3])
    assert len(wire.asked) == 1


def test_a_late_answer_is_told_from_a_broken_one() -> None:
    with answering(Play(ending="hold")) as (transport, wire), pytest.raises(AnswerLost) as late:
        transport.request("GET", "/x", auth=None, read_timeout=0.05)
    assert late.value.reason == f"127.0.0.1:{wire.port} took the request and did not answer in time"
    with answering(Play()) as (transport, wire), pytest.raises(AnswerLost) as broken:
        transport.request("GET", "/x", auth=None)
    assert broken.value.reason == f"127.0.0.1:{wire.port} took the request and its answer broke off"


def test_a_host_that_does_not_listen_was_sent_nothing() -> None:
    with answering() as (transport, wire), pytest.raises(NotSent) as caught:
        transport.request("POST", "/x", auth=BearerAuth(SECRET), form={"token": SECRET}, params={"a": "1"})
    assert caught.value.reason == f"127.0.0.1:{wire.port} can't be reached (name, connection or TLS)"
    assert "CANARY" not in shown_by(caught.value)


def test_a_host_without_an_address_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with closing(transport_to("https://zoom.us")) as transport, pytest.raises(NotSent):
        transport.request("GET", "/x", auth=None)


def test_a_host_that_does_not_take_the_call_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def silence(_address: object, timeout: object, **_: object) -> None:
        asked.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(urllib3.util.connection, "create_connection", silence)
    with closing(transport_to("https://zoom.us")) as transport, pytest.raises(NotSent):
        transport.request("GET", "/x", auth=None)
    assert asked == [3.0, 3.0]


def test_connecting_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = urllib3.util.connection.create_connection
    refusals = [ConnectionRefusedError()]

    def at_the_second_try(*address: tuple[str, int], **options: object) -> socket.socket:
        if refusals:
            raise refusals.pop()
        return connect(*address, **options)  # type: ignore[arg-type]  # whatever urllib3 passes

    monkeypatch.setattr(urllib3.util.connection, "create_connection", at_the_second_try)
    with answering(OK) as (transport, wire):
        assert transport.request("POST", "/x", auth=None, form={"a": "b"}).status == 200
    assert len(wire.asked) == 1


def test_a_first_connection_that_failed_does_not_make_a_lost_answer_unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = urllib3.util.connection.create_connection
    refusals = [ConnectionRefusedError()]

    def at_the_second_try(*address: tuple[str, int], **options: object) -> socket.socket:
        if refusals:
            raise refusals.pop()
        return connect(*address, **options)  # type: ignore[arg-type]  # whatever urllib3 passes

    monkeypatch.setattr(urllib3.util.connection, "create_connection", at_the_second_try)
    with answering(Play()) as (transport, wire), pytest.raises(AnswerLost):
        transport.request("POST", "/x", auth=None, form={"a": "b"})
    assert len(wire.asked) == 1


def test_a_call_is_given_twenty_seconds_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(OK, OK) as (transport, _):
        sent: list[object] = []
        send = transport._session.send

        def remember(*request: object, **options: object) -> object:
            timeout = options["timeout"]
            assert isinstance(timeout, Timeout)
            sent.append((timeout.connect_timeout, timeout.read_timeout, timeout.total))
            return send(*request, **options)  # type: ignore[arg-type]  # whatever the transport passes

        monkeypatch.setattr(transport._session, "send", remember)
        transport.request("GET", "/x", auth=None)
        transport.request("GET", "/x", auth=None, read_timeout=30)
    assert sent == [(3.0, 20.0, None), (3.0, 30, None)]


def test_no_log_line_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    # Whoever imports bootstrap sets the library's own level.
    caplog.set_level(logging.DEBUG, logger="urllib3")
    with caplog.at_level(logging.DEBUG), answering(saying(b'{"access_token": "CANARY"}'), Play()) as (transport, _):
        transport.request("POST", "/x", auth=BasicAuth("client", SECRET), form={"refresh_token": SECRET})
        with pytest.raises(AnswerLost):
            transport.request("POST", "/x", auth=BearerAuth(SECRET), json={"refresh_token": SECRET})
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert "CANARY" not in caplog.text
