"""SnapshotStore in S3. A key sorts by seq from new to old, so that one listing of one key finds the newest."""

from exchange.adapters.aws import answers

# Keys list in ascending order; counting down from here puts the newest first.
_TOP = 10**19


def _key(market: str, seq: int) -> str:
    return f"snapshots/{market}/{_TOP - seq:020}"


class S3Snapshots:
    """See `ports.SnapshotStore`. A put of an object is atomic. botocore's exceptions pass through."""

    def __init__(self, bucket: str, client: object | None = None) -> None:
        self._bucket = bucket
        self._client = client or answers.client("s3")

    def put(self, *, market: str, seq: int, blob: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=_key(market, seq), Body=blob)

    def newest(self, *, market: str) -> tuple[int, bytes] | None:
        listed = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"snapshots/{market}/", MaxKeys=1)
        if not listed.get("Contents"):
            return None
        seq = _TOP - int(listed["Contents"][0]["Key"].rsplit("/", 1)[-1])
        blob = self.get(market=market, seq=seq)
        return None if blob is None else (seq, blob)

    def get(self, *, market: str, seq: int) -> bytes | None:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=_key(market, seq))["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
