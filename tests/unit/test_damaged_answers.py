"""A token answer that comes damaged: what of its tokens is kept, whatever the damage and whoever the provider."""

import gzip
import http.client
import json
import re
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import pytest
from pydantic import SecretStr

from leaver.errors import AnswerLost, LeaverError, ProviderUnavailable
from leaver.providers.answer import Answer
from leaver.providers.body import MAX_BODY
from leaver.providers.granted import granted_by
from leaver.providers.transport import Transport
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import ASSUMED_LIFETIME, GrantedTokens
from tests.doubles.acme.credentials import AcmeCredentials
from tests.doubles.acme.oauth import AcmeOAuth
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, serving
from tests.field import Field, harms_of

NOW: Final = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
OLD: Final = SecretStr("old-refresh")
CLIENT: Final = ("client-id", SecretStr("client-secret"))

Refresh = Callable[[Transport], GrantedTokens]
PROVIDERS: Final[Mapping[str, Refresh]] = {
    "zoom": lambda transport: ZoomOAuth(transport, lambda: NOW).refresh(*CLIENT, OLD),
    "venafi": lambda transport: VenafiAuth(transport, lambda: NOW).refresh(CLIENT[0], OLD),
    "acme": lambda transport: AcmeOAuth(transport, lambda: NOW).refresh(
        AcmeCredentials(client_id=CLIENT[0], client_secret=CLIENT[1]), OLD
    ),
}


class Kept(NamedTuple):
    """What was read of an answer."""

    access: str = "CANARY-new+access/=="
    refresh: str | None = "CANARY-new-refresh"
    lifetime: timedelta = timedelta(seconds=3599)


BOTH: Final = Kept()
NOTHING: Final = None
FIELDS: Final = {
    "token_type": "bearer",
    "access_token": BOTH.access,
    "expires_in": 3599,
    "refresh_token": BOTH.refresh,
    "scope": "user:read",
}
BODY: Final = json.dumps(FIELDS).encode()


def without(*names: str, **instead: object) -> bytes:
    return json.dumps({name: value for name, value in FIELDS.items() if name not in names} | instead).encode()


OLDER: Final = without(access_token="CANARY-older-access", refresh_token="CANARY-older-refresh")


