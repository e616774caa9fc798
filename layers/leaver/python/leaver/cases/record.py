"""A leaver's case: everything that must end, recorded first, and what is outstanding of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from leaver.cases.kinds import Kind, kind_of
from leaver.cases.partitions import of_case
from leaver.cases.receipts import Receipt
from leaver.cases.seal import VERSION, Stored, head_of
from leaver.cases.states import (
    UNDER_WAY,
    WAITING,
    AnnouncementName,
    CaseEvent,
    LookAgain,
    State,
    is_possible,
    transition,
)
from leaver.messages.commands import Command, step_name
from leaver.messages.events import OffboardingRequested, Subject
from leaver.messages.names import FoundBy, name_of
from leaver.outcomes import Outcome
from leaver.storage.tables import columns

#: the sort key of the case's own item
ENTRY: Final = "case"
#: the index `watch`: what has to be looked at, and when; and what waits for a person
WATCHED: Final = "case"
HELD: Final = "held"
#: how soon a case is looked at again that may have an announcement pending, or have lost a command
LOOK_AGAIN: Final = timedelta(minutes=1)
#: a step that no message can do: a person connects the service connection anew
REPLACE: Final = "ReplaceServiceConnection"
#: where somebody stays the last step: what was asked for until the cutoff must not be kept either
PURGE: Final = "PurgeUserTokens"
#: what a deployment may opt in to, and is done again once where somebody activated the account by hand
DEACTIVATE: Final = "DeactivateUser"
#: how often what lives again is ended again, at most
SWEEP_PAUSE: Final = timedelta(minutes=10)
#: how long after a case began the leaver's address or name is nobody else's: a provider may be out for a weekend
STILL_THEIRS: Final = timedelta(days=3)
#: how much evidence a case keeps: an item holds 400 KB
MOST_SEEN: Final = 50
#: the steps that are about one connection; every other is about an account, over whichever connection there is
OF_A_CONNECTION: Final = frozenset({REPLACE, "RevokeAccessToken"})
#: these end a step; a user who is not found ends it only where it is certain who is meant
DONE: Final = frozenset({Outcome.REVOKED, Outcome.ALREADY_GONE, Outcome.PURGED, Outcome.DEACTIVATED})
#: and so does a person's word
DONE_WITH: Final = DONE | {Outcome.CLOSED}


class Step(BaseModel):
    """One thing that must end: a command with its fields, or what a person must do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    #: `provider/account`, the provider alone while no account of it is known, or the connection that it is about
    at: str
    #: which of the person's names there it is about, as Case.subjects are numbered, or which grant of that connection:
    #: where that is not the first
    alias: int | None = None
    #: whose access, or which connection, as its receipt names it
    identity: str
    found_by: FoundBy | None = None
    #: the command's fields beside case, account, connection, urgency and time
    detail: dict[str, str] = Field(default_factory=dict)
    #: why its command can't be sent, by the provider's own syntax
    refused: str | None = None

    @property
    def name(self) -> str:
        """Names the step within its case; its receipt has that for a sort key."""
        return step_name(self.command, self.at, self.alias)

    @property
    def provider(self) -> str | None:
        """At whom it ends access; None of a step that is about one connection."""
        return None if self.command in OF_A_CONNECTION else self.at.partition("/")[0]

    @property
    def account(self) -> str | None:
        """The provider's account; None of a step that is about one connection, and while no account is known."""
        return None if self.command in OF_A_CONNECTION else self.at.partition("/")[2] or None

    @property
    def is_added(self) -> bool:
        """Whether it is about an identity that a later event gave beside the address."""
        address = self.detail.get("email")
        is_named = address is not None and name_of(self.identity) != name_of(address)
        return self.alias is not None and is_named and self.found_by != "account" and "found_by" not in self.detail

    @property
    def lacks_account(self) -> bool:
        """Whether it stands for a provider that no connection was made to yet."""
        return self.provider is not None and self.account is None

    def asks_for(self, command: Command) -> bool:
        """Whether this is the step's own command, field by field; urgency and time say nothing of the step."""
        if self.lacks_account:
            return False
        detail = command.model_dump(exclude=set(Command.model_fields), exclude_none=True)
        return (command.step_name, command.account, detail) == (self.name, self.account, self.detail)

    def is_reported_by(self, receipt: Receipt) -> bool:
        """Whether this is the step's own receipt: another's would end what is not ended."""
        reported = (receipt.entry, receipt.command, receipt.account, receipt.subject)
        if self.command in OF_A_CONNECTION and receipt.connection != self.at:
            return False
        return reported == (self.name, self.command, self.account, self.identity)


