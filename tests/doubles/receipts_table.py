"""The table of receipts in memory; tests/integration/test_receipts.py holds the real one to the same rules."""

from collections.abc import Sequence

from botocore.exceptions import ReadTimeoutError

from leaver.cases.receipts import OPEN_TO_ANOTHER_TRY, SUCCESSES, WHILE_OPEN, Receipt, Receipts
from leaver.errors import NO_RESPONSE
from leaver.outcomes import Outcome
from tests.doubles.aws_errors import client_error


class InMemoryReceipts(Receipts):
    """Receipts with the same rules as the table's; `broken` ones can't be written, of `mute` ones no answer comes."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Receipt] = {}
        self.broken = False
        self.mute = False

    @property
    def only(self) -> Receipt:
        (receipt,) = self.items.values()
        return receipt

    def read(self, receipt: Receipt) -> Receipt | None:
        return self.items.get((receipt.case_id, receipt.entry))

    def standing(self, receipts: Sequence[Receipt]) -> dict[tuple[str, str], Receipt]:
        keys = {(each.case_id, each.entry) for each in receipts}
        return {key: self.items[key] for key in keys if key in self.items}

    def count_failure(self, receipt: Receipt) -> int:
        written = self._put(receipt)
        if written is None:
            raise client_error("UpdateItem", "ConditionalCheckFailedException")
        return written.attempts

    def note(self, receipt: Receipt) -> None:
        if self._put(receipt, failures=0) is None:
            raise client_error("UpdateItem", "ConditionalCheckFailedException")

    def finish(self, closed: Receipt) -> Receipt:
        written = self._put(closed)
        standing = self.items[closed.case_id, closed.entry]
        if written is None and standing.outcome is Outcome.FAILED and closed.outcome in SUCCESSES:
            self.reopen(standing)
            written = self._put(closed)
        return written or standing

    def close(self, before: Receipt, closed: Receipt) -> Receipt | None:
        key = closed.case_id, closed.entry
        standing = self.items.get(key)
        if (standing.outcome if standing else None) is not before.outcome:
            return None
        if standing is not None:
            self.items[key] = standing.model_copy(update={"outcome": None})
        return self._put(closed)

    def reopen(self, receipt: Receipt) -> None:
        standing = self.items[receipt.case_id, receipt.entry]
        if standing.outcome in OPEN_TO_ANOTHER_TRY:
            said = {"outcome", "finished_at", "reason", *NO_RESPONSE.fields()}
            taken_back = dict.fromkeys(said | WHILE_OPEN - {"progress"})
            self.items[receipt.case_id, receipt.entry] = standing.model_copy(update=taken_back)

    def _put(self, receipt: Receipt, *, failures: int = 1) -> Receipt | None:
        if self.broken:
            raise client_error("UpdateItem", "InternalServerError")
        standing = self.items.get((receipt.case_id, receipt.entry))
        if standing and standing.outcome:
            return None
        unsaid = {"refused_version": standing.refused_version} if standing and receipt.refused_version is None else {}
        written = receipt.model_copy(
            update=unsaid
            | {
                "attempts": (standing.attempts if standing else 0) + failures,
                "first_attempt_at": standing.first_attempt_at if standing else receipt.first_attempt_at,
            }
        )
        self.items[receipt.case_id, receipt.entry] = written
        if self.mute:
            raise ReadTimeoutError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com/")
        return written
