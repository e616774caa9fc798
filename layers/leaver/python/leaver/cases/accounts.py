"""What a provider itself tells of an account: an echo of what Leaver did, a resurrection, or a word of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.proved import as_proved, find_ended_before
from leaver.cases.record import DEACTIVATE, Case, Seen, deactivation_of
from leaver.cases.states import UNDER_WAY, State
from leaver.errors import Rejected
from leaver.messages.events import AccountEvent, OffboardingRequested, Subject
from leaver.outcomes import Outcome
from leaver.providers.entry import Providers

#: why nothing is done about what a provider tells
ECHO: Final = "the account of somebody who left was ended, by Leaver or after it: evidence on the case"
UNDER_WAY_ALREADY: Final = "a case of this person's departure waits or is under way already: evidence on it"
ENDS_LATER: Final = "whatever was there then has ended since, or is being ended"
NOBODY_LEFT: Final = "nobody of this id or address has left"
TOLD_ALREADY: Final = "the case has this already"
ERASED_LIVES: Final = (
    "the account of somebody who left, and was erased since, lives again: no case is there that would end it by itself"
)
#: what was told to a person
RESURRECTED: Final = "an account of somebody who left lives again: what is back is ended once more"
HELD: Final = "somebody activated the account again after Leaver had deactivated it twice: a person decides"
ADDRESS_ALONE: Final = "somebody with another id has the address of somebody who left: nothing is ended, a person looks"
TOLD: Final = frozenset({RESURRECTED, HELD, ADDRESS_ALONE})


@dataclass(frozen=True)
class AccountEvents:
    """What it takes to hear what providers tell of accounts."""

    intake: Intake
    providers: Providers

    def hear(self, event: AccountEvent, heard_at: datetime) -> Fate:
        """Take it for evidence, end what lives again, or take it in as a word; repeated, it adds nothing."""
        gone = self._find_gone(event.user_id)
        if event.what == "ended":
            return self._hear_end(event, gone, heard_at)
        if gone is not None:
            return self._hear_life(event, gone)
        standing = self._find_under_way(event) if event.what == "activated" else None
        if standing is not None and standing.waits_for_confirmation:
            # Whoever decides of the case sees that the account's end was taken back.
            return self._keep(event, standing, UNDER_WAY_ALREADY)
        if (erased_at := self._find_erased(event.user_id)) is not None:
            return self._ask_about_erased(event, erased_at, heard_at)
        gone = self._find_gone(event.email) if event.email else None
        return self._tell_of_address(event, gone) if gone else Fate("nothing_follows", because=NOBODY_LEFT)

    def _find_gone(self, name: str) -> Case | None:
        """The case for which a tombstone stands on this name; None where none stands."""
        found = self.intake.people.read(name)
        if found is None or found.gone_since is None:
            return None
        # One that waits for a person has ended nothing: the one before it has.
        pointed = (self.intake.cases.read(each) for each in (found.case, found.finished) if each)
        return next((each for each in pointed if each and each.state in {State.OPEN, State.COMPLETED}), None)

    def _find_erased(self, name: str) -> datetime | None:
        """When somebody of this name was erased who left, and of whom no case has come since; None of anybody else."""
        found = self.intake.people.read(name)
        if found is None or found.gone_since is None or any(map(self.intake.cases.read, found.cases)):
            return None
        return found.erased_at

    def _ask_about_erased(self, event: AccountEvent, erased_at: datetime, heard_at: datetime) -> Fate:
        """Open a case that waits for a person."""
        if event.email is None:
            raise Rejected(f"{event.provider}: {ERASED_LIVES}; the event does not say whose: look the address up")
        # Later than the erasure, as the table keeps it: what happened before that was done.
        at = max(event.occurred_at, erased_at + timedelta(seconds=1))
        request = OffboardingRequested(
            event_id=event.event_id,
            source=event.provider,
            kind="immediate",
            subject=Subject(email=event.email, identities={event.provider: {"id": event.user_id}}),
            effective_at=at,
            occurred_at=at,
            actor=event.actor,
            held=ERASED_LIVES,
        )
        return self.intake.take_in(request, heard_at)

    # -- an account was ended

    def _hear_end(self, event: AccountEvent, gone: Case | None, heard_at: datetime) -> Fate:
        if gone is not None and self._is_echo(event, gone):
            return self._keep(event, gone, ECHO)
        request = event.departure
        if request is None:
            raise Rejected(
                f"{event.provider}: an account was ended, and the event does not say whose: look the address up"
            )
        standing = self._find_under_way(event) if request.held else None
        if standing is not None:
            return self._keep(event, standing, UNDER_WAY_ALREADY)
        answers = self.intake.find_person(request, heard_at)
        if any(each is not None and each.id != event.user_id for each in answers.values()):
            raise Rejected(
                f"{event.provider}: the account was ended, and its address is another id's by now: nothing of theirs "
                "is ended; where the person left, send OffboardingRequested"
            )
        return self.intake.take(request, answers, heard_at)

    def _is_echo(self, event: AccountEvent, case: Case) -> bool:
        """Whether nobody has activated the account by hand since Leaver ended it, or Leaver deactivates it again."""
        if case.activated_at is None:
            return True
        ids = [each for each in (case.deactivated_again_by, deactivation_of(case.case_id)) if each]
        cases = [case, *(each for case_id in ids if (each := self.intake.cases.read(case_id)))]
        return any(self._deactivates(event, each, case.activated_at) for each in cases)

    def _deactivates(self, event: AccountEvent, case: Case, since: datetime) -> bool:
        """Whether a step deactivated this very account since then, or is about to."""
        receipts = self.intake.cases.read_receipts(case.case_id)
        for step in case.steps:
            if step.command != DEACTIVATE or as_proved(case, step, receipts, self.providers).identity != event.user_id:
                continue
            receipt = receipts.get(step.name)
            if receipt is None or receipt.finished_at is None:
                # The provider may be faster than the receipt.
                return case.state is State.OPEN
            if receipt.outcome is Outcome.DEACTIVATED and receipt.finished_at >= since:
                return True
        return False

    def _find_under_way(self, event: AccountEvent) -> Case | None:
        names = (event.user_id, *((event.email,) if event.email else ()))
        known = [found.case for name in names if (found := self.intake.people.read(name)) and found.case]
        cases = (self.intake.cases.read(each) for each in known)
        return next((each for each in cases if each and each.state in UNDER_WAY), None)

    def _keep(self, event: AccountEvent, case: Case, because: str) -> Fate:
        def with_evidence(standing: Case) -> Case | None:
            return None if _has(standing, event) else standing.with_seen(_seen(event))

        self.intake.cases.change(case, with_evidence)
        return Fate("nothing_follows", case.case_id, because)

    # -- an account lives

    def _hear_life(self, event: AccountEvent, case: Case) -> Fate:
        changed = self.intake.cases.change(case, partial(self._with_life, event=event))
        standing = changed or self.intake.cases.require(case.case_id)
        # Also where it has this already: an earlier run may have been killed on its way.
        self.intake.announcer.announce_pending(standing)
        if changed is None:
            why = TOLD_ALREADY if _has(standing, event) else ENDS_LATER
            return Fate("nothing_follows", case.case_id, why)
        return Fate("changed", case.case_id, str(changed.seen[-1].follows))

    def _with_life(self, case: Case, *, event: AccountEvent) -> Case | None:
        """With an account that lives again; None where what was there then has been ended since."""
        at = event.occurred_at.replace(microsecond=0)
        if _has(case, event) or (case.swept_at and at < case.swept_at):
            return None
        if case.state not in {State.OPEN, State.COMPLETED} or not self._had_ended(event, case):
            return None
        if event.what != "activated":
            return case.with_resurrection(_seen(event, RESURRECTED), self.intake.clock())
        follows = RESURRECTED if case.deactivated_again_by is None else HELD
        alive = case.with_resurrection(_seen(event, follows), self.intake.clock())
        return alive.model_copy(update={"activated_at": max(case.activated_at or at, at)})

    def _had_ended(self, event: AccountEvent, case: Case) -> bool:
        """Whether a step at this provider had ended by then."""
        receipts = self.intake.cases.read_receipts(case.case_id)
        alive_at = case.with_resurrection(_seen(event), self.intake.clock()).alive_at or event.occurred_at
        ended = find_ended_before(case, receipts, self.providers, alive_at)
        return any(step.provider == event.provider for step, _ in ended)

    def _tell_of_address(self, event: AccountEvent, case: Case) -> Fate:
        """Tell once of each id: it may be somebody new's, who loses nothing."""

        def with_told(standing: Case) -> Case | None:
            if any(each.user_id == event.user_id for each in standing.seen):
                return None
            return standing.with_seen(_seen(event, ADDRESS_ALONE)).with_pending("AccountResurrected")

        changed = self.intake.cases.change(case, with_told)
        self.intake.announcer.announce_pending(changed or self.intake.cases.require(case.case_id))
        return Fate("nothing_follows", case.case_id, ADDRESS_ALONE if changed else TOLD_ALREADY)


def _seen(event: AccountEvent, follows: str | None = None) -> Seen:
    return Seen(
        event_id=event.event_id,
        name=event.name,
        user_id=event.user_id,
        actor=event.actor,
        at=event.occurred_at,
        follows=follows,
    )


def _has(case: Case, event: AccountEvent) -> bool:
    return any(each.event_id == event.event_id for each in case.seen)
