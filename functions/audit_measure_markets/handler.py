"""Every minute: each market's figures as metrics, for the dashboard and the alarms: journal, lags of the followers, halted.

Reads what `GET /admin/markets` shows, and changes nothing. One line per market in CloudWatch's embedded metric format.
"""

from exchange.adapters.market_overview import market_rows
from exchange.adapters.metric_lines import write_figures
from exchange.markets import listing

UNITS = {"JournalSeq": "Count", "SettleLagS": "Seconds", "FeedLagS": "Seconds", "Halted": "Count", "Broken": "Count"}


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers the figures by market."""
    measured = {}
    for row in market_rows(list(listing().markets.values())):
        figures = measured[row["product_id"]] = {
            "JournalSeq": row["journal"]["seq"], "SettleLagS": row["settle"]["lag_s"], "FeedLagS": row["feed"]["lag_s"],
            "Halted": int(row["status"] == "halted"), "Broken": int(row["broken"])}
        write_figures(level="WARN", dimension="market", units=UNITS, line={"market": row["product_id"], **figures})
    return measured
