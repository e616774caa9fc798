"""Compare who should be here with who has something, each night; whoever was forgotten waits for a person."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache, partial
from secrets import token_hex
from typing import Any, ClassVar, Final, TypeVar

from aws_lambda_powertools import Logger
from pydantic import SecretStr

from leaver import bootstrap
from leaver.cases.people import People
from leaver.cases.record import DEACTIVATE, Case
from leaver.cases.states import UNDER_WAY, State
from leaver.cases.table import Cases
from leaver.connections.access_tokens import AccessTokens
from leaver.connections.record import Connections
from leaver.consuming.consumer import Consumer
from leaver.consuming.invocation import BatchFailures, LambdaContext
from leaver.consuming.rate_limiter import Demand, RateLimiter
from leaver.errors import BadMessage, NeedsReauthorization, NotRead, Rejected, Throttled
from leaver.evidence.reconciled import summary_of_run
from leaver.messages.commands import Command, Printable, RunId, parse
from leaver.messages.envelope import Payload
from leaver.messages.events import OffboardingRequested, ReconciliationAnnouncement
from leaver.messages.names import name_of
from leaver.providers.entry import Providers, WhoHasSomething
from leaver.providers.listing import Ask, Holding, Lists, Person, as_json, holding_of, person_of
from leaver.providers.registry import PROVIDERS
from leaver.providers.sources import SOURCES
from leaver.reconcile.comparison import Ended, Held, compare
from leaver.reconcile.comparison import Lists as Five
from leaver.reconcile.record import (
    MEMORY_KEPT,
    PAGES_KEPT,
    RESULTS_KEPT,
    Documents,
    Runs,
    canonical,
    memory_name,
    page_name,
    result_name,
)
from leaver.reconcile.record import (
    State as Run,
)
from leaver.reconcile.roster import BadRoster, Roster, find_faults, read_csv, require_one_each, with_who_is_missing
from leaver.reconcile.words import Sighting, as_stored, as_told, find_due, sight, words
from leaver.settings import Consumes, Flag, RequestsRefreshes, ServesProviders, UsesConnections, WholeNumber
from leaver.storage.tables import timestamp
from leaver.storage.user_token_secrets import UserTokenSecrets

ReconciliationAnnouncement.model_rebuild()

Told = TypeVar("Told")
#: where the roster is a file in the deployment's own bucket, and where there is none
CSV: Final = "csv"
NONE: Final = "none"
#: what is listed first, and what is Leaver's own
ROSTER: Final = "roster"
OURS: Final = "leaver"
#: milliseconds that must be left for one more page
TIME_FOR_A_PAGE: Final = 20_000
#: people on a page of a file's roster
_PEOPLE: Final = 1000
#: what stops a listing for good; whatever else happens is tried again
_HOPELESS: Final = (Rejected, NeedsReauthorization, BadMessage)
FOUND: Final = "ReconciliationFound"
OWNERS_GONE: Final = "ServiceOwnersGone"
RECONCILED: Final = "Reconciled"
STOPPED: Final = "ReconciliationsStopped"


class Settings(Consumes, UsesConnections, RequestsRefreshes, ServesProviders):
    """What `reconcile` reads from its environment, beside the hosts and limits that providers' entries name."""

    pace_table: str
    #: `csv`, a source that lists its people, or `none`
    roster: str
    roster_bucket: str = ""
    roster_key: str
    #: in percent
    roster_may_shrink: WholeNumber
    #: whether a case of somebody with a tombstone begins by itself
    resurrections_begin: Flag = False
    start_offboarding_queue_url: str
    reconcile_queue_url: str
    seal_queue_url: str


class Reconcile(Command):
    """One run; a message that has no `run` begins one."""

    system: ClassVar[str] = OURS
    announced_as: ClassVar[str] = RECONCILED

    run: RunId
    #: as the setting of that name; None: as the deployment has it
    roster: Printable | None = None
    #: the file, where the roster is one; None: as the deployment has it
    key: Printable | None = None
    dry_run: bool = False
    #: a message of the run's own: where another has begun since, it is for nobody
    goes_on: bool = False

    @property
    def subject(self) -> str:
        """The run."""
        return self.run


def understand(payload: Payload) -> Reconcile:
    """Read what is asked for: a run is called as the message that began it."""
    return parse(Reconcile, {"run": payload.id, **payload.detail}, direct=True)


