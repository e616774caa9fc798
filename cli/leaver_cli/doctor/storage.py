"""Secrets and tables together: a stack that was made anew has new tables, and may stand beside old secrets."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from leaver.connections.record import Status
from leaver_cli.doctor.row import Row, Trouble
from leaver_cli.doctor.seat import Seat


def look_at_storage(seat: Seat) -> Row:
    """Whether each secret has its record, and each record its secrets."""
    secrets = dict(_secrets(seat))
    tokens = {name.removeprefix("tokens/"): at for name, at in secrets.items() if name.startswith("tokens/")}
    kept = {name: at for name, at in secrets.items() if name.startswith("user-tokens/")}
    records = {each.place: each for each in seat.records}
    troubles = [
        Trouble(f"secret tokens/{place} has no record in the table{_younger(seat, at)}", _connect(place))
        for place, at in sorted(tokens.items())
        if place not in records and place.partition("/")[2] not in {each.connection for each in seat.unreadable}
    ]
    troubles += [
        Trouble(f"connection {record.connection} has no secret tokens/{place}", _connect(place))
        for place, record in sorted(records.items())
        if record.status is not Status.REVOKED and place not in tokens
    ]
    if kept and not _has_cases(seat):
        [oldest] = sorted(kept.values())[:1]
        what = f"{len(kept)} user tokens are kept, and the table of cases is empty{_younger(seat, oldest)}"
        troubles.append(Trouble(what, "put the old table back, or send PurgeUserTokens for each: docs/commands.md"))
    if places := sorted(_forgotten_senders(seat, secrets)):
        what = f"secrets of senders that the table does not know: {', '.join(places)}"
        troubles.append(Trouble(what, "leaver door silence SOURCE/CONNECTION DAYS, for each"))
    return Row("secrets and tables", f"{len(secrets)} secrets, {len(records)} connections", tuple(troubles))


def _secrets(seat: Seat) -> Iterator[tuple[str, datetime]]:
    prefix = f"{seat.outputs['SecretPrefix']}/"
    pages = seat.deployment.secrets_manager.get_paginator("list_secrets").paginate(
        Filters=[{"Key": "name", "Values": [prefix]}]
    )
    for page in pages:
        for each in page["SecretList"]:
            # The filter ignores case.
            if each["Name"].startswith(prefix):
                yield each["Name"].removeprefix(prefix), each["CreatedDate"]


def _forgotten_senders(seat: Seat, secrets: Mapping[str, datetime]) -> set[str]:
    there = {name.removeprefix("webhooks/") for name in secrets if name.startswith("webhooks/")}
    return there - seat.deployment.places.connected().keys() if there else set()


def _has_cases(seat: Seat) -> bool:
    found = seat.dynamodb.scan(TableName=seat.outputs["CasesTable"], Limit=1, ProjectionExpression="entry")
    return bool(found["Items"])


def _younger(seat: Seat, secret_made_at: datetime) -> str:
    return "; the stack is younger than the secret: was it made anew?" if seat.created_at > secret_made_at else ""


def _connect(place: str) -> str:
    provider, _, connection = place.partition("/")
    return f"leaver connect {provider} {connection}"
