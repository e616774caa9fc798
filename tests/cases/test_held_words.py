"""A word that waits, a word that confirms it and one that takes it back, in whatever order they come."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations
from typing import Any, Final

import pytest

from leaver.cases.states import State
from tests.cases.test_look_ups import IDS, hibob
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA, ADA_ID, Office

#: minutes after which each thing happened; they are heard of in any order
SAID: Final = {"waits": 0, "confirms": 1, "returns": 2}


def looked_up(office: Office) -> dict[str, Any]:
    """HiBob says that she left, and when it is asked does not say so any more."""
    office.asks("hibob")
    office.hr["hibob"].knows(IDS["hibob"], ADA)
    return hibob()


def at_zoom(office: Office) -> dict[str, Any]:
    """Somebody deactivates her at Zoom by hand."""
    person = {"id": ADA_ID, "email": ADA}
    at = int(office.clock().timestamp() * 1000)
    return webhook("ZoomWebhook", {"event": "user.deactivated", "event_ts": at, "payload": {"object": person}})


@pytest.mark.parametrize("order", list(permutations(SAID)), ids=" ".join)
@pytest.mark.parametrize("waits", [looked_up, at_zoom])
def test_she_loses_access_only_where_her_departure_is_confirmed_before_her_return_is_heard(
    waits: Callable[[Office], dict[str, Any]], order: tuple[str, ...]
) -> None:
    office = Office()
    began, word = office.clock(), waits(office)
    before = office.access_of(ADA)
    office.clock.passes(minutes=5)

    def says(what: str) -> None:
        at = (began + timedelta(minutes=SAID[what])).isoformat()
        if what == "waits":
            office.queue("StartOffboarding", word | {"time": office.clock().isoformat()})
        else:
            kind = {"confirms": "immediate", "returns": "reinstated"}[what]
            office.hears(kind, source="hr-system", event_id=what, occurred_at=at, effective_at=at)
        office.works()
        office.minute()
        office.works()

    for each in order:
        says(each)
    is_ended = order.index("confirms") < order.index("returns")
    assert (office.access_of(ADA) == set()) == is_ended
    if not is_ended:
        assert office.access_of(ADA) == before
        assert State.COMPLETED not in [case.state for case in office.cases.every]
        # Nothing is lost either: the word that waits stands there for a person.
        assert [case.state for case in office.cases.every if case.source != "hr-system"] == [State.HELD]
