"""Clocks at HR that are wrong: nobody keeps access because of one, and nobody loses the way out."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.start_offboarding import app
from leaver.cases import receipts
from leaver.messages.events import OffboardingRequested
from leaver.messages.times import Settled
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, ADA_ID, Office

EVERYTHING = {"session", "grants", "user token"}


@pytest.fixture
def office() -> Office:
    return Office()


def ahead(office: Office, **time: float) -> str:
    return (office.clock() + timedelta(**time)).isoformat()


@pytest.mark.parametrize("time", [{"days": 50 * 365}, {"hours": 2}])
@pytest.mark.parametrize("kind", ["cancelled", "reinstated"])
def test_a_return_that_is_dated_ahead_keeps_nobody_from_being_offboarded(
    office: Office, kind: str, time: dict[str, Any]
) -> None:
    office.hears_and_works(kind, occurred_at=ahead(office, **time))
    assert office.reasons()[0].startswith("occurred_at: lies more than 5 minutes ahead")
    office.clock.passes(minutes=1)
    office.hears_and_works()
    assert office.access_of(ADA) == set()
    assert office.people.under_tombstones == {ADA, ADA_ID}


def test_a_departure_that_is_dated_ahead_is_acted_on_and_can_be_taken_back(office: Office) -> None:
    office.hears_and_works(occurred_at=ahead(office, hours=2))
    assert office.access_of(ADA) == set()
    office.clock.passes(minutes=10)
    office.hears_and_works("reinstated")
    assert office.people.under_tombstones == set()
    assert office.reasons() == []


def test_a_source_whose_clock_is_a_minute_fast_is_heard_in_its_own_order(office: Office) -> None:
    office.hears_and_works("reinstated", occurred_at=ahead(office, seconds=60))
    office.clock.passes(seconds=10)
    office.hears_and_works(occurred_at=ahead(office, seconds=60))
    assert office.access_of(ADA) == set()


def test_whoever_puts_an_event_on_the_bus_can_not_date_it_ahead_by_the_envelope(office: Office) -> None:
    active = {"Operations": [{"op": "replace", "path": "active", "value": True}]}
    office.queue("StartOffboarding", webhook("ScimPatch", active, f"mailto:{ADA}") | {"time": ahead(office, days=3650)})
    office.works()
    office.clock.passes(minutes=1)
    office.hears_and_works()
    assert office.access_of(ADA) == set()


def test_hibob_east_of_utc_writes_hours_that_utc_does_not_have_yet_and_a_return_after_it_counts(office: Office) -> None:
    tokyo = (office.clock() + timedelta(hours=9)).replace(tzinfo=None).isoformat()
    left = {"type": "employee.left", "triggeredAt": tokyo, "data": {"employeeId": "33"}}
    office.queue("StartOffboarding", webhook("HiBobWebhook", left, f"mailto:{ADA}") | {"time": ahead(office)})
    office.works()
    assert office.access_of(ADA) == set()
    office.clock.passes(minutes=1)
    office.hears_and_works("reinstated", source="hibob")
    assert office.people.under_tombstones == set()


def test_those_tests_see_it_where_a_source_is_believed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def believed(request: OffboardingRequested, _heard_at: datetime) -> Settled:
        return Settled(request, timedelta(0))

    monkeypatch.setattr(app, "settle_times", believed)
    office.hears_and_works("reinstated", occurred_at=ahead(office, hours=2))
    office.clock.passes(minutes=1)
    office.hears_and_works()
    assert office.access_of(ADA) == EVERYTHING


def is_told_that_it_is_completed(office: Office) -> bool:
    """Whether that is announced where SQS and HR are three minutes ahead of the functions, and signed before."""
    later = office.clock() + timedelta(minutes=3)
    office.hears(occurred_at=later.isoformat(), effective_at=later.isoformat()).sent_at = later
    office.works()
    return bool(office.announced("OffboardingCompleted"))


def test_where_sqs_is_ahead_a_receipt_says_nothing_that_evidence_could_not_say(office: Office) -> None:
    assert is_told_that_it_is_completed(office)


def test_that_is_seen_where_a_receipt_is_asked_for_after_its_end(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "min", lambda asked_at, _: asked_at, raising=False)
    assert not is_told_that_it_is_completed(office)
