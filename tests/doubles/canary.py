"""Everything that a failure would show to whoever logs it."""

from pathlib import Path
from traceback import TracebackException
from types import TracebackType

_TESTS = str(Path(__file__).parents[1])


def shown_by(error: BaseException) -> str:
    """Text, repr, attributes, and traceback with all variables (but a test's own); the same of the errors behind it."""
    trace = TracebackException(type(error), error, _below_the_test(error.__traceback__), capture_locals=True)
    said = [str(error), repr(error), repr(vars(error)), *trace.format()]
    behind = [shown_by(other) for other in (error.__cause__, error.__context__) if other is not None]
    return "\n".join(said + behind)


def _below_the_test(trace: TracebackType | None) -> TracebackType | None:
    while trace and trace.tb_frame.f_code.co_filename.startswith(_TESTS):
        trace = trace.tb_next
    return trace
