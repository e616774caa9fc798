"""Leavers, and whatever can happen to their cases, in any order that a machine comes upon: what must never be."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from functions.revoke_grants.app import AskedOfVenafi
from functions.start_offboarding import app
from functions.watch_deadlines.app import ASKED_FOR
from leaver.cases import completion, finding, intake, proved
from leaver.cases.announcing import COMPLETED
from leaver.cases.ceiling import ROUTINE
from leaver.cases.departure import Departure
from leaver.cases.former import FormerLeavers
from leaver.cases.heard import Fate
from leaver.cases.intake import Intake
from leaver.cases.people import Known, Name, People
from leaver.cases.receipts import Receipt
from leaver.cases.record import DONE, DONE_WITH, PURGE, REPLACE, STILL_THEIRS, Case, Step
from leaver.cases.returns import BEGUN, LATER, Returns
from leaver.cases.seal import head_of
from leaver.cases.start import CaseStart
from leaver.cases.states import OVER, UNDER_WAY, CaseEvent, State
from leaver.connections.record import Connection, Connections, Status
from leaver.errors import ProviderResponse, ProviderUnavailable, Throttled
from leaver.evidence.verification import CaseFiles, findings_of_case, findings_of_leaves
from leaver.messages.events import OffboardingRequested
from leaver.messages.times import Settled
from leaver.outcomes import Outcome, Result
from tests.doubles.office import ADA, ADA_ID, ADA_UNIVERSAL, Office
from tests.doubles.steps import Killed, Moment
from tests.explored import UNTIL_FOUND, explore
from tests.field import Field
from tests.length import length, some

PEOPLE = [ADA, "ben@example.com", "cleo@example.com"]
#: works there all the time, under a name that is nearly another's
BYSTANDER: Final = "ada.b@example.com"
KINDS: tuple[str, ...] = ("immediate", "immediate", "scheduled", "cancelled", "reinstated")
THEFTS: tuple[str, ...] = ("contain", "sessions")
SOURCES: tuple[str, ...] = ("hr-system", "hr-system", "okta", "scim")
#: how fast a clock may be: by more than a redrive could wait for
AHEAD = timedelta(days=30)
#: as many real attempts as a step may take here: each fault and each crash is worth one, and so is each message
BOUND = 60
#: for so many of them an hour may begin: the next is held
LIMIT: Final = 2
#: how long after a case's end it is looked once more
SWEEP_AFTER: Final = timedelta(hours=2)
#: minutes, after which an address may be somebody else's
LONG_AGO: Final = int(STILL_THEIRS.total_seconds()) // 60 + 1
#: the company's accounts at Zoom
ACCOUNTS: Final = ("acme", "europe")
#: who answers for Leaver's connections, if no leaver does
IT: Final = "it@example.com"
#: what is of a departure alone, and what of a contain as well: where only sessions end it may live
OF_A_DEPARTURE: Final = frozenset({"admin grants", "zoom-twin-acme", "zoom-twin-europe"})
OF_A_CONTAIN: Final = frozenset({"grants", "zoom-ben", "zoom-own-ada", "zoom-own-ben", "zoom-own-cle"})

places = st.integers(min_value=0, max_value=30)
people = st.sampled_from(PEOPLE)


@dataclass(frozen=True)
class Word:
    """What a source said of somebody, and when that happened: no later than it was heard."""

    source: str
    event_id: str
    kind: str
    at: datetime
    #: when access is to end
    effective_at: datetime
    #: it names the account at Venafi that the address does not name, and not the one that it names
    is_better_named: bool = False

    @property
    def leaves(self) -> bool:
        return self.kind in {"immediate", "scheduled"}


class Ids(NamedTuple):
    """One person at the providers."""

    zoom: Mapping[str, str]
    #: whom Venafi knows by the address, and another account of theirs, which the search by the address does not see
    venafi: str
    admin: str


class Leavers(RuleBasedStateMachine):
    """HR says what it will, queues do what queues do, providers fail, processes die; a person redrives now and then.

    What must be is asked of the providers, and of what sources said: not of Leaver's own records.
    """

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.office = Office(routine_limit=LIMIT, sweep_after=SWEEP_AFTER)
        self.words: dict[str, list[Word]] = {email: [] for email in PEOPLE}
        #: by message: whose case a person took back, and when
        self.decided: dict[str, tuple[str, datetime]] = {}
        #: cases of a theft that a person cancels, if they have not begun
        self.called_off: set[str] = set()
        self.signed_in: dict[str, datetime] = {}
        #: who had an address before somebody new got it
        self.before: dict[str, Ids] = {}
        #: when somebody new got an address
        self.new_since: dict[str, datetime] = {}
        #: of these, who got it while the one before was only planned to leave
        self.recycled_early: set[str] = set()
        #: when the last theft of each kind happened that HR told of
        self.robbed: dict[tuple[str, str], datetime] = {}
        #: whose account in acme somebody else deleted
        self.forgotten: set[str] = set()
        #: what each had at first, and under which ids
        self.had: dict[str, set[str]] = {}
        self.ids: dict[str, Ids] = {}
        self.completed: set[str] = set()
        self.verified: set[str] = set()
        self.ended: dict[tuple[str, str], datetime] = {}

    @initialize()
    def hire(self) -> None:
        self.office.installs("zoom-eu", "europe", owner=IT)
        for service in ("zoom", "venafi"):
            self.office.table.alter(service, owner=IT)
        for email in (*PEOPLE, BYSTANDER):
            self._hire(email, email.partition("@")[0])
        self.office.connects("zoom-ben", "ben@example.com")
        self.office.connects("zoom-bystander", BYSTANDER)
        self.had = {email: self._access_of(email) for email in PEOPLE}

    def _hire(self, email: str, name: str) -> None:
        """Somebody in both accounts at Zoom, and twice at Venafi: once in a directory that no robot searches."""
        ids = Ids({"acme": f"zoom-{name}", "europe": f"eu-{name}"}, f"local:{{{name}}}", f"AD+corp:{{{name}-admin}}")
        if email in self.office.zoom.users.values() and name == "ada":
            ids = ids._replace(zoom={"acme": ADA_ID, "europe": "eu-ada"}, venafi=ADA_UNIVERSAL)
        else:
            self.office.hire(email, ids.zoom["acme"], ids.venafi)
        self.office.joins(email, ids.zoom["europe"], "europe")
        self.office.venafi.people[email].append(ids.admin)
        self.office.venafi.grants[ids.admin] = 1
        self.ids[email] = ids

    # -- HR

    @rule(
        email=people,
        kind=st.sampled_from(KINDS),
        source=st.sampled_from(SOURCES),
        ago=st.sampled_from([0, 0, 1, 5, 30]),
        ahead=st.integers(0, 90),
        is_fast=st.sampled_from([False] * 7 + [True]),
    )
    def hr_says(self, email: str, kind: str, source: str, ago: int, ahead: int, *, is_fast: bool) -> None:
        self._step()
        self._says(email, kind, source, ago, ahead, is_fast=is_fast)

    @rule(
        email=people,
        source=st.sampled_from(SOURCES),
        kind=st.sampled_from(["immediate", "immediate", "scheduled"]),
        is_mistaken=st.sampled_from([False] * 3 + [True]),
    )
    def hr_names_them_as_venafi_does(self, email: str, source: str, kind: str, *, is_mistaken: bool) -> None:
        """Perhaps somebody of whom it was said before that they leave: whatever became of that. Or it is another's."""
        self._step()
        self._says(email, kind, source, is_better_named=not is_mistaken, is_mistaken=is_mistaken)

    def _says(
        self,
        email: str,
        kind: str,
        source: str,
        ago: int = 0,
        ahead: int = 0,
        *,
        is_fast: bool = False,
        is_better_named: bool = False,
        is_mistaken: bool = False,
    ) -> None:
        self.office.clock.passes(seconds=1)
        now = self.office.clock()
        at = now if is_fast else now - timedelta(minutes=ago)
        while any(at == word.at for word in self.words[email]):
            # Two events of one person at the same second have no order.
            at -= timedelta(seconds=1)
        occurred_at = at + AHEAD if is_fast else at
        effective_at = now + timedelta(minutes=ahead) if kind == "scheduled" else occurred_at
        times = {"occurred_at": occurred_at.isoformat(), "effective_at": effective_at.isoformat()}
        may_repeat = {"may_repeat": True} if (source, kind) == ("scim", "reinstated") else {}
        event_id = str(sum(map(len, self.words.values())))
        # Of whoever had the address before, HR gives no better name any more.
        is_better_named = is_better_named and email not in self.before and kind in {"immediate", "scheduled"}
        is_mistaken = is_mistaken and email not in self.before
        named = self.ids[BYSTANDER].venafi if is_mistaken else self.ids[email].admin
        identities = {"venafi": {"prefixed_universal": named}} if is_better_named or is_mistaken else {}
        told = {"event_id": event_id, "subject": {"identities": identities}, **times, **may_repeat}
        self.office.hears(kind, email, source=source, **told)
        if not is_fast or kind in {"immediate", "scheduled"}:
            ends_at = effective_at if kind == "scheduled" else at
            self.words[email].append(Word(source, event_id, kind, at, ends_at, is_better_named))
            self.figures["better names"] += is_better_named
            self.figures["somebody else's names"] += is_mistaken

    @rule(email=people, kind=st.sampled_from(THEFTS), ago=st.sampled_from([0, 0, 5]))
    def hr_tells_of_a_theft(self, email: str, kind: str, ago: int) -> None:
        """Of somebody who stays, or of somebody who leaves as well."""
        self._step()
        self.office.clock.passes(seconds=1)
        at = self.office.clock() - timedelta(minutes=ago)
        if email in self.new_since and at <= self.new_since[email]:
            # Of whoever had the address before, nobody tells any more.
            return
        self.office.hears(kind, email, occurred_at=at.isoformat())
        self.robbed[email, kind] = max(at, self.robbed.get((email, kind), at))
        self.figures["thefts"] += 1

    @rule(place=places, decision=st.sampled_from(["reinstate", "reinstate", "cancel"]))
    def a_person_takes_it_back(self, place: int, decision: str) -> None:
        self._step()
        cases = self.office.cases.every
        if cases and place % 3 == 0:
            self.office.clock.passes(seconds=1)
            case = cases[place % len(cases)]
            said = {"case": case.case_id, "decision": decision}
            message = self.office.queue("StartOffboarding", said)
            if case.kind == "departure":
                self.decided[message.id] = (case.email, self.office.clock())
            elif decision == "cancel":
                self.called_off.add(case.case_id)
            self.figures["decisions"] += 1

    @rule(place=places, step=places)
    def a_person_closes_a_step(self, place: int, step: int) -> None:
        self._step()
        cases = [case for case in self.office.cases.every if case.outstanding and case.state is State.OPEN]
        if cases:
            case = cases[place % len(cases)]
            name = case.outstanding[step % len(case.outstanding)]
            told = {"case": case.case_id, "decision": "close", "step": name, "because": "the machine says so"}
            self.office.queue("StartOffboarding", told)
            self.figures["closed"] += 1

    @rule()
    def a_person_releases_what_is_held(self) -> None:
        self._step()
        for case in self._held_by_the_guard():
            self.office.queue("StartOffboarding", {"case": case.case_id, "decision": "release"})
            self.figures["released"] += 1

    # -- who works there

    @rule(email=people)
    def signs_in_again(self, email: str) -> None:
        """Whoever left, or was robbed, has access again, and so may a thief; nobody heard of it."""
        self._step()
        if email not in self.forgotten and email not in self.before:
            self.office.clock.passes(seconds=1)
            self._logs_in(email)
            self.signed_in[email] = self.office.clock()

    def _logs_in(self, email: str) -> None:
        self.office.logs_in(email)
        self.office.zoom.sessions.add(self.ids[email].zoom["europe"])

    @rule(email=people, source=st.sampled_from(SOURCES))
    def signs_in_again_and_departs_once_more(self, email: str, source: str) -> None:
        """Whoever is gone has access again, and then a source says once more that they left."""
        self._step()
        if email in self.office.people.under_tombstones:
            self.signs_in_again(email)
            self._says(email, "immediate", source)

    @rule()
    def somebody_new_gets_an_address(self) -> None:
        self._step()
        for email in PEOPLE:
            self._gives_the_address(email)

    @rule(email=people, source=st.sampled_from(SOURCES))
    def somebody_leaves_and_somebody_new_gets_the_address(self, email: str, source: str) -> None:
        self._step()
        self._says(email, "immediate", source)
        self._works_through()
        self._gives_the_address(email)

    @rule(
        email=people,
        source=st.sampled_from(SOURCES),
        ahead=st.sampled_from([5, 60]),
        ago=st.sampled_from([0, LONG_AGO]),
    )
    def somebody_is_planned_and_somebody_new_gets_the_address(
        self, email: str, source: str, ahead: int, ago: int
    ) -> None:
        self._step()
        self._says(email, "scheduled", source, ago, ahead)
        self._works_through()
        self._gives_the_address(email)

    def _gives_the_address(self, email: str) -> None:
        cases = [case for case in self.office.cases.every if case.email == email]
        done = [case for case in cases if (case.kind, case.state) == ("departure", State.COMPLETED)]
        # Who was not known by an id at both providers can't be told from whoever comes.
        known = bool(done) and all(len(case.identities) > 1 and self._universal_of(case) for case in done)
        called_off = {State.CANCELLED, State.REINSTATED}
        standing = [case for case in cases if case.kind != "departure" or case.state not in called_off]
        planned = [case.state for case in standing] == [State.SCHEDULED] and len(standing[0].identities) > 1
        if not (known or planned) or email in self.before or email in self.forgotten or self._owned_by(email):
            return
        # Of whom a tombstone stands, what is said later is known to be of somebody new.
        unsure = (*THEFTS, *KINDS) if planned else THEFTS
        told = [each.body for each in (*self.office.queued, *self.office.parked) if each.body.get("kind") in unsure]
        untold = any(body["subject"]["email"] == email for body in told)
        if untold or any(case.kind in THEFTS and case.state in UNDER_WAY for case in cases):
            # A theft is of whoever has the address, and that one is not contained yet.
            return
        old, before = f"old.{email}", self.ids[email]
        self.before[email] = before
        self.office.zoom.users |= dict.fromkeys(before.zoom.values(), old)
        self.office.venafi.people[old] = [before.venafi, before.admin]
        self.office.clock.passes(seconds=1)
        self.new_since[email] = self.office.clock()
        self.recycled_early |= {email} if planned else set()
        self.figures["recycled before the day"] += planned
        self._hire(email, f"new-{email[:3]}")
        self.figures["newcomers"] += 1

    def _universal_of(self, case: Case) -> object:
        receipts = self.office.cases.read_receipts(case.case_id).values()
        return next((each.details.get("prefixed_universal") for each in receipts if each.system == "venafi"), None)

    # -- connections

    @rule(
        what=st.sampled_from(["dies", "dies", "twin", "own", "anew"]), place=places, account=st.sampled_from(ACCOUNTS)
    )
    def connections_come_and_go(self, what: str, place: int, account: str) -> None:
        """Also between the word of HR and the seal; a twin may be in the name of somebody who leaves later."""
        self._step()
        service = ("zoom", "zoom-eu", "venafi", "zoom-twin-acme", "zoom-twin-europe")[place % 5]
        owner = [*PEOPLE, IT][place % 4]
        records = self.office.table.records
        may_connect = owner not in self.before and owner not in self.office.people.under_tombstones
        if what == "dies" and service in records:
            self.office.table.alter(service, status=Status.NEEDS_REAUTHORIZATION)
            self.figures["dead connections"] += 1
        elif what == "twin" and may_connect and (name := f"zoom-twin-{account}") not in records:
            self.office.installs(name, account, owner=owner)
            self.figures["twins"] += 1
        elif what == "own" and may_connect and owner != IT and (name := f"zoom-own-{owner[:3]}") not in records:
            self.office.clock.passes(seconds=1)
            owner_id = self.ids[owner].zoom["acme"] if place % 3 else None
            self.office.connects(name, owner, owner_id=owner_id)
            self.office.table.alter(name, granted_at=self.office.clock())
            self.figures["own connections"] += 1
        elif what == "anew":
            self._connects_anew()

    def _connects_anew(self) -> None:
        """A person connects what is dead, and what somebody answers for who leaves."""
        replaced = {step.at for case in self.office.cases.every for step in case.steps if step.command == REPLACE}
        self.office.clock.passes(seconds=1)
        now = self.office.clock()
        for name, record in list(self.office.table.records.items()):
            if record.role == "service" and record.status is Status.NEEDS_REAUTHORIZATION:
                self.office.table.alter(name, status=Status.ACTIVE, granted_at=now)
            if name in replaced and record.owner != IT:
                told: dict[str, Any] = {"owner": IT, "granted_at": now, "replaced_owner": record.owner}
                told |= {"replaced_at": now, "replaced_outcome": Outcome.REVOKED, "replaced_description": "revoked"}
                self.office.table.alter(name, **told)
                self.figures["taken over"] += 1

    # -- queues

    @rule(place=places)
    def deliver(self, place: int) -> None:
        self._step()
        if self.office.queued:
            self.office.deliver(self.office.queued[place % len(self.office.queued)])

    @rule(place=places)
    def deliver_twice(self, place: int) -> None:
        self._step()
        if self.office.queued:
            message = self.office.queued[place % len(self.office.queued)]
            self.office.deliver(message)
            self.office.deliver(message)
            self.figures["duplicates"] += 1

    @rule()
    def everything_is_delivered(self) -> None:
        self._step()
        self._works_through()

    def _works_through(self) -> None:
        for _ in range(4):
            for message in list(self.office.queued):
                self.office.deliver(message)

    @rule()
    def reorder(self) -> None:
        self._step()
        self.office.queued.reverse()

    @rule()
    def redrive(self) -> None:
        self._step()
        self.office.redrive()

    @rule(place=places, email=people, command=st.sampled_from(["RevokeSsoToken", "PurgeUserTokens", "RevokeGrants"]))
    def somebody_forges_a_command(self, place: int, email: str, command: str) -> None:
        """A command about anybody, under a name that no step has, with the id of a case that is there."""
        self._step()
        cases = self.office.cases.every
        if cases:
            who = {"identity": f"AD+corp:{email}"} if command == "RevokeGrants" else {"user_id": f"no.step.{email}"}
            case_id = cases[place % len(cases)].case_id
            self.office.deliver(self.office.queue(command, who | {"case_id": case_id}))
            self.figures["forged"] += 1

    # -- faults

    @rule(provider=st.sampled_from(["zoom", "venafi"]), fault=st.sampled_from(["429", "5xx", "lost"]))
    def provider_fails(self, provider: str, fault: Literal["429", "5xx", "lost"]) -> None:
        self._step()
        error = {
            "429": Throttled("429", until=self.office.clock() + timedelta(seconds=2)),
            "5xx": ProviderUnavailable("503", ProviderResponse(503)),
            "lost": None,
        }[fault]
        self.office.weather.to_come.append((provider, error))

    @rule(email=people)
    def zoom_forgets(self, email: str) -> None:
        """Somebody else deletes the account at Zoom, and its session goes with it."""
        self._step()
        zoom_id = self.ids[email].zoom["acme"]
        if zoom_id in self.office.zoom.users and self.words[email] and email not in self.before:
            del self.office.zoom.users[zoom_id]
            self.office.zoom.sessions.discard(zoom_id)
            self.forgotten.add(email)
            self.figures["faults"] += 1

    @rule(place=places, crash=st.integers(0, 25), moment=st.sampled_from(["before", "after"]))
    def crash(self, place: int, crash: int, moment: Moment) -> None:
        self._step()
        if not self.office.queued:
            return
        message = self.office.queued[place % len(self.office.queued)]
        reached = -1

        def watch(_name: str, when: Moment) -> None:
            nonlocal reached
            reached += when == "before"
            if reached == crash and when == moment:
                raise Killed

        self.office.effects.watch = watch
        try:
            self.office.deliver(message)
        except Killed:
            self.figures["crashes"] += 1
        finally:
            self.office.effects.dead.clear()
            self.office.effects.watch = lambda _name, _moment: None

    # -- time

    @rule(minutes=st.sampled_from([1, 1, 5, 60]))
    def time_passes(self, minutes: int) -> None:
        self._step()
        self.office.clock.passes(minutes=minutes)
        self._refreshes()
        self.office.minute()

    # -- what must hold at any moment

    @invariant()
    def nothing_says_revoked_that_the_provider_does_not_confirm(self) -> None:
        for (case_id, entry), receipt in self.office.receipts.items.items():
            if receipt.outcome not in DONE or (case_id, entry) in self.ended:
                continue
            self.ended[case_id, entry] = self.office.clock()
            case = self.office.cases.read(case_id)
            step = next((step for step in case.steps if step.name == entry), None) if case else None
            assert case is not None or receipt.command == PURGE
            # Of somebody who stays, what is kept is destroyed at once as well, by a command of no case.
            whose = self.office.zoom.users.get(receipt.subject, receipt.subject)
            was_before = whose in self.before and (receipt.finished_at or self.new_since[whose]) < self.new_since[whose]
            of_address = self._access_by_ids(self.before[whose]) if was_before else self._access_of(whose)
            alive = self._access_of_whom(case) if case else of_address
            what = _what(step) if step else _what_ends(receipt.entry, receipt.subject)
            if case is not None and what == "grants":
                alive -= self._believed_of(case.email)
            assert what not in alive, receipt

    @invariant()
    def whenever_a_case_says_completed_nobody_has_anything_alive_of_that_persons(self) -> None:
        """But for what the residual names, what came back since its step had ended, and what its kind does not end."""
        for case in self.office.cases.every:
            if case.state is State.COMPLETED and case.case_id not in self.completed:
                self.completed.add(case.case_id)
                alive = self._access_of_whom(case)
                closed = {each["step"] for each in case.residual if "step" in each}
                alive -= {what for step in case.steps if step.name in closed for what in _covered_by(step)}
                alive -= self._believed_of(case.email)
                since = self.signed_in.get(case.email)
                for step in case.steps:
                    what, ended = _what(step), self.ended.get((case.case_id, step.name))
                    came_back = ended is not None and since is not None and since > ended
                    unheard = came_back and since is not None and not self._was_said_again(case, since)
                    assert what not in alive or unheard, f"{what} is alive, and says revoked"
                    alive.discard(what)
                assert alive <= self._may_live_behind(case), f"{alive} is alive behind a {case.kind}"
                if case.kind in THEFTS and case.started_at is not None:
                    # A token that a thief had asked for comes too late.
                    assert self.office.people.refuse_what_was_asked([case.email], case.started_at)

    def _was_said_again(self, case: Case, since: datetime) -> bool:
        """Whether a source was heard, and joined this case, who says that they left since then."""
        return any(word.at > since for word in self._words_of(case))

    def _believed_of(self, email: str) -> set[str]:
        """What goes by an address that somebody got within days of a word, where nobody could be asked on the day."""
        cases = [case for case in self.office.cases.every if case.email == email and not case.told_at]
        begun = [(case.asked_at, case.started_at) for case in cases]
        unasked = any(asked and started and started >= asked + ASKED_FOR for asked, started in begun)
        return {"grants"} if unasked and email in self.recycled_early else set()

    def _words_of(self, case: Case) -> list[Word]:
        """Who began a case, and who joined it."""
        case_of = {(each.source, each.event_id): each.case_id for each in self.office.heard.fates}
        told = [word for word in self.words.get(case.email, ()) if word.leaves]
        return [word for word in told if case_of.get((word.source, word.event_id)) == case.case_id]

    def _may_live_behind(self, case: Case) -> set[str]:
        """What a case does not end by its kind, and the account at Venafi that HR did not name."""
        if case.kind != "departure":
            records = [each for each in self.office.table.records.values() if each.role == "personal"]
            begun = case.started_at or case.requested_at
            later = {each.connection for each in records if each.granted_at and each.granted_at > begun}
            return {*OF_A_DEPARTURE, *(OF_A_CONTAIN if case.kind == "sessions" else later)}
        return set() if any(word.is_better_named for word in self._words_of(case)) else {"admin grants"}

    @invariant()
    def what_a_person_closed_stands_in_the_residual_by_name(self) -> None:
        for case in self.office.cases.every:
            kept = self.office.cases.read_receipts(case.case_id)
            closed = {name for name, receipt in kept.items() if receipt.outcome is Outcome.CLOSED}
            if case.state is State.COMPLETED:
                assert closed == {each["step"] for each in case.residual if "step" in each}

    @invariant()
    def a_departure_and_a_theft_are_cases_of_their_own(self) -> None:
        """Neither extends, moves, cancels or completes the other, and who takes back a departure touches no theft."""
        taken_back = {email for email in PEOPLE if not all(word.leaves for word in self.words[email])}
        taken_back |= {email for email, _ in self.decided.values()}
        for case in self.office.cases.every:
            # Nobody said anything to a sweep.
            assert {said.kind in THEFTS for said in case.said} <= {case.kind in THEFTS}
            if case.kind == "departure":
                assert case.state not in OVER or case.email in taken_back
                continue
            assert case.state not in {State.REINSTATED, State.DISCARDED}
            # Only a theft that happened since it began takes over.
            happened = self.robbed[case.email, case.kind]
            if case.case_id in self.called_off and case.started_at is None:
                continue
            assert case.state is not State.CANCELLED or (case.started_at is not None and happened > case.started_at)

    @invariant()
    def nobody_of_whom_nobody_said_that_they_leave_is_under_a_tombstone(self) -> None:
        assert {
            email for email in PEOPLE if not self._was_to_leave(email)
        } & self.office.people.under_tombstones == set()

    @invariant()
    def nobody_else_loses_anything(self) -> None:
        sessions = {f"session@{account}" for account in ACCOUNTS}
        everything = {*sessions, "grants", "admin grants", "user token", "zoom-bystander"}
        assert self._access_of(BYSTANDER) == everything
        for email in PEOPLE:
            robbed = {kind for who, kind in self.robbed if who == email}
            if "contain" not in robbed and email not in self.forgotten and not self._was_to_leave(email):
                assert self.had[email] - self._access_of(email) <= ({*sessions, "user token"} if robbed else set())
            if not any(word.is_better_named for word in self.words[email]):
                assert "admin grants" in self._access_of(email)

    @invariant()
    def a_completed_case_has_a_receipt_for_every_step_and_its_chain_verifies(self) -> None:
        for case in self.office.cases.every:
            if case.state is State.COMPLETED:
                kept = self.office.cases.read_receipts(case.case_id)
                receipts = [kept[step.name] for step in case.steps]
                assert all(receipt.outcome in DONE_WITH | {Outcome.USER_NOT_FOUND} for receipt in receipts)
                stored = self.office.cases.read_stored(case.case_id)
                assert case.head == head_of(stored["case"], stored)

    @invariant()
    def what_was_signed_verifies_without_us_and_no_completion_is_announced_before(self) -> None:
        evidence = self.office.evidence
        stored, trust = evidence.bucket.objects, evidence.trust
        for case in self.office.cases.every:
            if case.evidence is None:
                assert case.state is not State.COMPLETED or COMPLETED in case.pending_announcements
            elif case.case_id not in self.verified:
                self.verified.add(case.case_id)
                files = CaseFiles(*(stored[f"cases/{case.case_id}/{name}"] for name in CaseFiles.NAMES))
                assert findings_of_case(case.case_id, files, trust) == []
                in_the_log = {case.case_id: files}
                assert findings_of_leaves(in_the_log, trust, held=[], leaves=evidence.log.hashes) == []

    @invariant()
    def nobody_has_two_cases_under_way(self) -> None:
        # A sweep looks once more beside a case that follows, and a theft that is in doubt may be somebody else's.
        every = [case for case in self.office.cases.every if case.state in UNDER_WAY and case.sweep_of is None]
        cases = [case for case in every if case.because is None or case.kind not in THEFTS]
        under_way = Counter((case.email, case.kind) for case in cases)
        assert all(count == 1 for count in under_way.values()), under_way

    @invariant()
    def no_more_begin_in_an_hour_than_may_but_whom_a_person_released(self) -> None:
        begun: dict[str, set[str]] = {}
        for case in self.office.cases.every:
            if case.started_at is not None and not case.released and case.sweep_of is None:
                begun.setdefault(f"{case.started_at:%Y-%m-%dT%H}", set()).add(case.email)
        assert all(len(each) <= LIMIT for each in begun.values()), begun

    @invariant()
    def who_leaves_later_is_not_counted_and_nobody_is_held_for_them(self) -> None:
        now = self.office.clock()
        due = {email for email in PEOPLE for word in self.words[email] if word.leaves and word.effective_at <= now}
        due |= {email for email, _ in self.robbed}
        # Who is killed between count and mark is counted once more.
        marked = Counter(hour for (hour, _), kinds in self.office.counted.marks.items() if ROUTINE in kinds)
        assert all(count <= len(due) for count in marked.values())
        counts = [each.get(ROUTINE, 0) for each in self.office.counted.counted.values()]
        assert not self._held_by_the_guard() or max(counts) >= LIMIT

    def _held_by_the_guard(self) -> list[Case]:
        return [case for case in self.office.cases.every if case.state is State.HELD and case.because is None]

    @invariant()
    def counts_partition(self) -> None:
        for case in self.office.cases.every:
            names, outstanding = [step.name for step in case.steps], case.outstanding
            assert len(set(names)) == len(names)
            assert set(outstanding) <= set(names)
            assert len(set(outstanding)) == len(outstanding)
            for name in set(names) - set(outstanding):
                receipt = self.office.receipts.items[case.case_id, f"{name}"]
                assert receipt.outcome in DONE_WITH | {Outcome.USER_NOT_FOUND}
            assert (case.state is State.COMPLETED) <= (not outstanding)

    @invariant()
    def what_is_over_has_no_command_carried_out_any_more(self) -> None:
        for case in self.office.cases.every:
            if case.finished_at is None or case.state not in {State.CANCELLED, State.REINSTATED}:
                continue
            for step in case.steps:
                receipt = self.office.receipts.items.get((case.case_id, step.name))
                if receipt is not None and receipt.outcome in DONE and receipt.finished_at is not None:
                    assert receipt.finished_at.replace(microsecond=0) <= case.finished_at

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(receipt.attempts <= BOUND for receipt in self.office.receipts.items.values())

    # -- after the dust has settled

    def teardown(self) -> None:
        self._settle()
        for email in PEOPLE:
            self._settled(email)
        self._whoever_was_robbed_was_contained_and_works_on()
        for case in self.office.cases.every:
            assert case.state not in UNDER_WAY or self._waits_for_a_person(case), case
            assert case.pending_announcements == ()
        self.counts_partition()
        self.a_completed_case_has_a_receipt_for_every_step_and_its_chain_verifies()
        self.what_is_over_has_no_command_carried_out_any_more()
        self.figures["faults"] += self.office.weather.faults
        self.figures["repeats"] += sum(each.follows is not None for each in self.office.cases.every)
        self.figures["cases"] += len(self.office.cases.every)
        self.figures["runs"] += 1

    def _settled(self, email: str) -> None:
        """What becomes of somebody is what each source said last, but for what a person decided."""
        fates = {(each.source, each.event_id): each for each in self.office.heard.fates}
        taken_back = max((at for who, at in self._decisions() if who == email), default=None)
        newest: dict[str, Word] = {}
        for word in sorted(self.words[email], key=lambda each: each.at):
            # Who was refused a cancellation still says that they left: an older word of theirs comes too late then.
            refused = not word.leaves and fates[word.source, word.event_id].because in {BEGUN, LATER}
            if not refused and (taken_back is None or word.at > taken_back):
                newest[word.source] = word
        leaves = [word for word in newest.values() if word.leaves]
        gone = email in self.office.people.under_tombstones
        held = any(case.email == email and case.state is State.HELD for case in self.office.cases.every)
        if email in self.before:
            robbed = any(
                self.robbed.get((email, kind), self.new_since[email]) > self.new_since[email] for kind in THEFTS
            )
            # Nobody is under a tombstone there yet: a new word ends the access of whoever has the address.
            meant = email in self.recycled_early and any(word.at > self.new_since[email] for word in leaves)
            back = meant or robbed or taken_back or any(word.kind == "reinstated" for word in self.words[email])
            # Leaver's own copies go by the address too: whoever needs one has it fetched again.
            keeps = {"session@acme", "session@europe", "grants", "admin grants"} - self._believed_of(email)
            assert back or self._access_of(email) >= keeps, f"{email} is new, and lost something"
        elif not leaves:
            assert not gone, f"{email} is here, under a tombstone"
        elif not gone:
            # A late word about a departure that was undone meanwhile touches nobody.
            assert held or all(map(self._comes_late, leaves)), f"{email} left, and there is no tombstone"
        # What a held case would end lives until a person has looked.
        elif self._is_ended_after_signing_in(email, acted := [word for word in leaves if self._is_followed(word)]):
            unnamed = set() if any(word.is_better_named for word in acted) else {"admin grants"}
            alive = self._access_of(email) - self._closed_of(email) - self._doubted_of(email) - unnamed
            assert alive == set(), f"{email} left, and still has {alive}"

    def _is_ended_after_signing_in(self, email: str, leaves: list[Word]) -> bool:
        since = self.signed_in.get(email)
        return since is None or any(word.at > since for word in leaves)

    def _comes_late(self, word: Word) -> bool:
        """Whether it happened before the end of the case that it was taken for."""
        fates = {(each.source, each.event_id): each for each in self.office.heard.fates}
        fate = fates[word.source, word.event_id]
        case = self.office.cases.read(fate.case_id) if fate.case_id else None
        return (
            fate.fate == "repeated"
            and case is not None
            and case.finished_at is not None
            and word.at <= case.finished_at
        )

    def _is_followed(self, word: Word) -> bool:
        """Whether a case that it opened or joined does not wait for a person."""
        fates = {(each.source, each.event_id): each for each in self.office.heard.fates}
        fate = fates[word.source, word.event_id]
        case = self.office.cases.read(fate.case_id) if fate.case_id else None
        return case is not None and case.state is not State.HELD

    def _decisions(self) -> list[tuple[str, datetime]]:
        """Whose cases a person took back, and when, as far as that came in time."""
        fates = {each.message_id: each.fate for each in self.office.heard.fates}
        return [whose for message, whose in self.decided.items() if fates.get(message) == "changed"]

    def _was_to_leave(self, email: str) -> bool:
        return any(word.leaves for word in self.words[email])

    def _closed_of(self, email: str) -> set[str]:
        """What of somebody's only a person said to be done with."""
        return {what for step, _, said in self._steps_of(email) if said is Outcome.CLOSED for what in _covered_by(step)}

    def _doubted_of(self, email: str) -> set[str]:
        """What of somebody's waits for a person."""
        waits = [
            step
            for step, case, said in self._steps_of(email)
            if said is Outcome.NOT_SEARCHABLE and case.state is State.OPEN and step.command == "RevokeGrants"
        ]
        # Of a name that an earlier case knew nobody can tell whose it is.
        known_before = {
            _what(step)
            for case in self.office.cases.every
            if case.email == email and case.state is State.OPEN
            for step in case.steps
            if step.refused and step.name in case.outstanding
        }
        return known_before | {what for step in waits for what in _covered_by(step)}

    def _steps_of(self, email: str) -> Iterator[tuple[Step, Case, Outcome | None]]:
        """The steps of somebody's cases, with what their receipts say."""
        for case in self.office.cases.every:
            kept = self.office.cases.read_receipts(case.case_id) if case.email == email else {}
            yield from ((step, case, kept[step.name].outcome) for step in case.steps if step.name in kept)

    def _whoever_was_robbed_was_contained_and_works_on(self) -> None:
        for (email, kind), at in self.robbed.items():
            cases = [case for case in self.office.cases.every if (case.email, case.kind) == (email, kind)]
            begun = [case.started_at for case in cases if case.state not in OVER and case.started_at]
            was_called_off = any(case.case_id in self.called_off for case in cases if case.state in OVER)
            followed = any(each >= at.replace(microsecond=0) for each in begun) or self._has_left_since(email, at)
            assert followed or was_called_off, f"{email} was robbed, and nothing followed"
        here = [email for email in PEOPLE if email not in self.office.people.under_tombstones]
        self.office.clock.passes(minutes=1)
        assert not any(self.office.people.refuse_what_was_asked([email], self.office.clock()) for email in here)
        for email in here:
            if email not in self.forgotten:
                self._logs_in(email)
        before = {email: self._access_of(email) for email in here}
        self.office.clock.passes(minutes=1)
        self.office.minute()
        self.office.works()
        assert {email: self._access_of(email) for email in here} == before

    def _has_left_since(self, email: str, at: datetime) -> bool:
        """Whether all that a departure of theirs ends was ended after that: a theft told late finds nothing to end."""
        for case in self.office.cases.every:
            if (case.email, case.kind, case.state, case.sweep_of) == (email, "departure", State.COMPLETED, None):
                kept = self.office.cases.read_receipts(case.case_id)
                ends: dict[str, list[datetime | None]] = {}
                for step in case.steps:
                    # A connection of theirs that is revoked comes back by nobody's sign-in.
                    if step.provider:
                        ends.setdefault(_what(step), []).append(kept[step.name].finished_at)
                if all(max(filter(None, each)) >= at.replace(microsecond=0) for each in ends.values()):
                    return True
        return False

    def _access_of_whom(self, case: Case) -> set[str]:
        """What the person of a case has: whoever had the address then."""
        if case.email not in self.before:
            return self._access_of(case.email)
        if case.kind == "departure":
            is_before = case.identities.get("zoom/acme") in {None, self.before[case.email].zoom["acme"]}
        else:
            is_before = case.requested_at < self.new_since[case.email]
        return self._access_by_ids(self.before[case.email]) if is_before else self._access_of(case.email)

    def _settle(self) -> None:
        """No more faults: the queues are worked through, and hours pass, in which abandoned leases run out too."""
        self.office.weather.to_come.clear()
        for minutes in (1, 8, 60, 120, 180, 0):
            self.a_person_releases_what_is_held()
            self._connects_anew()
            for _ in range(4):
                self.office.redrive()
                for message in list(self.office.queued):
                    self.office.deliver(message)
            self.office.clock.passes(minutes=minutes)
            self._refreshes()
            self.office.minute()
        assert self.office.queued == []

    def _refreshes(self) -> None:
        """The refresher, which the office has not, is asked where a token is refused, and finds the grant dead."""
        for name, grant in self.office.grants.items():
            if self.office.table.records[name].status is Status.REVOKING and not grant.alive:
                self.office.table.change(name, _found_dead)

    def _waits_for_a_person(self, case: Case) -> bool:
        """Zoom did not know them when it was asked, or somebody new or two may be meant: a person has to say."""
        if case.state is State.HELD:
            by_now = self.ids[case.email].zoom
            of_another = any(case.identities.get(f"zoom/{at}") not in {None, id_} for at, id_ in by_now.items())
            return case.because is not None or of_another
        kept = self.office.cases.read_receipts(case.case_id)
        # Of somebody who stays the purges wait for what waits for a person.
        undecided = {Outcome.USER_NOT_FOUND, Outcome.NOT_SEARCHABLE}
        refused = {step.name for step in case.steps if step.refused}
        return all(name in refused or kept[name].outcome in undecided for name in case.awaited) and bool(case.awaited)

    def _access_of(self, email: str) -> set[str]:
        """What whoever has an address now still has, as the providers and Secrets Manager say."""
        return self._access_by_ids(self.ids[email]) | self._owned_by(email) if email in self.ids else set()

    def _access_by_ids(self, ids: Ids) -> set[str]:
        """What somebody still has, but for connections; also whom nobody finds by their address any more."""
        found = {f"session@{account}" for account in ACCOUNTS if ids.zoom[account] in self.office.zoom.sessions}
        place = f"leaver/user-tokens/{ids.zoom['acme']}/zoom/zak"
        found |= {"user token"} if place in self.office.secrets.secrets else set()
        found |= {"grants"} if self.office.venafi.grants.get(ids.venafi) else set()
        return found | ({"admin grants"} if self.office.venafi.grants.get(ids.admin) else set())

    def _owned_by(self, email: str) -> set[str]:
        """Their own connections that live, and those that Leaver works through in their name."""
        grants, owned = self.office.grants, self.office.table.records.values()
        return {
            each.connection
            for each in owned
            if each.owner == email and (each.role == "service" or grants[each.connection].alive)
        }

    def _step(self) -> None:
        self.figures["steps"] += 1


