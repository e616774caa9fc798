"""The wrong time: clocks and zones that are wrong, words that come twice or late, plans, and who may take back."""

from datetime import datetime, timedelta
from typing import Any

from leaver.errors import ProviderUnavailable
from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL

attempt = Attempts("The wrong time")


def dated_ahead(kind: str, **time: float) -> Company:
    """A word is dated ahead; then the person leaves, or is back."""
    company = Company()
    company.hears_and_works(kind, occurred_at=(company.clock() + timedelta(**time)).isoformat())
    company.clock.passes(minutes=1)
    return company


@attempt("completed, the seal holds; dead-lettered: occurred_at")
def a_return_in_fifty_years() -> Company:
    """A return is dated 50 years ahead; then the person leaves."""
    company = dated_ahead("reinstated", days=50 * 365)
    company.hears_and_works()
    return company


@attempt("completed, the seal holds; dead-lettered: occurred_at")
def a_return_in_two_hours() -> Company:
    """A return is dated two hours ahead, by a zone mistaken; then the person leaves."""
    company = dated_ahead("reinstated", hours=2)
    company.hears_and_works()
    return company


@attempt("completed, the seal holds, and taken back")
def a_departure_in_two_hours() -> Company:
    """A departure is dated two hours ahead; it was wrong, and is taken back."""
    company = dated_ahead("immediate", hours=2)
    company.hears_and_works("reinstated")
    return company


@attempt("cancelled; completed")
def one_id_for_all() -> Company:
    """A source uses one event_id for plan, cancellation and departure."""
    company = Company()
    later = (company.clock() + timedelta(days=5)).isoformat()
    company.hears_and_works("scheduled", event_id="employment-7", effective_at=later)
    for kind in ("cancelled", "immediate"):
        company.clock.passes(minutes=1)
        company.hears_and_works(kind, event_id="employment-7")
    return company


@attempt()
def hibob_without_a_zone() -> Company:
    """HiBob's time names no zone, and the tenant is east of UTC."""
    company = Company()
    tokyo = (company.clock() + timedelta(hours=9)).replace(tzinfo=None).isoformat()
    hears(company, "HiBobWebhook", {"type": "employee.left", "triggeredAt": tokyo, "data": {"employeeId": "33"}})
    return company


# --- plans


def plans(company: Company, day: datetime, email: str = ADA, **told: Any) -> None:
    company.clock.passes(minutes=1)
    company.hears_and_works("scheduled", email, effective_at=day.isoformat(), **told)


@attempt("scheduled", EVERYTHING)
def the_last_day_moves_later() -> Company:
    """The same source moves the last day from the fifth day to the ninth; it is the eighth."""
    company = Company()
    for days in (5, 9):
        plans(company, company.clock() + timedelta(days=days))
    company.waits(days=8)
    return company


@attempt()
def the_later_day_comes() -> Company:
    """The same; it is the ninth day."""
    company = Company()
    for days in (5, 9):
        plans(company, company.clock() + timedelta(days=days))
    company.waits(days=9)
    return company


@attempt("completed, the seal holds; refused: the case has begun")
def a_cancellation_of_what_has_begun() -> Company:
    """A cancellation of what has begun, and again of what is completed."""
    company = out_of_order()
    company.hears_and_works_for_a_while()
    company.clock.passes(minutes=1)
    company.deliver(company.hears("cancelled"))
    mended(company)
    company.hears_and_works("cancelled")
    return company


@attempt("scheduled; dead-lettered: cancelled: nobody of this name", EVERYTHING)
def a_cancellation_under_a_misspelt_address() -> Company:
    """A cancellation under a misspelt address, before the day."""
    company = Company()
    plans(company, company.clock() + timedelta(days=5))
    company.hears_and_works("cancelled", "adda@example.com")
    return company


# --- who may take back


class Waiting(Company):
    """Venafi is out of order, so that a case stays open."""

    def hears_and_works_for_a_while(self, **told: Any) -> None:
        self.hears(**told)
        works_for_a_while(self)


def out_of_order() -> Waiting:
    company = Waiting()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
    return company


def works_for_a_while(company: Company) -> None:
    for _ in range(3):
        for message in list(company.queued):
            company.deliver(message)
        company.clock.passes(minutes=5)


def mended(company: Company) -> None:
    company.weather.out_of_order.clear()
    company.works()


def hears(company: Company, detail_type: str, detail: dict[str, Any]) -> None:
    now = company.clock().isoformat()
    company.queue("StartOffboarding", webhook(detail_type, detail, f"mailto:{ADA}") | {"id": now, "time": now})
    works_for_a_while(company)


