"""Machines that Hypothesis drives: what one comes upon is the same in every run, whatever else the process imported."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.providers import CONSTANTS_CACHE, HypothesisProvider
from hypothesis.internal.constants_ast import Constants
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

#: to come upon something is enough: what led there need not be short
UNTIL_FOUND: Final = (Phase.generate,)


def explore(machine: type[RuleBasedStateMachine], runs: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """Let the machine come upon whatever it does, the same each time: who breaks something finds it in that run."""
    how = settings(
        max_examples=runs,
        stateful_step_count=50,
        phases=phases,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.MonkeyPatch.context() as patched:
        # Hypothesis draws the constants of whichever modules of ours are loaded, and other tests load more of them.
        patched.setattr(HypothesisProvider, "_local_constants", Constants())
        CONSTANTS_CACHE.cache.clear()
        try:
            run_state_machine_as_test(machine, settings=how)
        finally:
            CONSTANTS_CACHE.cache.clear()