class Said(BaseModel):
    """Who said that the person leaves, or stays, and when that happened."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    source: str
    event_id: str
    kind: str
    at: AwareDatetime
    #: when access is to end
    effective_at: AwareDatetime

    def is_heard_with(self, other: Self) -> bool:
        """Whether this event was heard when the other was: it is the same, or that source said something newer."""
        same = (self.event_id, self.kind, self.at) == (other.event_id, other.kind, other.at)
        return self.source == other.source and (same or self.at < other.at)


class Seen(BaseModel):
    """What a provider itself told of a leaver's account: evidence, which may come after the seal and is not in it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    event_id: str
    #: the provider's own name of it
    name: str
    user_id: str
    actor: str | None = None
    at: AwareDatetime
    #: of an account that lives again, what follows
    follows: str | None = None


class Signed(BaseModel):
    """What was signed of a case's end."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: the SHA-256 of the statement, in hex
    statement: str
    #: the log of all cases up to this one: C2SP's checkpoint in a signed note
    checkpoint: str


class Policy(BaseModel):
    """What the deployment has decided about cases."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: where a step is done although nobody of that name is known: `provider/account`, or a whole provider
    done_where_missing: tuple[str, ...] = ()
    deactivate_users: bool = False
    #: seconds
    deadline: int


class Search(NamedTuple):
    """What has to end for a case's person, and where that was looked for."""

    steps: Sequence[Step]
    searched: tuple[dict[str, str], ...]


