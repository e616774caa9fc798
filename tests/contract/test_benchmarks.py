"""The benchmarks that start a function without a stack tell it all that the template would."""

from benchmarks.batch import TOLD
from tests.contract.stack import FULL, stack

#: where whoever answers it listens, which each run tells
THERE = {"AWS_ENDPOINT_URL", "CA_BUNDLE", "ZOOM_API_URL"}


def test_the_batch_is_told_every_variable_that_the_template_tells_the_function() -> None:
    variables = stack(FULL)["RevokeSsoTokenFunction"]["Properties"]["Environment"]["Variables"]
    assert sorted(variables.keys() - TOLD.keys() - THERE) == []
