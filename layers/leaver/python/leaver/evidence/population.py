"""What was heard, day by day: every event once, with exactly one fate; what a day left open, a later day tells.

The sum is over the ledger of what was heard, and never over cases: a case that nobody asked for shows, and so does an
event that nothing became of.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

#: how the list of a day is made now
POPULATION: Final = "leaver.population.v1"
#: what a statement of ours about a day is; it names a format and leads nowhere
DAY_IS_OVER: Final = "urn:leaver:day-is-over:v1"
#: SQS keeps no message longer than 14 days: what has no fate a day later gets none any more
LONGEST_OPEN: Final = timedelta(days=15)


def claimed_of_day(population: Mapping[str, Any]) -> dict[str, Any]:
    """What the statement says of a day, but when it was signed."""
    heard = population["heard"]
    fates = Counter(str(each["fate"]) for each in heard if "fate" in each)
    return {"day": population["day"], "heard": len(heard), "fates": dict(fates)}


def faults_of_day(population: Mapping[str, Any]) -> Iterator[str]:
    """What does not hold of a day's list by itself."""
    day, heard = date.fromisoformat(population["day"]), population["heard"]
    twice = Counter(each["message"] for each in heard)
    yield from (f"{message}: is told {times} times" for message, times in twice.items() if times > 1)
    for each in heard:
        if each.get("isUnheard"):
            yield f"{each['message']}: has a fate, and was never heard"
        if not day - LONGEST_OPEN <= _day_of(each) <= day:
            yield f"{each['message']}: was heard on another day"


def heard_by_rule(days: Iterable[Mapping[str, Any]]) -> int:
    """How many events of these days EventBridge must have counted, too."""
    return len({each["message"] for day in days for each in day["heard"] if each.get("byRule")})


def opened_by(days: Iterable[Mapping[str, Any]]) -> set[str]:
    """The cases that what was heard on these days has opened."""
    return {each["case"] for day in days for each in day["heard"] if each.get("fate") == "opened" and "case" in each}


def findings_of_population(
    days: Mapping[str, Mapping[str, Any]], cases: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What is wrong with these days as a whole, and with these cases by them: both as bundles, by day and by case."""
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    missing = (f"{first + timedelta(days=number)}" for number in range((last - first).days))
    yield from (f"population: nothing tells of {day}" for day in missing if day not in days)
    told = [each for day in sorted(days) for each in days[day]["heard"]]
    closed: Counter[str] = Counter()
    for each in told:
        if "fate" in each:
            closed[each["message"]] += 1
        elif each["message"] in closed:
            yield f"population: {each['message']} had a fate, and has none any more"
    yield from (f"population: {message} has {times} fates" for message, times in closed.items() if times > 1)
    late = {each["message"] for each in told if "fate" not in each and _day_of(each) < last - LONGEST_OPEN}
    yield from (f"population: {message} was heard, and has no fate" for message in sorted(late - closed.keys()))
    asked_for = {each["case"] for each in told if "case" in each}
    yield from (
        f"population: {case_id}: nothing that was heard began this case"
        for case_id in _began_and_ended(first, last, cases)
        if case_id not in asked_for
    )


def questions_of_population(
    days: Mapping[str, Mapping[str, Any]], cases: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What these days do not tell of these cases, and these cases not of these days, because it was at another time."""
    asked_for = {each["case"] for day in days.values() for each in day["heard"] if "case" in each}
    told = asked_for.union(_began_and_ended(date.fromisoformat(min(days)), date.fromisoformat(max(days)), cases))
    for case_id, bundle in cases.items():
        if case_id not in told and not bundle["case"].get("sweep_of"):
            at = bundle["case"]["requested_at"]
            yield f"{case_id}: was asked for at {at}, and none of these days tells by what: look at those around it"
    for case_id in sorted(opened_by(days.values()) - cases.keys()):
        yield f"{case_id}: was opened, and is not here: ask whether it is over by now"


def _began_and_ended(first: date, last: date, cases: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The cases that were asked for and over in that time: not those that look at an older one once more."""
    for case_id, bundle in cases.items():
        case = bundle["case"]
        asked_at, ended_at = (date.fromisoformat(case[each][:10]) for each in ("requested_at", "finished_at"))
        if not case.get("sweep_of") and first <= asked_at and ended_at <= last:
            yield case_id


def _day_of(heard: Mapping[str, Any]) -> date:
    return date.fromisoformat(heard["at"][:10])
