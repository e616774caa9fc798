"""HR says who leaves, and the provider whether that is one person: a stranger loses nothing by somebody's mistake."""

import pytest

from leaver.errors import ProviderUnavailable
from tests.doubles.office import ADA, ADA_ID, Office

JOHN, JOHN_ID = "john.doe@example.com", "john-id"
ANOTHERS = "subject.identities.zoom.id: there this is somebody with another address than subject.email"
NOBODYS = "subject.identities.zoom.id: me is whoever consented, and nobody else"


@pytest.fixture
def office() -> Office:
    office = Office()
    office.hire(JOHN, JOHN_ID, "local:{john}")
    return office


@pytest.mark.parametrize("me", ["me", "ME"])
def test_me_is_nobodys_id_whoever_consented(office: Office, me: str) -> None:
    office.zoom.users[me] = ADA
    before = office.access_of(ADA)
    office.hears_and_works(subject={"identities": {"zoom": {"id": me}}})
    assert office.reasons() == [NOBODYS]
    assert office.access_of(ADA) == before


def test_another_spelling_of_the_same_address_is_the_same_person(office: Office) -> None:
    office.hears_and_works(email="Ada@Example.com", subject={"identities": {"zoom": {"id": ADA_ID}}})
    assert "session" not in office.access_of(ADA)


@pytest.mark.parametrize("given", [ADA_ID, ADA])
@pytest.mark.parametrize("kind", ["immediate", "scheduled", "cancelled", "reinstated"])
def test_an_address_and_an_id_of_two_people_are_refused_and_both_keep_everything(
    office: Office, kind: str, given: str
) -> None:
    before = {email: office.access_of(email) for email in (ADA, JOHN)}
    office.hears_and_works(kind, email=JOHN, subject={"identities": {"zoom": {"id": given}}})
    assert office.reasons() == [ANOTHERS]
    assert {email: office.access_of(email) for email in (ADA, JOHN)} == before
    assert (office.cases.every, office.people.under_tombstones) == ([], set())


def test_an_id_that_zoom_does_not_know_says_nothing_and_the_address_is_asked_for(office: Office) -> None:
    office.hears_and_works(email=JOHN, subject={"identities": {"zoom": {"id": "of-another-account"}}})
    assert office.access_of(JOHN) == set()
    assert office.case.identities == {"zoom/acme": JOHN_ID}
    assert office.people.under_tombstones == {JOHN, JOHN_ID}


def test_an_id_that_zoom_could_not_confirm_ends_nobodys_access(office: Office) -> None:
    before = office.access_of(ADA)
    office.weather.to_come.append(("zoom: who is it", ProviderUnavailable("out of order")))
    office.hears_and_works(email=JOHN, subject={"identities": {"zoom": {"id": ADA_ID}}})
    assert office.access_of(JOHN) == set()
    assert office.access_of(ADA) == before
    assert ADA_ID not in office.people.under_tombstones


def test_a_stranger_whose_venafi_name_begins_like_the_leavers_address_keeps_their_grants(office: Office) -> None:
    stranger = f"{ADA}.au"
    office.hire(stranger, "stranger-id", "local:{stranger}")
    before = office.access_of(stranger)
    del office.venafi.people[ADA]
    office.hears_and_works()
    assert office.access_of(stranger) == before
    assert "revoke_grants" not in office.venafi.asked
