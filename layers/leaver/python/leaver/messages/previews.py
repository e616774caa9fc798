"""What a person asks before they decide: what a command would find. Its function answers, and does nothing."""

import json
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

#: how long an answer lies there
KEPT: Final = timedelta(hours=1)
#: how long somebody waits for one
WAITED_FOR: Final = timedelta(minutes=2)


class Preview(BaseModel):
    """A question, straight to a function's queue."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    #: what its answer is found by
    preview: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]
    #: the command's fields
    of: dict[str, Any]

    @property
    def place(self) -> str:
        """Where its answer lies."""
        return f"preview#{self.preview}"


def read_preview(body: str) -> Preview | None:
    """Read a question; None of every other message."""
    # Each message of every batch passes here.
    if '"preview"' not in body:
        return None
    try:
        return Preview.model_validate(json.loads(body))
    except (ValueError, RecursionError, ValidationError):
        return None
