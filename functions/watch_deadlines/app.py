"""Look after what waits: begin what is due, resend what was lost, announce what is pending, destroy what is dead."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from aws_lambda_powertools import Logger

from leaver import bootstrap
from leaver.cases.announcing import CaseAnnouncer
from leaver.cases.closing import open_receipt
from leaver.cases.finding import StepFinder
from leaver.cases.people import Name, People
from leaver.cases.proved import as_proved, with_what_may_be_back
from leaver.cases.receipts import Receipt, Receipts
from leaver.cases.record import (
    DEACTIVATE,
    DONE_WITH,
    LOOK_AGAIN,
    PURGE,
    REPLACE,
    WATCHED,
    Case,
    Step,
    deactivation_of,
    new_case,
    sweep_of,
)
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, CaseEvent, State
from leaver.cases.table import Cases, CaseSummary
from leaver.cases.user_tokens import StoredUserTokens
from leaver.connections.record import Connection, Connections
from leaver.consuming.invocation import LambdaContext
from leaver.errors import BadMessage
from leaver.messages.events import SourceAnnouncement
from leaver.messages.names import name_of
from leaver.outcomes import Outcome, Result
from leaver.providers.entry import Providers
from leaver.providers.registry import PROVIDERS
from leaver.settings import (
    BeginsCases,
    Consumes,
    EndsAccess,
    ServesProviders,
    UsesConnections,
    WholeNumber,
)
from leaver.storage.tables import timestamp
from leaver.webhooks.places import Places

SourceAnnouncement.model_rebuild()

#: Nothing was heard of a command for so long that it may be lost. It is sent again then, and less and less often: where
#: a provider lets everybody wait for hours, each copy waits as well.
SILENCE: Final = timedelta(minutes=5)
LONGEST_SILENCE: Final = timedelta(hours=2)
#: How long start_offboarding is asked to begin a planned case, since it can ask an account whose the address is by now:
#: after that the case begins by what it was recorded with. No outage may keep a leaver in.
ASKED_FOR: Final = timedelta(minutes=15)
#: how often a search that proved nothing is tried again
SEARCH_AGAIN: Final = timedelta(hours=1)
#: in which minutes of each hour seal_case is asked to tell of days: SQS takes one of these messages
MINUTES_OF_ASKING: Final = 5
#: milliseconds that must be left to begin with another case
TIME_FOR_ONE: Final = 20_000
#: what may have come back, after everything had been ended
SWEPT: Final = frozenset({"RevokeSsoToken", "RevokeGrants", "PurgeUserTokens"})
#: why a person decides of an account that was deactivated twice
ACTIVATED_TWICE: Final = "somebody activated the account again, after Leaver had deactivated it twice"
#: and what of the case's own is of its sweep as well
OF_A_SWEEP: Final = frozenset(
    {"email", "identities", "event_id", "source", "actor", "urgency", "request", "aliases", "policy"}
)


class Settings(Consumes, UsesConnections, ServesProviders, BeginsCases, EndsAccess):
    """What `watch_deadlines` reads from its environment."""

    #: seconds after a case's end at which it is looked at once more for access that came back; 0: never
    sweep_after: WholeNumber
    start_offboarding_queue_url: str
    start_offboarding_urgent_queue_url: str


@dataclass(frozen=True)
class Watch:
    """What it takes to look after the cases."""

    cases: Cases
    people: People
    announcer: CaseAnnouncer
    #: has seal_case look at a case
    request_seal: Callable[[str], None]
    #: has start_offboarding begin a planned case
    request_begin: Callable[[Case], None]
    case_start: CaseStart
    receipts: Receipts
    connections: Connections
    kept: StoredUserTokens
    providers: Providers
    clock: Callable[[], datetime]
    #: seconds after which a consumer gives up: of what failed before that, the message is in its queue
    give_up_after: timedelta
    #: how long after its end a case is looked at once more for access that came back; None: never
    sweep_after: timedelta | None

    def look_at(self, case_id: str) -> None:
        """Do what has to be done about a case by now; repeated, it changes nothing."""
        case = self.cases.read(case_id)
        if case is None or case.watch_at is None or case.watch_at > self.clock():
            # The index is behind the table: somebody was faster.
            return
        match case.state:
            case State.SCHEDULED:
                self._begin(case)
            case State.OPEN:
                self._look_after_open(case)
            case State.COMPLETED:
                self._look_after_completed(case)
            case _:
                self._look_after_over(case)

    def put_off(self, case_id: str) -> None:
        """Put a case that could not be looked after behind those that wait."""
        at = self.clock() + LOOK_AGAIN

        def with_later_look(standing: Case) -> Case | None:
            return standing.with_look_at(at) if standing.watch == WATCHED else None

        self.cases.change(self.cases.require(case_id), with_later_look)

    def _begin(self, case: Case) -> None:
        """Begin what is due; where an account gave an id, somebody else may have the address since."""
        now = self.clock()
        is_old = case.is_old(now)
        may_be_anothers = case.kind == "departure" and case.sweep_of is None and (case.identities or is_old)
        since = case.asked_at if case.asked_at and case.asked_at >= case.effective_at else now
        if not may_be_anothers or now >= since + ASKED_FOR:
            if may_be_anothers and is_old and case.identities:
                # What goes by an address waits until somebody says whose the address is.
                case = self.cases.change(case, _with_told_at) or case
            self.announcer.announce_pending(self.case_start.begin(case))
            return
        if since == now:
            case = self.cases.change(case, partial(_with_asked_at, now=now)) or case
        self.request_begin(case)

    # -- under way

    def _look_after_open(self, case: Case) -> None:
        now = self.clock()
        if case.is_being_begun:
            # No step may end before the last tombstone stands.
            case = self.case_start.raise_tombstones_again(case, now)
        if case.state is not State.OPEN:
            self.announcer.announce_pending(case)
            return
        if case.is_untold and now >= (case.asked_at or now) + SEARCH_AGAIN:
            case = self.cases.change(case, partial(_with_asked_at, now=now)) or case
            self.request_begin(case)
        receipts = self.cases.read_receipts(case.case_id)
        case = self._with_what_came_since(case, receipts)
        outstanding = [step for step in case.steps if step.name in case.outstanding]
        for step in outstanding:
            if step.command == REPLACE and (receipt := self._receipt_of_replacement(case, step)):
                receipts[step.name] = receipt
        undone = [step for step in outstanding if not _is_done(receipts.get(step.name))]
        usable = self.connections.usable_at((step.provider for step in undone if step.provider), leaving=case.names)
        receipts |= self._close_given_up(case, [step for step in undone if step.provider and step.at not in usable])
        undone = [step for step in undone if not _is_done(receipts.get(step.name))]
        waiting = {step.name for step in undone if step.provider and step.at not in usable}
        sendable = [
            step for step in undone if step.command != REPLACE and step.name not in waiting and step.refused is None
        ]
        lost = [step.name for step in sendable if self._is_lost(receipts.get(step.name))]
        at_once = [step.name for step in sendable if step.name in case.waiting]
        failed_over: dict[str, tuple[str, ...]] = {}
        if case.resent_at is None or self.clock() - case.resent_at >= SILENCE:
            heard_of = [(step, receipts[step.name]) for step in sendable if step.provider and step.name in receipts]
            at_once += [step.name for step, receipt in heard_of if self._is_to_be_searched_again(receipt)]
            failed_over = {
                step.name: failed
                for step, receipt in heard_of
                if (failed := _failed_over(case, step, receipt, usable[step.at])) is not None
                and any(each.connection not in failed for each in usable[step.at])
            }
        resent = self._resend(case, lost, at_once, undone, waiting, failed_over=failed_over)
        case = self.announcer.announce_pending(resent)
        heard = [receipts[name] for name in case.outstanding if name in receipts]
        if not case.outstanding or any(each.outcome not in {None, Outcome.FAILED} for each in heard):
            # A run that was killed after its receipt, or whose message to seal_case was lost.
            self.request_seal(case.case_id)

    def _with_what_came_since(self, case: Case, receipts: Mapping[str, Receipt]) -> Case:
        """With what may be back, and the steps of a provider's accounts that had none when the case was recorded."""
        found = self.case_start.search(case).steps if any(step.lacks_account for step in case.steps) else ()
        now = self.clock()

        def with_found(standing: Case) -> Case | None:
            more = with_what_may_be_back(standing.with_steps(found), receipts, self.providers, now=now)
            new = tuple(name for name in more.outstanding if name not in standing.outstanding)
            # As if they had waited all the time: they are sent at once.
            more = more.model_copy(update={"waiting": standing.waiting + new})
            return more if standing.state is State.OPEN and more.steps != standing.steps else None

        return self.cases.settle(case, with_found)

    def _resend(
        self,
        case: Case,
        lost: Sequence[str],
        at_once: Sequence[str],
        undone: Iterable[Step],
        waiting: AbstractSet[str],
        *,
        failed_over: Mapping[str, tuple[str, ...]],
    ) -> Case:
        """Note that the case was looked at, and send what was lost again if it is time; returns the case after that."""
        now = self.clock()
        # Of one whose run was killed nothing may have been sent: that is not waited for, once.
        is_unsent = case.is_being_begun and case.resent == 0
        is_time = is_unsent or now - (case.resent_at or case.started_at or now) >= _silence(case.resent)
        again = {*at_once, *failed_over, *(lost if is_time else ())}
        names = {step.name for step in undone}

        def with_look(standing: Case) -> Case | None:
            if standing.state is not State.OPEN:
                return None
            looked_at = standing.with_look_at(now + LOOK_AGAIN)
            if names & set(standing.outstanding):
                looked_at = looked_at.after_deadline(now)
            still = tuple(name for name in standing.outstanding if name in waiting)
            failed = {**standing.failed_over, **failed_over}
            looked_at = looked_at.model_copy(update={"waiting": still, "failed_over": failed})
            return looked_at.after_resending(now) if again else looked_at

        # Written first, so that a case which can't be written is not sent again each minute.
        looked_at = self.cases.change(case, with_look)
        if looked_at is not None and again:
            # Whoever was killed before the commands may have been killed before the last tombstone.
            standing = self.case_start.raise_tombstones_again(looked_at, now)
            if standing.state in OVER:
                return standing
            self.case_start.send(looked_at, again & set(looked_at.outstanding))
        return looked_at or self.cases.require(case.case_id)

    def _is_to_be_searched_again(self, receipt: Receipt) -> bool:
        # What proves the search is the deployment's to mend, and nobody tells when it has.
        was_not_searchable = receipt.outcome is Outcome.NOT_SEARCHABLE and receipt.finished_at is not None
        return was_not_searchable and self.clock() - (receipt.finished_at or self.clock()) >= SEARCH_AGAIN

    def _is_lost(self, receipt: Receipt | None) -> bool:
        """Whether nobody is at work on a command, as far as can be told."""
        if receipt is None:
            return True
        given_up = receipt.first_attempt_at + self.give_up_after + LONGEST_SILENCE
        return receipt.outcome is None and self.clock() > given_up

    def _receipt_of_replacement(self, case: Case, step: Step) -> Receipt | None:
        """The receipt of a service connection that somebody else answers for by now; None while nobody does."""
        try:
            record = self.connections.read(step.at)
        except BadMessage:
            return None
        names = set(case.names)
        ended = record.replaced_outcome if record.replaced_owner == step.detail["owner"] else None
        if name_of(record.owner) in names or ended is None:
            return None
        at = record.replaced_at or self.clock()
        result = Result(ended, details={"said": record.replaced_description or "", "owner": record.owner})
        of_provider = open_receipt(case, step, at).model_copy(update={"system": record.provider})
        return self.receipts.finish(of_provider.closed(result, now=at))

    def _close_given_up(self, case: Case, waiting: Sequence[Step]) -> dict[str, Receipt]:
        """Close what waits at an account that the company has given up: by a person's word, and nothing was ended.

        What Leaver keeps of the person is destroyed without the account.
        """
        given_up = {each: self.connections.given_up(each) for each in {step.provider or "" for step in waiting}}
        closed = {}
        for step in waiting:
            gone, now = given_up[step.provider or ""], self.clock()
            # A step without an account is there only as long as the provider has none.
            at = max(gone.values(), default=None) if step.account is None else gone.get(step.account)
            if at is None:
                continue
            nothing = open_receipt(case, step, now)
            before = self.receipts.read(nothing)
            if step.command == PURGE and step.refused is None:
                if step.name in case.awaited or not case.awaited:
                    closed[step.name] = self._purge_user_tokens(case, step, before or nothing)
                continue
            because = f"the company gave the account up at {timestamp(at)}"
            words = (before or nothing).closed_by("leaver disconnect --give-up-account", because, now=now)
            receipt = self.receipts.close(before or nothing, words)
            if receipt is not None:
                closed[step.name] = receipt
        return closed

    def _purge_user_tokens(self, case: Case, step: Step, receipt: Receipt) -> Receipt:
        self.case_start.raise_cutoffs(case)
        destroyed, alive_until = self.kept.destroy_all({*step.detail.values(), *case.names})
        details: dict[str, str | int | bool] = {"destroyed": destroyed}
        if alive_until:
            details["handed_out_until"] = timestamp(alive_until)
        return self.receipts.finish(receipt.closed(Result(Outcome.PURGED, details=details), now=self.clock()))

    # -- over

    def _look_after_completed(self, case: Case) -> None:
        """Have it announced that a case is done, wait for its sweep, and open that one; then look at it no more.

        What lives again does not wait for evidence that can't be stored.
        """
        case = self.announcer.announce_pending(case)
        if case.pending_announcements:
            self.request_seal(case.case_id)
        if case.alive_at is not None and not (case.sweeps_next_at and self.clock() < case.sweeps_next_at):
            case = self._sweep_at_once(case)
        at = self._sweep_at(case)
        if at is not None and self.clock() < at:
            self._look_again(case, at)
            return
        if at is not None and self._is_gone(case):
            self._sweep(case, sweep_of(case.case_id), SWEPT)
        self._stop_watching(case)

    def _look_after_over(self, case: Case) -> None:
        """Have it announced and signed that nothing of a case goes on; then look at it no more."""
        case = self.announcer.announce_pending(case)
        if case.evidence is not None:
            self._stop_watching(case)
            return
        again = self.clock() + LOOK_AGAIN
        self.cases.change(case, lambda standing: standing.with_look_at(again))
        self.request_seal(case.case_id)

    def _sweep_at(self, case: Case) -> datetime | None:
        if self.sweep_after is None or case.sweep_of is not None or case.finished_at is None:
            return None
        if case.kind != "departure":
            # What came back is the person's own.
            return None
        return case.finished_at + self.sweep_after

    def _sweep_at_once(self, case: Case) -> Case:
        """End what lives again; returns the case as it is then.

        That may be years later, and somebody new's address by then: what no receipt proves is left alone.
        """
        number = case.sweeps + 1
        # A run that was killed may have begun it.
        sweep = self.cases.read(sweep_of(case.case_id, number))
        if sweep is None and self._is_gone(case):
            # What somebody activated again is deactivated again, once.
            is_activated = case.activated_at is not None and case.deactivated_again_by is None
            commands = SWEPT | {DEACTIVATE} if is_activated else SWEPT
            self._sweep(case, sweep_of(case.case_id, number), commands, only_proved=True)
            sweep = self.cases.read(sweep_of(case.case_id, number))

        self._hold_deactivation(case)

        def with_sweep(standing: Case) -> Case | None:
            if sweep is None:
                # They are back, or nobody ever proved who they are: a person was told.
                return standing.model_copy(update={"alive_at": None}) if standing.alive_at == case.alive_at else None
            swept = standing.after_sweep(sweep, number)
            return swept.with_look_at(swept.sweeps_next_at) if swept.alive_at else swept

        return self.cases.settle(case, with_sweep)

    def _sweep(self, case: Case, case_id: str, commands: AbstractSet[str], *, only_proved: bool = False) -> None:
        """Begin a sweep under this id, of what these commands had ended, unless there is nothing or it stands."""
        new = self._once_more(case, case_id, commands, only_proved=only_proved)
        if not new.steps:
            return
        # It raises no tombstones: where they are gone, the person is here again. That it begins is no news.
        started = new.after_start(self.clock(), deadline=self.case_start.deadline)
        sweep = self.cases.add(started.without_pending("OffboardingStarted"))
        if sweep is None:
            return
        sweep = self._unless_back(case, sweep)
        if sweep.state is State.OPEN:
            self.case_start.send(sweep, sweep.outstanding)
        self.announcer.announce_pending(sweep)

    def _hold_deactivation(self, case: Case) -> None:
        """Let a person decide of what somebody activated again after it had been deactivated twice; once."""
        again = self.cases.read(case.deactivated_again_by) if case.deactivated_again_by else None
        began = again.started_at if again else None
        if began is None or case.activated_at is None or case.activated_at < began or not self._is_gone(case):
            return
        new = self._once_more(case, deactivation_of(case.case_id), {DEACTIVATE}, only_proved=True)
        held = new.model_copy(update={"because": ACTIVATED_TWICE}).after(CaseEvent.DOUBTED, self.clock())
        if added := self.cases.add(held):
            self.announcer.announce_pending(self._unless_back(case, added))

    def _unless_back(self, case: Case, sweep: Case) -> Case:
        """The sweep of a case, stopped where the person is back.

        Who comes back lifts the tombstones first and stops the sweep then: one of the two sees the other.
        """
        if self._is_gone(case):
            return sweep
        return self.cases.settle(sweep, partial(_reinstate, now=self.clock()))

    def _once_more(self, case: Case, case_id: str, commands: AbstractSet[str], *, only_proved: bool) -> Case:
        """A case that does once more what these commands had ended, by the ids that receipts prove."""
        now = self.clock()
        receipts = self.cases.read_receipts(case.case_id)
        # What a person closed was not ended by a provider, and would not be now.
        closed = {name for name, receipt in receipts.items() if receipt.outcome is Outcome.CLOSED}
        swept = [step for step in case.steps if step.command in commands and step.name not in closed]
        # By the ids that receipts prove: whoever has the address by now is perhaps somebody new.
        steps = [as_proved(case, step, receipts, self.providers) for step in swept]
        if only_proved or self._is_address_in_doubt(case):
            steps = [step for step in steps if step.found_by != "address"]
        if name_of(case.email) in case.names and not self._find_gone_since(case, case.email):
            # Whoever is back has the address, and another account than who left: that one alone stays ended.
            steps = [step for step in steps if self._find_gone_since(case, step.identity)]
        fields = case.model_dump(include=set(OF_A_SWEEP))
        fields |= {"requested_at": now, "effective_at": now, "sweep_of": case.case_id}
        return new_case(case_id, steps, case.names, **fields)

    def _is_gone(self, case: Case) -> bool:
        """Whether the person still is gone, and no later case of theirs ends everything once more.

        One that has not begun may wait for a person for good, and one that was in doubt may be somebody else's.
        """
        cases = self._cases_since(case)
        return any(each.case_id == case.case_id or not each.started_at or each.because for each in cases)

    def _is_address_in_doubt(self, case: Case) -> bool:
        """Whether a later case may be of somebody new who has the address."""
        return any(each.because for each in self._cases_since(case) if each.case_id != case.case_id)

    def _cases_since(self, case: Case) -> list[Case]:
        """The cases that the person's names have by now; none where they were back meanwhile."""
        found = [name for each in case.names if (name := self._find_gone_since(case, each))]
        pointed = {name.case for name in found if name.case}
        return [each for case_id in sorted(pointed) if (each := self.cases.read(case_id))]

    def _find_gone_since(self, case: Case, name: str) -> Name | None:
        """A name of the person's on which the tombstone that the case raised still stands; None of any other."""
        found, ended = self.people.read(name), case.finished_at or self.clock()
        return found if found and found.gone_since and found.gone_since <= ended else None

    def _stop_watching(self, case: Case) -> None:
        self._look_again(case, None)

    def _look_again(self, case: Case, at: datetime | None) -> None:
        """Look at it then and no sooner, unless an account has come to live again meanwhile, or nobody was told yet."""
        soon = self.clock() + LOOK_AGAIN

        def with_look(standing: Case) -> Case | None:
            if standing.pending_announcements:
                return standing.with_look_at(soon)
            if standing.alive_at:
                return standing.with_look_at(standing.sweeps_next_at) if standing.sweeps_next_at else None
            return standing.with_look_at(at)

        self.cases.change(case, with_look)


