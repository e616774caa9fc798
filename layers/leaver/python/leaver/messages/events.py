"""The facts that travel on the bus: HR events as Leaver understands them, and what Leaver announces."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from leaver.messages.commands import Email, Moment, Printable, ProviderName

_FACT = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True, hide_input_in_errors=True)
#: Not built with this module, which every function imports. Danger: a model is not built safely by several threads. The
#: module that makes one builds it, by model_rebuild().
_WHERE_IT_IS_MADE = ConfigDict(**_FACT, defer_build=True)


class HrEvent(NamedTuple):
    """What an HR system sent, as a bus delivered it; only that system's adapter understands `detail`."""

    id: str
    #: when we heard of it
    sent_at: datetime
    detail: Mapping[str, Any]
    #: the person's e-mail address, where whoever put the event on the bus looked it up
    looked_up_email: str | None = None
    #: the connection of the front door that it came by, and the id that its sender signed
    connection: str | None = None
    delivery: str | None = None


def _identities(value: object, check: Callable[[object], dict[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    try:
        return check(value)
    except ValidationError:
        # Its keys come from outside and could be anything, a secret included: they are not named back.
        pass
    raise ValueError("expected by provider an object of names, without control characters and up to 256 long")


Identities = Annotated[dict[ProviderName, dict[str, Printable]], WrapValidator(_identities)]


class Subject(BaseModel):
    """The person who leaves, under the names that the source knows."""

    model_config = _FACT

    email: Email
    source_id: Printable | None = None
    #: by provider and key, as `{"zoom": {"id": "…"}}`: cases.identities.check() holds the keys to the provider's entry
    identities: Identities = Field(default_factory=dict)

    def identity(self, provider: str, key: str) -> str | None:
        """What the source calls the person at a provider."""
        return self.identities.get(provider, {}).get(key)


class OffboardingRequested(BaseModel):
    """The one canonical HR event, version `leaver.v1`: somebody leaves, left, or does not leave after all.

    `contain` and `sessions` are about somebody who stays: after a theft everything that could be stolen ends, or the
    sessions and Leaver's copies of user tokens alone.
    """

    model_config = _FACT

    version: Literal["leaver.v1"] = "leaver.v1"
    #: what names the event: sent again, it is a repeat
    event_id: Printable
    #: the HR system
    source: Printable
    kind: Literal["immediate", "scheduled", "contain", "sessions", "cancelled", "reinstated"]
    #: the person
    subject: Subject
    #: when access is to end
    effective_at: Moment
    #: when that happened, by the source
    occurred_at: Moment
    #: who said so there
    actor: Printable | None = None
    #: why, in the words of whoever asks
    because: Printable | None = None
    urgency: Literal["urgent", "routine"] = "routine"
    #: the source says how somebody is, with every change of something else, and not that this changed
    may_repeat: bool = False
    #: why a person has to look first: it can not be told who is meant
    doubt: Printable | None = None
    #: why a person, or another source, has to say so as well before anything ends
    held: Printable | None = None


class AccountEvent(BaseModel):
    """What a provider itself tells of somebody's account there, which is nobody's departure by itself."""

    model_config = _WHERE_IT_IS_MADE

    provider: ProviderName
    event_id: Printable
    #: the provider's own name of it
    name: Printable
    what: Literal["ended", "activated", "used"]
    user_id: Printable
    email: Email | None = None
    actor: Printable | None = None
    occurred_at: Moment
    #: of an account that ended, the departure that it is where it is one
    departure: OffboardingRequested | None = None


class AppRemoved(BaseModel):
    """A provider tells that Leaver's own app was removed from an account there: its connections are dead."""

    model_config = _WHERE_IT_IS_MADE

    provider: ProviderName
    event_id: Printable
    #: as the provider calls it
    account: Printable | None = None
    occurred_at: Moment


class Announcement(BaseModel):
    """What became of a command; `detail_type` is its name on the bus. At least once: dedupe on `announcement_id`."""

    model_config = _FACT

    detail_type: str
    announcement_id: str
    command: str
    system: str
    subject: str
    #: of a case's step, whose account it is about
    account: str | None
    connection: str | None
    case_id: str | None
    outcome: str
    provider_status: int | None
    provider_code: str | None
    tracking_id: str | None
    reason: str | None
    requested_at: datetime | None
    first_attempt_at: datetime
    finished_at: datetime
    attempts: int
    #: seconds from `requested_at`; only where access really ended
    time_to_revoke: int | None
    details: dict[str, str | int | bool]


class ConnectionAnnouncement(BaseModel):
    """How a connection is from now on; at least once: dedupe on `announcement_id`."""

    model_config = _WHERE_IT_IS_MADE

    detail_type: Literal["ConnectionFailing", "ConnectionNeedsReauthorization", "ConnectionRecovered"]
    announcement_id: str
    connection: str
    provider: str
    account: str
    status: str
    reason: str | None
    #: since when it is as it is; of a recovery, since when it was not well
    since: datetime


class CaseAnnouncement(BaseModel):
    """How far a case is; at least once: dedupe on `announcement_id`."""

    model_config = _WHERE_IT_IS_MADE

    detail_type: Literal[
        "OffboardingStarted",
        "OffboardingCompleted",
        "OffboardingOverdue",
        "OffboardingCancelled",
        "OffboardingHeld",
        "AccountResurrected",
    ]
    announcement_id: str
    case_id: str
    #: whether the person leaves (`departure`), or stays: `contain`, `sessions`
    kind: str
    state: str
    subject: str
    source: str
    event_id: str
    urgency: str
    requested_at: datetime
    effective_at: datetime
    finished_at: datetime | None
    #: the names of all steps, and of those that are not done
    steps: list[str]
    outstanding: list[str]
    #: of a completed case: seconds, the head of the chain over its receipts, and what no API can end
    time_to_revoke: int | None
    head: str | None
    #: of what was signed: the `statement`'s SHA-256, and the log's signed `checkpoint` that ends with
    #: it, but for its last line feed
    evidence: dict[str, str] | None
    residual: list[dict[str, str]]
    #: the finished case after which this one looked once more
    sweep_of: str | None
    #: of an account that lives again: what its provider told, and what follows
    seen: dict[str, str] | None


class SourceAnnouncement(BaseModel):
    """That nothing came from a source for longer than it may be silent; at least once: dedupe on `announcement_id`."""

    model_config = _WHERE_IT_IS_MADE

    detail_type: Literal["SourceSilent"]
    announcement_id: str
    #: the connection of the front door, `<source>/<connection>`
    source: str
    #: when it spoke last; of one that never spoke, since when it is there
    silent_since: datetime


class ReconciliationAnnouncement(BaseModel):
    """What came of comparing a roster with who has something; at least once: dedupe on `announcement_id`.

    It names nobody: who it is about stands in the result, which `digest` tells apart from every other.
    """

    model_config = _WHERE_IT_IS_MADE

    detail_type: Literal["Reconciled", "ReconciliationStopped"]
    announcement_id: str
    run: str
    dry_run: bool
    #: how many lines each list has
    counts: dict[str, int]
    #: service connections whose owners left
    connections_of_who_left: list[str]
    #: why nothing follows; empty where all was whole
    because: list[str]
    #: SHA-256 of the result's canonical JSON
    digest: str


class PeopleNotified(BaseModel):
    """What people are told of another announcement, in one sentence; at least once: dedupe on `announcement_id`."""

    model_config = _WHERE_IT_IS_MADE

    detail_type: Literal["PeopleNotified"]
    announcement_id: str
    #: the other announcement's detail-type
    announced: str
    title: str
    sentence: str
    case_id: str | None
    #: what to type to see more
    next_step: str
