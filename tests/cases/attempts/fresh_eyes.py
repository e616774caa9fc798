"""With fresh eyes: addresses that changed hands, connections replaced twice, and accounts that cannot be asked."""

from contextlib import suppress
from datetime import timedelta

from leaver.connections.record import Status
from leaver.errors import ProviderUnavailable, Rejected
from leaver.outcomes import Outcome
from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.cases.attempts.wrong_person import address_goes_to_somebody_new
from tests.cases.test_look_ups import IDS, bamboohr
from tests.doubles.office import ADA, ADA_ID

attempt = Attempts("Fresh eyes")


def planned_and_recycled() -> Company:
    """An hour before a planned leaver's day; somebody new has had the address, with everything, for days."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=10, hours=1)).isoformat())
    address_goes_to_somebody_new(company)
    company.logs_in("ada.of.old@example.com", kept=False)
    return company


@attempt()
def a_connection_under_an_address_that_she_had_before() -> Company:
    """The person gave Leaver a connection under an older address; its record has Zoom's id of the person."""
    company = Company()
    company.connects("kings-zoom", "ada.king@example.com", owner_id=ADA_ID)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("open: ReplaceServiceConnection#bens-office waits for a person", {"old grant of ada@example.com"})
def a_connection_replaced_twice() -> Company:
    """IT took over; then another in IT took over; nobody ever confirmed that the leaver's grant ended."""
    company = Company()
    company.connects("bens-office", ADA, role="service")
    company.hands_over("bens-office", "it@example.com")
    with suppress(Rejected):
        company.hands_over("bens-office", "other-it@example.com", ended=Outcome.REVOKED)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("scheduled; dead-lettered: it can not be told who is meant", EVERYTHING)
def newcomer_departs_while_the_old_leaver_is_planned_and_zoom_is_out() -> Company:
    """A planned leaver's address goes to somebody new, who departs before the day while Zoom is out for a moment."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=30)).isoformat())
    address_goes_to_somebody_new(company)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    message = company.hears(source="okta")
    company.deliver(message)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def a_held_case_released_while_zoom_is_out() -> Company:
    """The guard holds a case; somebody new gets the address; Zoom is out when a person releases the case."""
    company = Company(routine_limit=0)
    company.hears_and_works()
    address_goes_to_somebody_new(company)
    company.connects("bens-new-zoom", ADA)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.clock.passes(minutes=1)
    company.queue("StartOffboarding", {"case": company.cases.every[-1].case_id, "decision": "release"})
    company.deliver(company.queued[0])
    for _ in range(5):
        company.clock.passes(minutes=1)
        company.minute()
        for message in list(company.queued):
            company.deliver(message)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


@attempt(
    "open: RevokeSsoToken#zoom/europe waits for a connection, RevokeGrants#venafi/acme somebody else has this address",
    {"grants of local:{ada}", "session of ada-in-europe"},
)
def an_address_that_is_lost_beside_one_of_which_nobody_can_tell() -> Company:
    """Two addresses; one is Ben's on the day by Zoom, of the other the European account that is out would tell."""
    company = Company()
    company.installs("zoom-eu", "europe")
    company.joins("ada.king@example.com", "ada-in-europe", "europe")
    day = (company.clock() + timedelta(days=20)).isoformat()
    company.hears_and_works("scheduled", effective_at=day, subject={"source_id": "7"})
    company.zoom.users[ADA_ID] = "ada.king@example.com"
    company.hears_and_works("scheduled", "ada.king@example.com", effective_at=day, subject={"source_id": "7"})
    address_goes_to_somebody_new(company)
    company.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    company.clock.passes(days=10)
    company.waits(20)
    return company


@attempt("open: RevokeAccessToken#adas-zoom#2 failed", {"old grant of ada@example.com"})
def a_connection_that_is_connected_to_another_account() -> Company:
    """The person connects again under the same name, to the second account; the grant at the first lives."""
    company = Company()
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ada-in-europe", "europe")
    company.hands_over("adas-zoom", ADA, account="europe")
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme not_searchable")
def the_sweep_of_a_case_that_was_open_for_long() -> Company:
    """Venafi knew nobody by the address and all by HR's name; a week later the case is sealed; the address is Ben's."""
    company = Company(sweep_after=timedelta(hours=1))
    company.venafi.people["aking"] = company.venafi.people.pop(ADA)
    company.connects("bens-office", ADA, role="service")
    company.hears_and_works()
    company.hears_and_works(subject={"identities": {"venafi": {"name": "aking"}}})
    company.clock.passes(days=10)
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com"}
    company.hire(ADA, "ben-new", "local:{ben-new}")
    company.hands_over("bens-office", "it@example.com", ended=Outcome.REVOKED)
    company.waits(3)
    company.waits(3, hours=2)
    return company


