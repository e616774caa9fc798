"""template.yaml as CloudFormation sees it: loops and SAM expanded, conditions settled, intrinsics resolved."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import boto3
import yaml

# Neither package carries types.
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import intrinsics_multi_constructor  # type: ignore[import-untyped]

#: CloudFormation values are JSON of any shape
Json: TypeAlias = Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"
STACK = "leaver"

#: stands for AWS::NoValue: whatever holds it drops it
_NO_VALUE = object()

PSEUDO_PARAMETERS: Mapping[str, Json] = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": _NO_VALUE,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/local",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}

_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")

#: `sam build` uploads code and puts an S3 address here; the translator insists on one
_LOCAL_CODE = "s3://local/"


class TemplateError(Exception):
    """The template can't be built here; says which resource and why."""


class _CloudFormationLoader(yaml.CSafeLoader):
    """SAM's own reader of YAML with `!Ref` and its like, but in C: the template is long."""


_CloudFormationLoader.add_multi_constructor("!", intrinsics_multi_constructor)


class References(Protocol):
    """What a resource may point at: the other resources of the stack."""

    def ref(self, logical_id: str) -> str:
        """Give what `Ref` stands for."""

    def attribute(self, logical_id: str, name: str) -> str:
        """Give what `Fn::GetAtt` stands for."""