@dataclass(frozen=True)
class Accounts:
    """The providers' accounts, each listed at its own pace, behind everybody who is urgent."""

    providers: Providers
    connections: Connections
    listing_of: Callable[[str], Lists[Holding]]
    tokens_of: Callable[[str], AccessTokens]
    limiter_of: Callable[[str], RateLimiter]

    def find(self) -> tuple[list[str], list[str]]:
        """The accounts to list, as `provider/account`, and why some of what the company has can't be."""
        found, why = [], []
        for name, entry in self.providers.items():
            if entry.who_has_something is None:
                continue
            accounts = self.connections.accounts(name)
            found += [f"{name}/{account}" for account in sorted(accounts)]
            if not accounts:
                why.append(f"{name}: there is no connection")
        return found, why

    def ask_at(self, place: str, count: Callable[[int], None]) -> Ask:
        """What carries out calls at an account; raises Rejected where no connection can be used there."""
        provider, _, account = place.partition("/")
        connection = self.connections.usable(provider, account)
        if connection is None:
            raise Rejected(f"{place}: no connection can be used")
        tokens, limiter = self.tokens_of(provider), self.limiter_of(provider)

        def ask(call: Callable[[SecretStr], Told], *, calls: int = 1) -> Told:
            # Never urgent: a leaver's own calls find their share free, and come first where slots are scarce.
            (reservation,) = limiter.reserve([Demand(connection.connection, calls, urgent=False)])
            try:
                limiter.wait(reservation)
                count(calls)
                return tokens.with_token(connection.connection, lambda _, access_token: call(access_token))
            except Throttled as error:
                limiter.record_throttle(reservation, error)
                raise

        return ask


@dataclass(frozen=True)
class Rosters:
    """Where rosters come from."""

    connections: Connections
    listing_of: Callable[[str], Lists[Person]]
    tokens_of: Callable[[str], AccessTokens]
    #: reads a file of the deployment's bucket
    read_file: Callable[[str], bytes]

    def ask_at(self, source: str, count: Callable[[int], None]) -> Ask:
        """What carries out calls at a source; raises Rejected where no connection can be used there."""
        usable = [each for twins in self.connections.usable_at([source]).values() for each in twins]
        if not usable:
            raise Rejected(f"{source}: no connection can be used")

        def ask(call: Callable[[SecretStr], Told], *, calls: int = 1) -> Told:
            count(calls)
            tokens = self.tokens_of(source)
            return tokens.with_token(usable[0].connection, lambda _, access_token: call(access_token))

        return ask


@dataclass(frozen=True)
class Leavers:
    """Who is known to have left, by their cases."""

    people: People
    cases: Cases

    def find_ended(self, names: Iterable[str]) -> Ended | None:
        """The case of somebody who left, one that is under way before one that is completed."""
        known = [each for name in dict.fromkeys(names) if (each := self.people.read(name))]
        under_way = [case for each in known if (case := self._read(each.case)) and case.state in UNDER_WAY]
        if under_way:
            return Ended(under_way[0].case_id, None, deactivated=False)
        gone = [each for each in known if each.gone_since]
        pointed = [case for each in gone for id_ in (each.case, each.finished) if (case := self._read(id_))]
        completed = [case for case in pointed if case.state is State.COMPLETED and case.finished_at]
        if not completed:
            return None
        last = max(completed, key=lambda case: str(case.finished_at))
        deactivated = any(step.command == DEACTIVATE for step in last.steps)
        return Ended(last.case_id, last.finished_at, deactivated)

    def _read(self, case_id: str | None) -> Case | None:
        return self.cases.read(case_id) if case_id else None


