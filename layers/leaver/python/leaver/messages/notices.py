"""What people are told of an announcement: one sentence, and nothing in it that somebody else wrote as markup."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from leaver.errors import BadMessage, explain
from leaver.messages.commands import CaseId, ConnectionName, Printable, ProviderName
from leaver.messages.events import PeopleNotified

PeopleNotified.model_rebuild()

#: what of a name that came from outside is shown beside letters and digits: nothing that Markdown, a link with a scheme
#: or a mention in a chat is made of
_HARMLESS: Final = frozenset(" @._+-/#'")
_LONGEST_NAME: Final = 100
#: of what else becomes of a step the case says more, when it is overdue
_NEEDS_A_PERSON: Final = frozenset({"failed", "not_searchable"})


@dataclass(frozen=True)
class Notice:
    """What is told of one announcement."""

    announcement_id: str
    #: the announcement's detail-type
    announced: str
    title: str
    #: every name in it stands between backticks, and holds none
    sentence: str
    case_id: str | None
    #: what to type to see more
    next_step: str

    @property
    def plain(self) -> str:
        """The sentence without markup."""
        return self.sentence.replace("`", "")

    def as_mail(self) -> str:
        """Text for e-mail, and for whoever else reads text."""
        return f"{self.plain}\n\nNext: {self.next_step}\n"

    def for_chat(self) -> dict[str, Any]:
        """A custom notification, schema 1.0, of AWS's chat app (Amazon Q Developer in chat applications).

        A case's notices are one thread.
        """
        thread = {} if self.case_id is None else {"threadId": self.case_id}
        return {
            "version": "1.0",
            "source": "custom",
            "id": self.announcement_id,
            "content": {
                "textType": "client-markdown",
                "title": self.title,
                "description": self.sentence,
                "nextSteps": [f"`{self.next_step}`"],
            },
            "metadata": {**thread, "summary": self.title, "eventType": self.announced},
        }

    def as_event(self) -> PeopleNotified:
        """The same for the bus."""
        return PeopleNotified(
            detail_type="PeopleNotified",
            announcement_id=f"{self.announcement_id}/people",
            announced=self.announced,
            title=self.title,
            sentence=self.plain,
            case_id=self.case_id,
            next_step=self.next_step,
        )


def notice_of(detail_type: str, detail: Mapping[str, Any], *, with_address: bool) -> Notice | None:
    """Say an announcement in one sentence; None of what nobody has to hear, and BadMessage of what can't be read.

    Only `with_address` lets anything of the person but the case's id be seen.
    """
    if detail_type not in _TOLD:
        raise BadMessage(f"detail-type: expected one of {', '.join(_TOLD)}")
    model, title, say = _TOLD[detail_type]
    try:
        announced = model.model_validate(detail)
    except ValidationError as error:
        raise BadMessage(explain(error, model)) from None
    said = say(announced, f" ({shown(announced.subject)})" if with_address and announced.subject else "")
    if said is None:
        return None
    sentence, next_step = said
    return Notice(announced.announcement_id, detail_type, f"Leaver: {title}", sentence, announced.case_id, next_step)


def shown(name: str) -> str:
    """A name from outside as code: what could be markup, link, mention or control character is a question mark."""
    harmless = "".join(each if each.isalnum() or each in _HARMLESS else "?" for each in name)
    return f"`{harmless if len(harmless) <= _LONGEST_NAME else harmless[:_LONGEST_NAME] + '…'}`"


class _Announced(BaseModel):
    """What is read of an announcement; whatever else it says is nobody's business here."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    announcement_id: str
    case_id: CaseId | None = None
    subject: str = ""


