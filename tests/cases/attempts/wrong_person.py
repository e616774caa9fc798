"""The wrong person: a stranger with a similar name, an id of somebody else's, a stray command, a recycled address."""

from datetime import timedelta
from typing import Any

from leaver.cases.former import NOBODY_SAYS, SOMEBODY_NEW
from leaver.connections.record import Status
from leaver.errors import ProviderUnavailable
from leaver.outcomes import Outcome
from tests.cases.attempts.access_lives import begun_by_the_address, is_heard_again
from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL

attempt = Attempts("The wrong person")


def unknown_to_venafi(**told: Any) -> Company:
    company = Company(**told)
    del company.venafi.people[ADA]
    del company.venafi.grants[ADA_UNIVERSAL]
    return company


@attempt()
def a_name_that_begins_so() -> Company:
    """Asked for jdoe, which nobody is, Venafi's Browse answers jdoe2."""
    company = unknown_to_venafi()
    company.venafi.people["ada2"] = ["local:{ben}"]
    company.hears_and_works(subject={"identities": {"venafi": {"name": "ada"}}})
    return company


@attempt("open: RevokeGrants#venafi/acme user_not_found")
def an_address_that_begins_so() -> Company:
    """Asked for jo.smith@example.com, Venafi's Browse answers jo.smith@example.com.au."""
    company = unknown_to_venafi(ben=f"{ADA}.au")
    company.hears_and_works()
    return company


@attempt("no case; dead-lettered: subject.identities.zoom.id", EVERYTHING)
def an_id_of_somebody_else() -> Company:
    """HR's e-mail is John's, and its zoom_user_id is Ada's."""
    company = Company()
    company.hears_and_works(subject={"identities": {"zoom": {"id": "ben"}}})
    return company


def of_ben_at_venafi(*, has_grants: bool = True) -> Company:
    company = Company()
    company.venafi.grants[ADA_UNIVERSAL] *= has_grants
    company.hears_and_works(subject={"identities": {"venafi": {"prefixed_universal": "local:{ben}"}}})
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def somebody_elses_id_at_venafi() -> Company:
    """HR's e-mail is John's, and its venafi_prefixed_universal is Ada's."""
    return of_ben_at_venafi()


@attempt("open: RevokeGrants#venafi/acme not_searchable")
def somebody_elses_id_at_venafi_of_somebody_without_grants() -> Company:
    """The same, and nothing lives under John's own address."""
    return of_ben_at_venafi(has_grants=False)


@attempt("open: RevokeGrants#venafi/acme not_searchable")
def somebody_elses_id_at_venafi_and_grants_ended_by_hand() -> Company:
    """The same, and a person ends the grants under John's own address by a command."""
    company = of_ben_at_venafi()
    company.queue("RevokeGrants", {"identity": ADA, "connection": "venafi"})
    company.works()
    company.waits(62)
    return company


BEN_AT_VENAFI: dict[str, Any] = {"identities": {"venafi": {"prefixed_universal": "local:{ben}"}}}


@attempt("open: RevokeGrants#venafi/acme#2 not_searchable")
def a_second_event_with_somebody_elses_id_at_venafi() -> Company:
    """While John's case is open, a second event gives Ada's venafi_prefixed_universal."""
    company = Company()
    company.deliver(company.hears())
    company.deliver(company.hears(source="okta", subject=BEN_AT_VENAFI))
    company.works()
    company.waits(62)
    return company


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme#2 not_searchable")
def a_second_event_with_somebody_elses_id_at_venafi_after_the_seal() -> Company:
    """The same after John's case was completed, about a departure from before its end."""
    company = Company()
    company.hears_and_works()
    company.hears_and_works(source="okta", subject=BEN_AT_VENAFI)
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme user_not_found, RevokeGrants#venafi/acme#2 not_searchable")
def a_second_event_with_somebody_elses_id_at_venafi_that_does_not_know_the_address() -> Company:
    """The same while the case is open, and Venafi knows nobody by John's address."""
    company = unknown_to_venafi()
    company.hears_and_works()
    company.hears_and_works(source="okta", subject=BEN_AT_VENAFI)
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme#2 not_searchable")
def a_second_event_with_the_id_of_somebody_without_an_address() -> Company:
    """A second event gives the name of a service account, which has no address at Venafi; John's address is known."""
    company = Company()
    company.venafi.people["bens-robot"] = ["local:{bens-robot}"]
    company.venafi.grants["local:{bens-robot}"] = 3
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=1)).isoformat())
    company.hears_and_works(source="okta", subject={"identities": {"venafi": {"name": "bens-robot"}}})
    company.waits(62)
    return company


