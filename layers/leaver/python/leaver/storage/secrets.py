"""Tokens in Secrets Manager, written by compare-and-swap: one parent version can have one child."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import NAMESPACE_URL, uuid4, uuid5

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, SecretStr, ValidationError

from leaver.errors import LeaverError, NotKept, NotRead, Rejected, Superseded, explain
from leaver.tokens import TokenSet

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: the most secrets that BatchGetSecretValue takes
_AT_ONCE: Final = 20

Secret = TypeVar("Secret", bound=BaseModel)


def next_version_id(connection: str, parent_version: str) -> str:
    """Compute the id of the version that follows `parent_version`, before it exists: a repeated write is harmless."""
    return str(uuid5(NAMESPACE_URL, f"leaver:{connection}:{parent_version}"))


class SecretStore:
    """Secrets below one prefix: `tokens/` and `credentials/`, there by provider, and `webhooks/` by source.

    A connection's `place` is `<provider>/<connection>`, so that a role can be given one provider's and no other's.
    """

    def __init__(self, secrets_manager: "SecretsManagerClient", *, prefix: str, kms_key_arn: str | None = None) -> None:
        self._secrets_manager = secrets_manager
        self.prefix = prefix
        self._kms_key_arn = kms_key_arn

    def tokens(self, place: str, version: str, *, is_new: bool = False) -> TokenSet:
        """Read the tokens of exactly this version: stage labels are only eventually consistent.

        Raises Rejected where secret or version are missing, or the JSON is no TokenSet, and NotRead. A version
        that `is_new` is not missing but NotRead: it is not seen everywhere at once.
        """
        name = f"{self.prefix}/tokens/{place}"
        text = self._find(name, VersionId=version)
        if text is None:
            raise (NotRead if is_new else Rejected)(f"secret {name}: has no version {version}")
        return _parse(TokenSet, text, name)

    def latest_version(self, place: str, version: str) -> str:
        """Follow a version's successors to the last: a run that was killed leaves one that no record names yet.

        Raises NotRead, and Rejected where the secret is scheduled for deletion.
        """
        while self._holds(place, child := next_version_id(_connection_at(place), version)):
            version = child
        return version

    def credentials(self, place: str, kind: type[Secret]) -> Secret:
        """Read what people stored for a connection.

        Raises Rejected, field by field, where it can't be used, and NotRead.
        """
        name = f"{self.prefix}/credentials/{place}"
        return _parse(kind, self.text(name), name)

    def find_webhook_secret(self, place: str, kind: type[Secret]) -> Secret | None:
        """Read what a sender's connection signs with; None where there is none. Raises Rejected and NotRead."""
        name = f"{self.prefix}/webhooks/{place}"
        text = self._find(name, VersionStage="AWSCURRENT")
        return None if text is None else _parse(kind, text, name)

    def find_webhook_secrets(self, places: Iterable[str], kind: type[Secret]) -> "dict[str, Secret | LeaverError]":
        """Read what all of these connections sign with, at once; where one can't be used, why. Raises NotRead."""
        names = {f"{self.prefix}/webhooks/{place}": place for place in places}
        found: dict[str, Secret | LeaverError] = {}
        for some in (list(names)[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)):
            try:
                answer = self._secrets_manager.batch_get_secret_value(SecretIdList=some)
            except (BotoCoreError, ClientError) as error:
                raise NotRead(f"secrets {self.prefix}/webhooks: {error_code(error)}") from None
            for each in answer["SecretValues"]:
                found[names[each["Name"]]] = _parsed(kind, each.get("SecretString", ""), each["Name"])
            for failed in answer["Errors"]:
                if failed["ErrorCode"] != "ResourceNotFoundException":
                    reason = f"secret {failed['SecretId']}: {failed['ErrorCode']}"
                    found[names[failed["SecretId"]]] = NotRead(reason)
        return found

    def text(self, name: str) -> str:
        """Read the current text of a secret, by its whole name; raises Rejected where it is missing, and NotRead."""
        text = self._find(name, VersionStage="AWSCURRENT")
        if text is None:
            raise Rejected(f"secret {name}: is missing")
        return text

    def store_next(self, place: str, parent_version: str, tokens: TokenSet) -> str:
        """Store the successor of `parent_version` and return its version id.

        To repeat this with the same tokens is harmless; other tokens AWS refuses (ResourceExistsException), so that a
        parent has one child. Raises Superseded then, and NotKept whatever else is the cause.
        """
        version = next_version_id(_connection_at(place), parent_version)
        failure: LeaverError
        try:
            self._secrets_manager.put_secret_value(
                SecretId=f"{self.prefix}/tokens/{place}", ClientRequestToken=version, SecretString=_json(tokens)
            )
        except self._secrets_manager.exceptions.ResourceExistsException:
            failure = Superseded(f"secret {self.prefix}/tokens/{place}: {version} holds other tokens")
        except (BotoCoreError, ClientError) as error:
            failure = NotKept(f"secret {self.prefix}/tokens/{place}: {error_code(error)}")
        else:
            return version
        # outside its handler: a botocore error may show what it was given
        raise failure

    def store_first(self, place: str, version: str, tokens: TokenSet) -> None:
        """Store the first tokens of a grant that a person has just made, under a version id of their own.

        Makes the secret where there is none. Raises NotKept.
        """
        self._put_or_create(f"tokens/{place}", SecretStr(_json(tokens)), version)

    def store_credentials(self, place: str, text: SecretStr) -> None:
        """Store what a connection logs in with, as JSON; raises NotKept."""
        self._put_or_create(f"credentials/{place}", text, str(uuid4()))

    def store_webhook_secret(self, place: str, text: SecretStr) -> None:
        """Store what a sender's connection signs with, as JSON; raises NotKept."""
        self._put_or_create(f"webhooks/{place}", text, str(uuid4()))

    def destroy(self, place: str) -> None:
        """Destroy a connection's secrets at once and for good."""
        for kind in ("tokens", "credentials"):
            try:
                self._secrets_manager.delete_secret(
                    SecretId=f"{self.prefix}/{kind}/{place}", ForceDeleteWithoutRecovery=True
                )
            except self._secrets_manager.exceptions.ResourceNotFoundException:
                continue

    def _put_or_create(self, path: str, text: SecretStr, version: str) -> None:
        name = f"{self.prefix}/{path}"
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_arn} if self._kms_key_arn else {}
        try:
            try:
                self._secrets_manager.put_secret_value(
                    SecretId=name, SecretString=text.get_secret_value(), ClientRequestToken=version
                )
            except self._secrets_manager.exceptions.ResourceNotFoundException:
                self._secrets_manager.create_secret(
                    Name=name, SecretString=text.get_secret_value(), ClientRequestToken=version, **key
                )
        except (BotoCoreError, ClientError) as error:
            failure = NotKept(f"secret {name}: {error_code(error)}")
        else:
            return
        # outside its handler: a botocore error may show what it was given
        raise failure

    def _holds(self, place: str, version: str) -> bool:
        return self._find(f"{self.prefix}/tokens/{place}", VersionId=version) is not None

    def _find(self, name: str, **which: Any) -> str | None:
        try:
            # What somebody stored as binary is no text, and no JSON.
            return self._secrets_manager.get_secret_value(SecretId=name, **which).get("SecretString", "")
        except self._secrets_manager.exceptions.ResourceNotFoundException:
            return None
        except self._secrets_manager.exceptions.InvalidRequestException:
            raise Rejected(f"secret {name}: is scheduled for deletion") from None
        except (BotoCoreError, ClientError) as error:
            raise NotRead(f"secret {name}: {error_code(error)}") from None


def _connection_at(place: str) -> str:
    return place.rpartition("/")[2]


def _parse(kind: type[Secret], text: str, name: str) -> Secret:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise Rejected(f"secret {name}: {explain(error, kind)}") from None


def _parsed(kind: type[Secret], text: str, name: str) -> Secret | Rejected:
    try:
        return _parse(kind, text, name)
    except Rejected as rejected:
        return rejected


def _json(tokens: TokenSet) -> str:
    return json.dumps(
        {
            "access_token": tokens.access_token.get_secret_value(),
            "refresh_token": tokens.refresh_token.get_secret_value() if tokens.refresh_token else None,
            "expires_at": tokens.expires_at.isoformat(),
            "scope": tokens.scope,
            **({"is_partial": True} if tokens.is_partial else {}),
        }
    )


def error_code(error: Exception) -> str:
    """What of an error of Secrets Manager may be shown: never its message, which may quote what it was given."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
