"""A case is completed, and access lives: what is called otherwise, appears later, or lies where nobody looks."""

from datetime import timedelta

from pydantic import SecretStr

from leaver.connections.lease import take_lease
from leaver.connections.record import Status
from leaver.errors import ProviderUnavailable
from leaver.outcomes import Outcome
from leaver.storage.user_token_secrets import UserTokenPlace
from tests.cases.attempts.seen import Attempts, Company
from tests.doubles.clock import NOW
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Message
from tests.doubles.steps import Killed, Moment

attempt = Attempts("Completed, and access lives")
OF_ZOOM = {"session of ada", "user token of ada"}
IN_DIRECTORY = "AD+corp:{ada}"
ADMINISTRATOR = "local:{ada-admin}"
UNSEEN = "AD+corp:{ada-admin}"
KING = "ada.king@example.com"


def named_at_venafi(company: Company, **identity: str) -> Company:
    """HR says what Ada is called at Venafi, and she leaves."""
    company.hears_and_works(subject={"identities": {"venafi": identity}})
    return company


def tomorrow(company: Company) -> None:
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=1)).isoformat())


def as_administrator(address: str = "ada-admin@example.com") -> Company:
    """The person has two identities at Venafi, and HR names the one that the address alone does not."""
    company = Company()
    company.venafi.people.setdefault(address, []).append(ADMINISTRATOR)
    company.venafi.grants[ADMINISTRATOR] = 1
    return named_at_venafi(company, prefixed_universal=ADMINISTRATOR)


# --- connections


@attempt()
def no_connection_is_called_zoom() -> Company:
    """No connection is called zoom: the company's is my-zoom."""
    company = Company()
    del company.table.records["zoom"]
    company.installs("my-zoom")
    company.hears_and_works()
    return company


@attempt("open: RevokeSsoToken#zoom/acme waits for a connection", OF_ZOOM)
def the_connection_is_revoked() -> Company:
    """The only connection to Zoom is revoked."""
    company = Company()
    company.table.alter("zoom", status=Status.REVOKED)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt()
def the_connection_is_being_exchanged() -> Company:
    """The only connection to Zoom is being exchanged by a person."""
    company = Company()
    take_lease(company.table, company.table.read("zoom"), holder="connect#1", now=company.clock())
    company.hears_and_works()
    return company


@attempt()
def a_second_zoom_account() -> Company:
    """The person is in a second Zoom account."""
    company = Company()
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ada-in-europe", "europe")
    company.hears_and_works()
    return company


@attempt()
def a_dead_twin() -> Company:
    """One connection of the account is dead, and its twin works."""
    company = Company()
    company.table.alter("zoom", status=Status.NEEDS_REAUTHORIZATION)
    company.installs("zoom-twin")
    company.hears_and_works()
    return company


# --- other names at Venafi


def in_directory(name: str = ADA, *, missing_is_done: bool = False) -> Company:
    """People are in a directory, which the robot does not see."""
    company = Company(missing_is_done=missing_is_done)
    del company.venafi.people[ADA]
    company.venafi.people[name] = [IN_DIRECTORY]
    company.venafi.grants[IN_DIRECTORY] = company.venafi.grants.pop(ADA_UNIVERSAL)
    return company


@attempt()
def the_robot_is_local_and_people_are_in_a_directory() -> Company:
    """Venafi's robot is local, and people are in AD+corp."""
    company = in_directory()
    company.hears_and_works()
    return company


@attempt("open: RevokeGrants#venafi/acme user_not_found", {f"grants of {IN_DIRECTORY}"})
def venafi_does_not_know_the_address() -> Company:
    """Venafi does not know the person's e-mail, and Zoom has confirmed who is meant."""
    company = in_directory("aking")
    company.hears_and_works()
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {f"grants of {IN_DIRECTORY}"})
def the_search_is_not_proved() -> Company:
    """The same where missing users are done with, and no known address proves the search."""
    company = in_directory("aking", missing_is_done=True)
    del company.venafi.people["colleague@example.com"]
    company.hears_and_works()
    return company


