"""A company has several accounts at a provider, and connections that come and go: each account ends what it has."""

from datetime import timedelta
from typing import Any

import pytest

from functions.watch_deadlines.app import Watch, gauges
from leaver.cases.receipts import Receipt
from leaver.cases.states import State
from leaver.cases.table import CaseSummary
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connections, Status
from leaver.consuming.message import Message
from leaver.errors import ProviderResponse, ProviderUnavailable, Rejected
from leaver.outcomes import Outcome, Result
from tests.doubles.connections_table import connection
from tests.doubles.office import ADA, ADA_ID, LASTING, Office
from tests.doubles.secrets_manager import secret_store_of, tokens

EU_ID = "ada-in-europe"


@pytest.fixture
def office() -> Office:
    """Ada is in two accounts at Zoom under one address, and Leaver is connected to both."""
    office = Office()
    office.installs("zoom-eu", "europe")
    office.joins(ADA, EU_ID, "europe")
    return office


def sessions(office: Office) -> set[str]:
    return office.zoom.sessions & {ADA_ID, EU_ID}


def minutes(office: Office, count: int = 1) -> None:
    for _ in range(count):
        office.clock.passes(minutes=1)
        office.minute()
        office.works()


def receipt(office: Office, step: str) -> Any:
    return office.receipts.items[office.case.case_id, step]


# --- every account


def test_the_leaver_is_logged_out_at_every_account(office: Office) -> None:
    office.hears_and_works()
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)
    assert office.case.identities == {"zoom/acme": ADA_ID, "zoom/europe": EU_ID}
    assert receipt(office, "RevokeSsoToken#zoom/europe").connection == "zoom-eu"
    assert {ADA, ADA_ID, EU_ID} <= office.people.under_tombstones


def test_where_only_one_account_is_asked_the_session_at_the_other_lives_on_behind_a_completed_case(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Connections.accounts
    monkeypatch.setattr(
        Connections,
        "accounts",
        lambda self, of, **told: {name: each for name, each in real(self, of, **told).items() if name == "acme"},
    )
    office.hears_and_works()
    assert (sessions(office), office.case.state) == ({EU_ID}, State.COMPLETED)


def test_hrs_id_counts_at_the_account_that_knows_it_and_elsewhere_the_address_is_asked_for(office: Office) -> None:
    office.hears_and_works(subject={"identities": {"zoom": {"id": EU_ID}}})
    assert office.case.identities == {"zoom/acme": ADA_ID, "zoom/europe": EU_ID}
    assert sessions(office) == set()


def test_an_id_that_is_somebody_else_at_any_account_ends_nothing_anywhere(office: Office) -> None:
    office.joins("ben@example.com", "ben-in-europe", "europe")
    office.hears_and_works(subject={"identities": {"zoom": {"id": "ben-in-europe"}}})
    assert office.cases.every == []
    assert "somebody with another address" in office.reasons()[0]
    assert sessions(office) == {ADA_ID, EU_ID}


@pytest.mark.parametrize("status", [Status.NEEDS_REAUTHORIZATION, Status.REVOKED, Status.REVOKING])
def test_a_dead_connection_stops_no_other_account_and_its_own_steps_stand_and_wait(
    office: Office, status: Status
) -> None:
    office.table.alter("zoom-eu", status=status)
    office.hears_and_works()
    minutes(office)
    assert sessions(office) == {EU_ID}
    waiting = ("RevokeSsoToken#zoom/europe", "PurgeUserTokens#zoom/europe")
    assert office.case.outstanding == office.case.waiting == waiting
    glance = CaseSummary.model_validate(office.case.model_dump())
    assert gauges([glance], 0, {"zoom/acme"}, office.clock())["StepsWaiting"] == len(waiting)


def test_an_outage_of_one_account_stops_no_other(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    real = office.zoom.get_user

    def out_of_order(user_id: str, access_token: Any) -> Any:
        if access_token.get_secret_value() == "access-europe":
            raise ProviderUnavailable("out of order")
        return real(user_id, access_token)

    monkeypatch.setattr(office.zoom, "get_user", out_of_order)
    office.deliver(office.hears())
    assert office.case.identities == {"zoom/acme": ADA_ID}
    assert {step.identity for step in office.case.steps if step.at == "zoom/europe"} == {ADA}


def test_a_name_that_one_account_does_not_know_ends_its_step_only_where_the_account_had_confirmed_it(
    office: Office,
) -> None:
    del office.zoom.users[EU_ID]
    office.zoom.sessions.discard(EU_ID)
    office.hears_and_works()
    assert receipt(office, "RevokeSsoToken#zoom/europe").outcome is Outcome.USER_NOT_FOUND
    # What the first account says of Ada says nothing of the second.
    assert office.case.outstanding == ("RevokeSsoToken#zoom/europe",)


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        ({"zoom/europe"}, State.COMPLETED),
        ({"zoom"}, State.COMPLETED),
        ({"zoom/acme"}, State.OPEN),
        ({"venafi"}, State.OPEN),
    ],
)
def test_the_deployment_says_where_a_missing_user_is_done_with(office: Office, listed: set[str], state: State) -> None:
    object.__setattr__(office.completion, "done_where_missing", frozenset(listed))
    del office.zoom.users[EU_ID]
    office.hears_and_works()
    assert office.case.state is state