@attempt("completed, the seal holds; nothing_follows: this source never said")
def a_repeated_active_of_scim() -> Company:
    """Another source's urgent departure, and then SCIM's active: true, which Entra sends with every change."""
    company = out_of_order()
    company.hears_and_works_for_a_while(source="hibob", urgency="urgent")
    active = {"op": "Replace", "path": "active", "value": "True"}
    hears(company, "ScimPatch", {"Operations": [active]})
    mended(company)
    return company


def gusto(event_type: str) -> Company:
    company = out_of_order()
    for each in ("employee.termination_effective", event_type):
        told = {"event_type": each, "entity_uuid": "e-1", "timestamp": int(company.clock().timestamp())}
        hears(company, "GustoWebhook", told)
    mended(company)
    return company


@attempt("completed, the seal holds; dead-lettered: gusto: a rehire was entered and has not begun")
def a_rehire_that_was_entered() -> Company:
    """Gusto's employee.rehired: a rehire was entered."""
    return gusto("employee.rehired")


@attempt("completed, the seal holds; dead-lettered: gusto: a rehire that was entered is cancelled")
def a_rehire_that_was_cancelled() -> Company:
    """Gusto's employee.rehire_cancelled."""
    return gusto("employee.rehire_cancelled")


# --- once more, before the case is completed


def departs_again(company: Company, **told: Any) -> None:
    """She is let in again, of which nobody hears, and signs in; then a second source says that she left."""
    company.clock.passes(minutes=5)
    company.zoom.deactivated.clear()
    company.logs_in(ADA)
    company.clock.passes(minutes=5)
    company.hears(source="okta", **told)


def open_for_venafi() -> Waiting:
    company = Waiting(deactivates=True)
    company.weather.out_of_order["venafi"] = ProviderUnavailable("Venafi is out of order")
    company.hears_and_works_for_a_while(source="hibob")
    return company


@attempt("open: RevokeGrants#venafi/acme waits for a person", {"grants of local:{ada}"})
def departs_again_while_venafi_is_out() -> Company:
    """Her session has ended, Venafi is out; she is let in again, signs in, and a second source says that she left."""
    company = open_for_venafi()
    departs_again(company)
    works_for_a_while(company)
    company.minute()
    works_for_a_while(company)
    return company


@attempt()
def departs_again_and_venafi_is_mended() -> Company:
    """The same, and Venafi is mended before anybody looks at the case."""
    company = open_for_venafi()
    departs_again(company)
    mended(company)
    return company


@attempt("completed, the seal holds (2 cases)")
def departs_again_and_it_is_told_after_the_end() -> Company:
    """The same, and the second source is heard when the case is completed."""
    company = open_for_venafi()
    departs_again(company)
    told = company.queued.pop()
    mended(company)
    company.queued.append(told)
    company.works()
    return company


@attempt("completed, the seal holds, ReplaceServiceConnection#all-of-zoom closed by a person")
def departs_again_and_again_before_the_end() -> Company:
    """A step waits for a person for ten days; the leaver is let in again twice, and departs again twice."""
    company = waits_for_a_new_owner()
    for _ in range(2):
        company.clock.passes(days=5)
        departs_again(company)
        company.waits(2)
    company.decides("close", step="ReplaceServiceConnection#all-of-zoom", because="it is replaced")
    del company.grants["all-of-zoom"]
    company.waits(2)
    return company


@attempt(
    "open: ReplaceServiceConnection#all-of-zoom waits for a person, RevokeGrants#venafi/acme#2 not_searchable",
    {"all-of-zoom"},
)
def departs_again_when_somebody_new_has_the_address() -> Company:
    """The same, somebody new has her address by then, and the second source gives her id at Zoom, which is out."""
    return departs_again_at_a_recycled_address({"identities": {"zoom": {"id": ADA_ID}}})


@attempt(
    "open: ReplaceServiceConnection#all-of-zoom waits for a person; dead-lettered: it can not be told who is meant",
    {"all-of-zoom", *EVERYTHING} - {"adas-zoom"},
)
def departs_again_without_an_id_when_somebody_new_has_the_address() -> Company:
    """The same, the second source gives no id, and Zoom says who has the address when the message comes back."""
    return departs_again_at_a_recycled_address({})


def departs_again_at_a_recycled_address(subject: dict[str, Any]) -> Company:
    company = waits_for_a_new_owner()
    company.logs_in(ADA)
    somebody_new_has_her_address(company)
    company.clock.passes(minutes=5)
    company.weather.to_come += [("zoom: who is it", ProviderUnavailable("503"))] * 2
    company.hears_and_works(source="okta", subject=subject)
    company.waits(2)
    return company


