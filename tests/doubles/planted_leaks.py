"""Leaks planted on purpose, one for each way out: a search that is blind for one of them must fail."""

import logging
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any, Final
from uuid import uuid4

import requests
from botocore.config import Config
from pydantic import BaseModel, ValidationError

from leaver import bootstrap
from leaver.consuming.metrics import SharedMetrics


def secret_of(plant: str) -> str:
    """A secret of its own for each plant: each is found for itself."""
    return f"planted-{sha256(plant.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class _Held:
    """What shows its fields, as dataclasses do."""

    access_token: str


class _Strict(BaseModel):
    """What shows what it was given, as pydantic's models do."""

    access_token: int


def _log(level: str) -> Callable[[str], None]:
    def log(secret: str) -> None:
        getattr(bootstrap.logger(), level)(secret)

    return log


def _appended_key(secret: str) -> None:
    bootstrap.logger().append_keys(planted=secret)
    bootstrap.logger().info("planted")
    bootstrap.logger().remove_keys(["planted"])


def _raised(error: Exception, *, note: str = "", cause: Exception | None = None) -> None:
    try:
        if note:
            error.add_note(note)
        raise error from cause
    except type(error):
        logging.getLogger("leaver.planted").exception("planted")


def _validation_error(secret: str) -> None:
    try:
        _Strict.model_validate({"access_token": secret})
    except ValidationError as error:
        bootstrap.logger().warning(str(error))


def _botocore_at_debug(secret: str) -> None:
    libraries = logging.getLogger("botocore")
    before = libraries.level
    libraries.setLevel(logging.DEBUG)
    name = f"{os.environ['SECRET_PREFIX']}/tokens/zoom/zoom"
    bootstrap._secrets_manager().put_secret_value(SecretId=name, SecretString=secret, VersionStages=["P"])
    libraries.setLevel(before)


def _metric(plant: Callable[[Any], None]) -> None:
    metrics = SharedMetrics()
    metrics.add_metric(name="Planted", unit="Count", value=1)
    plant(metrics)
    metrics.flush_metrics()
    metrics.clear_metrics()


def _event(**entry: Any) -> None:
    usual: Any = {
        "Source": "leaver",
        "DetailType": "Planted",
        "Detail": "{}",
        "EventBusName": os.environ["EVENT_BUS_NAME"],
    }
    bootstrap._events().put_events(Entries=[usual | entry])


def _message(**parameters: Any) -> None:
    told = {"QueueUrl": os.environ["DEAD_LETTER_QUEUE_URL"], "MessageBody": "{}"} | parameters
    with suppress(Exception):  # a queue without groups says no, and has heard it
        bootstrap._sqs().send_message(**told)


def _secret(**parameters: Any) -> None:
    told = {"Name": f"planted/{uuid4()}", "SecretString": "{}"} | parameters
    with suppress(Exception):
        bootstrap._secrets_manager().create_secret(**told)


def _item(table: str, **fields: str) -> None:
    item: dict[str, Any] = {name: {"S": value} for name, value in fields.items()}
    bootstrap._dynamodb().put_item(TableName=os.environ[table], Item=item)


def _case_item(partition: str, entry: str, **fields: str) -> None:
    _item("CASES_TABLE", partition=partition, entry=entry, **fields)


def _encryption_context(secret: str) -> None:
    with suppress(Exception):
        bootstrap._kms().encrypt(KeyId="planted", Plaintext=b"1", EncryptionContext={"token": secret})


def _request(*, headers: Mapping[str, str] | None = None, **query: str) -> None:
    with suppress(requests.RequestException):
        requests.get(f"{os.environ['ZOOM_OAUTH_URL']}/users/planted", params=query, headers=headers, timeout=5)


def _aws_user_agent(secret: str) -> None:
    with suppress(Exception):
        config = Config(user_agent_extra=secret)
        bootstrap._session().client("sqs", config=config).get_queue_url(QueueName="planted")


def _environment(secret: str) -> None:
    os.environ["PLANTED"] = secret
    del os.environ["PLANTED"]


def _thread(secret: str) -> None:
    thread = Thread(target=lambda: None, name=secret)
    thread.start()
    thread.join()


def _traceback_with_locals(secret: str) -> str:
    try:
        _fail(secret)
    except IndexError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError


def _fail(access_token: str) -> None:
    [][len(access_token)]


def write(folder: Path, text: str, name: str = "") -> None:
    """Leave a file that `take_files_away` knows of."""
    path = folder / (name or f"planted-{uuid4()}")
    path.write_text(text)
    _written.append(path)


