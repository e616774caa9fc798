"""What an operator can do truthfully: close a step, count on the seal, and read what is not proven."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from leaver.cases.seal import head_of
from leaver.messages.commands import RetrieveUserToken
from leaver.outcomes import Outcome, Result
from tests.cases.attempts.seen import Attempts, Company, Seen
from tests.cases.test_seal import golden
from tests.doubles.clock import NOW
from tests.doubles.consumer_harness import ConsumerHarness, Operation, consume
from tests.doubles.lambda_events import record
from tests.doubles.office import ADA, ADA_ID

attempt = Attempts("What an operator can do truthfully")
README = Path(__file__).parents[3] / "README.md"
STEP = "RevokeSsoToken#zoom/acme"


def without_an_account() -> Company:
    """Ada has no account at Zoom, and nothing is kept for her."""
    company = Company()
    company.kept.destroy_all({ADA_ID, ADA})
    del company.zoom.users[ADA_ID]
    company.zoom.sessions.discard(ADA_ID)
    return company


@attempt(f"open: {STEP} user_not_found")
def a_leaver_without_an_account() -> Company:
    """The leaver has no account at Zoom."""
    company = without_an_account()
    company.hears_and_works()
    return company


@attempt(f"completed, the seal holds, {STEP} closed by a person")
def a_step_that_a_person_closes() -> Company:
    """The same, and a person closes the step."""
    company = without_an_account()
    company.hears_and_works()
    company.decides("close", step=STEP, because="she never had one: ticket 7")
    company.waits()
    return company


@attempt("completed, the seal holds")
def a_setting_for_the_account() -> Company:
    """The same, and MissingUserIsDone names the account."""
    company = without_an_account()
    object.__setattr__(company.completion, "done_where_missing", frozenset({"zoom/acme"}))
    company.hears_and_works()
    return company


@attempt(f"open: {STEP} user_not_found")
def a_setting_for_another_account() -> Company:
    """The same, and MissingUserIsDone names another account."""
    company = without_an_account()
    object.__setattr__(company.completion, "done_where_missing", frozenset({"zoom/europe"}))
    company.hears_and_works()
    return company


# --- the seal


@attempt("completed, the seal holds")
def a_stray_receipt() -> Company:
    """RetrieveUserToken with an open case's id leaves its receipt."""
    company, harness = Company(), ConsumerHarness()
    company.deliver(company.hears())
    harness.cases.put(company.case)
    stray = record({"user_id": ADA_ID, "case_id": company.case.case_id})
    consume(harness.consumer(RetrieveUserToken, Operation(Result(Outcome.RETRIEVED)), receipts=True), stray)
    company.receipts.items |= harness.receipts.items
    company.works()
    return company


@attempt("completed, the seal holds; dead-lettered: case_id")
def a_command_after_the_seal() -> Company:
    """A command over another connection, with the case's id, after the seal."""
    company = Company()
    company.hears_and_works()
    company.installs("zoom-twin")
    told = {"user_id": ADA, "account": "acme", "connection": "zoom-twin", "case_id": company.case.case_id}
    company.queue("RevokeSsoToken", told)
    company.works()
    return company


def rewritten(**to: Any) -> Company:
    company = Company()
    company.hears_and_works()
    company.cases.alter(company.case.case_id, **to)
    return company


@attempt("completed, the seal is broken")
def another_person_in_a_sealed_case() -> Company:
    """Somebody writes another person into a sealed case."""
    return rewritten(email="cleo@example.com")


@attempt("completed, the seal is broken")
def fewer_steps_in_a_sealed_case() -> Company:
    """Somebody takes the steps out of a sealed case."""
    return rewritten(steps=())


@attempt("completed, the seal is broken")
def other_times_in_a_sealed_case() -> Company:
    """Somebody rewrites when a sealed case was finished."""
    return rewritten(finished_at=NOW + timedelta(days=1))


@attempt("completed, the seal is broken")
def another_residual_in_a_sealed_case() -> Company:
    """Somebody rewrites what a sealed case left."""
    return rewritten(residual=())


@attempt("completed, the seal holds")
def a_case_that_was_sealed_once() -> Seen:
    """A case that was sealed once and kept, read by a Leaver that knows a field more."""
    announced, stored = golden()
    holds = head_of({**stored["case"], "country": "unknown"}, stored) == announced
    return Seen(f"{stored['case']['state']}, the seal {'holds' if holds else 'is broken'}", frozenset())


@attempt("README names 4 things")
def what_no_provider_proves() -> Seen:
    """Somebody asks README what is not proven."""
    section = README.read_text(encoding="utf-8").split("## What is not proven\n")[1].split("\n## ")[0]
    named = [line for line in section.splitlines() if line.startswith("- ")]
    return Seen(f"README names {len(named)} things, and promises nothing about them", frozenset())
