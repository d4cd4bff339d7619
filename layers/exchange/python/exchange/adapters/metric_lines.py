"""Figures for CloudWatch, as lines of the log in its embedded metric format.

Lambda drops the lines below the function's log level, and takes a line for INFO that has no `level`, or no `timestamp` in the
form of RFC 3339. A figure has both, so that no log level but the highest ones can silence the alarm on it. Called by the audits
and `functions/audit_measure_markets`.
"""

import json
from datetime import UTC, datetime

NAMESPACE = "LambdaExchange"


def write_figures(*, level: str, dimension: str, units: dict[str, str], line: dict[str, object]) -> None:
    """Writes `line` to stdout, with its fields in `units` (name and CloudWatch unit) as metrics by the field `dimension`.
    `level`: WARN or ERROR."""
    now = datetime.now(UTC)
    print(json.dumps({
        "_aws": {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [
            {"Namespace": NAMESPACE, "Dimensions": [[dimension]],
             "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()]}]},
        "level": level, "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **line}), flush=True)