@attempt()
def a_prefixed_name_in_small_letters() -> Company:
    """HR gives ad+corp:aking, in small letters."""
    return named_at_venafi(in_directory("aking"), name="ad+corp:aking")


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def an_alias() -> Company:
    """The e-mail is an alias of the address that Venafi knows."""
    company = Company(missing_is_done=True)
    company.venafi.people["ada.king@example.com"] = company.venafi.people.pop(ADA)
    company.venafi.aliases[ADA] = ADA_UNIVERSAL
    company.hears_and_works()
    return company


@attempt()
def a_second_event_with_the_name() -> Company:
    """After an event with a name that Venafi does not know, a second one gives the name that it knows."""
    company = in_directory("aking")
    company.hears_and_works()
    return named_at_venafi(company, name="AD+corp:aking")


@attempt(
    "open: RevokeGrants#venafi/acme not_searchable, RevokeGrants#venafi/acme#2 not_searchable",
    {f"grants of {IN_DIRECTORY}"},
)
def a_second_event_with_the_name_where_the_search_is_not_proved() -> Company:
    """The same, and nothing proves that nobody has the address: the name may be somebody else's."""
    company = in_directory("aking")
    del company.venafi.people["colleague@example.com"]
    company.hears_and_works()
    return named_at_venafi(company, name="AD+corp:aking")


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}"})
def an_id_that_names_nobody() -> Company:
    """HR's venafi_prefixed_universal names nobody."""
    return named_at_venafi(Company(), prefixed_universal="local:{nobody}")


@attempt()
def an_id_that_names_nobody_and_grants_ended_by_hand() -> Company:
    """The same, and a person ends the grants under the address by a command."""
    company = named_at_venafi(Company(), prefixed_universal="local:{nobody}")
    company.queue("RevokeGrants", {"identity": ADA, "connection": "venafi"})
    company.works()
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}", "grants of local:{ada-admin}"})
def two_identities_at_venafi() -> Company:
    """HR names the person's administrator account at Venafi, and the address names another with grants."""
    return as_administrator()


@attempt()
def two_identities_at_venafi_ended_by_hand() -> Company:
    """The same, and a person ends the grants of both by commands."""
    company = as_administrator()
    for identity in (ADA, ADMINISTRATOR):
        company.queue("RevokeGrants", {"identity": identity, "connection": "venafi"})
    company.works()
    company.waits(62)
    return company


@attempt("open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada}", "grants of local:{ada-admin}"})
def two_identities_of_one_address() -> Company:
    """The same, and Venafi knows both by the one address."""
    return as_administrator(ADA)


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme not_searchable", {"grants of local:{ada-new}"})
def an_identity_made_anew_at_venafi_before_a_repeat() -> Company:
    """After the seal the person has another identity at Venafi by the address, signs in with it, and departs again."""
    company = Company()
    company.hears_and_works()
    company.clock.passes(hours=5)
    company.venafi.people |= {"ada.of.old@example.com": [ADA_UNIVERSAL], ADA: ["local:{ada-new}"]}
    company.venafi.grants |= {ADA_UNIVERSAL: 1, "local:{ada-new}": 1}
    company.hears_and_works()
    return company


def unseen_administrator(company: Company, named: str) -> Company:
    """The person's second identity at Venafi is in a directory that no robot searches; a second event names it."""
    company.venafi.people["ada-admin"] = [UNSEEN]
    company.venafi.people[ADA].append(UNSEEN)
    company.venafi.grants[UNSEEN] = 1
    company.hears_and_works()
    company.clock.passes(minutes=5)
    company.hears_and_works(source="okta", subject={"identities": {"venafi": {"name": named}}})
    company.waits(62)
    return company


@attempt("completed, the seal holds (2 cases)")
def a_second_event_with_a_second_identity() -> Company:
    """After the seal another source names the person's second identity at Venafi, which has the person's address."""
    return unseen_administrator(Company(), "AD+corp:ada-admin")


