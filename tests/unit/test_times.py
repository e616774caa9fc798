"""When an HR event counts as having happened, whatever a clock at HR says."""

from datetime import datetime, timedelta
from typing import Any, Final, get_args

import pytest

from functions.start_offboarding.app import DATED_AHEAD, StartOffboarding, tell_of_wrong_clock, understand
from leaver.errors import Rejected
from leaver.messages import times
from leaver.messages.envelope import Payload
from leaver.messages.events import OffboardingRequested
from leaver.messages.hr import canonical
from leaver.messages.times import TOLERANCE, Settled, settle_times
from tests.doubles.clock import NOW
from tests.doubles.hr_events import CHOICES

STAYS: Final = ("cancelled", "reinstated")
KINDS: Final = get_args(OffboardingRequested.model_fields["kind"].annotation)
ENDS: Final = tuple(kind for kind in KINDS if kind not in STAYS)
SECOND: Final = timedelta(seconds=1)


def dated(ahead: timedelta, kind: str = "immediate") -> dict[str, Any]:
    """An event that says that it happened so long after it was heard."""
    at = (NOW + ahead).isoformat()
    subject = {"email": "ada@example.com"}
    return {
        "event_id": "hr-1",
        "source": "canary-2c8e17",
        "kind": kind,
        "subject": subject,
        "effective_at": at,
        "occurred_at": at,
    }


def settled(ahead: timedelta, kind: str = "immediate") -> Settled:
    return settle_times(canonical.read(dated(ahead, kind)), NOW)


def test_there_are_kinds_of_both_sorts() -> None:
    assert ENDS == ("immediate", "scheduled", "contain", "sessions")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ahead", [timedelta(0), -SECOND, timedelta(days=-400)])
def test_what_was_heard_after_it_happened_stays_as_it_is(kind: str, ahead: timedelta) -> None:
    request, dated_ahead = settled(ahead, kind)
    assert (request.occurred_at, dated_ahead) == (NOW + ahead, timedelta(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ahead", [SECOND, TOLERANCE])
def test_where_clocks_only_differ_the_order_in_which_it_was_heard_counts_and_nobody_is_told(
    kind: str, ahead: timedelta
) -> None:
    request, dated_ahead = settled(ahead, kind)
    assert (request.occurred_at, dated_ahead) == (NOW, timedelta(0))


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("ahead", [TOLERANCE + SECOND, timedelta(hours=2), timedelta(days=50 * 365)])
def test_what_ends_access_is_cut_to_when_it_was_heard_acted_on_and_told(kind: str, ahead: timedelta) -> None:
    request, dated_ahead = settled(ahead, kind)
    assert (request.occurred_at, dated_ahead, request.kind) == (NOW, ahead, kind)


def test_the_day_of_a_planned_departure_is_no_clock_that_is_wrong() -> None:
    plan = dated(-SECOND, "scheduled") | {"effective_at": (NOW + timedelta(days=30)).isoformat()}
    request, dated_ahead = settle_times(canonical.read(plan), NOW)
    assert (request.effective_at, dated_ahead) == (NOW + timedelta(days=30), timedelta(0))


@pytest.mark.parametrize("kind", STAYS)
@pytest.mark.parametrize("ahead", [TOLERANCE + SECOND, timedelta(hours=2), timedelta(days=50 * 365)])
def test_what_keeps_access_is_refused_by_name_and_echoes_nothing(kind: str, ahead: timedelta) -> None:
    with pytest.raises(
        Rejected, match=r"^occurred_at: lies more than 5 minutes ahead of when the event was "
    ) as refused:
        settled(ahead, kind)
    assert "canary" not in refused.value.reason


# --- when it was heard


def sent(at: datetime, ahead: timedelta, kind: str = "immediate") -> Payload:
    return Payload(id="1", event=None, detail=dated(ahead, kind), sent_at=None, heard_at=at, sender="AIDA")


def test_the_command_carries_what_was_settled_and_when_it_was_heard() -> None:
    command = understand(sent(NOW, timedelta(hours=2)), choices=CHOICES)
    assert isinstance(command, StartOffboarding)
    assert (command.request.occurred_at, command.requested_at, command.heard_at) == (NOW, NOW, NOW)
    assert command.dated_ahead == timedelta(hours=2)


class Log:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def warning(self, message: str, *, extra: dict[str, object]) -> None:
        self.said.append((message, extra))


@pytest.mark.parametrize(("ahead", "times_told"), [(timedelta(hours=2), 1), (TOLERANCE, 0), (-SECOND, 0)])
def test_a_clock_that_is_wrong_is_said_in_the_log_and_counted(ahead: timedelta, times_told: int) -> None:
    log, counted = Log(), list[tuple[str, int]]()
    command = understand(sent(NOW, ahead), choices=CHOICES)
    tell_of_wrong_clock(command, count=lambda *told: counted.append(told), logger=log)  # type: ignore[arg-type]  # what it uses of one
    assert counted == [(DATED_AHEAD, 1)] * times_told
    whose = {"source": "canary-2c8e17", "event_id": "hr-1", "kind": "immediate", "seconds": 7200}
    assert log.said == [("dated ahead", whose)] * times_told


def test_those_tests_see_it_where_any_difference_of_clocks_is_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "TOLERANCE", timedelta.max)
    assert settled(timedelta(hours=2), "reinstated").dated_ahead == timedelta(0)
