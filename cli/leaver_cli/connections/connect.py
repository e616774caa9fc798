"""`leaver connect`: make a connection from nothing, and say what it still lacks."""

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

import click
import typer
from pydantic import BaseModel, TypeAdapter, ValidationError

from leaver.connections.record import Connection, Status
from leaver.consuming.answers import Answer
from leaver.errors import LeaverError, explain
from leaver.messages.commands import ConnectionName
from leaver.tokens import GrantedTokens
from leaver_cli.connections.destination import Describe, Destination
from leaver_cli.connections.from_lambda import FirstLogin
from leaver_cli.connections.health import moment
from leaver_cli.connections.misfits import unknown_owner
from leaver_cli.connections.request import ConnectionRequest, Role, Target
from leaver_cli.terminal import Terminal

Credentials = TypeVar("Credentials", bound=BaseModel)


def connection_name(name: str) -> str:
    """Hold an argument to what connections may be called."""
    try:
        return TypeAdapter(ConnectionName).validate_python(name)
    except ValidationError:
        raise typer.BadParameter("up to 32 lower-case letters, digits and hyphens, a letter first") from None


Name = Annotated[str, typer.Argument(metavar="[NAME]", callback=connection_name, help="What to call the connection.")]
ClientId = Annotated[str, typer.Option(prompt="Client ID", help="The app's client id.")]
Owner = Annotated[str, typer.Option(prompt="Owner (e-mail address)", help="Who answers for it, or whose it is.")]
RoleOption = Annotated[
    Role, typer.Option("--role", help="service: Leaver works through it; personal: it belongs to the owner.")
]


#: makes a provider's sub-command, given what finds the stack that a connection is made in
Form = Callable[[Describe], Callable[..., None]]


def commands(describe: Describe, forms: Mapping[str, Form]) -> typer.Typer:
    """Make the sub-commands, one for each provider."""
    app = typer.Typer(help="Make a connection, or authorize one again.", no_args_is_help=True)

    for name, form in forms.items():
        app.command(name)(form(describe))
    return app


def establish(into: Destination, new: ConnectionRequest, target: Target, console: Terminal) -> None:
    """Make the connection, and say what it still lacks; exits with 1 where not all is well with it."""
    made = into.establish(new, target)
    # Leaver does nothing through a personal connection but keep it alive and end it, which takes no scope.
    wrong = new.check(made.granted) if target.role == "service" else []
    if made.granted.is_partial:
        lacks = "may have held a refresh token: connect it again"
        wrong.append(f"{new.provider.title()}'s answer came damaged, and {lacks}")
    misfits, remarks = _whose(new, target, made.granted)
    wrong += misfits
    if made.old_grant is not None:
        outcome = f"the old grant: {made.old_grant}"
        if made.old_grant_ended:
            remarks.append(outcome)
        else:
            wrong.append(f"{outcome}; it may live: end it at {new.provider.title()}")
    remarks += [*_known(into, made.record), *into.look_around()]
    for each in [*wrong, *remarks]:
        console.say(each)
    found = (
        "but not all is well with it"
        if wrong
        else f"its access token lives until {made.record.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    console.say(f"{target.name} is connected, {found}")
    if wrong:
        raise typer.Exit(1)


def establish_from_lambda(
    into: Destination,
    login: FirstLogin,
    target: Target,
    console: Terminal,
    *,
    check: Callable[[str], list[str]],
    timeout: int,
) -> None:
    """Let a function make the first login, and say what came of it; exits with 1 where not all is well."""
    made = into.prove_from_lambda(login, target, timeout)
    if made.status is not Status.ACTIVE:
        because = made.reason or f"no function has tried it within {timeout} seconds: `leaver doctor --probe`"
        console.say(f"{target.name} is not connected: {because}")
        raise typer.Exit(1)
    answer = into.ask_for_owner(made)
    wrong = check(str(answer.found.get("scope", ""))) if answer and answer.because is None else []
    for each in [*wrong, *_of_owner(made, answer), *into.look_around()]:
        console.say(each)
    found = "but not all is well with it" if wrong else f"its access token lives until {moment(made.expires_at)}"
    console.say(f"{target.name} is connected from where the functions run, {found}")
    if wrong:
        raise typer.Exit(1)


def _known(into: Destination, made: Connection) -> list[str]:
    return _of_owner(made, into.ask_for_owner(made))


def _of_owner(made: Connection, answer: Answer | None) -> list[str]:
    if answer is None:
        return []
    if answer.because is not None:
        return [f"whether {made.provider} knows {made.owner} could not be asked: {answer.because}"]
    return [unknown_owner(made).sentence] if answer.found.get("nobody") else []


def _whose(new: ConnectionRequest, target: Target, tokens: GrantedTokens) -> tuple[list[str], list[str]]:
    """Compare who consented with whose it is to be: what is wrong, and what is only to be known."""
    if new.find_consenter is None:
        return [], []
    try:
        user = new.find_consenter(tokens.access_token)
    except LeaverError as error:
        return [], [f"who consented was not checked: {error.reason}"]
    if user is None:
        return [], [f"who consented was not checked: {new.provider.title()} does not say"]
    wrong, remarks = [], []
    if user.account is not None and user.account != new.account:
        wrong.append(f"who consented belongs to account {user.account}, and not to {new.account}")
    if user.email.casefold() != target.owner.strip().casefold():
        consent = f"{user.email} consented, and the owner is {target.owner}"
        if target.role == "personal":
            wrong.append(f"{consent}: a personal connection is whose consent it is")
        else:
            remarks.append(f"{consent}: the grant ends when {user.email} leaves {new.provider.title()}")
    return wrong, remarks


def checked(kind: type[Credentials], **fields: object) -> Credentials:
    """Hold what was typed to what a provider's credentials are; a UsageError names what is wrong, field by field."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise click.UsageError(explain(error, kind)) from None
