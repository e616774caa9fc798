"""Who is back, and who has the address by now: what a return gives back, and what stays ended."""

from datetime import timedelta

from leaver.errors import ProviderUnavailable
from tests.cases.attempts.seen import Attempts, Company
from tests.cases.attempts.wrong_person import address_goes_to_somebody_new
from tests.doubles.office import ADA, ADA_ID

attempt = Attempts("Given back")


def left_and_recycled() -> Company:
    """Ada's case is completed; ten days later Ben has the address, and is let in."""
    company = Company(sweep_after=timedelta(days=30))
    company.hears_and_works()
    company.waits(3)
    address_goes_to_somebody_new(company)
    return company


def lives_again(company: Company) -> None:
    """Somebody activates the account of who left, who signs in."""
    company.clock.passes(hours=1)
    company.zoom.sessions.add(ADA_ID)
    company.zoom_tells("user.activated", email="ada.of.old@example.com")
    company.works()
    company.waits(3)


@attempt()
def an_old_account_that_lives_again_after_a_newcomers_return() -> Company:
    """Somebody new has the address, and HR says of it: reinstated; then the old account is activated again."""
    company = left_and_recycled()
    company.hears_and_works("reinstated")
    lives_again(company)
    return company


@attempt()
def an_old_account_that_lives_again_after_a_person_gave_the_address_back() -> Company:
    """The same, where a person decided: leaver reinstate."""
    company = left_and_recycled()
    company.decides("reinstate")
    lives_again(company)
    return company


@attempt()
def an_old_account_that_nobody_tells_of_after_a_newcomers_return() -> Company:
    """The same, and Zoom tells nothing: the sweep looks once more."""
    company = left_and_recycled()
    company.hears_and_works("reinstated")
    company.zoom.sessions.add(ADA_ID)
    company.waits(3, days=25)
    return company


@attempt(
    "open: RevokeGrants#venafi/acme waits for a person; dead-lettered: it is somebody else at this address",
    {"grants of local:{ada}"},
)
def a_newcomers_return_while_a_case_without_ids_is_under_way() -> Company:
    """Zoom is out when the case is recorded, Venafi for days; Ben has the address, and HR says of it: reinstated."""
    company = Company()
    company.weather.out_of_order |= {
        each: ProviderUnavailable("out of order") for each in ("zoom: who is it", "venafi")
    }
    company.deliver(company.hears())
    del company.weather.out_of_order["zoom: who is it"]
    for _ in range(3):
        for message in list(company.queued):
            company.deliver(message)
    address_goes_to_somebody_new(company)
    company.deliver(company.hears("reinstated"))
    return company


@attempt()
def an_account_in_europe_that_lives_again_after_a_newcomers_return() -> Company:
    """She was in two accounts; Ben has the address in one of them; after his return her other account lives again."""
    company = Company(sweep_after=timedelta(days=30))
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ada-in-europe", "europe")
    company.hears_and_works()
    company.waits(3)
    company.zoom.users["ada-in-europe"] = "ada.of.old@example.com"
    address_goes_to_somebody_new(company)
    company.hears_and_works("reinstated")
    company.clock.passes(hours=1)
    company.zoom.sessions.add("ada-in-europe")
    company.zoom_tells("user.signed_in", "ada-in-europe", email="ada.of.old@example.com")
    company.works()
    company.waits(3, days=25)
    return company
