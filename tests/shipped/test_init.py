"""A function is ready soon: a generous ceiling, beside what one client on stock packages takes in the same run."""

from pathlib import Path

from benchmarks.init import Package, measure
from tests.contract.stack import FUNCTIONS, ROOT, snake
from tests.length import some

#: `make bench` promises less; here the machine is busy with other tests
CEILING = 2.5


def test_no_function_takes_much_longer_to_start_than_a_bare_client(layer: Path) -> None:
    packages = [Package(snake(each), ROOT / "functions" / snake(each), layer) for each in some(FUNCTIONS, 1)]
    bare, inits = measure(2, lambda: None, packages)
    assert {each.name: ratio for each in inits if (ratio := each.beside(bare)) > CEILING} == {}
    assert len(inits) == len(packages)