def _covered_by(step: Step) -> set[str]:
    """What of somebody's lives on where a person closes a step: one looks for HR's name and for HR's address."""
    both = step.command == "RevokeGrants" and "email" in step.detail
    return {"grants", "admin grants"} if both else {_what(step)}


def _what(step: Step) -> str:
    """What of somebody's a step ends."""
    if step.command == PURGE and "email" not in step.detail and step.identity.startswith("eu-"):
        # By an id alone: nothing is kept under that of Europe.
        return f"what is kept of {step.identity}"
    return _what_ends(f"{step.command}#{step.at}", step.identity)


def _what_ends(step: str, identity: str) -> str:
    command, _, at = step.partition("#")
    match command:
        case "RevokeSsoToken":
            return f"session@{at.partition('/')[2]}"
        case "RevokeGrants":
            return "admin grants" if "admin" in identity else "grants"
        case "PurgeUserTokens":
            return "user token"
        case _:
            return at


def _found_dead(connection: Connection) -> Connection:
    return connection.as_revoked(Result(Outcome.ALREADY_GONE))


class Contradicted(Leavers):
    """The same where one source often contradicts another, and little else happens: by chance two hardly ever do."""

    connections_come_and_go = somebody_forges_a_command = provider_fails = zoom_forgets = crash = None  # type: ignore[assignment]
    hr_tells_of_a_theft = a_person_closes_a_step = a_person_takes_it_back = reorder = None  # type: ignore[assignment]

    @rule(email=people, source=st.sampled_from(SOURCES), other=st.sampled_from(SOURCES))
    def one_says_that_they_left_and_another_that_they_are_back(self, email: str, source: str, other: str) -> None:
        self._step()
        self._says(email, "immediate", source)
        self._works_through()
        self._says(email, "reinstated", other)


