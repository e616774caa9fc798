"""Questions to the functions, through their queues, all at the same time; what nobody answers in time is None."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from leaver.connections.record import Connection
from leaver.consuming.answers import Answer
from leaver.messages.previews import Preview, Probe
from leaver.providers.entry import Leaver
from leaver.providers.registry import PROVIDERS
from leaver_cli.stack import LANED, Place, function_of

if TYPE_CHECKING:
    from leaver_cli.deployment import Deployment

#: how long answers are waited for: a cold start in a VPC, and a provider that is slow
PATIENCE: Final = timedelta(seconds=45)
#: between two looks, seconds
PAUSE: Final = 0.3
#: of a FIFO queue, so that no connection's refresh and no case waits for a probe
_GROUP: Final = "probe"


def ask_all(deployment: "Deployment", questions: Iterable[tuple[str, Mapping[str, object]]]) -> list[Answer | None]:
    """Ask what commands would find; nothing is done."""
    sent = []
    for place, fields in questions:
        preview = Preview(preview=str(uuid4()), of=dict(fields))
        deployment.ask(place, preview.model_dump())
        sent.append(preview)
    return _answers(deployment, sent)


def question_about(record: Connection, who: str) -> tuple[str, dict[str, object]] | None:
    """What to ask of whom, to know whether a connection's account knows somebody; None where nobody has a step."""
    if record.provider not in PROVIDERS or not (steps := PROVIDERS[record.provider].steps(Leaver(email=who))):
        return None
    return function_of(steps[0].command.__name__), {**steps[0].fields, "connection": record.connection}


def queues_of(deployment: "Deployment", places: Iterable[Place]) -> list[str]:
    """The queues that these functions work on."""
    return [
        deployment.stack.queue_of(place) + lane
        for place in places
        for lane in (("", "-urgent") if place in LANED else ("",))
    ]


def probe_all(deployment: "Deployment", queues: Sequence[str]) -> list[Answer | None]:
    """Send a probe into each queue; its function answers before anything else, and nothing is done."""
    sent = []
    for queue in queues:
        probe = Probe(probe=str(uuid4()))
        fifo = {"MessageGroupId": _GROUP, "MessageDeduplicationId": probe.probe} if queue.endswith(".fifo") else {}
        url = deployment.stack.queue_url(queue)
        deployment.stack.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(probe.model_dump()), **fifo)  # type: ignore[arg-type]
        sent.append(probe)
    return _answers(deployment, sent)


def _answers(deployment: "Deployment", sent: Sequence[Preview | Probe]) -> list[Answer | None]:
    answers: dict[str, Answer] = {}
    late = time.monotonic() + PATIENCE.total_seconds()
    while len(answers) < len(sent):
        for each in sent:
            if each.place not in answers and (answer := deployment.preview_answers.read(each)) is not None:
                answers[each.place] = answer
        if len(answers) == len(sent) or time.monotonic() > late:
            break
        time.sleep(PAUSE)
    return [answers.get(each.place) for each in sent]
