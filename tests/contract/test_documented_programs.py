"""What a page shows of other programs than `leaver` is held by something: each by what its row says."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Final

import botocore.session
import pytest
from botocore import xform_name
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from tests.contract.stack import ROOT, WRITTEN
from tests.contract.test_documented_commands import PAGES, blocks

NAMES: Final = {str(page.relative_to(ROOT)): page for page in PAGES}
BY_HAND: Final = "needs Docker and a registry: run by hand, and the page says when and on what"
IN_AWS: Final = "needs an AWS account, which no test has; its parameters are held here against the template"
#: page and program, and what holds it: a file that runs it or holds it, or why nothing can
HELD: Final = {
    ("README.md", "aws"): "tests/contract/test_documented_programs.py",
    ("README.md", "make"): "tests/contract/test_documented_programs.py",
    ("README.md", "sam"): IN_AWS,
    ("docs/a-day.md", "curl"): "tests/e2e/test_played_pages.py",
    ("docs/cases.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/commands.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/connections.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/deploy.md", "make"): "tests/contract/test_documented_programs.py",
    ("docs/deploy.md", "sam"): IN_AWS,
    ("docs/evidence.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/evidence.md", "openssl"): "tests/evidence/test_foreign_verifiers.py",
    ("docs/evidence.md", "python"): "tests/integration/test_cli_verify.py",
    ("docs/evidence.md", "python3"): "tests/evidence/test_foreign_verifiers.py, tests/integration/test_cli_verify.py",
    ("docs/evidence.md", "sha256sum"): "tests/evidence/test_foreign_verifiers.py",
    ("docs/first-day.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/first-day.md", "git"): "needs a clone and the tag of a version to come",
    ("docs/first-day.md", "make"): "tests/contract/test_documented_programs.py",
    ("docs/first-day.md", "sam"): IN_AWS,
    ("docs/hr-sources.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/hr-sources.md", "curl"): "tests/contract/test_front_door_page.py",
    ("docs/hr-sources.md", "openssl"): "tests/contract/test_front_door_page.py",
    ("docs/notices.md", "aws"): "tests/contract/test_documented_programs.py",
    ("docs/notices.md", "sam"): IN_AWS,
    ("docs/sam-local.md", "apt-get"): BY_HAND,
    ("docs/sam-local.md", "curl"): BY_HAND,
    ("docs/sam-local.md", "debootstrap"): BY_HAND,
    ("docs/sam-local.md", "docker"): BY_HAND,
    ("docs/sam-local.md", "dockerd"): BY_HAND,
    ("docs/sam-local.md", "make"): "tests/contract/test_documented_programs.py",
    ("docs/sam-local.md", "python"): BY_HAND,
    ("docs/sam-local.md", "sam"): BY_HAND,
}
#: every shell's and every system's; and `leaver`, which tests/invoked.py holds
ORDINARY: Final = {
    *(
        "base64",
        "cat",
        "chmod",
        "cut",
        "date",
        "do",
        "done",
        "echo",
        "export",
        "for",
        "head",
        "mkdir",
        "od",
        "printf",
        "rm",
    ),
    *("leaver", "sed", "seq", "sleep", "sort", "source", "tar", "tr", "uniq"),
}
#: of the AWS CLI itself, and of no operation
CLI_OWN: Final = {"--query", "--output", "--endpoint-url", "--region", "--profile"}
#: of no operation of a service's model, and what the AWS CLI calls otherwise than the model
HIGH_LEVEL: Final = {("s3", "sync")}
RENAMED: Final = {("sns", "subscribe"): {"--notification-endpoint": "Endpoint"}}


def programs(text: str) -> Iterator[str]:
    """The programs that a page's blocks call, but `leaver`."""
    for language, block in blocks(text):
        typed = {"sh": block, "console": "\n".join(re.findall(r"^\$ (.*)", block, re.MULTILINE))}.get(language, "")
        typed = re.sub(r"<<'?(\w+)'?(.*?)\n.*?^\1$", r"\2", typed, flags=re.MULTILINE | re.DOTALL)
        typed = re.sub(r"'[^']*'", "X", re.sub(r" # .*", "", typed))
        for call in re.split(r"\n|\||;|&|\$\(|\{|\bdo ", typed):
            called = re.match(r"\s*(?:\w+=\S*\s+)*([a-z][\w-]*)(?=\s|$)", call)
            if called and called[1] not in ORDINARY:
                yield called[1]