@attempt("completed, the seal holds; open: RevokeGrants#venafi/acme#2 user_not_found", {f"grants of {UNSEEN}"})
def a_second_event_with_a_mistyped_name() -> Company:
    """The same, and the name is mistyped: nobody has it."""
    company = Company()
    # Its provider is one of those whose search is proved.
    return unseen_administrator(company, "local:ada-admn")


@attempt()
def a_second_event_with_the_same_identity_under_another_name() -> Company:
    """HR's name at Venafi has no address there; a second event gives the id of that very identity."""
    company = in_directory("aking")
    company.deliver(company.hears(subject={"identities": {"venafi": {"name": "AD+corp:aking"}}}))
    company.deliver(
        company.hears(source="okta", subject={"identities": {"venafi": {"prefixed_universal": IN_DIRECTORY}}})
    )
    company.works()
    return company


@attempt()
def an_id_in_capitals() -> Company:
    """HR's venafi_prefixed_universal is in capitals."""
    return named_at_venafi(Company(), prefixed_universal="LOCAL:{ADA}")


@attempt()
def an_id_without_braces() -> Company:
    """HR's venafi_prefixed_universal lacks its braces."""
    return named_at_venafi(Company(), prefixed_universal="local:ada")


@attempt()
def an_address_for_an_id() -> Company:
    """HR's venafi_prefixed_universal is an e-mail address."""
    return named_at_venafi(Company(), prefixed_universal=ADA)


@attempt("open: RevokeGrants#venafi/acme failed; dead-lettered: this identity is no person", {"grants of local:{ada}"})
def a_group_for_a_person() -> Company:
    """HR's venafi_prefixed_universal is a group."""
    company = Company()
    company.venafi.people["staff"] = ["local:{staff}"]
    company.venafi.groups.add("local:{staff}")
    return named_at_venafi(company, prefixed_universal="local:{staff}")


# --- what comes later


@attempt()
def a_personal_connection_made_meanwhile() -> Company:
    """A personal connection is made between a planned leaver's event and the day."""
    company = Company()
    tomorrow(company)
    company.connects("adas-second-zoom", ADA)
    company.waits(days=1)
    return company


@attempt("open: ReplaceServiceConnection#all-of-zoom", {"all-of-zoom"})
def a_service_connection_taken_over_meanwhile() -> Company:
    """A service connection is taken over between a planned leaver's event and the day."""
    company = Company()
    tomorrow(company)
    company.connects("all-of-zoom", ADA, role="service")
    company.waits(days=1)
    return company


@attempt()
def an_owner_in_capitals() -> Company:
    """The owner of a personal connection stands in capitals, in a record made by hand."""
    company = Company()
    company.connects("adas-second-zoom", ADA.upper())
    company.hears_and_works()
    return company


@attempt()
def departs_again() -> Company:
    """Okta suspends in the morning, unsuspends unheard, the person signs in, and Okta deactivates."""
    company = Company()
    company.hears_and_works(source="okta")
    company.clock.passes(hours=5)
    company.logs_in(ADA)
    company.connects("adas-second-zoom", ADA)
    company.hears_and_works(source="okta")
    return company


@attempt()
def departs_again_by_our_own_event() -> Company:
    """The same by our own OffboardingRequested, urgent."""
    company = Company()
    company.hears_and_works()
    company.clock.passes(hours=5)
    company.logs_in(ADA)
    company.hears_and_works(urgency="urgent")
    return company


def open_for_venafi(company: Company) -> Company:
    """All else has ended, and Venafi is out of order."""
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    turns(company)
    return company


def turns(company: Company) -> None:
    for _ in range(4):
        for message in list(company.queued):
            company.deliver(message)
        company.clock.passes(minutes=3)
        company.minute()


@attempt()
def a_connection_made_anew_after_its_receipt() -> Company:
    """While the case is open the leaver connects again, under the name whose step has its receipt."""
    company = open_for_venafi(Company())
    company.connects("adas-zoom", ADA)
    company.table.alter("adas-zoom", granted_at=company.clock())
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt("open: ReplaceServiceConnection#all-of-zoom#2", {"all-of-zoom"})
def a_service_connection_that_is_handed_back() -> Company:
    """While the case is open IT takes a service connection over, and the leaver takes it back."""
    company = Company()
    company.connects("all-of-zoom", ADA, role="service")
    open_for_venafi(company)
    company.hands_over("all-of-zoom", "it@example.com", ended=Outcome.REVOKED)
    turns(company)
    company.hands_over("all-of-zoom", ADA, ended=Outcome.REVOKED)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt("open: ReplaceServiceConnection#all-of-zoom waits for a person", {"all-of-zoom", f"old grant of {ADA}"})
