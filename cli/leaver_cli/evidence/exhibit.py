"""A case as an auditor gets it: its signed files, and what its commitments are to, where that may be shown."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from leaver.evidence.bundle import COMMITMENT, SIGNED_AT
from leaver.evidence.canonical_json import canonical, read_canonical
from leaver.evidence.dsse import Envelope
from leaver.evidence.log_proof import LogProof
from leaver.evidence.statement import Statement
from leaver.evidence.verification import (
    ERASED,
    NAMES_FILE,
    RESULT_FILE,
    CaseFiles,
    findings_of_names,
    findings_of_result,
)

#: how much of a commitment is a pseudonym
_SHORT: Final = 10
#: what a provider said that ends a step only by what stands beside it, and a person's word
NOT_PROVED: Final = {
    "user_not_found": "nobody of that name was known there",
    "not_searchable": "nobody was found, and the search could not have seen everybody",
    "closed": "a person closed it: no provider's word",
}


@dataclass(frozen=True)
class Exhibit:
    """A case's evidence; `plain` and `key` are None where nobody is to be named, or nobody can."""

    case_id: str
    files: CaseFiles
    plain: Mapping[str, Any] | None = None
    key: bytes | None = None
    #: the key was deleted: whoever it was about cannot be named from this
    is_erased: bool = False

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what lies in a case's folder; names that can't be read are none."""
        files = CaseFiles.read(folder)
        try:
            told = read_canonical((folder / NAMES_FILE).read_bytes())
            return cls(folder.name, files, dict(told["bundle"]), bytes.fromhex(told["key"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(folder.name, files)

    @property
    def stored(self) -> Mapping[str, bytes]:
        """The files of its folder, by name."""
        contents = (self.files.bundle, self.files.envelope, self.files.proof)
        files = dict(zip(CaseFiles.NAMES, contents, strict=True))
        if self.plain is not None and self.key is not None:
            files[NAMES_FILE] = canonical({"key": self.key.hex(), "bundle": self.plain})
        elif self.is_erased:
            files[NAMES_FILE] = canonical(ERASED)
        return files

    @property
    def is_whole(self) -> bool:
        """Whether there is enough of it for a page; what is wrong with it, the check says."""
        try:
            return bool(read_canonical(self.files.bundle) and self.signed_at and self.place >= 0)
        except (ValueError, KeyError):
            return False

    @cached_property
    def bundle(self) -> Mapping[str, Any]:
        """What a page shows: the names that were signed where they may be shown, else commitments."""
        if self.plain and not findings_of_names(self.files, self.stored.get(NAMES_FILE, b"")):
            return self.plain
        return dict(read_canonical(self.files.bundle))

    @property
    def case(self) -> Mapping[str, Any]:
        """The case of the bundle."""
        return dict(self.bundle["case"])

    @property
    def steps(self) -> Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Each step with its receipt; an empty one where it has none."""
        receipts = {json.dumps(each.get("entry")): each for each in self.bundle["receipts"]}
        return [(each, receipts.get(json.dumps(each["name"]), {})) for each in self.case.get("steps", ())]

    @property
    def who(self) -> str:
        """Who left, or a pseudonym."""
        return told(self.case.get("email"))

    @property
    def seconds(self) -> int | None:
        """From when access was to end until the case was over; None of one that is not completed, or never began."""
        if self.case.get("state") != "completed" or not self.case.get("finished_at"):
            return None
        return max(0, int((time_of(self.case["finished_at"]) - time_of(self.case["effective_at"])).total_seconds()))

    @property
    def is_late(self) -> bool:
        """Whether the deadline was missed, also within the minute after which that is announced."""
        deadline, end = (self.case.get(each) for each in ("deadline_at", "finished_at"))
        return bool(self.case.get("overdue") or (deadline and end and time_of(end) > time_of(deadline)))

    @cached_property
    def statement(self) -> Statement:
        """What was signed; raises ValueError."""
        return Statement.from_json(Envelope.from_json(self.files.envelope).payload)

    @property
    def signed_at(self) -> str:
        """When, by the clock of seal_case."""
        return str(self.statement.predicate[SIGNED_AT])

    @property
    def place(self) -> int:
        """Where it stands in the log; raises ValueError."""
        return LogProof.from_text(self.files.proof.decode()).index

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """What a page is held against its files by."""
        payload = Envelope.from_json(self.files.envelope).payload
        named = ("bundle.json", self.files.bundle), ("the signed statement", payload)
        return tuple((name, hashlib.sha256(content).hexdigest()) for name, content in named)

    @property
    def not_proved(self) -> Sequence[str]:
        """What the case leaves open, in words."""
        residual = [
            f"{each.get('system', '')}: {told(each.get('what'))}"
            + (f", until {each['until']}" if "until" in each else "")
            for each in self.case.get("residual", ())
        ]
        steps = [
            f"{step['command']} at {place_of(step)}: {NOT_PROVED[str(receipt['outcome'])]}"
            for step, receipt in self.steps
            if receipt.get("outcome") in NOT_PROVED
        ]
        return [*residual, *steps]


@dataclass(frozen=True)
class RunExhibit:
    """What is handed over of a run of reconciliation; no `result` where nobody is to be named, or it is gone."""

    name: str
    files: CaseFiles
    result: bytes | None = None

    @property
    def stored(self) -> Mapping[str, bytes]:
        """The files of its folder, by name."""
        contents = (self.files.bundle, self.files.envelope, self.files.proof)
        files = dict(zip(CaseFiles.NAMES, contents, strict=True))
        return files if self.result is None else {**files, RESULT_FILE: self.result}

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """What was signed of it; empty where that is no summary, which is a finding."""
        try:
            summary = dict(read_canonical(self.files.bundle))
            return summary if {"roster", "counts", "result"} <= summary.keys() else {}
        except (ValueError, TypeError):
            return {}

    @cached_property
    def lists(self) -> Mapping[str, Any] | None:
        """Who was found; None where that is not there, or is not what was signed."""
        if self.result is None or findings_of_result(self.files, self.result):
            return None
        return dict(json.loads(self.result))


def told(value: object) -> str:
    """A value as people read it; of a commitment its beginning, which tells two persons of one case apart."""
    match value:
        case {**only} if only.keys() == {COMMITMENT}:
            return f"#{str(only[COMMITMENT])[:_SHORT]}"
        case Mapping():
            return ", ".join(
                f"{name}: {told(each)}" for name, each in value.items() if each not in ("", None, {}, [], ())
            )
        case list() | tuple():
            return ", ".join(told(each) for each in value)
        case bool():
            return "yes" if value else "no"
        case None:
            return ""
    return str(value)


def place_of(step: Mapping[str, Any]) -> str:
    """The provider's account that a step is about, or its connection."""
    if "provider" in step:
        return "/".join(str(step[each]) for each in ("provider", "account") if each in step)
    return told(step.get("at"))


def time_of(text: str) -> datetime:
    """A time as evidence has it."""
    return datetime.fromisoformat(text)


def when(value: object) -> str:
    """A time as people read it, in UTC; what is no time as it is."""
    return told(value).replace("T", " ", 1) if isinstance(value, str) else told(value)


def lasted(seconds: int | None) -> str:
    """A span as people say it."""
    if seconds is None:
        return ""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            below = {"d": (3600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
            return f"{whole} {name}" + (f" {rest // below[0]} {below[1]}" if rest // below[0] else "")
    return f"{seconds} s"
