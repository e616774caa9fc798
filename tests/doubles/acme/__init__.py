"""A third provider, plain RFC 6749 and RFC 7009: one folder and one entry, for a registry that a test passes in."""