def a_service_connection_replaced_before_without_a_word() -> Company:
    """IT took a service connection over before the departure, and nobody confirmed that the old grant ended."""
    company = Company()
    company.connects("all-of-zoom", ADA, role="service")
    company.clock.passes(days=1)
    company.hands_over("all-of-zoom", "it@example.com")
    company.clock.passes(days=1)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("open: RevokeAccessToken#adas-zoom failed", {"adas-zoom", f"old grant of {ADA}"})
def a_personal_connection_handed_over_before_without_a_word() -> Company:
    """The same of a personal connection."""
    company = Company()
    company.hands_over("adas-zoom", "it@example.com")
    company.clock.passes(days=1)
    company.hears_and_works()
    company.waits(3)
    return company


@attempt("open: RevokeAccessToken#adas-zoom failed", {"adas-zoom"})
def a_connection_removed_without_the_provider() -> Company:
    """Somebody ran `leaver disconnect --without-provider` before the departure, and nobody ended the grant at Zoom."""
    company = Company()
    company.table.put(company.table.read("adas-zoom").as_removed("end its grant at Zoom"))
    company.hears_and_works()
    company.waits(3)
    return company


# --- names of cases that are over


def named_and_taken_back(company: Company, kind: str = "cancelled") -> Company:
    """HR plans her departure with her name at Venafi, which does not know the address, and takes that back."""
    named = {"identities": {"venafi": {"name": "AD+corp:aking"}}}
    day = (company.clock() + timedelta(days=1)).isoformat()
    company.hears_and_works("scheduled", effective_at=day, subject=named)
    company.clock.passes(minutes=1)
    company.hears_and_works(kind)
    company.clock.passes(days=7)
    return company


@attempt("cancelled; completed, the seal holds")
def a_name_of_a_case_that_was_cancelled() -> Company:
    """HR gives the person's name at Venafi and cancels; a week later it gives the address alone."""
    company = named_and_taken_back(in_directory("aking"))
    company.hears_and_works()
    return company


@attempt("cancelled (2 cases); completed, the seal holds")
def a_name_of_the_case_before_the_last() -> Company:
    """The same, and the address alone was planned and cancelled once more in between."""
    company = named_and_taken_back(in_directory("aking"))
    company.hears_and_works("scheduled", effective_at=(company.clock() + timedelta(days=1)).isoformat())
    company.hears_and_works("cancelled")
    company.clock.passes(days=7)
    company.hears_and_works()
    return company


@attempt("completed, the seal holds (2 cases)")
def a_name_of_a_case_after_which_the_person_came_back() -> Company:
    """The person left under a name at Venafi, came back, has grants again, and leaves by the address alone."""
    company = named_at_venafi(in_directory("aking"), name="AD+corp:aking")
    company.clock.passes(days=1)
    company.hears_and_works("reinstated")
    company.clock.passes(days=1)
    company.venafi.grants[IN_DIRECTORY] = 2
    company.hears_and_works()
    return company


@attempt("contain completed, the seal holds; completed, the seal holds")
def a_name_of_a_theft() -> Company:
    """HR gives the person's name at Venafi after a theft; they have grants again, and leave by the address alone."""
    company = in_directory("aking")
    company.hears_and_works("contain", subject={"identities": {"venafi": {"name": "AD+corp:aking"}}})
    company.clock.passes(days=1)
    company.venafi.grants[IN_DIRECTORY] = 2
    company.hears_and_works()
    return company


