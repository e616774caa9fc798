"""What a person asks of a function, which answers and does nothing: what a command would find, or that it is there."""

import json
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

AnyQuestion = TypeVar("AnyQuestion", bound=BaseModel)

#: how long an answer lies there
KEPT: Final = timedelta(hours=1)
#: how long somebody waits for one
WAITED_FOR: Final = timedelta(minutes=2)


#: what an answer is found by
QuestionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]


class Preview(BaseModel):
    """A question, straight to a function's queue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    #: what its answer is found by
    preview: QuestionId
    #: the command's fields
    of: dict[str, Any]

    @property
    def place(self) -> str:
        """Where its answer lies."""
        return f"preview#{self.preview}"


class Probe(BaseModel):
    """Whether a queue is worked on, and by which code: answered before anything else, and nobody is called."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    #: what its answer is found by
    probe: QuestionId

    @property
    def place(self) -> str:
        """Where its answer lies."""
        return f"preview#{self.probe}"


def read_preview(body: str) -> Preview | None:
    """Read a question; None of every other message."""
    return _read(Preview, body)


def read_probe(body: str) -> Probe | None:
    """Read a probe; None of every other message."""
    return _read(Probe, body)


def _read(kind: type[AnyQuestion], body: str) -> AnyQuestion | None:
    # Each message of every batch passes here.
    if f'"{kind.__name__.lower()}"' not in body:
        return None
    try:
        return kind.model_validate(json.loads(body))
    except (ValueError, RecursionError, ValidationError):
        return None
