"""One message of a batch: what it asks for, the receipt that it leaves, and what is left to do for it in the end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, Self, TypeVar

from leaver.cases.heard import Fate
from leaver.cases.partitions import OF_A_MESSAGE
from leaver.cases.receipts import OPEN_TO_ANOTHER_TRY, Receipt
from leaver.consuming.rate_limiter import Demand
from leaver.errors import BadMessage, Rejected
from leaver.messages.commands import Command, parse
from leaver.messages.envelope import Envelope, Payload
from leaver.messages.events import Announcement

AnyCommand = TypeVar("AnyCommand", bound=Command)


@dataclass(frozen=True)
class Message(Generic[AnyCommand]):
    """What a message asks for, or why that can't be said."""

    envelope: Envelope
    #: the receipt that this message will leave: the message's own, until its command is known to be its case's step
    receipt: Receipt
    command: AnyCommand | Exception
    #: the receipt that stands under the same key, final or not
    standing: Receipt | None = None

    @property
    def case_receipt(self) -> Receipt:
        """The receipt as it lies in the command's case; the message's own for a command of no case."""
        if isinstance(self.command, Exception) or self.command.case_id is None:
            return self.receipt
        return self.receipt.model_copy(update={"case_id": self.command.case_id, "entry": self.command.step_name})

    @property
    def receipt_key(self) -> tuple[str, str]:
        """Where its receipt lies: the same command has the same."""
        return self.case_receipt.case_id, self.case_receipt.entry

    @property
    def is_done(self) -> bool:
        """Whether its receipt is final, and nobody has redriven the message or sent the command again since."""
        standing = self.standing
        if standing is None or standing.outcome is None:
            return False
        return standing.outcome not in OPEN_TO_ANOTHER_TRY or not (self.envelope.redriven or self._is_sent_since)

    @property
    def _is_sent_since(self) -> bool:
        """Whether it was sent after the last word on it: then it is no repetition of what that word is about."""
        finished_at = self.standing.finished_at if self.standing else None
        # The table keeps seconds.
        return finished_at is not None and self.envelope.sent_at >= finished_at + timedelta(seconds=1)

    @property
    def refused_version(self) -> str | None:
        """The token version that the provider refused to it before; a redriven message begins anew."""
        return self.standing.refused_version if self.standing and self.standing.outcome is None else None

    @property
    def demand(self) -> Demand | None:
        """What it asks of the rate limiter; None where it calls nobody."""
        command = self.command
        if isinstance(command, Exception) or self.is_done or command.connection is None or not command.needed_calls:
            return None
        return Demand(command.connection, command.needed_calls, urgent=command.urgency == "urgent")

    def beside(self, standing: Receipt | Rejected | None) -> Self:
        """The same message with the receipt that stands; one that can't be read keeps it from being carried out."""
        if standing is None:
            return self
        if isinstance(standing, Rejected):
            return replace(self, command=standing)
        # A redriven message arrives as a new one, and is as old as it was.
        return replace(self, standing=standing, receipt=self.receipt.going_on(standing))

    def as_step(self) -> Self:
        """The same message, whose command is its case's step: the receipt lies in the case from now on."""
        return replace(self, receipt=self.case_receipt)


@dataclass(frozen=True)
class Handled:
    """What is left to do for a message when its own work is done."""

    #: whether Lambda may delete it
    acknowledged: bool
    announcement: Announcement | None = None
    #: the case that seal_case is to look at, since a step of it has a final receipt
    case_id: str | None = None
    #: what became of an HR event; of a message that comes back, nothing has yet
    fate: Fate | None = None


@dataclass(frozen=True)
class MessageReader(Generic[AnyCommand]):
    """Reads the messages of the queue of one command."""

    command: type[AnyCommand]
    #: for what is not simply the command's own fields
    read_payload: Callable[[Payload], AnyCommand] | None
    #: says which connection a command goes over, where the command may leave that open; holds it to the account
    name_connection: Callable[[str | None, str | None], str] | None = None

    def read(self, envelope: Envelope) -> Message[AnyCommand]:
        """Read one message; what is wrong with it stands in the place of its command."""
        receipt = self._draft_receipt(envelope)
        try:
            payload = envelope.parse()
            receipt = self._draft_receipt(envelope, payload)
            command = self.read_command(payload)
            receipt = self._fill_receipt(receipt, command)
            _refuse_replayed(payload)
            if self.name_connection is not None:
                # From here on it is as if the sender had named it: for the limits, the receipt and the operation.
                connection = self.name_connection(command.connection, command.account)
                command = command.model_copy(update={"connection": connection})
                receipt = self._fill_receipt(receipt, command)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not touch the neighbours in the batch
            return Message(envelope, receipt, error)
        return Message(envelope, receipt, command)

    def read_asked(self, payload: Payload) -> AnyCommand:
        """Read the command of which somebody asks what it would find, with its connection."""
        command = self.read_command(payload)
        if self.name_connection is None:
            return command
        return command.model_copy(update={"connection": self.name_connection(command.connection, None)})

    def read_command(self, payload: Payload) -> AnyCommand:
        """Read what a message asks for; raises BadMessage."""
        if self.read_payload:
            return self.read_payload(payload)
        if payload.event is not None and payload.event["detail-type"] != self.command.__name__:
            raise BadMessage(f"detail-type: expected {self.command.__name__}")
        return parse(self.command, payload.detail, direct=payload.event is None)

    def _draft_receipt(self, envelope: Envelope, payload: Payload | None = None) -> Receipt:
        """The receipt of a message whose command can't be read (yet)."""
        return Receipt(
            case_id=f"{OF_A_MESSAGE}{payload.id if payload else envelope.message_id}",
            entry=self.command.__name__,
            command=self.command.__name__,
            system=self.command.system,
            subject="unknown",
            requested_at=(payload.sent_at if payload else None) or envelope.sent_at,
            first_attempt_at=envelope.first_received_at,
        )

    def _fill_receipt(self, draft: Receipt, command: AnyCommand) -> Receipt:
        return draft.model_copy(
            update={
                "subject": command.subject,
                "account": command.account,
                "connection": command.connection,
                "requested_at": command.requested_at or draft.requested_at,
            }
        )


def _refuse_replayed(payload: Payload) -> None:
    if payload.event is not None and "replay-name" in payload.event:
        raise Rejected("a replayed event is not carried out: send the command anew if it is meant")
