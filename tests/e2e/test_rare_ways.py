"""What a function's role grants for rare days is used here by the function's own process: tests/used.py counts it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leaver.cases.closing import open_receipt
from leaver.cases.finding import StepFinder
from leaver.cases.people import People
from leaver.cases.receipts import Receipts
from leaver.cases.record import PURGE, Case, Step, new_case
from leaver.cases.states import CaseEvent
from leaver.cases.table import Cases
from leaver.connections.record import Connections
from leaver.outcomes import Outcome, Result
from leaver.providers.registry import PROVIDERS
from leaver.storage.tables import item, values
from local import acme
from local.acme import Person
from local.deployment import camel
from tests.e2e.test_offboarding import is_out, okta_event, requested
from tests.e2e.watched_world import WatchedWorld, in_seconds, later

#: what ends something of somebody who has an app of their own
COMMANDS = {"RevokeSsoToken", "RevokeAccessToken", "RevokeGrants", "PurgeUserTokens", "DeactivateUser"}
#: whoever comes to a case tells what is pending of it
PENDING = ("OffboardingHeld", "OffboardingStarted", "AccountResurrected", "OffboardingOverdue", "OffboardingCancelled")

#: which table the index of user tokens was built for
PROOF = item({"partition": "user-token#proof", "entry": "proof"})


@pytest.fixture(scope="module")
def shared_world() -> Iterator[WatchedWorld]:
    with WatchedWorld(DeactivateUsers="true", RoutineCasesAnHour="1", UrgentPartners="okta") as world:
        acme.set_up(world)
        yield world
        world.forget()


def cases_of(world: WatchedWorld) -> Cases:
    return Cases(world.client("dynamodb"), table=world.resource("Cases").ref)


def receipts_of(world: WatchedWorld) -> Receipts:
    return Receipts(world.client("dynamodb"), table=world.resource("Cases").ref)


def hire_with_an_app(world: WatchedWorld) -> tuple[Person, str]:
    """Let somebody join who has authorised an app of their own: each of the five commands ends something of theirs."""
    person = world.hire()
    name = f"app-of-{person.zoom_id[:5].lower()}"
    acme.connect_zoom(world, name, (acme.READ_USER,), personal_to=person)
    return person, name


def case_of(world: WatchedWorld, person: Person, **fields: Any) -> Case:
    """A case of an hour ago with all that has to end for somebody, as `start_offboarding` would record it."""
    an_hour_ago = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    request = requested(person, effective_at=in_seconds(-3600), occurred_at=in_seconds(-3600))
    usual: dict[str, Any] = {
        "email": person.email,
        "identities": {f"zoom/{acme.ZOOM_ACCOUNT}": person.zoom_id},
        "event_id": request["event_id"],
        "source": "hr-system",
        "urgency": "urgent",
        "requested_at": an_hour_ago,
        "effective_at": an_hour_ago,
        "request": request,
        "policy": {"deactivate_users": True, "deadline": 900},
    }
    case = new_case(f"c-{person.zoom_id[:5]}", [], [person.email, person.zoom_id], **usual | fields)
    connections = Connections(world.client("dynamodb"), table=world.resource("Connections").ref)
    return case.with_steps(StepFinder(connections, PROVIDERS).find_anew(case)).with_look_at(an_hour_ago)


def under_way(case: Case) -> Case:
    return case.after_start(case.effective_at, deadline=timedelta(minutes=15)).with_look_at(case.effective_at)


def keep(world: WatchedWorld, case: Case) -> Case:
    added = cases_of(world).add(case)
    assert added is not None
    return added


def people_of(world: WatchedWorld) -> People:
    return People(world.client("dynamodb"), table=world.resource("Cases").ref)


def raise_tombstones(world: WatchedWorld, case: Case) -> None:
    since = case.finished_at or case.effective_at
    for name in case.names:
        people_of(world).change(name, lambda found: found.with_tombstone(case.case_id, since))


def finish(world: WatchedWorld, case: Case, step: Step, outcome: Outcome, details: Mapping[str, str] = {}) -> None:
    """Let another run say the last word on a step."""
    now = datetime.now(UTC)
    receipts_of(world).finish(open_receipt(case, step, now).closed(Result(outcome, details=dict(details)), now=now))


def state_of(world: WatchedWorld, case: Case) -> str:
    return str(cases_of(world).require(case.case_id).state)


# -- what nobody heard of


def test_commands_that_were_lost_on_their_way_are_sent_again_and_what_was_not_told_is_told(world: WatchedWorld) -> None:
    leaver, _ = hire_with_an_app(world)
    case = under_way(case_of(world, leaver))
    assert {step.command for step in case.steps} == COMMANDS
    keep(world, case.model_copy(update={"pending_announcements": PENDING[:3]}))
    world.fire_schedule("watch_deadlines")
    world.try_again()
    assert {*PENDING[:3], "OffboardingOverdue"} <= set(world.announced_names())
    assert is_out(world, leaver)
    assert state_of(world, case) == "completed"


def test_a_case_that_nobody_could_ask_about_begins_and_each_name_has_its_tombstone(world: WatchedWorld) -> None:
    leaver = world.hire()
    case = case_of(world, leaver)
    # Zoom could not be asked for a quarter of an hour.
    case = keep(world, case.model_copy(update={"asked_at": case.effective_at}))
    # Zoom's id was found later, and is remembered nowhere.
    people_of(world).change(leaver.email, lambda found: found.with_case(case.case_id, None))
    world.fire_schedule("watch_deadlines")
    world.try_again()
    assert is_out(world, leaver)
    assert state_of(world, case) == "completed"
    found = [people_of(world).read(name) for name in case.names]
    assert all(each and each.gone_since for each in found)


@pytest.mark.parametrize("urgency", ["routine", "urgent"])
def test_a_case_whose_time_has_come_begins_when_zoom_has_said_who_has_the_address(
    world: WatchedWorld, urgency: str
) -> None:
    leaver = world.hire()
    case = keep(world, case_of(world, leaver, urgency=urgency))
    world.fire_schedule("watch_deadlines")
    world.try_again()
    assert is_out(world, leaver)
    assert state_of(world, case) == "completed"


def test_what_came_back_a_day_after_a_case_is_ended_by_its_sweep(world: WatchedWorld) -> None:
    leaver = world.hire()
    case = case_of(world, leaver)
    two_days_ago = case.effective_at - timedelta(days=2)
    proved = {"user_id": leaver.zoom_id, "address": leaver.email, "prefixed_universal": leaver.venafi_id}
    for step in case.steps:
        finish(world, case, step, Outcome.REVOKED, proved)
    sealed = under_way(case).after_seal({}, [], two_days_ago).with_look_at(two_days_ago)
    raise_tombstones(world, keep(world, sealed.model_copy(update={"outstanding": (), "pending_announcements": ()})))
    world.fire_schedule("watch_deadlines")
    world.try_again()
    assert is_out(world, leaver)
    assert str(cases_of(world).require(f"{case.case_id}.sweep").state) == "completed"


def test_a_cancellation_that_was_not_told_is_told(world: WatchedWorld) -> None:
    case = case_of(world, world.hire())
    over = case.after(CaseEvent.CANCELLED, case.effective_at).with_look_at(case.effective_at)
    keep(world, over)
    world.fire_schedule("watch_deadlines")
    world.wait_until_idle()
    assert world.announced_names() == ["OffboardingCancelled"]


def test_what_is_pending_is_told_by_seal_case_where_it_comes_first(world: WatchedWorld) -> None:
    case = under_way(case_of(world, world.hire())).with_look_at(datetime.now(UTC) + timedelta(hours=1))
    keep(world, case.model_copy(update={"pending_announcements": PENDING}))
    world.send("seal_case", {"case_id": case.case_id})
    world.wait_until_idle()
    assert world.announced_names() == sorted(PENDING)


@pytest.mark.parametrize("first", ["RevokeSsoToken", "RevokeGrants"])
def test_what_a_case_lacks_when_it_is_to_be_sealed_is_ended_first(world: WatchedWorld, first: str) -> None:
    leaver, _ = hire_with_an_app(world)
    whole = case_of(world, leaver)
    [step] = [each for each in whole.steps if each.command == first]
    case = under_way(whole.model_copy(update={"steps": (step,), "outstanding": (step.name,)}))
    keep(world, case.model_copy(update={"pending_announcements": ()}))
    finish(world, case, step, Outcome.REVOKED)
    world.send("seal_case", {"case_id": case.case_id})
    world.wait_until_idle()
    standing = cases_of(world).require(case.case_id)
    assert {each.command for each in standing.steps} == COMMANDS
    assert standing.state == "completed"


# -- what HR and people say


def test_the_second_leaver_of_an_hour_with_a_limit_of_one_is_held_and_that_is_told(world: WatchedWorld) -> None:
    for number in range(2):
        leaver = world.hire()
        world.put_event("leaver", "leaver.hr", "OffboardingRequested", requested(leaver, event_id=f"hr-{number}"))
        world.wait_until_idle()
    assert "OffboardingHeld" in world.announced_names()
    assert not is_out(world, leaver)


def test_who_comes_back_is_told_of_and_so_is_that_it_was_overdue(world: WatchedWorld) -> None:
    case = under_way(case_of(world, world.hire())).with_look_at(datetime.now(UTC) + timedelta(hours=1))
    keep(world, case.model_copy(update={"pending_announcements": ("AccountResurrected", "OffboardingOverdue")}))
    raise_tombstones(world, case)
    world.send("start_offboarding", {"case": case.case_id, "decision": "reinstate"})
    world.wait_until_idle()
    assert world.announced_names() == ["AccountResurrected", "OffboardingCancelled", "OffboardingOverdue"]


def test_a_person_closes_a_step_and_that_is_told(world: WatchedWorld) -> None:
    case = keep(world, under_way(case_of(world, world.hire())).with_look_at(datetime.now(UTC) + timedelta(hours=1)))
    told = {"decision": "close", "step": case.outstanding[0], "because": "the provider is no more"}
    world.send("start_offboarding", {"case": case.case_id, **told})
    world.wait_until_idle()
    # seal_case looks at once, and tells what was not told yet.
    assert sorted(world.announced_names()) == ["OffboardingStarted", "StepClosed"]


def test_an_app_of_the_leavers_own_is_revoked_by_its_case_and_a_later_one_is_not_refreshed(world: WatchedWorld) -> None:
    leaver, app = hire_with_an_app(world)
    world.put_okta_event(okta_event(leaver))
    world.wait_until_idle()
    assert world.record(app)["status"] == "revoked"

    acme.connect_zoom(world, f"later-{app}", (acme.READ_USER,), personal_to=leaver)
    version = world.record(f"later-{app}")["version"]
    world.send("refresh_access_token", {"connection": f"later-{app}", "force": True})
    world.wait_until_idle()
    assert world.record(f"later-{app}")["version"] == version


def test_what_is_kept_of_somebody_is_destroyed_and_the_rest_closed_where_the_account_was_given_up(
    world: WatchedWorld,
) -> None:
    leaver = world.hire()
    sold = f"sold-{leaver.zoom_id[:5]}"
    connection = world.connect_zoom()
    world.change_record(connection, account=sold, status="revoked", given_up_at=in_seconds(-60))
    case = case_of(world, leaver)
    wanted = [each for each in case.steps if each.command in {"RevokeSsoToken", PURGE}]
    steps = tuple(each.model_copy(update={"at": f"zoom/{sold}"}) for each in wanted)
    fields = {"steps": steps, "outstanding": tuple(each.name for each in steps)}
    case = keep(world, under_way(case.model_copy(update=fields)))
    world.fire_schedule("watch_deadlines")
    world.wait_until_idle()
    outcomes = {each["command"]: each["outcome"] for each in world.receipts() if each.get("case_id") == case.case_id}
    assert outcomes["RevokeSsoToken"] == "closed"
    assert outcomes[PURGE] == "purged"


# -- two runs, and only one last word

#: function → at which provider's call a run is kept while another one ends
AT_WORK = {
    "retrieve_user_token": "/v2/users/.*/token",
    "revoke_sso_token": "/v2/users/.*/token",
    "deactivate_user": "/v2/users/.*/status",
    "purge_user_tokens": "/v2/users/.*",
    "revoke_access_token": "/oauth/revoke",
    "revoke_grants": "/vedsdk/oauth/revokegrants",
}


def message(function: str, person: Person, app: str) -> dict[str, str]:
    """What a person sends to a function to end something of somebody's."""
    match function:
        case "revoke_access_token":
            return {"connection": app}
        case "revoke_grants":
            return {"grantee_prefixed_universal": person.venafi_id, "connection": "venafi"}
        case _:
            return {"user_id": person.email, "connection": "zoom"}


