"""What carries messages: dead letters, rules, partners' buses, and the sources that were heard from."""

import re
from typing import Any

from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat
from leaver_cli.stack import PLACES


def look_at_queues(seat: Seat) -> Row:
    """Whether anything waits for a person."""
    troubles = []
    for place in PLACES:
        count = sum(parking.count() for parking in seat.deployment.stack.parkings(place))
        if count:
            what = f"{place}: {count} message{'' if count == 1 else 's'} wait for a person"
            troubles.append(Trouble(what, f"leaver parked {place}"))
    return Row(
        "dead letters", "none" if not troubles else f"at {len(troubles)} of {len(PLACES)} places", tuple(troubles)
    )


def look_at_rules(seat: Seat) -> Row:
    """Whether every rule passes on what it hears, and both schedules fire."""
    on_bus = _rules(seat, EventBusName=seat.deployment.stack.bus)
    on_time = {name: _rules(seat, NamePrefix=f"{seat.name}-{name}") for name in ("ScheduleRefreshes", "WatchDeadlines")}
    every = [*on_bus, *(each for those in on_time.values() for each in those)]
    troubles = [
        Trouble(f"rule {each['Name']} is disabled", f"aws events enable-rule --name {each['Name']}{_bus(each)}")
        for each in every
        if each["State"] == "DISABLED"
    ]
    again = "deploy again: sam deploy; if CloudFormation sees no change, see its drift detection"
    troubles += [Trouble(f"the schedule of {name} is gone", again) for name, those in on_time.items() if not those]
    if not on_bus:
        troubles.append(Trouble(f"bus {seat.deployment.stack.bus} has no rule: nothing is heard", again))
    enabled = sum(each["State"] != "DISABLED" for each in every)
    return Row("rules", f"{enabled} of {len(every)} enabled", tuple(troubles))


def look_at_partner_buses(seat: Seat) -> Row:
    """Whether the buses that partners send to are there, and the partners still send."""
    named = {
        name: bus
        for name in ("OktaEventBusName", "SailPointEventBusName", "SailPointDeletedEventBusName")
        if (bus := seat.parameter(name))
    }
    troubles = [trouble for name, bus in named.items() for trouble in _of_a_bus(seat, name, bus)]
    return Row("partner buses", ", ".join(named.values()) or "none is wanted", tuple(troubles))


def look_at_sources(seat: Seat) -> Row:
    """Whether every sender at the front door was heard from in the time in which it should be."""
    at, connected = seat.deployment.now(), seat.deployment.places.connected()
    if not connected:
        says = "no sender at the front door" if seat.deployment.door_url else "no front door"
        return Row("sources", says)
    troubles = [
        Trouble(f"{place} is silent for {told.silent_for(at).days} days", f"leaver door test {place}")
        for place, told in sorted(connected.items())
        if told.is_silent(at)
    ]
    if seat.deployment.door_url is None:
        what = f"the front door is closed, and has {len(connected)} senders"
        troubles.append(Trouble(what, "deploy with FrontDoor=http-api: docs/hr-sources.md#the-front-door"))
    heard = [place for place, told in sorted(connected.items()) if told.spoke_at]
    waiting = [place for place in sorted(connected) if place not in heard]
    says = f"heard: {', '.join(heard) or 'none'}" + (f"; not yet: {', '.join(waiting)}" if waiting else "")
    return Row("sources", says, tuple(troubles))


def _rules(seat: Seat, **which: str) -> list[Any]:
    # Another stack's name may begin with ours: after it comes a logical name, in capitals.
    own = re.compile(rf"{re.escape(seat.name)}-[A-Z]")
    pages = seat.events.get_paginator("list_rules").paginate(**which)
    return [each for page in pages for each in page["Rules"] if own.match(each["Name"])]


def _bus(rule: Any) -> str:
    return "" if rule["EventBusName"] == "default" else f" --event-bus-name {rule['EventBusName']}"


def _of_a_bus(seat: Seat, parameter: str, bus: str) -> list[Trouble]:
    try:
        seat.events.describe_event_bus(Name=bus)
    except seat.events.exceptions.ResourceNotFoundException:
        to_do = "EventBridge, Partner event sources: associate it with a bus (docs/hr-sources.md)"
        return [Trouble(f"{parameter}: there is no bus {bus}", to_do)]
    if not bus.startswith("aws.partner/"):
        return []
    state = seat.events.describe_event_source(Name=bus)["State"]
    if state == "ACTIVE":
        return []
    return [Trouble(f"{parameter}: the partner's event source is {state}", "set it up at the partner again")]
