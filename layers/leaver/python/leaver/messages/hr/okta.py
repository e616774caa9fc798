"""Okta's System Log, as its log stream puts it on a partner event bus."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.errors import BadMessage
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

SOURCE_PREFIX = "aws.partner/okta.com/"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)


class _Party(BaseModel):
    model_config = _AS_SENT
    id: str
    type: str
    #: a user's login, which is an e-mail address; what else an event is about may have none
    alternate_id: Annotated[str | None, Field(alias="alternateId")] = None


class _Outcome(BaseModel):
    model_config = _AS_SENT
    result: Literal["SUCCESS"]


class _SystemLogEvent(BaseModel):
    model_config = _AS_SENT
    uuid: str
    event_type: Annotated[Literal["user.lifecycle.deactivate", "user.lifecycle.suspend"], Field(alias="eventType")]
    outcome: _Outcome
    published: AwareDatetime
    actor: _Party
    target: list[_Party]


def read(event: HrEvent) -> OffboardingRequested:
    """Read a System Log event (Okta, "user.lifecycle.deactivate"): the leaver is the target, never the actor.

    Raises ValidationError where it is another event or did not succeed, BadMessage where it names no user, or several.
    """
    log_event = _SystemLogEvent.model_validate(event.detail)
    leavers = [party for party in log_event.target if party.type == "User"]
    if len(leavers) != 1:
        raise BadMessage("target: expected exactly one of type User")
    (leaver,) = leavers
    return OffboardingRequested(
        event_id=log_event.uuid,
        source="okta",
        kind="immediate",
        subject=Subject(email=leaver.alternate_id or "", source_id=leaver.id),
        effective_at=log_event.published,
        occurred_at=log_event.published,
        actor=log_event.actor.id,
    )
