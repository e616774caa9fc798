"""How reconciliation grows: provider calls, and time, from a hundred people to ten thousand.

The listings, the pages and the comparison run for real, against providers that answer at once from memory; counted is
each call. The seconds of a night are these calls, one after the other, at a tenth of a second each, and not faster than
the pace allows.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from benchmarks.figures import Figure
from leaver.providers.answer import Answer
from leaver.providers.listing import Holding, Lists, Person
from leaver.providers.transport import Transport
from leaver.providers.venafi.listing import VenafiListing
from leaver.providers.zoom.listing import ZoomListing
from tests.doubles.clock import NOW
from tests.doubles.reconciling import Reconciled

PEOPLE: Final = (100, 1_000, 10_000)
#: seconds of a call
CALL: Final = 0.1
#: calls for each person that would be too many: one for who they are at Venafi, and the pages
MOST_CALLS_EACH: Final = 1.2
MOST_SECONDS: Final = 60.0


@dataclass
class Providers:
    """Both providers' APIs, of so many people who have an account and a grant each."""

    people: int
    calls: int = 0

    def request(self, method: str, path: str, **asked: Any) -> Answer:
        """Answer as Zoom or Venafi does."""
        self.calls += 1
        told = self._zoom(asked["params"]) if method == "GET" else self._venafi(path, asked["json"])
        return Answer(200, {}, told, empty=False, retry_after=None, tracking_id=None)

    def _zoom(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        total = self.people if asked["status"] == "active" else 0
        start = int(asked.get("next_page_token", 0))
        end = min(start + asked["page_size"], total)
        users = [{"email": _address(each), "id": f"Z{each}"} for each in range(start, end)]
        return {"users": users, "total_records": total, "next_page_token": str(end) if end < total else ""}

    def _venafi(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = {"Success": True, "Result": 0}
        match path.rpartition("/")[2]:
            case "EnumerateApplications":
                return done | {"Applications": [{"ApplicationId": "vcert"}][asked["Start"] :]}
            case "GrantCount":
                return done | {"Count": self.people}
            case "ReadAttribute":
                return {"Attributes": [_address(int(asked["ID"]["PrefixedUniversal"].partition(":")[2]))]}
        numbers = range(asked["Start"], min(asked["Start"] + asked["Count"], self.people))
        grants = [{"GranteePrefixedUniversal": f"local:{each}"} for each in numbers]
        entries = [
            {"PrefixedUniversal": f"local:{each}", "PrefixedName": f"local:p{each}", "Name": f"p{each}", "Type": 1}
            for each in numbers
        ]
        return done | {"Grants": grants, "IdentityEntries": entries}


@dataclass(frozen=True)
class Night:
    """What one run took."""

    people: int
    zoom: int
    venafi: int
    #: processor time of ours
    seconds: float

    @property
    def lasts(self) -> float:
        """Seconds of a night."""
        return (self.zoom + self.venafi) * CALL + self.seconds


def run_night(people: int) -> Night:
    """Reconcile so many people, of whom one was forgotten; raises AssertionError where that one is not found."""
    zoom, venafi = Providers(people), Providers(people)
    world = Reconciled([Person(_address(each), is_gone=each == 0) for each in range(people)])
    made: dict[str, Lists[Holding]] = {
        "zoom/acme": ZoomListing(cast("Transport", zoom), lambda: NOW),
        "venafi/tpp": VenafiListing(cast("Transport", venafi), lambda: NOW),
    }
    world.listings = made  # type: ignore[assignment]  # the real ones
    began = time.process_time()
    result = world.run()
    seconds = time.process_time() - began
    assert {row["who"] for row in result["lists"]["gone_and_alive"]} == {_address(0)}
    assert not result["stopped"]
    return Night(people, zoom.calls, venafi.calls, seconds)


def run(progress: Callable[[str], None]) -> tuple[list[Figure], list[tuple[str, ...]], list[tuple[float, float]]]:
    """Find out how it grows; returns the figures, rows with their heading, and for a plot (people, seconds)."""
    nights = []
    for people in PEOPLE:
        progress(f"{people} people")
        nights.append(run_night(people))
    rows: list[tuple[str, ...]] = [
        ("people", "calls of Zoom", "calls of Venafi", "our processor time, s", "a night, s")
    ]
    rows += [
        (f"{each.people:,}", str(each.zoom), str(each.venafi), f"{each.seconds:.2f}", f"{each.lasts:.0f}")
        for each in nights
    ]
    most = nights[-1]
    each = (most.zoom + most.venafi) / most.people
    return (
        [
            Figure("provider calls for each of 10,000 people", each, MOST_CALLS_EACH),
            Figure("our own time for 10,000 people", most.seconds, MOST_SECONDS, unit="s"),
        ],
        rows,
        [(each.people, each.lasts) for each in nights],
    )


def _address(number: int) -> str:
    return f"p{number}@example.com"
