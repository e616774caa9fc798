"""Whom a case's steps acted on, by the ids that their receipts prove: what is done once more touches nobody else."""

from collections.abc import Container, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from leaver.cases.finding import as_step, by_id_alone, folded
from leaver.cases.receipts import Receipt
from leaver.cases.record import SWEEP_PAUSE, Case, Step
from leaver.messages.events import Subject
from leaver.messages.names import name_of
from leaver.outcomes import Outcome
from leaver.providers.entry import Leaver, Provider, Providers

#: somebody who is gone and has access again loses it again, for one source and of one case so often
REPEATS: Final = timedelta(hours=1)
#: and of a case that stays open less and less often, down to this
LONGEST_PAUSE: Final = timedelta(days=1)


def identity_of(provider: Provider[Any, Any], step: Step, receipt: Receipt) -> dict[str, str]:
    """How a receipt names the person at a provider, by the keys that its entry takes; empty where it does not.

    Whom the provider had found is the leaver, whoever has the address by now.
    """
    named = {key: str(receipt.details[key]) for key in provider.identity_keys & receipt.details.keys()}
    way = step.detail.get("found_by") or receipt.details.get("found_by")
    return {**named, "found_by": str(way)} if named and way else named


def ids_of(case: Case, receipts: Mapping[str, Receipt], *, but_for: Container[str] = ()) -> dict[str, str]:
    """As Case.identities has them, with the ids that accounts gave when access ended.

    `but_for` are providers for which HR itself says by now which id the person has.
    """
    proved = {}
    for step, receipt in _reported(case, receipts):
        if "user_id" in receipt.details and step.provider not in but_for:
            address = name_of(_subject_of(case, step).email)
            at = step.at if address == name_of(case.email) else f"{step.at} {address}"
            proved[at] = str(receipt.details["user_id"])
    return proved | case.identities


def as_proved(case: Case, step: Step, receipts: Mapping[str, Receipt], providers: Providers) -> Step:
    """The same step, by the ids that receipts prove; where none does, as it stands: by HR's address, in the end."""
    provider = providers.get(step.provider or "")
    if provider is None:
        return step
    subject = _subject_of(case, step)
    found: object = case.ids_of(subject).get(step.at)
    identities: dict[str, str] = {}
    for each, receipt in _reported(case, receipts):
        # What was done once more proves it of what was done before, and the other way round.
        if each.at == step.at and _subject_of(case, each) == subject:
            found = receipt.details.get("user_id", found)
            identities |= identity_of(provider, each, receipt)
    # One address may have had two ids: a step that acted on one of them proves that one.
    found = step.identity if step.found_by == "account" else found
    if found or identities:
        given = subject.identities.get(step.provider or "", {})
        steps = provider.steps(Leaver(subject.email, {**given, **identities}, str(found) if found else None))
        same = next(each for each in steps if each.command.__name__ == step.command)
        step = as_step(case.case_id, step.at, same, alias=step.alias)
    # Under the tombstone nothing was kept for the address.
    return by_id_alone(step)


def find_ended_before(
    case: Case,
    receipts: Mapping[str, Receipt],
    providers: Providers,
    at: datetime,
    *,
    now: datetime | None = None,
    pause: timedelta = REPEATS,
) -> Iterator[tuple[Step, Step]]:
    """The steps that had ended when something happened at that time, each with what does it once more.

    What a person closed last stays closed. Where it is told what time it is `now`, what was done once more less than a
    `pause` ago, which grows with each time, is left for later.
    """
    at = at.replace(microsecond=0)
    same: dict[tuple[str, str, frozenset[tuple[str, str]]], list[tuple[Step, Step]]] = {}
    for step in case.steps:
        if step.account is not None:
            again = as_proved(case, step, receipts, providers)
            what = (step.command, step.at, frozenset(folded(again.detail).items()))
            same.setdefault(what, []).append((step, again))
    by_step = {step.name: receipt for step, receipt in _reported(case, receipts)}
    for each in same.values():
        said = [by_step.get(step.name) for step, _ in each if step.name not in case.outstanding]
        ends = {receipt.finished_at: receipt.outcome for receipt in said if receipt and receipt.finished_at}
        if len(said) < len(each) or not ends:
            continue
        last = max(ends)
        is_for_later = now is not None and now < last + _grown(pause, len(each) - 1)
        is_known_since = ends[last] is Outcome.USER_NOT_FOUND and _is_known_by_now(*each[-1])
        is_before = last < at and not _is_redone(case, each[-1][0], at)
        if ends[last] is not Outcome.CLOSED and (is_before or is_known_since) and not is_for_later:
            yield each[-1]


def with_what_may_be_back(
    case: Case, receipts: Mapping[str, Receipt], providers: Providers, *, now: datetime | None = None
) -> Case:
    """The case, with what had ended when a source said once more that the person leaves, or an account lived again.

    The person gets another name for it, as receipts prove who that is; a receipt is never taken back.
    """
    lived = [case.alive_at] if case.alive_at else []
    last = max((*(said.at for said in case.said), *lived), default=None)
    if last is None:
        return case
    pause = SWEEP_PAUSE if lived else REPEATS
    numbers: dict[int, int] = {}
    extended, steps = case, []
    for step, again in find_ended_before(case, receipts, providers, last, now=now, pause=pause):
        of = step.alias or 1
        if of not in numbers:
            extended = extended.with_alias(case.subjects[of - 1])
            numbers[of] = len(extended.subjects)
        steps.append(again.model_copy(update={"alias": numbers[of]}))
    at = last.replace(microsecond=0)
    redone = {name: each for name, each in case.redone_for.items() if each == at} | {step.name: at for step in steps}
    return extended.with_steps(steps).model_copy(update={"redone_for": redone}) if steps else case


def with_ids_before(case: Case, finished: Case, receipts: Mapping[str, Receipt], providers: Providers) -> Case:
    """A repeat, also with the other ids that the completed case acted on: one address may have had two of them."""
    known = {(step.command, step.at, name_of(step.identity)) for step in case.steps}
    commands = {step.command for step in case.steps}
    extended = case
    for step in finished.steps:
        again = as_proved(finished, step, receipts, providers)
        what = (again.command, again.at, name_of(again.identity))
        if again.found_by == "account" and again.command in commands and what not in known:
            known.add(what)
            extended = extended.with_alias(_subject_of(finished, step))
            number = len(extended.subjects)
            extended = extended.with_steps([again.model_copy(update={"alias": number})])
    return extended


def _is_known_by_now(step: Step, again: Step) -> bool:
    """Whether an account knows somebody by the address of which the step could only know the address."""
    return step.found_by == "address" and again.found_by == "account"


def _is_redone(case: Case, step: Step, at: datetime) -> bool:
    """Whether it was done once more for this very word: whoever dated that may have a clock that is ahead of ours."""
    return case.redone_for.get(step.name) == at


def _grown(pause: timedelta, times: int) -> timedelta:
    """How long the watch waits after so many times once more: a case that stays open must not grow each hour."""
    return min(pause * (1 << min(times - 1, 10)), LONGEST_PAUSE) if times else timedelta(0)


def _subject_of(case: Case, step: Step) -> Subject:
    # The case's own event is read anew each time, and a case that stays open has many steps by other names.
    return case.aliases[step.alias - 2] if step.alias and step.alias > 1 else case.subjects[0]


def _reported(case: Case, receipts: Mapping[str, Receipt]) -> Iterator[tuple[Step, Receipt]]:
    own = case.own_among(receipts)
    for step in case.steps:
        if step.provider is not None and step.name in own:
            yield step, own[step.name]