def administrator_in_directory(company: Company) -> dict[str, object]:
    """The person's second identity at Venafi, in a directory that no robot searches; returns how HR names it."""
    company.venafi.people["ada-admin"] = [UNSEEN]
    company.venafi.people[ADA].append(UNSEEN)
    company.venafi.grants[UNSEEN] = 1
    return {"identities": {"venafi": {"name": "AD+corp:ada-admin"}}}


@attempt("scheduled; contain completed, the seal holds")
def a_name_of_a_planned_case_after_a_theft() -> Company:
    """HR plans the departure with the person's second name at Venafi; then a theft is told by the address alone."""
    company = Company()
    day = (company.clock() + timedelta(days=9)).isoformat()
    company.hears_and_works("scheduled", effective_at=day, subject=administrator_in_directory(company))
    company.clock.passes(minutes=1)
    company.hears_and_works("contain", source="siem")
    company.waits(3)
    return company


def a_theft_after_a_theft(company: Company) -> Message:
    """Of the first HR gave the person's second name at Venafi, which is out; the second is told by the address."""
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.hears("contain", subject=administrator_in_directory(company))
    turns(company)
    return company.hears("contain", source="siem")


@attempt("contain cancelled; contain completed, the seal holds")
def a_name_of_a_theft_that_a_newer_one_took_the_place_of_by_a_run_that_was_killed() -> Company:
    """The run that has the newer theft is killed just before it records the newer case."""
    company = Company()
    newer = a_theft_after_a_theft(company)

    def kill(name: str, moment: Moment) -> None:
        if (name, moment) == ("add case", "before"):
            raise Killed

    company.effects.watch = kill
    try:
        company.deliver(newer)
    except Killed:
        company.effects.dead.clear()
    company.effects.watch = lambda _name, _moment: None
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt("completed, the seal holds (4 cases)")
def a_name_of_a_case_whose_person_another_case_found_too() -> Company:
    """After two cases Zoom is out, and a third under another address finds her all the same; then she departs again."""
    company = Company()
    company.zoom.aliases[KING] = ADA_ID
    company.venafi.people[KING] = ["local:{ada-king}"]
    company.hears_and_works(source="hibob")
    company.clock.passes(minutes=1)
    second = administrator_in_directory(company)
    company.hears_and_works(source="hibob", occurred_at=NOW.isoformat(), subject=second)
    company.clock.passes(hours=5)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.deliver(company.hears(email=KING, source="okta"))
    company.weather.out_of_order.clear()
    company.works()
    company.clock.passes(hours=5)
    company.logs_in(ADA)
    company.venafi.grants |= {UNSEEN: 3, "local:{ada-king}": 1}
    company.hears_and_works(source="hibob")
    company.waits(3)
    return company


@attempt(
    "cancelled; completed, the seal holds, RevokeAccessToken#adas-other closed by a person, "
    "RevokeGrants#venafi/acme#2 closed by a person",
    {"adas-other"},
)
def a_connection_under_an_address_of_a_case_that_was_cancelled() -> Company:
    """HR plans the departure under two addresses and cancels; she leaves by one, and a person closes what is open."""
    company = Company()
    company.zoom.aliases[KING] = ADA_ID
    company.venafi.people[KING] = [ADA_UNIVERSAL]
    company.connects("adas-other", KING)
    tomorrow(company)
    company.hears_and_works("scheduled", KING, effective_at=(company.clock() + timedelta(days=1)).isoformat())
    company.clock.passes(minutes=1)
    company.hears_and_works("cancelled")
    company.clock.passes(days=7)
    company.hears_and_works()
    for step in company.cases.every[-1].outstanding:
        company.decides("close", step=step, because="a person has looked")
    company.waits(3)
    return company


NOBODY_CAN_TELL = "an earlier case knew this name, and nothing tells whose it is by now"


@attempt(
    f"cancelled; open: RevokeGrants#venafi/acme user_not_found, RevokeGrants#venafi/acme#2 {NOBODY_CAN_TELL}",
    {f"grants of {IN_DIRECTORY}"},
)
def a_name_of_a_case_that_was_cancelled_where_zoom_is_out() -> Company:
    """The same as the first of these, and Zoom is out of order whenever HR speaks."""
    company = in_directory("aking")
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    named_and_taken_back(company)
    company.deliver(company.hears())
    company.weather.out_of_order.clear()
    company.works()
    return company