@attempt(
    "completed, the seal holds; completed, the seal holds, RevokeGrants#venafi/acme#2 closed by a person; "
    "open: RevokeGrants#venafi/acme#2 not_searchable"
)
def a_second_event_with_somebody_elses_id_at_venafi_and_a_repeat() -> Company:
    """The first of these, a person closes the step, and John departs again."""
    company = Company()
    company.hears_and_works()
    company.hears_and_works(source="okta", subject=BEN_AT_VENAFI)
    company.decides("close", step="RevokeGrants#venafi/acme#2", because="it is Ada's")
    company.waits(2)
    company.clock.passes(hours=5)
    company.logs_in(ADA)
    company.hears_and_works()
    return company


@attempt("no case; dead-lettered: subject.identities.zoom.id: me is", EVERYTHING)
def me() -> Company:
    """HR's zoom_user_id is me."""
    company = Company()
    company.zoom.users["me"] = "ben@example.com"
    company.hears_and_works(subject={"identities": {"zoom": {"id": "me"}}})
    return company


def sends_stray(company: Company, case_id: str, user_id: str = "ben") -> None:
    company.queue("RevokeSsoToken", {"user_id": user_id, "account": "acme", "connection": "zoom", "case_id": case_id})


@attempt("completed, the seal holds; dead-lettered: case_id")
def a_stray_command() -> Company:
    """A command about somebody else with the id of this case, which is open."""
    company = Company()
    company.deliver(company.hears())
    sends_stray(company, company.case.case_id)
    company.works()
    return company


@attempt("held; dead-lettered: case_id", EVERYTHING)
def a_stray_command_while_the_case_is_held() -> Company:
    """The same while the case is held, and about the leaver."""
    company = Company(routine_limit=0)
    company.hears_and_works()
    sends_stray(company, company.case.case_id, ADA_ID)
    company.works()
    return company


@attempt("completed, the seal holds; dead-lettered: case_id")
def a_stray_command_before_the_case() -> Company:
    """The same before there is a case."""
    company = Company()
    sends_stray(company, "c-of-ada", ADA_ID)
    company.works()
    company.hears_and_works()
    return company


@attempt("completed, the seal holds; dead-lettered: case_id")
def a_mistyped_command_redriven() -> Company:
    """A mistyped command with the case's id is dead-lettered, and sent back by a person."""
    company = Company()
    company.deliver(company.hears())
    sends_stray(company, company.case.case_id, "adda@example.com")
    company.works()
    company.redrive()
    company.works()
    return company


def address_goes_to_somebody_new(company: Company, name: str = "ben-new") -> None:
    company.clock.passes(days=10)
    company.zoom.users[ADA_ID] = "ada.of.old@example.com"
    company.venafi.people["ada.of.old@example.com"] = [ADA_UNIVERSAL]
    company.hire(ADA, name, f"local:{{{name}}}")