#: so many come upon what happens often
RUNS: Final = 16
OFTEN = ("decisions", "newcomers", "repeats", "thefts", "closed", "released")
SELDOM = ("better names", "somebody else's names", "dead connections", "twins", "own connections", "taken over")


def test_whatever_happens_every_leaver_loses_everything_and_nobody_says_otherwise(
    record_property: Callable[[str, Any], None], field: Field
) -> None:
    Leavers.figures = Counter()
    violations = 0
    try:
        explore(Leavers, length(RUNS))
    except BaseException:
        violations = 1
        raise
    finally:
        # Few runs do not come upon everything.
        must_come = (*OFTEN, *SELDOM) if length(RUNS) >= 300 else OFTEN
        assert violations or all(Leavers.figures[each] for each in must_come)
        told = [Leavers.figures[each] for each in ("runs", "steps", "cases", "faults", "duplicates", "crashes")]
        record_property("cases", [*told, violations])
        for figure in ("faults", "duplicates", "crashes", "forged", "thefts"):
            if (times := Leavers.figures[figure]) or length(RUNS) >= 300:
                field("leavers' cases in any order", figure, times, lost=violations, false=violations)


# --- what each group of rules is for: it is taken away, and the machine comes upon the harm


def _raises_tombstones_of_every_kind(
    case_start: CaseStart, case: Case, now: datetime, _known: Known | None = None
) -> Mapping[str, Name]:
    change = case_start.people.change
    raised = {name: change(name, lambda found: found.with_tombstone(case.case_id, now)) for name in case.names}
    return {name: written for name, written in raised.items() if written}


