"""How the tests are shared out among processes: one by one, but those that share a local world stay together."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: whose tests share one world for each file; the demo's each start their own
WORLDS = "tests/e2e/"
OWN_WORLD = "tests/e2e/test_demo.py"


class ByWorld(LoadScopeScheduling):
    """What `--dist loadgroup` is for; but that one (pytest-xdist 3.8) finds no group under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return path if path.startswith(WORLDS) and path != OWN_WORLD else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByWorld:
    return ByWorld(config, log)
