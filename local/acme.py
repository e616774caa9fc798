"""Acme, the small company of the demo, `make up` and the tests: its people, its apps, Leaver's connections."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

from leaver.webhooks.places import Places
from local.simulators.provider import CANARY
from local.simulators.venafi_state import Role
from local.world import KNOWN_ADDRESS, World

#: at HiBob: Leaver's service user, and John
HIBOB_USER, JOHNS_HIBOB_ID = "SERVICE-1234", "3332"
ZOOM_ACCOUNT = "acme-zoom-account"
#: the company that Acme bought: it still has an account of its own at Zoom
BOUGHT_ACCOUNT = "bought-zoom-account"

READ_USER = "user:read:user:admin"
READ_TOKEN = "user:read:token:admin"  # noqa: S105 - a scope's name
END_SESSION = "user:delete:token:admin"
CHANGE_STATUS = "user:update:status:admin"
LIST_USERS = "user:read:list_users:admin"

LEAVER_ID = "local:{7ad7e1a4-0c0e-4a0e-9f6e-0f3a2a7b1c55}"
VENAFI_APP = "leaver"
VENAFI_SCOPE = "admin:delete;configuration"
CERTIFICATE_APP = "vcert-sdk"


@dataclass(frozen=True)
class Person:
    """Somebody who works at Acme, under the names that the providers have for them."""

    email: str
    zoom_id: str
    venafi_id: str
    #: empty where it is the address's local part
    venafi_name: str = ""


ADMIN = Person("admin@example.com", "adM1nGIm1QgePTO8WbOqwA", "local:{00000000-aaaa-4aaa-8aaa-000000000001}")
#: Venafi knows him by the company's directory, which Leaver's robot does not see, and by another name than Zoom
JOHN = Person(
    "john.doe@example.com", "KDcuGIm1QgePTO8WbOqwIQ", "AD+corp:{bdbb525f-2d77-43af-8f1f-39f1ba132825}", "jdoe"
)
ADA = Person("ada@example.com", "-dAGIm1QgePTO8WbOqwIQA", "local:{00000000-aaaa-4aaa-8aaa-000000000002}")
GRACE = Person("grace@example.com", "_gRGIm1QgePTO8WbOqwIQA", "local:{00000000-aaaa-4aaa-8aaa-000000000003}")
ALAN = Person("alan@example.com", "aLaNIm1QgePTO8WbOqwIQA", "local:{00000000-aaaa-4aaa-8aaa-000000000004}")
OBRIEN = Person("o'brien+test@example.com", "oBrIm1QgePTO8WbOqwIQAA", "local:{00000000-aaaa-4aaa-8aaa-000000000005}")
#: of an office that is about to close: she never had an account at Zoom
HEDY = Person("hedy@example.com", "", "local:{00000000-aaaa-4aaa-8aaa-000000000006}")
#: John, at the company that Acme bought
JOHN_THERE = Person(JOHN.email, "jOhNIm1QgePTO8WbOqwIQAA", "")
BOUGHT_ADMIN = Person("admin@bought.example", "bAdm1nIm1QgePTO8WbOqwA", "")
PEOPLE = (ADMIN, JOHN, ADA, GRACE, ALAN, OBRIEN)

#: what senders of webhooks sign with
WEBHOOK_SECRETS = {
    "standard": f"whsec_{base64.b64encode(f'{CANARY}webhooks-of-standard'.encode()).decode()}",
    **{source: f"{CANARY}webhooks-of-{source}" for source in ("hibob", "bamboohr", "okta", "gusto", "zoom")},
}

ALL_SCOPES = (READ_USER, READ_TOKEN, END_SESSION, CHANGE_STATUS, LIST_USERS)


def set_up(world: World) -> None:
    """Hire everybody, sign them in, let Venafi grant them tokens, and connect Leaver to both providers."""
    world.zoom.add_account(ZOOM_ACCOUNT)
    for person in PEOPLE:
        world.zoom.add_user(person.zoom_id, person.email, account_id=ZOOM_ACCOUNT)
        name = person.venafi_name or person.email.partition("@")[0]
        world.venafi.add_identity(person.venafi_id, name, email=person.email)
    connect_zoom(world, "zoom", ALL_SCOPES)

    world.venafi.add_identity(LEAVER_ID, "leaver-robot", email=KNOWN_ADDRESS, role=Role.GRANT_ADMIN)
    world.venafi.add_application(CERTIFICATE_APP, scope="certificate:manage")
    for person in PEOPLE:
        world.venafi.authorize(CERTIFICATE_APP, person.venafi_id)
    world.venafi.authorize(CERTIFICATE_APP, JOHN.venafi_id)
    connect_venafi(world)

    for source, secret in WEBHOOK_SECRETS.items():
        world.client("secretsmanager").create_secret(
            Name=f"leaver/webhooks/{source}/main", SecretString=json.dumps({"current": secret})
        )
        Places(world.client("dynamodb"), table=world.resource("Deliveries").ref).connect(
            f"{source}/main", datetime.now(UTC)
        )


def hire(world: World, person: Person, *, at_zoom: bool = True, at_venafi: bool = True) -> None:
    """Let somebody join: signed in at Zoom, with one grant at Venafi."""
    if at_zoom:
        world.zoom.add_user(person.zoom_id, person.email, account_id=ZOOM_ACCOUNT)
    if at_venafi:
        world.venafi.add_identity(person.venafi_id, person.email.partition("@")[0], email=person.email)
        world.venafi.authorize(CERTIFICATE_APP, person.venafi_id)


def hire_an_office(world: World, desks: int = 120) -> None:
    """Let person.1@example.com and so many others join, and Hedy, who has no account at Zoom."""
    for number in range(1, desks + 1):
        hire(world, Person(f"person.{number}@example.com", f"{number:05}GIm1QgePTO8WbOqw", f"local:{{{uuid4()}}}"))
    hire(world, HEDY, at_zoom=False)


def buy_company(world: World, *people: Person, connection: str = "zoom-bought") -> None:
    """Add a second Zoom account: its own administrator, these people signed in there, and a service connection."""
    world.zoom.add_account(BOUGHT_ACCOUNT)
    for person in (BOUGHT_ADMIN, *people):
        world.zoom.add_user(person.zoom_id, person.email, account_id=BOUGHT_ACCOUNT)
    connect_zoom(world, connection, ALL_SCOPES, account=BOUGHT_ACCOUNT, administrator=BOUGHT_ADMIN)


def zoom_secret(app: str) -> str:
    """Name the client secret of an app, recognisable in a log where it has no business."""
    return f"{CANARY}secret-of-{app}"


def connect_zoom(
    world: World,
    name: str,
    scopes: tuple[str, ...],
    *,
    personal_to: Person | None = None,
    account: str = ZOOM_ACCOUNT,
    administrator: Person = ADMIN,
) -> None:
    """Register an app of this name at Zoom, let somebody authorise it, and keep what Leaver needs.

    The account's administrator authorises it for everybody; with `personal_to`, that person does so for themselves
    alone.
    """
    secret, owner = zoom_secret(name), personal_to or administrator
    world.zoom.add_app(name, secret, account_id=account, scopes=scopes)
    tokens = world.zoom.authorize(name, owner.email)
    credentials = {"client_id": name, "client_secret": secret}
    _connect(
        world,
        name,
        "zoom",
        owner,
        role="personal" if personal_to else "service",
        account=account,
        credentials=credentials,
        tokens=tokens,
    )


def connect_venafi(world: World, name: str = "venafi") -> None:
    """Let Leaver's robot log in to Venafi, and keep what Leaver needs."""
    world.venafi.add_application(VENAFI_APP, scope=VENAFI_SCOPE)
    tokens = world.venafi.authorize(VENAFI_APP, LEAVER_ID)
    credentials = {"client_id": VENAFI_APP}
    account = "tpp.example.com"
    _connect(world, name, "venafi", ADMIN, role="service", account=account, credentials=credentials, tokens=tokens)


