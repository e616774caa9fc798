"""Secrets Manager in memory, as AWS documents it where moto is laxer, and what a connection keeps there."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from botocore.exceptions import ClientError, ReadTimeoutError

from leaver.storage.secrets import SecretStore
from tests.doubles.clock import NOW

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: the version id of the tokens that connections begin with
PARENT = "0d5d3b2e-6b7c-4f0e-9a53-6f2a3a0c7c11"


class ResourceNotFoundException(ClientError):
    """No such secret, version or stage."""


class ResourceExistsException(ClientError):
    """A secret of this name, or a version under this ClientRequestToken with another value, is there already."""


class InvalidRequestException(ClientError):
    """The secret is scheduled for deletion."""


class Exceptions:
    """What a boto3 client has as `exceptions`."""

    ResourceNotFoundException = ResourceNotFoundException
    ResourceExistsException = ResourceExistsException
    InvalidRequestException = InvalidRequestException


@dataclass
class Secret:
    """One secret: its values by version, and which version carries which stage."""

    versions: dict[str, str] = field(default_factory=dict, repr=False)
    stages: dict[str, str] = field(default_factory=dict)
    kms_key_id: str | None = None
    deleted: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    #: when each version was made, where somebody's clock was there to say so
    made: dict[str, datetime] = field(default_factory=dict)


@dataclass
class StrictSecretsManager:
    """PutSecretValue under a used ClientRequestToken is harmless with the same value, and refused with another."""

    secrets: dict[str, Secret] = field(default_factory=dict)
    exceptions: Exceptions = field(default_factory=Exceptions)
    #: the next writes are refused
    read_only: bool = False
    #: the next writes are taken, and their answers lost
    mute: bool = False
    #: the next reads fail
    unreadable: bool = False
    #: versions that reads don't find yet: Secrets Manager is eventually consistent
    unseen: set[str] = field(default_factory=set)
    #: which reads don't find them, counted from 1; None: none does. What one server shows, another does not yet
    unseen_by: set[int] | None = None
    #: how many reads there were
    reads: int = 0
    #: how many more versions are taken today (AWS takes a hundred or so of one secret); None: as many as come
    versions_left: int | None = None
    #: secrets that no list shows yet: it is up to five minutes behind
    unlisted: set[str] = field(default_factory=set)
    #: names that are not free yet: what is destroyed at once is gone a moment later
    lingering: set[str] = field(default_factory=set)
    #: how many secrets a page of a list holds
    page: int = 100
    #: how often each operation was called
    calls: Counter[str] = field(default_factory=Counter)
    #: with it, a secret takes a hundred versions in a day and no more
    clock: Callable[[], datetime] | None = None

    @property
    def client(self) -> "SecretsManagerClient":
        return cast("SecretsManagerClient", self)

    def create_secret(
        self,
        *,
        Name: str,  # noqa: N803 - AWS's names, here and below
        SecretString: str,  # noqa: N803
        Description: str = "",  # noqa: ARG002, N803
        Tags: Sequence[Mapping[str, str]] = (),  # noqa: N803
        KmsKeyId: str | None = None,  # noqa: N803
        ClientRequestToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        _check_name(Name, "CreateSecret")
        if Name in self.lingering or (Name in self.secrets and self.secrets[Name].deleted):
            raise _error(InvalidRequestException, "CreateSecret")
        if Name in self.secrets:
            raise _error(ResourceExistsException, "CreateSecret")
        if self.read_only:
            raise ClientError({"Error": {"Code": "InternalServiceError", "Message": ""}}, "CreateSecret")
        self.secrets[Name] = Secret(kms_key_id=KmsKeyId, tags=_tags(Tags, "CreateSecret"))
        return StrictSecretsManager.put_secret_value(
            self, SecretId=Name, SecretString=SecretString, ClientRequestToken=ClientRequestToken
        )

    def tag_resource(self, *, SecretId: str, Tags: Sequence[Mapping[str, str]]) -> None:  # noqa: N803
        self.calls["TagResource"] += 1
        secret = self._secret(SecretId, "TagResource")
        secret.tags |= _tags(Tags, "TagResource")
        assert len(secret.tags) <= 50

    def list_secrets(
        self,
        *,
        Filters: Sequence[Mapping[str, Any]],  # noqa: N803
        IncludePlannedDeletion: bool = False,  # noqa: N803
        MaxResults: int = 100,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        """Names, tags and never a value; a filter matches where the name begins so, and capitals matter."""
        self.calls["ListSecrets"] += 1
        assert 1 <= MaxResults <= 100
        (only,) = Filters
        assert only["Key"] == "name"
        (prefix,) = only["Values"]
        found = [
            {"Name": name, "Tags": [{"Key": key, "Value": value} for key, value in secret.tags.items()]}
            for name, secret in self.secrets.items()
            if name.startswith(prefix) and name not in self.unlisted and (IncludePlannedDeletion or not secret.deleted)
        ]
        start, end = int(NextToken), int(NextToken) + min(self.page, MaxResults)
        following = {"NextToken": str(end)} if end < len(found) else {}
        return {"SecretList": found[start:end]} | following

    def list_secret_version_ids(
        self,
        *,
        SecretId: str,  # noqa: N803
        IncludeDeprecated: bool = False,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        """Of a secret that is scheduled for deletion, too: its documentation names no error for that."""
        self.calls["ListSecretVersionIds"] += 1
        if SecretId not in self.secrets:
            raise _error(ResourceNotFoundException, "ListSecretVersionIds")
        secret = self.secrets[SecretId]
        labelled = set(secret.stages.values())
        found = [
            {"VersionId": version, "CreatedDate": secret.made.get(version, NOW)}
            for version in secret.versions
            if IncludeDeprecated or version in labelled
        ]
        start, end = int(NextToken), int(NextToken) + self.page
        following = {"NextToken": str(end)} if end < len(found) else {}
        return {"Versions": found[start:end]} | following

    def delete_secret(self, *, SecretId: str, ForceDeleteWithoutRecovery: bool) -> None:  # noqa: N803
        # To force the deletion of a secret that is not there, or is scheduled for it, is no error.
        assert ForceDeleteWithoutRecovery
        self.calls["DeleteSecret"] += 1
        _check_name(SecretId, "DeleteSecret")
        self.secrets.pop(SecretId, None)

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self.calls["DescribeSecret"] += 1
        _check_name(SecretId, "DescribeSecret")
        # It describes a secret that is scheduled for deletion, too.
        if SecretId not in self.secrets:
            raise _error(ResourceNotFoundException, "DescribeSecret")
        return {"Name": SecretId}

    def put_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803
        SecretString: str,  # noqa: N803
        ClientRequestToken: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        secret = self._secret(SecretId, "PutSecretValue")
        if self.read_only:
            raise ClientError({"Error": {"Code": "InternalServiceError", "Message": ""}}, "PutSecretValue")
        version = ClientRequestToken or str(uuid4())
        assert 32 <= len(version) <= 64
        if secret.versions.get(version, SecretString) != SecretString:
            raise _error(ResourceExistsException, "PutSecretValue")
        if version not in secret.versions:
            if self.versions_left is not None:
                if self.versions_left == 0:
                    raise ClientError({"Error": {"Code": "LimitExceededException", "Message": ""}}, "PutSecretValue")
                self.versions_left -= 1
            if self.clock:
                day_ago = self.clock() - timedelta(hours=24)
                if sum(made > day_ago for made in secret.made.values()) >= 100:
                    raise ClientError({"Error": {"Code": "LimitExceededException", "Message": ""}}, "PutSecretValue")
                secret.made[version] = self.clock()
            secret.versions[version] = SecretString
            if current := secret.stages.get("AWSCURRENT"):
                secret.stages["AWSPREVIOUS"] = current
            secret.stages["AWSCURRENT"] = version
        if self.mute:
            raise ReadTimeoutError(endpoint_url="https://secretsmanager.eu-central-1.amazonaws.com/")
        return {
            "ARN": f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{SecretId}-a1b2c3",
            "VersionId": version,
        }

    def get_secret_value(
        self,
        *,
        SecretId: str,  # noqa: N803
        VersionId: str | None = None,  # noqa: N803
        VersionStage: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        if self.unreadable:
            raise ClientError({"Error": {"Code": "InternalServiceError", "Message": ""}}, "GetSecretValue")
        secret = self._secret(SecretId, "GetSecretValue")
        assert VersionId is None or 32 <= len(VersionId) <= 64
        version = VersionId or secret.stages.get(VersionStage or "AWSCURRENT")
        self.reads += 1
        is_unseen = version in self.unseen and (self.unseen_by is None or self.reads in self.unseen_by)
        if version not in secret.versions or is_unseen:
            raise _error(ResourceNotFoundException, "GetSecretValue")
        return {"SecretString": secret.versions[version], "VersionId": version}

    def batch_get_secret_value(self, *, SecretIdList: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        """At most twenty; of each its value, or why there is none."""
        assert 0 < len(SecretIdList) <= 20
        self.calls["BatchGetSecretValue"] += 1
        if self.unreadable:
            raise ClientError({"Error": {"Code": "InternalServiceError", "Message": ""}}, "BatchGetSecretValue")
        found: list[dict[str, Any]] = []
        failed: list[dict[str, str]] = []
        for name in SecretIdList:
            try:
                found.append({"Name": name, **self.get_secret_value(SecretId=name)})
            except ClientError as error:
                failed.append({"SecretId": name, "ErrorCode": error.response["Error"]["Code"], "Message": ""})
        return {"SecretValues": found, "Errors": failed}

    def _secret(self, name: str, operation: str) -> Secret:
        if name not in self.secrets:
            raise _error(ResourceNotFoundException, operation)
        if self.secrets[name].deleted:
            raise _error(InvalidRequestException, operation)
        return self.secrets[name]


def tokens(
    access_token: str = "access-1",  # noqa: S107 - made up
    refresh_token: str | None = "refresh-1",  # noqa: S107 - made up
    expires_at: datetime = NOW + timedelta(minutes=30),
) -> str:
    """The JSON of a connection's tokens."""
    told = {"access_token": access_token, "expires_at": expires_at.isoformat(), "scope": "user:read:admin"}
    return json.dumps(told | ({"refresh_token": refresh_token} if refresh_token else {}))


