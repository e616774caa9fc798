"""The page of a run of reconciliation: counts, who was found where that may be shown, and what nobody can tell."""

import hashlib
from collections.abc import Sequence

from leaver_cli.evidence.case_page import CONTROLS, verdict
from leaver_cli.evidence.exhibit import RunExhibit, told, when
from leaver_cli.evidence.html import Html, facts, page, table, tag
from leaver_cli.reconcile.show import COLUMNS, LISTS


def run_page(run: RunExhibit, findings: Sequence[str], *, is_redacted: bool) -> str:
    """The page, with what a check of the files has found."""
    summary = run.summary
    roster, counts = summary.get("roster", {}), summary.get("counts", {})
    stopped = summary.get("stopped")
    return page(
        f"Reconciliation {run.name}",
        tag("p", tag("a", "All cases", href="../../index.html"), " / ", run.name, class_="over"),
        tag("h1", "Reconciliation: ", tag("span", *_word(stopped), class_="warn" if stopped else "good")),
        verdict(findings, "Every check of this run's files holds."),
        facts(
            ("began", when(summary.get("started_at"))),
            ("done", when(summary.get("finished_at"))),
            ("roster", told(roster.get("from"))),
            ("roster as of", when(roster.get("as_of"))),
            ("people on it, and here by it", f"{roster.get('people')}, {roster.get('here')}" if roster else ""),
            ("was asked", told(summary.get("places"))),
            ("held for a person", str(summary.get("held", ""))),
            ("begun", str(summary.get("begun", ""))),
        ),
        tag("h2", "What was found"),
        table(("list", "how many"), *((title, str(counts.get(name, ""))) for name, title in LISTS.items())),
        *_lists(run, is_redacted=is_redacted),
        tag("h2", "Controls that it may serve"),
        table(("framework", "controls", "about"), *CONTROLS),
        tag("h2", "Hold this page against the files"),
        facts(
            ("bundle.json", tag("code", hashlib.sha256(run.files.bundle).hexdigest())),
            ("result.json", tag("code", told(summary.get("result", {}).get("sha256")))),
        ),
    )


def _word(stopped: object) -> tuple[str]:
    return ("stopped",) if stopped else ("done",)


def _lists(run: RunExhibit, *, is_redacted: bool) -> list[Html]:
    if run.lists is None:
        why = (
            "Who was found is not shown: names are left out."
            if is_redacted
            else "Who was found is not shown: the result is gone, or is not the one that was signed."
        )
        return [tag("p", why, class_="note")]
    shown = []
    for name, title in LISTS.items():
        if rows := run.lists["lists"][name]:
            shown += [
                tag("h2", title),
                table(COLUMNS, *(tuple(told(row.get(each)) for each in COLUMNS) for row in rows)),
            ]
    said = [*run.lists["stopped"], *(f"not told by {name}: {each}" for name, each in run.lists["not_told"].items())]
    return [*shown, tag("h2", "What this does not prove"), tag("ul", *(tag("li", each) for each in said))]
