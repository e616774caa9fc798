"""`leaver case` and `leaver release` against a stack on moto."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import Result as Run

from functions.start_offboarding.app import Decision
from leaver.cases.heard import Fate, HeardEvents, heard
from leaver.cases.people import People
from leaver.cases.receipts import Receipt, Receipts
from leaver.cases.record import REPLACE, Case, Said, Seen, Step, new_case
from leaver.cases.returns import LATER
from leaver.cases.seal import head_of
from leaver.cases.start import COMMANDS
from leaver.cases.states import CaseEvent, State
from leaver.cases.table import Cases
from leaver.errors import ProviderResponse
from leaver.messages.commands import parse
from leaver.outcomes import Outcome, Result
from leaver.storage.tables import Value, item, values
from leaver_cli.cases.release import STOPPED
from leaver_cli.parked.dead_letters import DeadLetterQueue
from tests.doubles.cases_table import without_step
from tests.integration.dynamodb import dynamodb, make_tables
from tests.integration.parked_stack import REGION, World, leaver, world_on_moto

BEGAN = datetime.now(tz=UTC).replace(microsecond=0) - timedelta(minutes=5)
SSO = Step(
    command="RevokeSsoToken",
    at="zoom/acme",
    identity="ada@example.com",
    found_by="account",
    detail={"user_id": "ada@example.com"},
)
GRANTS = Step(
    command="RevokeGrants",
    at="venafi/acme",
    identity="ada@example.com",
    found_by="address",
    detail={"identity": "ada@example.com"},
)
OWNED = Step(command=REPLACE, at="zoom", identity="ada@example.com", detail={"owner": "ada@example.com"})


@dataclass
class Stack:
    """What the command line finds: queues, tables, and what CloudFormation says of them."""

    world: World
    dynamodb: Any
    cases: Cases

    def has(self, case_id: str, *steps: Step, state: State = State.OPEN, minutes: int = 15, **told: Any) -> Case:
        usual: dict[str, Any] = {
            "email": "ada@example.com",
            "event_id": f"event-{case_id}",
            "source": "okta",
            "urgency": "routine",
            "requested_at": BEGAN,
            "effective_at": BEGAN,
        }
        case = new_case(case_id, steps, ["ada@example.com"], **usual | told).with_look_at(BEGAN)
        if state is State.OPEN:
            case = case.after_start(BEGAN, deadline=timedelta(minutes=minutes))
        if state is State.HELD:
            case = case.model_copy(update={"state": state, "watch": "held"})
        assert self.cases.add(case)
        return case

    def receives(self, case_id: str, step: Step, *, seconds: int = 7, result: Result | None = None) -> Receipt:
        open_receipt = Receipt(
            case_id=case_id,
            entry=step.name,
            command=step.command,
            system="zoom",
            subject="ada@example.com",
            account=step.account,
            connection=step.at if step.account is None else "zoom",
            requested_at=BEGAN,
            first_attempt_at=BEGAN,
        )
        result = result or Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0;rid=WEB_1"))
        closed = open_receipt.closed(result, now=BEGAN + timedelta(seconds=seconds))
        return Receipts(self.dynamodb, table="Cases").finish(closed)

    def seals(self, case_id: str = "c-1", *residual: Mapping[str, str]) -> str:
        """Have a completed case of two steps; returns its head."""
        case = self.has(case_id, SSO, GRANTS)
        for step in (SSO, GRANTS):
            self.receives(case_id, step)
        stored = self.cases.read_stored(case_id)
        done = without_step(without_step(case, SSO.name), GRANTS.name).after_seal(
            stored, residual, BEGAN + timedelta(seconds=7)
        )
        self.cases.change(case, lambda _: done)
        assert done.head
        return done.head

    def alters(self, partition: str, entry: str, **to: Value) -> None:
        """Change an item as somebody could who may write the table."""
        self.dynamodb.update_item(
            TableName="Cases",
            Key=item({"partition": partition, "entry": entry}),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in to),
            ExpressionAttributeNames={f"#{name}": name for name in to},
            ExpressionAttributeValues=item({f":{name}": value for name, value in to.items()}),
        )

    def decided(self) -> list[dict[str, str]]:
        return [json.loads(body) for body in self.world.bodies("leaver-start-offboarding")]

    def reads_of_it(self, fate: Fate) -> None:
        """start_offboarding hears what lies in its queue, and leaves it there for the test to see."""
        events, queue = HeardEvents(self.dynamodb, table="Cases"), self.world.url("leaver-start-offboarding")
        got = self.world.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        for message in got.get("Messages", []):
            item = heard(message["MessageId"], datetime.now(tz=UTC), source="operator", event_id=None)
            events.put_once(item.closed(fate))


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    with world_on_moto(monkeypatch) as world:
        tables = dynamodb()
        make_tables(tables)
        described = {
            "Resources": {},
            "Outputs": {
                "ConnectionsTable": {"Value": "Connections"},
                "CasesTable": {"Value": "Cases"},
                "DeliveriesTable": {"Value": "Deliveries"},
                "KeyArn": {"Value": "arn:aws:kms:eu-central-1:123456789012:key/1"},
                "SecretPrefix": {"Value": "leaver"},
            },
        }
        boto3.client("cloudformation", region_name=REGION).create_stack(
            StackName="leaver", TemplateBody=json.dumps(described)
        )
        yield Stack(world, tables, Cases(tables, table="Cases"))


def run(*arguments: str) -> Run:
    return leaver(*arguments, mix_stderr=False)


def rows(result: Run) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_lists_what_is_not_done_with_what_a_person_does_about_each(stack: Stack) -> None:
    stack.has("open", SSO, minutes=600)
    stack.has("late", SSO, minutes=1)
    stack.has("owned", SSO, OWNED, minutes=600)
    stack.has("held", SSO, state=State.HELD)
    stack.has("later", SSO, state=State.SCHEDULED)
    stack.seals("done")
    result = run("cases")
    assert result.exit_code == 1
    assert {row[0]: (row[2], row[-1]) for row in rows(result)} == {
        "open": ("open", ""),
        "late": ("OVERDUE", f"{SSO.name}: it is tried again by itself, and is late: `leaver log late` says why"),
        "owned": (
            "open",
            f"{OWNED.name}: Leaver works through zoom: `leaver connect PROVIDER zoom` with another owner",
        ),
        "held": ("held", "`leaver release held`, with --discard to throw it away"),
        "later": ("scheduled", ""),
    }
    assert result.stderr == "3 open (1 overdue), 1 held, 1 scheduled; 3 of them need a person\n"


def test_a_step_that_failed_is_in_the_list_at_once(stack: Stack) -> None:
    stack.has("c-1", SSO, GRANTS, minutes=600)
    stack.receives("c-1", SSO, result=Result(Outcome.FAILED))
    result = run("cases")
    assert result.exit_code == 1
    assert rows(result)[0][-1] == f"{SSO.name}: mend what its reason says, then `leaver retry c-1`"


def test_lists_what_is_asked_for(stack: Stack) -> None:
    stack.has("open", SSO, minutes=600)
    stack.has("late", SSO, minutes=1)
    stack.has("held", SSO, state=State.HELD)
    stack.has("later", SSO, state=State.SCHEDULED)
    stack.has("ben", SSO, minutes=600, email="ben@example.com", source="hibob/main")
    stack.seals("done")

    def listed(*options: str) -> set[str]:
        return {row[0] for row in rows(run("cases", *options))}

    assert listed("--stack", "leaver") == listed() == {"open", "late", "held", "later", "ben"}
    assert listed("--open") == {"open", "late", "ben"}
    assert listed("--overdue") == {"late"}
    assert listed("--held", "--scheduled") == {"held", "later"}
    assert listed("--done") == {"done"}
    assert listed("--source", "hibob/main") == {"ben"}
    assert listed("--person", "ADA@example.com") == {"open", "late", "held", "later", "done", "ben"}
    assert listed("--since", "2031-01-01") == set()
    assert listed("--done", "--since", f"{BEGAN:%Y-%m-%d}") == {"done"}


def test_lists_as_json_for_programs(stack: Stack) -> None:
    stack.has("late", SSO, minutes=1)
    (told,) = json.loads(run("cases", "--json").stdout)["cases"]
    assert (told["case"], told["who"], told["state"], told["overdue"], told["needs_a_person"]) == (
        *("late", "ada@example.com", "open", True, True),
    )
    assert told["outstanding"] == [SSO.name]


@pytest.mark.usefixtures("stack")
def test_nothing_to_list_is_well() -> None:
    result = run("cases")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "0 open (0 overdue), 0 held, 0 scheduled; none of them need a person\n"


def test_a_case_that_nobody_can_read_is_listed_with_why(stack: Stack) -> None:
    stack.has("c-1", SSO, minutes=600)
    stack.alters("case#c-1", "case", email=["not", "text"])
    result = run("cases")
    assert result.exit_code == 1
    assert "email" in rows(result)[0][-1]


def test_shows_one_with_what_came_of_each_step(stack: Stack) -> None:
    stack.has("c-1", SSO, GRANTS, OWNED)
    stack.receives("c-1", SSO)
    result = run("case", "c-1")
    assert result.exit_code == 1, "a person has to connect"
    assert [row[:3] + row[4:5] for row in rows(result)] == [
        ["RevokeSsoToken#zoom/acme", "revoked, outstanding", "HTTP 204, tracking id v=2.0;rid=WEB_1", "7"],
        ["RevokeGrants#venafi/acme", "outstanding", "nothing heard of it yet", ""],
        ["ReplaceServiceConnection#zoom", "outstanding", "a person: leaver connect", ""],
    ]
    assert "what to do: ReplaceServiceConnection#zoom: Leaver works through zoom" in result.stderr
    assert "not sealed: only a completed case is" in result.stderr


@pytest.mark.parametrize(
    ("outcome", "to_do"),
    [
        (Outcome.USER_NOT_FOUND, "nobody of that name is known there: look by hand, then `leaver close c-1"),
        (Outcome.NOT_SEARCHABLE, "nobody can tell whether it is theirs"),
        (Outcome.FAILED, "mend what its reason says, then `leaver retry c-1`"),
    ],
)
def test_says_what_a_person_does_about_a_step_that_failed(stack: Stack, outcome: Outcome, to_do: str) -> None:
    stack.has("c-1", SSO, minutes=600)
    stack.receives("c-1", SSO, result=Result(outcome))
    result = run("case", "c-1")
    assert result.exit_code == 1
    assert f"what to do: {SSO.name}: {to_do}" in result.stderr


def test_a_case_that_goes_on_by_itself_needs_nobody(stack: Stack) -> None:
    stack.has("c-1", SSO, minutes=600)
    result = run("case", "c-1")
    assert result.exit_code == 0
    assert "what to do" not in result.stderr


def test_shows_why_a_search_that_found_nobody_ends_nothing(stack: Stack) -> None:
    stack.has("c-1", GRANTS)
    because = {"because": "VenafiKnownAddress is empty"}
    stack.receives("c-1", GRANTS, result=Result(Outcome.NOT_SEARCHABLE, details=because))
    shown = " ".join(leaver("case", "c-1").output.split())
    assert "not_searchable, outstanding" in shown
    assert "VenafiKnownAddress is empty" in shown


def test_what_is_left_of_a_case_is_not_taken_for_markup_or_terminal_control(stack: Stack) -> None:
    stack.seals("c-1", {"what": "[/nonsense]\x9b2J", "system": "zoom"})
    result = leaver("case", "c-1")
    assert result.exit_code == 0
    assert "[/nonsense]" in result.output
    assert "\x9b" not in result.output


def test_what_is_left_of_a_case_is_said_in_a_sentence_each(stack: Stack) -> None:
    closed = {
        "what": "a step that a person closed",
        "step": SSO.name,
        "system": "zoom",
        "who": "AIDA",
        "because": "gone",
    }
    stack.seals("c-1", {"what": "user tokens that were handed out", "system": "zoom", "until": "noon"}, closed)
    shown = leaver("case", "c-1").output.splitlines()
    assert "left over: zoom: user tokens that were handed out, until noon" in shown
    assert f"left over: {SSO.name}: a step that a person closed, because gone" in shown


def test_a_seal_holds_and_can_be_compared_with_what_was_announced(stack: Stack) -> None:
    head = stack.seals()
    alone, compared = leaver("case", "c-1"), leaver("case", "c-1", "--head", head.upper())
    assert (alone.exit_code, compared.exit_code) == (0, 0)
    assert "the seal holds" in alone.output
    assert "as it was announced" in compared.output
    assert "done 7 seconds after it was to take effect, and nothing is left over" in alone.output


def test_a_changed_receipt_breaks_the_seal(stack: Stack) -> None:
    stack.seals()
    stack.alters("receipts#c-1", SSO.name, tracking_id="v=2.0;rid=WEB_2")
    result = leaver("case", "c-1")
    assert result.exit_code == 1
    assert "THE SEAL DOES NOT HOLD: the case and the receipts come to" in result.output


def _told(step: Step) -> dict[str, Any]:
    return step.model_dump(exclude_none=True)


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("email", "ben@example.com"),
        ("names", ["ben@example.com"]),
        ("event_id", "another"),
        ("steps", [_told(SSO), {**_told(GRANTS), "detail": {"identity": "ben@example.com"}}]),
        ("requested_at", "2026-01-01T00:00:00Z"),
        ("finished_at", "2031-01-01T00:00:00Z"),
        ("residual", [{"what": "nothing", "until": "now"}]),
    ],
)
def test_a_rewritten_case_breaks_the_seal(stack: Stack, field: str, to: Value) -> None:
    announced = stack.seals()
    stack.alters("case#c-1", "case", **{field: to})
    for arguments in ((), ("--head", announced)):
        result = leaver("case", "c-1", *arguments)
        assert result.exit_code == 1
        assert "THE SEAL DOES NOT HOLD" in result.output


def test_a_seal_of_a_later_version_is_not_said_to_hold(stack: Stack) -> None:
    stack.seals()
    stack.alters("case#c-1", "case", seal_version=99)
    result = leaver("case", "c-1")
    assert result.exit_code == 1
    assert "THE SEAL DOES NOT HOLD: it is of version 99, which this leaver does not know" in result.output


def test_a_receipt_written_later_or_taken_away_is_named(stack: Stack) -> None:
    stack.seals()
    stack.alters("receipts#c-1", SSO.name, finished_at="2031-01-01T00:00:00Z")
    stack.dynamodb.delete_item(TableName="Cases", Key=item({"partition": "receipts#c-1", "entry": GRANTS.name}))
    result = leaver("case", "c-1")
    assert result.exit_code == 1
    assert "the receipt of RevokeSsoToken#zoom/acme was written after the seal" in result.output
    assert "the receipt of RevokeGrants#venafi/acme is missing" in result.output


def test_a_receipt_too_many_is_named_and_breaks_no_seal(stack: Stack) -> None:
    announced = stack.seals()
    stack.receives("c-1", OWNED)
    result = leaver("case", "c-1", "--head", announced)
    assert result.exit_code == 0
    assert f"{OWNED.name} says revoked of ada@example.com; it belongs to no step" in result.output
    assert "the seal holds" in result.output


def test_a_receipt_of_somebody_else_under_a_steps_key_is_not_that_steps(stack: Stack) -> None:
    stack.seals()
    stack.alters("receipts#c-1", SSO.name, subject="ben@example.com")
    result = leaver("case", "c-1")
    assert result.exit_code == 1
    assert "the receipt of RevokeSsoToken#zoom/acme is missing" in result.output
    assert f"{SSO.name} says revoked of ben@example.com; it belongs to no step" in result.output


def test_who_changes_the_receipts_and_the_case_is_found_out_by_the_announced_head(stack: Stack) -> None:
    announced = stack.seals()
    stack.alters("receipts#c-1", SSO.name, tracking_id="v=2.0;rid=WEB_2")
    kept = stack.cases.read_stored("c-1")
    stack.alters("case#c-1", "case", head=head_of(kept["case"], kept))
    assert leaver("case", "c-1").exit_code == 0
    result = leaver("case", "c-1", "--head", announced)
    assert result.exit_code == 1
    assert f"and {announced} was announced" in result.output


def test_what_is_not_sealed_can_not_be_as_announced(stack: Stack) -> None:
    stack.has("c-1", SSO)
    assert leaver("case", "c-1", "--head", "0" * 64).exit_code == 1


@pytest.mark.parametrize("command", ["case", "release"])
def test_a_case_that_is_not_there_is_told_in_a_sentence(stack: Stack, command: str) -> None:
    result = leaver(command, "c-9")
    assert (result.exit_code, result.output.strip()) == (
        1,
        "Error: there is no case c-9, and nobody of that name has one",
    )
    assert stack.decided() == []


def test_control_characters_of_an_event_do_not_reach_the_terminal(stack: Stack) -> None:
    stack.has("c-1", SSO, event_id="\x1b[2Jgone")
    assert "\x1b" not in leaver("case", "c-1").output


# --- leaver release


def test_release_alone_shows_what_is_held_and_decides_nothing(stack: Stack) -> None:
    stack.has("h-1", SSO, state=State.HELD)
    stack.has("c-1", SSO)
    result = leaver("release")
    assert result.exit_code == 1
    assert "ada@example.com\tokta\t" in result.output
    assert f"1 of okta in the hour from {BEGAN:%Y-%m-%d %H}:00:00Z" in result.output
    assert "h-1" in result.output
    assert "c-1" not in result.output
    assert stack.decided() == []


def test_release_asks_and_sends_one_decision(stack: Stack) -> None:
    for case_id in ("h-1", "h-2"):
        stack.has(case_id, SSO, state=State.HELD)
    refused = leaver("release", "h-1", answer="n\n")
    assert (refused.exit_code, stack.decided()) == (1, [])
    assert leaver("release", "h-1", answer="y\n").exit_code == 0
    assert stack.decided() == [{"case": "h-1", "decision": "release"}]


@pytest.mark.parametrize(("option", "decision"), [([], "release"), (["--discard"], "discard")])
def test_all_are_released_or_discarded(stack: Stack, option: list[str], decision: str) -> None:
    for case_id in ("h-1", "h-2"):
        stack.has(case_id, SSO, state=State.HELD)
    result = leaver("release", "--all", *option, answer="y\n")
    assert result.exit_code == 0
    told = sorted(stack.decided(), key=lambda each: each["case"])
    assert told == [{"case": case_id, "decision": decision} for case_id in ("h-1", "h-2")]


def test_more_than_a_queue_takes_at_once_are_all_released(stack: Stack) -> None:
    names = sorted(f"h-{number}" for number in range(23))
    for case_id in names:
        stack.has(case_id, SSO, state=State.HELD)
    assert leaver("release", "--all", "--yes").exit_code == 0
    assert sorted(each["case"] for each in stack.decided()) == names


def test_what_the_queue_refuses_of_many_decisions_is_said(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.has("h-1", SSO, state=State.HELD)
    call = vars(BaseClient)["_make_api_call"]

    def refuses(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        failed = [{"Id": "0", "Code": "InternalError", "SenderFault": False}]
        return {"Failed": failed} if operation == "SendMessageBatch" else call(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuses)
    result = leaver("release", "--all", "--yes")
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "refused 1 of 1 decisions (InternalError): the same command decides the rest" in told


def test_a_held_case_that_can_not_be_read_stays_held_and_keeps_no_other(stack: Stack) -> None:
    for case_id in ("h-1", "h-2"):
        stack.has(case_id, SSO, state=State.HELD)
    stack.alters("case#h-1", "case", kind="no kind")
    result = leaver("release", "--all", "--yes")
    assert "h-1 can not be read, and stays held" in " ".join(result.output.split())
    assert stack.decided() == [{"case": "h-2", "decision": "release"}]


def test_discarding_says_that_access_stays(stack: Stack) -> None:
    stack.has("h-1", SSO, state=State.HELD)
    assert "Their access STAYS" in leaver("release", "h-1", "--discard", answer="n\n").output
    assert stack.decided() == []
    assert leaver("release", "h-1", "--discard", answer="y\n").exit_code == 0
    assert stack.decided() == [{"case": "h-1", "decision": "discard"}]


def test_what_is_not_held_is_not_released(stack: Stack) -> None:
    stack.has("c-1", SSO)
    result = leaver("release", "c-1", "--yes")
    assert (result.exit_code, stack.decided()) == (1, [])
    assert "c-1 is not held: it is open" in result.output
    assert leaver("release", "--all").output.strip() == "no case is held"


def test_it_says_what_sends_back_the_commands_that_the_ceiling_dead_lettered(stack: Stack) -> None:
    for message_id, error in (("m-1", "AboveCeiling"), ("m-2", "Rejected"), ("m-3", "AboveCeiling")):
        stack.world.park(message_id=message_id, error=error)
    stack.world.park('{"identity": "ada@example.com"}', function="revoke-grants", error="Rejected")
    # The tests' terminal folds lines.
    said = " ".join(leaver("release").output.split())
    assert "2 of revoke_sso_token dead-lettered above the ceiling" in said
    assert "revoke_grants" not in said
    assert "no case is held" in said
    [redrive] = re.findall(r"`leaver (redrive [^`]+)`", said)
    assert leaver(*redrive.split(), "--yes").exit_code == 0
    assert "above the ceiling" not in leaver("release").output


def test_it_looks_where_the_ceiling_stops_commands() -> None:
    assert {camel(each) for each in STOPPED} == COMMANDS.keys()


def camel(function: str) -> str:
    return function.title().replace("_", "")


def test_who_may_not_look_there_releases_all_the_same(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: object) -> int:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetQueueAttributes")

    monkeypatch.setattr(DeadLetterQueue, "count", denied)
    stack.has("h-1", SSO, state=State.HELD)
    result = leaver("release", "--all", "--yes")
    assert result.exit_code == 0
    assert "what the ceiling dead-lettered can't be seen here: AccessDenied" in result.output
    assert stack.decided() == [{"case": "h-1", "decision": "release"}]


def test_what_is_sent_is_what_start_offboarding_reads(stack: Stack) -> None:
    stack.has("h-1", SSO, state=State.HELD)
    leaver("release", "h-1", "--yes")
    [told] = stack.decided()
    assert parse(Decision, told | {"who": "AIDA"}, direct=True).decision == "release"


# --- leaver close


BECAUSE = "IT deleted the account by hand"


def test_closing_shows_the_case_asks_and_sends_one_decision(stack: Stack) -> None:
    stack.has("c-1", SSO, GRANTS)
    stack.receives("c-1", SSO, result=Result(Outcome.USER_NOT_FOUND))
    refused = leaver("close", "c-1", SSO.name, "--because", BECAUSE, answer="n\n")
    assert (refused.exit_code, stack.decided()) == (1, [])
    assert "user_not_found, outstanding" in " ".join(refused.output.split())
    assert leaver("close", "c-1", SSO.name, "--because", BECAUSE, answer="y\n").exit_code == 0
    [told] = stack.decided()
    assert told == {"case": "c-1", "decision": "close", "step": SSO.name, "because": BECAUSE}
    assert parse(Decision, told | {"who": "AIDA"}, direct=True).step == SSO.name


@pytest.mark.parametrize("step", ["RevokeSsoToken#twin", SSO.name])
def test_what_is_no_outstanding_step_of_an_open_case_is_not_closed(stack: Stack, step: str) -> None:
    stack.has("c-1", GRANTS)
    stack.seals("c-2")
    for case_id in ("c-1", "c-2"):
        result = leaver("close", case_id, step, "--because", BECAUSE, "--yes")
        assert (result.exit_code, stack.decided()) == (1, [])
        assert f"{step} is no outstanding step of an open case" in " ".join(result.output.split())
    assert leaver("close", "c-3", step, "--because", BECAUSE, "--yes").exit_code == 1


def test_whose_word_closed_a_step_is_shown(stack: Stack) -> None:
    stack.has("c-1", SSO)
    before = stack.receives("c-1", SSO, result=Result(Outcome.USER_NOT_FOUND))
    receipts = Receipts(stack.dynamodb, table="Cases")
    assert receipts.close(before, before.closed_by("AIDA", BECAUSE, now=BEGAN))
    shown = " ".join(leaver("case", "c-1").output.split())
    assert "closed by the word of AIDA; the last word before that was user_not_found" in shown
    assert BECAUSE in shown


def test_the_kind_of_a_case_is_shown(stack: Stack) -> None:
    stack.has("c-1", SSO, request={"kind": "contain"})
    stack.has("c-2", SSO)
    assert "contain, routine" in " ".join(leaver("case", "c-1").output.split())
    assert "departure, routine" in " ".join(leaver("case", "c-2").output.split())


# --- leaver offboard and leaver contain, leaver cancel and leaver reinstate


def test_a_program_gets_every_bad_line_of_a_list_in_one_object(stack: Stack, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("who,because\nada@example.com,\nno\x9bbody,\nben@example.com,x,y\n")
    stopped = run("offboard", "--from", str(people), "--json")
    assert (stopped.exit_code, stopped.stderr, stack.decided()) == (2, "", [])
    told = json.loads(stopped.stdout)
    assert told["error"] == f"{people}: nobody is decided on before every line is right"
    assert [each.partition(":")[0] for each in told["faults"]] == ["line 3", "line 4"]
    assert "\x9b" not in "".join(told["faults"])


@pytest.fixture
def heard_at_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[Fate]:
    """What start_offboarding makes of a decision, while the command line waits for it."""
    fates = [Fate("changed")]
    monkeypatch.setattr("leaver_cli.fates.time.sleep", lambda _: stack.reads_of_it(fates[-1]))
    return fates


def test_who_says_yes_has_decided_and_is_told_the_case(
    stack: Stack, heard_at_once: list[Fate], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.seals("c-1")
    heard_at_once.append(Fate("opened", "c-1"))
    # Nobody is there to say what would end.
    monkeypatch.setattr("leaver_cli.asking.PATIENCE", timedelta(0))
    for command in ("offboard", "contain"):
        refused = leaver(command, "ada@example.com", answer="n\n")
        assert (refused.exit_code, stack.decided()) == (1, [])
        begun = leaver(command, "ada@example.com", answer="y\n", mix_stderr=False)
        assert "ada@example.com" in begun.stderr.splitlines()[-1]
        # The answer stands before them: the runner shows what was typed.
        assert rows(begun)[1:3] == [["case", "c-1"], ["who", "ada@example.com"]]
        followed = leaver(command, "ada@example.com", "--wait", answer="y\n", mix_stderr=False)
        assert rows(followed)[-1][1:3] == ["case", "completed"]
        assert begun.exit_code == followed.exit_code == 0
        assert [(each["decision"], each["who"]) for each in stack.decided()] == [(command, "ada@example.com")] * 2


@pytest.mark.usefixtures("heard_at_once")
def test_a_person_says_that_somebody_is_back_by_the_case_or_by_a_name(stack: Stack) -> None:
    stack.has("c-1", SSO)
    People(stack.dynamodb, table="Cases").change("ada@example.com", lambda found: found.with_case("c-1", None))
    refused = leaver("reinstate", "c-1", answer="n\n")
    assert "this person stays?" in refused.output
    assert (refused.exit_code, stack.decided()) == (1, [])
    for who in ("c-1", "Ada@Example.com"):
        result = leaver("reinstate", who, answer="y\n")
        assert result.exit_code == 0
        assert "case\tc-1" in result.output
        assert "fate\tada@example.com stays" in result.output
    told, _ = stack.decided()
    assert told == {"case": "c-1", "decision": "reinstate"}
    assert parse(Decision, told | {"who": "AIDA"}, direct=True).decision == "reinstate"


@pytest.mark.usefixtures("heard_at_once")
def test_what_was_ended_and_cannot_be_given_back_is_told_by_name(stack: Stack) -> None:
    block = Step(command="DeactivateUser", at="zoom/acme", identity="ada@example.com")
    purge = Step(command="PurgeUserTokens", at="zoom/acme", identity="ada@example.com")
    stack.has("c-1", SSO, GRANTS, block, purge)
    stack.receives("c-1", SSO)
    stack.receives("c-1", GRANTS, result=Result(Outcome.USER_NOT_FOUND))
    stack.receives("c-1", block, result=Result(Outcome.DEACTIVATED))
    stack.receives("c-1", purge, result=Result(Outcome.PURGED, details={"destroyed": 0}))
    stack.has("c-1.sweep", GRANTS, sweep_of="c-1")
    stack.receives("c-1.sweep", GRANTS)
    lines = leaver("reinstate", "c-1", "--yes").output.splitlines()
    assert [line.split("\t")[1:] for line in lines if "ended\t" in line] == [
        ["RevokeSsoToken#zoom/acme", "ada@example.com", "revoked, can not be given back"],
        ["DeactivateUser#zoom/acme", "ada@example.com", "deactivated, activate it at the provider"],
        ["RevokeGrants#venafi/acme", "ada@example.com", "revoked, can not be given back"],
    ]
    told = json.loads(leaver("reinstate", "c-1", "--yes", "--json").output)
    assert (told["case"], told["fate"], told["state"]) == ("c-1", "changed", "open")
    assert [(each["case"], each["outcome"]) for each in told["taken"]] == [
        ("c-1", "revoked"),
        ("c-1", "deactivated"),
        ("c-1.sweep", "revoked"),
    ]


@pytest.mark.parametrize("command", ["cancel", "reinstate"])
def test_where_nothing_matches_nothing_is_decided(stack: Stack, command: str) -> None:
    result = leaver(command, "adda@example.com", "--yes")
    said = "Error: there is no case adda@example.com, and nobody of that name has one"
    assert (result.exit_code, result.output.strip(), stack.decided()) == (1, said, [])


def test_what_is_refused_is_told_with_its_reason(stack: Stack, heard_at_once: list[Fate]) -> None:
    stack.has("c-1", SSO)
    heard_at_once.append(Fate("refused", "c-1", LATER))
    result = leaver("reinstate", "c-1", "--yes")
    assert result.exit_code == 1
    assert f"because\t{LATER}" in result.output


@pytest.mark.usefixtures("heard_at_once")
def test_what_has_begun_is_not_cancelled(stack: Stack) -> None:
    stack.has("c-1", SSO)
    stack.has("h-1", SSO, state=State.HELD)
    result = leaver("cancel", "c-1", "--yes")
    assert (result.exit_code, stack.decided()) == (1, [])
    assert "c-1 is open: leaver reinstate gives back what it took" in result.output
    assert leaver("cancel", "h-1", "--yes").exit_code == 0


@pytest.mark.usefixtures("heard_at_once")
def test_of_somebody_who_stays_what_waits_is_cancelled_and_what_has_begun_goes_on(stack: Stack) -> None:
    stack.has("k-1", SSO, request={"kind": "contain"}, state=State.HELD)
    stack.has("k-2", SSO, request={"kind": "contain"})
    for command in ("cancel", "reinstate"):
        result = leaver(command, "k-2", "--yes")
        assert (result.exit_code, stack.decided()) == (1, [])
        assert "the person stays already" in " ".join(result.output.split())
    assert leaver("cancel", "k-1", "--yes").exit_code == 0
    assert stack.decided() == [{"case": "k-1", "decision": "cancel"}]


def test_a_name_of_somebody_who_stays_is_answered_with_their_case(stack: Stack) -> None:
    stack.has("k-1", SSO, request={"kind": "contain"})
    People(stack.dynamodb, table="Cases").change(
        "ada@example.com", lambda found: found.with_containment("contain", "k-1")
    )
    for command in ("cancel", "reinstate"):
        result = leaver(command, "ada@example.com", "--yes")
        assert result.exit_code == 1
        assert "k-1 is open: the person stays already" in " ".join(result.output.split())


@pytest.mark.usefixtures("heard_at_once")
def test_by_a_name_the_one_case_is_cancelled_that_has_not_begun(stack: Stack) -> None:
    stack.has("c-1", SSO)
    stack.has("k-1", SSO, request={"kind": "contain"}, state=State.HELD)
    people = People(stack.dynamodb, table="Cases")
    people.change("ada@example.com", lambda found: found.with_case("c-1", None).with_containment("contain", "k-1"))
    assert leaver("cancel", "ada@example.com", "--yes").exit_code == 0
    assert stack.decided() == [{"case": "k-1", "decision": "cancel"}]

    stack.has("c-2", SSO, state=State.HELD)
    people.change("ada@example.com", lambda found: found.with_case("c-2", None))
    result = leaver("cancel", "ada@example.com", "--yes")
    assert (result.exit_code, stack.decided()) == (1, [])
    assert "say which: c-2 (departure, held), k-1 (contain, held)" in result.output


def test_a_case_shows_who_said_so_and_a_return_that_waits(stack: Stack) -> None:
    said = Said(source="hibob", event_id="1", kind="immediate", at=BEGAN, effective_at=BEGAN)
    held = said.model_copy(update={"source": "okta", "kind": "reinstated"})
    stack.has("c-1", SSO, said=(said,), return_held=held, because="somebody new", follows="c-0")
    shown = " ".join(leaver("case", "c-1").output.split())
    assert "hibob said immediate" in shown
    assert "RETURN HELD: okta said reinstated" in shown
    assert "a person has to look: somebody new" in shown
    assert "once more after case c-0" in shown


def test_a_case_shows_what_a_provider_told_of_the_account_afterwards(stack: Stack) -> None:
    told = Seen(event_id="1", name="user.deactivated", user_id="z8", actor="admin@example.com", at=BEGAN)
    lives = told.model_copy(update={"name": "user.signed_in", "actor": None, "follows": "it is swept"})
    stack.has("c-1", SSO, seen=(told, lives))
    shown = " ".join(leaver("case", "c-1").output.split())
    assert "user.deactivated of z8 by admin@example.com at " in shown
    assert "user.signed_in of z8 at " in shown
    assert ": it is swept" in shown


# --- what was heard


def test_an_event_without_a_fate_is_shown_on_its_day_and_one_with_a_fate_is_not(stack: Stack) -> None:
    events = HeardEvents(stack.dynamodb, table="Cases")
    first = heard("m-1", BEGAN, source="okta", event_id="o-1")
    second = heard("m-2", BEGAN + timedelta(seconds=1), source=None, event_id=None)
    for each in (first, second, first.closed(Fate("opened", "c-1"))):
        events.put_once(each)
    shown = leaver("heard", "--day", f"{BEGAN:%Y-%m-%d}")
    assert shown.exit_code == 1
    assert [line.split("\t")[1:] for line in shown.output.splitlines() if "\t" in line] == [
        ["m-2", "nobody can read it", ""]
    ]
    events.put_once(second.closed(Fate("dead_lettered", because="body: expected JSON")))
    events.put_once(second.closed(Fate("opened", "c-2")))
    shown = leaver("heard", "--day", f"{BEGAN:%Y-%m-%d}")
    assert (shown.exit_code, shown.output) == (0, "0 without a fate\n")
    kept = [values(each) for each in stack.dynamodb.scan(TableName="Cases")["Items"]]
    assert [each["fate"] for each in kept if each["entry"] == f"{second.entry}#fate"] == ["dead_lettered"]


@pytest.mark.usefixtures("heard_at_once")
def test_every_command_on_a_case_takes_its_persons_name(stack: Stack) -> None:
    over = stack.has("c-0", SSO, state=State.SCHEDULED)
    stack.cases.change(over, lambda each: each.after(CaseEvent.CANCELLED, BEGAN))
    stack.has("c-1", SSO)
    stack.receives("c-1", SSO, result=Result(Outcome.USER_NOT_FOUND))
    people = People(stack.dynamodb, table="Cases")
    people.change("ada@example.com", lambda found: found.with_case("c-1", "c-0"))
    assert "case c-1: ada@example.com" in leaver("case", "Ada@Example.com").output
    assert "nothing of case c-1 is dead-lettered" in leaver("retry", "ada@example.com").output
    assert "c-1 is not held: it is open" in leaver("release", "ada@example.com").output
    closed = leaver("close", "ada@example.com", SSO.name, "--because", "she never had an account", "--yes")
    assert closed.exit_code == 0
    assert stack.decided()[0]["case"] == "c-1"


def test_of_an_open_case_the_list_reads_it_and_its_receipts_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.has("c-1", SSO)
    stack.receives("c-1", SSO, result=Result(Outcome.USER_NOT_FOUND))
    monkeypatch.delattr(Cases, "read_stored")
    reads: list[str] = []
    for name in ("read", "read_receipts"):
        monkeypatch.setattr(Cases, name, _counted(getattr(Cases, name), reads))
    listed = leaver("cases")
    assert listed.exit_code == 1
    assert "nobody of that name is known there" in listed.output
    assert reads == ["read", "read_receipts"]


def _counted(method: Callable[..., Any], reads: list[str]) -> Callable[..., Any]:
    def count(*arguments: Any) -> Any:
        reads.append(method.__name__)
        return method(*arguments)

    return count
