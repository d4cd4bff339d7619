"""The sums behind I1 to I3, per asset, as they are now: for operators to look at.

One statement, and so one snapshot. The audits check every row and halt; this adds up and halts nothing. `holds_needed` says
what money may be held for.
"""

from psycopg.rows import dict_row

from exchange.adapters.postgres.connection import repeatable

_SUMS = """WITH totals AS (
        SELECT b.asset, sum(b.available + b.held) FILTER (WHERE a.kind = 'trader') AS traders,
               sum(b.available + b.held) FILTER (WHERE a.kind = 'fees') AS fees, sum(b.held) AS held,
               count(*) FILTER (WHERE b.available < 0 OR b.held < 0) AS negative
          FROM balances b JOIN accounts a USING (account_no) GROUP BY b.asset),
    custody AS (SELECT asset, sum(amount) AS total FROM postings WHERE account_no = 1 GROUP BY asset),
    needed AS (SELECT asset, sum(amount) AS total FROM holds_needed GROUP BY asset),
    wrong AS (SELECT coalesce(b.asset, n.asset) AS asset, count(*) AS accounts
                FROM (SELECT account_no, asset, held FROM balances WHERE held <> 0) b
                FULL JOIN (SELECT account_no, asset, sum(amount) AS amount FROM holds_needed
                            GROUP BY account_no, asset HAVING sum(amount) <> 0) n USING (account_no, asset)
               WHERE b.held IS DISTINCT FROM n.amount GROUP BY 1)
    SELECT t.asset, coalesce(t.traders, 0)::text AS traders, coalesce(t.fees, 0)::text AS fees,
           coalesce(c.total, 0)::text AS custody,
           (coalesce(t.traders, 0) + coalesce(t.fees, 0) + coalesce(c.total, 0))::text AS sum,
           t.negative, t.held::text AS held, coalesce(n.total, 0)::text AS needed, coalesce(w.accounts, 0) AS differing
      FROM totals t LEFT JOIN custody c USING (asset) LEFT JOIN needed n USING (asset) LEFT JOIN wrong w USING (asset)
     ORDER BY t.asset"""


def sums() -> list[dict]:
    """A row per asset: what traders and fee accounts own, what custody is owed (negative), their sum, which is zero (I1);
    `negative` balances (I2); `held`, what is `needed`, and the accounts where the two differ (I3)."""
    return repeatable(lambda connection: connection.cursor(row_factory=dict_row).execute(_SUMS).fetchall())
