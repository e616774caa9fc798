"""The journal of HR events: each message is told of when it is heard, and once more when its fate is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from aws_lambda_powertools import Logger

from leaver.cases.heard import Fate, Heard, HeardEvents, heard
from leaver.consuming.message import Message
from leaver.messages.commands import Command

AnyCommand = TypeVar("AnyCommand", bound=Command)


@dataclass(frozen=True)
class EventJournal(Generic[AnyCommand]):
    """What one function heard, and what became of it."""

    events: HeardEvents
    #: the source of what a message asks for, and how it is called there
    name: Callable[[AnyCommand], tuple[str, str | None]]
    logger: Logger

    def hear(self, message: Message[AnyCommand]) -> None:
        """Tell of a message before anything is done about it."""
        self.events.put_once(self._heard(message))

    def close(self, message: Message[AnyCommand], fate: Fate) -> None:
        """Tell what became of it, in the table and in one line of the log."""
        closed = self._heard(message).closed(fate)
        self.events.put_once(closed)
        self.logger.info(
            "fate", extra=closed.model_dump(mode="json", exclude={"partition", "entry"}, exclude_none=True)
        )

    def _heard(self, message: Message[AnyCommand]) -> Heard:
        envelope, command = message.envelope, message.command
        source, event_id = (None, None) if isinstance(command, Exception) else self.name(command)
        return heard(
            envelope.message_id,
            envelope.first_received_at,
            source=source,
            event_id=event_id,
            by_rule=envelope.came_by_rule or None,
        )
