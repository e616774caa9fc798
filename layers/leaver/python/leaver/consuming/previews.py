"""The answers to previews: what a function would find, written where whoever asked looks for it; nothing is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from leaver.consuming.answers import Answer, Answers
from leaver.consuming.rate_limiter import Demand, RateLimiter
from leaver.errors import Throttled
from leaver.messages.commands import Command
from leaver.messages.envelope import Envelope, Payload
from leaver.messages.previews import KEPT, WAITED_FOR, Preview
from leaver.storage.tables import Value

AnyCommand = TypeVar("AnyCommand", bound=Command)

#: under which name an answer says how many there are of what the command counts
COUNT: Final = "count"


@dataclass(frozen=True)
class Previews(Generic[AnyCommand]):
    """Looks, and answers."""

    #: what its command would find; it changes nothing
    look: Callable[[AnyCommand], Mapping[str, Value]]
    answers: Answers

    def answer(
        self,
        preview: Preview,
        envelope: Envelope,
        *,
        read: Callable[[Payload], AnyCommand],
        rate_limiter: RateLimiter | None,
        say: Callable[[Exception], str],
        clock: Callable[[], datetime],
    ) -> None:
        """Look, and write down what was found, or why that can't be said: nobody tries it again.

        Raises what writing raises; where nobody waits any more, nothing is asked.
        """
        if clock() > envelope.sent_at + WAITED_FOR:
            return
        payload = Payload(
            envelope.message_id,
            None,
            preview.of,
            sent_at=None,
            heard_at=envelope.sent_at,
            sender=envelope.sender,
        )
        found: Mapping[str, Value] = {}
        because = None
        try:
            found = self._look(read(payload), rate_limiter)
        except Exception as error:  # noqa: BLE001 - whoever waits is told why
            because = say(error)
        self.answers.put(
            Answer(
                delivery=preview.place,
                found=dict(found),
                because=because,
                expires_at=int((clock() + KEPT).timestamp()),
            )
        )

    def _look(self, command: AnyCommand, rate_limiter: RateLimiter | None) -> Mapping[str, Value]:
        if rate_limiter is None or command.connection is None:
            return self.look(command)
        # A person waits for it.
        demand = Demand(command.connection, command.needed_calls, urgent=True)
        (reservation,) = rate_limiter.reserve([demand])
        try:
            rate_limiter.wait(reservation)
            return self.look(command)
        except Throttled as error:
            rate_limiter.record_throttle(reservation, error)
            raise
