"""The page of one case: who, what HR said and when, every step with the provider's word, and what is not proven."""

from collections.abc import Sequence
from typing import Final

from leaver_cli.evidence.exhibit import Exhibit, lasted, place_of, told, when
from leaver_cli.evidence.html import Html, facts, page, table, tag

#: what such a page is evidence for; which of it an audit asks for, its auditor decides
CONTROLS: Final = (
    ("SOC 2", "CC6.1, CC6.2, CC6.3", "access is removed when it is no longer authorised"),
    ("ISO/IEC 27001:2022", "A.5.18, A.6.5, A.5.28, A.5.33", "access rights are removed at the end; evidence is kept"),
    ("NIST SP 800-53 r5", "PS-4 a, b; PS-4(2); AC-2, AC-2(3); AU-9, AU-10, AU-11", "personnel termination; audit"),
    ("PCI DSS 4.0.1", "8.2.5; 10.5.1", "access of terminated users is revoked immediately"),
    ("CIS Controls 8.1", "6.2", "an access revoking process"),
    ("HIPAA", "164.308(a)(3)(ii)(C)", "termination procedures"),
    ("NERC CIP-004", "R5.1", "access is revoked within 24 hours"),
    ("SOX", "ITGC: access to programs and data", "leavers' access ends in time"),
)
_GOOD: Final = frozenset({"revoked", "already_gone", "purged", "deactivated"})


def case_page(exhibit: Exhibit, findings: Sequence[str], *, is_redacted: bool) -> str:
    """The page, with what a check of the files has found."""
    case = exhibit.case
    state = str(case.get("state"))
    hidden = (
        ["Names are pseudonyms: the same one stands for the same value within this case."]
        if is_redacted or exhibit.bundle is not exhibit.plain
        else []
    )
    return page(
        f"Case {exhibit.case_id}",
        tag("p", tag("a", "All cases", href="../../index.html"), " / ", exhibit.case_id, class_="over"),
        tag("h1", exhibit.who, ": ", tag("span", state, class_="good" if state == "completed" else "warn")),
        *(tag("p", each, class_="note") for each in hidden),
        verdict(findings, "Every check of this case's files holds."),
        _times(exhibit),
        tag("h2", "What HR said"),
        _said(exhibit),
        tag("h2", "What was ended"),
        _steps(exhibit),
        tag("h2", "What this does not prove"),
        _open_ends(exhibit),
        tag("h2", "Where it was looked for the person"),
        tag("ul", *(tag("li", told(each)) for each in case.get("searched", ()))),
        tag("h2", "Controls that it may serve"),
        table(("framework", "controls", "about"), *CONTROLS),
        tag("h2", "Hold this page against the files"),
        _digests(exhibit),
    )


def verdict(findings: Sequence[str], else_: str) -> Html:
    """What was found wrong, or that nothing was."""
    if not findings:
        return tag("div", tag("strong", else_), class_="verdict")
    listed = tag("ul", *(tag("li", each) for each in findings))
    return tag("div", tag("strong", f"{len(findings)} findings"), listed, class_="verdict bad")


def _times(exhibit: Exhibit) -> Html:
    case = exhibit.case
    late, begun = exhibit.is_late, case.get("started_at")
    kept = f"{when(case.get('deadline_at'))}: {'missed' if late else 'kept'}" if begun else ""
    return facts(
        ("access was to end", when(case.get("effective_at"))),
        ("Leaver began", when(begun) or "never"),
        ("the last step ended", when(case.get("finished_at"))),
        ("that took", lasted(exhibit.seconds)),
        ("deadline", tag("span", kept, class_="bad" if late else "good") if kept else ""),
        ("urgency", told(case.get("urgency"))),
        ("second look at", told(case.get("sweep_of"))),
        ("repeats", told(case.get("follows"))),
    )


def _said(exhibit: Exhibit) -> Html:
    case = exhibit.case
    request = dict(case.get("request", {}))
    first = facts(
        ("source", told(case.get("source"))),
        ("event", told(request.get("event_id"))),
        ("kind", told(request.get("kind"))),
        ("who", told(request.get("subject"))),
        ("it happened", when(request.get("occurred_at"))),
        ("to take effect", when(request.get("effective_at"))),
        ("who asked", told(case.get("actor"))),
        ("why it waited for a person", told(case.get("because"))),
    )
    rows = [
        (
            told(each.get("source")),
            told(each.get("event_id")),
            told(each.get("kind")),
            when(each.get("at")),
            when(each.get("effective_at")),
        )
        for each in case.get("said", ())
    ]
    return tag("div", first, table(("source", "event", "says", "at", "to take effect"), *rows)) if rows else first


def _steps(exhibit: Exhibit) -> Html:
    rows = []
    for step, receipt in exhibit.steps:
        outcome = str(receipt.get("outcome", "no receipt"))
        said = [str(receipt[each]) for each in ("provider_status", "provider_code") if each in receipt]
        rows.append(
            (
                tag("strong", step["command"]),
                place_of(step),
                told(step.get("identity")),
                tag("span", outcome, class_="good" if outcome in _GOOD else "warn"),
                " ".join(said) or "no call",
                tag("code", told(receipt.get("tracking_id"))),
                told(receipt.get("attempts")),
                when(receipt.get("requested_at")),
                when(receipt.get("finished_at")),
            )
        )
    names = ("step", "where", "whose", "outcome", "provider's word", "tracking id", "tries", "asked", "ended")
    return table(names, *rows)


def _open_ends(exhibit: Exhibit) -> Html:
    always = (
        "What lives at providers that Leaver has no connection to.",
        "That the tables said the truth when the case was signed: whoever could write them before could have lied.",
    )
    return tag("ul", *(tag("li", each) for each in (*exhibit.not_proved, *always)))


def _digests(exhibit: Exhibit) -> Html:
    named = [(f"SHA-256 of {name}", tag("code", digest)) for name, digest in exhibit.digests]
    beside = facts(
        *named,
        ("signed at", when(exhibit.signed_at)),
        ("place in the log", f"{exhibit.place}, counted from 0"),
    )
    told_how = "python3 verify.py FOLDER --key key.pem   # the folder above this one; the key from elsewhere"
    return tag("div", beside, tag("pre", told_how))