class Case(BaseModel):
    """The case's own item in the Cases table.

    Changed by making another of it: each `after_…` and `with_…` returns a copy. Its state changes in `after` alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    case_id: str
    entry: str = ENTRY
    state: State
    #: the HR event as it was understood, and what the deployment had decided when the case was recorded
    request: dict[str, Any] = Field(default_factory=dict)
    policy: Policy | None = None
    #: where it was looked for what has to end, before the seal
    searched: tuple[dict[str, str], ...] = ()
    #: whose access: the e-mail address of the HR event, and by `provider/account` the ids that accounts confirmed; for
    #: another address of the person's by `provider/account address`
    email: str
    identities: dict[str, str] = Field(default_factory=dict)
    #: how else later events name the person, or the same once more: what lives under such a name has steps of its own
    aliases: tuple[Subject, ...] = ()
    #: every name of the person under which a tombstone is raised: not an address that somebody else has by now
    names: tuple[str, ...]
    event_id: str
    source: str
    actor: str | None = None
    #: the newest word of each source that said that the person leaves
    said: tuple[Said, ...] = ()
    #: the completed case that this one repeats: it acts on whom that one acted on
    follows: str | None = None
    #: why a person has to look before it begins, where it is not the guard that holds it
    because: str | None = None
    #: a person has looked, and the guard holds it no more
    released: bool = False
    #: a return that takes effect only by a person: another source says that this person left
    return_held: Said | None = None
    urgency: Literal["urgent", "routine"]
    #: when the HR event happened, and when it is to take effect
    requested_at: AwareDatetime
    effective_at: AwareDatetime
    #: since when start_offboarding is asked to begin it
    asked_at: AwareDatetime | None = None
    #: when an account last said whose the person's addresses are, where that was days before the case began
    told_at: AwareDatetime | None = None
    #: by step, when the word happened, or the sign of life came, for which it does once more what had ended: the newest
    redone_for: dict[str, AwareDatetime] = Field(default_factory=dict)
    started_at: AwareDatetime | None = None
    deadline_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    #: in order
    steps: tuple[Step, ...]
    #: the names of the steps that are not done, in order
    outstanding: tuple[str, ...]
    #: and of those among them that no connection was there for when it was last looked
    waiting: tuple[str, ...] = ()
    #: by step, the connections over which it failed: another of the account may do it
    failed_over: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    #: what must still be announced, in order
    pending_announcements: tuple[AnnouncementName, ...] = ()
    overdue: bool = False
    #: when commands that seemed lost were sent again, and how often
    resent_at: AwareDatetime | None = None
    resent: int = 0
    #: the seal: the last digest of the chain over case and receipts, and how it is computed
    head: str | None = None
    seal_version: int | None = None
    #: what was signed of its end, as soon as that is stored
    evidence: Signed | None = None
    #: what no API can end, and until when it lives
    residual: tuple[dict[str, str], ...] = ()
    #: this case looks once more for access that came back after that one
    sweep_of: str | None = None
    #: the newest that providers told of the person's accounts since; none of this is sealed
    seen: tuple[Seen, ...] = ()
    #: an account lived again then, and no sweep has begun since
    alive_at: AwareDatetime | None = None
    #: when somebody activated an account again that Leaver had deactivated, and the sweep that deactivated it once more
    activated_at: AwareDatetime | None = None
    deactivated_again_by: str | None = None
    #: the sweeps that began because an account lived again: how many, and when the last one did
    sweeps: int = 0
    swept_at: AwareDatetime | None = None
    #: nobody can tell any more whose case it was: a mark stands for what was personal
    erased_at: AwareDatetime | None = None
    watch: str | None = None
    watch_at: AwareDatetime | None = None
    item_version: int = 0

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def partition(self) -> str:
        """Where it lies in the table."""
        return of_case(self.case_id)

    @computed_field  # type: ignore[prop-decorator] # mypy knows no property under a decorator
    @property
    def kind(self) -> Kind:
        """What the case is about, as its event says: somebody leaves, or stays."""
        return kind_of(self.request)

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """The person, as the case's event names them, and then as later events do."""
        return (OffboardingRequested.model_validate(self.request, strict=False).subject, *self.aliases)

    @property
    def lost_addresses(self) -> frozenset[str]:
        """The addresses by which HR named the person, and that may not be the person's any more."""
        return frozenset(name_of(each.email) for each in self.subjects) - frozenset(self.names)

    @property
    def theirs_at(self) -> datetime | None:
        """When the person's addresses were theirs, as far as is known; None before the case has begun."""
        return self.told_at or self.started_at

    @property
    def is_being_begun(self) -> bool:
        """Whether nobody was told that it began: that run may be killed before the last tombstone, or a command."""
        return self.state is State.OPEN and "OffboardingStarted" in self.pending_announcements

    @property
    def is_untold(self) -> bool:
        """Whether nobody said on the day whose the addresses are: they may be somebody else's by now."""
        return self.told_at is not None and (self.started_at is None or self.told_at < self.started_at)

    def is_due(self, now: datetime) -> bool:
        """Whether it is to begin by now."""
        return self.state is State.SCHEDULED and self.watch_at is not None and self.watch_at <= now

    def is_old(self, now: datetime) -> bool:
        """Whether its addresses may be somebody else's by now: of a later word nobody need have said whose they are."""
        return now > self.requested_at + STILL_THEIRS

    def ids_of(self, subject: Subject) -> Mapping[str, str]:
        """By `provider/account`, the ids that accounts confirmed for this very address."""
        address = name_of(subject.email)
        if address == name_of(self.email):
            return self.identities
        return {
            at.removesuffix(f" {address}"): id_ for at, id_ in self.identities.items() if at.endswith(f" {address}")
        }

    @property
    def awaited(self) -> tuple[str, ...]:
        """What is outstanding, but for the purges where somebody stays: these wait for all the rest."""
        last = {step.name for step in self.steps if self.kind != "departure" and step.command == PURGE}
        return tuple(name for name in self.outstanding if name not in last)

    def allows(self, event: CaseEvent) -> bool:
        """Whether this can happen to the case as it is."""
        return is_possible(self.state, event)

    def after(self, event: CaseEvent, now: datetime) -> Self:
        """The case after something happened to it; raises ImpossibleTransition where that can not be."""
        row = transition(self.state, event)
        finished_at = self.finished_at if row.after in UNDER_WAY else now
        released = self.released or event is CaseEvent.RELEASED
        case = self.model_copy(update={"state": row.after, "finished_at": finished_at, "released": released})
        if row.announced is not None:
            case = case.with_pending(row.announced)
        if row.look_again is LookAgain.IN_A_MINUTE:
            return case.with_look_at(now + LOOK_AGAIN)
        watch = HELD if row.look_again is LookAgain.BY_A_PERSON else WATCHED
        return case.model_copy(update={"watch": watch, "watch_at": max(self.effective_at, now)})

    def after_start(self, now: datetime, *, deadline: timedelta) -> Self:
        """Under way from now on."""
        return self.after(CaseEvent.STARTED, now).model_copy(update={"started_at": now, "deadline_at": now + deadline})

    def as_never_begun(self, now: datetime) -> Self:
        """Over before anything of it was sent: nobody says any more that the person leaves."""
        never = {"started_at": None, "deadline_at": None}
        return self.after(CaseEvent.UNSAID, now).without_pending("OffboardingStarted").model_copy(update=never)

    def after_seal(self, receipts: Mapping[str, Stored], residual: Iterable[Mapping[str, str]], now: datetime) -> Self:
        """Done, and closed with the digest of the case and its receipts, as they are stored."""
        done = self.after(CaseEvent.SEALED, now).model_copy(
            update={"residual": tuple(residual), "seal_version": VERSION}
        )
        # Whatever lived again until now has ended once more: else it would not be sealed.
        return done.model_copy(update={"head": head_of(columns(done), receipts), "alive_at": None})

    def after_deadline(self, now: datetime) -> Self:
        """Overdue, where it is, and the announcement of that pending: once."""
        if self.overdue or self.deadline_at is None or now < self.deadline_at:
            return self
        return self.after(CaseEvent.OVERDUE, now).model_copy(update={"overdue": True})

    def after_resending(self, now: datetime) -> Self:
        """With commands that seemed lost on their way once more."""
        return self.model_copy(update={"resent_at": now, "resent": self.resent + 1})

    def has_heard(self, said: Said) -> bool:
        """Whether this word was heard before it."""
        return any(said.is_heard_with(each) for each in self.said)

    def with_said(self, said: Said) -> Self:
        """With the word of a source, where it is its newest; what has not begun is moved to the first day that is said.

        Of one source the newest word counts, also a later day; another source can only bring the day forward.
        """
        if any(said.source == each.source and said.at < each.at for each in self.said):
            return self
        others = tuple(each for each in self.said if each.source != said.source)
        has_taken_back = self.return_held is not None and self.return_held.source == said.source
        return self.with_words((*others, said), return_held=None if has_taken_back else self.return_held)

    def with_return_held(self, held: Said) -> Self:
        """With a return that waits for a person; until then the day is what the other sources say."""
        # What is sealed says what was said.
        is_sealed = self.state not in UNDER_WAY
        others = tuple(each for each in self.said if is_sealed or each.source != held.source)
        return self.with_words(others, return_held=held)

    def with_words(self, said: tuple[Said, ...], *, return_held: Said | None) -> Self:
        """With these words; what has not begun begins on the first day that they say."""
        case = self.model_copy(update={"said": said, "return_held": return_held})
        if case.state not in WAITING:
            return case
        first = min((each.effective_at for each in said), default=case.effective_at)
        return case.model_copy(update={"effective_at": first})

    @property
    def waits_for_confirmation(self) -> bool:
        """Whether it is held only until another source says so as well."""
        return self.because is not None and self.because == self.request.get("held")

    def after_confirmation(self, now: datetime) -> Self:
        """No longer held for the word that opened it, which counts no more: another source says when access ends."""
        others = tuple(each for each in self.said if each.source != self.source)
        confirmed = self.after(CaseEvent.CONFIRMED, now)
        return confirmed.model_copy(update={"because": None}).with_words(others, return_held=self.return_held)

    @property
    def sweeps_next_at(self) -> datetime | None:
        """When what lives again may be ended again; None where that is now."""
        return self.swept_at + SWEEP_PAUSE if self.swept_at else None

    def with_seen(self, seen: Seen) -> Self:
        """With this evidence; the newest is kept."""
        return self.model_copy(update={"seen": (*self.seen, seen)[-MOST_SEEN:]})

    def with_resurrection(self, seen: Seen, now: datetime) -> Self:
        """With an account that lives again, to be looked at as soon as a sweep may begin."""
        # The table keeps seconds: who came in the very second in which access ended came after it.
        alive_at = max(self.alive_at or seen.at, seen.at.replace(microsecond=0) + timedelta(seconds=1))
        alive = self.with_seen(seen).with_pending("AccountResurrected").model_copy(update={"alive_at": alive_at})
        at = max(self.sweeps_next_at or now, now)
        return alive.with_look_at(min(self.watch_at or at, at))

    def after_sweep(self, sweep: Self, number: int) -> Self:
        """With this sweep begun; what lived again since wants another."""
        again = any(step.command == DEACTIVATE for step in sweep.steps)
        swept: dict[str, object] = {"sweeps": number, "swept_at": sweep.started_at}
        if again:
            swept["deactivated_again_by"] = sweep.case_id
        if self.alive_at is not None and sweep.started_at is not None and self.alive_at < sweep.started_at:
            swept["alive_at"] = None
        return self.model_copy(update=swept)

    def with_alias(self, subject: Subject) -> Self:
        """With another name of the person's, the last of their subjects."""
        return self.model_copy(update={"aliases": (*self.aliases, subject)})

    def own_among(self, receipts: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """The receipts of its steps among these, which go by their sort key; what is another's is not one."""
        found = [(step, receipt) for step in self.steps if (receipt := receipts.get(step.name))]
        return {step.name: receipt for step, receipt in found if step.is_reported_by(receipt)}

    def with_names(self, names: Iterable[str]) -> Self:
        """With these names for tombstones as well."""
        return self.model_copy(update={"names": tuple(sorted({*self.names, *names}))})

    def without_names(self, names: Iterable[str]) -> Self:
        """Without these: they are somebody else's by now."""
        return self.model_copy(update={"names": tuple(sorted(set(self.names).difference(names)))})

    def with_steps(self, steps: Iterable[Step]) -> Self:
        """With the steps that it lacks: never a second set.

        The steps of a provider's accounts take the place of those without an account. Before the case begins, what is
        known by now takes the place of what was known when a step was recorded.
        """
        mine = {step.name for step in self.steps}
        found = {step.name: step for step in steps}
        standing = self.steps if self.started_at else tuple(found.get(step.name, step) for step in self.steps)
        every = (*standing, *(step for name, step in found.items() if name not in mine))
        has_account = {(step.command, step.provider) for step in every if step.account}
        kept = tuple(
            step for step in every if not step.lacks_account or (step.command, step.provider) not in has_account
        )
        undone = {*self.outstanding, *(step.name for step in kept if step.name not in mine)}
        outstanding = tuple(step.name for step in kept if step.name in undone)
        return self.model_copy(update={"steps": kept, "outstanding": outstanding})

    def with_look_at(self, at: datetime | None) -> Self:
        """To be looked at again then; never again where that is None."""
        return self.model_copy(update={"watch": WATCHED if at else None, "watch_at": at})

    def with_pending(self, announcement: AnnouncementName) -> Self:
        """With this announcement pending as well."""
        if announcement in self.pending_announcements:
            return self
        return self.model_copy(update={"pending_announcements": (*self.pending_announcements, announcement)})

    def without_pending(self, announcement: AnnouncementName) -> Self:
        """With one announcement less pending."""
        pending = tuple(each for each in self.pending_announcements if each != announcement)
        return self.model_copy(update={"pending_announcements": pending})

    @property
    def time_to_revoke(self) -> int | None:
        """Seconds from when it was to take effect until the last receipt; None while it is not done."""
        if self.state is not State.COMPLETED or self.finished_at is None:
            return None
        return max(0, int((self.finished_at - max(self.requested_at, self.effective_at)).total_seconds()))


def new_case(case_id: str, steps: Iterable[Step], names: Iterable[str], **fields: object) -> Case:
    """A case with every step it expects, none of them done: scheduled, and not looked at by itself."""
    steps = tuple(steps)
    outstanding = tuple(step.name for step in steps)
    case = {
        "case_id": case_id,
        "state": State.SCHEDULED,
        "outstanding": outstanding,
        "names": tuple(sorted(set(names))),
    }
    return Case.model_validate(case | {"steps": steps} | fields)


def sweep_of(case_id: str, number: int | None = None) -> str:
    """The id of the case that looks once more, after a case is done, for access that came back.

    `number` is that of a sweep that began because an account lived again.
    """
    return f"{case_id}.sweep" if number is None else f"{case_id}.sweep.{number}"


def deactivation_of(case_id: str) -> str:
    """The id of the case in which a person decides whether an account is deactivated a third time."""
    return f"{case_id}.deactivation"