def of_somebody_else(world: WatchedWorld, receipt: dict[str, Any]) -> None:
    """Write another run's last word where this run is about to write its own."""
    world.client("dynamodb").update_item(
        TableName=world.resource("Cases").ref,
        Key=item(receipt),
        UpdateExpression="SET outcome = :said, tracking_id = :other, case_id = :case, command = :command"
        ", #system = :system, subject = :other, requested_at = :now, first_attempt_at = :now, finished_at = :now",
        ExpressionAttributeNames={"#system": "system"},
        ExpressionAttributeValues=item(
            {
                ":said": "already_gone",
                ":other": "another run",
                ":case": receipt["partition"].removeprefix("receipts#"),
                ":command": receipt["entry"].partition("#")[0],
                ":system": "zoom",
                ":now": in_seconds(0),
            }
        ),
    )


@pytest.mark.parametrize("function", AT_WORK)
def test_of_two_runs_of_one_message_the_first_word_stands(world: WatchedWorld, function: str) -> None:
    simulator = world.venafi if function == "revoke_grants" else world.zoom
    person, app = hire_with_an_app(world)
    simulator.inject(AT_WORK[function], hold="after")
    [sent] = world.send(function, message(function, person, app))
    assert simulator.wait_until_held() == 1
    of_somebody_else(world, {"partition": f"message#{sent}", "entry": camel(function)})
    simulator.release()
    world.wait_until_idle()
    assert world.receipt(sent)["tracking_id"] == "another run"