# --- other names at Zoom


def as_king(company: Company, zoom_id: str = ADA_ID) -> None:
    """Zoom knows her by another address, to which HR's is an alias; under that she gave Leaver a connection."""
    company.zoom.users[zoom_id] = KING
    company.zoom.aliases[ADA] = zoom_id
    company.connects("adas-other", KING)


@attempt()
def zoom_is_out_of_order_when_the_event_comes() -> Company:
    """Zoom is out of order when the event comes, so that nobody hears by which address it knows the person."""
    company = Company()
    as_king(company)
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    company.weather.out_of_order.clear()
    company.works()
    return company


@attempt()
def another_address_at_an_account_bought_meanwhile() -> Company:
    """Between plan and day a second account is bought, which knows the person by another address."""
    company = Company()
    tomorrow(company)
    company.installs("zoom-eu", "europe")
    company.zoom.accounts["ada-eu"] = "europe"
    company.zoom.sessions.add("ada-eu")
    as_king(company, "ada-eu")
    company.waits(days=1)
    return company


def two_runs_beside_each_other(slower_stops: int) -> Company:
    """The slower run of seal_case stops; another adds a new account's step, which ends meanwhile and tells a name."""
    company = Company()
    company.deliver(company.hears())
    for message in list(company.queued):
        company.deliver(message)
    company.installs("zoom-eu", "europe")
    company.zoom.accounts["ada-eu"] = "europe"
    company.zoom.sessions.add("ada-eu")
    as_king(company, "ada-eu")
    slower, faster = [each for each in company.queued if each.command == "SealCase"][:2]

    def faster_runs() -> None:
        company.deliver(faster)
        for message in [each for each in company.queued if each.command != "SealCase"]:
            company.deliver(message)

    company.effects.interrupt(slower_stops, "before", faster_runs)
    company.deliver(slower)
    company.effects.watch = lambda *_: None
    company.works()
    company.waits(3)
    return company


@attempt()
def another_address_that_is_told_while_another_run_seals() -> Company:
    """Two runs of seal_case go beside each other; what the slower has not looked for, the last receipt told."""
    every = [two_runs_beside_each_other(stops) for stops in range(13)]
    return next((each for each in every if each.seen.lives), every[-1])


@attempt()
def another_address_from_before_the_day() -> Company:
    """Between plan and day Zoom gives the person another address."""
    company = Company()
    tomorrow(company)
    as_king(company)
    company.waits(days=1)
    return company


@attempt(
    "open: RevokeSsoToken#zoom/acme not_searchable, RevokeGrants#venafi/acme somebody else has this address by now",
    {"session of ada-new", "grants of local:{ada}"},
)
def an_account_made_anew_before_the_day() -> Company:
    """Between plan and day the person's account at Zoom is deleted, and made anew."""
    company = Company()
    tomorrow(company)
    del company.zoom.users[ADA_ID]
    company.zoom.sessions = {"ada-new", "ben"}
    company.zoom.users["ada-new"] = ADA
    company.waits(days=1)
    return company


@attempt()
def an_account_that_is_deleted_before_the_day() -> Company:
    """The same, and nobody has the address then."""
    company = Company()
    tomorrow(company)
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    company.waits(days=1)
    return company


def begun_by_the_address(company: Company) -> Company:
    """Zoom is out of order when the event comes, and the session of whoever has the address ends; Venafi is out too."""
    company.weather.out_of_order["zoom: who is it"] = ProviderUnavailable("out of order")
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    del company.weather.out_of_order["zoom: who is it"]
    turns(company)
    return company


def is_heard_again(company: Company, **ids: str) -> Company:
    """Another source says the same, perhaps with Zoom's id, and Venafi is mended."""
    company.deliver(company.hears(source="okta", subject={"identities": {"zoom": ids} if ids else {}}))
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt()
def an_id_that_comes_once_the_case_has_begun() -> Company:
    """The case ends a session by the address; the account is made anew; then HR gives Zoom's new id."""
    company = begun_by_the_address(Company())
    del company.zoom.users[ADA_ID]
    company.zoom.users["ada-new"] = ADA
    company.zoom.sessions.add("ada-new")
    return is_heard_again(company, id="ada-new")


