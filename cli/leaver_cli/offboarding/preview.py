"""What a person sees before they decide: who is meant at each account, and what they have there now.

The functions are asked, through their queues: no token comes to this machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from leaver.cases.record import REPLACE
from leaver.consuming.answers import Answer
from leaver.consuming.previews import COUNT
from leaver.messages.decisions import Begin
from leaver_cli.asking import ask_all
from leaver_cli.deployment import Deployment
from leaver_cli.stack import function_of
from leaver_cli.terminal import Terminal

#: what stands of a step whose function can't be asked
UNASKED: Final = {
    "RevokeSsoToken": "a session? can not be asked",
    "DeactivateUser": "the login",
    "RevokeAccessToken": "a connection of theirs",
    REPLACE: "Leaver works through this connection of theirs: a person must replace it",
}
CANNOT_BE_ASKED: Final = "what is there can not be asked"
NO_ANSWER: Final = "nobody answered in time: the queue is full, or the function fails"


@dataclass(frozen=True)
class Sight:
    """One thing that would end, and what is there now."""

    step: str
    identity: str
    found_by: str
    #: in words
    there: str
    #: as its function said it
    found: Mapping[str, Any] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """Who is meant, and by whose word."""
        named = str(self.found.get("prefixed_universal", self.identity))
        by = str(self.found.get("found_by", self.found_by))
        return f"{named} (by {by.replace('_', ' ')})" if by else named


@dataclass(frozen=True)
class Outlook:
    """What a decision would do."""

    sights: list[Sight]
    #: the person's cases that are under way
    cases: list[Mapping[str, str]]
    #: why it would wait for a person, or why nothing can be said
    because: str | None

    def as_record(self) -> dict[str, object]:
        """The same, for programs."""
        return {
            "would_end": [
                {"step": each.step, "who": each.identity, "found_by": each.found_by, "there": each.there}
                | {"found": dict(each.found)}
                for each in self.sights
            ],
            "cases": [dict(each) for each in self.cases],
            "because": self.because,
        }


def look(deployment: Deployment, begin: Begin) -> Outlook:
    """Ask what a decision would do; where nobody answers, that is said."""
    [intake] = ask_all(deployment, [("start_offboarding", begin.as_message())])
    if intake is None or intake.because is not None:
        return Outlook([], [], intake.because if intake else NO_ANSWER)
    steps = intake.found.get("steps", [])
    asked: dict[str, tuple[str, dict[str, object]]] = {}
    for step in steps:
        if step["counts"] and not step["refused"] and (over := _connection_at(deployment, step["at"])):
            detail = {name: text for name, text in step["detail"].items() if name != "found_by"}
            asked[step["name"]] = function_of(step["command"]), {**detail, "connection": over}
    answers = dict(zip(asked, ask_all(deployment, asked.values()), strict=True))
    sights = [
        Sight(
            step["name"],
            step["identity"],
            step["found_by"],
            _there(step, answers[step["name"]]) if step["name"] in asked else _unasked(step),
            answer.found if (answer := answers.get(step["name"])) else {},
        )
        for step in steps
    ]
    return Outlook(sights, intake.found.get("cases", []), intake.found.get("because") or None)


def show(console: Terminal, begin: Begin, outlook: Outlook) -> None:
    """Show what a decision would do, one row for each thing."""
    rows = [("who", begin.who)]
    rows += [("case", f"{each['case']} ({each['kind']}, {each['state']}) is there already") for each in outlook.cases]
    if outlook.because:
        rows.append(("why", outlook.because))
    for name, text in rows:
        console.row(name, text, widths=[6])
    width = max((len(each.step) for each in outlook.sights), default=0)
    for sight in outlook.sights:
        if console.is_terminal:
            # An id of Venafi's takes half of a line.
            console.row("ends", sight.step, sight.there, widths=[6, width])
            console.row("", sight.who, widths=[6])
        else:
            console.row("ends", sight.step, sight.who, sight.there)


def _there(step: Mapping[str, Any], answer: Answer | None) -> str:
    """What is there of a step whose function was asked, in words."""
    if answer is None:
        return NO_ANSWER
    if answer.because is not None:
        return f"can not be asked now: {answer.because}"
    found = answer.found
    counted = "nobody is found there" if found.get("nobody") else _counted(found.get(COUNT, 0), step["counts"])
    return f"{counted}; {found['because']}" if found.get("because") else counted


def _unasked(step: Mapping[str, Any]) -> str:
    """What stands of a step whose function was not asked."""
    if step["refused"]:
        return str(step["refused"])
    if step["counts"]:
        return f"waits for a connection: {CANNOT_BE_ASKED}"
    return UNASKED.get(step["command"], CANNOT_BE_ASKED)


def _counted(number: object, what: object) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _connection_at(deployment: Deployment, at: str) -> str | None:
    """The connection over which that account is asked; None where there is none."""
    usable = deployment.connections.usable_at([at.partition("/")[0]]).get(at, [])
    return usable[0].connection if usable else None