@pytest.mark.parametrize("function", sorted(AT_WORK.keys() - {"retrieve_user_token"}))
def test_of_two_runs_of_one_step_the_first_word_stands(world: WatchedWorld, function: str) -> None:
    simulator = world.venafi if function == "revoke_grants" else world.zoom
    person, _ = hire_with_an_app(world)
    later_on = datetime.now(UTC) + timedelta(hours=1)
    case = keep(world, under_way(case_of(world, person, identities={})).with_look_at(later_on))
    [step] = [each for each in case.steps if each.command == camel(function)]
    connection = step.provider or step.at
    of_case = {"case_id": case.case_id, "connection": connection}
    simulator.inject(AT_WORK[function], hold="after")
    world.send(function, step.detail | of_case | ({"account": step.account} if step.account else {}))
    assert simulator.wait_until_held() == 1
    of_somebody_else(world, {"partition": f"receipts#{case.case_id}", "entry": step.name})
    simulator.release()
    world.wait_until_idle()
    [receipt] = [each for each in world.receipts() if each["partition"] == f"receipts#{case.case_id}"]
    assert receipt["tracking_id"] == "another run"


def test_a_retrieval_that_names_a_case_reads_its_receipt_and_writes_none(world: WatchedWorld) -> None:
    person = world.hire()
    world.send("retrieve_user_token", {"user_id": person.email, "connection": "zoom", "case_id": "c-not-theirs"})
    world.wait_until_idle()
    assert not [each for each in world.receipts() if each["partition"] == "receipts#c-not-theirs"]