def said(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Play:
    length = b"Content-Length: %d" % len(body)
    return Play(b"\r\n".join([b"HTTP/1.1 " + status, length, *headers, b"", body]))


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> Play:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Play(head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last)


def deflated(body: bytes) -> bytes:
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return raw.compress(body) + raw.flush()


GZIP: Final = b"Content-Encoding: gzip"
#: these first bytes unpack to something
PAGE: Final = b'<html xmlns="http://www.w3.org/1999/xhtml"><body><pre>' + BODY + b"</pre></body></html>"
LINE: Final = b"<p>" + BODY + b"</p>"
HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

#: damage → the answer, and what is kept of it; written by hand
Answers = Mapping[str, tuple[Play, Kept | None]]
BEFORE_IT: Final[Answers] = {
    "201": (said(BODY, status=b"201 Created"), BOTH),
    "203": (said(BODY, status=b"203 Non-Authoritative Information"), BOTH),
    "early hints": (Play(HINTS + said(BODY).raw), BOTH),
    "early hints, twice, and 100": (Play(HINTS * 2 + b"HTTP/1.1 100 Continue\r\n\r\n" + said(BODY).raw), BOTH),
}
TRANSFER: Final[Answers] = {
    "the last chunk is missing": (chunked(BODY, last=b""), BOTH),
    "the last chunk is cut": (chunked(BODY[:40], BODY[40:], last=b"0\r"), BOTH),
    "chunks that are nonsense in the end": (chunked(BODY, last=b"zz\r\n"), BOTH),
    "shorter than its length": (Play(said(BODY + b" ").raw[:-1]), BOTH),
    "reset in the end": (Play(said(BODY + b" ").raw[:-1], ending="reset"), BOTH),
    "never ended": (Play(said(BODY + b" ").raw[:-1], ending="hold"), BOTH),
    "cut in the scope": (Play(said(BODY).raw[:-4]), BOTH),
    "cut in the refresh token": (
        Play(said(BODY).raw[: -len(b'-refresh", "scope": "user:read"}')]),
        BOTH._replace(refresh=None),
    ),
    "cut in the access token": (Play(said(BODY).raw[: said(BODY).raw.index(b"+access")]), NOTHING),
}
COMPRESSION: Final[Answers] = {
    "compressed, and called so": (said(gzip.compress(BODY), GZIP), BOTH),
    "called compressed": (said(BODY, GZIP), BOTH),
    "deflated without a header": (said(deflated(BODY), GZIP), BOTH),
    "a wrong gzip header": (said(b"\0" * 10 + deflated(BODY), GZIP), BOTH),
    "a wrong gzip checksum": (said(gzip.compress(BODY)[:-8] + b"\0" * 8, GZIP), BOTH),
    "compressed and cut in the end": (Play(said(gzip.compress(BODY), GZIP).raw[:-6]), BOTH),
}
OTHER_FIELDS: Final[Answers] = {
    "a bad byte in another field": (said(BODY.replace(b"user:read", b"user:\xff")), BOTH),
    "a line break in another field": (said(BODY.replace(b"user:read", b"user:\nread")), BOTH),
    "cut in the lifetime": (
        said(without("expires_in", "scope", expires_in=3599)[:-3]),
        BOTH._replace(lifetime=ASSUMED_LIFETIME),
    ),
    "a number that is none": (said(BODY.replace(b"3599", b"NaN/2")), BOTH._replace(lifetime=ASSUMED_LIFETIME)),
    "a bad lifetime": (said(without(expires_in=[])), BOTH._replace(lifetime=ASSUMED_LIFETIME)),
    "a comma too many": (said(BODY[:-1] + b",}"), BOTH),
    "something before it": (said(b")]}',\n" + BODY), BOTH),
    "something after it": (said(BODY + b"\0\0"), BOTH),
    "an older answer before it": (said(OLDER + BODY), BOTH),
    "its own fields twice": (said(OLDER[:-1] + b", " + BODY[1:]), BOTH),
    "its own fields twice, and a comma too many": (said(OLDER[:-1] + b", " + BODY[1:-1] + b",}"), BOTH),
    "in a list": (said(b"[" + BODY + b"]"), BOTH),
    "in an object": (said(b'{"data": ' + BODY + b"}"), BOTH),
    "as .NET escapes": (said(BODY.replace(b"+", b"\\u002B").replace(b"/", b"\\/")), BOTH),
}
TOKENS: Final[Answers] = {
    "access_token: null": (said(without(access_token=None)), BOTH._replace(access="")),
    "no access token": (said(without("access_token")), BOTH._replace(access="")),
    "a bad byte in the access token": (said(BODY.replace(b"+access", b"\xff")), BOTH._replace(access="")),
    "a bad byte in the refresh token": (said(BODY.replace(b"-refresh", b"\xff")), BOTH._replace(refresh=None)),
    "refresh_token: null": (said(without(refresh_token=None)), BOTH._replace(refresh=None)),
}
NO_TOKENS: Final[Answers] = {
    "neither": (said(without("access_token", "refresh_token")), NOTHING),
    "nothing": (said(b""), NOTHING),
    "a page that shows how an answer looks": (said(PAGE), NOTHING),
    "a page after white space": (said(b"\r\n \t" + LINE), NOTHING),
    "a page after a byte order mark": (said(b"\xef\xbb\xbf" + LINE), NOTHING),
    "a page after zero bytes": (said(b"\0\0" + LINE), NOTHING),
    "a page after a sentence": (said(b"Sign in to go on. " + PAGE), NOTHING),
    "a page of text": (said(b"Sign in to go on, and get " + BODY, b"Content-Type: text/html; charset=utf-8"), NOTHING),
    "a page called compressed": (said(PAGE, GZIP), NOTHING),
    "a compressed page with a wrong checksum": (said(gzip.compress(PAGE)[:-8] + b"\0" * 8, GZIP), NOTHING),
    "a compressed page with a wrong header": (said(b"\0" * 10 + deflated(PAGE), GZIP), NOTHING),
    "JSON that shows how an answer looks": (said(b'{"help": {"answer": ' + BODY + b"}}"), NOTHING),
    "a list of examples": (said(b"[" + BODY + b", " + BODY + b"]"), NOTHING),
    "an older refresh token in the data": (
        said(without("access_token", data={"refresh_token": "CANARY-retired"})),
        BOTH._replace(access=""),
    ),
    "text that speaks of one": (said(json.dumps({"hint": BODY.decode()}).encode()), NOTHING),
}
#: as the table of the proof has it
GROUPS: Final[Mapping[str, Answers]] = {
    "201, 203, 100 or 103 before it": BEFORE_IT,
    "it breaks off, or its chunks or length are wrong": TRANSFER,
    "its gzip is wrong, or only said to be": COMPRESSION,
    "bad bytes, line breaks and nonsense in other fields, or around it": OTHER_FIELDS,
    "one of its tokens is null, missing or unreadable": TOKENS,
    "what is there is no token of ours": NO_TOKENS,
}
DAMAGES: Final[Answers] = {damage: play for group in GROUPS.values() for damage, play in group.items()}


def refreshed(provider: str, play: Play) -> GrantedTokens | Exception:
    with serving(play) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        impatient(transport)
        try:
            return PROVIDERS[provider](transport)
        except Exception as error:  # noqa: BLE001 - what came of the answer is judged, whatever it is
            return error
        finally:
            # It was played, and asked for once.
            assert wire.only


def impatient(transport: Transport) -> None:
    request = transport.request
    transport.request = lambda *asked, **more: request(*asked, **more | {"read_timeout": 0.2})  # type: ignore[method-assign]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_of_a_damaged_answer_every_token_is_kept_that_can_be_read(damage: str, provider: str, field: Field) -> None:
    play, kept = DAMAGES[damage]
    read = refreshed(provider, play)
    group = next(group for group, damages in GROUPS.items() if damage in damages)
    field("a damaged token answer", group, 1, **harms(read, kept))
    assert isinstance(read, AnswerLost if kept is NOTHING else GrantedTokens)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_answer_is_kept_as_it_is(provider: str) -> None:
    tokens = refreshed(provider, said(BODY))
    assert isinstance(tokens, GrantedTokens)
    assert kept_of(tokens) == BOTH


def harms(read: GrantedTokens | Exception, kept: Kept | None) -> dict[str, int]:
    """How many tokens are lost, what is taken for something else, what shows a secret, and what nobody expected."""
    crashed = not isinstance(read, GrantedTokens | LeaverError)
    if not isinstance(read, GrantedTokens):
        lost, false = len(tokens_of(kept)), isinstance(read, LeaverError) and not isinstance(read, AnswerLost)
        return {"lost": lost, "false": int(false), "leaked": int("CANARY" in shown_by(read)), "crashed": int(crashed)}
    found = kept_of(read)
    lost, invented = len(tokens_of(kept) - tokens_of(found)), len(tokens_of(found) - tokens_of(kept))
    other = (kept is not NOTHING and found.lifetime != kept.lifetime) + (read.scope not in {"user:read", ""})
    return {"lost": lost, "false": invented + other, "leaked": int("CANARY" in repr(read)), "crashed": 0}


def tokens_of(kept: Kept | None) -> set[str]:
    return {token for token in (kept.access, kept.refresh) if token} if kept else set()


def kept_of(tokens: GrantedTokens) -> Kept:
    refresh_token = tokens.refresh_token.get_secret_value() if tokens.refresh_token else None
    # Without an access token there is nothing that lives on.
    lifetime = tokens.expires_at - NOW if tokens.has_access_token else BOTH.lifetime
    return Kept(tokens.access_token.get_secret_value(), refresh_token, lifetime)


def test_what_follows_early_hints_is_the_answer_to_that_request_and_not_to_the_next() -> None:
    both = HINTS + said(BODY).raw + said(b'{"a": 1}').raw
    with serving(Play(both, "hold")) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        answer = transport.request("GET", "/x", auth=None)
    assert (answer.status, answer.json) == (200, FIELDS)


def test_a_small_damaged_body_does_not_unpack_to_more_than_is_searched() -> None:
    bomb = deflated(b"0" * 8 * MAX_BODY)
    with serving(said(bomb, GZIP)) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        tracemalloc.start()
        try:
            answer = transport.request("POST", "/x", auth=None, even_damaged=True)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (answer.json, answer.failure is None) == (None, False)
    assert most < MAX_BODY


def search_nothing(_: Answer) -> dict[str, Any]:
    return {}


def request_what_is_whole(*asked: Any, even_damaged: bool = True, **more: Any) -> Answer:
    assert even_damaged
    return REQUEST(*asked, **more)


def believe_200_alone(answer: Answer, *, asked_at: datetime, renews: bool) -> GrantedTokens | None:
    return granted_by(answer, asked_at=asked_at, renews=renews) if answer.status == HTTPStatus.OK else None


REQUEST: Final = Transport.request
#: what is taken away, what stands in its place, and a damage that then costs the tokens
MUTATIONS: Final[Mapping[str, tuple[str, Any]]] = {
    "a bad byte in another field": ("leaver.providers.answer.Answer.search", search_nothing),
    "the last chunk is missing": ("leaver.providers.transport.Transport.request", request_what_is_whole),
    "early hints": ("leaver.providers.connection_pool._BoundedConnection.response_class", http.client.HTTPResponse),
    "203": ("leaver.providers.zoom.oauth.granted_by", believe_200_alone),
}


@pytest.mark.parametrize("damage", MUTATIONS)
def test_that_test_sees_it_where_a_mend_is_taken_away(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MUTATIONS[damage])
    play, _ = DAMAGES[damage]
    assert isinstance(refreshed("zoom", play), ProviderUnavailable)
    test = partial(test_of_a_damaged_answer_every_token_is_kept_that_can_be_read, damage, "zoom")
    assert harms_of(test)["lost"] == 2


FIRST_CHARACTER: Final = re.compile(rb"\A<")
#: pages that begin with something else than their first character
BLURRED: Final = (
    "a page after white space",
    "a page after a byte order mark",
    "a page after zero bytes",
    "a page after a sentence",
    "a page called compressed",
)


@pytest.mark.parametrize("damage", BLURRED)
def test_that_test_sees_it_where_a_page_is_known_by_its_first_character_alone(
    damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaver.providers.answer._PAGE", FIRST_CHARACTER)
    play, _ = DAMAGES[damage]
    assert isinstance(refreshed("zoom", play), GrantedTokens)
    test = partial(test_of_a_damaged_answer_every_token_is_kept_that_can_be_read, damage, "zoom")
    assert harms_of(test) == {"false": 2}
