"""What each answer of an HR system means that is asked who somebody is; the answers are files, the meanings by hand."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
from pydantic import SecretStr

from leaver.errors import (
    AnswerLost,
    BadMessage,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    LeaverError,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from leaver.outcomes import Outcome
from leaver.providers.bamboohr.api import BambooHr
from leaver.providers.gusto.api import Gusto
from leaver.providers.gusto.credentials import GustoCredentials
from leaver.providers.gusto.oauth import GustoOAuth
from leaver.providers.hibob.api import HiBob
from leaver.providers.okta.api import Okta
from leaver.providers.source import Account, LooksUp
from leaver.providers.source_answers import UnknownPerson
from leaver.providers.transport import Transport
from tests.doubles.canary import shown_by
from tests.doubles.wire import fixture, fixtures, serving

NOW: Final = datetime(2026, 11, 2, 9, 30, 5, tzinfo=UTC)
TOKEN: Final = SecretStr("CANARY-token")
OWN: Final = GustoCredentials(client_id="app", client_secret=SecretStr("CANARY-secret"))


@dataclass(frozen=True)
class Asking:
    """A system, and whom it is asked for."""

    api: Callable[[Transport, Callable[[], datetime]], LooksUp]
    person: str


SYSTEMS: Final = {
    "bamboohr": Asking(BambooHr, "100"),
    "hibob": Asking(HiBob, "333"),
    "gusto": Asking(Gusto, "a9e6"),
    "okta": Asking(Okta, "00u1abcdefGHIJKL5d7"),
}
ADA_LEFT, ADA_STAYS = Account("ada@example.com", is_gone=True), Account("ada@example.com", is_gone=False)
FOUND: Final = [
    ("bamboohr", "200-inactive", ADA_LEFT),
    ("bamboohr", "200-active", ADA_STAYS),
    ("hibob", "200-terminated", ADA_LEFT),
    ("hibob", "200-garden-leave", ADA_LEFT),
    ("hibob", "200-employed-nested", ADA_STAYS),
    ("gusto", "200-terminated", ADA_LEFT),
    ("gusto", "200-employed", ADA_STAYS),
    ("okta", "200-deprovisioned", ADA_LEFT),
    ("okta", "200-suspended", ADA_LEFT),
    ("okta", "200-active", ADA_STAYS),
]
LEFT_OUT: Final = "is left out of the answer: the connection may not see that field"
REFUSED: Final = [
    ("bamboohr", "200-work-email-left-out", Rejected, f"bamboohr: workEmail {LEFT_OUT}"),
    ("bamboohr", "200-status-left-out", Rejected, f"bamboohr: status {LEFT_OUT}"),
    ("bamboohr", "200-work-email-null", Rejected, "bamboohr: workEmail is empty there"),
    ("bamboohr", "200-status-unheard-of", Rejected, "bamboohr: status: expected Active or Inactive"),
    ("hibob", "200-email-left-out", Rejected, f"hibob: root.email {LEFT_OUT}"),
    ("hibob", "200-status-left-out", Rejected, f"hibob: internal.lifecycleStatus {LEFT_OUT}"),
    ("gusto", "200-private-address-only", Rejected, f"gusto: work_email {LEFT_OUT}"),
    ("gusto", "200-work-email-null", Rejected, "gusto: work_email is empty there"),
    ("gusto", "200-terminated-left-out", Rejected, f"gusto: terminated {LEFT_OUT}"),
    ("okta", "200-without-email", Rejected, f"okta: email {LEFT_OUT}"),
    ("bamboohr", "401-unauthorized", Rejected, "BambooHR does not accept the API key"),
    ("hibob", "401-unauthorized", Rejected, "HiBob does not accept the service user's id and token"),
    ("gusto", "401-unauthorized", InvalidToken, "Gusto does not accept the access token"),
    ("okta", "401-unauthorized", Rejected, "Okta does not accept the API token"),
    *(
        (system, "200-somebody-else", Rejected, f"{system}: the answer is not about the person that was asked for")
        for system in SYSTEMS
    ),
    *(
        (system, name, error, f"{title}{reason}")
        for system, title in [("bamboohr", "BambooHR"), ("hibob", "HiBob"), ("gusto", "Gusto"), ("okta", "Okta")]
        for name, error, reason in [
            ("200-html", ProviderUnavailable, "'s answer is no record of a person"),
            ("301-moved", Rejected, f" has moved: the URL of {title} in the settings is wrong"),
            ("302-login-page", ProviderUnavailable, " redirects elsewhere, where we don't follow"),
            ("403-forbidden", Rejected, " does not let the connection see this person"),
            ("404-nobody", UnknownPerson, " knows nobody of that id"),
            ("503-out-of-order", ProviderUnavailable, " is out of order"),
        ]
    ),
]
THROTTLED: Final = [
    ("bamboohr", "429-retry-after", timedelta(seconds=17)),
    ("gusto", "429-retry-after", timedelta(seconds=17)),
    # as an epoch, 1793611817
    ("hibob", "429-reset", timedelta(seconds=12)),
    ("okta", "429-reset", timedelta(seconds=12)),
]
#: of Gusto's token endpoints
OAUTH: Final = {"200-refreshed", "200-without-a-token", "400-invalid-grant", "401-invalid-client", "200-revoked"}
LISTS: Final = {"200-terminations", "200-no-terminations"}


def look_up(system: str, *answers: str, person: str | None = None, with_last_day: bool = False) -> Account:
    asking = SYSTEMS[system]
    with serving(*(fixture(f"{system}/{each}") for each in answers)) as wire:
        transport = Transport(wire.url, clock=lambda: NOW)
        with closing(transport):
            return asking.api(transport, lambda: NOW).look_up(
                person or asking.person, TOKEN, with_last_day=with_last_day
            )


@pytest.mark.parametrize(("system", "name", "account"), FOUND)
def test_an_account_is_an_address_and_whether_the_person_left(system: str, name: str, account: Account) -> None:
    assert look_up(system, name) == account


@pytest.mark.parametrize(("system", "name", "error", "reason"), REFUSED)
def test_what_is_no_account_is_refused_by_what_is_wrong(
    system: str, name: str, error: type[LeaverError], reason: str
) -> None:
    with pytest.raises(LeaverError) as caught:
        look_up(system, name)
    assert (type(caught.value), caught.value.reason) == (error, reason)
    assert "CANARY" not in shown_by(caught.value)
    assert "ada@" not in caught.value.reason


@pytest.mark.parametrize(("system", "name", "pause"), THROTTLED)
def test_a_limit_is_waited_out_for_as_long_as_the_system_says(system: str, name: str, pause: timedelta) -> None:
    with pytest.raises(Throttled) as caught:
        look_up(system, name)
    assert caught.value.until == NOW + pause


@pytest.mark.parametrize(
    ("system", "person"),
    [
        # whoever the key belongs to
        ("bamboohr", "0"),
        ("bamboohr", "../../users"),
        ("okta", "me"),
        ("okta", "ada@example.com"),
        ("hibob", "ada@example.com"),
        ("hibob", "search"),
        ("gusto", "a9e6/terminations"),
        ("gusto", ".."),
    ],
)
def test_what_names_somebody_else_than_an_id_is_asked_of_nobody(system: str, person: str) -> None:
    with pytest.raises(BadMessage, match=f"{system}: expected the id of a person"):
        look_up(system, person=person)


def test_gusto_tells_the_latest_day_that_was_entered() -> None:
    account = look_up("gusto", "200-employed", "200-terminations", with_last_day=True)
    assert account == Account("ada@example.com", is_gone=False, last_day=date(2026, 11, 30))


def test_gusto_tells_that_no_end_is_entered_any_more() -> None:
    assert look_up("gusto", "200-employed", "200-no-terminations", with_last_day=True).last_day is None


def test_a_list_of_days_that_is_none_is_asked_for_again() -> None:
    with pytest.raises(ProviderUnavailable, match="is no list of terminations"):
        look_up("gusto", "200-employed", "200-html", with_last_day=True)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_recorded_answer_is_named_in_this_file(system: str) -> None:
    named = {name for each, name, *_ in (*FOUND, *REFUSED, *THROTTLED) if each == system}
    assert fixtures(system) == named | (OAUTH | LISTS if system == "gusto" else set())


def test_each_system_is_asked_for_no_more_than_it_takes_to_name_somebody() -> None:
    asked = {}
    for system, asking in SYSTEMS.items():
        answer = next(name for each, name, _ in FOUND if each == system)
        with serving(fixture(f"{system}/{answer}")) as wire:
            with closing(Transport(wire.url, clock=lambda: NOW)) as transport:
                asking.api(transport, lambda: NOW).look_up(asking.person, TOKEN, with_last_day=False)
            asked[system] = (wire.only.method, wire.only.target, wire.only.headers["authorization"].split()[0])
            if system == "hibob":
                assert wire.only.body == b'{"fields": ["root.id", "root.email", "internal.lifecycleStatus"]}'
    assert asked == {
        "bamboohr": ("GET", "/api/v1/employees/100?fields=workEmail%2Cstatus", "Basic"),
        "hibob": ("POST", "/v1/people/333", "Basic"),
        "gusto": ("GET", "/v1/employees/a9e6", "Bearer"),
        "okta": ("GET", "/api/v1/users/00u1abcdefGHIJKL5d7", "SSWS"),
    }


# -- Gusto's token endpoints


def at_gusto(answer: str, call: Callable[[GustoOAuth], Any]) -> Any:
    with serving(fixture(f"gusto/{answer}")) as wire, closing(Transport(wire.url, clock=lambda: NOW)) as transport:
        try:
            return call(GustoOAuth(transport, lambda: NOW))
        finally:
            # Gusto answers 400 to an app that names itself in the URL.
            assert "?" not in wire.only.target


def refresh(oauth: GustoOAuth) -> Any:
    return oauth.refresh(OWN, SecretStr("CANARY-refresh"))


def test_a_refresh_brings_the_next_pair() -> None:
    granted = at_gusto("200-refreshed", refresh)
    assert granted.access_token.get_secret_value() == "new-access"
    assert granted.refresh_token.get_secret_value() == "new-refresh"
    assert granted.expires_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("400-invalid-grant", InvalidGrant),
        ("401-invalid-client", InvalidClient),
        ("200-without-a-token", AnswerLost),
        ("429-retry-after", Throttled),
        ("503-out-of-order", ProviderUnavailable),
        ("404-nobody", Rejected),
        ("301-moved", Rejected),
    ],
)
def test_a_refresh_that_brings_nothing_says_why(answer: str, error: type[LeaverError]) -> None:
    with pytest.raises(LeaverError) as caught:
        at_gusto(answer, refresh)
    assert type(caught.value) is error
    assert "CANARY" not in shown_by(caught.value)


def test_a_code_that_is_refused_is_no_dead_grant() -> None:
    with pytest.raises(Rejected) as caught:
        at_gusto("400-invalid-grant", lambda oauth: oauth.authorization_code(OWN, SecretStr("c"), "http://127.0.0.1/"))
    assert not isinstance(caught.value, InvalidGrant)


def test_a_revocation_is_gustos_word_where_gusto_has_the_call_and_nobodys_where_not() -> None:
    assert at_gusto("200-revoked", lambda oauth: oauth.revoke(OWN, TOKEN)).outcome is Outcome.REVOKED
    with pytest.raises(Rejected, match="end the app's access at Gusto"):
        at_gusto("404-nobody", lambda oauth: oauth.revoke(OWN, TOKEN))
