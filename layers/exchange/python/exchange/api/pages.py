"""Pagination by cursor: query `before`, `after`, `limit`; answer headers `cb-before`, `cb-after`.

Rows are listed newest first, by a number that grows with each row, unless another order is asked for. `after` asks for the rows
behind the cursor, `before` for those next to it on the other side. A cursor names a row, never an offset, so rows added
meanwhile neither shift nor repeat anything. `cb-after` is absent on the last page: clients loop until it is.
"""

from dataclasses import dataclass

from exchange.api.door import Response
from exchange.api.request import Request

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_MAX_CURSOR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Sorting:
    """How rows are listed: by `columns`, the last of which is the number that a cursor names. `of_cursor`: the columns of the
    cursor's row, as SQL that ends with the cursor's placeholder and has `values` before it."""

    columns: tuple[str, ...] = ("number",)
    descending: bool = True
    of_cursor: str = "%s"
    values: tuple = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What the caller asked for: at most `limit` rows, before or behind those that the cursors name (None: no bound)."""

    limit: int
    newer_than: int | None
    older_than: int | None

    def select(self, *, table: str, columns: str, conditions: list[str], values: list, key: str = "number",
               order: Sorting | None = None) -> tuple[str, list]:
        """The statement for this page, of one row more than its limit, and its values."""
        where, bound = list(conditions), list(values)
        order = order or Sorting(columns=(key,))
        before, after = (">", "<") if order.descending else ("<", ">")
        for cursor, comparison in ((self.newer_than, before), (self.older_than, after)):
            if cursor is not None:
                where.append(f"({', '.join(order.columns)}) {comparison} ({order.of_cursor})")
                bound += [*order.values, cursor]
        # From a `before` cursor the page next to it is found by counting backwards.
        direction = "DESC" if order.descending != self._upwards else "ASC"
        by = ", ".join(f"{column} {direction}" for column in order.columns)
        return (f"SELECT {columns} FROM {table} WHERE {' AND '.join(where)} ORDER BY {by} LIMIT %s",
                [*bound, self.limit + 1])

    def in_order(self, rows: list) -> list:
        """Rows of `select` in their order; the row beyond the limit stays at the end where it was found."""
        if not self._upwards:
            return rows
        return rows[:self.limit][::-1] + rows[self.limit:]

    def answer(self, rows: list[dict], objects: list, key: str = "number") -> Response:
        """The response for `rows` (as `in_order` gave them) shown as `objects`, with the cursors that apply."""
        headers = {}
        shown = rows[:self.limit]
        if shown:
            headers["cb-before"] = str(shown[0][key])
            # Below a page that was found upwards from a cursor there is always the cursor's own row.
            if len(rows) > self.limit or self._upwards:
                headers["cb-after"] = str(shown[-1][key])
        return Response(objects[:self.limit], headers=headers)

    @property
    def _upwards(self) -> bool:
        return self.newer_than is not None and self.older_than is None


def page_of(request: Request) -> Page:
    """The page a request asks for; BadRequest for a cursor or limit that is none."""
    return Page(
        limit=request.query_int("limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        newer_than=_cursor(request, "before"), older_than=_cursor(request, "after"))


def _cursor(request: Request, name: str) -> int | None:
    return request.query_int(name, 0, 0, _MAX_CURSOR) if request.query(name) is not None else None
