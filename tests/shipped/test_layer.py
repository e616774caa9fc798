"""What is shipped in the layer: compiled, pinned, complete for what Leaver calls, and nothing besides."""

import ast
import importlib.util
import py_compile
import re
import subprocess
import sys
from collections.abc import Iterator
from email.parser import HeaderParser
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import botocore
import pytest
from botocore import xform_name
from botocore.loaders import Loader

from tests.contract.stack import ROOT
from tests.shipped.conftest import SOURCE

#: PEP 552: by the source's hash, and never checked
UNCHECKED_HASH = (1).to_bytes(4, "little")

#: each client makes a request for each operation that is described, which is answered before it is sent
CALLS = """
import sys
sys.path.insert(0, sys.argv[1])
from functools import partial
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

class Body:
    def __init__(self, sent):
        self.sent = sent
    def stream(self, *_, **__):
        yield self.sent

requests = []
def answer(request, model, **_):
    requests.append(request)
    # SNS and S3 speak AWS's older protocols.
    is_xml = model.service_model.metadata["protocol"] in ("query", "rest-xml")
    return AWSResponse(request.url, 200, {}, Body(f"<R><{model.name}Result/></R>".encode() if is_xml else b"{}"))

EMPTY = {"string": "leaver", "list": [], "map": {}, "structure": {}, "integer": 1, "blob": b"", "boolean": False}
session = botocore.session.get_session()
session.set_credentials("key", "secret")
for service in sys.argv[2:]:
    client = session.create_client(service, region_name="eu-west-1", config=Config(parameter_validation=False))
    described = client.meta.service_model
    for operation in described.operation_names:
        model = described.operation_model(operation)
        required = model.input_shape.required_members if model.input_shape else []
        given = {name: EMPTY[model.input_shape.members[name].type_name] for name in required}
        answering = partial(answer, model=model)
        client.meta.events.register("before-send", answering)
        client._make_api_call(operation, given)
        client.meta.events.unregister("before-send", answering)
        print(service, operation, requests[-1].method, requests[-1].url)
"""


def uncompiled(layer: Path) -> Iterator[str]:
    """What Python 3.13 would compile again, or take a stale version of."""
    for source in layer.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        if not compiled.exists():
            yield f"{source.name} is not compiled"
            continue
        magic, flags, digest = (compiled.read_bytes()[place : place + size] for place, size in ((0, 4), (4, 4), (8, 8)))
        if magic != importlib.util.MAGIC_NUMBER:
            yield f"{source.name} is compiled for another Python"
        elif flags != UNCHECKED_HASH:
            yield f"{source.name} is only good as long as its date"
        elif digest != importlib.util.source_hash(source.read_bytes()):
            yield f"{source.name} was compiled from something else"


@cache
def clients() -> frozenset[str]:
    """Name every service that a function may make a client of; a provider's entry makes other clients."""
    files = [*(SOURCE / "python").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    made = [
        call for call in calls if re.fullmatch(r"(boto3|(boto3\.|_)?[Ss]ession\(\))\.client", ast.unparse(call.func))
    ]
    return frozenset(str(ast.literal_eval(call.args[0])) for call in made)


def test_boto3_is_asked_for_clients_of_several_services() -> None:
    assert clients() >= {"dynamodb", "secretsmanager", "sqs"}


def pinned() -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (SOURCE / "requirements.txt").read_text(), flags=re.MULTILINE))


def test_every_module_is_compiled_for_good(layer: Path) -> None:
    assert list(uncompiled(layer)) == []
    assert len(list(layer.rglob("*.pyc"))) == len(list(layer.rglob("*.py"))) > 0


