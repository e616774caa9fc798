"""The rows of the demo: what must be observed, where it is observed, and the fault that makes the row fail."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import requests

from leaver.cases.receipts import Receipt
from leaver.cases.record import Case
from leaver.cases.seal import Stored, head_of
from leaver.cases.table import Cases
from leaver.storage.tables import Value, item, values
from local import acme
from local.world import World

REVOKED = "zoom/204-token-deleted"
#: the connection that John gave Leaver for himself
JOHNS = "zoom-john"


@dataclass(frozen=True)
class Before:
    """The tokens as they were before anything happened."""

    rotating_refresh_token: str
    retired_access_token: str
    johns_access_token: str
    #: how many user tokens Zoom had minted for John
    johns_user_tokens: int


@dataclass(frozen=True)
class Row:
    """One thing that must be true afterwards, observed where it happens: at a provider, or in AWS.

    Leaver's own receipts prove nothing but that they are complete and unchanged.
    """

    name: str
    story: str
    #: and not so before anything happened
    expected: str
    where: str
    observe: Callable[[World, Before], str]
    #: plants the fault that must make this row fail
    sabotage: Callable[[World], None]

    def holds(self, before: str, now: str) -> bool:
        """Whether it is as expected, and was not so already."""
        return before != self.expected == now


def token(world: World, connection: str, field: str) -> str:
    """Read a field of the current tokens of a connection to Zoom from Secrets Manager."""
    kept = world.client("secretsmanager").get_secret_value(
        SecretId=f"leaver/tokens/zoom/{connection}", VersionStage="AWSCURRENT"
    )
    return str(json.loads(kept["SecretString"])[field])


def _case(world: World, _: Before) -> str:
    case = case_of_john(world)
    if case is None:
        return "no case"
    return f"{case.source}'s case, {case.state}{', sealed and signed' if case.head and case.evidence else ''}"


def _looked_up(world: World, _: Before) -> str:
    if f"/v1/people/{acme.JOHNS_HIBOB_ID}" not in {each.path for each in world.hr.journal()}:
        return "not asked"
    left = [str(each["email"]) for each in _items(world) if each["entry"] == "case" and each.get("source") == "hibob"]
    return ", ".join(left) or "nobody's case"


def _session(person: acme.Person) -> Callable[[World, Before], str]:
    return lambda world, _: "signed in" if world.zoom.has_session(person.zoom_id) else "no session"


def _grants(person: acme.Person) -> Callable[[World, Before], str]:
    return lambda world, _: _count(world.venafi.live_grants(person.venafi_id), "grant")


def _johns_connection(world: World, before: Before) -> str:
    return _status_with(world, before.johns_access_token)


def _kept_tokens(person: acme.Person) -> Callable[[World, Before], str]:
    def observe(world: World, _: Before) -> str:
        pages = world.client("secretsmanager").get_paginator("list_secrets").paginate()
        names = [secret["Name"] for page in pages for secret in page["SecretList"]]
        return _count(sum(name.startswith(f"leaver/user-tokens/{person.zoom_id}/") for name in names), "token")

    return observe


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _asked_for_afterwards(world: World, before: Before) -> str:
    minted = len(world.zoom.user_tokens(acme.JOHN.zoom_id)) - before.johns_user_tokens
    asked = [each for each in _items(world) if each.get("command") == "RetrieveUserToken"]
    answers = [str(each.get("outcome")) for each in asked if each["subject"] == acme.JOHN.zoom_id]
    return f"{', '.join(answers) or 'no answer'}, {minted} minted"


def _receipts(world: World, _: Before) -> str:
    case = case_of_john(world)
    if case is None:
        return "no case"
    kept = _cases(world).read_receipts(case.case_id)
    steps = case.steps
    ended = sum(step.name in kept and step.name not in case.outstanding for step in steps)
    return f"{ended} of {len(steps)} things ended, {case.state}"


def _chain(world: World, _: Before) -> str:
    case = case_of_john(world)
    if case is None or case.head is None:
        return "not sealed"
    stored = _cases(world).read_stored(case.case_id)
    if head_of(stored["case"], stored) != case.head:
        return "does not verify"
    others = list(_rewritten(case, stored))
    return "verifies" if all(head_of(each["case"], each) != case.head for each in others) else "verifies whatever it is"


def _rewritten(case: Case, stored: Mapping[str, Stored]) -> Iterator[dict[str, Stored]]:
    """The same case with another person, end or order of steps, and with a receipt that was changed, or is missing."""
    first, second = case.steps[0].name, case.steps[1].name
    rewritten: dict[str, Value] = {
        "email": acme.GRACE.email,
        "finished_at": "2031-01-01T00:00:00Z",
        "residual": ["nothing"],
        "steps": list(reversed(cast("list[Value]", stored["case"]["steps"]))),
    }
    for field, value in rewritten.items():
        yield {**stored, "case": {**stored["case"], field: value}}
    yield {**stored, first: {**stored[first], "outcome": "already gone"}}
    yield {**stored, first: stored[second], second: stored[first]}
    yield {entry: each for entry, each in stored.items() if entry != first}


def case_of_john(world: World) -> Case | None:
    """John's case, as it is now."""
    for each in _items(world):
        if each["entry"] == "case" and each.get("email") == acme.JOHN.email:
            return _cases(world).read(str(each["case_id"]))
    return None


