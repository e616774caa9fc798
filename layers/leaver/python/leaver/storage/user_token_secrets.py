"""The secrets in which user tokens lie: room is made before a token is asked for, and tags say whom it is for."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from leaver.errors import LeaseHeld, NotKept, NotRead, Rejected
from leaver.storage.secrets import error_code
from leaver.storage.tables import timestamp

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import SecretListEntryTypeDef, TagTypeDef

#: what Secrets Manager takes as a name
_SECRET_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
#: the key of a tag ends with the mark of an address: an apostrophe may not stand in a tag, nor an address in CloudTrail
_FETCHED_FOR: Final = "fetched-for:"
_EXPIRES_AT: Final = "expires-at"
#: Of a secret's versions AWS keeps the last hundred, and those of the last day: of these it takes no more than that
MOST_VERSIONS: Final = 100
VERSIONS_STAY: Final = timedelta(hours=24)
#: pages of a hundred secrets that somebody who has a minute may read
MOST_PAGES: Final = 100


@dataclass(frozen=True)
class UserTokenPlace:
    """Where one person's token lies: `user-tokens/<zoom id>/<connection>/<type>`."""

    zoom_user_id: str
    connection: str
    type: str


@dataclass(frozen=True)
class FoundUserToken:
    """What is known of a secret without reading it."""

    place: UserTokenPlace
    #: the marks of the addresses that it was fetched for
    marks: frozenset[str]
    #: when the last of all that lay here is dead (aware, UTC); None where nobody wrote it down
    expires_at: datetime | None