def _says_revoked(receipt: Receipt, _who: str, _because: str, *, now: datetime) -> Receipt:
    return receipt.model_copy(update={"outcome": Outcome.REVOKED, "finished_at": now})


_record, _take_back = Intake._record, Returns._take_back


def _counts_what_is_recorded(self: Intake, case_id: str, departure: Departure) -> Case | None:
    assert self.case_start.ceiling
    recorded = f"recorded {departure.request.subject.email}"
    self.case_start.ceiling.people.find_exceeded(recorded, {ROUTINE: None}, self.clock())
    return _record(self, case_id, departure)


def _takes_back_thefts_too(self: Returns, case: Case, word: Departure) -> Fate:
    remembered = [each for each in map(self.people.read, case.names) if each]
    for case_id in {case_id for each in remembered for case_id in each.containments.values()}:
        if (theft := self.cases.read(case_id)) is not None:
            self.stop_one(theft, CaseEvent.REINSTATED)
    return _take_back(self, case, word)


_take_access = Intake._take_access


def _leaves_once(self: Intake, departure: Departure) -> Fate:
    left = self.former.find_finished(departure.names) if departure.kind == "departure" else None
    return Fate("repeated", left.case_id) if left else _take_access(self, departure)


_accounts = Connections.accounts


def _only_the_first(self: Connections, provider: str, **told: Any) -> dict[str, Connection | None]:
    return dict(sorted(_accounts(self, provider, **told).items())[:1])