def connect_hibob(world: World, name: str = "hibob") -> None:
    """Let Leaver ask HiBob who somebody is, with a service user's token, and let HiBob know John."""
    connect_by_key(world, "hibob", name)
    world.hr.add_person("hibob", JOHNS_HIBOB_ID, JOHN.email)


def connect_by_key(world: World, system: Literal["bamboohr", "hibob", "okta"], name: str) -> None:
    """Let Leaver ask an HR system who somebody is, with a key that never ends."""
    secret = f"{CANARY}secret-of-{system}"
    key = f"{HIBOB_USER}:{secret}" if system == "hibob" else secret
    world.hr.add_key(system, key)
    pair = f"{key}:x" if system == "bamboohr" else key
    access_token = key if system == "okta" else base64.b64encode(pair.encode()).decode()
    tokens = {"access_token": access_token, "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    own = {"client_id": HIBOB_USER, "api_key": secret, "known_person": JOHNS_HIBOB_ID}
    _connect(world, name, system, ADMIN, role="service", account=system, credentials=own, tokens=tokens)


def connect_gusto(world: World, name: str) -> None:
    """Let Leaver ask Gusto who somebody is, with a grant whose access token has to be renewed first."""
    app = {"client_id": "leaver", "client_secret": f"{CANARY}secret-of-gusto"}
    world.hr.add_app(**app)
    tokens = world.hr.authorize("leaver") | {"expires_at": datetime.now(UTC).isoformat()}
    _connect(world, name, "gusto", ADMIN, role="service", account="gusto", credentials=app, tokens=tokens)


def standard_webhook(person: Person, now: datetime) -> tuple[dict[str, str], str]:
    """Say that somebody left, as a Standard Webhook: the signed headers, and the body."""
    body = json.dumps(
        {
            "type": "OffboardingRequested",
            "data": {
                "kind": "immediate",
                "subject": {"email": person.email},
                "effective_at": now.isoformat(),
                "occurred_at": now.isoformat(),
            },
        }
    )
    delivery, seconds = f"msg_{uuid4().hex}", str(int(now.timestamp()))
    key = base64.b64decode(WEBHOOK_SECRETS["standard"].removeprefix("whsec_"))
    digest = base64.b64encode(hmac.digest(key, f"{delivery}.{seconds}.{body}".encode(), "sha256")).decode()
    headers = {"webhook-id": delivery, "webhook-timestamp": seconds, "webhook-signature": f"v1,{digest}"}
    return headers | {"content-type": "application/json"}, body


def hibob_webhook(employee: str, now: datetime) -> tuple[dict[str, str], str]:
    """Say that somebody left, as HiBob does, by the id alone: the signed header, and the body."""
    body = json.dumps(
        {
            "companyId": 636192,
            "type": "employee.left",
            "triggeredBy": "33328",
            "triggeredAt": now.replace(tzinfo=None).isoformat(),
            "version": "v2",
            "data": {"employeeId": employee, "effectiveDate": now.date().isoformat()},
        }
    )
    digest = hmac.digest(WEBHOOK_SECRETS["hibob"].encode(), body.encode(), "sha512")
    return {"bob-signature": base64.b64encode(digest).decode(), "content-type": "application/json"}, body


def _connect(
    world: World,
    name: str,
    provider: Literal["zoom", "venafi", "bamboohr", "gusto", "hibob", "okta"],
    owner: Person,
    *,
    role: Literal["service", "personal"],
    account: str,
    credentials: Mapping[str, str],
    tokens: Mapping[str, object],
) -> None:
    """Make a connection by the calls that the README shows: two secrets and one record."""
    secret_store, dynamodb = world.client("secretsmanager"), world.client("dynamodb")
    secret_store.create_secret(Name=f"leaver/credentials/{provider}/{name}", SecretString=json.dumps(credentials))
    stored = secret_store.create_secret(Name=f"leaver/tokens/{provider}/{name}", SecretString=json.dumps(tokens))
    version = stored["VersionId"]
    record = {
        "connection": name,
        "provider": provider,
        "account": account,
        "grant_type": "refresh_token" if "refresh_token" in tokens else "api_key",
        "role": role,
        "owner": owner.email,
        "status": "active",
        "version": version,
        "expires_at": str(tokens["expires_at"]),
        # Not while somebody watches: what refreshes in the demo was asked for.
        "refresh_at": (datetime.now(UTC) + timedelta(minutes=45)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    dynamodb.put_item(
        TableName=world.resource("Connections").ref, Item={key: {"S": value} for key, value in record.items()}
    )
