"""What an auditor checks without us: statements, signatures and the log, in the formats of in-toto, DSSE and C2SP."""
