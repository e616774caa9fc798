"""Somebody's account was in a thief's hands: what the thief may hold ends, and the person works on."""

from typing import Any, Final

import pytest

from leaver.cases import intake
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, ADA_ID, Office

CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
RISC: Final = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"


@pytest.fixture
def office() -> Office:
    office = Office(deactivates=True, routine_limit=2)
    office.connects("adas-zoom", ADA)
    office.connects("all-of-zoom", ADA, role="service")
    return office


def hears_token(office: Office, event_type: str, **content: Any) -> None:
    """A transmitter of CAEP or RISC tells something of Ada."""
    now = office.clock()
    claims = {
        "jti": "j1",
        "iat": int(now.timestamp()),
        "sub_id": {"format": "email", "email": ADA},
        "events": {event_type: content},
    }
    office.queue("StartOffboarding", webhook("SecurityEventToken", claims) | {"time": now.isoformat()})
    office.works()


def works_on(office: Office) -> bool:
    """Whether nothing says that Ada left."""
    signs = (office.cases.every, office.people.under_tombstones, office.zoom.deactivated, office.reasons())
    return signs == ([], set(), set(), []) and office.grants["all-of-zoom"].alive


@pytest.mark.parametrize("entity", ["admin", "policy", "system"])
def test_a_session_that_somebody_else_revoked_ends_what_a_thief_may_hold_and_nothing_else(
    office: Office, entity: str
) -> None:
    hears_token(office, CAEP, initiating_entity=entity)
    assert office.access_of(ADA) == set()
    assert works_on(office)


def test_a_hijacked_account_is_contained_urgently(office: Office) -> None:
    hears_token(office, RISC, reason="hijacking")
    assert office.access_of(ADA) == set()
    assert {each["urgency"] for each in office.commands()} == {"urgent"}
    assert works_on(office)


def test_a_session_of_which_nobody_says_who_revoked_it_ends_sessions_and_kept_tokens_alone(office: Office) -> None:
    hears_token(office, CAEP)
    assert office.access_of(ADA) == {"grants", "adas-zoom"}
    assert works_on(office)


def test_from_her_own_log_out_nothing_follows(office: Office) -> None:
    before = office.access_of(ADA)
    hears_token(office, CAEP, initiating_entity="user")
    assert office.access_of(ADA) == before
    assert office.reasons() == ["caep: initiating_entity: the person's own log-out: nothing follows"]


@pytest.mark.parametrize(("kind", "left"), [("contain", set[str]()), ("sessions", {"grants", "adas-zoom"})])
def test_our_own_event_may_say_so_and_every_step_leaves_its_receipt(office: Office, kind: str, left: set[str]) -> None:
    office.hears_and_works(kind)
    assert office.access_of(ADA) == left
    sent = [each["command"] for each in office.commands()]
    assert sorted(receipt.command for receipt in office.receipts.items.values()) == sorted(sent)
    assert works_on(office)


def test_a_departure_that_follows_takes_everything_and_says_that_she_left(office: Office) -> None:
    office.hears_and_works("contain")
    office.clock.passes(minutes=1)
    office.logs_in(ADA)
    office.hears_and_works()
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_containment_lifts_no_tombstone_and_a_return_says_nothing_of_it(office: Office) -> None:
    office.hears_and_works()
    office.clock.passes(minutes=1)
    office.hears_and_works("contain")
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_feed_that_contains_a_whole_company_is_stopped_by_the_guard(office: Office) -> None:
    for number in range(3):
        office.hire(f"p{number}@example.com", f"id-{number}", f"local:{{p{number}}}")
        office.hears_and_works("contain", email=f"p{number}@example.com")
    assert [bool(office.access_of(f"p{number}@example.com")) for number in range(3)] == [False, False, True]
    assert office.reasons() == ["contain: more began in this hour than RoutineCasesAnHour: look, then redrive it"]
    office.clock.passes(minutes=60)
    office.redrive()
    office.works()
    assert office.access_of("p2@example.com") == set()


def test_those_tests_see_it_where_a_containment_is_taken_for_a_departure(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ENDS", {})
    office.hears_and_works("contain")
    assert not works_on(office)


def test_those_tests_see_it_where_sessions_end_as_much(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ENDS", {"sessions": intake.ENDS["contain"]})
    office.hears_and_works("sessions")
    assert office.access_of(ADA) == set()
