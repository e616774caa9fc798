"""Somebody whom a source names by an id alone: what is known of the event, and who has to be asked for the rest."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from leaver.errors import Rejected
from leaver.messages.commands import Command, Moment, Printable, ProviderName
from leaver.messages.events import OffboardingRequested, Subject


class Unnamed(BaseModel):
    """OffboardingRequested as far as its source tells it: without the address, and perhaps without what happened."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, str_strip_whitespace=True, hide_input_in_errors=True, defer_build=True
    )

    event_id: Printable
    source: ProviderName
    #: the person, there
    source_id: Printable
    #: None: only the account says whether the person left or is back
    kind: Literal["immediate", "scheduled", "cancelled", "reinstated"] | None
    effective_at: Moment
    occurred_at: Moment
    actor: Printable | None = None
    urgency: Literal["urgent", "routine"] = "routine"
    #: an end was entered, for a day that the payload does not name
    needs_last_day: bool = False
    #: whether somebody may be shut out whom the source still employs
    is_true_of_who_stays: bool = False

    def named(self, email: str, **settled: object) -> OffboardingRequested:
        """The event of somebody who has this address, with what was `settled` by asking; raises ValidationError."""
        told = self.model_dump(exclude={"source_id", "needs_last_day", "is_true_of_who_stays"}) | settled
        return OffboardingRequested.model_validate(told | {"subject": Subject(email=email, source_id=self.source_id)})


class LookUpNeeded(Rejected):
    """An event that is understood, but for its person; the reason says which look-up is missing."""

    def __init__(self, reason: str, unnamed: Unnamed) -> None:
        super().__init__(reason)
        self.unnamed = unnamed


class LookUpPerson(Command):
    """Ask a source who is meant, and send the event on to the intake."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    unnamed: Unnamed
    #: by which connection of the front door it came; None: by none
    door: Printable | None = None
    #: which look-up is missing where nobody can be asked, in words
    missing: Printable

    @property
    def subject(self) -> str:
        """The person, as the source calls them."""
        return self.unnamed.source_id
