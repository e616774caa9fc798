"""The bucket in which evidence is stored: each object once, and locked by the bucket itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from leaver.errors import NotKept
from leaver.storage.secrets import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: how often a put is tried that another one for the same key was in the way of
TRIES: Final = 3


class EvidenceStore:
    """Evidence by its key; nothing here overwrites or deletes."""

    def __init__(self, s3: "S3Client", *, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        #: what the log is known by: no two buckets of the world have one name
        self.log_origin = f"{bucket}/cases"

    def keep_once(self, key: str, content: bytes) -> bytes:
        """Store this where nothing stands yet; returns what stands there then. Raises NotKept."""
        for _ in range(TRIES):
            try:
                self._s3.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=content,
                    IfNoneMatch="*",
                    # A bucket with a lock refuses what comes without a checksum.
                    ChecksumAlgorithm="SHA256",
                )
            except (BotoCoreError, ClientError) as error:
                match error_code(error):
                    case "PreconditionFailed":
                        return self.read(key)
                    case "ConditionalRequestConflict":
                        continue
                    case code:
                        reason = f"evidence {key}: {code}"
                # outside its handler: a botocore error may show what it was given
                raise NotKept(reason) from None
            return content
        raise NotKept(f"evidence {key}: others kept storing it")

    def read(self, key: str) -> bytes:
        """Read what is stored; raises NotKept where it can't be read."""
        if (found := self.find(key)) is None:
            raise NotKept(f"evidence {key}: nothing is stored")
        return found

    def find(self, key: str) -> bytes | None:
        """Find what is stored; None where nothing is. Raises NotKept where it can't be read."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            if (code := error_code(error)) == "NoSuchKey":
                return None
            reason = f"evidence {key}: {code}"
        raise NotKept(reason)

    def find_all(self, name: str) -> Iterator[str]:
        """Find each folder in which a file of this name is stored; raises NotKept where the bucket can't be listed."""
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                keys = (each["Key"].rpartition("/") for each in page.get("Contents", ()))
                yield from (folder for folder, _, found in keys if found == name)
        except (BotoCoreError, ClientError) as error:
            reason = f"evidence: {error_code(error)}"
        else:
            return
        raise NotKept(reason)