def waits_for_a_new_owner() -> Company:
    """Everything has ended but a connection that Leaver works through."""
    company = Company(deactivates=True)
    company.connects("all-of-zoom", ADA, role="service")
    company.hears_and_works(source="hibob")
    company.clock.passes(minutes=5)
    return company


def somebody_new_has_her_address(company: Company) -> None:
    """Her own accounts stand under another address; what is Ben's must not end."""
    company.zoom.users[ADA_ID] = "ada.of.old@example.com"
    company.venafi.people["ada.of.old@example.com"] = [ADA_UNIVERSAL]
    company.hire(ADA, "new-ben", "local:{new-ben}")


@attempt("completed, the seal holds (2 cases)")
def departs_again_after_a_case_that_zoom_was_out_for() -> Company:
    """Zoom is out when the event comes, and names her when her session ends; she signs in again, and departs again."""
    company = Company()
    company.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    company.hears_and_works(source="hibob")
    departs_again(company)
    company.works()
    return company


# --- a day later


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme not_searchable")
def the_sweep_where_somebody_new_has_the_address() -> Company:
    """Zoom is out when the event comes; a day later she is back in, and somebody new has her address."""
    company = Company(sweep_after=timedelta(days=1))
    company.weather.to_come.append(("zoom: who is it", ProviderUnavailable("503")))
    company.hears_and_works()
    company.logs_in(ADA)
    somebody_new_has_her_address(company)
    company.waits(2, days=1)
    return company


def waits_for_a_person(**told: Any) -> Company:
    """After her case somebody may be new at her address, for another id of the source's; and she is let in again."""
    company = Company(sweep_after=timedelta(days=1))
    company.hears_and_works(source="okta", subject={"source_id": "okta-1"}, **told)
    company.clock.passes(hours=2)
    company.hears_and_works(source="okta", subject={"source_id": "okta-2"})
    return company


@attempt("completed, the seal holds (2 cases); held: somebody new")
def a_later_case_that_waits_for_a_person() -> Company:
    """A later departure is held, for a source's id differs; she is let in again, and a day passes."""
    company = waits_for_a_person()
    company.logs_in(ADA)
    company.waits(2, days=1)
    return company


@attempt("completed, the seal holds (2 cases); scheduled")
def a_later_case_that_is_planned() -> Company:
    """A later departure is planned for next month; she is let in again, and a day passes."""
    company = Company(sweep_after=timedelta(days=1))
    company.hears_and_works(source="okta")
    plans(company, company.clock() + timedelta(days=30), source="hibob")
    company.logs_in(ADA)
    company.waits(2, days=1)
    return company


@attempt("completed, the seal holds; held: somebody new")
def a_later_case_of_somebody_new_whom_nobody_knew_by_an_id() -> Company:
    """Nobody knew her at Zoom. Somebody new is there under her address, a later departure is held, and a day passes."""
    company = Company(sweep_after=timedelta(days=1), missing_is_done=True)
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.clear()
    company.hears_and_works(source="okta")
    company.hire(ADA, "new-ben", "local:{new-ben}")
    company.clock.passes(hours=2)
    company.hears_and_works(source="okta")
    company.waits(2, days=1)
    return company


# --- the guard


@attempt("completed, the seal holds (2 cases); held; scheduled", {*EVERYTHING, "session of cleo-2"})
def a_planned_leaver_in_a_busy_hour() -> Company:
    """In an hour in which more leave than may, somebody is planned for next month."""
    company = Company(routine_limit=2)
    for number in range(3):
        hire_cleo(company, number)
        company.hears_and_works(email=f"cleo-{number}@example.com")
    plans(company, company.clock() + timedelta(days=30))
    return company


@attempt("completed, the seal holds (2 cases); held (8 cases)", {f"session of cleo-{each}" for each in range(2, 10)})
def ten_are_planned_for_one_moment() -> Company:
    """Ten are planned for one moment, and two may leave in an hour."""
    company = Company(routine_limit=2)
    company.hears_and_works(urgency="urgent")
    del company.cases.items.kept[company.case.partition, "case"]
    day = company.clock() + timedelta(days=5)
    for number in range(10):
        hire_cleo(company, number)
        plans(company, day, f"cleo-{number}@example.com")
    company.clock.now = day
    company.waits()
    return company


def hire_cleo(company: Company, number: int) -> None:
    """Somebody who has a session, and nothing else."""
    company.hire(f"cleo-{number}@example.com", f"cleo-{number}", f"local:{{cleo-{number}}}", kept=False)
    del company.venafi.grants[f"local:{{cleo-{number}}}"]