def leaves_while_it_is_out(what: str, name: str | None = None, **connection: str) -> Company:
    """Her address is somebody new's when the provider answers again, and a person sends back what was parked.

    A connection of this name, if any, was given under the address meanwhile.
    """
    company = Company(deactivates=what.startswith("zoom"))
    company.weather.out_of_order[what] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    for message in list(company.queued):
        company.deliver(message)
    company.waits(2, days=1)
    address_goes_to_somebody_new(company)
    if name:
        company.connects(name, ADA, granted_at=company.clock(), **connection)
    company.weather.out_of_order.clear()
    company.redrive()
    company.works()
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def an_address_that_is_somebody_elses_when_venafi_answers() -> Company:
    """Venafi is out of order when she leaves, and answers when somebody new has the address there."""
    return leaves_while_it_is_out("venafi")


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, PurgeUserTokens#zoom/acme not_searchable, "
    "DeactivateUser#zoom/acme not_searchable",
    {"session of ada", "login of ada", "user token of ada"},
)
def an_address_that_is_somebody_elses_when_zoom_answers() -> Company:
    """Zoom is out of order when she leaves, and answers when somebody new has the address there."""
    return leaves_while_it_is_out("zoom")


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, PurgeUserTokens#zoom/acme not_searchable, "
    "DeactivateUser#zoom/acme not_searchable",
    {"login of ada", "user token of ada"},
)
def an_address_that_is_somebody_elses_once_zoom_ended_her_session_by_it() -> Company:
    """The same, and Zoom had ended her session by the address, and could not say whose that was."""
    return leaves_while_it_is_out("zoom: who is it")


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, PurgeUserTokens#zoom/acme not_searchable",
    {"session of ada", "user token of ada"},
)
def an_address_that_is_somebody_elses_when_zoom_is_connected() -> Company:
    """Leaver is connected to Zoom long after she left, when somebody new has the address there."""
    company = Company()
    zoom = company.table.records.pop("zoom")
    company.hears_and_works()
    address_goes_to_somebody_new(company)
    company.table.put(zoom)
    company.waits(62)
    return company


@attempt()
def an_address_that_is_somebody_elses_once_venafi_knew_her_by_it() -> Company:
    """The same, and Venafi had said who she is before it failed."""
    return leaves_while_it_is_out("venafi: revoke grants")


@attempt(
    "open: RevokeGrants#venafi/acme not_searchable; dead-lettered",
    {"session of newcomer", "user token of newcomer", "grants of local:{newcomer}", "grants of local:{ada}"},
)
def an_address_of_somebody_new_whose_name_comes_when_venafi_answers() -> Company:
    """Venafi answers when somebody new has her address, and leaves, of whom HR says the name; Zoom is out then."""
    company = Company()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    for message in list(company.queued):
        company.deliver(message)
    company.waits(2, days=1)
    address_goes_to_somebody_new(company, "newcomer")
    company.venafi.people["lovelace"] = ["local:{newcomer}"]
    company.weather.out_of_order = {"zoom: who is it": ProviderUnavailable("out of order")}
    company.deliver(company.hears(source="okta", subject={"identities": {"venafi": {"name": "lovelace"}}}))
    company.weather.out_of_order.clear()
    company.redrive()
    company.works()
    company.waits(62)
    return company


@attempt()
def a_connection_of_somebody_new_while_the_case_is_open() -> Company:
    """While her case is open somebody new, who has her address, gives Leaver a connection; it knows whose that is."""
    return leaves_while_it_is_out("venafi: revoke grants", "bens-new-zoom", owner_id="ben-new")


@attempt()
def a_connection_of_hers_when_somebody_new_has_the_address() -> Company:
    """The same, and it is she who gave it."""
    return leaves_while_it_is_out("venafi: revoke grants", "adas-new-zoom", owner_id=ADA_ID)


@attempt("open: RevokeAccessToken#bens-new-zoom it was given days after the case began")
def a_connection_of_nobody_knows_whom_while_the_case_is_open() -> Company:
    """The same, and nobody knows whose the connection is."""
    return leaves_while_it_is_out("venafi: revoke grants", "bens-new-zoom")


@attempt("open: RevokeAccessToken#from-ada-to-ben failed", {f"old grant of {ADA}"})
def a_connection_of_hers_that_somebody_new_has_replaced_under_her_address() -> Company:
    """Before her connection's command comes somebody new, who has her address, connects under its name."""
    company = Company()
    company.connects("from-ada-to-ben", ADA, owner_id=ADA_ID)
    company.deliver(company.hears())
    company.clock.passes(minutes=1)
    company.hands_over("from-ada-to-ben", ADA, owner_id="ben-new")
    company.works()
    company.waits(3)
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def a_name_that_is_somebody_elses_when_venafi_is_connected() -> Company:
    """HR says how she is called at Venafi; Leaver is connected to it when somebody new is called so."""
    company = Company()
    venafi = company.table.records.pop("venafi")
    company.venafi.people["lovelace"] = [ADA_UNIVERSAL]
    company.hears_and_works(subject={"identities": {"venafi": {"name": "lovelace"}}})
    address_goes_to_somebody_new(company)
    company.venafi.people["lovelace"] = ["local:{ben-new}"]
    company.table.put(venafi)
    company.waits(62)
    return company


