"""What a person begins, straight to start_offboarding's queue: somebody leaves, or stays and is contained."""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from leaver.messages.commands import Email, Moment, Printable
from leaver.messages.events import Identities, OffboardingRequested, Subject
from leaver.messages.speakers import OPERATOR

#: the decisions that need no case
BEGIN: Final = ("offboard", "contain")


class Begin(BaseModel):
    """A person's word that somebody leaves, or is contained; the ceiling and the guard let it pass."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    decision: Literal["offboard", "contain"]
    #: the person's e-mail address
    who: Email
    #: who that is, by provider and key
    identities: Identities = Field(default_factory=dict)
    #: when access is to end; left out: at once
    effective_at: Moment | None = None
    urgency: Literal["urgent", "routine"] = "routine"
    #: why, in a sentence
    because: Printable | None = None
    #: what names this decision, if it may be sent twice; left out: its message's id does
    event_id: Printable | None = None

    @model_validator(mode="after")
    def _check_when(self) -> Self:
        if self.decision == "contain" and self.effective_at is not None:
            raise ValueError("effective_at: expected only with decision offboard")
        return self

    def as_message(self) -> dict[str, object]:
        """What is sent of it."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def as_heard(self, message_id: str, at: datetime, *, sender: str) -> OffboardingRequested:
        """The HR event that it is; `sender` is SQS's own word for who decided."""
        kind: Literal["contain", "immediate", "scheduled"] = "immediate" if self.effective_at is None else "scheduled"
        return OffboardingRequested(
            event_id=self.event_id or message_id,
            source=OPERATOR,
            kind="contain" if self.decision == "contain" else kind,
            subject=Subject(email=self.who, identities=self.identities),
            effective_at=self.effective_at or at,
            occurred_at=at,
            actor=sender,
            urgency=self.urgency,
            because=self.because,
        )
