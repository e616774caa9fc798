"""Leavers for the local world: everybody has a session at Zoom and a grant at Venafi."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from local import acme
from local.acme import Person
from local.world import World


def hire(world: World, number: int) -> Person:
    """Let somebody join, and sign in."""
    person = Person(f"leaver.{number}@example.com", f"{number:05}GIm1QgePTO8WbOqw", f"local:{{{UUID(int=number)}}}")
    world.zoom.add_user(person.zoom_id, person.email, account_id=acme.ZOOM_ACCOUNT)
    world.venafi.add_identity(person.venafi_id, f"leaver.{number}", email=person.email)
    world.venafi.authorize(acme.CERTIFICATE_APP, person.venafi_id)
    return person


def dismiss(world: World, person: Person) -> None:
    """Put our own HR event on the bus."""
    now = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail: dict[str, Any] = {
        "version": "leaver.v1",
        "event_id": str(uuid4()),
        "source": "hr-system",
        "kind": "immediate",
        "subject": {"email": person.email},
        "effective_at": now,
        "occurred_at": now,
    }
    world.put_event("leaver", "leaver.hr", "OffboardingRequested", detail)
