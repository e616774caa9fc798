"""Everything that stands in for something: for the tests and the benchmarks alike."""