# --- the connection is chosen when the command is sent


def test_a_step_goes_over_an_active_connection_before_one_that_is_cooling_down(office: Office) -> None:
    office.installs("a-zoom", status=Status.COOLING_DOWN)
    office.hears_and_works()
    assert receipt(office, "RevokeSsoToken#zoom/acme").connection == "zoom"


def test_a_command_over_another_accounts_connection_is_refused_and_the_step_is_not_ended(office: Office) -> None:
    office.deliver(office.hears())
    office.queued = [message for message in office.queued if message.body.get("account") != "europe"]
    told = {"user_id": EU_ID, "account": "europe", "connection": "zoom", "case_id": office.case.case_id}
    office.queue("RevokeSsoToken", told)
    office.works()
    assert office.reasons() == ["connection: expected a service connection of the account that the step is about"]
    assert "RevokeSsoToken#zoom/europe" in office.case.outstanding


def test_a_step_that_names_no_connection_is_refused(office: Office) -> None:
    office.deliver(office.hears())
    office.queued.clear()
    told = {"user_id": EU_ID, "account": "europe", "case_id": office.case.case_id}
    office.queue("RevokeSsoToken", told)
    office.works()
    assert office.reasons() == ["connection: expected together with account"]


def test_without_that_check_another_accounts_1001_ends_the_step_and_the_session_lives_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AccessTokens, "_require_account", lambda *_: None)
    office.deliver(office.hears())
    # Where somebody has the address there, the step stays open.
    del office.zoom.users[ADA_ID]
    office.zoom.sessions.discard(ADA_ID)
    for message in office.queued:
        if message.body.get("account") == "europe":
            message.body["connection"] = "zoom"
    office.works()
    assert (office.case.state, sessions(office)) == (State.COMPLETED, {EU_ID})


# --- connections come and go


def test_a_step_that_waits_is_sent_within_a_minute_after_somebody_connects_its_account(office: Office) -> None:
    office.table.alter("zoom-eu", status=Status.REVOKED)
    office.hears_and_works()
    minutes(office, 3)
    assert sessions(office) == {EU_ID}
    office.installs("zoom-eu-2", "europe")
    minutes(office)
    assert sessions(office) == set()
    assert receipt(office, "RevokeSsoToken#zoom/europe").connection == "zoom-eu-2"


def test_a_provider_without_any_account_has_its_steps_and_the_accounts_take_their_place() -> None:
    office = Office()
    venafi = office.table.records.pop("venafi")
    office.hears_and_works()
    minutes(office)
    assert office.case.outstanding == ("RevokeGrants#venafi",)
    assert office.access_of(ADA) == {"grants"}
    office.table.put(venafi)
    minutes(office)
    assert (office.access_of(ADA), office.case.state) == (set(), State.COMPLETED)
    assert "RevokeGrants#venafi" not in {step.name for step in office.case.steps}


def test_a_command_that_was_parked_because_its_connection_died_goes_over_a_twin_of_the_same_account(
    office: Office,
) -> None:
    office.deliver(office.hears())
    office.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    office.works()
    assert receipt(office, "RevokeSsoToken#zoom/europe").outcome is Outcome.FAILED
    office.installs("zoom-eu-twin", "europe")
    minutes(office, 2)
    assert sessions(office) == set()
    assert receipt(office, "RevokeSsoToken#zoom/europe").connection == "zoom-eu-twin"
    assert office.case.state is State.COMPLETED


