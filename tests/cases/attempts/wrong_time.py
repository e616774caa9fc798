"""The wrong time: clocks and zones that are wrong, words that come twice or late, plans, and who may take back."""

from datetime import datetime, timedelta
from typing import Any

from leaver.errors import ProviderUnavailable
from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA

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