@attempt("completed, the seal holds, RevokeGrants#venafi/acme closed by a person; held: somebody new seems to have")
def a_newcomers_departure_from_before_the_old_leavers_day() -> Company:
    """Somebody new has a planned leaver's address, and departs an hour before the day; that is told after the day."""
    company = planned_and_recycled()
    at = company.clock()
    company.waits(3, hours=1)
    company.queue("RevokeGrants", {"identity": "ada.of.old@example.com", "connection": "venafi"})
    company.works()
    company.decides("close", step="RevokeGrants#venafi/acme", because="that is Ben's")
    company.waits(3)
    company.hears_and_works(source="okta", occurred_at=at.isoformat(), effective_at=at.isoformat())
    company.waits(3)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def a_newcomers_return_while_the_old_leaver_is_under_way() -> Company:
    """Somebody new has a planned leaver's address; on the day HR says of the address: reinstated."""
    company = planned_and_recycled()
    company.waits(3, hours=1)
    company.hears_and_works("reinstated")
    company.waits(3)
    return company


@attempt("scheduled; dead-lettered: it is somebody else at this address", EVERYTHING)
def a_newcomers_return_before_the_old_leavers_day() -> Company:
    """The same, an hour before the day, the newcomer's own planned departure is cancelled."""
    company = planned_and_recycled()
    company.hears_and_works("cancelled")
    return company


def asked_at_two(company: Company, *resources: str) -> Company:
    company.hr["bamboohr"].knows(IDS["bamboohr"], "ben@example.com")
    company.hr["bamboohr"].leaves(IDS["bamboohr"])
    company.queue("StartOffboarding", bamboohr() | {"time": company.clock().isoformat(), "resources": list(resources)})
    company.works()
    company.waits(3)
    return company


@attempt("no case; dead-lettered: bamboohr: there are connections to several accounts", EVERYTHING)
def a_look_up_where_one_of_two_accounts_needs_a_person() -> Company:
    """Of two BambooHR accounts one has lost its key; its event is looked up at the other, where that id is Ben."""
    company = Company()
    company.asks("bamboohr", account="acme.bamboohr.com")
    company.asks("bamboohr", "bought", account="bought.bamboohr.com", status=Status.NEEDS_REAUTHORIZATION)
    return asked_at_two(company)


@attempt("no case; dead-lettered: bamboohr: ", EVERYTHING)
def a_look_up_of_a_second_door_connection() -> Company:
    """Two BambooHR accounts speak at the door, and one alone can be asked; an event of the other is looked up there."""
    company = Company()
    company.asks("bamboohr", account="acme.bamboohr.com")
    return asked_at_two(company, "source:bamboohr/bought")


def nobody_begins(company: Company, minutes: int) -> None:
    """The watch looks each minute; whoever it asks to begin a case does not come to it."""
    for _ in range(minutes):
        company.clock.passes(minutes=1)
        company.minute()


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def a_planned_leavers_day_on_which_nobody_comes_to_ask() -> Company:
    """Somebody new has a planned leaver's address; on the day start_offboarding does nothing for half an hour."""
    company = planned_and_recycled()
    company.connects("bens-new-zoom", ADA, granted_at=company.clock())
    company.clock.passes(hours=1)
    nobody_begins(company, 30)
    company.works()
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def a_day_that_moved_while_nobody_could_say_whose_the_address_is() -> Company:
    """The same, and on the day before, while Zoom was out, HR moved the day, by its own number of the person."""
    company, number = Company(), {"source_id": "7"}
    in_a_month = (company.clock() + timedelta(days=30)).isoformat()
    company.hears_and_works("scheduled", effective_at=in_a_month, subject=number)
    address_goes_to_somebody_new(company)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    tomorrow = (company.clock() + timedelta(days=1)).isoformat()
    company.hears_and_works("scheduled", effective_at=tomorrow, subject=number)
    company.clock.passes(days=1)
    nobody_begins(company, 30)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def a_day_that_is_brought_forward_while_nobody_can_say_whose_the_address_is() -> Company:
    """HR says by its own number of a planned leaver: at once. Zoom is out; her address is somebody else's for weeks."""
    company, number = Company(), {"source_id": "7"}
    in_a_month = (company.clock() + timedelta(days=30)).isoformat()
    company.hears_and_works("scheduled", effective_at=in_a_month, subject=number)
    address_goes_to_somebody_new(company)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.deliver(company.hears(subject=number))
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


@attempt()
def a_planned_leavers_day_on_which_zoom_is_out() -> Company:
    """A planned leaver still has the address; Zoom is out on the day, and says so two hours later."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=10)).isoformat())
    company.clock.passes(days=10)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    for _ in range(120):
        company.clock.passes(minutes=1)
        company.minute()
        for message in list(company.queued):
            company.deliver(message)
    company.weather.out_of_order.clear()
    company.waits(62)
    return company