def test_or_over_the_same_one_when_a_person_has_authorized_it_again(office: Office) -> None:
    office.deliver(office.hears())
    office.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    office.works()
    office.clock.passes(minutes=1)
    office.table.alter("zoom-eu", status=Status.ACTIVE, granted_at=office.clock())
    minutes(office, 2)
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)


def test_where_a_failure_is_the_last_word_for_ever_the_twin_is_of_no_use(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Message, "_is_sent_since", False)
    office.deliver(office.hears())
    office.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    office.works()
    office.installs("zoom-eu-twin", "europe")
    minutes(office, 10)
    assert sessions(office) == {EU_ID}


def test_what_failed_over_a_connection_that_lives_is_a_persons_business(office: Office) -> None:
    office.deliver(office.hears())
    office.queued.clear()
    step, sent = office.case.steps[0], len(office.commands())
    told = Receipt(
        case_id=office.case.case_id,
        entry=step.name,
        command=step.command,
        system="zoom",
        subject=step.identity,
        account=step.account,
        connection="zoom",
        requested_at=office.clock(),
        first_attempt_at=office.clock(),
    )
    office.clock.passes(seconds=1)
    office.receipts.finish(told.closed(Result(Outcome.FAILED), now=office.clock()))
    office.clock.passes(minutes=1)
    office.minute()
    assert len(office.commands()) == sent


def lacks_a_scope(office: Office, monkeypatch: pytest.MonkeyPatch, *tokens: str) -> None:
    """Zoom refuses whatever ends a session to these tokens: their apps were made without that scope."""
    real = office.zoom.delete_user_token

    def refuse(user_id: str, access_token: Any) -> Any:
        if access_token.get_secret_value() in tokens:
            raise Rejected("Zoom: missing scopes", ProviderResponse(400, "4711"))
        return real(user_id, access_token)

    monkeypatch.setattr(office.zoom, "delete_user_token", refuse)


def has_a_twin_without_the_scope(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.table.put(connection("a-zoom-eu", account="europe", expires_at=LASTING, granted_at=office.clock()))
    office.zoom.elsewhere["access-no-scope"] = "europe"
    secret_store_of(office.secrets, "a-zoom-eu", tokens(access_token="access-no-scope", expires_at=LASTING))
    lacks_a_scope(office, monkeypatch, "access-no-scope")
    office.hears_and_works()
    assert receipt(office, "RevokeSsoToken#zoom/europe").connection == "a-zoom-eu"
    assert sessions(office) == {EU_ID}
    minutes(office, 2)
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)
    assert receipt(office, "RevokeSsoToken#zoom/europe").connection == "zoom-eu"


