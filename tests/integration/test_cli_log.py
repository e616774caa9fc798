"""`leaver log` on moto's CloudWatch Logs: every line about one case, of every function, in order."""

import json
from datetime import timedelta

import boto3
import pytest

from leaver.cases.states import CaseEvent
from leaver_cli.stack import PLACES
from tests.integration.parked_stack import REGION, leaver
from tests.integration.test_cli_cases import BEGAN, SSO, Stack, stack

__all__ = ["stack"]  # a fixture

LINES = (
    ("revoke-sso-token", 7, json.dumps({"level": "INFO", "message": "finished", "case_id": "c-1", "attempts": 2})),
    ("revoke-sso-token", 3, json.dumps({"level": "ERROR", "message": "Zoom 4711: missing scope", "case_id": "c-1"})),
    ("start-offboarding", 1, json.dumps({"level": "INFO", "message": "fate", "case_id": "c-1", "fate": "opened"})),
    ("seal-case", 9, "[WARNING] of c-1 no JSON, and [b]\x9b2J hostile"),
    ("revoke-sso-token", 4, json.dumps({"level": "INFO", "message": "finished", "case_id": "c-2"})),
)


def log_lines(*lines: tuple[str, int, str]) -> None:
    """Have a log group for each function, and in them these: (function, seconds after the case began, line)."""
    logs = boto3.client("logs", region_name=REGION)
    for place in PLACES:
        logs.create_log_group(logGroupName=f"/aws/lambda/leaver-{place.replace('_', '-')}")
    for number, (function, seconds, line) in enumerate(lines):
        where = {"logGroupName": f"/aws/lambda/leaver-{function}", "logStreamName": str(number)}
        logs.create_log_stream(**where)
        at = round((BEGAN + timedelta(seconds=seconds)).timestamp() * 1000)
        logs.put_log_events(**where, logEvents=[{"timestamp": at, "message": line}])


@pytest.fixture
def logged(stack: Stack) -> Stack:
    log_lines(*LINES)
    stack.has("c-1", SSO)
    stack.has("c-3", SSO)
    return stack


@pytest.mark.usefixtures("logged")
def test_every_line_about_a_case_is_shown_in_order_and_no_other() -> None:
    result = leaver("log", "c-1", mix_stderr=False)
    assert result.exit_code == 0
    assert [line.split("\t")[1:] for line in result.stdout.splitlines()] == [
        ["start_offboarding", "INFO", "fate fate=opened"],
        ["revoke_sso_token", "ERROR", "Zoom 4711: missing scope"],
        ["revoke_sso_token", "INFO", "finished attempts=2"],
        ["seal_case", "", "[WARNING] of c-1 no JSON, and [b] 2J hostile"],
    ]


@pytest.mark.usefixtures("logged")
def test_a_program_gets_each_line_with_all_its_fields() -> None:
    told = json.loads(leaver("log", "c-1", "--json", mix_stderr=False).stdout)["lines"]
    assert (told[2]["function"], told[2]["message"], told[2]["attempts"]) == ("revoke_sso_token", "finished", 2)


@pytest.mark.usefixtures("logged")
def test_a_case_without_a_line_is_said_and_is_no_success() -> None:
    result = leaver("log", "c-3")
    assert result.exit_code == 1
    assert "no function logged a line about c-3, or its log is kept no longer" in result.output
    assert leaver("log", "c-9").output == "Error: there is no case c-9, and nobody of that name has one\n"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_with_follow_each_further_line_is_told_once_until_the_case_is_over(
    logged: Stack, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    def end(_seconds: float) -> None:
        logs = boto3.client("logs", region_name=REGION)
        where = {"logGroupName": "/aws/lambda/leaver-seal-case", "logStreamName": "new"}
        logs.create_log_stream(**where)
        at = round((BEGAN + timedelta(seconds=20)).timestamp() * 1000)
        logs.put_log_events(**where, logEvents=[{"timestamp": at, "message": "c-1 is cancelled"}])
        case = logged.cases.require("c-1")
        logged.cases.change(case, lambda each: each.after(CaseEvent.SUPERSEDED, BEGAN))
        monkeypatch.setattr("leaver_cli.cases.log.time.sleep", lambda _: None)

    monkeypatch.setattr("leaver_cli.cases.log.time.sleep", end)
    monkeypatch.setattr("leaver_cli.cases.log.LATE", 0)
    result = leaver("log", "c-1", "--follow", *form, mix_stderr=False)
    assert result.exit_code == 0
    told = [json.loads(line)["line"] if form else line.split("\t")[-1] for line in result.stdout.splitlines()]
    # Only a program gets what moves a terminal, in JSON's own spelling.
    moved = "\x9b" if form else " "
    assert told[-2:] == [f"[WARNING] of c-1 no JSON, and [b]{moved}2J hostile", "c-1 is cancelled"]
    assert len(told) == len(LINES)
