"""What a deployed stack says of itself: where its connections and secrets are, and which providers it speaks to."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError
from pydantic import SecretStr

from leaver import settings
from leaver.cases.people import name_of
from leaver.cases.record import Cases
from leaver.connections.grants import Grants
from leaver.connections.record import Connections
from leaver.providers.ca_bundle import CaBundle
from leaver.providers.transport import Transport
from leaver.providers.venafi.api import Venafi
from leaver.providers.venafi.oauth import VenafiAuth
from leaver.providers.zoom.api import Zoom, ZoomUser
from leaver.providers.zoom.oauth import ZoomOAuth
from leaver.storage.secrets import SecretStore
from leaver_cli.connections.request import ConnectionRequest, NewConnection, Target
from leaver_cli.connections.setup import ConnectionSetup, Established, credentials_json
from leaver_cli.stack import AWS, Stack, reach

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: A lease is judged by the clocks of whoever takes it and whoever finds it; connections.LEASE allows for no more.
LARGEST_SKEW: Final = timedelta(minutes=1)


class NoSuchStack(Exception):
    """There is no such stack here, or it is not Leaver's."""


class WrongClock(Exception):
    """The clock of this machine is too wrong to change a connection by."""


@dataclass(frozen=True)
class Deployment:
    """A stack, as far as its connections and cases are concerned."""

    stack: Stack
    connections: Connections
    cases: Cases
    secret_store: SecretStore
    #: the template's parameters
    parameters: Mapping[str, str]
    #: by how much AWS's clock is ahead of this machine's
    ahead: timedelta
    secrets_manager: "SecretsManagerClient" = field(repr=False)

    @cached_property
    def zoom_oauth_url(self) -> str:
        """Zoom's OAuth host."""
        return self.parameters["ZoomOAuthUrl"]

    @cached_property
    def venafi_url(self) -> str:
        """Venafi's host."""
        return self.parameters["VenafiUrl"]

    @cached_property
    def zoom_oauth(self) -> ZoomOAuth:
        """Zoom's token endpoints."""
        return ZoomOAuth(_transport(self.zoom_oauth_url), now)

    @cached_property
    def zoom(self) -> Zoom:
        """Zoom's REST API."""
        return Zoom(_transport(self.parameters["ZoomApiUrl"]), now)

    @cached_property
    def venafi(self) -> Venafi:
        """Venafi, trusted as the functions trust it; raises Rejected where its CA certificates can't be read."""
        secret = self.parameters["VenafiCaBundle"]
        bundle = CaBundle(f"secret {secret}", lambda: self.secret_store.text(secret)) if secret else None
        transport = _transport(self.venafi_url, bundle)
        # Before anybody is asked for a password.
        transport.load_roots()
        return Venafi(transport, now)

    def check_the_clock(self) -> None:
        """Raise WrongClock where a lease would begin too early or too late: others could not tell when it ends."""
        if abs(self.ahead) > LARGEST_SKEW:
            which = "behind" if self.ahead > timedelta(0) else "ahead of"
            seconds = round(abs(self.ahead).total_seconds())
            raise WrongClock(f"this machine's clock is {seconds} seconds {which} AWS's: set it, and try again")

    def establish(self, new: ConnectionRequest, target: Target) -> Established:
        """Write a connection into the stack; raises what ConnectionSetup.establish does, and WrongClock."""
        self.check_the_clock()
        # The other provider is not asked anything, and its CA certificates may not be there yet.
        venafi = self.venafi if new.provider == "venafi" else VenafiAuth(_transport(self.venafi_url), now)
        setup = ConnectionSetup(
            connections=self.connections,
            secret_store=self.secret_store,
            grants=Grants(zoom=self.zoom_oauth, venafi=venafi, secret_store=self.secret_store),
            holder=f"connect#{uuid4()}",
            clock=now,
            pause=time.sleep,
        )
        return setup.establish(
            NewConnection(
                name=target.name,
                provider=new.provider,
                account=new.account,
                grant_type=new.grant_type,
                role=target.role,
                # As people are remembered: whoever leaves is looked up by that.
                owner=name_of(target.owner.strip()),
                credentials=credentials_json(new.credentials),
                obtain=new.obtain,
                find_consenter=_find_consenter(new),
            )
        )


def describe(name: str, region: str | None, profile: str | None) -> Deployment:
    """Ask CloudFormation for a stack's parameters and outputs; raises NoSuchStack."""
    session = boto3.Session(region_name=region, profile_name=profile)
    cloudformation = session.client("cloudformation", config=AWS)
    try:
        told = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise NoSuchStack(
            f"there is no stack {name} in {cloudformation.meta.region_name}:"
            " is it called so (--stack), is it this region and account (--region, --profile)?"
        ) from None
    (stack,) = told["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}
    if not {"ConnectionsTable", "CasesTable", "KeyArn", "SecretPrefix"} <= outputs.keys():
        raise NoSuchStack(f"stack {name} is not Leaver's, or not deployed yet: it has no output ConnectionsTable")
    secrets_manager = session.client("secretsmanager", config=AWS)
    dynamodb = session.client("dynamodb", config=AWS)
    return Deployment(
        stack=reach(name, region, profile),
        connections=Connections(dynamodb, table=outputs["ConnectionsTable"]),
        cases=Cases(dynamodb, table=outputs["CasesTable"]),
        secret_store=SecretStore(secrets_manager, prefix=outputs["SecretPrefix"], kms_key_arn=outputs["KeyArn"]),
        parameters=parameters,
        ahead=_ahead(told["ResponseMetadata"]["HTTPHeaders"]["date"]),
        secrets_manager=secrets_manager,
    )


def now() -> datetime:
    """Tell the time of this machine."""
    return datetime.now(tz=UTC)


def _ahead(date: str) -> timedelta:
    return parsedate_to_datetime(date) - now()


def _transport(url: str, ca_bundle: CaBundle | None = None) -> Transport:
    return Transport(url, ca_bundle=ca_bundle, plain_http_hosts=settings.local_world(os.environ), clock=now)


def _find_consenter(new: ConnectionRequest) -> Callable[[SecretStr], str | None]:
    def find(access_token: SecretStr) -> str | None:
        user = new.find_consenter(access_token) if new.find_consenter else None
        return user.id if isinstance(user, ZoomUser) else None

    return find
