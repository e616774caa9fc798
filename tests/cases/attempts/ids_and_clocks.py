"""Clocks that are apart, words that come late, and ids that change under one address."""

from datetime import timedelta

from leaver.errors import ProviderUnavailable
from leaver.outcomes import Outcome
from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.cases.attempts.wrong_person import address_goes_to_somebody_new
from tests.doubles.office import ADA, ADA_ID

attempt = Attempts("Ids that change, and clocks that are apart")


@attempt()
def sqs_is_three_minutes_ahead_of_the_functions() -> Company:
    """SQS and HR say that she left three minutes from now, by the clock of the functions."""
    company = Company()
    ahead = company.clock() + timedelta(minutes=3)
    message = company.hears(occurred_at=ahead.isoformat(), effective_at=ahead.isoformat())
    message.sent_at = ahead
    company.works()
    company.waits(6)
    return company


@attempt("held: ", EVERYTHING)
def a_departure_that_lay_among_the_dead_letters_for_ten_days() -> Company:
    """HR's word could not be read ten days ago; a person sends it back when somebody new has the address."""
    company = Company()
    at = company.clock().isoformat()
    detail = {"event_id": "hr-1", "source": "hr-system", "kind": "immediate", "subject": {"email": ADA}}
    detail |= {"effective_at": at, "occurred_at": at}
    address_goes_to_somebody_new(company)
    event = {"id": "11111111-1111-4111-8111-111111111111", "detail-type": "OffboardingRequested", "detail": detail}
    company.queue("StartOffboarding", event | {"source": "leaver.hr", "time": at})
    company.works()
    company.waits(3)
    return company


def made_anew(company: Company) -> None:
    """Somebody deletes the account, and a sign-in by SSO makes it anew, under another id."""
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    company.zoom.users["ada-made-anew"] = ADA
    company.zoom.sessions.add("ada-made-anew")


@attempt("open: DeactivateUser#zoom/acme not_searchable", {"session of ada-made-anew", "login of ada-made-anew"})
def an_account_that_is_made_anew_before_it_is_deactivated() -> Company:
    """Her session ended; IT deletes the account before Leaver deactivates it, and she signs in: it is made anew."""
    company = Company(deactivates=True)
    company.weather.out_of_order["zoom: deactivate"] = ProviderUnavailable("out of order")
    message = company.hears()
    company.deliver(message)
    for _ in range(3):
        for each in list(company.queued):
            company.deliver(each)
    made_anew(company)
    company.weather.out_of_order.clear()
    company.waits(3)
    return company


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, RevokeGrants#venafi/acme somebody else has this address by now",
    {"session of ada-made-anew", "grants of local:{ada}"},
)
def an_account_that_is_made_anew_while_a_planned_case_waits() -> Company:
    """IT deletes the account on the evening before; she signs in, and it is made anew; the day comes."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(hours=8)).isoformat())
    made_anew(company)
    company.waits(3, hours=8)
    return company


@attempt("contain open", {"grants of local:{ada}"})
def two_thefts_at_one_address_of_two_people() -> Company:
    """Venafi is out when Ada is robbed; ten days later Ben has her address, and is robbed as well."""
    company = Company()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears("contain"))
    for _ in range(2):
        for each in list(company.queued):
            company.deliver(each)
    address_goes_to_somebody_new(company, "newcomer")
    company.weather.out_of_order.clear()
    company.waits(2)
    company.hears_and_works("contain")
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def another_address_that_is_recycled_when_a_word_brings_the_day_forward() -> Company:
    """She is planned under two addresses; one is Ben's by now; a word under the other one says: at once."""
    company, king = Company(), "ada.king@example.com"
    day = (company.clock() + timedelta(days=30)).isoformat()
    company.hears_and_works("scheduled", effective_at=day, subject={"source_id": "7"})
    company.zoom.users[ADA_ID] = king
    company.hears_and_works("scheduled", king, effective_at=day, subject={"source_id": "7"})
    address_goes_to_somebody_new(company)
    company.zoom.users[ADA_ID] = king
    company.hears_and_works("immediate", king, subject={"source_id": "7"})
    company.waits(3)
    return company


@attempt("open: RevokeSsoToken#zoom/europe not_searchable, PurgeUserTokens#zoom/europe not_searchable")
def a_service_connection_comes_for_a_third_account_days_after_the_case_began() -> Company:
    """A case is open for a week; then the company connects another account, where Ben has her address by then."""
    company = Company()
    company.connects("bens-office", ADA, role="service")
    company.hears_and_works()
    company.clock.passes(days=10)
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ben-in-europe", "europe")
    company.hands_over("bens-office", "it@example.com", ended=Outcome.REVOKED)
    company.waits(62)
    return company


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, RevokeGrants#venafi/acme not_searchable",
    {"session of ada", "grants of local:{ada}", "user token of ada"},
)
def a_held_case_of_an_unknown_id_released_when_somebody_new_has_the_address() -> Company:
    """The guard held it while Zoom was out; a week later a person releases it, and somebody new has the address."""
    company = Company(routine_limit=0)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    company.weather.out_of_order.clear()
    company.works()
    address_goes_to_somebody_new(company)
    company.decides("release")
    company.waits(3)
    return company


@attempt()
def what_was_done_once_more_at_different_times() -> Company:
    """Venafi ends late what is done once more; she is in again, and a third source says so; then the case is sealed."""
    company = Company()
    company.connects("bens-office", ADA, role="service")
    company.hears_and_works()
    company.waits(33)
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.hears(source="okta")
    for _ in range(50):
        company.clock.passes(minutes=1)
        company.minute()
        for message in list(company.queued):
            company.deliver(message)
    company.weather.out_of_order.clear()
    company.waits(12)
    company.logs_in(ADA)
    company.clock.passes(minutes=1)
    company.hears_and_works(source="scim")
    company.waits(2)
    company.hands_over("bens-office", "it@example.com", ended=Outcome.REVOKED)
    company.waits(3)
    return company
