"""SailPoint's event trigger "Identity Attributes Changed", as it comes over a partner event bus."""

import json
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from leaver.errors import BadMessage, Rejected
from leaver.messages.events import HrEvent, OffboardingRequested, Subject

SOURCE_PREFIX = "aws.partner/sailpoint.com/"

_AS_SENT = ConfigDict(frozen=True, hide_input_in_errors=True)


class Lifecycle(Protocol):
    """How a deployment's SailPoint says that somebody left; every tenant names its life-cycle states itself."""

    @property
    def sailpoint_lifecycle_attribute(self) -> str:
        """The identity attribute that tells, such as cloudLifecycleState."""

    @property
    def sailpoint_left_values(self) -> frozenset[str]:
        """Its values that mean: gone."""

    @property
    def sailpoint_active_values(self) -> frozenset[str]:
        """Its values that mean: here, or here again."""

    @property
    def sailpoint_email_domain(self) -> str:
        """What follows the @ in the address of an identity whose name is only what stands before it; empty: nothing."""


class _Identity(BaseModel):
    model_config = _AS_SENT
    id: str
    name: str


class _Change(BaseModel):
    model_config = _AS_SENT
    attribute: str
    new_value: Annotated[Any, Field(alias="newValue")] = None


class _IdentityAttributesChanged(BaseModel):
    model_config = _AS_SENT
    identity: _Identity
    changes: list[_Change]


def read(event: HrEvent, lifecycle: Lifecycle) -> OffboardingRequested:
    """Read a change of the life-cycle attribute (SailPoint, "idn:identity-attributes-changed").

    Raises ValidationError or BadMessage where it is none, Rejected where nobody has said what the new value means, or
    the identity's name is no e-mail address.
    """
    trigger = _IdentityAttributesChanged.model_validate(event.detail)
    values = [each.new_value for each in trigger.changes if each.attribute == lifecycle.sailpoint_lifecycle_attribute]
    if len(values) != 1:
        raise BadMessage("changes: expected exactly one of SailPointLifecycleAttribute")
    value = _normalize(values[0] if isinstance(values[0], str) else json.dumps(values[0]))
    left = value in map(_normalize, lifecycle.sailpoint_left_values)
    if not left and value not in map(_normalize, lifecycle.sailpoint_active_values):
        # It could be one more way to have left: a person has to say so.
        raise Rejected("sailpoint: changes: the new value is in neither SailPointLeftValues nor SailPointActiveValues")
    return OffboardingRequested(
        event_id=event.id,
        source="sailpoint",
        kind="immediate" if left else "reinstated",
        subject=Subject(
            email=_complete_email(trigger.identity.name, lifecycle.sailpoint_email_domain),
            source_id=trigger.identity.id,
        ),
        effective_at=event.sent_at,
        occurred_at=event.sent_at,
    )


def _normalize(value: str) -> str:
    return value.strip().casefold()


def _complete_email(name: str, domain: str) -> str:
    if "@" in name:
        return name
    if not domain:
        raise Rejected(
            "sailpoint: the event names the identity's id and name only: look the e-mail up (GET /identities/{id}) and "
            "send OffboardingRequested, or set SailPointEmailDomain where names are what stands before the @"
        )
    return f"{name}@{domain}"