def test_what_failed_over_a_connection_that_lacks_a_scope_goes_over_its_twin(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_a_twin_without_the_scope(office, monkeypatch)


def test_who_is_meant_is_asked_over_the_twin_too(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.table.put(connection("a-zoom-eu", account="europe", expires_at=LASTING))
    office.zoom.elsewhere["access-no-scope"] = "europe"
    secret_store_of(office.secrets, "a-zoom-eu", tokens(access_token="access-no-scope", expires_at=LASTING))
    real = office.zoom.get_user

    def refuse(user_id: str, access_token: Any) -> Any:
        if access_token.get_secret_value() == "access-no-scope":
            raise Rejected("Zoom: missing scopes", ProviderResponse(400, "4711"))
        return real(user_id, access_token)

    monkeypatch.setattr(office.zoom, "get_user", refuse)
    office.deliver(office.hears())
    assert office.case.identities == {"zoom/acme": ADA_ID, "zoom/europe": EU_ID}


def test_that_is_seen_where_the_best_connection_is_tried_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.watch_deadlines.app._failed_over", lambda *_: None)
    with pytest.raises(AssertionError):
        has_a_twin_without_the_scope(office, monkeypatch)


def test_where_every_twin_lacks_it_each_is_tried_once_until_a_person_authorizes_one_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.installs("zoom-eu-2", "europe")
    real = office.zoom.delete_user_token
    lacks_a_scope(office, monkeypatch, "access-europe")
    office.hears_and_works()
    minutes(office, 60)
    over = [
        each["connection"] for each in office.commands() if each.get("user_id") == EU_ID and "Sso" in each["command"]
    ]
    assert over == ["zoom-eu", "zoom-eu-2"]
    monkeypatch.setattr(office.zoom, "delete_user_token", real)
    office.table.alter("zoom-eu", granted_at=office.clock())
    minutes(office, 2)
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)


# --- given up


def gives_up(office: Office, *names: str) -> None:
    """A person says that the company has left the account: `leaver disconnect --give-up-account`."""
    for name in names:
        office.table.alter(name, status=Status.REVOKED, given_up_at=office.clock())


def test_a_step_that_waits_at_an_account_that_is_given_up_is_closed_by_that_word_and_stands_in_the_residual(
    office: Office,
) -> None:
    office.table.alter("zoom-eu", status=Status.NEEDS_REAUTHORIZATION)
    office.hears_and_works()
    assert office.case.state is State.OPEN
    gives_up(office, "zoom-eu")
    minutes(office, 2)
    assert {each.state for each in office.cases.every} == {State.COMPLETED}
    assert receipt(office, "RevokeSsoToken#zoom/europe").outcome is Outcome.CLOSED
    named = {each["step"]: each["because"] for each in office.case.residual if "step" in each}
    assert named.keys() == {"RevokeSsoToken#zoom/europe"}
    assert receipt(office, "PurgeUserTokens#zoom/europe").outcome is Outcome.PURGED
    assert "the company gave the account up at" in named["RevokeSsoToken#zoom/europe"]


def test_a_connection_that_is_only_revoked_gives_no_account_up(office: Office) -> None:
    office.table.alter("zoom-eu", status=Status.REVOKED)
    office.hears_and_works()
    minutes(office, 3)
    assert office.case.state is State.OPEN


def test_nor_does_one_of_two_that_count_for_it(office: Office) -> None:
    office.installs("zoom-eu-2", "europe", status=Status.NEEDS_REAUTHORIZATION)
    gives_up(office, "zoom-eu")
    office.hears_and_works()
    minutes(office, 3)
    assert "RevokeSsoToken#zoom/europe" in office.case.outstanding


def test_a_provider_whose_every_account_is_given_up_is_waited_for_by_nobody(office: Office) -> None:
    gives_up(office, "venafi")
    office.hears_and_works()
    assert office.case.state is State.COMPLETED
    assert {step.provider for step in office.case.steps} == {"zoom"}


def test_a_step_that_waited_for_a_first_account_of_it_is_closed_as_well() -> None:
    office = Office()
    venafi = office.table.records.pop("venafi")
    office.hears_and_works()
    office.table.put(venafi)
    gives_up(office, "venafi")
    minutes(office, 2)
    assert office.case.state is State.COMPLETED
    assert [each["step"] for each in office.case.residual if "step" in each] == ["RevokeGrants#venafi"]


def test_those_tests_see_it_where_what_was_given_up_is_waited_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "_close_given_up", lambda *_: {})
    with pytest.raises(AssertionError):
        test_a_step_that_waits_at_an_account_that_is_given_up_is_closed_by_that_word_and_stands_in_the_residual(office)


# --- found anew


def test_an_account_that_was_bought_before_a_planned_case_begins_is_part_of_it() -> None:
    office = Office()
    tomorrow = office.clock() + timedelta(days=1)
    office.hears_and_works("scheduled", effective_at=tomorrow.isoformat())
    office.installs("zoom-eu", "europe")
    office.joins(ADA, EU_ID, "europe")
    office.clock.passes(days=1)
    office.begins()
    assert "RevokeSsoToken#zoom/europe" in office.case.outstanding
    office.works()
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)


def test_one_that_was_bought_while_the_case_was_open_is_found_before_the_seal(office: Office) -> None:
    europe = office.table.records.pop("zoom-eu")
    office.deliver(office.hears())
    office.table.put(europe)
    office.works()
    assert (sessions(office), office.case.state) == (set(), State.COMPLETED)


# --- a search that proves nothing


def test_a_step_that_was_not_searchable_is_asked_again_each_hour_until_the_deployment_is_mended() -> None:
    office = Office()
    colleague = office.venafi.people.pop("colleague@example.com")
    adas = office.venafi.people.pop(ADA)
    office.hears_and_works()
    assert receipt(office, "RevokeGrants#venafi/acme").outcome is Outcome.NOT_SEARCHABLE
    office.venafi.people |= {"colleague@example.com": colleague, ADA: adas}
    minutes(office, 58)
    assert office.case.state is State.OPEN
    minutes(office, 4)
    assert (office.case.state, office.access_of(ADA)) == (State.COMPLETED, set())
