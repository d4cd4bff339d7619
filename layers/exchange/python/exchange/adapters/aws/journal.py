"""Journal in a DynamoDB table: partition key `market`, sort key `seq`; the conditional put is the fence."""

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError

from exchange.adapters.aws.tables import Table, TableMeta, condition_failed
from exchange.ports import Fenced


def journal_model(table: str) -> type[Table]:
    """The pynamodb model of the journal table `table`."""

    class Entry(Table):
        class Meta(TableMeta):
            table_name = table

        market = UnicodeAttribute(hash_key=True)
        seq = NumberAttribute(range_key=True)
        entry = BinaryAttribute(legacy_encoding=False)

    return Entry


class DynamoJournal:
    """See `ports.Journal`. An append is one conditional PutItem; reads are strongly consistent."""

    def __init__(self, table: str) -> None:
        self._model = journal_model(table)

    def append(self, *, market: str, seq: int, entry: bytes) -> None:
        """Also Fenced where a retry inside the client finds its own first try: the caller reads the journal and finds
        its messages there, so nothing is matched twice."""
        try:
            self._model(market, seq, entry=entry).save(self._model.seq.does_not_exist())
        except PutError as error:
            if condition_failed(error):
                raise Fenced(f"{market}: entry {seq} exists already") from None
            raise

    def get(self, *, market: str, seq: int) -> bytes | None:
        try:
            return bytes(self._model.get(market, seq, consistent_read=True).entry)
        except self._model.DoesNotExist:
            return None

    def after(self, *, market: str, seq: int, limit: int = 100) -> list[bytes]:
        rows = self._model.query(market, self._model.seq > seq, consistent_read=True, limit=limit)
        return [bytes(row.entry) for row in rows]

    def head(self, *, market: str) -> bytes | None:
        rows = list(self._model.query(market, consistent_read=True, scan_index_forward=False, limit=1))
        return bytes(rows[0].entry) if rows else None
