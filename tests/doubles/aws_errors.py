"""The error that a boto3 client raises."""

from botocore.exceptions import ClientError


def client_error(operation: str, code: str = "InternalError", message: str = "it says something") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)
