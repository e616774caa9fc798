"""The samples of `events/` as if they had just happened: Leaver refuses what is older than 14 days."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

from local.aws.template import Json

EVENTS = Path(__file__).parents[1] / "events"

#: where an event of EventBridge, or the HR event in it, says when
_DATES = ("time", "effective_at", "occurred_at", "requested_at", "finished_at")
#: where an event lies in another, or in what is handed on
_WITHIN = ("detail", "unnamed")


def sample_event(function: str, now: datetime) -> Json:
    """Return the sample event of a function, by its folder's name, with `now` in the place of every date."""
    event = json.loads((EVENTS / f"{function}.json").read_text())
    if "Records" not in event:
        return _dated(event, now)
    return {"Records": [_sent(record, now) for record in event["Records"]]}


def _sent(record: Json, now: datetime) -> Json:
    body = json.dumps(_dated(json.loads(record["body"]), now))
    milliseconds = str(int(now.timestamp() * 1000))
    received = {"SentTimestamp": milliseconds, "ApproximateFirstReceiveTimestamp": milliseconds}
    return {
        **record,
        "body": body,
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "attributes": record["attributes"] | received,
    }


def _dated(event: Json, now: datetime) -> Json:
    timestamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    dated = event | {name: timestamp for name in _DATES if name in event}
    return dated | {name: _dated(event[name], now) for name in _WITHIN if name in event}
