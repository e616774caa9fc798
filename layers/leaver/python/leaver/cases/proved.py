"""Whom a case's steps acted on, by the ids that their receipts prove: what is done once more touches nobody else."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from leaver.cases.finding import as_step, folded
from leaver.cases.receipts import Receipt
from leaver.cases.record import PURGE, Case, Step
from leaver.messages.events import Subject
from leaver.messages.names import name_of
from leaver.outcomes import Outcome
from leaver.providers.entry import Leaver, Provider, Providers

#: somebody who is gone and has access again loses it again, for one source and of one case so often
REPEATS: Final = timedelta(hours=1)


def identity_of(provider: Provider[Any, Any], step: Step, receipt: Receipt) -> dict[str, str]:
    """How a receipt names the person at a provider, by the keys that its entry takes; empty where it does not.

    Whom the provider had found is the leaver, whoever has the address by now.
    """
    named = {key: str(receipt.details[key]) for key in provider.identity_keys & receipt.details.keys()}
    way = step.detail.get("found_by") or receipt.details.get("found_by")
    return {**named, "found_by": str(way)} if named and way else named


def ids_of(case: Case, receipts: Mapping[str, Receipt]) -> dict[str, str]:
    """As Case.identities has them, with the ids that accounts gave when access ended."""
    proved = {}
    for step, receipt in _reported(case, receipts):
        if "user_id" in receipt.details:
            address = name_of(_subject_of(case, step).email)
            at = step.at if address == name_of(case.email) else f"{step.at} {address}"
            proved[at] = str(receipt.details["user_id"])
    return proved | case.identities


def as_proved(case: Case, step: Step, receipts: Mapping[str, Receipt], providers: Providers) -> Step:
    """The same step, by the ids that receipts prove; where none does, as it stands: by HR's address, in the end."""
    provider = providers.get(step.provider or "")
    if provider is None:
        return step
    subject, found = _subject_of(case, step), None
    identities: dict[str, str] = {}
    for each, receipt in _reported(case, receipts):
        if (each.at, each.alias) == (step.at, step.alias):
            found = receipt.details.get("user_id", found)
            identities |= identity_of(provider, each, receipt)
    if found or identities:
        given = subject.identities.get(step.provider or "", {})
        steps = provider.steps(Leaver(subject.email, {**given, **identities}, str(found) if found else None))
        same = next(each for each in steps if each.command.__name__ == step.command)
        step = as_step(case.case_id, step.at, same, alias=step.alias)
    if step.command == PURGE and step.found_by == "account":
        # Under the tombstone nothing was kept for the address: what lies there may be somebody new's.
        return step.model_copy(update={"detail": {"user_id": step.identity}})
    return step


def find_ended_before(
    case: Case,
    receipts: Mapping[str, Receipt],
    providers: Providers,
    at: datetime,
    *,
    not_since: datetime | None = None,
) -> Iterator[tuple[Step, Step]]:
    """The steps that had ended when something happened at that time, each with what does it once more.

    What a person closed stays closed. What was done once more since `not_since` is left for later.
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
        ended = [by_step.get(step.name) for step, _ in each if step.name not in case.outstanding]
        ends = [said.finished_at for said in ended if said and said.outcome is not Outcome.CLOSED and said.finished_at]
        is_for_later = len(each) > 1 and not_since is not None and bool(ends) and max(ends) > not_since
        if len(ends) == len(each) and max(ends) < at and not is_for_later:
            yield each[-1]


def with_what_may_be_back(
    case: Case, receipts: Mapping[str, Receipt], providers: Providers, *, not_since: datetime | None = None
) -> Case:
    """The case, with what had ended when a source said once more that the person leaves, or an account lived again.

    The person gets another name for it, as receipts prove who that is; a receipt is never taken back.
    """
    lived = [case.alive_at] if case.alive_at else []
    last = max((*(said.at for said in case.said), *lived), default=None)
    if last is None:
        return case
    numbers: dict[int, int] = {}
    extended, steps = case, []
    for step, again in find_ended_before(case, receipts, providers, last, not_since=not_since):
        of = step.alias or 1
        if of not in numbers:
            extended = extended.with_alias(case.subjects[of - 1])
            numbers[of] = len(extended.subjects)
        steps.append(again.model_copy(update={"alias": numbers[of]}))
    return extended.with_steps(steps)


def _subject_of(case: Case, step: Step) -> Subject:
    return case.subjects[(step.alias or 1) - 1]


def _reported(case: Case, receipts: Mapping[str, Receipt]) -> Iterator[tuple[Step, Receipt]]:
    for step in case.steps:
        receipt = receipts.get(step.name)
        if receipt is not None and step.provider is not None and step.is_reported_by(receipt):
            yield step, receipt
