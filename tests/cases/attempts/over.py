"""Cases that are over: evidence that can't be stored, people who were erased, and what still is on its way."""

from datetime import timedelta

from leaver.cases.erasure import Erasure
from leaver.errors import ProviderUnavailable
from tests.cases.attempts.seen import Attempts, Company
from tests.cases.attempts.wrong_person import address_goes_to_somebody_new
from tests.doubles.office import ADA_ID

attempt = Attempts("Over")


def not_signed() -> Company:
    """Ada's case is completed, and its evidence can't be stored."""
    company = Company(sweep_after=timedelta(hours=1))
    company.evidence.bucket.is_broken = True
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("completed, the seal holds")
def an_account_that_lives_again_while_evidence_cannot_be_stored() -> Company:
    """The bucket of evidence is broken, so that nobody is told that the case is completed; her account lives again."""
    company = not_signed()
    company.zoom.sessions.add(ADA_ID)
    company.zoom_tells("user.signed_in")
    company.works()
    company.waits(3)
    return company


@attempt("completed, the seal holds")
def a_sweep_while_evidence_cannot_be_stored() -> Company:
    """The same, and Zoom tells nothing: the sweep looks once more all the same."""
    company = not_signed()
    company.zoom.sessions.add(ADA_ID)
    company.waits(3, hours=2)
    return company


def erased(company: Company) -> Company:
    """Whoever any case is about is erased, an hour ago."""
    company.waits(2, days=2)
    Erasure(company.cases, company.people, company.evidence.keys, company.clock).erase(
        [case.case_id for case in company.cases.every]
    )
    company.clock.passes(hours=1)
    return company


def left_recycled_and_erased() -> Company:
    """Ada's case is completed; Ben has the address; Ada is erased."""
    company = Company()
    company.hears_and_works()
    company.waits(3)
    address_goes_to_somebody_new(company)
    return erased(company)


@attempt("completed; held: the account of somebody who left, and was erased since, lives again", {"session of ada"})
def an_account_of_somebody_erased_that_lives_again() -> Company:
    """She left and was erased; somebody activates her account again, and Zoom tells of it."""
    company = Company()
    company.hears_and_works()
    company = erased(company)
    company.zoom.sessions.add(ADA_ID)
    company.zoom_tells("user.signed_in")
    company.works()
    company.waits(3)
    return company


@attempt("completed; held: it happened before somebody who had this address was erased")
def a_late_word_of_somebody_erased_at_a_recycled_address() -> Company:
    """Another source says only now that Ada left; she was erased, and Ben has the address."""
    company = left_recycled_and_erased()
    then = company.cases.every[0].requested_at.isoformat()
    company.hears_and_works(source="okta", occurred_at=then, effective_at=then)
    company.waits(3)
    return company


@attempt("completed; contain held: it happened before somebody who had this address was erased")
def a_late_theft_of_somebody_erased_at_a_recycled_address() -> Company:
    """The same, of a theft."""
    company = left_recycled_and_erased()
    then = company.cases.every[0].requested_at.isoformat()
    company.hears_and_works("contain", source="okta", occurred_at=then, effective_at=then)
    company.waits(3)
    return company


@attempt("completed; held: it happened before somebody who had this address was erased")
def a_newcomers_departure_from_before_the_erasure_while_zoom_is_out() -> Company:
    """Ben departs an hour before Ada is erased; that is told afterwards, and Zoom is out."""
    company = left_recycled_and_erased()
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    then = (company.clock() - timedelta(hours=2)).isoformat()
    company.deliver(company.hears(source="okta", occurred_at=then, effective_at=then))
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


@attempt()
def an_account_of_somebody_erased_that_lives_again_and_is_released() -> Company:
    """The same; the event was on its way when she was erased, comes twice, and a person releases the case."""
    company = Company()
    company.hears_and_works()
    company.waits(2, days=2)
    company.zoom.sessions.add(ADA_ID)
    told = [company.zoom_tells("user.signed_in") for _ in range(2)]
    company.queued.clear()
    company = erased(company)
    company.queued.extend(told)
    company.works()
    company.decides("release")
    company.waits(3)
    return company
