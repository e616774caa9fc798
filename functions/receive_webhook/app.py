"""Prove what an HR system posts on its raw bytes, put it on the bus, and only then say that it is taken."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import takewhile
from typing import Any, Final

from leaver import front_door
from leaver.errors import LeaverError
from leaver.settings import ReceivesWebhooks
from leaver.webhooks.bus import BATCH, Bus, Event
from leaver.webhooks.bus import LONGEST as LONGEST_PUT
from leaver.webhooks.delivery import OF_A_CONNECTION, Delivery, Reason, Refused, read_delivery
from leaver.webhooks.memory import LONGEST, SeenDeliveries
from leaver.webhooks.places import Places
from leaver.webhooks.secrets import DoorSecret, DoorSecrets
from leaver.webhooks.sources import PATH, SOURCES, Answer, Item, Source, identify

#: the metric that counts what is refused, by source and reason
REFUSED: Final = "WebhooksRefused"
#: the metric that counts what the bus has, by source
TAKEN: Final = "WebhooksTaken"

#: The least patient senders wait three seconds. What is not done by then is left, or is our fault, and they repeat it.
ANSWERED_WITHIN: Final = timedelta(seconds=2.8)

#: an id that may stand beside an event
_SHOWN_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
#: what could be a guess looks like this, whatever was wrong with it
_UNKNOWN: Final = Answer(401)
_TOO_LARGE: Final = Answer(413)
#: ours to mend: whoever repeats anything repeats this
_OUR_FAULT: Final = Answer(503)


#: whether something that takes so long at most can still be done before the sender gives up
HasTime = Callable[[timedelta], bool]


class Settings(ReceivesWebhooks):
    """What `receive_webhook` reads from its environment."""


@dataclass(frozen=True)
class Door:
    """What stands behind the address."""

    secrets: DoorSecrets
    seen: SeenDeliveries
    places: Places
    bus: Bus
    clock: Callable[[], datetime]
    count: Callable[..., None]
    log: Callable[[str, Mapping[str, Any]], None]

    def answer(self, event: Mapping[str, Any]) -> Answer:
        """Answer one request; no body is ever logged, for a refused one could be anything."""
        began, (name, source, place) = self.clock(), _find_source(event["rawPath"])
        try:
            delivery = read_delivery(event)
            return self._receive(delivery, name, source, place, lambda longest: self._has_time(began, longest))
        except Refused as refusal:
            # Strangers try every address there is: no alarm rings for them.
            rings = self._is_of_a_connection(refusal.reason, place)
            self.count(REFUSED, rings=rings, source=name, reason=refusal.reason)
            shown = {"connection": place} if rings else {}
            self.log("refused", {"source": name, "reason": refusal.reason} | shown)
            return _TOO_LARGE if refusal.reason == "too_large" else _UNKNOWN
        except LeaverError as error:
            self.log("not taken", {"source": name, "error": type(error).__name__, "reason": error.reason})
            return _OUR_FAULT

    def _is_of_a_connection(self, reason: Reason, place: str) -> bool:
        if reason != "too_large":
            return reason in OF_A_CONNECTION
        # A webhook of hundreds of employees may be so large, and BambooHR never repeats it.
        with suppress(LeaverError):
            return bool(place) and self.secrets.find(place) is not None
        return False

    def _has_time(self, began: datetime, longest: timedelta) -> bool:
        return self.clock() - began + longest <= ANSWERED_WITHIN

    def _receive(self, delivery: Delivery, name: str, source: Source | None, place: str, has_time: HasTime) -> Answer:
        if source is None:
            raise Refused("unknown_path")
        # It proves nothing and does nothing, and whoever asks learns nothing of what there is.
        if (greeting := source.greeting(delivery)) is not None:
            self.log("greeted", {"source": name, "is_proved": self._is_proved(delivery, source, place)})
            return greeting
        if delivery.method != "POST":
            raise Refused("wrong_method")
        if source.offers is not None and (offered := source.offers(delivery)) is not None:
            return self._keep_offer(place, source, offered)
        secret = self._prove(delivery, source, place)
        if (answer := source.question(delivery, secret)) is not None:
            return answer
        self._put(delivery, name, source, place, has_time)
        return Answer(source.taken)

    def _prove(self, delivery: Delivery, source: Source, place: str) -> str:
        """Find the secret that proves a delivery; one that did not fit may have been replaced a moment ago."""
        # Whatever is wrong: how long the answer takes must not tell which connections there are.
        with suppress(Refused):
            return source.proof.prove(delivery, _proving(self.secrets.find(place)), self.clock())
        return source.proof.prove(delivery, _proving(self.secrets.find(place, did_not_fit=True)), self.clock())

    def _is_proved(self, delivery: Delivery, source: Source, place: str) -> bool:
        try:
            self._prove(delivery, source, place)
        except (Refused, LeaverError):
            return False
        return True

    def _keep_offer(self, place: str, source: Source, offered: str) -> Answer:
        secret = self.secrets.find(place, did_not_fit=True)
        if secret is None:
            raise Refused("unknown_connection")
        if secret.open_until is None or secret.open_until < self.clock():
            raise Refused("no_window")
        self.secrets.keep_offer(place, secret, offered)
        self.log("a secret is offered", {"source": place})
        return Answer(source.taken)

    def _put(self, delivery: Delivery, name: str, source: Source, place: str, has_time: HasTime) -> None:
        events = [_event(delivery, source, place, item) for item in source.items(delivery)]
        new = [each for each in events if not self._has_seen(each, has_time)]
        for some in (new[start : start + BATCH] for start in range(0, len(new), BATCH)):
            self.bus.put(some, has_time)
            self.seen.remember(
                takewhile(lambda _: has_time(LONGEST), (each.identity for each in some if each.identity))
            )
            self.count(TAKEN, source=name)
        if not delivery.is_test and has_time(LONGEST):
            self.places.note_spoken(place, self.clock())

    def _has_seen(self, event: Event, has_time: HasTime) -> bool:
        # Nobody asks where that would cost the time to put it: what is taken twice, the intake knows.
        return event.identity is not None and has_time(LONGEST + LONGEST_PUT) and self.seen.has(event.identity)


def _find_source(path: str) -> tuple[str, Source | None, str]:
    """Find a source by its name, and the place; what a stranger calls either is neither counted nor logged."""
    found = re.fullmatch(PATH, path)
    if found is None or found[1] not in SOURCES:
        return "unknown", None, ""
    return found[1], SOURCES[found[1]], f"{found[1]}/{found[2]}"


def _proving(secret: DoorSecret | None) -> list[str]:
    if secret is None:
        raise Refused("unknown_connection")
    return secret.proving()


def _event(delivery: Delivery, source: Source, place: str, item: Item) -> Event:
    resources = [f"source:{place}", f"sha256:{delivery.sha256}"]
    if item.id is not None and _SHOWN_ID.fullmatch(item.id):
        resources.append(f"delivery:{item.id}")
    return Event(source.detail_type, item.detail, tuple(resources), identify(source, place, delivery, item))


@cache
def door() -> Door:
    """Build what the door needs."""
    settings = front_door.settings_of(Settings)
    logger = front_door.logger()
    return Door(
        secrets=front_door.secrets(settings.secret_prefix, settings.deliveries_table),
        seen=front_door.seen_deliveries(settings.deliveries_table),
        places=front_door.places(settings.deliveries_table),
        bus=front_door.bus(settings.event_bus_name),
        clock=front_door.now,
        count=front_door.count,
        log=lambda what, told: logger.warning(what, extra=told),
    )


front_door.in_init(door)


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request of the HTTP API, format 2.0."""
    told = door().answer(event)
    headers = {"cache-control": "no-store"}
    if told.content is None:
        return {"statusCode": told.status, "headers": headers, "body": ""}
    return {
        "statusCode": told.status,
        "headers": headers | {"content-type": "application/json"},
        "body": json.dumps(told.content),
    }