# -- a token that is dead, a bus that takes nothing, a secret that takes nothing


@pytest.mark.parametrize("function", ["retrieve_user_token", "purge_user_tokens", "deactivate_user"])
def test_a_token_that_zoom_refuses_is_refreshed_and_the_command_done(world: WatchedWorld, function: str) -> None:
    person = world.hire()
    with later(world.zoom, -7200):
        connection = world.connect_zoom(acme.ALL_SCOPES)
    [sent] = world.send(function, {"user_id": person.email, "connection": connection})
    world.try_again()
    assert world.receipt(sent)["outcome"] in {"retrieved", "purged", "deactivated"}


def test_what_hr_says_waits_for_a_token_that_zoom_refuses(world: WatchedWorld) -> None:
    person = world.hire()
    world.zoom.inject("/v2/users/.*", method="GET", handling="skip", reply="zoom/401-124-expired")
    world.put_okta_event(okta_event(person))
    world.try_again()
    assert is_out(world, person)


def dropping(monkeypatch: pytest.MonkeyPatch, world: WatchedWorld, *calls: str) -> None:
    """Let AWS answer these calls with 503, until the test takes that back."""
    monkeypatch.setattr(world.aws.gate, "wait_if_held", lambda call, moment: moment == "after" or call not in calls)