@attempt()
def a_late_word_about_a_recycled_address() -> Company:
    """A late word about somebody who left long ago, when somebody new has the address."""
    company = Company()
    company.hears_and_works(source="okta")
    address_goes_to_somebody_new(company)
    company.hears_and_works(source="hibob", occurred_at=NOW.isoformat())
    return company


@attempt()
def a_late_word_of_a_theft_at_a_recycled_address() -> Company:
    """The same, and the late word is of a theft."""
    company = Company()
    company.hears_and_works(source="okta")
    address_goes_to_somebody_new(company)
    company.hears_and_works("contain", source="siem", occurred_at=NOW.isoformat())
    return company


def while_a_theft_is_contained(name: str) -> Company:
    """All but Venafi's grants has ended, and somebody new has the address; `name` is in their id at Zoom."""
    company = Company()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears("contain"))
    for message in list(company.queued):
        company.deliver(message)
    company.clock.passes(minutes=5)
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", name: ADA}
    company.zoom.sessions.add(name)
    return company


@attempt(f"completed, the seal holds; contain held: {SOMEBODY_NEW}; contain completed")
def a_theft_of_somebody_new_while_another_theft_is_in_doubt() -> Company:
    """A theft from before a departure's end waits, as somebody new has the address; then that one is robbed."""
    company = Company()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    for message in list(company.queued):
        company.deliver(message)
    company.clock.passes(minutes=5)
    robbed_at = company.clock().isoformat()
    venafi_is_mended(company)
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", "newcomer": ADA}
    company.zoom.sessions.add("newcomer")
    company.hears_and_works("contain", source="siem", occurred_at=robbed_at)
    company.clock.passes(minutes=5)
    company.hears_and_works("contain", source="siem")
    return company


def venafi_is_mended(company: Company) -> Company:
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt("contain completed, the seal holds (2 cases)")
def a_theft_of_somebody_new_while_one_is_contained() -> Company:
    """While a theft is contained, somebody new gets the address, and a newer theft is told of it."""
    company = while_a_theft_is_contained("newcomer")
    company.deliver(company.hears("contain", source="siem"))
    return venafi_is_mended(company)


@attempt("contain completed, the seal holds")
def a_late_word_of_a_theft_while_one_is_contained() -> Company:
    """While a theft is contained, somebody new gets the address, and a second word of that theft comes."""
    company = while_a_theft_is_contained("ben-new")
    company.deliver(company.hears("contain", source="siem", occurred_at=NOW.isoformat()))
    return venafi_is_mended(company)


@attempt(
    "completed, the seal holds; open: RevokeAccessToken#bens-new-zoom an earlier case knew this name",
)
def a_connection_at_a_recycled_address_when_she_departs_again() -> Company:
    """Somebody new has the address and gives Leaver a connection; she departs again, under an address of her own."""
    company = Company()
    company.hears_and_works(source="okta")
    company.clock.passes(days=10)
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", "ben-new": ADA}
    company.zoom.sessions |= {ADA_ID, "ben-new"}
    company.venafi.people["ada.of.old@example.com"] = [ADA_UNIVERSAL]
    company.connects("bens-new-zoom", ADA)
    company.hears_and_works(email="ada.of.old@example.com", source="okta")
    company.waits(3)
    return company


@attempt("held; refused: somebody else has this address by now", EVERYTHING)
def a_held_case_that_is_released_when_somebody_new_has_the_address() -> Company:
    """The guard holds a case; somebody new gets the address, with everything; then a person releases the case."""
    company = Company(routine_limit=0)
    company.hears_and_works()
    address_goes_to_somebody_new(company)
    company.connects("bens-new-zoom", ADA)
    company.decides("release")
    company.waits(3)
    return company