class Template:
    """The resources that exist with these `parameters` (the template's defaults fill the rest).

    `pseudo` parameters make another stack of it than the local one, such as {"AWS::StackName": "leaver-test"}.
    The parameters' own patterns are not checked: they demand https, and the simulators speak plain http on loopback.
    """

    def __init__(self, path: Path, parameters: Mapping[str, str], pseudo: Mapping[str, str] | None = None) -> None:
        source = parsed(path.read_text())
        unknown = parameters.keys() - source.get("Parameters", {}).keys()
        if unknown:
            raise TemplateError(f"{path.name} has no parameter {', '.join(sorted(unknown))}")
        document = json.loads(_expanded(path.read_text()))
        own = _parameter_values(document, parameters)
        self._parameters = {**PSEUDO_PARAMETERS, **(pseudo or {}), **own}
        #: as CloudFormation tells them: lists as text
        self.parameters = {name: ",".join(it) if isinstance(it, list) else str(it) for name, it in own.items()}
        self._mappings = document.get("Mappings", {})
        self._conditions = document.get("Conditions", {})
        self.resources: dict[str, Json] = self._existing(document["Resources"])
        #: not yet resolved
        self.outputs: dict[str, Json] = {
            name: it["Value"] for name, it in self._existing(document.get("Outputs", {})).items()
        }

    @property
    def stack_name(self) -> str:
        """What `AWS::StackName` stands for."""
        return str(self._parameters["AWS::StackName"])

    def _existing(self, declared: Mapping[str, Json]) -> dict[str, Json]:
        return {name: it for name, it in declared.items() if "Condition" not in it or self._holds(it["Condition"])}

    def resolve(self, value: Json, references: References) -> Json:
        """`value` with every intrinsic function replaced by what it stands for."""
        if isinstance(value, list):
            items = [self.resolve(item, references) for item in value]
            return [item for item in items if item is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self._ref(argument, references)
            if name == "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self._holds(condition) else otherwise, references)
            if name.startswith("Fn::"):
                return self._call(name, argument, references)
        fields = {key: self.resolve(item, references) for key, item in value.items()}
        return {key: item for key, item in fields.items() if item is not _NO_VALUE}

    def _ref(self, name: str, references: References) -> Json:
        return self._parameters[name] if name in self._parameters else references.ref(name)

    def _call(self, name: str, argument: Json, references: References) -> Json:
        functions: dict[str, Callable[[Json], Json]] = {
            "Fn::FindInMap": lambda path: self._mappings[path[0]][path[1]][path[2]],
            "Fn::GetAtt": lambda path: references.attribute(path[0], path[1]),
            "Fn::Join": lambda parts: parts[0].join(parts[1]),
            "Fn::Select": lambda choice: choice[1][int(choice[0])],
            "Fn::Split": lambda parts: parts[1].split(parts[0]),
            "Fn::Sub": lambda text: self._substitute(text, references),
        }
        if name not in functions:
            raise TemplateError(f"{name} is not understood here")
        return functions[name](self.resolve(argument, references))

    def _substitute(self, argument: Json, references: References) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replacement(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                return str(variables[name])
            logical_id, dot, attribute = name.partition(".")
            return str(references.attribute(logical_id, attribute) if dot else self._ref(name, references))

        return _SUBSTITUTION.sub(replacement, text)

    def _holds(self, condition: Json) -> bool:
        if isinstance(condition, str):
            return self._holds(self._conditions[condition])
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self._holds(argument)
        if name == "Fn::Equals":
            left, right = self.resolve(argument, _NoResources())
            return bool(left == right)
        if name == "Fn::Not":
            return not self._holds(argument[0])
        if name == "Fn::And":
            return all(self._holds(one) for one in argument)
        if name == "Fn::Or":
            return any(self._holds(one) for one in argument)
        raise TemplateError(f"condition {name} is not understood here")


class _NoResources:
    """Conditions are settled before any resource exists."""

    def ref(self, logical_id: str) -> str:
        raise TemplateError(f"a condition refers to {logical_id}, which is no parameter")

    def attribute(self, logical_id: str, name: str) -> str:
        raise TemplateError(f"a condition refers to {logical_id}.{name}")


@cache
def parsed(text: str) -> Json:
    """Return a template as it is written, parsed once: nobody may change it."""
    return yaml.load(text, _CloudFormationLoader)  # noqa: S506 - it is a safe one  # nosec B506


@cache
def _expanded(text: str) -> str:
    """Return a template without its loops and without SAM, as JSON; what it refers to is still to be resolved."""
    source = _write_out_loops(parsed(text), {})
    global_code = source.get("Globals", {}).get("Function", {}).get("CodeUri")
    for resource in source["Resources"].values():
        properties = resource.setdefault("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = _LOCAL_CODE + properties.get("CodeUri", global_code)
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = _LOCAL_CODE + properties["ContentUri"]
    # Without parameters the translator knows no value of any, and leaves every reference to one as it is.
    declared = source.pop("Parameters", {})
    translator = Translator(None, Parser(), boto_session=boto3.Session(region_name=REGION))
    document = translator.translate(source, {}, get_managed_policy_map=dict)
    return json.dumps(document | {"Parameters": declared})


def _parameter_values(document: Json, parameters: Mapping[str, str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for name, declaration in document.get("Parameters", {}).items():
        value = parameters.get(name, declaration.get("Default"))
        if value is None:
            raise TemplateError(f"parameter {name} has neither a value nor a default")
        is_list = declaration["Type"] == "CommaDelimitedList" or declaration["Type"].startswith("List<")
        values[name] = [item.strip() for item in str(value).split(",") if item.strip()] if is_list else value
    return values


def _write_out_loops(node: Json, bound: Mapping[str, str]) -> Json:
    """`node` as AWS::LanguageExtensions leaves it to SAM: every Fn::ForEach written out, what is `bound` replaced.

    What is returned is a copy, all the way down.
    """
    if isinstance(node, str):
        return _SUBSTITUTION.sub(lambda found: bound.get(found[1] + found[2], found[0]), node)
    if isinstance(node, list):
        return [_write_out_loops(item, bound) for item in node]
    if not isinstance(node, dict):
        return node
    fields: dict[str, Json] = {}
    for key, value in node.items():
        if key.startswith("Fn::ForEach::"):
            name, values, body = value
            if not isinstance(values, list):
                raise TemplateError(f"{key} loops over {values}, which is no list")
            for each in values:
                fields |= _write_out_loops(body, {**bound, name: each})
        else:
            fields[_write_out_loops(key, bound)] = _write_out_loops(value, bound)
    match fields:
        case {"Ref": str(name)} if name in bound:
            return bound[name]
        # SAM wants to see the logical id of a Ref or a GetAtt, not what makes it.
        case {"Fn::Sub": str(text)} if not _SUBSTITUTION.search(text):
            return text
    return fields
