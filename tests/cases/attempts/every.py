"""Everything that was tried, in the order of the groups."""

from typing import Final

from tests.cases.attempts import (
    access_lives,
    fresh_eyes,
    given_back,
    ids_and_clocks,
    operator,
    over,
    revoked,
    wrong_kind,
    wrong_person,
    wrong_time,
)
from tests.cases.attempts.seen import Attempt

EVERY: Final[tuple[Attempt, ...]] = (
    *access_lives.attempt.all,
    *wrong_person.attempt.all,
    *wrong_time.attempt.all,
    *wrong_kind.attempt.all,
    *revoked.attempt.all,
    *operator.attempt.all,
    *fresh_eyes.attempt.all,
    *given_back.attempt.all,
    *ids_and_clocks.attempt.all,
    *over.attempt.all,
)