def place_of(name: str) -> str:
    """Where the secrets of a connection of that name lie: the tests call connections after their providers."""
    return f"{next((each for each in ('venafi', 'acme', 'gusto') if each in name), 'zoom')}/{name}"


def secret_store_of(
    secrets: StrictSecretsManager, name: str = "zoom", text: str | None = None, *, place: str | None = None
) -> SecretStore:
    """A secret store with the first tokens and the credentials of one connection."""
    place = place or place_of(name)
    secrets.secrets[f"leaver/tokens/{place}"] = Secret({PARENT: text or tokens()}, {"AWSCURRENT": PARENT})
    credentials = {"client_id": "client-id"} | ({"client_secret": "client-secret"} if name == "zoom" else {})
    secrets.create_secret(Name=f"leaver/credentials/{place}", SecretString=json.dumps(credentials))
    return SecretStore(secrets.client, prefix="leaver")


def _check_name(name: str, operation: str) -> None:
    """Refuse what can't be a secret's name; moto does not."""
    if not re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", name):
        raise ClientError({"Error": {"Code": "ValidationException", "Message": "Invalid name."}}, operation)


def _tags(tags: Sequence[Mapping[str, str]], operation: str) -> dict[str, str]:
    """Refuse what can't be a tag, such as an apostrophe; moto does not."""
    for each in tags:
        if not all(re.fullmatch(r"[A-Za-z0-9 _.:/=+@-]*", text) for text in each.values()) or len(each["Key"]) > 128:
            raise ClientError({"Error": {"Code": "InvalidParameterException", "Message": "Invalid tag."}}, operation)
    return {each["Key"]: each["Value"] for each in tags}


def _error(kind: type[ClientError], operation: str) -> ClientError:
    return kind({"Error": {"Code": kind.__name__, "Message": "as AWS documents"}}, operation)
