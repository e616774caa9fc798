"""Where things are kept: DynamoDB, Secrets Manager, and KMS for the one token that rests outside it."""