@attempt()
def an_account_that_is_restored_once_nobody_had_the_address() -> Company:
    """The same, where missing users are done with, and Zoom itself says the id to an event from before."""
    company = Company(missing_is_done=True)
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    begun_by_the_address(company)
    company.zoom.users[ADA_ID] = ADA
    company.zoom.sessions.add(ADA_ID)
    company.deliver(company.hears(source="okta", occurred_at=NOW.isoformat()))
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt()
def an_id_that_comes_once_nobody_had_the_address() -> Company:
    """Nobody has the address when the case asks; the account is restored; then HR gives Zoom's id."""
    company = Company()
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    begun_by_the_address(company)
    company.zoom.users[ADA_ID] = ADA
    company.zoom.sessions.add(ADA_ID)
    return is_heard_again(company, id=ADA_ID)


@attempt("completed, the seal holds, RevokeSsoToken#zoom/acme closed by a person")
def an_id_that_comes_once_a_person_has_closed_the_step_and_she_is_back() -> Company:
    """Nobody has the address, and a person closes that; HR gives Zoom's id; then she signs in, and departs again."""
    company = Company()
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    begun_by_the_address(company)
    closes = {"decision": "close", "step": "RevokeSsoToken#zoom/acme", "because": "nobody has the address"}
    company.deliver(company.queue("StartOffboarding", {"case": company.case.case_id, **closes}))
    company.zoom.users[ADA_ID] = ADA
    company.zoom.sessions.add(ADA_ID)
    company.deliver(company.hears(source="okta", subject={"identities": {"zoom": {"id": ADA_ID}}}))
    turns(company)
    company.logs_in(ADA)
    company.clock.passes(minutes=1)
    return is_heard_again(company)


@attempt("completed, the seal holds (2 cases)")
def two_ids_of_one_address_when_she_departs_again() -> Company:
    """The case ends a session by the address; the address is another id's of hers, says HR; then both work again."""
    company = begun_by_the_address(Company())
    company.zoom.users |= {ADA_ID: "ada.of.old@example.com", "ada-new": ADA}
    company.zoom.sessions.add("ada-new")
    is_heard_again(company, id="ada-new")
    company.clock.passes(hours=3)
    company.zoom.sessions |= {ADA_ID, "ada-new"}
    company.hears_and_works(source="hibob")
    company.waits(3)
    return company


@attempt()
def an_account_that_answers_once_the_case_has_begun() -> Company:
    """The case ends a session by the address; then the account says to a second event whose that was."""
    return is_heard_again(begun_by_the_address(Company()))


def two_accounts_in_europe() -> Company:
    """In Europe each of the person's two addresses has an account of its own; at acme both are one."""
    company = Company()
    company.installs("zoom-eu", "europe")
    company.joins(ADA, "ada-eu", "europe")
    company.joins(KING, "king-eu", "europe")
    company.zoom.aliases[KING] = ADA_ID
    company.venafi.people[KING] = [ADA_UNIVERSAL]
    return company


def heard_while_europe_is_out(company: Company) -> Company:
    company.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    company.deliver(company.hears(email=KING, source="okta"))
    company.table.alter("zoom-eu", status=Status.ACTIVE)
    company.weather.out_of_order.clear()
    company.works()
    company.waits(5)
    return company


@attempt()
def another_address_at_an_account_that_is_out() -> Company:
    """One account is out when the other address is told, and knows somebody else of the person's by it."""
    company = two_accounts_in_europe()
    company.weather.out_of_order["venafi"] = ProviderUnavailable("out of order")
    company.deliver(company.hears())
    return heard_while_europe_is_out(company)


@attempt("completed, the seal holds (2 cases)")
def another_address_at_an_account_that_is_out_after_the_seal() -> Company:
    """The same after the seal."""
    company = two_accounts_in_europe()
    company.hears_and_works()
    company.clock.passes(minutes=5)
    return heard_while_europe_is_out(company)


