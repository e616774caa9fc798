"""Whether every queue is worked on, by the code that is deployed: a probe goes into each, and an answer comes back."""

from leaver_cli.asking import probe_all, queues_of
from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat
from leaver_cli.stack import PLACES, Place

#: which functions no queue feeds, and which only where a parameter says so
_BY_SCHEDULE: frozenset[Place] = frozenset({"watch_deadlines", "unrouted"})


def look_at_probes(seat: Seat) -> Row:
    """Send a probe through every queue, and say which one stayed without an answer."""
    unfed = _BY_SCHEDULE | _not_wanted(seat)
    queues = queues_of(seat.deployment, [each for each in PLACES if each not in unfed])
    answers = dict(zip(queues, probe_all(seat.deployment, queues), strict=True))
    deployed = seat.outputs.get("Version", "")
    troubles = []
    for queue, answer in answers.items():
        if answer is None:
            to_do = "is the function throttled, failing at its start, or its trigger disabled? See its log group"
            troubles.append(Trouble(f"queue {queue}: nobody answered in time", to_do))
        elif (runs := answer.found.get("version")) != deployed:
            what = f"queue {queue}: {answer.found.get('function')} runs {runs}, and the stack is {deployed}"
            troubles.append(Trouble(what, "make build, then sam deploy: the layer is another one than the template"))
    return Row("probes", f"{len(queues) - len(troubles)} of {len(queues)} queues answered", tuple(troubles))


def _not_wanted(seat: Seat) -> frozenset[Place]:
    """The functions that this deployment does not feed: they are there, and nothing comes to them."""
    unwanted: set[Place] = set()
    if seat.parameter("DeactivateUsers") != "true":
        unwanted.add("deactivate_user")
    if not (seat.parameter("NotifyTopicArn") or seat.parameter("NotifyUrl")):
        unwanted.add("notify_people")
    return frozenset(unwanted)
