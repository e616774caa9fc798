"""Okta's System Log, as its log stream puts it on a partner event bus, and as its event hooks post it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested
from leaver.messages.look_up import LookUpNeeded, Unnamed

SOURCE_PREFIX = "aws.partner/okta.com/"
#: one event of an event hook
DETAIL_TYPE = "OktaEventHook"
#: what an event that succeeded means
MEANS: Final[Mapping[str, Literal["immediate"]]] = {
    "user.lifecycle.deactivate": "immediate",
    "user.lifecycle.suspend": "immediate",
}

#: built when the first such event comes: no start pays for sources that never come
_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True)

_LOOK_IT_UP = "look the e-mail up (GET /api/v1/users/{id}) and send OffboardingRequested"
_NO_ADDRESS = (
    f"okta: the target's login (alternateId) is no e-mail address: {_LOOK_IT_UP}, or set OktaEmailDomain where logins "
    "are what stands before the @"
)


class Logins(Protocol):
    """What a deployment's Okta takes for a login."""

    @property
    def okta_email_domain(self) -> str:
        """What follows the @ in the address of somebody whose login is only what stands before it; empty: nothing."""


class _Party(BaseModel):
    model_config = _AS_SENT
    id: str
    type: str
    #: a user's login, in most organisations an e-mail address; what else an event is about may have none
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


def read(event: HrEvent, logins: Logins) -> OffboardingRequested:
    """Read a System Log event (Okta, "user.lifecycle.deactivate"): the leaver is the target, never the actor.

    Raises ValidationError where it is another event or did not succeed, BadMessage where it names no user, or several,
    LookUpNeeded where the user's login is no e-mail address and nothing makes one of it.
    """
    log_event = _SystemLogEvent.model_validate(event.detail)
    leavers = [party for party in log_event.target if party.type == "User"]
    if len(leavers) != 1:
        raise BadMessage("target: expected exactly one of type User")
    (leaver,) = leavers
    unnamed = Unnamed(
        event_id=log_event.uuid,
        source="okta",
        source_id=leaver.id,
        kind=MEANS[log_event.event_type],
        effective_at=log_event.published,
        occurred_at=log_event.published,
        actor=log_event.actor.id,
    )
    login, domain = leaver.alternate_id, logins.okta_email_domain
    if not login:
        raise LookUpNeeded(f"okta: the target has no login (alternateId): {_LOOK_IT_UP}", unnamed)
    if "@" not in login and not domain:
        raise LookUpNeeded(_NO_ADDRESS, unnamed)
    return unnamed.named(login if "@" in login else f"{login}@{domain}")


def read_of_hook(event: HrEvent, logins: Logins) -> OffboardingRequested:
    """Read an event of a hook: of its types no rule of ours chooses any, as one does on the partner bus."""
    if str(event.detail.get("eventType")) not in MEANS:
        raise Rejected(f"okta: eventType: no departure: have the hook tell of {', '.join(MEANS)} alone")
    return read(event, logins)