def test_what_can_not_be_told_or_sent_on_comes_back_later(world: WatchedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    person, app = hire_with_an_app(world)
    event = requested(world.hire(), event_id="hr-while-nothing-is-taken", urgency="urgent")
    bodies: dict[str, dict[str, Any]] = {
        "ScheduleRefreshesQueue": {"connection": "zoom"},
        "RevokeSsoTokenUrgentQueue": {"user_id": person.email, "connection": "zoom"},
        "RevokeAccessTokenUrgentQueue": {"connection": app},
        "RevokeGrantsUrgentQueue": {"grantee_prefixed_universal": person.venafi_id, "connection": "venafi"},
        "StartOffboardingQueue": event,
    }
    dropping(monkeypatch, world, "PutEvents", "SendMessageBatch")
    for queue, body in bodies.items():
        world.client("sqs").send_message(QueueUrl=world.resource(queue).ref, MessageBody=json.dumps(body))
    world.settle(60)
    monkeypatch.undo()
    assert world.announced() == []
    world.try_again(60)
    assert is_out(world, person)
    assert world.record(app)["status"] == "revoked"
    assert {"SsoTokenRevoked", "GrantsRevoked", "AccessTokenRevoked", "OffboardingStarted"} <= set(
        world.announced_names()
    )


def test_a_case_that_can_not_be_read_for_now_is_sealed_later(
    world: WatchedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = under_way(case_of(world, world.hire())).with_look_at(datetime.now(UTC) + timedelta(hours=1))
    keep(world, case)
    dropping(monkeypatch, world, "GetItem")
    world.send("seal_case", {"case_id": case.case_id})
    world.settle(60)
    monkeypatch.undo()
    assert world.announced() == []
    world.try_again(60)
    assert world.announced_names() == ["OffboardingStarted"]


def test_an_index_of_user_tokens_that_is_a_day_old_is_proved_and_purges_go_by_it(world: WatchedWorld) -> None:
    person = world.hire()
    world.fire_schedule("watch_deadlines")
    world.wait_until_idle()
    world.client("dynamodb").update_item(
        TableName=world.resource("Cases").ref,
        Key=PROOF,
        UpdateExpression="SET since = :past",
        ExpressionAttributeValues=item({":past": in_seconds(-86_400)}),
    )
    world.fire_schedule("watch_deadlines")
    world.wait_until_idle()
    proof = world.client("dynamodb").get_item(TableName=world.resource("Cases").ref, Key=PROOF)["Item"]
    assert values(proof)["whole"] is True
    [sent] = world.send("purge_user_tokens", {"user_id": person.zoom_id, "connection": "zoom"})
    world.wait_until_idle()
    assert world.receipt(sent)["outcome"] == "purged"


def test_what_is_no_command_is_parked_and_told(world: WatchedWorld) -> None:
    world.send("deactivate_user", {"user_id": "me"})
    world.wait_until_idle()
    assert len(world.parked("deactivate_user")) == 1
    assert world.announced_names() == ["RevocationFailed"]
