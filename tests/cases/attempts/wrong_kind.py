"""The wrong kind: somebody only logged out, or was robbed, and works on."""

from typing import Any, Final

from tests.cases.attempts.seen import EVERYTHING, Attempts, Company
from tests.doubles.hr_events import webhook
from tests.doubles.office import ADA

attempt = Attempts("The wrong kind")
SESSION_REVOKED: Final = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


def session_revoked(**content: Any) -> Company:
    """A transmitter of CAEP tells it of Ada, where leavers' accounts are deactivated."""
    company = Company(deactivates=True)
    now = company.clock()
    claims = {
        "jti": "j1",
        "iat": int(now.timestamp()),
        "sub_id": {"format": "email", "email": ADA},
        "events": {SESSION_REVOKED: content},
    }
    company.queue("StartOffboarding", webhook("SecurityEventToken", claims) | {"time": now.isoformat()})
    company.works()
    return company


@attempt("sessions completed", {"login of ada", "adas-zoom", "grants of local:{ada}"})
def nobody_says_who_revoked_the_session() -> Company:
    """CAEP session-revoked without initiating_entity, with DeactivateUsers."""
    return session_revoked()


@attempt("no case; ", {"login of ada", *EVERYTHING})
def she_logged_out_herself() -> Company:
    """CAEP session-revoked with initiating_entity user."""
    return session_revoked(initiating_entity="user")


@attempt("contain completed", {"login of ada"})
def an_administrator_revoked_the_session() -> Company:
    """CAEP session-revoked with initiating_entity admin."""
    return session_revoked(initiating_entity="admin")


@attempt()
def she_leaves() -> Company:
    """For comparison: the person leaves."""
    company = Company(deactivates=True)
    company.hears_and_works()
    return company
