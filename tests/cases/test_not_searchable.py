"""A case of somebody whom Venafi's search may not see stays open, whatever HR or the deployment says."""

import pytest

from leaver.cases.states import State
from leaver.outcomes import Outcome
from leaver.providers.venafi.search import PeopleSearch
from tests.doubles.office import ADA, Office


def is_open(office: Office) -> None:
    office.hears_and_works()
    receipt = office.receipts.items[office.case.case_id, "RevokeGrants#venafi/acme"]
    assert receipt.outcome is Outcome.NOT_SEARCHABLE
    assert "because" in receipt.details
    assert office.case.state is State.OPEN
    assert office.announced("GrantsRevoked") == office.announced("OffboardingCompleted") == []


@pytest.fixture
def office() -> Office:
    """Zoom confirms who Ada is, and missing users are done; but Venafi's search finds no known address."""
    office = Office(missing_is_done=True)
    del office.venafi.people[ADA]
    office.venafi.grants.clear()
    del office.venafi.people["colleague@example.com"]
    return office


def test_a_leaver_whom_the_search_may_not_see_is_not_done_with(office: Office) -> None:
    is_open(office)


def test_that_test_sees_it_where_every_search_is_believed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeopleSearch, "_unproved", lambda *_, **__: None)
    with pytest.raises(AssertionError):
        is_open(office)
