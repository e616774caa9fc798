"""`leaver connect acme`: by the code that somebody's consent brought."""

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from leaver_cli.connections.connect import ClientId, Form, Name, Owner, RoleOption, checked, establish
from leaver_cli.connections.destination import Describe
from leaver_cli.connections.forms import FORMS
from leaver_cli.connections.request import ConnectionRequest, Target
from leaver_cli.connections.secret_input import SecretInput
from leaver_cli.terminal import Terminal
from tests.doubles.acme.credentials import AcmeCredentials
from tests.doubles.acme.entry import ACME


def form(describe: Describe) -> Callable[..., None]:
    """Make the sub-command `leaver connect acme`."""

    def acme(
        name: Name = "acme",
        *,
        client_id: ClientId,
        client_secret_file: Annotated[str, typer.Option()],
        code_file: Annotated[str, typer.Option()],
        owner: Owner,
        role: RoleOption = "service",
    ) -> None:
        into = describe("leaver", "eu-central-1", None)
        asking = SecretInput()
        own = checked(AcmeCredentials, client_id=client_id, client_secret=asking.secret("secret", client_secret_file))
        code = asking.secret("code", code_file)
        oauth = into.client(ACME.client, ACME.host)
        new = ConnectionRequest(
            provider="acme",
            account="acme.example.com",
            grant_type="refresh_token",
            credentials=own,
            obtain=lambda: oauth.authorization_code(own, code),
            check=lambda _: [],
        )
        establish(into, new, Target(name, owner, role), Terminal())

    return acme


#: what a test passes in
WITH_ACME: Final[Mapping[str, Form]] = {**FORMS, "acme": form}