def calls(text: str, program: str) -> Iterator[list[str]]:
    """Each call of a program in a page's blocks and sentences, by its words."""
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    code = re.sub(r" # .*", "", "\n".join([*(block for _, block in blocks(text)), *spans]))
    for found in re.finditer(rf"(?:^|[(&]) *(?:\$ )?{program} (?=[\w.])", code, re.MULTILINE):
        lexer = shlex.shlex(code[found.end() :], posix=True, punctuation_chars="|);&>\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t", True, ""
        yield list(takewhile(lambda word: word[0] not in "|);&>\n", lexer))


def value_of(shape: Shape, text: str) -> Any:
    """What the AWS CLI makes of an option's text; a variable or a file stands for anything of its kind."""
    if shape.type_name in {"structure", "list", "map"}:
        return json.loads(text)
    return int(text) if shape.type_name == "integer" else text


def fault_of_aws(words: list[str]) -> str | None:
    """What the AWS CLI would say of a call before it sends it, by botocore's model of the service."""
    service, name, *rest = words
    if (service, name) in HIGH_LEVEL:
        return None
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(each, "-"): each for each in model.operation_names}
    if name not in operations:
        return f"{service} has no operation {name}"
    operation: OperationModel = model.operation_model(operations[name])
    assert operation.input_shape is not None
    known = operation.input_shape.members
    members = {f"--{xform_name(each, '-')}": each for each in known} | RENAMED.get((service, name), {})
    given: dict[str, Any] = {}
    for place, word in enumerate(rest):
        if not word.startswith("--") or word in CLI_OWN:
            continue
        if word not in members:
            return f"{service} {name} has no option {word}"
        shape = known[members[word]]
        given[members[word]] = shape.type_name == "boolean" or value_of(shape, rest[place + 1])
    report = ParamValidator().validate(given, operation.input_shape)
    return str(report.generate_report()) if report.has_errors() else None


@pytest.mark.parametrize("name", NAMES)
def test_each_program_that_a_page_shows_is_held_by_what_its_row_says(name: str) -> None:
    shown = set(programs(NAMES[name].read_text()))
    assert shown == {program for page, program in HELD if page == name}


def test_what_holds_a_program_is_there() -> None:
    named = {each for held in HELD.values() if held.startswith("tests/") for each in held.split(", ")}
    assert [each for each in named if not (ROOT / each).is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_aws_is_one_that_its_service_takes(name: str) -> None:
    faults = {" ".join(each)[:60]: fault_of_aws(each) for each in calls(NAMES[name].read_text(), "aws")}
    assert {call: fault for call, fault in faults.items() if fault} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_target_of_make_and_its_variables_are_in_the_makefile(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    [targets] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    variables = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    named = {word.partition("=")[0] for words in calls(NAMES[name].read_text(), "make") for word in words}
    assert named <= {*targets.split(), *variables, "…"}


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_that_sam_deploys_with_is_one_of_the_template(name: str) -> None:
    overrides = [
        word.partition("=")[0]
        for words in calls(NAMES[name].read_text(), "sam")
        if words[0] == "deploy" and "--parameter-overrides" in words
        for word in words[words.index("--parameter-overrides") + 1 :]
    ]
    assert set(overrides) <= WRITTEN["Parameters"].keys()


def test_the_pages_call_aws_make_and_sam() -> None:
    found = {name: sum(len(list(calls(page.read_text(), name))) for page in PAGES) for name in ("aws", "make", "sam")}
    assert min(found["aws"], found["make"] / 3, found["sam"]) > 12, found


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("aws events put-event --entries '[]'", "events has no operation put-event"),
        ("aws kms get-public-key --key KEY_ARN", "kms get-public-key has no option --key"),
        ("aws sns create-topic", 'Missing required parameter in input: "Name"'),
        ("""aws events put-events --entries '[{"Sorce": "x"}]'""", 'Unknown parameter in Entries[0]: "Sorce"'),
    ],
)
def test_a_call_of_aws_that_no_service_takes_is_noticed(call: str, fault: str) -> None:
    [words] = calls(f"```sh\n{call} | head\n```\n", "aws")
    assert fault in str(fault_of_aws(words))


def test_another_program_in_a_page_is_noticed() -> None:
    page = "```sh\nKEY=1 jq . one.json | tee two.json   # a comment\nleaver cases\n```\n"
    assert set(programs(page)) == {"jq", "tee"}
