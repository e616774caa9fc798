"""Everything that a failure would show to whoever logs it."""

from traceback import TracebackException


def shown_by(error: BaseException) -> str:
    """Text, repr, attributes and traceback, even with every frame's variables, and of all errors behind it."""
    trace = TracebackException.from_exception(error, capture_locals=True, compact=False)
    said = [str(error), repr(error), repr(vars(error)), *trace.format()]
    behind = [shown_by(other) for other in (error.__cause__, error.__context__) if other is not None]
    return "\n".join(said + behind)