def a_planned_leaver_whose_address_is_recycled(days: int = 20, **told: Any) -> Company:
    """The day comes, ten days after somebody new got the address and connected to Zoom."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=days)).isoformat(), **told)
    address_goes_to_somebody_new(company)
    company.logs_in("ada.of.old@example.com", kept=False)
    company.connects("bens-new-zoom", ADA)
    company.clock.passes(days=days - 10)
    return company


@attempt(
    "open: RevokeGrants#venafi/acme somebody else has this address by now: end the leaver's access under the leaver's "
    "own address by a command of its own; then close the step, RevokeAccessToken#bens-new-zoom somebody else has",
    {"grants of local:{ada}"},
)
def an_address_that_is_recycled_before_the_day() -> Company:
    """Between plan and day somebody new gets the leaver's address, with everything; the leaver has another one."""
    company = a_planned_leaver_whose_address_is_recycled()
    company.waits(3)
    return company


@attempt(
    "completed, the seal holds, RevokeGrants#venafi/acme closed by a person, RevokeAccessToken#bens-new-zoom closed by"
)
def an_address_that_is_recycled_before_the_day_and_a_person_who_looks() -> Company:
    """The same, a person ends the leaver's grants under the address that Zoom then says, and closes what is Ben's."""
    company = a_planned_leaver_whose_address_is_recycled()
    company.waits(3)
    company.queue("RevokeGrants", {"identity": "ada.of.old@example.com", "connection": "venafi"})
    company.works()
    for step in ("RevokeGrants#venafi/acme", "RevokeAccessToken#bens-new-zoom"):
        company.decides("close", step=step, because="that is Ben's")
    company.waits(3)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def an_address_that_is_recycled_before_the_day_while_zoom_is_out() -> Company:
    """The same, and Zoom is out for a quarter of an hour on the day."""
    company = a_planned_leaver_whose_address_is_recycled()
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.waits(10)
    company.weather.out_of_order.clear()
    company.waits(3)
    return company


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, RevokeGrants#venafi/acme somebody else has this address by now",
    {"grants of local:{ada}"},
)
def an_address_that_is_somebody_elses_on_the_day() -> Company:
    """Between plan and day the person's account at Zoom is deleted, and somebody new gets the address."""
    company = Company()
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=1)).isoformat())
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    company.zoom.users["ben-new"] = ADA
    company.zoom.sessions.add("ben-new")
    company.waits(days=1)
    return company


@attempt("open: RevokeGrants#venafi/acme somebody else has this address by now", {"grants of local:{ada}"})
def an_id_that_came_after_the_plan() -> Company:
    """Zoom is out when the leaver is planned and says the id to a second event; then somebody new gets the address."""
    company = Company()
    day = (company.clock() + timedelta(days=5)).isoformat()
    company.weather.out_of_order["zoom"] = ProviderUnavailable("out of order")
    company.hears_and_works("scheduled", effective_at=day)
    company.weather.out_of_order.clear()
    company.clock.passes(minutes=1)
    company.hears_and_works("scheduled", effective_at=day, source="okta")
    company.zoom.users |= {ADA_ID: "ada.left@example.com", "ben-new": ADA}
    company.zoom.sessions.add("ben-new")
    company.waits(3, days=5)
    return company


def handed_to_ben(ended: Outcome | None = None) -> Company:
    """Between plan and day Ben connects under the name of the leaver's personal connection."""
    company = Company()
    company.connects("from-ada-to-ben", ADA)
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=5)).isoformat())
    company.clock.passes(days=1)
    company.hands_over("from-ada-to-ben", "ben@example.com", ended=ended)
    company.waits(3, days=5)
    return company


@attempt()
def a_connection_that_is_somebody_elses_on_the_day() -> Company:
    """Between plan and day the leaver's personal connection is handed over, and the old grant ended."""
    return handed_to_ben(Outcome.REVOKED)


