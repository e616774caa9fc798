"""Receipts in the Cases table: conditions on moto, and the fake that unit tests use held to the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from leaver.cases import receipts as cases_receipts
from leaver.cases.receipts import OPEN_TO_ANOTHER_TRY, SUCCESSES, Receipt, Receipts
from leaver.errors import NO_RESPONSE, ProviderResponse
from leaver.outcomes import Outcome, Result
from tests.doubles.clock import NOW
from tests.doubles.receipts_table import InMemoryReceipts

OPEN = Receipt(
    case_id="message#1",
    entry="RevokeSsoToken",
    command="RevokeSsoToken",
    system="zoom",
    subject="john.doe@example.com",
    connection="zoom",
    requested_at=NOW - timedelta(minutes=1),
    first_attempt_at=NOW,
)
REVOKED = Result(Outcome.REVOKED, ProviderResponse(204, tracking_id="v=2.0"), details={"grants_left": 0})
FAILED = Result(Outcome.FAILED, ProviderResponse(400, "4711", "v=2.0"))
#: what a run may note for the next one
NOTED = {"progress": {"outcome": "revoked"}, "last_try": {"message": 7}}


@pytest.fixture
def table(aws: Any) -> Receipts:
    return Receipts(aws, table="Cases")


@pytest.fixture(params=["table", "fake"])
def receipts(request: pytest.FixtureRequest) -> Receipts:
    make: Callable[[], Receipts] = InMemoryReceipts
    made: Receipts = make() if request.param == "fake" else request.getfixturevalue("table")
    return made


def standing(receipts: Receipts) -> Receipt:
    found = receipts.read(OPEN)
    assert found is not None
    return found


def test_what_a_run_notes_is_no_failure_and_is_gone_with_the_last_word(receipts: Receipts) -> None:
    noted = OPEN.model_copy(update=NOTED)
    receipts.note(noted)
    assert standing(receipts) == noted
    receipts.finish(noted.closed(REVOKED, now=NOW))
    closed = standing(receipts)
    assert (closed.progress, closed.last_try, closed.attempts) == (None, None, 1)
    with pytest.raises(ClientError):
        receipts.note(OPEN)


@pytest.mark.parametrize("write", ["note", "count_failure"])
def test_what_a_run_takes_back_is_gone(receipts: Receipts, write: str) -> None:
    receipts.note(OPEN.model_copy(update=NOTED))
    getattr(receipts, write)(OPEN)
    assert (standing(receipts).progress, standing(receipts).last_try) == (None, None)


def test_that_test_sees_it_where_the_table_leaves_what_is_not_said(
    table: Receipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Everything(dict[str, Any]):
        def __contains__(self, name: object) -> bool:
            return True

    columns = cases_receipts._columns
    monkeypatch.setattr(cases_receipts, "_columns", lambda receipt: Everything(columns(receipt)))
    with pytest.raises(AssertionError):
        test_what_a_run_takes_back_is_gone(table, "note")


def test_nothing_stands_at_first(receipts: Receipts) -> None:
    assert receipts.read(OPEN) is None


def test_the_last_word_is_written_and_returned_as_it_stands(receipts: Receipts) -> None:
    closed = receipts.finish(OPEN.closed(REVOKED, now=NOW + timedelta(seconds=5)))
    assert closed == standing(receipts)
    assert (closed.outcome, closed.provider_status, closed.tracking_id) == (Outcome.REVOKED, 204, "v=2.0")
    assert (closed.attempts, closed.time_to_revoke, closed.details) == (1, 65, {"grants_left": 0})
    assert (closed.first_attempt_at, closed.finished_at) == (NOW, NOW + timedelta(seconds=5))


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [(Outcome.REVOKED, True), (Outcome.ALREADY_GONE, True)]
    + [(each, False) for each in Outcome if each not in {"revoked", "already_gone"}],
)
def test_time_to_revoke_is_only_told_where_access_really_ended(outcome: Outcome, *, counted: bool) -> None:
    assert (OPEN.closed(Result(outcome), now=NOW).time_to_revoke is not None) == counted


def test_a_request_from_the_future_took_no_time() -> None:
    assert (
        OPEN.model_copy(update={"requested_at": NOW + timedelta(days=1)}).closed(REVOKED, now=NOW).time_to_revoke == 0
    )


def test_failures_are_counted_one_by_one(receipts: Receipts) -> None:
    assert [receipts.count_failure(OPEN) for _ in range(3)] == [1, 2, 3]
    assert standing(receipts).outcome is None
    assert receipts.finish(OPEN.closed(REVOKED, now=NOW)).attempts == 4


def test_the_first_attempt_stays_the_first(receipts: Receipts) -> None:
    receipts.count_failure(OPEN)
    later = OPEN.model_copy(update={"first_attempt_at": NOW + timedelta(hours=1)})
    assert receipts.finish(later.closed(REVOKED, now=NOW + timedelta(hours=1))).first_attempt_at == NOW


@pytest.mark.parametrize("second", [REVOKED, FAILED])
def test_the_last_word_is_said_once(receipts: Receipts, second: Result) -> None:
    first = receipts.finish(OPEN.closed(Result(Outcome.ALREADY_GONE), now=NOW))
    assert receipts.finish(OPEN.closed(second, now=NOW + timedelta(hours=1))) == first
    assert standing(receipts) == first


@pytest.mark.parametrize("second", [each for each in Outcome if each is not Outcome.FAILED])
def test_a_success_alone_takes_the_place_of_a_failure_that_was_reported_meanwhile(
    receipts: Receipts, second: Outcome
) -> None:
    failed = receipts.finish(OPEN.closed(FAILED, now=NOW, reason="no answer for a day"))
    said = receipts.finish(OPEN.closed(Result(second, ProviderResponse(204)), now=NOW))
    assert said == standing(receipts)
    if second not in SUCCESSES:
        assert said == failed
    else:
        assert (said.outcome, said.reason, said.response, said.attempts) == (second, None, ProviderResponse(204), 2)


def test_that_test_sees_it_where_the_first_word_stands(table: Receipts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases_receipts, "SUCCESSES", frozenset())
    with pytest.raises(AssertionError):
        test_a_success_alone_takes_the_place_of_a_failure_that_was_reported_meanwhile(table, Outcome.REVOKED)


def test_no_failure_is_counted_after_the_last_word(receipts: Receipts) -> None:
    receipts.finish(OPEN.closed(REVOKED, now=NOW))
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        receipts.count_failure(OPEN)
    assert standing(receipts).attempts == 1


def test_a_failure_can_be_taken_back_and_the_command_done(receipts: Receipts) -> None:
    receipts.finish(OPEN.closed(FAILED, now=NOW, reason="missing scopes"))
    receipts.reopen(OPEN)
    reopened = standing(receipts)
    assert (reopened.outcome, reopened.reason, reopened.response) == (None, None, NO_RESPONSE)
    assert (reopened.finished_at, reopened.attempts) == (None, 1)
    done = receipts.finish(OPEN.closed(REVOKED, now=NOW))
    assert (done.outcome, done.attempts, done.reason) == (Outcome.REVOKED, 2, None)


def test_the_token_version_that_was_refused_is_remembered_until_a_person_sends_the_command_again(
    receipts: Receipts,
) -> None:
    receipts.count_failure(OPEN.model_copy(update={"refused_version": "version-1"}))
    receipts.count_failure(OPEN)
    assert standing(receipts).refused_version == "version-1"
    receipts.finish(OPEN.closed(FAILED, now=NOW))
    receipts.reopen(OPEN)
    assert standing(receipts).refused_version is None


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in OPEN_TO_ANOTHER_TRY])
def test_nothing_but_a_word_that_ended_nothing_can_be_taken_back(receipts: Receipts, outcome: Outcome) -> None:
    closed = receipts.finish(OPEN.closed(Result(outcome), now=NOW))
    receipts.reopen(OPEN)
    assert standing(receipts) == closed


@pytest.mark.parametrize("before", [None, Outcome.USER_NOT_FOUND, Outcome.FAILED])
def test_a_persons_word_is_written_over_what_it_was_said_of(receipts: Receipts, before: Outcome | None) -> None:
    standing_before = receipts.finish(OPEN.closed(Result(before), now=NOW)) if before else OPEN
    closed = receipts.close(standing_before, standing_before.closed_by("AIDA", "by hand", now=NOW))
    assert closed == standing(receipts)
    assert closed.outcome is Outcome.CLOSED
    assert closed.details == {"who": "AIDA", "because": "by hand"} | ({"before": before} if before else {})
    assert receipts.finish(OPEN.closed(REVOKED, now=NOW)) == closed


def test_a_persons_word_is_not_written_over_a_word_that_came_meanwhile(receipts: Receipts) -> None:
    revoked = receipts.finish(OPEN.closed(REVOKED, now=NOW))
    for before in (OPEN, OPEN.closed(Result(Outcome.USER_NOT_FOUND), now=NOW)):
        assert receipts.close(before, before.closed_by("AIDA", "by hand", now=NOW)) is None
    assert standing(receipts) == revoked


def test_commands_of_one_case_do_not_overwrite_each_other(receipts: Receipts) -> None:
    one = OPEN.model_copy(update={"case_id": "case-1", "entry": "RevokeSsoToken#zoom"})
    other = OPEN.model_copy(update={"case_id": "case-1", "entry": "RevokeGrants#venafi"})
    receipts.finish(one.closed(REVOKED, now=NOW))
    assert receipts.read(other) is None


def test_what_stands_is_never_read_from_a_replica_that_lags(table: Receipts, aws: Any) -> None:
    asked: list[Any] = []
    aws.meta.events.register("provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params))
    table.read(OPEN)
    assert asked[0]["ConsistentRead"] is True


def test_a_receipt_from_the_year_one_can_be_read_again(table: Receipts) -> None:
    ancient = OPEN.model_copy(update={"requested_at": datetime(1, 1, 1, tzinfo=UTC)})
    assert table.finish(ancient.closed(FAILED, now=NOW)).requested_at == datetime(1, 1, 1, tzinfo=UTC)


def test_times_sort_as_text(table: Receipts, aws: Any) -> None:
    table.finish(OPEN.closed(REVOKED, now=NOW))
    (stored,) = aws.scan(TableName="Cases")["Items"]
    assert stored["finished_at"] == {"S": "2026-11-22T09:30:00Z"}
    assert stored["provider_status"] == {"N": "204"}
    assert "reason" not in stored
