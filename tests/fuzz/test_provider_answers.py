"""Whatever a provider answers, the command is done, parked or comes back, and nothing of the answer is echoed."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from leaver.messages.commands import RevokeGrants
from leaver.outcomes import Outcome, Result
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import Application, Grantee, Identity, Venafi
from leaver.providers.venafi.search import Nobody, PeopleSearch
from leaver.providers.zoom.api import Zoom
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.tokens import GrantedTokens, TokenSet
from tests.doubles.clock import Clock
from tests.field import Field
from tests.fuzz.answers import Wire, answers
from tests.fuzz.fuzzing import DONE, FuzzedQueue, fuzz

JOHN = "john.doe@example.com"
TOKEN = SecretStr("access-token")
SECRET = SecretStr("client-secret")
CLOCK = Clock()
TRANSPORT = Transport("https://provider.example", clock=CLOCK)
ZOOM, OAUTH, VENAFI = Zoom(TRANSPORT, CLOCK), ZoomOAuth(TRANSPORT, CLOCK), Venafi(TRANSPORT, CLOCK)
KEPT = TokenSet(access_token=TOKEN, refresh_token=SECRET, expires_at=CLOCK())
WHO = Identity("local:{1}", "local:jdoe", "jdoe", is_user=True)


def search(value: str) -> Result:
    """Find somebody as revoke_grants does; what is found is named on the receipt."""
    people = PeopleSearch(VENAFI, prefixes={"local"}, known_addresses={"ann@example.com"}, clock=CLOCK)
    found = people.find(value, version="0" * 32, access_token=TOKEN)
    if isinstance(found, Nobody):
        return Result(Outcome.USER_NOT_FOUND, details=dict(found.details))
    return Result(Outcome.ALREADY_GONE, details=dict(found.details_of(value)))


#: every call to a provider, the folder of the catalogue in which its answers are, and how the names of its own begin
CALLS: Mapping[str, tuple[str, str, Callable[[], Any]]] = {
    "Zoom, get_user": ("zoom", "200-user", lambda: ZOOM.get_user(JOHN, TOKEN)),
    "Zoom, get_user_token": ("zoom", "200-token", lambda: ZOOM.get_user_token(JOHN, TOKEN, type="zak")),
    "Zoom, delete_user_token": ("zoom", "204|200", lambda: ZOOM.delete_user_token(JOHN, TOKEN)),
    "Zoom, deactivate_user": ("zoom", "200", lambda: ZOOM.deactivate_user(JOHN, TOKEN)),
    "Zoom, refresh": ("zoom_oauth", "200", lambda: OAUTH.refresh("client-id", SECRET, TOKEN)),
    "Zoom, code": (
        "zoom_oauth",
        "200",
        lambda: OAUTH.authorization_code("client-id", SECRET, TOKEN, "https://x", SECRET),
    ),
    "Zoom, account": ("zoom_oauth", "200", lambda: OAUTH.account_credentials("client-id", SECRET, "account")),
    "Zoom, revoke": ("zoom_oauth", "200-revoke", lambda: OAUTH.revoke("client-id", SECRET, TOKEN)),
    "Venafi, revoke_grants": ("venafi", "200-success", lambda: VENAFI.revoke_grants(Grantee("local:{1}"), TOKEN)),
    "Venafi, GetGrants": ("venafi", "200-(no|one)-grant", lambda: VENAFI.remaining_grants(Grantee("local:{1}"), TOKEN)),
    "Venafi, EnumerateGrants": (
        "venafi",
        "200-(no|one)-grant",
        lambda: VENAFI.remaining_grants(Application("vcert"), TOKEN),
    ),
    "Venafi, applications": ("venafi", "200-appl", lambda: VENAFI.list_applications(0, TOKEN)),
    "Venafi, grantees": ("venafi", "200-(no|one)-grant", lambda: VENAFI.list_grantees("vcert", 0, TOKEN)),
    "Venafi, browse": ("venafi", "200-browse", lambda: VENAFI.browse(JOHN, TOKEN)),
    "Venafi, validate": ("venafi", "200-validate", lambda: VENAFI.validate("PrefixedName", "local:jdoe", TOKEN)),
    "Venafi, attribute": ("venafi", "200-attribute", lambda: VENAFI.read_attribute(WHO, "mail", TOKEN)),
    "Venafi, role": ("venafi", "200-role", lambda: VENAFI.get_role(TOKEN)),
    "Venafi, verify": ("venafi", "200-verified", lambda: VENAFI.verify(TOKEN)),
    "Venafi, revoke_token": ("venafi", "20", lambda: VENAFI.revoke_token(TOKEN)),
    "Venafi, refresh": ("venafi", "200-(refreshed|with)", lambda: VENAFI.refresh("client-id", TOKEN)),
    "Venafi, login": ("venafi_login", "200", lambda: VENAFI.authorize_oauth("client-id", "robot", SECRET, "admin")),
    "Venafi, search by address": ("venafi", "200-(br|att|app|no|one)", lambda: search("ann@corp.example")),
    "Venafi, search by name": ("venafi", "200-(br|att|app|no|one)", lambda: search("ann")),
    "Venafi, search by id": (
        "venafi",
        "200-(val|app|no|one)",
        lambda: search("AD+corp:1f2d3c4b5a697887a6b5c4d3e2f10011"),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_any_answer_is_understood_or_refused(
    call: str, record_property: Callable[[str, object], None], field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire()
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **told: wire.answer(request, **told))
    folder, own, ask = CALLS[call]

    def operation(_: object) -> Result:
        answer = ask()
        if isinstance(answer, GrantedTokens):
            # An answer that can't be kept takes the only refresh token with it.
            answer.as_token_set(KEPT)
        return answer if isinstance(answer, Result) else DONE

    queue = FuzzedQueue(RevokeGrants, operation)

    def end(given: list[Any]) -> str:
        wire.given = list(given)
        # A search names whom it found, in Venafi's spelling.
        return queue.takes('{"identity": "ann"}', echoes="search" in call)

    most = 4 if "search" in call else 1
    fuzz(call, st.lists(answers(folder, own), min_size=1, max_size=most), end, record_property, field)
