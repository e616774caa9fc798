"""HR systems, one module each: what they send becomes OffboardingRequested, or the lookup that is missing is named."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pydantic import ValidationError

from leaver.errors import BadMessage, explain
from leaver.messages.envelope import Payload
from leaver.messages.events import AccountEvent, AppRemoved, HrEvent, OffboardingRequested
from leaver.messages.hr import bamboohr, canonical, gusto, hibob, okta, sailpoint, scim, shared_signals, standard, zoom
from leaver.messages.look_up import LookUpNeeded, Unnamed
from leaver.messages.speakers import DOOR_TEST, HR_EVENTS

#: what an HR event is: of a departure or a return, or what a provider tells of an account or of Leaver's app
Understood = OffboardingRequested | AccountEvent | AppRemoved
_Word = TypeVar("_Word", OffboardingRequested, Unnamed)
#: what the front door or the deployment's own webhook receiver puts on our bus, as it came in, by its detail-type
WEBHOOKS: Mapping[str, Callable[[HrEvent, "HrChoices"], "Understood"]] = {
    bamboohr.DETAIL_TYPE: lambda event, _: bamboohr.read(event),
    gusto.DETAIL_TYPE: lambda event, _: gusto.read(event),
    hibob.DETAIL_TYPE: lambda event, _: hibob.read(event),
    okta.DETAIL_TYPE: okta.read_of_hook,
    scim.DETAIL_TYPE: lambda event, _: scim.read(event),
    shared_signals.DETAIL_TYPE: lambda event, _: shared_signals.read(event),
    standard.DETAIL_TYPE: lambda event, _: standard.read(event),
    zoom.DETAIL_TYPE: zoom.read,
}
#: what each source's own words mean, by source: a kind of OffboardingRequested, or what happened to an account
MEANS: Mapping[str, Mapping[str, str]] = {
    "okta": okta.MEANS,
    "sailpoint": sailpoint.MEANS,
    "scim": scim.MEANS,
    **shared_signals.MEANS,
    "hibob": hibob.MEANS,
    "gusto": gusto.MEANS,
    "bamboohr": bamboohr.MEANS,
    "zoom": zoom.MEANS,
}
#: how a receiver names the person that it looked up, among the event's `resources`
MAILTO = "mailto:"
#: how the front door names there by which connection it came, and the id that its sender signed
CONNECTION = "source:"
DELIVERY = "delivery:"
#: all that there is in what the front door could not read
_RAW = frozenset({"raw"})


class HrChoices(okta.Logins, sailpoint.Lifecycle, zoom.Departures, Protocol):
    """What a deployment decides about its HR sources."""

    @property
    def urgent_sources(self) -> frozenset[str]:
        """The sources, as OffboardingRequested names them, whose every event is urgent."""


def read_hr_event(payload: Payload, choices: HrChoices) -> Understood:
    """Understand an HR event by its envelope; a detail without one is our canonical event.

    Raises BadMessage, field by field, where it is not what its source sends, and Rejected where it is understood and
    still opens no case: it is no departure, or (LookUpNeeded, where the source can be asked) it does not say whose.
    """
    try:
        understood = _read_by_source(payload, choices)
    except LookUpNeeded as needed:
        needed.unnamed = _as_urgent(needed.unnamed, choices)
        raise
    except ValidationError as error:
        raise BadMessage(explain(error, OffboardingRequested)) from None
    if isinstance(understood, AccountEvent) and understood.departure is not None:
        return understood.model_copy(update={"departure": _as_urgent(understood.departure, choices)})
    return _as_urgent(understood, choices) if isinstance(understood, OffboardingRequested) else understood


def _as_urgent(word: _Word, choices: HrChoices) -> _Word:
    """The same, urgent where the deployment says so of its source."""
    is_urgent = word.source.casefold() in {each.casefold() for each in choices.urgent_sources}
    return word.model_copy(update={"urgency": "urgent"}) if is_urgent else word


def read_door_test(payload: Payload) -> tuple[str, str] | None:
    """Read the connection and the id of what `leaver door test` posted; None where it is anything else."""
    if payload.event is None or payload.detail.keys() != {DOOR_TEST}:
        return None
    place, id_ = _find_resource(payload.event, CONNECTION), payload.detail[DOOR_TEST]
    return (place, id_) if place and isinstance(id_, str) else None


def read_door(payload: Payload) -> str | None:
    """Read by which connection of the front door an event came, as `main` in `source:bamboohr/main`; None: by none."""
    place = _find_resource(payload.event, CONNECTION) if payload.event else None
    return place.partition("/")[2] if place else None


def _read_by_source(payload: Payload, choices: HrChoices) -> Understood:
    if payload.event is None:
        return canonical.read(payload.detail)
    event = HrEvent(
        payload.id,
        payload.heard_at,
        payload.detail,
        _find_resource(payload.event, MAILTO),
        _find_resource(payload.event, CONNECTION),
        _find_resource(payload.event, DELIVERY),
    )
    source = str(payload.event.get("source"))
    if source == HR_EVENTS:
        return _read_by_detail_type(str(payload.event["detail-type"]), event, choices)
    if source.startswith(okta.SOURCE_PREFIX):
        return okta.read(event, choices)
    if source.startswith(sailpoint.SOURCE_PREFIX):
        return sailpoint.read(event, choices)
    expected = f"{HR_EVENTS}, or one that begins with {okta.SOURCE_PREFIX} or {sailpoint.SOURCE_PREFIX}"
    raise BadMessage(f"source: expected {expected}")


def _read_by_detail_type(detail_type: str, event: HrEvent, choices: HrChoices) -> Understood:
    if detail_type == canonical.DETAIL_TYPE:
        return canonical.read_of_producer(event.detail)
    if detail_type not in WEBHOOKS:
        raise BadMessage(f"detail-type: expected one of {', '.join([canonical.DETAIL_TYPE, *WEBHOOKS])}")
    if event.detail.keys() == _RAW:
        raise BadMessage(
            "raw: expected a JSON object; the bytes that came, and were rightly signed, stand there in Base64"
        )
    return WEBHOOKS[detail_type](event, choices)


def _find_resource(event: Mapping[str, object], prefix: str) -> str | None:
    """What stands behind a prefix among the event's resources, as the address in `mailto:ada@example.com`."""
    resources = event.get("resources")
    if not isinstance(resources, list):
        return None
    found = [each for each in resources if isinstance(each, str) and each.startswith(prefix)]
    if len(found) > 1:
        raise BadMessage(f"resources: expected at most one that begins with {prefix}")
    return found[0].removeprefix(prefix) if found else None
