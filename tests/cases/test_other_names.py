"""What a case does not act on is told, and waits for a person: another name, somebody new, an unreadable record."""

from datetime import datetime

import pytest

from leaver.cases import intake
from leaver.cases.intake import SOMEBODY_NEW
from leaver.cases.record import Case, Policy
from leaver.cases.start import CaseStart
from leaver.cases.states import State
from leaver.connections.record import Connection
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from tests.doubles.office import ADA, ADA_ID, Office

#: an account of hers at Venafi that her address does not name
ADMIN = "local:{ada-admin}"
DOWN = ProviderUnavailable("503", ProviderResponse(503))


@pytest.fixture
def office() -> Office:
    """Ada has a second account at Venafi, with a grant."""
    office = Office()
    office.venafi.people["ada-admin@example.com"] = [ADMIN]
    office.venafi.grants[ADMIN] = 1
    return office


def another_name_is_told(office: Office) -> None:
    office.hears_and_works()
    office.hears_and_works(
        event_id="hr-2", source="okta", subject={"identities": {"venafi": {"prefixed_universal": ADMIN}}}
    )
    assert office.venafi.grants[ADMIN] == 1
    assert [reason for reason in office.reasons() if "acts on another name at venafi/acme" in reason]
    assert [each.fate for each in office.heard.fates][-1] == "dead_lettered"


def test_another_name_of_somebody_whose_case_is_done_is_parked_with_its_reason(office: Office) -> None:
    another_name_is_told(office)


def test_that_test_sees_it_where_another_name_is_taken_for_a_repetition(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "refuse_another_name", lambda *_: None)
    with pytest.raises(AssertionError):
        another_name_is_told(office)


def test_another_name_while_the_case_is_open_is_parked_and_the_case_goes_on(office: Office) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears())
    told = office.hears(event_id="hr-2", subject={"identities": {"venafi": {"prefixed_universal": ADMIN}}})
    office.deliver(told)
    assert "acts on another name" in office.reasons()[0]
    office.weather.out_of_order.clear()
    office.works()
    assert office.case.state is State.COMPLETED


def test_a_repeat_is_held_where_an_account_that_knew_nobody_knows_somebody_now() -> None:
    office = Office(missing_is_done=True)
    del office.zoom.users[ADA_ID]
    office.zoom.sessions.discard(ADA_ID)
    office.hears_and_works()
    assert (office.case.identities, office.case.state) == ({}, State.COMPLETED)
    office.clock.passes(hours=2)
    office.hire(ADA, "somebody-new", "local:{somebody-new}")
    office.hears_and_works(event_id="hr-2")
    assert "somebody-new" in office.zoom.sessions
    last = office.cases.every[-1]
    assert (last.state, last.because) == (State.HELD, SOMEBODY_NEW)


def test_a_record_of_hers_that_nobody_can_read_stops_nothing_but_its_own_step(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.connects("zoom-ada", ADA)
    read = office.table.read

    def unreadable(name: str) -> Connection:
        if name == "zoom-ada":
            raise Rejected("record of connection zoom-ada: owner: is missing")
        return read(name)

    monkeypatch.setattr(office.table, "read", unreadable)
    office.hears_and_works()
    assert office.access_of(ADA) <= {"zoom-ada"}
    assert office.case.outstanding == ("RevokeAccessToken#zoom-ada",)
    assert [step.refused for step in office.case.steps if step.at == "zoom-ada"] == [
        "record of connection zoom-ada: owner: is missing"
    ]


def test_who_comes_back_while_lost_commands_are_sent_again_is_under_no_tombstone(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.weather.out_of_order["venafi"] = DOWN
    office.deliver(office.hears())
    office.queued.clear()
    office.clock.passes(minutes=10)
    raise_tombstones = CaseStart.raise_tombstones

    def behind_a_return(self: CaseStart, case: Case, now: datetime) -> None:
        monkeypatch.setattr(CaseStart, "raise_tombstones", raise_tombstones)
        office.deliver(office.hears("reinstated", event_id="hr-2"))
        raise_tombstones(self, case, now)

    monkeypatch.setattr(CaseStart, "raise_tombstones", behind_a_return)
    office.minute()
    assert office.case.state is State.REINSTATED
    assert office.people.under_tombstones == set()


def test_what_is_sealed_is_the_policy_that_was_applied() -> None:
    office = Office(missing_is_done=True)
    del office.zoom.users[ADA_ID]
    office.zoom.sessions.discard(ADA_ID)
    office.deliver(office.hears())
    # When it was recorded the deployment took nobody who is missing for done.
    recorded = Policy(done_where_missing=(), deactivate_users=False, deadline=900)
    office.cases.alter(office.case.case_id, policy=recorded)
    office.works()
    assert office.case.state is State.COMPLETED
    assert office.case.policy is not None
    assert office.case.policy.done_where_missing != ()