@attempt("open: RevokeAccessToken#from-ada-to-ben failed", {f"old grant of {ADA}"})
def a_connection_that_is_handed_over_while_the_old_grant_lives() -> Company:
    """The same, and nobody confirms that the old grant ended."""
    return handed_to_ben()


@attempt(
    "contain completed, the seal holds",
    {*EVERYTHING} - {"session of ada", "grants of local:{ada}", "user token of ada"},
)
def a_connection_made_anew_after_a_theft() -> Company:
    """Somebody who stays connects under the same name after the case began and before its command comes."""
    company = Company()
    company.deliver(company.hears("contain"))
    company.clock.passes(minutes=1)
    company.hands_over("adas-zoom", ADA, ended=Outcome.REVOKED)
    company.works()
    company.waits(3)
    return company


@attempt("completed, the seal holds; held: somebody new")
def a_departure_at_a_recycled_address() -> Company:
    """A source says that whoever has the address left: it does not say which of the two."""
    company = Company()
    company.hears_and_works(source="okta")
    address_goes_to_somebody_new(company)
    company.hears_and_works(source="okta")
    return company


WITH_HER_ID: dict[str, Any] = {"identities": {"zoom": {"id": ADA_ID}}}
OF_THE_NEWCOMER = {"session of newcomer", "grants of local:{newcomer}", "user token of newcomer"}


def newcomer_departs_while_zoom_is_out(company: Company) -> Company:
    """Zoom answers again after a quarter of an hour; the event's message comes back meanwhile."""
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    message = company.hears()
    for _ in range(4):
        if message in company.queued:
            company.deliver(message)
        company.clock.passes(minutes=5)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


def at_a_recycled_address_while_zoom_is_out() -> Company:
    company = Company()
    company.hears_and_works(source="okta")
    address_goes_to_somebody_new(company, "newcomer")
    return newcomer_departs_while_zoom_is_out(company)


@attempt(f"completed, the seal holds; held: {NOBODY_SAYS}", OF_THE_NEWCOMER)
def a_departure_at_a_recycled_address_while_zoom_is_out() -> Company:
    """Somebody new has the address, and departs while Zoom cannot say who has the address."""
    return at_a_recycled_address_while_zoom_is_out()


@attempt(f"completed, the seal holds; completed: {NOBODY_SAYS}, the seal holds")
def a_departure_at_a_recycled_address_while_zoom_is_out_that_a_person_releases() -> Company:
    """The same, and a person looks, and releases the case."""
    company = at_a_recycled_address_while_zoom_is_out()
    company.decides("release")
    company.waits(3)
    return company


@attempt(f"completed, the seal holds; held: {SOMEBODY_NEW}", OF_THE_NEWCOMER)
def a_departure_at_a_recycled_address_while_zoom_is_out_for_a_moment() -> Company:
    """The same, and Zoom can say so when the event's message comes back."""
    company = Company()
    company.hears_and_works(source="okta")
    address_goes_to_somebody_new(company, "newcomer")
    company.weather.to_come.append(("zoom: who is it", ProviderUnavailable("out of order")))
    company.hears_and_works()
    return company


@attempt(
    f"completed, the seal holds; held: {SOMEBODY_NEW}; dead-lettered: {NOBODY_SAYS}",
    {"session of newcomer"},
)
def a_departure_at_a_recycled_address_while_the_case_is_open_and_zoom_is_out() -> Company:
    """Somebody new gets the address at Zoom while the case waits for Venafi; a person sends the message back."""
    company = Company()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.hears(source="okta")
    for _ in ("the event", "the commands", "the seal"):
        for message in list(company.queued):
            company.deliver(message)
    company.clock.passes(minutes=5)
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", "newcomer": ADA}
    company.zoom.sessions.add("newcomer")
    newcomer_departs_while_zoom_is_out(company)
    company.redrive()
    company.works()
    return company