def receipts_of(world: World, case: Case) -> list[Receipt]:
    """Return the receipts of a case that is done, in the order of its steps."""
    kept = _cases(world).read_receipts(case.case_id)
    return [kept[step.name] for step in case.steps]


def _cases(world: World) -> Cases:
    return Cases(world.client("dynamodb"), table=world.resource("Cases").ref)


def _items(world: World) -> list[dict[str, Value]]:
    pages = world.client("dynamodb").get_paginator("scan").paginate(TableName=world.resource("Cases").ref)
    return [values(each) for page in pages for each in page["Items"]]


def _kept_token(world: World, _: Before) -> str:
    minted = [token.digest for token in world.zoom.user_tokens(acme.GRACE.email)]
    name = f"leaver/user-tokens/{acme.GRACE.zoom_id}/zoom/zak"
    secret_store = world.client("secretsmanager")
    try:
        kept = json.loads(secret_store.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])[
            "token"
        ]
    except secret_store.exceptions.ResourceNotFoundException:
        return "no token kept"
    return "the one that Zoom minted" if hashlib.sha256(kept.encode()).hexdigest() in minted else "another token"


def _old_refresh_token(world: World, before: Before) -> str:
    if token(world, "zoom-rotating", "refresh_token") == before.rotating_refresh_token:
        return "still the current one"
    # Asked before it is tried: a token that still works would rotate by the trying.
    if world.zoom.live_token_kind(_digest(before.rotating_refresh_token)):
        return "still works"
    answer = requests.post(
        f"{world.zoom.url}/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": before.rotating_refresh_token},
        auth=("zoom-rotating", acme.zoom_secret("zoom-rotating")),
        timeout=10,
    )
    return f"{answer.status_code} {answer.json().get('error')}"


def _new_refresh_token(world: World, before: Before) -> str:
    new = token(world, "zoom-rotating", "refresh_token")
    if new == before.rotating_refresh_token:
        return "still the old one"
    user = requests.get(
        f"{world.zoom.api_url}/users/{acme.ADA.zoom_id}",
        headers={"Authorization": f"Bearer {token(world, 'zoom-rotating', 'access_token')}"},
        timeout=10,
    )
    return f"live: {world.zoom.live_token_kind(_digest(new))}, its access token gets {user.status_code}"


def _revoked_access_token(world: World, before: Before) -> str:
    return _status_with(world, before.retired_access_token)


def _status_with(world: World, access_token: str) -> str:
    answer = requests.get(
        f"{world.zoom.api_url}/users/{acme.ADA.zoom_id}",
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=10,
    )
    return str(answer.status_code)


def _parked(world: World, _: Before) -> str:
    peeked = world.client("sqs").receive_message(
        QueueUrl=world.dead_letter_queue_url("revoke_sso_token"), MessageAttributeNames=["All"], VisibilityTimeout=0
    )
    for message in peeked.get("Messages", []):
        return str(message["MessageAttributes"]["reason"]["StringValue"])
    return "nothing parked"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _lie(path: str, *, times: int | None = None) -> Callable[[World], None]:
    """Let Zoom claim success for the next requests with such a path, and do nothing."""
    return lambda world: world.zoom.inject(path, times=times, handling="pretend")


def _sign_with_another_secret(world: World) -> None:
    """Keep another secret than the one HiBob signs with: the door answers 401."""
    world.client("secretsmanager").put_secret_value(
        SecretId="leaver/webhooks/hibob/main", SecretString=json.dumps({"current": "another"})
    )


def _venafi_refuses(world: World) -> None:
    """Let Venafi refuse to revoke any grant."""
    world.venafi.answer_result(9, times=None)


def _venafi_has_another_address(world: World) -> None:
    """Leave nothing at Venafi by which anybody could know John from his address."""
    world.venafi.add_identity(acme.JOHN.venafi_id, acme.JOHN.venafi_name, email="jdoe@corp.example")


def _another_token_of(person: acme.Person) -> Callable[[World], None]:
    """Keep a token of somebody's where nobody looks for one."""
    name = f"leaver/user-tokens/{person.zoom_id}/another"
    return lambda world: world.client("secretsmanager").create_secret(Name=name, SecretString="{}")


def _mint_for_john(world: World) -> None:
    """Have Zoom mint a token for John, as if Leaver had asked for it."""
    requests.get(
        f"{world.zoom.api_url}/users/{acme.JOHN.zoom_id}/token",
        params={"type": "zak"},
        headers={"Authorization": f"Bearer {token(world, 'zoom', 'access_token')}"},
        timeout=10,
    ).raise_for_status()


