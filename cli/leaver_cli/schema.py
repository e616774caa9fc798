"""`leaver schema`: what Leaver takes and announces, as JSON Schema and as a page, made from the models themselves."""

import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

import click
import typer
from pydantic import BaseModel

from leaver.messages.commands import Command
from leaver.messages.decisions import Begin
from leaver.messages.events import (
    Announcement,
    CaseAnnouncement,
    ConnectionAnnouncement,
    OffboardingRequested,
    PeopleNotified,
    SourceAnnouncement,
    Subject,
)
from leaver.messages.previews import Preview
from leaver_cli.terminal import Terminal, printable, show_json

#: by the page's headings
PARTS: Final[Mapping[str, tuple[type[BaseModel], ...]]] = MappingProxyType(
    {
        "What an HR system sends": (OffboardingRequested,),
        "What a person decides": (Begin, Preview),
        "Commands": tuple(each for each in Command.__subclasses__() if each.__module__ == Command.__module__),
        "Announcements": (
            Announcement,
            CaseAnnouncement,
            ConnectionAnnouncement,
            SourceAnnouncement,
            PeopleNotified,
        ),
    }
)
MODELS: Final = {each.__name__: each for models in PARTS.values() for each in models}
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_INTRODUCTION: Final = """\
# Messages

What Leaver takes and announces, field by field. `leaver schema --page` makes this page of the models; `leaver schema`
makes JSON Schema of them, and `leaver schema OffboardingRequested` of one. What a field means beyond its sentence is in
[commands.md](commands.md), [cases.md](cases.md) and [notices.md](notices.md).

- In what Leaver takes, a field that is not named here is refused.
- To what Leaver announces, fields may be added: ignore what you do not know.
- `x-expected` in the JSON Schema says in words which texts a field takes.
"""


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="[MESSAGE]", help="One message, such as OffboardingRequested; else all.")
    ] = None,
    *,
    page: Annotated[bool, typer.Option("--page", help="The reference page, in Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON Schema: so it is without --page.")] = False,
) -> None:
    """Print the JSON Schema of what Leaver takes and announces, or the reference page; needs no stack."""
    if page and (as_json or name):
        raise click.UsageError("--page is the whole page: without MESSAGE and --json")
    if name is not None and name not in MODELS:
        raise click.UsageError(f"there is no message {printable(name)}: expected one of {', '.join(MODELS)}")
    if page:
        console = Terminal()
        for line in reference_page().splitlines():
            console.say(line)
    else:
        show_json(_schema_of(MODELS[name]) if name else {"$schema": DIALECT, "$defs": _definitions()})


def reference_page() -> str:
    """The page docs/messages.md."""
    parts = [_INTRODUCTION]
    for heading, models in PARTS.items():
        parts.append(f"## {heading}\n")
        if issubclass(models[0], Command):
            parts += [
                "Every command takes these fields; `case_id`, `account` and `alias` are Leaver's own:\n",
                _table(Command),
            ]
        for model in models:
            parts += [f"### `{model.__name__}`\n", f"{inspect.getdoc(model)}\n", _table(model)]
            if "subject" in model.model_fields and model.model_fields["subject"].annotation is Subject:
                parts += ["`subject`:\n", _table(Subject)]
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    told, properties = _comments(model), model.model_json_schema()["properties"]
    rows = ["| field | value | |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if model is not Command and name in Command.model_fields and name not in model.__annotations__:
            continue
        value = f"{_value(properties[name])}{'' if field.is_required() else _default(properties[name])}"
        words = [*(["needed"] if field.is_required() else []), *([told[name]] if name in told else [])]
        rows.append(f"| `{name}` | {value} | {'. '.join(map(_sentence, words))} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"


def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, model in MODELS.items():
        told = _schema_of(model)
        found |= told.pop("$defs", {})
        found[name] = told
    return found


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON Schema, with what the source says of each field."""
    told = model.model_json_schema()
    for name, text in _comments(model).items():
        told["properties"][name]["description"] = text
    for name in told.get("$defs", {}):
        if name == Subject.__name__:
            for field, text in _comments(Subject).items():
                told["$defs"][name]["properties"][field]["description"] = text
    return told


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """What `#:` says of each field, also of those that a model inherits."""
    told: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if not issubclass(each, BaseModel) or each is BaseModel:
            continue
        waiting: list[str] = []
        for line in inspect.getsource(each).splitlines():
            if comment := re.match(r"\s+#: ?(.*)", line):
                waiting.append(comment[1])
                continue
            if (field := re.match(r"    (\w+):", line)) and field[1] in model.model_fields:
                told[field[1]] = " ".join(waiting)
            waiting = []
    return {name: text for name, text in told.items() if text}


def _value(told: Mapping[str, Any]) -> str:
    """What a field may hold, in words."""
    if "anyOf" in told:
        return " or ".join(_value(each) for each in told["anyOf"] if each.get("type") != "null")
    if "$ref" in told:
        return "object"
    if choices := told.get("enum", [told["const"]] if "const" in told else []):
        return ", ".join(f"`{each}`" for each in choices)
    if told.get("format") == "date-time":
        return "a time, ISO 8601 with its zone"
    bounds = [f"{words} {told[key]}" for key, words in (("minimum", "from"), ("maximum", "to")) if key in told]
    return " ".join([str(told.get("x-expected", told.get("type", "anything"))), *bounds])


def _default(told: Mapping[str, Any]) -> str:
    default = told.get("default")
    if default is None or "const" in told:
        return ""
    return f"; else `{str(default).lower() if isinstance(default, bool) else default}`"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
