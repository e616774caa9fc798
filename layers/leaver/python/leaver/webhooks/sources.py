"""The table of sources that post to the front door: how each proves itself, and what its deliveries become."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from leaver.webhooks.delivery import Content, Delivery, as_raw, as_written
from leaver.webhooks.proofs import Carried, Hmac, Proof, base64_text, make_standard_secret, standard_key

#: a path: the source, and the connection
PATH: Final = r"/([a-z]+)/([a-z0-9][a-z0-9-]{0,62})"
#: what a stranger may write that is given back, or kept and shown to an operator
_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,256}")
_PING: Final = "Ping test"


@dataclass(frozen=True)
class Answer:
    """What the sender gets."""

    status: int
    content: Content | None = None


@dataclass(frozen=True)
class Item:
    """One event of a delivery, and the id that tells it from every other where signed bytes hold one."""

    detail: Content
    id: str | None = None


def _whole(delivery: Delivery) -> list[Item]:
    return [Item(delivery.detail)]


def _no_greeting(_: Delivery) -> Answer | None:
    return None


def _no_question(_: Delivery, __: str) -> Answer | None:
    return None


@dataclass(frozen=True)
class Source:
    """What is true of one kind of sender."""

    detail_type: str
    proof: Proof
    #: the events of a delivery
    items: Callable[[Delivery], list[Item]] = _whole
    #: whether method, path, signed time and body together are one delivery and no other, where no id is
    time_tells_apart: bool = False
    #: what the sender wants to hear before it sends anything; proved by nothing, it is answered whatever the path names
    greeting: Callable[[Delivery], Answer | None] = _no_greeting
    #: what a proved delivery wants to hear instead of becoming an event; the secret is the one that proved it
    question: Callable[[Delivery, str], Answer | None] = _no_question
    #: the secret that the sender itself offers, unproved: kept aside, and only while an operator waits for it
    offers: Callable[[Delivery], str | None] | None = None
    #: makes a secret, where it is ours to choose
    make_secret: Callable[[], str] | None = None
    #: raises Rejected where a secret can be none of this source's
    check_secret: Callable[[str], object] = str.encode
    #: what it hears when its delivery is on the bus
    taken: int = 200


def _identified(at: str) -> Callable[[Delivery], list[Item]]:
    def items(delivery: Delivery) -> list[Item]:
        return [Item(delivery.detail, _text(delivery.detail.get(at)))]

    return items


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _standard_items(delivery: Delivery) -> list[Item]:
    return [Item(delivery.detail, delivery.headers["webhook-id"])]


def _ping(delivery: Delivery) -> Answer | None:
    """HiBob's ping comes as a plain string, as a JSON string, or in an object; whether it is signed is not told."""
    text = delivery.body.strip()
    is_ping = text in {_PING.encode(), json.dumps(_PING).encode()} or delivery.content == {"text": _PING}
    return Answer(200) if is_ping and delivery.method == "POST" else None


def _offered_token(delivery: Delivery) -> str | None:
    """Gusto's handshake: the token is what Gusto will sign with, and the request that brings it is not signed."""
    content = delivery.content or {}
    token = _text(content["verification_token"]) if content.keys() == {"verification_token"} else None
    return token if token is not None and _PLAIN.fullmatch(token) else None


def _okta_challenge(delivery: Delivery) -> Answer | None:
    challenge = delivery.headers.get("x-okta-verification-challenge", "")
    if delivery.method != "GET" or not _PLAIN.fullmatch(challenge):
        return None
    return Answer(200, {"verification": challenge})


def _okta_items(delivery: Delivery) -> list[Item]:
    """Several events come in one request; what nobody can read keeps no other back, and the intake says so."""
    data = delivery.detail.get("data")
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list) or not events:
        return _whole(delivery)
    return [
        Item(each, _text(each.get("uuid"))) if isinstance(each, dict) else Item(as_raw(as_written(each).encode()))
        for each in events
    ]