@dataclass(frozen=True)
class Reconciliation:
    """One run after the other, each page by page: whoever goes on begins where the last page was kept."""

    runs: Runs
    documents: Documents
    accounts: Accounts
    rosters: Rosters
    leavers: Leavers
    kept: UserTokenSecrets
    say: Callable[[OffboardingRequested], None]
    announce: Callable[[ReconciliationAnnouncement], None]
    gauge: Callable[[Mapping[str, int]], None]
    #: asks seal_case to sign what is told of a run
    request_run: Callable[[Mapping[str, Any]], None]
    #: sends a message by which the run goes on
    go_on: Callable[[Reconcile], None]
    clock: Callable[[], datetime]
    logger: Logger
    settings: Settings

    def work(self, command: Reconcile, has_time: Callable[[], bool]) -> None:
        """Go on with a run as long as there is time, and then by another message. Nobody goes on with two."""
        asked = command.roster or self.settings.roster
        standing = self.runs.read()
        if command.goes_on and (standing is None or standing.run != command.run):
            return
        if (standing is None or standing.run != command.run) and self._has_ended(command.run):
            # Its first message came once more: begun anew, it would overwrite what was signed.
            return
        run = self.runs.begin(command.run, asked, self.clock(), dry_run=command.dry_run)
        if run is None:
            self.logger.warning("another run is under way", extra={"run": command.run})
            return
        while not run.is_done:
            if not has_time():
                self.go_on(command.model_copy(update={"goes_on": True}))
                return
            run = self._step(run, command)
        if not run.dry_run:
            # Read again: a run that was killed here says what it has kept, and nothing else.
            result = canonical(self.documents.read(result_name(run.run)))
            self.request_run(summary_of_run(result.encode()))

    def _has_ended(self, run: str) -> bool:
        try:
            self.documents.read(result_name(run))
        except NotRead:
            return False
        return True

    def _step(self, run: Run, command: Reconcile) -> Run:
        if not run.places and run.roster == NONE:
            # Who left, nobody says: to ask everywhere who has something would find out nothing.
            return self._save(run, places=(ROSTER,), pages=(0,), at=1, stopped=("roster: there is none",))
        if not run.places:
            found, why = self.accounts.find()
            places = (ROSTER, *found)
            return self._save(run, places=places, pages=(0,) * len(places), stopped=tuple(why))
        if run.at < len(run.places):
            return self._list_more(run, command)
        return self._finish(run)

    def _save(self, run: Run, **changed: object) -> Run:
        return self.runs.save(run, self.clock(), **changed)

    # -- what there is

    def _list_more(self, run: Run, command: Reconcile) -> Run:
        """Read one more page of the place that the run is at, and keep it before the run says that it has it."""
        place, calls = run.places[run.at], [run.calls]

        def count(more: int) -> None:
            calls[0] += more

        found: Sequence[Holding | Person]
        try:
            if place == ROSTER and run.roster == CSV:
                return self._read_file(run, command)
            if place == ROSTER:
                found, following = self._read_roster_page(run, count)
            else:
                listing = self.accounts.listing_of(place)
                page = listing.read_page(json.loads(run.cursor), self.accounts.ask_at(place, count))
                found, following = page.found, page.next
        except _HOPELESS as error:
            stopped = (*run.stopped, f"{place}: {error.reason}")
            return self._save(run, at=run.at + 1, cursor="{}", stopped=stopped, calls=calls[0])
        self._put_page(run, run.pages[run.at], found)
        goes_on = following is not None
        return self._save(
            run,
            pages=_one_more(run.pages, run.at),
            at=run.at if goes_on else run.at + 1,
            cursor=json.dumps(following) if goes_on else "{}",
            calls=calls[0],
        )

    def _read_roster_page(self, run: Run, count: Callable[[int], None]) -> tuple[Sequence[Person], Any]:
        page = self.rosters.listing_of(run.roster).read_page(
            json.loads(run.cursor), self.rosters.ask_at(run.roster, count)
        )
        return page.found, page.next

    def _read_file(self, run: Run, command: Reconcile) -> Run:
        roster = read_csv(self.rosters.read_file(command.key or self.settings.roster_key))
        starts = range(0, len(roster.people), _PEOPLE)
        for number, start in enumerate(starts):
            self._put_page(run, number, roster.people[start : start + _PEOPLE])
        pages = (len(starts), *run.pages[1:])
        return self._save(run, pages=pages, at=run.at + 1, as_of=roster.as_of, said=roster.said)

    def _put_page(self, run: Run, number: int, found: Iterable[Holding | Person]) -> None:
        name = page_name(run.run, run.at, number)
        self.documents.put(name, [as_json(each) for each in found], PAGES_KEPT)

    def _read_pages(self, run: Run, at: int) -> Iterator[Any]:
        for number in range(run.pages[at]):
            yield from self.documents.read(page_name(run.run, at, number))

    def _held(self, run: Run) -> Iterator[Held]:
        for at, place in enumerate(run.places):
            if place != ROSTER:
                yield from (Held(place, holding_of(each)) for each in self._read_pages(run, at))
        now = self.clock()
        for each in self.accounts.connections.read_of("personal"):
            what = f"connection {each.connection}"
            yield Held(OURS, Holding(kind="connection", id=each.owner_id, email=each.owner, what=what))
        for token in self.kept.find_all():
            lives = token.expires_at is None or token.expires_at > now
            what = f"kept {token.place.type}"
            yield Held(OURS, Holding(kind="token", id=token.place.zoom_user_id, what=what, is_alive=lives))

    # -- what follows

    def _finish(self, run: Run) -> Run:
        """Compare, say what follows, and keep the result. Repeated after a crash, it says the very same."""
        now = self.clock()
        roster = Roster(tuple(map(person_of, self._read_pages(run, 0))), run.as_of or run.started_at, run.said)
        memory = self.documents.read(memory_name(run.good)) if run.good else {}
        stopped = (*run.stopped, *self._faults(roster, memory, now))
        remembered = _remember(roster, memory, now)
        owners = {each.connection: each.owner for each in self.accounts.connections.read_of("service")}
        lists = compare(remembered, self._held(run), owners, self.leavers.find_ended)
        sightings = sight(lists, as_told(memory.get("sightings", {})), now)
        asked = list(
            words(
                lists,
                find_due(sightings, now),
                run.run,
                run.started_at,
                id_keys=_id_keys(self.accounts.providers),
                begins=self.settings.resurrections_begin,
            )
        )
        follows = not (stopped or run.dry_run)
        if follows:
            for word in asked:
                self.say(word)
        result = self._result(run, roster, lists, stopped=stopped, asked=asked, follows=follows, now=now)
        digest = self.documents.put(result_name(run.run), result, RESULTS_KEPT)
        fields: dict[str, object] = {"is_done": True, "last": run.run, "last_at": now, "digest": digest}
        if follows:
            self._put_memory(run, roster, remembered, sightings, asked)
            fields |= {"good": run.run, "good_at": now}
        self._tell(run, lists, digest, stopped=stopped)
        return self._save(run, **fields, stopped=stopped)

    def _faults(self, roster: Roster, memory: Mapping[str, Any], now: datetime) -> list[str]:
        faults = find_faults(roster, memory.get("here"), now, may_shrink=self.settings.roster_may_shrink)
        try:
            require_one_each(roster.people)
        except BadRoster as error:
            faults.append(error.reason)
        return faults

    def _put_memory(
        self,
        run: Run,
        roster: Roster,
        remembered: Sequence[Person],
        sightings: Mapping[str, Sighting],
        asked: Iterable[OffboardingRequested],
    ) -> None:
        said = {name_of(word.subject.email) for word in asked}
        now_asked = {name: Sighting(each.since, asked=each.asked or name in said) for name, each in sightings.items()}
        document = {
            "here": roster.here,
            "people": [as_json(each) for each in remembered],
            "sightings": as_stored(now_asked),
        }
        self.documents.put(memory_name(run.run), document, MEMORY_KEPT)

    def _result(
        self,
        run: Run,
        roster: Roster,
        lists: Five,
        *,
        stopped: Sequence[str],
        asked: Sequence[OffboardingRequested],
        follows: bool,
        now: datetime,
    ) -> dict[str, object]:
        """What a run found, as one JSON document: what is signed later is this, and nothing else."""
        served = {name: entry.who_has_something for name, entry in self.accounts.providers.items()}
        return {
            "version": "leaver.reconciliation.v1",
            # A short list could be guessed from its digest, which is announced and signed.
            "salt": token_hex(16),
            "run": run.run,
            "started_at": timestamp(run.started_at),
            "finished_at": timestamp(now),
            "dry_run": run.dry_run,
            "roster": {
                "from": run.roster,
                "as_of": timestamp(roster.as_of),
                "people": len(roster.people),
                "here": roster.here,
            },
            "places": list(run.places[1:]),
            "calls": run.calls,
            "stopped": list(stopped),
            "not_told": {name: each.not_told for name, each in served.items() if each},
            "held": [each.subject.email for each in asked if follows and each.held],
            "begun": [each.subject.email for each in asked if follows and not each.held],
            "would_hold": [] if follows else [each.subject.email for each in asked],
            "counts": lists.counts(),
            "lists": {name: [_shown(row) for row in map(asdict, rows)] for name, rows in vars(lists).items()},
        }

    def _tell(self, run: Run, lists: Five, digest: str, *, stopped: Sequence[str]) -> None:
        # Who it is about stands in the result: an announcement goes wherever a rule sends it.
        counts = lists.counts()
        self.announce(
            ReconciliationAnnouncement(
                detail_type="ReconciliationStopped" if stopped else "Reconciled",
                announcement_id=f"{run.run}/Reconciled",
                run=run.run,
                dry_run=run.dry_run,
                counts=counts,
                connections_of_who_left=[each.what for each in lists.owners_gone],
                because=list(stopped),
                digest=digest,
            )
        )
        told = {"run": run.run, "counts": counts, "stopped": list(stopped), "digest": digest, "calls": run.calls}
        (self.logger.error if stopped else self.logger.info)("reconciled", extra=told)
        if not run.dry_run:
            good = {} if stopped else {FOUND: len(lists.found), OWNERS_GONE: len(lists.owners_gone), RECONCILED: 1}
            self.gauge(good | {STOPPED: int(bool(stopped))})