class _Residual(BaseModel):
    """What no API can end: user tokens that were handed out, or, without a time, a step that a person closed."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    system: Printable
    until: AwareDatetime | None = None


class _OfACase(_Announced):
    case_id: CaseId
    steps: list[str]
    outstanding: list[str]
    residual: list[_Residual]
    time_to_revoke: int | None = None
    sweep_of: CaseId | None = None

    @property
    def name(self) -> str:
        again = "" if self.sweep_of is None else f", the second look after case `{self.sweep_of}`"
        return f"Case `{self.case_id}`{again}"


class _OfAStep(_Announced):
    command: Printable
    system: Printable
    outcome: Printable


class _OfAConnection(_Announced):
    connection: ConnectionName
    provider: ProviderName
    since: AwareDatetime


class _OfAReconciliation(_Announced):
    counts: dict[str, int]
    connections_of_who_left: list[ConnectionName]
    because: list[Printable]
    dry_run: bool


class _OfASource(_Announced):
    source: Printable
    silent_since: AwareDatetime


#: sentence and next step, of an announcement and the words on its person
_Said = tuple[str, str] | None


def _started(case: _OfACase, who: str) -> _Said:
    if case.sweep_of is not None:
        return None
    return f"{case.name}{who} has begun: {_count(case.steps, 'thing')} to end.", f"leaver case {case.case_id}"


def _completed(case: _OfACase, who: str) -> _Said:
    if case.sweep_of is not None:
        return None
    took = "" if case.time_to_revoke is None else f" after {case.time_to_revoke} seconds"
    handed_out = [_handed_out(each.system, each.until) for each in case.residual if each.until]
    left = "; ".join([*handed_out, *_closed(case.residual)])
    over = f"; left over: {left}" if left else ", and nothing is left over"
    return f"{case.name}{who} is completed{took}{over}.", f"leaver case {case.case_id}"


def _handed_out(system: str, until: datetime) -> str:
    return f"user tokens of {shown(system)} that live until {_at(until)}"


def _closed(residual: list[_Residual]) -> list[str]:
    closed = [each for each in residual if each.until is None]
    return [f"{_count(closed, 'step')} that a person closed"] if closed else []


def _overdue(case: _OfACase, who: str) -> _Said:
    late = f"{len(case.outstanding)} of {_count(case.steps, 'step')} not done in time"
    return f"{case.name}{who} is overdue: {late}.", f"leaver case {case.case_id}"


def _held(case: _OfACase, who: str) -> _Said:
    return f"{case.name}{who} is held: nothing ends until a person has looked.", "leaver release"


def _cancelled(case: _OfACase, who: str) -> _Said:
    return f"{case.name}{who} is called off: what has not ended by now stays.", f"leaver case {case.case_id}"


def _failed(step: _OfAStep, who: str) -> _Said:
    if step.outcome not in _NEEDS_A_PERSON:
        return None
    of_case = "" if step.case_id is None else f" of case `{step.case_id}`"
    sentence = f"{shown(step.command)} at {shown(step.system)}{of_case}{who} needs a person: it could not be done."
    return sentence, "leaver parked" if step.case_id is None else f"leaver case {step.case_id}"


def _resurrected(case: _OfACase, who: str) -> _Said:
    return f"{case.name}{who} needs a person: an account that was ended lives again.", f"leaver case {case.case_id}"


def _dead(connection: _OfAConnection, _: str) -> _Said:
    whole = f"{_named(connection)} needs a person: Leaver can't act there until it is connected again."
    return whole, "leaver connections"


def _failing(connection: _OfAConnection, _: str) -> _Said:
    whole = f"{_named(connection)} is failing since {_at(connection.since)}: Leaver goes on trying by itself."
    return whole, "leaver connections"


def _recovered(connection: _OfAConnection, _: str) -> _Said:
    return f"{_named(connection)} works again; it did not since {_at(connection.since)}.", "leaver connections"


def _named(connection: _OfAConnection) -> str:
    return f"The connection `{connection.connection}` to `{connection.provider}`"


def _silent(source: _OfASource, _: str) -> _Said:
    since = f"since {_at(source.silent_since)}, which is longer than it may be"
    return f"Nothing came from the source {shown(source.source)} {since}.", "leaver door"


def _reconciled(run: _OfAReconciliation, _: str) -> _Said:
    found = run.counts.get("gone_and_alive", 0) + run.counts.get("alive_again", 0)
    if run.dry_run or not (found or run.connections_of_who_left):
        return None
    owners = _count(run.connections_of_who_left, "service connection")
    sentence = f"Reconciliation found {found} things of people who left, and {owners} of theirs."
    return sentence, "leaver reconcile --last"


def _stopped(run: _OfAReconciliation, _: str) -> _Said:
    if run.dry_run:
        return None
    why = "; ".join(shown(each) for each in run.because)
    return f"Reconciliation stopped, and held nobody: {why}.", "leaver reconcile --last"


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _count(things: list[Any], one: str) -> str:
    return f"{len(things)} {one}" if len(things) == 1 else f"{len(things)} {one}s"


#: detail-type → what is read of it, its title, and how it is said
_TOLD: Final[Mapping[str, tuple[type[_Announced], str, Callable[[Any, str], _Said]]]] = {
    "OffboardingStarted": (_OfACase, "a case has begun", _started),
    "OffboardingCompleted": (_OfACase, "a case is completed", _completed),
    "OffboardingOverdue": (_OfACase, "a case is overdue", _overdue),
    "OffboardingHeld": (_OfACase, "a case is held", _held),
    "OffboardingCancelled": (_OfACase, "a case is called off", _cancelled),
    "AccountResurrected": (_OfACase, "an account lives again", _resurrected),
    "RevocationFailed": (_OfAStep, "a step needs a person", _failed),
    "ConnectionNeedsReauthorization": (_OfAConnection, "a connection needs a person", _dead),
    "ConnectionFailing": (_OfAConnection, "a connection is failing", _failing),
    "ConnectionRecovered": (_OfAConnection, "a connection works again", _recovered),
    "SourceSilent": (_OfASource, "a source is silent", _silent),
    "Reconciled": (_OfAReconciliation, "somebody was forgotten", _reconciled),
    "ReconciliationStopped": (_OfAReconciliation, "reconciliation stopped", _stopped),
}
#: what people are told of
TOLD: Final = tuple(_TOLD)
