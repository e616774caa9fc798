"""The page of a period: every case, what was heard, and plots of how long it took and what came of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from leaver.evidence.population import heard_by_rule
from leaver_cli.evidence.case_page import CONTROLS, verdict
from leaver_cli.evidence.counted import Counted
from leaver_cli.evidence.exhibit import Exhibit, RunExhibit, lasted, time_of, told, when
from leaver_cli.evidence.html import Html, facts, page, table, tag
from leaver_cli.evidence.offline import RUNS_FOLDER
from leaver_cli.evidence.plots import Point, bars, points
from leaver_cli.reconcile.show import LISTS

_TONES: Final = {
    **dict.fromkeys(("revoked", "already_gone", "purged", "deactivated", "in time", "active", "opened"), "good"),
    **dict.fromkeys(("overdue", "needs_reauthorization", "refused", "dead_lettered", "no receipt"), "bad"),
    **dict.fromkeys(("user_not_found", "not_searchable", "closed", "cooling_down", "dismissed", "no fate"), "warn"),
    **dict.fromkeys(("revoked connection", "nothing_follows", "repeated", "changed", "handed_on"), "plain"),
}


@dataclass(frozen=True)
class Period:
    """What an auditor asked for, and what came of it."""

    #: what was asked for, in words
    asked: str
    #: the deployment, and when it was asked
    stack: str
    taken_at: str
    log: str
    exhibits: Sequence[Exhibit] = ()
    #: by case
    findings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: of what no single case is to blame for
    beside: Sequence[str] = ()
    #: of reconciliation
    runs: Sequence[RunExhibit] = ()
    #: what was heard, by day
    days: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: and what AWS counted of it
    counted: Counted = field(default_factory=Counted)
    #: how many connections are how
    health: Mapping[str, int] = field(default_factory=dict)
    #: cases that are not over: case, who, state, since
    under_way: Sequence[tuple[str, str, str, str]] = ()
    is_redacted: bool = False

    @property
    def all_findings(self) -> Sequence[str]:
        """Each with its case."""
        return [*(f"{case}: {each}" for case, found in self.findings.items() for each in found), *self.beside]


def period_page(period: Period) -> str:
    """The page."""
    hidden = ["Names are pseudonyms; the same person has another one in each case."] if period.is_redacted else []
    return page(
        f"Leavers, {period.asked}",
        tag("p", f"Leaver, stack {period.stack}", class_="over"),
        tag("h1", f"Leavers, {period.asked}"),
        *(tag("p", each, class_="note") for each in hidden),
        verdict(period.all_findings, "Every check of these files holds."),
        facts(
            ("cases in this folder", str(len(period.exhibits))),
            ("asked for", period.asked),
            ("taken at", period.taken_at),
            ("the log, when it was taken", period.log),
        ),
        tag("div", *_plots(period), class_="plots"),
        tag("h2", "Cases that are over"),
        _cases(period),
        *_under_way(period),
        *_population(period),
        *_runs(period),
        tag("h2", "Controls that it may serve"),
        table(("framework", "controls", "about"), *CONTROLS),
        tag("h2", "Check it without us"),
        tag("pre", "python3 verify.py FOLDER --key KEY --checkpoint KEPT   # needs Python 3.11 and `cryptography`"),
    )


def _plots(period: Period) -> list[Html]:
    ended = [each for each in period.exhibits if each.seconds is not None]
    took = [
        Point(
            time_of(each.case["finished_at"]),
            each.seconds or 0,
            each.is_late,
            f"{each.who}: {lasted(each.seconds)}",
        )
        for each in ended
    ]
    outcomes = Counter(
        str(receipt.get("outcome", "no receipt")) for each in period.exhibits for _, receipt in each.steps
    )
    late = Counter("overdue" if each.is_late else "in time" for each in ended)
    told = [each for day in period.days.values() for each in day["heard"]]
    fates = Counter(str(each.get("fate", "no fate")) for each in told)
    plots = [
        points("Time to revoke: each case, from when access was to end", took),
        bars("Outcomes of the steps", dict(outcomes.most_common()), _TONES),
        bars("Deadlines", {name: late[name] for name in ("in time", "overdue")}, _TONES),
    ]
    if fates:
        plots.append(bars("What was heard, and its fate", dict(fates.most_common()), _TONES))
    if period.health:
        plots.append(bars("Connections, as they were when this was taken", period.health, _TONES))
    return plots


def _cases(period: Period) -> Html:
    rows = []
    for each in sorted(period.exhibits, key=lambda one: one.place):
        wrong = len(period.findings.get(each.case_id, ()))
        state = str(each.case.get("state"))
        late = tag("span", "overdue", class_="bad") if each.is_late else ""
        rows.append(
            (
                tag("a", each.case_id, href=f"cases/{each.case_id}/index.html"),
                each.who,
                told(each.case.get("source")),
                tag("span", state, class_="good" if state == "completed" else "warn"),
                when(each.case.get("effective_at")),
                when(each.case.get("finished_at")),
                tag("span", lasted(each.seconds), " ", late),
                str(len(each.steps)),
                str(len(each.not_proved)),
                tag("span", wrong, class_="bad" if wrong else "good"),
            )
        )
    names = ("case", "who", "source", "state", "to end at", "ended", "took", "steps", "not proven", "findings")
    return table(names, *rows)


def _population(period: Period) -> list[Html]:
    if not period.days:
        return []
    said = (
        "Everything that was heard, by day: each event once, with one fate, signed on the day after. What a day leaves"
        " open, a later day tells."
    )
    over = {each.case_id for each in period.exhibits}
    rows = []
    for day in sorted(period.days):
        heard = period.days[day]["heard"]
        fates = Counter(str(each.get("fate", "no fate")) for each in heard)
        opened = {each["case"] for each in heard if each.get("fate") == "opened"}
        named = ", ".join(f"{count} {name}" for name, count in sorted(fates.items()))
        rows.append((day, str(len(heard)), named, str(len(opened)), str(len(opened & over))))
    names = ("day", "heard", "fates", "cases opened", "of these in this folder")
    beside = facts(
        ("heard by a rule of EventBridge's", str(heard_by_rule(period.days.values()))),
        ("EventBridge's own count", _or_none(period.counted.matched)),
        ("the front door's deliveries", _or_none(period.counted.delivered)),
    )
    return [tag("h2", "What was heard"), tag("p", said, class_="note"), beside, table(names, *rows)]


def _runs(period: Period) -> list[Html]:
    if not period.runs:
        return []
    said = (
        "Who should be here, against everybody who has something: each run is signed, and in the log beside the cases."
    )
    rows = []
    for each in period.runs:
        told, wrong = each.summary, len(period.findings.get(each.name, ()))
        counts = told.get("counts", {})
        rows.append(
            (
                tag("a", each.name, href=f"{RUNS_FOLDER}/{each.name}/index.html"),
                when(told.get("finished_at")),
                when(told.get("roster", {}).get("as_of")),
                *(str(counts.get(name, "")) for name in LISTS),
                "yes" if told.get("stopped") else "no",
                tag("span", wrong, class_="bad" if wrong else "good"),
            )
        )
    names = ("run", "done", "roster as of", *LISTS.values(), "stopped", "findings")
    return [tag("h2", "Reconciliation"), tag("p", said, class_="note"), table(names, *rows)]


def _or_none(count: int | None) -> str:
    return "CloudWatch has none" if count is None else str(count)


def _under_way(period: Period) -> list[Html]:
    if not period.under_way:
        return []
    said = "Nobody has signed these yet: the table says so."
    rows = table(("case", "who", "state", "since"), *period.under_way)
    return [tag("h2", "Cases that are not over"), tag("p", said, class_="note"), rows]