def _one_more(pages: Sequence[int], at: int) -> tuple[int, ...]:
    return tuple(count + (number == at) for number, count in enumerate(pages))


def _remember(roster: Roster, memory: Mapping[str, Any], now: datetime) -> tuple[Person, ...]:
    before = [person_of(each) for each in memory.get("people", ())]
    oldest = f"{now - MEMORY_KEPT:%Y-%m-%d}"
    known = [each for each in before if each.missing_since is None or each.missing_since > oldest]
    return with_who_is_missing(roster.people, known, f"{now:%Y-%m-%d}")


def _id_keys(providers: Providers) -> dict[str, str]:
    entries: dict[str, WhoHasSomething | None] = {name: entry.who_has_something for name, entry in providers.items()}
    return {name: entry.id_key for name, entry in entries.items() if entry}


def _shown(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value not in (None, "")}


def consumer() -> Consumer[Reconcile]:
    """What works through the queue `reconcile`."""
    settings = bootstrap.settings_of(Settings)
    return bootstrap.consumer(Reconcile, work, settings, refresh_queue_url=settings.refresh_queue_url, read=understand)


def work(command: Reconcile) -> None:
    """Go on with a run, with all that it takes."""
    reconciliation(bootstrap.settings_of(Settings)).work(command, lambda: bootstrap.has_time(TIME_FOR_A_PAGE))