class UserTokenSecrets:
    """The secrets below `<prefix>/user-tokens/`: written, listed by name and tags, destroyed, and never read."""

    def __init__(self, secrets_manager: "SecretsManagerClient", *, prefix: str, kms_key_arn: str | None = None) -> None:
        self._secrets_manager = secrets_manager
        self._path = f"{prefix}/user-tokens/"
        self._kms_key_arn = kms_key_arn

    def reserve(self, place: UserTokenPlace, *, marks: Iterable[str], expires_at: datetime, now: datetime) -> bool:
        """Make sure that a token can be kept here, and write on the secret whom it is for and until when it lives.

        Returns whether the secret is new; then it holds no token yet. Raises Rejected, with what to do, where the
        secret takes nothing more, and NotKept.
        """
        name = self._name(place)
        if not _SECRET_NAME.fullmatch(name):
            raise Rejected("the user's id at Zoom: can't be the name of a secret")
        tags: list[TagTypeDef] = [{"Key": _FETCHED_FOR + mark, "Value": "address"} for mark in sorted(marks)]
        tags.append({"Key": _EXPIRES_AT, "Value": timestamp(expires_at)})
        try:
            try:
                # It is refused for a secret that is scheduled for deletion.
                self._secrets_manager.tag_resource(SecretId=name, Tags=tags)
            except self._secrets_manager.exceptions.ResourceNotFoundException:
                return self._create(name, tags)
            full = self._count_versions(name, since=now - VERSIONS_STAY) >= MOST_VERSIONS
        except self._secrets_manager.exceptions.InvalidRequestException:
            raise Rejected(f"secret {name}: is scheduled for deletion; {_MEND}") from None
        except (BotoCoreError, ClientError) as error:
            raise NotKept(f"secret {name}: {error_code(error)}") from None
        if full:
            raise Rejected(f"secret {name}: took {MOST_VERSIONS} tokens in a day and takes no more; {_MEND}")
        return False

    def keep(
        self, place: UserTokenPlace, token: SecretStr, *, expires_at: datetime, expires_at_assumed: bool
    ) -> tuple[str, str]:
        """Keep a token where room was reserved; returns the secret's ARN and version.

        Raises LeaseHeld where the secret was destroyed meanwhile, and Rejected whatever else is the cause: to try again
        would take another token from Zoom.
        """
        name = self._name(place)
        value = {
            "token": token.get_secret_value(),
            "expires_at": expires_at.isoformat(),
            "expires_at_assumed": expires_at_assumed,
        }
        failure: LeaseHeld | Rejected
        try:
            put = self._secrets_manager.put_secret_value(SecretId=name, SecretString=json.dumps(value))
        except self._secrets_manager.exceptions.ResourceNotFoundException:
            failure = LeaseHeld(f"secret {name}: was destroyed before the token came")
        except (BotoCoreError, ClientError) as error:
            until = timestamp(expires_at)
            failure = Rejected(
                f"secret {name}: {error_code(error)}; the token is dropped, and lives at Zoom until {until}"
            )
        else:
            return put["ARN"], put["VersionId"]
        # outside its handler: a botocore error may show what it was given
        raise failure

    def destroy(self, place: UserTokenPlace) -> bool:
        """Destroy what lies here, at once and for good; returns whether there was anything."""
        name = self._name(place)
        try:
            self._secrets_manager.describe_secret(SecretId=name)
            was_there = True
        except self._secrets_manager.exceptions.ResourceNotFoundException:
            was_there = False
        # In any case: what was written a moment ago may not be described yet. It is no error where nothing is.
        self._secrets_manager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        return was_there

    def find_all(self, *, most_pages: int | None = None) -> Iterator[FoundUserToken]:
        """Find all secrets here by their names and tags, but those of the last five minutes, which AWS may not show.

        Raises NotRead, also where there are more than `most_pages` of a hundred.
        """
        asked: dict[str, Any] = {"Filters": [{"Key": "name", "Values": [self._path]}], "MaxResults": 100}
        for page in count(1):
            try:
                # Those that are scheduled for deletion can be restored.
                answer = self._secrets_manager.list_secrets(IncludePlannedDeletion=True, **asked)
            except (BotoCoreError, ClientError) as error:
                raise NotRead(f"secrets {self._path}: {error_code(error)}") from None
            yield from filter(None, map(self._found, answer["SecretList"]))
            if not (token := answer.get("NextToken")):
                return
            if page == most_pages:
                raise NotRead(f"secrets {self._path}: more than {page} pages; watch_deadlines is listing them")
            asked["NextToken"] = token

    def _found(self, entry: "SecretListEntryTypeDef") -> FoundUserToken | None:
        """What an entry of the list says; None of a secret that is none of ours."""
        parts = entry.get("Name", "").removeprefix(self._path).split("/")
        if len(parts) != len(UserTokenPlace.__dataclass_fields__):
            return None
        tags = {each.get("Key", ""): each.get("Value", "") for each in entry.get("Tags", [])}
        marks = frozenset(key.removeprefix(_FETCHED_FOR) for key in tags if key.startswith(_FETCHED_FOR))
        return FoundUserToken(UserTokenPlace(*parts), marks, _moment(tags.get(_EXPIRES_AT, "")))

    def _create(self, name: str, tags: "list[TagTypeDef]") -> bool:
        """Make the secret with a value that is none: whoever can write this can write a token."""
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_arn} if self._kms_key_arn else {}
        try:
            self._secrets_manager.create_secret(
                Name=name,
                SecretString=json.dumps({"token": None}),
                Description="A Zoom user token that Leaver retrieved.",
                Tags=tags,
                **key,
            )
        except self._secrets_manager.exceptions.ResourceExistsException:
            # Another retrieval for the same person was faster.
            return False
        except self._secrets_manager.exceptions.InvalidRequestException:
            # It is destroyed by name at once, and its name is free a moment later.
            raise NotKept(f"secret {name}: is being destroyed") from None
        return True

    def _count_versions(self, name: str, since: datetime) -> int:
        asked: dict[str, Any] = {"SecretId": name, "IncludeDeprecated": True}
        young = 0
        while True:
            answer = self._secrets_manager.list_secret_version_ids(**asked)
            young += sum(each["CreatedDate"] > since for each in answer["Versions"])
            if not (token := answer.get("NextToken")):
                return young
            asked["NextToken"] = token

    def _name(self, place: UserTokenPlace) -> str:
        return f"{self._path}{place.zoom_user_id}/{place.connection}/{place.type}"


_MEND: Final = "PurgeUserTokens of this user destroys it, and then a token can be asked for again"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