def _believed(request: OffboardingRequested, _heard_at: datetime) -> Settled:
    return Settled(request, timedelta(0))


PLANTED: Final = [
    pytest.param(CaseStart, "raise_tombstones", _raises_tombstones_of_every_kind, id="a contain raises tombstones"),
    pytest.param(CaseStart, "raise_cutoffs", lambda *_: None, id="a contain raises no cutoff"),
    pytest.param(intake, "_is_covered_by", lambda *_: True, id="one contain is enough for ever"),
    pytest.param(Returns, "_take_back", _takes_back_thefts_too, id="a return stops a contain"),
    pytest.param(Receipt, "closed_by", _says_revoked, id="what a person closed says revoked"),
    pytest.param(completion, "_residual", lambda _: [], id="what a person closed is in no residual"),
    pytest.param(Intake, "_record", _counts_what_is_recorded, id="the guard counts what is recorded"),
    pytest.param(CaseStart, "_hold_above_limit", lambda _self, case, _now: case, id="the guard lets all begin"),
    pytest.param(People, "who_says_leaves", lambda *_: None, id="another source's return is accepted"),
    pytest.param(Intake, "_take_access", _leaves_once, id="who left once never leaves again"),
    pytest.param(FormerLeavers, "after", lambda _self, _finished, found: found, id="a repeat is of whoever is there"),
    pytest.param(app, "settle_times", _believed, id="a fast clock is believed"),
    pytest.param(proved, "find_ended_before", lambda *_, **__: iter(()), id="what ended stays ended"),
    pytest.param(finding, "_ends_the_same", lambda *_: True, id="another name is a repetition"),
    pytest.param(AskedOfVenafi, "find_doubt", lambda *_: {}, id="whatever name HR gives is believed"),
    pytest.param(Connections, "accounts", _only_the_first, id="only one account is asked"),
    pytest.param(Returns, "give_back", lambda *_: Fate("changed"), id="a person's decision is not followed"),
]

#: what the whole machine comes upon only after very many runs
SELDOM_SEEN: Final[dict[str, type[Leavers]]] = {"who_says_leaves": Contradicted}


@pytest.mark.parametrize(("where", "what", "planted"), some(PLANTED, 2))
def test_the_machine_sees_it_where(
    monkeypatch: pytest.MonkeyPatch, where: object, what: str, planted: Callable[..., object]
) -> None:
    monkeypatch.setattr(where, what, planted)
    with pytest.raises(AssertionError):
        explore(SELDOM_SEEN.get(what, Leavers), 500, UNTIL_FOUND)