def reconciliation(settings: Settings) -> Reconciliation:
    """What a message's share of a run takes: what it found out about people is not kept for the next."""
    publisher = bootstrap.publisher(
        settings.event_bus_name,
        settings.dead_letter_queue_url,
        settings.refresh_queue_url,
        settings.seal_queue_url,
    )
    connections = bootstrap.connections(settings.connections_table)
    served = settings.served(PROVIDERS)

    def tokens_of(provider: str) -> AccessTokens:
        return bootstrap.access_tokens(settings.connections_table, settings.secret_prefix, provider=provider)

    def asked(provider: str) -> WhoHasSomething:
        entry = served[provider].who_has_something
        if entry is None:
            raise Rejected(f"{provider}: nobody can ask who has something there")
        return entry

    def limiter_of(provider: str) -> RateLimiter:
        per_second = bootstrap.limit_of(asked(provider))
        return bootstrap.rate_limiter(settings.pace_table, per_second, tokens_of(provider))

    def roster_of(source: str) -> Lists[Person]:
        entry = SOURCES.get(source)
        if entry is None or entry.roster is None:
            raise BadRoster("there is none: expected csv, or a system that lists its people")
        return bootstrap.listing(entry.roster, entry.host)

    def listing_of(place: str) -> Lists[Holding]:
        entry = asked(place.partition("/")[0])
        return bootstrap.listing(entry.listing, entry.host)

    return Reconciliation(
        runs=bootstrap.runs(settings.deliveries_table),
        documents=bootstrap.documents(settings.deliveries_table),
        accounts=Accounts(served, connections, cache(listing_of), tokens_of, limiter_of),
        rosters=Rosters(connections, roster_of, tokens_of, partial(bootstrap.read_file, settings.roster_bucket)),
        leavers=Leavers(bootstrap.people(settings.cases_table), bootstrap.cases(settings.cases_table)),
        kept=bootstrap.user_token_secrets(settings.secret_prefix),
        say=partial(publisher.hand_on, queue_url=settings.start_offboarding_queue_url),
        announce=publisher.announce,
        gauge=bootstrap.gauges,
        request_run=publisher.request_run,
        go_on=partial(publisher.hand_on, queue_url=settings.reconcile_queue_url),
        clock=bootstrap.now,
        logger=bootstrap.logger(),
        settings=settings,
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures | None:
    """Begin a run when the schedule fires; consume the queue `reconcile` otherwise."""
    if "Records" in event:
        return consumer().consume(event, context)
    bootstrap.begin(context)
    settings = bootstrap.settings_of(Settings)
    if settings.roster != NONE:
        publisher = bootstrap.publisher(settings.event_bus_name, settings.dead_letter_queue_url)
        publisher.hand_on(Reconcile(run=str(event["id"])), settings.reconcile_queue_url)
    return None


bootstrap.in_init(consumer)
