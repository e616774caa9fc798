"""What others publish of how long it takes until a word about somebody is acted on: looked up on 2026-11-29."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Published:
    """One published delay, where it stands, and what it is about."""

    name: str
    #: at most, as far as it is said
    seconds: float
    what: str
    verifies: str
    url: str


DELAYS: Final = (
    Published(
        "Keycloak, SSF transmitter",
        30,
        "`outbox-drainer-interval`, 30 s: how often signals that wait are pushed to receivers",
        "that the receiver took the signal (HTTP 202); not what the receiver does with it",
        "https://www.keycloak.org/nightly/securing-apps/ssf-support",
    ),
    Published(
        "Microsoft Entra, CAE",
        900,
        "critical events are to be near real time, and may take up to 15 minutes to propagate",
        "each app that takes part refuses the token when it is next used; others go on until it expires",
        "https://learn.microsoft.com/en-us/entra/identity/conditional-access/concept-continuous-access-evaluation",
    ),
    Published(
        "Okta, Device Logout",
        900,
        "devices poll every 15 minutes, as well as they can, for the command to sign a user out",
        "nothing of a device that is not connected",
        "https://help.okta.com/oie/en-us/content/topics/oda/device-logout.htm",
    ),
)