@attempt("cancelled; completed, the seal holds")
def a_name_of_a_cancelled_case_of_whoever_had_the_address() -> Company:
    """HR names Ben at Venafi, who has the address, and cancels; somebody new gets the address, and leaves."""
    company = Company()
    company.venafi.people["ben-of-old"] = ["local:{ben-of-old}"]
    company.venafi.grants["local:{ben-of-old}"] = 1
    named = {"identities": {"venafi": {"name": "local:ben-of-old"}}}
    company.zoom.users |= {ADA_ID: "waits@example.com", "ben-of-old": ADA}
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=1)).isoformat(), subject=named)
    company.clock.passes(minutes=1)
    company.hears_and_works("cancelled")
    company.zoom.users |= {ADA_ID: ADA, "ben-of-old": "ben.of.old@example.com"}
    company.clock.passes(days=7)
    company.hears_and_works()
    return company


def another_address_of_hers_goes_to_ben(company: Company) -> None:
    """In Europe her other address is Ben's by now; no account gave an id for it when she left."""
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ada-eu", "europe")
    company.zoom.aliases["ada.king@example.com"] = ADA_ID
    company.hears_and_works()
    company.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    company.hears_and_works(email="ada.king@example.com", source="okta")
    company.waits()
    company.joins("ada.king@example.com", "king-eu", "europe")
    company.table.alter("zoom-eu", status=Status.ACTIVE)
    company.waits(3)
    company.zoom.users["king-eu"] = "ada.of.old@example.com"
    company.joins("ada.king@example.com", "ben-king", "europe")
    company.clock.passes(hours=5)


@attempt("completed, the seal holds (2 cases); open: RevokeGrants#venafi/acme#2 an earlier case knew this name")
def another_address_that_is_somebody_elses_when_the_person_departs_again() -> Company:
    """After the seal somebody new gets the person's other address, of which no account gave an id; then a repeat."""
    company = Company()
    another_address_of_hers_goes_to_ben(company)
    company.logs_in(ADA)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme an earlier case knew this name")
def a_recycled_address_of_somebody_whom_venafi_never_knew() -> Company:
    """Venafi never knew John; Ada has his address and an identity there, and John departs again while Zoom is out."""
    return departs_again_whom_venafi_never_knew(WITH_HER_ID)


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme an earlier case knew this name")
def an_old_address_that_hr_gives_with_its_own_number() -> Company:
    """The same, and what says who is meant is HR's own number, beside the address that John had."""
    return departs_again_whom_venafi_never_knew({"source_id": "employee-1"})


def departs_again_whom_venafi_never_knew(subject: dict[str, Any]) -> Company:
    company = unknown_to_venafi(missing_is_done=True)
    company.hears_and_works(subject=subject)
    company.clock.passes(days=10)
    company.zoom.users[ADA_ID] = "ada.of.old@example.com"
    company.hire(ADA, "ben-new", "local:{ben-new}", kept=False)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.deliver(company.hears(subject=subject))
    company.weather.out_of_order.clear()
    company.works()
    company.waits(3)
    return company


@attempt("completed, the seal holds; dead-lettered: it can not be told who is meant")
def an_address_that_is_somebody_elses_once_the_case_has_begun() -> Company:
    """The case ends a session by the address; somebody new gets the address; then a source says the same again."""
    company = begun_by_the_address(Company())
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", "ben-new": ADA}
    company.zoom.sessions.add("ben-new")
    return is_heard_again(company)


@attempt("no case; dead-lettered: zoom: the account was ended, and its address is another id's by now", EVERYTHING)
def an_old_account_of_an_address_is_deleted_at_zoom() -> Company:
    """Zoom deletes an account whose address somebody else has by now, and the deployment takes that for a departure."""
    company = Company(zoom_departures="departure")
    company.zoom_tells("user.deleted", user_id="bens-old-id", email="ben@example.com")
    company.works()
    return company


@attempt("completed, the seal holds; nothing_follows: somebody with another id has the address")
def somebody_new_signs_in_with_the_address() -> Company:
    """John left; somebody new has his address at Zoom and Venafi, and signs in."""
    company = Company()
    company.hears_and_works()
    company.clock.passes(days=10)
    company.zoom.users[ADA_ID] = "ada.of.old@example.com"
    company.hire(ADA, "ben-new", "local:{ben-new}")
    company.zoom_tells("user.signed_in", user_id="ben-new")
    company.works()
    company.waits(12)
    return company
