"""Each sender's documented repeats, while the bus is out of order: what it sends is taken once, and nothing is lost."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from leaver.webhooks.sources import Answer
from tests.doubles.front_door import FrontDoor, sign

MINUTE = timedelta(minutes=1)
#: three days, each pause twice the last, and no more than twelve hours
THREE_DAYS = [min(timedelta(minutes=2**n), timedelta(hours=12)) for n in range(14)]


@dataclass(frozen=True)
class Sender:
    """How a sender behaves, as its documents say."""

    source: str
    #: between its attempts
    pauses: list[timedelta]
    #: which answers it repeats after
    repeats_after_4xx: bool
    #: whether it signs each attempt anew; where nobody says so, it is tried both ways
    signs_anew: bool = True

    def send(self, door: FrontDoor, body: bytes) -> Iterator[Answer]:
        """Post a body until it is taken or the sender gives up."""
        first = sign(self.source, body, door.clock.now)
        for pause in [*self.pauses, None]:
            headers = sign(self.source, body, door.clock.now) if self.signs_anew else first
            answer = door.post(f"/{self.source}/main", body, headers)
            yield answer
            if answer.status in {200, 204} or (answer.status < 500 and not self.repeats_after_4xx) or pause is None:
                return
            door.clock.passes(seconds=pause.total_seconds())


BAMBOO = [each * MINUTE for each in (5, 10, 20, 40, 80)]
ZOOM = [each * MINUTE for each in (5, 20, 60)]
SENDERS = [
    Sender("bamboohr", BAMBOO, repeats_after_4xx=False),
    Sender("bamboohr", BAMBOO, repeats_after_4xx=False, signs_anew=False),
    Sender("zoom", ZOOM, repeats_after_4xx=False),
    Sender("zoom", ZOOM, repeats_after_4xx=False, signs_anew=False),
    Sender("hibob", THREE_DAYS, repeats_after_4xx=True),
    Sender("gusto", THREE_DAYS + [timedelta(hours=12)] * 2, repeats_after_4xx=True),
    Sender("okta", [timedelta(seconds=1)], repeats_after_4xx=False),
    Sender("standard", THREE_DAYS, repeats_after_4xx=True),
]
BODY = json.dumps({"uuid": "g1", "data": {"events": [{"uuid": "o1"}]}}).encode()


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_the_last_repeat_of_all_is_still_taken(sender: Sender) -> None:
    door = FrontDoor()
    door.events.broken = True
    answers = []
    for answer in sender.send(door, BODY):
        answers.append(answer.status)
        # Just in time for the last one.
        door.events.broken = len(answers) < len(sender.pauses)
    assert answers == [503] * len(sender.pauses) + [200]
    assert len(door.events.put) == 1
    assert door.refusals == []


@pytest.mark.parametrize("sender", SENDERS, ids=str)
def test_whoever_did_not_hear_that_it_was_taken_hears_it_again(sender: Sender) -> None:
    door = FrontDoor()
    headers = sign(sender.source, BODY, door.clock.now)
    assert door.post(f"/{sender.source}/main", BODY, headers) == Answer(200)
    door.clock.passes(seconds=sender.pauses[0].total_seconds())
    again = sign(sender.source, BODY, door.clock.now) if sender.signs_anew else headers
    assert door.post(f"/{sender.source}/main", BODY, again) == Answer(200)
    # Where only a time tells deliveries apart and it is signed anew, or nothing does, the intake knows the repeat.
    once = sender.source in {"gusto", "okta", "standard"} or not sender.signs_anew
    assert len(door.events.put) == (1 if once else 2)


@pytest.mark.parametrize("sender", [each for each in SENDERS if not each.repeats_after_4xx], ids=str)
def test_whoever_never_repeats_after_a_refusal_is_not_refused_for_our_fault(sender: Sender) -> None:
    door = FrontDoor()
    door.secrets.unreadable = True
    answers = sender.send(door, BODY)
    assert next(answers) == Answer(503)
    door.secrets.unreadable = False
    assert next(answers) == Answer(200)
