"""Powertools' Metrics for a batch that is worked on side by side: theirs are added to by one thread at a time."""

import threading
from typing import Any

from aws_lambda_powertools import Metrics


class SharedMetrics(Metrics):
    """Metrics that several threads may add to; printed in CloudWatch's embedded metric format."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._lock = threading.Lock()

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Add one value."""
        with self._lock:
            super().add_metric(*args, **kwargs)
