"""What four HR systems know: people, keys, and Gusto's grants."""

from dataclasses import dataclass, field
from datetime import date, timedelta

from local.simulators.grants import Grants, Rotation


@dataclass
class Employee:
    """Somebody as one system knows them."""

    email: str
    is_gone: bool = False
    #: the last day of an end that was entered
    last_day: date | None = None
    #: fields that whoever asks may not see: some systems leave them out, and say nothing of it
    hidden: set[str] = field(default_factory=set)
    #: the address at home, which no answer to Leaver may be believed for
    private_email: str = "somebody@home.example"


@dataclass
class HrState:
    """Everything that a control or a request may change."""

    #: by system and id there
    people: dict[tuple[str, str], Employee] = field(default_factory=dict)
    #: by system: what its `Authorization` has to be
    keys: dict[str, str] = field(default_factory=dict)
    #: Gusto's apps: client id → client secret
    apps: dict[str, str] = field(default_factory=dict)
    #: Gusto's codes: what a consent brought, until it is exchanged
    codes: set[str] = field(default_factory=set)
    #: HiBob counts whom it refuses, and then hears nobody from there
    refused: int = 0
    # "Grace" ends here with the first use of the new access token, and not by time.
    grants: Grants = field(
        default_factory=lambda: Grants(
            access_lifetime=timedelta(hours=2),
            refresh_lifetime=None,
            grant_lifetime=None,
            rotation=Rotation.GRACE,
            refresh_kills_access=False,
            grace=timedelta(days=3650),
        )
    )
