"""Every place of a local world where a secret could turn up, searched for what all its secrets begin with."""

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.aws.moto_server import _AwsBehaviour
from local.simulators.provider import CANARY
from tests.doubles.spellings import spelled_in
from tests.e2e.watched_world import WatchedWorld

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: the query parameters that Leaver has to send; any other could hold a secret, and the journal keeps only the names
QUERY = {"type", "ttl", "meeting_id", "fields", "status", "page_size", "next_page_token"}


@dataclass(frozen=True)
class Said:
    """A call to AWS, but for the one thing in it that may hold a secret: a secret's value."""

    target: str
    body: str


class Overheard(_AwsBehaviour):
    """The door of the local AWS, where everything is written down that is said to it."""

    said: list[Said]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        told = json.loads(body) if body.startswith(b"{") else {"": body.decode()}
        if target in {"secretsmanager.CreateSecret", "secretsmanager.PutSecretValue"}:
            told.pop("SecretString")
        told["user agent"] = environ.get("HTTP_USER_AGENT", "")
        self.said.append(Said(target, json.dumps(told, ensure_ascii=False)))
        return super().__call__(environ, start_response)


def leaks(world: WatchedWorld, said: list[Said], output: str = "") -> set[str]:
    """Return where the canary is though it must not be, and in which spelling."""
    texts = [*everything(world, said), ("output of this process", output)]
    return {f"{place}: {spelling}" for place, text in texts for spelling in spelled_in(text, CANARY)} | {
        f"query of {entry.path}: {name}"
        for journal in (world.zoom.journal(), world.venafi.journal(), world.hr.journal())
        for entry in journal
        for name in set(entry.query) - QUERY
    }


def everything(world: WatchedWorld, said: list[Said]) -> Iterator[tuple[str, str]]:
    """Walk through every place of the world: what it is called, and its text."""
    # The logs, and whatever else a function wrote into the only home it has, and into its own TMPDIR there.
    for path in world._folder.rglob("*"):
        if path.is_file():
            yield f"file {path.name}", f"{path.name} {path.read_text(errors='replace')}"
    # Whoever writes to /tmp by that name.
    for path in Path("/tmp").iterdir():  # noqa: S108 - it is searched
        with suppress(OSError):  # other people's, and what is gone meanwhile
            if path.is_file() and path.stat().st_mtime >= world.began:
                yield f"file /tmp/{path.name}", path.read_text(errors="replace")
    for name, variables in world.environments().items():
        yield f"environment of {name}", _text(variables)
    for journal in (world.zoom.journal(), world.venafi.journal()):
        for entry in journal:
            yield "a provider's journal", _text(asdict(entry))
    for each in said:
        yield f"a call of {each.target}", each.body
    yield from _on_the_way(world)
    yield from _at_rest(world)


def _on_the_way(world: WatchedWorld) -> Iterator[tuple[str, str]]:
    for name, queue in world.aws.sqs.queues.items():
        for message in queue._messages:  # also those that are not visible now
            yield f"queue {name}", _text([message.body, message.message_attributes, message.group_id])
    for announced in world.announced():
        yield f"announcement {announced.name}", _text(announced.detail)
    for archive in world.aws.events.archives.values():
        yield f"archive {archive.name}", _text(archive.events)


def _at_rest(world: WatchedWorld) -> Iterator[tuple[str, str]]:
    dynamodb = world.client("dynamodb")
    for table in dynamodb.list_tables()["TableNames"]:
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            yield f"table {table}", _text(page["Items"])
    s3 = world.client("s3")
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (each["Key"] for each in page.get("Contents", [])):
                content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
                yield f"object {key}", f"{key} {content.decode(errors='replace')}"
    for secret in _secrets(world):
        yield f"secret {secret['Name']}, but its value", _text(secret)


def _secrets(world: WatchedWorld) -> Iterator[dict[str, Any]]:
    for page in world.client("secretsmanager").get_paginator("list_secrets").paginate():
        yield from page["SecretList"]


def secrets_with_canary(world: WatchedWorld) -> set[str]:
    """Return the names of the secrets in whose values the canary is, where it belongs."""
    secret_store = world.client("secretsmanager")
    return {
        secret["Name"]
        for secret in _secrets(world)
        if spelled_in(
            secret_store.get_secret_value(SecretId=secret["Name"], VersionStage="AWSCURRENT")["SecretString"], CANARY
        )
    }


def _text(thing: Any) -> str:
    return json.dumps(thing, ensure_ascii=False, default=str)