@pytest.mark.parametrize(
    ("mode", "then", "expected"),
    [
        (None, None, "module.py is not compiled"),
        (py_compile.PycInvalidationMode.TIMESTAMP, None, "module.py is only good as long as its date"),
        (py_compile.PycInvalidationMode.CHECKED_HASH, None, "module.py is only good as long as its date"),
        (py_compile.PycInvalidationMode.UNCHECKED_HASH, "x = 2", "module.py was compiled from something else"),
    ],
)
def test_what_would_be_compiled_at_a_cold_start_is_noticed(
    tmp_path: Path, mode: py_compile.PycInvalidationMode | None, then: str | None, expected: str
) -> None:
    module = tmp_path / "module.py"
    module.write_text("x = 1")
    if mode:
        py_compile.compile(str(module), invalidation_mode=mode)
    if then:
        module.write_text(then)
    assert list(uncompiled(tmp_path)) == [expected]


def test_every_client_that_leaver_makes_can_be_made_and_speaks(layer: Path) -> None:
    services = sorted(clients())
    assert "secretsmanager" in services
    made = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-I", "-S", "-B", "-c", CALLS, str(layer), *services],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode, made.stderr) == (0, "")
    asked = [line.split() for line in made.stdout.splitlines()]
    hosts = {(service, str(urlsplit(url).hostname)) for service, *_, url in asked}
    own = {(each, f"{each}.eu-west-1.amazonaws.com") for each in services}
    assert own <= hosts
    # A bucket has a host of its own.
    assert {service for service, _ in hosts - own} <= {"s3"}
    assert all(host.endswith(".eu-west-1.amazonaws.com") for _, host in hosts)
    assert {method for service, _, method, _ in asked if service != "s3"} == {"POST"}
    assert {("s3", "GetObject"), ("sqs", "SendMessage"), ("dynamodb", "PutItem")} <= {
        (one, two) for one, two, *_ in asked
    }


def operations(data: Path) -> dict[str, set[str]]:
    """Which operations of each service are described there, as Python calls them."""
    loader = Loader(extra_search_paths=[str(data)], include_default_search_paths=False)
    return {
        service: {xform_name(name) for name in loader.load_service_model(service, "service-2")["operations"]}
        for service in sorted(clients())
    }


def test_whatever_leaver_calls_is_described_and_little_besides(layer: Path) -> None:
    files = [*(SOURCE / "python").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    stock, shipped = operations(Path(botocore.__file__).parent / "data"), operations(layer / "botocore" / "data")
    for service in stock:
        assert stock[service] & called <= shipped[service], service
    assert {"put_item", "transact_write_items"} <= shipped["dynamodb"] < stock["dynamodb"]
    assert len(shipped["dynamodb"]) < len(stock["dynamodb"]) / 2


def test_no_other_service_is_described(layer: Path) -> None:
    assert {each.name for each in (layer / "botocore" / "data").iterdir() if each.is_dir()} == clients()


def test_the_layer_holds_what_is_pinned_and_nothing_else(layer: Path) -> None:
    told = [HeaderParser().parsestr(each.read_text()) for each in layer.glob("*.dist-info/METADATA")]
    assert {re.sub("[-_.]+", "-", each["Name"]).lower(): each["Version"] for each in told} == pinned()
    recorded = "\n".join(record.read_text() for record in layer.glob("*.dist-info/RECORD"))
    own = {line.partition(",")[0].partition("/")[0] for line in recorded.splitlines()}
    assert {each.name for each in layer.iterdir()} - own == {"leaver", "__pycache__"}


def test_the_layer_holds_all_of_leaver(layer: Path) -> None:
    package = SOURCE / "python" / "leaver"
    shipped = {path.relative_to(layer / "leaver"): path.read_text() for path in (layer / "leaver").rglob("*.py")}
    assert shipped == {path.relative_to(package): path.read_text() for path in package.rglob("*.py")}


def test_one_layer_serves_both_processors(layer: Path) -> None:
    modules = {path.relative_to(layer).as_posix() for path in layer.rglob("*.so*")}
    one = {name for name in modules if "-x86_64-linux-gnu" in name}
    other = {name for name in modules if "-aarch64-linux-gnu" in name}
    assert one | other == modules
    assert {name.replace("x86_64", "aarch64") for name in one} == other
    assert other
