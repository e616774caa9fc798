"""From a queue to an operation and back: batches, failures, the rate of calls, and what is counted."""
