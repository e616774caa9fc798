"""An event that names only an id: the source is asked whom it means, and what it says of that person by now."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from leaver.cases.states import State
from leaver.connections.record import Status
from leaver.errors import LeaverError, NotSent, ProviderUnavailable, Rejected, Throttled
from leaver.messages.events import OffboardingRequested
from leaver.providers.sources import SOURCES
from tests.doubles.clock import NOW
from tests.doubles.hr_events import envelope, webhook
from tests.doubles.office import ADA, Message, Office
from tests.doubles.sqs import INTAKE_QUEUE

#: ids as each system makes them
IDS: Final = {"bamboohr": "100", "hibob": "3332", "gusto": "a9e6", "okta": "00u1abcdefGHIJKL5d7"}


def hibob(kind: str = "employee.left", **data: Any) -> dict[str, Any]:
    sent = {"type": kind, "triggeredBy": "system", "triggeredAt": NOW.replace(tzinfo=None).isoformat()}
    return webhook("HiBobWebhook", sent | {"version": "v2", "data": {"employeeId": IDS["hibob"], **data}})


def gusto(kind: str = "employee.terminated_effective", uuid: str = "03f") -> dict[str, Any]:
    sent = {"uuid": uuid, "event_type": kind, "entity_uuid": IDS["gusto"], "timestamp": int(NOW.timestamp())}
    return webhook("GustoWebhook", sent)


def bamboohr() -> dict[str, Any]:
    data = {"companyId": "1", "employeeId": IDS["bamboohr"], "changedFields": ["status"]}
    return webhook("BambooHrWebhook", {"type": "employee.updated", "timestamp": NOW.isoformat(), "data": data})


def okta() -> dict[str, Any]:
    detail = {
        "uuid": "u1",
        "eventType": "user.lifecycle.deactivate",
        "outcome": {"result": "SUCCESS"},
        "published": NOW.isoformat(),
        "actor": {"id": "actor-1", "type": "System"},
        "target": [{"id": IDS["okta"], "type": "User", "displayName": "Ada"}],
    }
    return envelope("aws.partner/okta.com/acme/leaver", "SystemLog", detail)


LEFT: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "hibob": hibob,
    "gusto": gusto,
    "bamboohr": bamboohr,
    "okta": okta,
}
every_system = pytest.mark.parametrize("system", LEFT)


@pytest.fixture
def office() -> Office:
    """Ada is known everywhere, and Leaver is connected to nothing that could say so."""
    office = Office()
    for system, person in IDS.items():
        office.hr[system].knows(person, ADA)
    return office


def hears(office: Office, event: dict[str, Any]) -> Message:
    message = office.queue("StartOffboarding", event | {"time": office.clock().isoformat()})
    office.works()
    return message


def fates(office: Office) -> list[str | None]:
    return [each.fate for each in office.heard.fates]


@every_system
def test_an_event_with_an_id_only_ends_as_a_completed_case(office: Office, system: str) -> None:
    office.asks(system)
    office.hr[system].leaves(IDS[system])
    hears(office, LEFT[system]())
    assert office.access_of(ADA) == set()
    assert (office.case.state, office.case.email, office.case.source) == (State.COMPLETED, ADA, system)
    assert office.case.subjects[0].source_id == IDS[system]
    assert office.hr[system].asked == [IDS[system]]
    assert fates(office) == ["handed_on", "handed_on", "opened"]


@every_system
def test_without_a_connection_it_is_parked_with_the_look_up_that_is_missing(office: Office, system: str) -> None:
    hears(office, LEFT[system]())
    [reason] = office.reasons()
    assert reason.startswith(f"{system}: ")
    assert "look" in reason
    assert "GET " in reason
    assert office.hr[system].asked == []
    assert office.access_of(ADA) != set()
    # and as soon as there is a connection, what is parked goes on
    office.asks(system)
    office.hr[system].leaves(IDS[system])
    office.redrive()
    office.works()
    assert office.access_of(ADA) == set()


def test_a_connection_that_needs_a_person_asks_nobody(office: Office) -> None:
    office.asks("hibob", status=Status.NEEDS_REAUTHORIZATION)
    hears(office, hibob())
    assert [reason.partition(":")[0] for reason in office.reasons()] == ["hibob"]
    assert office.hr["hibob"].asked == []


@pytest.mark.parametrize("system", ["hibob", "gusto", "okta"])
def test_a_departure_that_its_source_does_not_confirm_is_held_and_ends_nothing(office: Office, system: str) -> None:
    office.asks(system)
    hears(office, LEFT[system]())
    assert office.case.state is State.HELD
    assert office.case.because == f"{system} was asked, and does not say any more that this person left"
    assert office.access_of(ADA) != set()
    assert office.commands() == []
    # a person looks, and says that it is meant
    office.queue("StartOffboarding", {"case": office.case.case_id, "decision": "release"})
    office.works()
    assert office.access_of(ADA) == set()


def test_whoever_left_before_and_is_not_confirmed_now_is_held_as_well(office: Office) -> None:
    office.hears_and_works()
    assert office.access_of(ADA) == set()
    office.asks("hibob")
    office.clock.passes(days=2)
    office.logs_in(ADA)
    event = hibob()
    event["detail"]["triggeredAt"] = office.clock().replace(tzinfo=None).isoformat()
    hears(office, event)
    later = next(each for each in office.cases.every if each.source == "hibob")
    assert (later.state, later.because is not None) == (State.HELD, True)
    assert office.access_of(ADA) != set()


def test_what_its_source_does_not_confirm_goes_on_when_another_source_says_so(office: Office) -> None:
    office.asks("hibob")
    hears(office, hibob())
    assert office.case.state is State.HELD
    office.hears_and_works(source="okta")
    assert (office.case.state, office.access_of(ADA), office.reasons()) == (State.COMPLETED, set(), [])


def test_what_its_source_does_not_confirm_moves_no_case_of_another_source(office: Office) -> None:
    office.asks("hibob")
    office.hears_and_works("scheduled", source="okta", effective_at=(office.clock() + timedelta(days=3)).isoformat())
    hears(office, hibob())
    assert (office.case.state, office.reasons(), len(office.cases.every)) == (State.SCHEDULED, [], 1)
    assert office.access_of(ADA) != set()


def test_an_immediate_end_of_access_is_believed_of_somebody_who_is_still_employed(office: Office) -> None:
    office.asks("hibob")
    hears(office, hibob("employee.access.revoked.immediately"))
    assert office.access_of(ADA) == set()
    assert office.case.urgency == "urgent"


def test_bamboohrs_status_says_what_happened(office: Office) -> None:
    office.asks("bamboohr")
    office.hr["bamboohr"].leaves(IDS["bamboohr"])
    hears(office, bamboohr())
    assert office.case.state is State.COMPLETED
    office.clock.passes(hours=1)
    office.hr["bamboohr"].returns(IDS["bamboohr"])
    event = bamboohr()
    event["detail"]["timestamp"] = office.clock().isoformat()
    hears(office, event)
    assert not office.people.gone([ADA])


def test_an_end_that_was_entered_at_gusto_waits_until_the_last_day_is_over_everywhere(office: Office) -> None:
    office.asks("gusto")
    last_day = (NOW + timedelta(days=3)).date()
    office.hr["gusto"].leaves(IDS["gusto"], last_day)
    hears(office, gusto("employee.terminated"))
    assert office.case.state is State.SCHEDULED
    midday = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)
    assert office.case.effective_at == midday
    assert office.access_of(ADA) != set()


def test_an_end_that_gusto_has_entered_no_more_is_held(office: Office) -> None:
    office.asks("gusto")
    hears(office, gusto("employee.terminated"))
    assert office.case.state is State.HELD
    assert "has no end of this employment entered any more" in str(office.case.because)


def test_an_end_that_was_entered_for_a_day_that_is_over_is_now(office: Office) -> None:
    office.asks("gusto")
    office.hr["gusto"].leaves(IDS["gusto"], date(2026, 1, 1))
    hears(office, gusto("employee.terminated"))
    assert office.access_of(ADA) == set()


@pytest.mark.parametrize("kind", ["employee.rehire_effective", "employee.termination_cancelled"])
def test_a_return_that_its_source_contradicts_gives_nothing_back(office: Office, kind: str) -> None:
    office.asks("gusto")
    office.hr["gusto"].leaves(IDS["gusto"])
    hears(office, gusto())
    office.clock.passes(hours=1)
    event = gusto(kind, uuid="04f")
    event["detail"]["timestamp"] = int(office.clock().timestamp())
    hears(office, event)
    [reason] = office.reasons()
    assert reason.startswith("gusto: it was asked, and says that the person is gone")
    assert office.people.gone([ADA])


def test_whom_nobody_knows_there_is_parked_with_what_to_do(office: Office) -> None:
    office.asks("hibob")
    office.hr["hibob"].people.clear()
    hears(office, hibob())
    [reason] = office.reasons()
    assert reason.startswith("hibob: nobody has that id there: find the person's e-mail in your own records")


def test_of_two_accounts_nobody_can_say_which_is_meant(office: Office) -> None:
    office.asks("bamboohr", account="acme.bamboohr.com")
    office.asks("bamboohr", "bamboohr-bought", account="bought.bamboohr.com")
    hears(office, bamboohr())
    [reason] = office.reasons()
    assert reason.startswith("bamboohr: there are connections to several accounts")
    assert office.hr["bamboohr"].asked == []


def test_what_came_by_a_connection_of_the_door_is_looked_up_by_the_same_name_alone(office: Office) -> None:
    office.asks("bamboohr", account="acme.bamboohr.com")
    event = bamboohr() | {"resources": ["source:bamboohr/bought"]}
    hears(office, event)
    [reason] = office.reasons()
    assert reason == (
        "bamboohr: it came by the front door's bamboohr/bought, and no connection is called so: leaver connect "
        "bamboohr bought, to the account that posts there"
    )
    assert office.hr["bamboohr"].asked == []
    office.asks("bamboohr", "bought", account="bought.bamboohr.com")
    office.hr["bamboohr"].leaves(IDS["bamboohr"])
    office.redrive()
    office.works()
    assert office.hr["bamboohr"].asked == [IDS["bamboohr"]]
    assert office.access_of(ADA) == set()


def test_what_a_field_left_out_costs_is_said_by_its_name_and_goes_on_once_it_is_seen(office: Office) -> None:
    office.asks("hibob")
    office.hr["hibob"].leaves(IDS["hibob"])
    office.hr["hibob"].failing.append(Rejected("hibob: root.email is left out of the answer"))
    hears(office, hibob())
    assert office.reasons() == ["hibob: root.email is left out of the answer"]
    office.redrive()
    office.works()
    assert office.access_of(ADA) == set()


def test_what_is_no_address_there_is_parked_and_not_repeated(office: Office) -> None:
    office.asks("hibob")
    office.hr["hibob"].knows(IDS["hibob"], "canary, not an address")
    hears(office, hibob())
    assert office.reasons() == ["hibob: what it has for this person is no e-mail address"]


@pytest.mark.parametrize(
    "trouble",
    [
        Throttled("the HR system's limit is reached", until=NOW + timedelta(seconds=30)),
        ProviderUnavailable("HiBob is out of order"),
        NotSent("HiBob can't be reached"),
    ],
    ids=["a limit", "an outage", "no way there"],
)
def test_a_look_up_that_fails_for_now_is_tried_again_and_nothing_is_lost(office: Office, trouble: LeaverError) -> None:
    office.asks("hibob")
    office.hr["hibob"].leaves(IDS["hibob"])
    office.hr["hibob"].failing.append(trouble)
    hears(office, hibob())
    assert office.reasons() == []
    assert office.access_of(ADA) == set()
    assert len(office.hr["hibob"].asked) == 2


def test_the_same_event_twice_is_one_case(office: Office) -> None:
    office.asks("hibob")
    office.hr["hibob"].leaves(IDS["hibob"])
    hears(office, hibob())
    hears(office, hibob())
    assert len(office.cases.every) == 1


def test_no_case_has_a_step_an_account_or_a_wait_at_an_hr_system(office: Office) -> None:
    for system in SOURCES:
        office.asks(system)
    office.hears_and_works()
    assert office.case.state is State.COMPLETED
    assert not any(system in str(step.at) for step in office.case.steps for system in SOURCES)
    assert not any(system in str(searched) for searched in office.case.searched for system in SOURCES)


def test_what_the_source_confirms_carries_no_doubt_into_the_event(office: Office) -> None:
    office.asks("hibob")
    office.hr["hibob"].leaves(IDS["hibob"])
    hears(office, hibob())
    told = OffboardingRequested.model_validate_json(office.sqs.to(INTAKE_QUEUE)[0]["MessageBody"])
    assert told.doubt is None