def look_after(watch: Watch, due: Iterable[str], *, logger: Logger, has_time: Callable[[], bool]) -> int:
    """Look after each of these cases while there is time; one that fails keeps nobody waiting. Returns how many did."""
    failed = 0
    for case_id in due:
        if not has_time():
            break
        try:
            watch.look_at(case_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the others must not wait for it
            failed += 1
            logger.warning("case could not be looked after", extra=_log_fields(case_id, error))
            _put_off(watch, case_id, logger)
    return failed


def _put_off(watch: Watch, case_id: str, logger: Logger) -> None:
    try:
        watch.put_off(case_id)
    except Exception as error:  # noqa: BLE001 - then it is in front again, as it is
        logger.warning("case could not be put off", extra=_log_fields(case_id, error))


def destroy_expired(tokens: StoredUserTokens, now: datetime, *, logger: Logger, has_time: Callable[[], bool]) -> int:
    """Destroy the user tokens that are dead, the longest first; returns how many."""
    destroyed = 0
    for token in tokens.find_expired(now):
        if not has_time():
            break
        try:
            destroyed += bool(tokens.destroy(token))
        except Exception as error:  # noqa: BLE001 - one that can't be destroyed keeps no other alive
            logger.warning("token could not be destroyed", extra=_log_fields(token.partition, error))
    return destroyed


def tell_of_silence(
    places: Places, announce: Callable[[SourceAnnouncement], None], now: datetime, *, logger: Logger
) -> int:
    """Announce once of each source that it is silent for longer than it may be; returns how many are."""
    silent = {name: place for name, place in places.connected().items() if place.is_silent(now)}
    for name, place in places.of_which_nobody_was_told(silent).items():
        since = place.silent_since
        announcement = SourceAnnouncement(
            detail_type="SourceSilent",
            announcement_id=f"{name}/SourceSilent/{timestamp(since)}",
            source=name,
            silent_since=since,
        )
        try:
            announce(announcement)
            places.note_told(name, place)
        except Exception as error:  # noqa: BLE001 - what was not told is told in a minute, and the others now
            logger.warning("silence could not be told", extra={"source": name, "error": type(error).__name__})
    return len(silent)


def gauges(summaries: Iterable[CaseSummary], held: int, usable: Container[str], now: datetime) -> dict[str, int]:
    """Count for the alarms and the dashboard, each minute, all cases; `usable` as CaseSummary.waiting() takes it."""
    under_way = [each for each in summaries if each.state is State.OPEN]
    waited = [int((now - each.started_at).total_seconds()) for each in under_way if each.started_at]
    return {
        "OpenCases": len(under_way),
        "HeldCases": held,
        "OverdueCases": sum(each.is_overdue(now) for each in under_way),
        "ConnectionsToReplace": sum(len(each.to_replace) for each in under_way),
        "StepsWaiting": sum(len(each.waiting(usable)) for each in under_way),
        "OldestOpenCaseSeconds": max(waited, default=0),
    }


def _with_asked_at(case: Case, *, now: datetime) -> Case | None:
    return case.model_copy(update={"asked_at": now}) if case.state in {State.SCHEDULED, State.OPEN} else None


def _with_told_at(case: Case) -> Case | None:
    return case.model_copy(update={"told_at": case.requested_at}) if case.state is State.SCHEDULED else None


def _reinstate(sweep: Case, *, now: datetime) -> Case | None:
    return sweep.after(CaseEvent.REINSTATED, now) if sweep.allows(CaseEvent.REINSTATED) else None


def _failed_over(case: Case, step: Step, receipt: Receipt, usable: Sequence[Connection]) -> tuple[str, ...] | None:
    """The connections over which a step failed, but for those authorized again since; None where it did not fail."""
    if receipt.outcome is not Outcome.FAILED or receipt.finished_at is None or receipt.connection is None:
        return None
    again = {each.connection for each in usable if each.granted_at and each.granted_at > receipt.finished_at}
    return tuple(sorted({*case.failed_over.get(step.name, ()), receipt.connection} - again))


def _is_done(receipt: Receipt | None) -> bool:
    return receipt is not None and receipt.outcome in DONE_WITH


def _silence(resent: int) -> timedelta:
    return min(SILENCE * (1 << min(resent, 10)), LONGEST_SILENCE)


def _log_fields(case_id: str, error: Exception) -> dict[str, str]:
    # Not the message of a foreign exception: it may quote anything.
    return {"case_id": case_id, "error": type(error).__name__}


def ask_for_days(ask: Callable[[datetime], None], now: datetime) -> None:
    """Have seal_case tell of the days that are over, once an hour."""
    if now.minute < MINUTES_OF_ASKING:
        ask(now)


def lambda_handler(_: Mapping[str, Any], context: LambdaContext) -> None:
    """Run once a minute, when the schedule fires."""
    bootstrap.begin(context)
    settings = bootstrap.settings_of(Settings)
    publisher = bootstrap.publisher(
        settings.event_bus_name, settings.dead_letter_queue_url, seal_queue_url=settings.seal_queue_url
    )
    cases, now, logger = bootstrap.cases(settings.cases_table), bootstrap.now(), bootstrap.logger()
    ceiling = bootstrap.ceiling(settings.cases_table, settings.most_an_hour, routine=settings.routine_cases_an_hour)
    step_finder = StepFinder(bootstrap.connections(settings.connections_table), settings.served(PROVIDERS))
    tokens = bootstrap.stored_user_tokens(settings.cases_table, settings.secret_prefix)
    lanes = {"routine": settings.start_offboarding_queue_url, "urgent": settings.start_offboarding_urgent_queue_url}
    watch = Watch(
        cases=cases,
        people=bootstrap.people(settings.cases_table),
        announcer=bootstrap.announcer(settings.cases_table, publisher),
        request_seal=publisher.request_seal,
        request_begin=lambda case: publisher.request_begin(case.case_id, lanes[case.urgency]),
        case_start=bootstrap.case_start(
            settings.cases_table,
            step_finder,
            publisher,
            case_deadline=settings.case_deadline,
            ceiling=ceiling,
        ),
        receipts=bootstrap.receipts(settings.cases_table),
        connections=step_finder.connections,
        kept=tokens,
        providers=step_finder.providers,
        clock=bootstrap.now,
        give_up_after=timedelta(seconds=settings.give_up_after),
        sweep_after=timedelta(seconds=settings.sweep_after) if settings.sweep_after else None,
    )

    def has_time() -> bool:
        return context.get_remaining_time_in_millis() > TIME_FOR_ONE

    # First, and from indexes alone: whatever fails below, the alarms know how many wait.
    usable = step_finder.connections.usable_at(step_finder.providers)
    bootstrap.gauges(gauges(cases.read_summaries(now), cases.count_held(), usable, now) | ceiling.gauges(now))
    failed = look_after(watch, cases.find_due(now), logger=logger, has_time=has_time)
    destroyed = destroy_expired(tokens, now, logger=logger, has_time=has_time)
    bootstrap.gauges({"CasesNotLookedAfter": failed, "UserTokensDestroyed": destroyed})
    silent = tell_of_silence(bootstrap.places(settings.deliveries_table), publisher.announce, now, logger=logger)
    bootstrap.gauge("SilentSources", silent)
    ask_for_days(publisher.request_days, now)
    # Last: where Secrets Manager can't be listed, nothing else waits for it, and purges look for themselves.
    tokens.prove_index(has_time)
