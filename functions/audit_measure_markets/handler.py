"""Every minute: each market's figures as metrics, for the dashboard and the alarms: journal, lags of the followers, halted.

Reads what `GET /admin/markets` shows, and changes nothing. One line per market in CloudWatch's embedded metric format.
"""

import json
import time

from exchange.adapters.market_overview import market_rows
from exchange.markets import listing

NAMESPACE = "LambdaExchange"
UNITS = {"JournalSeq": "Count", "SettleLagS": "Seconds", "FeedLagS": "Seconds", "Halted": "Count", "Broken": "Count"}


def lambda_handler(event: dict, context: object) -> dict:
    """A scheduled event; its content is not used. Answers the figures by market."""
    measured = {}
    for row in market_rows(list(listing().markets.values())):
        figures = measured[row["product_id"]] = {
            "JournalSeq": row["journal"]["seq"], "SettleLagS": row["settle"]["lag_s"], "FeedLagS": row["feed"]["lag_s"],
            "Halted": int(row["status"] == "halted"), "Broken": int(row["broken"])}
        # `level`: a line without one counts as less than a warning, and is dropped.
        print(json.dumps({
            "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [["market"]],
                 "Metrics": [{"Name": name, "Unit": unit} for name, unit in UNITS.items()]}]},
            "level": "WARN", "market": row["product_id"], **figures}), flush=True)
    return measured
