"""`leaver retry` on moto: what of one case is dead-lettered goes back, with whatever function, and nothing else."""

import json

from leaver.outcomes import Outcome, Result
from tests.integration.parked_stack import leaver
from tests.integration.test_cli_cases import GRANTS, SSO, Stack, stack

__all__ = ["stack"]  # a fixture


def park(stack: Stack, case_id: str, function: str) -> None:
    stack.world.park(
        json.dumps({"case_id": case_id, "user_id": "ada@example.com"}),
        function=function,
        message_id=f"{case_id}-{function}",
    )


def cases_in(stack: Stack, queue: str) -> list[str]:
    return [json.loads(body)["case_id"] for body in stack.world.bodies(f"leaver-{queue}")]


def test_all_of_a_case_that_is_dead_lettered_goes_back_and_nothing_else(stack: Stack) -> None:
    stack.has("c-1", SSO, GRANTS, minutes=600)
    stack.receives("c-1", SSO, result=Result(Outcome.FAILED))
    park(stack, "c-1", "revoke-sso-token")
    park(stack, "c-1", "revoke-grants")
    park(stack, "c-2", "revoke-grants")
    result = leaver("retry", "c-1", answer="y\n", mix_stderr=False)
    assert result.exit_code == 0
    assert "Send these back (2 of case c-1, ada@example.com)?" in result.stderr
    assert "2 messages went back to the queues that they came from, to be tried again now" in result.stdout
    assert (cases_in(stack, "revoke-sso-token"), cases_in(stack, "revoke-grants")) == (["c-1"], ["c-1"])
    assert cases_in(stack, "revoke-grants-dead-letters") == ["c-2"]


def test_without_a_yes_nothing_goes_back(stack: Stack) -> None:
    stack.has("c-1", SSO)
    park(stack, "c-1", "revoke-sso-token")
    assert leaver("retry", "c-1", answer="n\n").exit_code == 1
    assert cases_in(stack, "revoke-sso-token-dead-letters") == ["c-1"]


def test_what_matches_nothing_is_said_and_is_no_success(stack: Stack) -> None:
    stack.has("c-1", SSO)
    park(stack, "c-2", "revoke-sso-token")
    result = leaver("retry", "c-1", "--yes")
    assert result.exit_code == 1
    assert "nothing of case c-1 is dead-lettered: `leaver case c-1` shows how it is" in result.output
    assert leaver("retry", "c-9", "--yes").output == "Error: there is no case c-9, and nobody of that name has one\n"


def test_what_cannot_be_read_is_of_no_case(stack: Stack) -> None:
    stack.has("c-1", SSO)
    stack.world.park("c-1", message_id="torn")
    assert leaver("retry", "c-1", "--yes").exit_code == 1