def _warning(secret: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(secret, stacklevel=1)


#: a test takes away again what was planted on the disk
_written: list[Path] = []


def take_files_away() -> None:
    """Leave nothing behind."""
    while _written:
        _written.pop().unlink(missing_ok=True)


#: what is planted → where the search has to find it, and how it is planted
LEAKS: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "log at debug": ("standard output", _log("debug")),
    "log at info": ("standard output", _log("info")),
    "log at error": ("standard output", _log("error")),
    "log field": ("standard output", lambda secret: bootstrap.logger().info("planted", extra={"planted": secret})),
    "logger.append_keys": ("standard output", _appended_key),
    "a module's own logger at debug": ("log record", lambda secret: logging.getLogger("leaver.planted").debug(secret)),
    "argument of a log message": ("log record", lambda secret: logging.getLogger("leaver.planted").info("%s", secret)),
    "exception's message": ("log record", lambda secret: _raised(KeyError(secret))),
    "exception's note": ("log record", lambda secret: _raised(KeyError(1), note=secret)),
    "exception's cause": ("log record", lambda secret: _raised(KeyError(1), cause=ValueError(secret))),
    "pydantic's ValidationError": ("standard output", _validation_error),
    "repr of a dataclass": ("standard output", lambda secret: bootstrap.logger().info(repr(_Held(secret)))),
    "botocore at DEBUG": ("log record", _botocore_at_debug),
    "EMF dimension": ("standard output", lambda secret: _metric(lambda m: m.add_dimension("planted", secret))),
    "EMF metadata": ("standard output", lambda secret: _metric(lambda m: m.add_metadata("planted", secret))),
    "print": ("standard output", print),
    "standard error": ("standard error", lambda secret: print(secret, file=sys.stderr)),  # noqa: T201
    "written past Python": ("standard error", lambda secret: os.write(2, secret.encode())),
    "warning": ("warning", _warning),
    "traceback with locals": (
        "standard error",
        lambda secret: print(_traceback_with_locals(secret), file=sys.stderr),  # noqa: T201
    ),
    "event's detail": ("AWS PutEvents", lambda secret: _event(Detail=f'{{"planted": "{secret}"}}')),
    "event's detail-type": ("AWS PutEvents", lambda secret: _event(DetailType=secret)),
    "event's resources": ("AWS PutEvents", lambda secret: _event(Resources=[secret])),
    "message's body": ("AWS SendMessage", lambda secret: _message(MessageBody=secret)),
    "message's attribute": (
        "AWS SendMessage",
        lambda secret: _message(MessageAttributes={"reason": {"DataType": "String", "StringValue": secret}}),
    ),
    "message's group": (
        "AWS SendMessage",
        lambda secret: _message(MessageGroupId=secret, MessageDeduplicationId=str(uuid4())),
    ),
    "message's deduplication id": (
        "AWS SendMessage",
        lambda secret: _message(MessageGroupId="1", MessageDeduplicationId=secret),
    ),
    "secret's name": ("AWS CreateSecret", lambda secret: _secret(Name=f"planted/{secret}")),
    "secret's description": ("AWS CreateSecret", lambda secret: _secret(Description=secret)),
    "secret's tag": ("AWS CreateSecret", lambda secret: _secret(Tags=[{"Key": "planted", "Value": secret}])),
    "secret's version": ("AWS CreateSecret", lambda secret: _secret(ClientRequestToken=secret.ljust(32, "0"))),
    "receipt's field": (
        "AWS PutItem",
        lambda secret: _case_item("receipts#planted", "planted", outcome="revoked", reason=secret),
    ),
    "case's field": ("AWS PutItem", lambda secret: _case_item("case#planted", "case", because=secret)),
    "heard item": ("AWS PutItem", lambda secret: _case_item("heard#2026-11-22", "planted", event_id=secret)),
    "index item": ("AWS PutItem", lambda secret: _case_item("user-token#planted", "zoom#zak", planted=secret)),
    "partition's key": ("AWS PutItem", lambda secret: _case_item(f"person#{secret}", "person")),
    "connection's field": (
        "AWS PutItem",
        lambda secret: _item("CONNECTIONS_TABLE", connection="planted", provider="zoom", account=secret),
    ),
    "encryption context": ("AWS Encrypt", _encryption_context),
    "AWS user agent": ("AWS header", _aws_user_agent),
    "query of an address": ("HTTP address", lambda secret: _request(access_token=secret)),
    "HTTP user agent": ("HTTP header", lambda secret: _request(headers={"User-Agent": secret})),
    "HTTP cookie": ("HTTP header", lambda secret: _request(headers={"Cookie": f"s={secret}"})),
    "file in the temporary folder": ("file", lambda secret: write(Path(tempfile.gettempdir()), secret)),
    "file in /tmp": ("file", lambda secret: write(Path("/tmp"), secret)),  # noqa: S108
    "file in the home folder": ("file", lambda secret: write(Path.home(), secret, f".planted-{uuid4()}")),
    "file's name": ("file name", lambda secret: write(Path(tempfile.gettempdir()), "", f"planted-{secret}")),
    "crash dump": ("file", lambda secret: write(Path(tempfile.gettempdir()), _traceback_with_locals(secret))),
    "environment variable": ("os.putenv", _environment),
    "arguments of a process": (
        "subprocess.Popen",
        lambda secret: subprocess.run([sys.executable, "-Sc", "", secret], check=False),  # noqa: S603
    ),
    "environment of a process": (
        "subprocess.Popen",
        lambda secret: subprocess.run([sys.executable, "-Sc", ""], env={"P": secret}, check=False),
    ),
    "thread's name": ("thread name", _thread),
}
