"""Turn an HR event into one command for each thing that the leaver must lose."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from leaver import bootstrap
from leaver.commands import Command, RevokeGrants, RevokeSsoToken, parse
from leaver.consumer import BatchFailures, LambdaContext
from leaver.envelope import Opened
from leaver.errors import Rejected
from leaver.events import OffboardingRequested
from leaver.hr_sources import HrChoices, offboarding_from
from leaver.outbox import Outbox
from leaver.settings import StartOffboardingSettings


class StartOffboarding(Command):
    """What an HR event asks for."""

    system: ClassVar[str] = "hr"
    announced_as: ClassVar[str] = "OffboardingStarted"

    request: OffboardingRequested

    @property
    def subject(self) -> str:
        """The leaver's e-mail address."""
        return self.request.subject.email


def understood(opened: Opened, *, choices: HrChoices) -> StartOffboarding:
    """Read an HR event of any source that Leaver knows; raises BadMessage, or Rejected where it opens no case."""
    request = offboarding_from(opened, choices)
    return StartOffboarding(request=request, requested_at=request.occurred_at, urgency=request.urgency)


def start_offboarding(command: StartOffboarding, *, outbox: Outbox) -> None:
    """End the leaver's Zoom session and Venafi grants; raises Rejected for what needs a case to remember it."""
    request, leaver = command.request, command.request.subject
    if request.kind != "immediate":
        raise Rejected(f"kind: {request.kind} needs cases, which this version does not keep yet")
    told = {"urgency": request.urgency, "requested_at": request.occurred_at.isoformat()}
    identity = (
        {"grantee_prefixed_universal": leaver.venafi_prefixed_universal}
        if leaver.venafi_prefixed_universal
        else {"identity": leaver.venafi_identity or leaver.email}
    )
    outbox.command(
        [
            parse(RevokeSsoToken, {"user_id": leaver.zoom_user_id or leaver.email, **told}, direct=False),
            parse(RevokeGrants, {**identity, **told}, direct=False),
        ]
    )


def lambda_handler(event: Mapping[str, Any], context: LambdaContext) -> BatchFailures:
    """Consume the queue `start-offboarding`."""
    settings = bootstrap.settings_of(StartOffboardingSettings)
    outbox = bootstrap.outbox(settings.event_bus_name, settings.dead_letter_queue_url)
    operation = partial(start_offboarding, outbox=outbox)
    read = partial(understood, choices=settings)
    return bootstrap.consumer(StartOffboarding, operation, settings, read=read).consume(event, context)