def _make_john_responsible(world: World) -> None:
    """Hold John's case open by a service connection that is his: a person has to replace it."""
    key = item({"connection": "zoom-rotating"})
    world.client("dynamodb").update_item(
        TableName=world.resource("Connections").ref,
        Key=key,
        UpdateExpression="SET #owner = :john",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues=item({":john": acme.JOHN.email}),
    )


#: each shows in two rows
_REVOCATIONS_LIE = _lie("/oauth/revoke")
_A_REFRESH_LIES = _lie("/oauth/token", times=1)

#: what HiBob's webhook begins, what it ends, and what it leaves behind
OF_JOHN = (
    Row(
        "webhook",
        "HiBob's signed webhook, an id only",
        "hibob's case, completed, sealed and signed",
        "the Cases table",
        _case,
        _sign_with_another_secret,
    ),
    Row(
        "look-up",
        f"who has the id {acme.JOHNS_HIBOB_ID}",
        acme.JOHN.email,
        "HiBob, asked whom; the Cases table, whose",
        _looked_up,
        lambda world: world.hr.inject("/v1/people/.*", times=None, handling="skip", reply="hibob/200-somebody-else"),
    ),
    Row(
        "johns-session",
        "John's session",
        "no session",
        "Zoom: who is signed in",
        _session(acme.JOHN),
        _lie(f"/v2/users/{acme.JOHN.zoom_id}/token"),
    ),
    Row(
        "second-session",
        "John's session at the second account",
        "no session",
        "Zoom: who is signed in there",
        _session(acme.JOHN_THERE),
        _lie(f"/v2/users/{acme.JOHN_THERE.zoom_id}/token"),
    ),
    Row(
        "johns-grants",
        "John's grants, as AD+corp:jdoe",
        "0 grants",
        "Venafi: grants that live",
        _grants(acme.JOHN),
        _venafi_has_another_address,
    ),
    Row(
        "johns-connection",
        "the connection that John gave Leaver",
        "401",
        "Zoom: called with its token",
        _johns_connection,
        _REVOCATIONS_LIE,
    ),
    Row(
        "johns-user-tokens",
        "user tokens kept for John",
        "0 tokens",
        "Secrets Manager: by name",
        _kept_tokens(acme.JOHN),
        _another_token_of(acme.JOHN),
    ),
    Row(
        "second-user-tokens",
        "those of his second account",
        "0 tokens",
        "Secrets Manager: by name",
        _kept_tokens(acme.JOHN_THERE),
        _another_token_of(acme.JOHN_THERE),
    ),
    Row(
        "refused",
        "another token for John, asked for afterwards",
        "refused, 0 minted",
        "Zoom: tokens that it minted",
        _asked_for_afterwards,
        _mint_for_john,
    ),
    Row(
        "receipts",
        "John's case",
        "6 of 6 things ended, completed",
        "the Cases table",
        _receipts,
        _make_john_responsible,
    ),
    Row(
        "chain",
        "John's case and receipts, digested anew",
        "verifies",
        "the Cases table; any change shows",
        _chain,
        _make_john_responsible,
    ),
)
#: what each command does that is sent by hand
BY_HAND = (
    Row(
        "sso-token",
        "RevokeSsoToken for O'Brien, by queue",
        "no session",
        "Zoom: who is signed in",
        _session(acme.OBRIEN),
        _lie("/v2/users/o.*brien.*/token"),
    ),
    Row(
        "grants",
        "RevokeGrants for Grace, by bus",
        "0 grants",
        "Venafi: grants that live",
        _grants(acme.GRACE),
        _venafi_refuses,
    ),
    Row(
        "user-token",
        "RetrieveUserToken for Grace",
        "the one that Zoom minted",
        "Secrets Manager, by digest",
        _kept_token,
        _lie(f"/v2/users/{acme.GRACE.zoom_id}/token"),
    ),
    Row(
        "old-refresh-token",
        "RefreshAccessToken, forced",
        "400 invalid_grant",
        "Zoom: the old refresh token, tried again",
        _old_refresh_token,
        _A_REFRESH_LIES,
    ),
    Row(
        "new-refresh-token",
        "the same refresh",
        "live: refresh, its access token gets 200",
        "Zoom: asked by digest, and called",
        _new_refresh_token,
        _A_REFRESH_LIES,
    ),
    Row(
        "access-token",
        "RevokeAccessToken",
        "401",
        "Zoom: called with the revoked token",
        _revoked_access_token,
        _REVOCATIONS_LIE,
    ),
    Row(
        "parked",
        "RevokeSsoToken for Alan, scope missing",
        "missing scopes: user:delete:token, user:delete:token:admin",
        "the dead-letter queue",
        _parked,
        lambda world: world.zoom.inject("/v2/users/alan.*/token", handling="skip", reply=REVOKED),
    ),
)

REDRIVEN = Row(
    "redriven",
    "scope granted, then `leaver redrive`",
    "no session",
    "Zoom: who is signed in",
    _session(acme.ALAN),
    # The first attempt is refused before anything could be pretended.
    _lie("/v2/users/alan.*/token"),
)
ROWS = (*OF_JOHN, *BY_HAND)
NAMES = tuple(row.name for row in (*ROWS, REDRIVEN))
