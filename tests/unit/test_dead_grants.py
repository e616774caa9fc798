"""Which words of a provider end a grant: its own for that and no others, whatever status they come with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any, Final, cast

import pytest
from pydantic import SecretStr

from leaver.errors import InvalidGrant, InvalidToken, LeaverError
from leaver.outcomes import Outcome, Result
from leaver.providers.answer import Answer
from leaver.providers.transport import Transport
from leaver.providers.venafi import oauth as venafi_oauth
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.providers.zoom.oauth import ZoomOAuth
from tests.field import Field, harms_of

NOW: Final = datetime(2026, 11, 28, 10, 0, tzinfo=UTC)
TOKEN: Final = SecretStr("a-token")


@dataclass
class Answering:
    """A host that answers everything alike."""

    status: int
    body: bytes

    def request(self, *_: object, **__: object) -> Answer:
        return Answer.read(self.status, {}, self.body, NOW)


def zoom(host: Answering) -> ZoomOAuth:
    return ZoomOAuth(cast("Transport", host), lambda: NOW)


def venafi(host: Answering) -> VenafiAuth:
    return VenafiAuth(cast("Transport", host), lambda: NOW)


REFRESH: Final[Mapping[str, Callable[[Answering], object]]] = {
    "zoom": lambda host: zoom(host).refresh("client-id", TOKEN, TOKEN),
    "venafi": lambda host: venafi(host).refresh("client-id", TOKEN),
}
REVOKE: Final[Mapping[str, Callable[[Answering], Result]]] = {
    "zoom": lambda host: zoom(host).revoke("client-id", TOKEN, TOKEN),
    "venafi": lambda host: venafi(host).revoke_token(TOKEN),
}
STATUSES: Final = (200, 202, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503)
WORDS: Final = (
    "server_error",
    "temporarily_unavailable",
    "invalid_request",
    "invalid_client",
    "unauthorized_client",
    "access_denied",
    "grant_expired",
    "Unauthorized",
    "token_not_found",
)
BODIES: Final[Mapping[str, bytes]] = {word: json.dumps({"error": word}).encode() for word in WORDS} | {
    "no body": b"",
    "a page": b"<html>Unauthorized</html>",
    "an object without a word": b"{}",
    "a word that is null": b'{"error":null}',
    "a list": b'["invalid_grant"]',
    "half an object": b'{"error":"invalid_grant","error_descr',
}
OTHERS: Final = list(product(STATUSES, BODIES.values()))
#: the kind of fault, as the table of the proof has it
WORD: Final = "a provider's other word"
Test = Callable[[str, Field], None]


@pytest.mark.parametrize("provider", REFRESH)
def test_no_other_word_ends_a_grant(provider: str, field: Field) -> None:
    ended = [each for each in OTHERS if _ends(REFRESH[provider], *each)]
    # The pair of a grant that is called dead is thrown away.
    field(WORD, "it refuses a refresh otherwise than by the word for a dead grant", len(OTHERS), lost=ended)


@pytest.mark.parametrize("provider", REVOKE)
def test_no_other_word_says_that_a_token_was_gone_already(provider: str, field: Field) -> None:
    gone = [each for each in OTHERS if _is_gone(REVOKE[provider], *each)]
    field(WORD, "it refuses a revocation otherwise than by the word for a dead token", len(OTHERS), false=gone)


def _ends(refresh: Callable[[Answering], object], status: int, body: bytes) -> bool:
    try:
        refresh(Answering(status, body))
    except LeaverError as error:
        return isinstance(error, InvalidGrant)
    return False


def _is_gone(revoke: Callable[[Answering], Result], status: int, body: bytes) -> bool:
    try:
        return revoke(Answering(status, body)).outcome is Outcome.ALREADY_GONE
    except LeaverError as error:
        # A revocation takes Venafi's refusal of the token for "already gone", see ProviderGrants.revoke.
        return isinstance(error, InvalidToken)


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("zoom", 400, {"reason": "Invalid Token!", "error": "invalid_grant"}),
        ("zoom", 401, {"reason": "Invalid Token!", "error": "invalid_request"}),
        ("zoom", 400, {"error": "invalid_grant"}),
        ("venafi", 400, {"error": "invalid_grant"}),
        ("venafi", 401, {"error": "invalid_token"}),
    ],
)
def test_a_providers_own_word_ends_it(provider: str, status: int, body: dict[str, Any]) -> None:
    with pytest.raises(InvalidGrant):
        REFRESH[provider](Answering(status, json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("table", "row", "harm_of"),
    [
        ("_REFRESH", {"400 *": (InvalidGrant, "any word will do")}, (test_no_other_word_ends_a_grant, "lost")),
        ("_REVOKE", venafi_oauth._BEARER, (test_no_other_word_says_that_a_token_was_gone_already, "false")),
    ],
)
def test_those_tests_see_it_where_any_word_of_venafis_will_do(
    table: str, row: Mapping[str, Any], harm_of: tuple[Test, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venafi_oauth, table, getattr(venafi_oauth, table) | row)
    test, harm = harm_of
    assert harms_of(partial(test, "venafi")).keys() == {harm}
