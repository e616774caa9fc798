"""Cases that are over: evidence that can't be stored, people who were erased, and what still is on its way."""

from datetime import timedelta

from tests.cases.attempts.seen import Attempts, Company
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
