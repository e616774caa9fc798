"""What a command would find: answered by its function, before anything is done, and to nobody who waits no more."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from functions.purge_user_tokens.app import look_for_tokens
from functions.revoke_grants.app import look_for_grants
from functions.start_offboarding.app import look_for_steps, understand
from leaver.cases.start import COMMANDS
from leaver.connections.access_tokens import AccessTokens
from leaver.consuming.answers import Answers
from leaver.consuming.consumer import Consumer
from leaver.consuming.previews import Previews
from leaver.errors import ProviderUnavailable
from leaver.messages.commands import PurgeUserTokens, RevokeGrants, RevokeSsoToken, UserTokenType
from leaver.messages.envelope import Payload
from leaver.messages.previews import Preview
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Value
from leaver_cli.stack import function_of
from tests.doubles.answers import InMemoryAnswers
from tests.doubles.clock import NOW, Clock
from tests.doubles.connections_table import InMemoryConnections, connection
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.hr_events import CHOICES
from tests.doubles.lambda_events import record
from tests.doubles.office import ADA, ADA_ID, Office
from tests.doubles.providers import FakeVenafi, proved_search
from tests.doubles.secrets_manager import StrictSecretsManager, secret_store_of
from tests.unit.test_purge_user_tokens import Stage

ID = "0e0b1a52-6d37-4d0b-9c27-9f3d8c1c2f11"
JOHN = {"user_id": "john.doe@example.com"}
ASKED = {"preview": ID, "of": JOHN}
UNIVERSAL = "local:{bdbb525f-2d77-43af-8f1f-39f1ba132825}"


@pytest.fixture
def harness() -> ConsumerHarness:
    return ConsumerHarness()


@pytest.fixture
def answers() -> InMemoryAnswers:
    return InMemoryAnswers()


@pytest.fixture
def operation() -> Operation:
    return Operation(Result(Outcome.REVOKED))


def sso(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers, *, fails: Exception | None = None
) -> Consumer[RevokeSsoToken]:
    def look(command: RevokeSsoToken) -> Mapping[str, Value]:
        if fails is not None:
            raise fails
        return {"user": command.user_id, "over": command.connection or ""}

    previews = Previews(look, cast("Answers", answers))
    return replace(harness.consumer(RevokeSsoToken, operation), previews=previews)


def test_it_is_answered_and_nothing_is_done_kept_or_said(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers
) -> None:
    assert consume(sso(harness, operation, answers), record(ASKED)) == set()
    assert (answers.only.delivery, answers.only.found) == (f"preview#{ID}", {"user": JOHN["user_id"], "over": "zoom"})
    assert answers.only.expires_at == int((NOW + timedelta(hours=1)).timestamp())
    assert operation.commands == []
    assert (harness.receipts.items, harness.bus.put, harness.parked) == ({}, [], [])


def test_the_command_beside_it_in_the_batch_is_carried_out(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers
) -> None:
    assert consume(sso(harness, operation, answers), record(ASKED), record(JOHN)) == set()
    assert [each.user_id for each in operation.commands] == [JOHN["user_id"]]
    assert len(answers.kept) == 1


def test_a_function_that_answers_none_dead_letters_it_and_does_nothing(
    harness: ConsumerHarness, operation: Operation
) -> None:
    assert consume(harness.consumer(RevokeSsoToken, operation), record(ASKED)) == set()
    assert operation.commands == []
    assert "unknown field" in harness.parked_attributes["reason"]


@pytest.mark.parametrize("id_", ["", "message#1", ID + "\n", ID.upper(), 7])
def test_what_is_no_question_is_dead_lettered_and_nothing_is_done(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers, id_: object
) -> None:
    assert consume(sso(harness, operation, answers), record({"preview": id_, "of": JOHN})) == set()
    assert (operation.commands, answers.kept, len(harness.parked)) == ([], {}, 1)


def test_nobody_is_asked_for_who_waits_no_more(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers
) -> None:
    sent_at = NOW - timedelta(minutes=2, seconds=1)
    assert consume(sso(harness, operation, answers), record(ASKED, sent_at=sent_at)) == set()
    assert (answers.kept, harness.parked) == ({}, [])


@pytest.mark.parametrize(
    ("asked", "error", "because"),
    [
        (ASKED, ProviderUnavailable("Zoom does not answer"), "Zoom does not answer"),
        (ASKED, KeyError("a secret of somebody's"), "unexpected KeyError"),
        (ASKED | {"of": {"user_id": "me"}}, None, "user_id: expected an id or an e-mail address; me is whoever"),
    ],
)
def test_why_nothing_can_be_said_is_answered_too(
    harness: ConsumerHarness, asked: dict[str, Any], error: Exception | None, because: str
) -> None:
    answers = InMemoryAnswers()
    assert consume(sso(harness, Operation(None), answers, fails=error), record(asked)) == set()
    assert (answers.only.because or "").startswith(because)
    assert answers.only.found == {}


def test_what_could_not_be_written_comes_back(
    harness: ConsumerHarness, operation: Operation, answers: InMemoryAnswers
) -> None:
    answers.fails = True
    assert consume(sso(harness, operation, answers), record(ASKED, message_id="m-1")) == {"m-1"}


# --- what each function finds


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        ("john.doe@example.com", {"prefixed_universal": UNIVERSAL, "count": 3}),
        ("jane@example.com", {"nobody": True}),
    ],
)
def test_grants_are_counted_and_none_is_revoked(identity: str, found: dict[str, Value]) -> None:
    venafi = FakeVenafi(grants={UNIVERSAL: 3}, people={"john.doe@example.com": [UNIVERSAL]})
    connections = InMemoryConnections(connection("venafi", provider="venafi"))
    tokens = AccessTokens(connections, secret_store_of(StrictSecretsManager(), "venafi"), Clock(), "venafi")
    told = look_for_grants(
        RevokeGrants(identity=identity, connection="venafi"),
        venafi=venafi,
        tokens=tokens,
        search=proved_search(venafi, Clock()),
    )
    assert found.items() <= told.items()
    assert venafi.grants == {UNIVERSAL: 3}
    assert "revoke_grants" not in venafi.asked


@pytest.mark.parametrize("is_whole", [True, False])
def test_kept_tokens_are_counted_and_none_is_destroyed(*, is_whole: bool) -> None:
    stage = Stage()
    kinds: tuple[UserTokenType, ...] = ("zak", "token")
    for kind in kinds:
        stage.keep(kind, hours=1)
    stage.keep("zak", hours=1, user="another-id", names=("jane@example.com",))
    lying = stage.lying
    if is_whole:
        stage.kept.prove_index(lambda: True)
    tokens = AccessTokens(stage.connections, stage.secret_store, stage.clock, "zoom")
    command = PurgeUserTokens(user_id="john.doe@example.com", connection="zoom")
    told = look_for_tokens(command, zoom=stage.zoom, tokens=tokens, kept=stage.kept)
    assert told == {"count": len(kinds)}
    assert stage.lying == lying


def look(office: Office, **told: Any) -> dict[str, Value]:
    payload = Payload(
        "m-1", None, {"decision": "offboard", "who": ADA} | told, sent_at=None, heard_at=office.clock(), sender="AIDA"
    )
    return look_for_steps(understand(payload, choices=CHOICES), intake=office.intake)


def test_the_steps_are_those_that_the_case_then_has() -> None:
    office = Office()
    office.connects("her-own", ADA)
    cases, people = dict(office.cases.items.kept), dict(office.people.items.kept)
    told = cast("list[dict[str, Any]]", look(office)["steps"])
    assert (office.cases.items.kept, office.people.items.kept, office.bus.put) == (cases, people, [])
    office.queue("StartOffboarding", {"decision": "offboard", "who": ADA})
    office.works()
    assert [(each["name"], each["identity"]) for each in told] == [
        (step.name, step.identity) for step in office.case.steps
    ]
    assert ADA_ID in {each["identity"] for each in told}
    assert {each["command"]: each["counts"] for each in told if each["counts"]} == {
        "RevokeGrants": "grant",
        "PurgeUserTokens": "kept token",
    }


def test_the_case_that_is_under_way_is_told_and_of_who_left_that_it_is_once_more() -> None:
    office = Office()
    office.queue("StartOffboarding", {"decision": "offboard", "who": ADA})
    office.deliver(office.queued[0])
    case_id = office.case.case_id
    assert look(office)["cases"] == [{"case": case_id, "kind": "departure", "state": "open"}]
    office.works()
    office.clock.passes(minutes=1)
    told = look(office)
    assert (told["cases"], told["follows"]) == ([], case_id)


def test_of_who_leaves_once_more_the_steps_are_those_of_the_repeat() -> None:
    office = Office()
    office.queue("StartOffboarding", {"decision": "offboard", "who": ADA})
    office.works()
    office.clock.passes(minutes=90)
    told = cast("list[dict[str, Any]]", look(office)["steps"])
    office.queue("StartOffboarding", {"decision": "offboard", "who": ADA})
    office.works()
    again = office.cases.every[-1]
    assert again.follows
    assert [(each["name"], each["identity"]) for each in told] == [(step.name, step.identity) for step in again.steps]


def test_a_case_is_not_looked_at_by_another_decision() -> None:
    office = Office()
    with pytest.raises(Exception, match="expected a decision to offboard"):
        look(office, who=None, decision="release", case="c-1")


def test_what_a_question_is_found_by_is_its_own_place() -> None:
    assert Preview(preview=ID, of={}).place == f"preview#{ID}"


def test_whose_command_counts_something_is_asked_by_its_functions_name_whichever_provider_it_is_of() -> None:
    assert {name: function_of(name) for name, command in COMMANDS.items() if command.counts} == {
        "RevokeGrants": "revoke_grants",
        "PurgeUserTokens": "purge_user_tokens",
    }
