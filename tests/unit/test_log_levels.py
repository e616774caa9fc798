"""Lambda's switches and Powertools' let Leaver say more, and no library: at DEBUG those log bodies and headers."""

import logging
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from awslambdaric import bootstrap as runtime
from awslambdaric.lambda_runtime_log_utils import LogFormat

from leaver import bootstrap

LIBRARIES = ("boto3", "botocore", "requests", "urllib3")
#: beside the libraries themselves, those of their loggers that are known to show tokens at DEBUG
TELLERS = ("botocore.auth", "botocore.endpoint", "botocore.parsers", "urllib3.connectionpool", "urllib3.connection")


@pytest.fixture
def _root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards the root logger is as it was."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    monkeypatch.setattr(logging.Formatter, "converter", logging.Formatter.converter)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def loggers() -> list[str]:
    families = tuple(f"{each}." for each in LIBRARIES)
    return [*LIBRARIES, *TELLERS, *(name for name in logging.root.manager.loggerDict if name.startswith(families))]


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("log_format", LogFormat)
@pytest.mark.parametrize("switch", ["AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL", "LOG_LEVEL"])
def test_no_library_says_more_whatever_is_switched_on(
    switch: str, log_format: LogFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(switch, "DEBUG")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"{switch} {log_format}")
    runtime._setup_logging(log_format, "DEBUG", runtime.StandardLogSink())
    bootstrap.logger.cache_clear()
    assert bootstrap.logger().log_level == logging.DEBUG
    bootstrap.logger.cache_clear()
    assert [name for name in loggers() if logging.getLogger(name).isEnabledFor(logging.DEBUG)] == []
    assert HTTPConnection.debuglevel == 0


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_would_say_more_if_it_were_let(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger(library)
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    logging.getLogger().setLevel(logging.DEBUG)
    logger.manager._clear_cache()  # type: ignore[attr-defined]
    assert logger.isEnabledFor(logging.DEBUG)
    logger.manager._clear_cache()  # type: ignore[attr-defined]