# --- user tokens


@attempt()
def a_zak_over_another_connection() -> Company:
    """A ZAK was fetched over another connection."""
    company = Company()
    place, until = UserTokenPlace(ADA_ID, "zoom-reader", "zak"), company.clock() + timedelta(hours=1)
    company.kept.reserve(place, names=(ADA,), expires_at=until)
    company.kept.keep(place, SecretStr("zak-canary"), expires_at=until, expires_at_assumed=True)
    company.hears_and_works()
    return company


@attempt()
def a_zak_for_an_address_that_zoom_no_longer_knows() -> Company:
    """A ZAK is kept for an address that Zoom no longer knows, where missing users are done with."""
    company = Company(missing_is_done=True)
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    company.hears_and_works()
    return company


@attempt()
def a_table_that_was_restored() -> Company:
    """The table was restored, and the index of kept tokens is empty beside live secrets."""
    company = Company()
    company.kept_tokens.restore()
    company.hears_and_works()
    return company


@attempt("completed, the seal holds")
def a_zak_over_an_account_that_was_given_up() -> Company:
    """A ZAK was fetched over the only Zoom account, which the company then left and gave up."""
    company = Company()
    company.zoom.sessions.discard(ADA_ID)
    company.table.alter("zoom", status=Status.REVOKED, given_up_at=company.clock())
    company.hears_and_works()
    company.waits(2)
    return company


@attempt("completed, the seal holds, RevokeSsoToken#zoom/acme closed by a person", {"session of ada"})
def a_zak_over_an_account_that_is_given_up_meanwhile() -> Company:
    """The same, and the account is given up while the case waits for a connection to it."""
    company = Company()
    company.table.alter("zoom", status=Status.NEEDS_REAUTHORIZATION)
    company.hears_and_works()
    company.table.alter("zoom", status=Status.REVOKED, given_up_at=company.clock())
    company.waits(2)
    return company


@attempt("completed, the seal holds")
def a_zak_over_one_of_two_accounts_that_was_given_up() -> Company:
    """A ZAK was fetched over a second account, under another id of Zoom's, and that account was given up."""
    company = Company()
    company.installs("zoom-eu", "europe")
    place, until = UserTokenPlace("ada-eu", "zoom-eu", "zak"), company.clock() + timedelta(hours=1)
    company.kept.reserve(place, names=(ADA,), expires_at=until)
    company.kept.keep(place, SecretStr("zak-canary"), expires_at=until, expires_at_assumed=True)
    company.table.alter("zoom-eu", status=Status.REVOKED, given_up_at=company.clock())
    company.hears_and_works()
    return company


# --- an account that lives again


def signs_in(company: Company, event: str = "user.signed_in") -> Company:
    """Ada gets in again an hour after the seal, and Zoom tells of it."""
    company.clock.passes(hours=1)
    company.zoom.deactivated.discard(ADA_ID)
    company.zoom.sessions.add(ADA_ID)
    company.zoom_tells(event)
    company.works()
    company.waits(12)
    return company


@attempt("completed, the seal holds (2 cases); changed: an account of somebody who left lives again")
def somebody_who_left_signs_in_again() -> Company:
    """The case is completed; John signs in to Zoom again, by a login that nobody closed."""
    company = Company()
    company.hears_and_works()
    return signs_in(company)


@attempt("completed, the seal holds (2 cases); changed: an account of somebody who left lives again")
def somebody_who_left_is_activated_again() -> Company:
    """Leaver deactivated John's account, and somebody activates it by hand."""
    company = Company(deactivates=True)
    company.hears_and_works()
    return signs_in(company, "user.activated")


@attempt("completed, the seal holds (3 cases); held: somebody activated the account again", {"login of ada"})
def somebody_who_left_is_activated_twice() -> Company:
    """The same a second time: a person is told, and decides."""
    company = Company(deactivates=True)
    company.hears_and_works()
    return signs_in(signs_in(company, "user.activated"), "user.activated")
