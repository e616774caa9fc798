"""What each of Zoom's REST answers means; the answers are files, the expectations are written here by hand."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    BadMessage,
    InvalidToken,
    LeaverError,
    NotSent,
    ProviderResponse,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome, Result
from leaver.providers.transport import Transport
from leaver.providers.zoom.api import UserToken, Zoom, ZoomUser, user_path
from tests.doubles.canary import shown_by
from tests.doubles.wire import Play, Wire, fixture, fixtures, serving

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TOKEN = SecretStr("CANARY-access-token")
ANN = "ann@example.com"

Call = Callable[[Zoom], Result | UserToken | ZoomUser]


def get_user(zoom: Zoom) -> ZoomUser | Result:
    return zoom.get_user(ANN, TOKEN)


def get_user_token(zoom: Zoom) -> UserToken:
    return zoom.get_user_token(ANN, TOKEN, type="zak")


def delete_user_token(zoom: Zoom) -> Result:
    return zoom.delete_user_token(ANN, TOKEN)


every_call = pytest.mark.parametrize("call", [get_user, get_user_token, delete_user_token])

OUTSIDE_THE_DOCUMENTATION = "Zoom's answer is neither the documented success nor a refusal"
NO_ACCESS = "Zoom does not accept the access token"

#: answers that mean the same whatever was asked: name, error, reason, provider's code
REFUSALS: list[tuple[str, type[LeaverError], str, str | None]] = [
    ("200-error-body", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, "300"),
    ("200-error-body-1001", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, "1001"),
    ("200-empty-object", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, None),
    ("200-a-list", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, None),
    ("200-html", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, None),
    ("200-empty-body", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, None),
    ("200-half-json", ProviderUnavailable, OUTSIDE_THE_DOCUMENTATION, None),
    ("404-empty-body", Rejected, "not found, but not in Zoom's words: is the URL of Zoom in the settings right?", None),
    ("404-html", Rejected, "not found, but not in Zoom's words: is the URL of Zoom in the settings right?", None),
    (
        "400-1120-invitation-pending",
        Rejected,
        "the user was invited to the Zoom account and has not accepted yet",
        "1120",
    ),
    ("401-124-invalid", InvalidToken, NO_ACCESS, "124"),
    ("401-124-expired", InvalidToken, NO_ACCESS, "124"),
    ("400-124-invalid", InvalidToken, NO_ACCESS, "124"),
    ("401-empty-body", InvalidToken, NO_ACCESS, None),
    ("401-unknown-code", InvalidToken, NO_ACCESS, "4242"),
    ("400-4711-missing-scopes", Rejected, "missing scopes: user:delete:token, user:delete:token:admin", "4711"),
    ("401-4711-missing-scope", Rejected, "missing scopes: user:read:token:admin", "4711"),
    (
        "403-4711-missing-scopes",
        Rejected,
        "missing scopes: contact:read:list_contacts, contact:read:list_contacts:admin",
        "4711",
    ),
    ("400-4711-odd-scopes", Rejected, "missing scopes: user:read:token", "4711"),
    ("400-4700-missing-scopes", Rejected, "missing scopes: user:read:user:admin", "4700"),
    ("401-4700-token-cannot-be-empty", Rejected, "Zoom did not see an access token", "4700"),
    ("401-104-missing-scopes", Rejected, "missing scopes", "104"),
    ("400-200-no-permission", Rejected, "Zoom gives the connection no permission for this", "200"),
    (
        "400-200-invalid-api-key-or-secret",
        Rejected,
        "the connection's token is of a kind that this endpoint does not take",
        "200",
    ),
    (
        "400-200-zoom-room-or-admin",
        Rejected,
        "the user is a Zoom Room or an administrator, whose status Zoom does not let anybody change",
        "200",
    ),
    ("400-200-only-paid", Rejected, "the Zoom account's plan does not include this", "200"),
    ("400-300-validation-failed", Rejected, "Zoom finds the request invalid", "300"),
    ("400-300-not-a-json-object", Rejected, "Zoom finds the request invalid", "300"),
    ("400-300-upcoming-event", Rejected, "Zoom finds the request invalid", "300"),
    (
        "400-2300-not-recognized",
        Rejected,
        "Zoom does not know the endpoint: the URL that we built is wrong",
        "2300",
    ),
    ("400-5010-undocumented-code", Rejected, "Zoom refuses, for a reason that we don't know", "5010"),
    ("400-error-message", Rejected, "Zoom refuses, for a reason that we don't know", None),
    ("403-html", Rejected, "Zoom refuses, for a reason that we don't know", None),
    ("409-conflict", Rejected, "Zoom refuses, for a reason that we don't know", "409"),
    ("500-html", ProviderUnavailable, "Zoom is out of order", None),
    ("500-1001-json", ProviderUnavailable, "Zoom is out of order", "1001"),
    ("502-html", ProviderUnavailable, "Zoom is out of order", None),
    ("503-html", ProviderUnavailable, "Zoom is out of order", None),
    ("504-html", ProviderUnavailable, "Zoom is out of order", None),
    ("301-other-host", Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong", None),
    ("308-other-host", Rejected, "Zoom has moved: the URL of Zoom in the settings is wrong", None),
    ("302-login-page", ProviderUnavailable, "Zoom redirects elsewhere, where we don't follow", None),
]

#: name, until (UTC, the clock stands at 2026-11-21 10:00), reason
LIMITS = [
    ("429-qps-with-headers", "2026-11-21T10:00:01+00:00", "Zoom's limit per second is reached"),
    ("429-qps-without-headers", "2026-11-21T10:00:01+00:00", "Zoom's limit per second is reached"),
    ("429-retry-after-seconds", "2026-11-21T10:00:07+00:00", "Zoom's limit per second is reached"),
    ("429-html", "2026-11-21T10:00:01+00:00", "Zoom's limit per second is reached"),
    ("429-concurrent-disassociate", "2026-11-21T10:00:01+00:00", "Zoom is busy with another request for this user"),
    ("429-daily-retry-after-iso", "2026-11-22T00:00:00+00:00", "Zoom's daily limit is reached"),
    ("429-daily-by-header-alone", "2026-11-22T00:00:00+00:00", "Zoom's daily limit is reached"),
    ("429-daily-lower-case-header", "2026-11-22T00:00:00+00:00", "Zoom's daily limit is reached"),
    ("429-daily-without-retry-after", "2026-11-22T00:00:00+00:00", "Zoom's daily limit is reached"),
    ("429-retry-after-http-date", "2026-11-21T18:30:00+00:00", "Zoom's daily limit is reached"),
    ("429-retry-after-garbage", "2026-11-22T00:00:00+00:00", "Zoom's daily limit is reached"),
    ("429-retry-after-past", "2026-11-21T10:00:01+00:00", "Zoom's daily limit is reached"),
    ("429-retry-after-a-year", "2026-11-22T10:00:00+00:00", "Zoom's daily limit is reached"),
]

#: name, provider's status and code
NOT_FOUND = [
    ("404-1001-user-does-not-exist", 404, "1001"),
    ("404-1001-not-in-this-account", 404, "1001"),
    ("400-1010-user-not-found", 400, "1010"),
    ("400-code-as-text", 400, "1001"),
]

#: the answer breaks off, so nobody knows what was done
BROKEN_OFF = ["200-truncated-json", "404-truncated"]


@contextmanager
def zoom_answering(*answers: str | Play) -> Iterator[tuple[Zoom, Wire]]:
    raw = [fixture(f"zoom/{answer}") if isinstance(answer, str) else answer for answer in answers]
    with serving(*raw) as wire, closing(Transport(f"{wire.url}/v2", clock=lambda: NOW)) as transport:
        yield Zoom(transport, lambda: NOW), wire


def tracking_id(name: str) -> str:
    found = re.search(rb"x-zm-trackingid: (\S+)", fixture(f"zoom/{name}"))
    assert found
    return found.group(1).decode()


def test_every_recorded_answer_is_named_in_this_file() -> None:
    source = Path(__file__).read_text()
    assert [name for name in fixtures("zoom") if f'"{name}"' not in source] == []


# The seeds' documented examples


def test_the_documented_204_of_revoke_a_users_sso_token_is_revoked() -> None:
    with zoom_answering("204-token-deleted") as (zoom, wire):
        result = zoom.delete_user_token(ANN, TOKEN)
    assert result == Result(Outcome.REVOKED, ProviderResponse(204, tracking_id=tracking_id("204-token-deleted")))
    assert (wire.only.method, wire.only.target) == ("DELETE", "/v2/users/ann%40example.com/token")
    assert wire.only.headers["authorization"] == "Bearer CANARY-access-token"
    assert wire.only.body == b""


def test_the_documented_404_of_revoke_a_users_sso_token_is_user_not_found() -> None:
    with zoom_answering("404-1001-user-does-not-exist") as (zoom, _):
        result = zoom.delete_user_token(ANN, TOKEN)
    assert result == Result(
        Outcome.USER_NOT_FOUND,
        ProviderResponse(404, "1001", tracking_id("404-1001-user-does-not-exist")),
    )


def test_the_documented_404_without_its_code_is_not_believed() -> None:
    with zoom_answering("404-empty-body") as (zoom, _), pytest.raises(Rejected, match="not in Zoom's words"):
        zoom.delete_user_token(ANN, TOKEN)


def test_the_documented_200_of_get_a_user_token_is_retrieved() -> None:
    with zoom_answering("200-token") as (zoom, wire):
        answer = zoom.get_user_token("KDcuGIm1QgePTO8WbOqwIQ", TOKEN, type="zak", ttl=7200)
    assert answer.result == Result(Outcome.RETRIEVED, ProviderResponse(200, tracking_id=tracking_id("200-token")))
    assert answer.token is not None
    assert answer.token.get_secret_value() == "string"
    assert (wire.only.method, wire.only.target) == ("GET", "/v2/users/KDcuGIm1QgePTO8WbOqwIQ/token?type=zak&ttl=7200")
    assert wire.only.headers["authorization"] == "Bearer CANARY-access-token"


def test_the_documented_404_of_get_a_user_token_is_user_not_found() -> None:
    with zoom_answering("404-1001-user-does-not-exist") as (zoom, _):
        answer = zoom.get_user_token(ANN, TOKEN, type="zak")
    assert answer.result.outcome is Outcome.USER_NOT_FOUND
    assert answer.token is None


# What a success looks like


def test_a_user_who_logs_in_through_google_has_no_token() -> None:
    with zoom_answering("200-token-null") as (zoom, _):
        answer = zoom.get_user_token(ANN, TOKEN, type="token")
    assert answer == UserToken(
        Result(Outcome.NO_TOKEN, ProviderResponse(200, tracking_id=tracking_id("200-token-null"))), token=None
    )


def test_a_token_of_512_characters_comes_whole() -> None:
    with zoom_answering("200-token-512-chars") as (zoom, _):
        answer = zoom.get_user_token(ANN, TOKEN, type="zak")
    assert answer.token is not None
    assert len(answer.token.get_secret_value()) == 512
    assert answer.token.get_secret_value().endswith("zak-end")


def test_what_was_retrieved_does_not_show_its_face() -> None:
    with zoom_answering("200-token-512-chars") as (zoom, _):
        answer = zoom.get_user_token(ANN, TOKEN, type="zak")
    assert "zak-end" not in f"{answer} {answer!r}"


def test_a_user_token_on_behalf_names_its_meeting() -> None:
    with zoom_answering("200-token") as (zoom, wire):
        zoom.get_user_token("me", TOKEN, type="onbehalf", meeting_id="93398114182")
    assert wire.only.target == "/v2/users/me/token?type=onbehalf&meeting_id=93398114182"


def test_a_user_is_known_by_id_and_email() -> None:
    with zoom_answering("200-user") as (zoom, wire):
        user = zoom.get_user(ANN, TOKEN)
    assert user == ZoomUser(id="KDcuGIm1QgePTO8WbOqwIQ", email="ann@example.com", account_id="EPeQtiABC000VYxHMA")
    assert (wire.only.method, wire.only.target) == ("GET", "/v2/users/ann%40example.com")


@pytest.mark.parametrize("name", ["200-token-empty", "200-token-a-number"])
def test_a_token_that_is_none_is_not_retrieved(name: str) -> None:
    with zoom_answering(name) as (zoom, _), pytest.raises(ProviderUnavailable) as caught:
        zoom.get_user_token(ANN, TOKEN, type="zak")
    assert caught.value.reason == OUTSIDE_THE_DOCUMENTATION


def test_a_user_without_id_is_no_answer() -> None:
    with zoom_answering("200-user-without-id") as (zoom, _), pytest.raises(ProviderUnavailable) as caught:
        zoom.get_user(ANN, TOKEN)
    assert caught.value.reason == OUTSIDE_THE_DOCUMENTATION


@pytest.mark.parametrize("name", ["200-token", "200-user"])
def test_deleting_needs_exactly_204(name: str) -> None:
    with zoom_answering(name) as (zoom, _), pytest.raises(ProviderUnavailable) as caught:
        zoom.delete_user_token(ANN, TOKEN)
    assert caught.value.reason == OUTSIDE_THE_DOCUMENTATION


@pytest.mark.parametrize("call", [get_user, get_user_token])
def test_a_204_answers_no_question(call: Call) -> None:
    with zoom_answering("204-token-deleted") as (zoom, _), pytest.raises(ProviderUnavailable) as caught:
        call(zoom)
    assert caught.value.reason == OUTSIDE_THE_DOCUMENTATION


# The decision table


@every_call
@pytest.mark.parametrize(("name", "error", "reason", "code"), REFUSALS, ids=[name for name, *_ in REFUSALS])
def test_a_refusal_is_named_for_whoever_must_act(
    call: Call, name: str, error: type[LeaverError], reason: str, code: str | None
) -> None:
    with zoom_answering(name, name) as (zoom, wire), pytest.raises(LeaverError) as caught:
        call(zoom)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert caught.value.response.code == code
    assert caught.value.response.status == int(name[:3])
    assert caught.value.response.tracking_id == tracking_id(name)
    assert len(wire.asked) == 1


@every_call
@pytest.mark.parametrize(("name", "until", "reason"), LIMITS, ids=[name for name, *_ in LIMITS])
def test_a_limit_says_until_when(call: Call, name: str, until: str, reason: str) -> None:
    with zoom_answering(name, name) as (zoom, wire), pytest.raises(Throttled) as caught:
        call(zoom)
    assert caught.value.until.isoformat() == until
    assert caught.value.reason == reason
    # What is limited for one user only must not keep everybody else waiting.
    assert caught.value.account_wide == (name not in {"429-concurrent-disassociate", "429-daily-without-retry-after"})
    assert caught.value.response.status == 429
    assert caught.value.response.code == (None if name == "429-html" else "429")
    assert caught.value.response.tracking_id == tracking_id(name)
    assert len(wire.asked) == 1


@pytest.mark.parametrize(("name", "status", "code"), NOT_FOUND)
def test_a_user_whom_zoom_does_not_know_is_not_found(name: str, status: int, code: str) -> None:
    expected = Result(Outcome.USER_NOT_FOUND, ProviderResponse(status, code, tracking_id(name)))
    with zoom_answering(name, name, name) as (zoom, _):
        assert zoom.delete_user_token(ANN, TOKEN) == expected
        assert zoom.get_user_token(ANN, TOKEN, type="zak") == UserToken(expected, token=None)
        assert zoom.get_user(ANN, TOKEN) == expected


@every_call
@pytest.mark.parametrize("name", BROKEN_OFF)
def test_an_answer_that_breaks_off_is_lost(call: Call, name: str) -> None:
    with zoom_answering(name, name) as (zoom, wire), pytest.raises(AnswerLost):
        call(zoom)
    assert len(wire.asked) == 1


@every_call
def test_a_connection_that_is_reset_in_the_middle_of_a_body_loses_the_answer(call: Call) -> None:
    with zoom_answering(Play(fixture("zoom/200-truncated-json"), "reset")) as (zoom, _), pytest.raises(AnswerLost):
        call(zoom)


@every_call
def test_a_zoom_that_is_not_there_was_sent_nothing(call: Call) -> None:
    with zoom_answering() as (zoom, _), pytest.raises(NotSent):
        call(zoom)


# Two connections of one host


def test_each_request_of_a_batch_carries_its_own_connections_token_and_nobodys_cookies() -> None:
    people = [(f"user-{number}", SecretStr(f"token-of-connection-{number % 2}")) for number in range(20)]
    with zoom_answering(*["204-with-cookie"] * len(people)) as (zoom, wire), ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda person: zoom.delete_user_token(*person), people))
    assert {(asked.target, asked.headers["authorization"]) for asked in wire.asked} == {
        (f"/v2/users/user-{number}/token", f"Bearer token-of-connection-{number % 2}") for number in range(20)
    }
    assert not any("cookie" in asked.headers for asked in wire.asked)


# User ids


def test_o_brien_can_leave() -> None:
    with zoom_answering("204-token-deleted") as (zoom, wire):
        result = zoom.delete_user_token("o'brien+test@example.com", TOKEN)
    assert result.outcome is Outcome.REVOKED
    assert wire.only.target == "/v2/users/o%27brien%2Btest%40example.com/token"


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        ("-_Ab9", "/users/-_Ab9"),
        ("..a", "/users/..a"),
        ("a!#$&'*^{|}~=b@example.com", "/users/a%21%23%24%26%27%2A%5E%7B%7C%7D~%3Db%40example.com"),
        ("x" * 254, "/users/" + "x" * 254),
    ],
)
def test_a_user_id_arrives_encoded_once(user_id: str, path: str) -> None:
    assert user_path(user_id) == path
    with zoom_answering("204-token-deleted") as (zoom, wire):
        zoom.delete_user_token(user_id, TOKEN)
    assert wire.only.target == f"/v2{path}/token"


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        ".",
        "..",
        "../x",
        "users/../x",
        "a/b",
        "a%2Fb",
        "a\\b",
        "a b",
        "ann\n",
        "\x00",
        "a\x7f",
        "a?b",
        "ä",
        "x" * 255,
    ],
)
def test_what_could_leave_its_place_in_the_path_is_refused_unsent(user_id: str) -> None:
    with zoom_answering("204-token-deleted", "204-token-deleted", "204-token-deleted") as (zoom, wire):
        for call in (
            lambda: zoom.delete_user_token(user_id, TOKEN),
            lambda: zoom.get_user_token(user_id, TOKEN, type="zak"),
            lambda: zoom.get_user(user_id, TOKEN),
        ):
            with pytest.raises(BadMessage) as caught:
                call()
            assert caught.value.reason == "user_id: expected a Zoom user id or an e-mail address"
    assert wire.asked == []


# Secrets


@pytest.mark.parametrize(
    "name", [*(name for name, *_ in REFUSALS), *(name for name, *_ in LIMITS), *BROKEN_OFF, "200-token-a-number"]
)
def test_no_failure_shows_a_token_or_the_body(name: str) -> None:
    with zoom_answering(name) as (zoom, _), pytest.raises(LeaverError) as caught:
        get_user_token(zoom)
    shown = shown_by(caught.value)
    assert "CANARY" not in shown
    body = fixture(f"zoom/{name}").split(b"\r\n\r\n", 1)[1].decode()
    assert not body or body not in shown
    assert "eyJ" not in shown