def _bamboohr_items(delivery: Delivery) -> list[Item]:
    """Several employees may stand in one field-based webhook: each is an event, as the intake wants it."""
    employees = delivery.detail.get("employees")
    if not isinstance(employees, list) or len(employees) < 2:
        return _whole(delivery)
    # What else there is would lie on the bus with each of them, and be more than it takes at once.
    return [Item({"employees": [each]}) for each in employees]


def _zoom_validation(delivery: Delivery, secret: str) -> Answer | None:
    """Zoom's URL validation, again every 72 hours."""
    content = delivery.content or {}
    payload = content.get("payload")
    token = _text(payload.get("plainToken")) if isinstance(payload, dict) else None
    if content.get("event") != "endpoint.url_validation" or token is None:
        return None
    encrypted = hmac.digest(secret.encode(), token.encode(errors="replace"), "sha256").hex()
    return Answer(200, {"plainToken": token, "encryptedToken": encrypted})


#: by the first part of the path, the second of which names the connection
SOURCES: Mapping[str, Source] = {
    "standard": Source(
        detail_type="StandardWebhook",
        proof=Hmac(
            header="webhook-signature",
            prefix="v1,",
            is_list=True,
            signed_headers=("webhook-id", "webhook-timestamp"),
            signs=lambda it: f"{it.headers['webhook-id']}.{it.headers['webhook-timestamp']}.".encode() + it.body,
            key=standard_key,
            written=base64_text,
            longest_age=timedelta(minutes=5),  # a repeat is signed anew
        ),
        items=_standard_items,
        check_secret=standard_key,
        make_secret=make_standard_secret,
    ),
    "hibob": Source(
        detail_type="HiBobWebhook",
        proof=Hmac(header="bob-signature", signs=lambda it: it.body, digest="sha512", written=base64_text),
        greeting=_ping,
    ),
    "bamboohr": Source(
        detail_type="BambooHrWebhook",
        proof=Hmac(
            header="x-bamboohr-signature",
            signed_headers=("x-bamboohr-timestamp",),
            signs=lambda it: it.body + it.headers["x-bamboohr-timestamp"].encode(),
            # It repeats for 155 minutes after a 5xx, never after a 4xx, and nobody says that it signs anew.
            longest_age=timedelta(hours=4),
        ),
        items=_bamboohr_items,
        time_tells_apart=True,
    ),
    "okta": Source(
        detail_type="OktaEventHook",
        proof=Carried(header="authorization"),
        items=_okta_items,
        greeting=_okta_challenge,
    ),
    "gusto": Source(
        detail_type="GustoWebhook",
        proof=Hmac(header="x-gusto-signature", signs=lambda it: it.body),
        items=_identified("uuid"),
        offers=_offered_token,
    ),
    "zoom": Source(
        detail_type="ZoomWebhook",
        proof=Hmac(
            header="x-zm-signature",
            prefix="v0=",
            signed_headers=("x-zm-request-timestamp",),
            signs=lambda it: f"v0:{it.headers['x-zm-request-timestamp']}:".encode() + it.body,
            longest_age=timedelta(hours=2),  # it repeats for 85 minutes, and nobody says that it signs anew
        ),
        time_tells_apart=True,
        question=_zoom_validation,
    ),
}


def identify(source: Source, place: str, delivery: Delivery, item: Item) -> str | None:
    """What is the same of a repeat and of nothing else; None where nothing that is signed tells two deliveries apart.

    Two people's bodies may be the same, byte for byte: what is said is never enough. Nor is an id: of a sender that
    uses one twice, as an employee's number, the second word would be lost, and nobody told.
    """
    if item.id is not None:
        return _digest(place, "id", item.id, as_written(item.detail))
    if not source.time_tells_apart:
        return None
    time = source.proof.signed_time(delivery)
    return _digest(place, "delivery", delivery.method, delivery.path, time, as_written(item.detail))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
