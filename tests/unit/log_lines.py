"""How Lambda reads the level of a line that a function writes itself, where its log format is JSON.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html: INFO where `level` is missing or none of
its own, and where `timestamp` is missing or not in the form of RFC 3339.
"""

import re

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def level_for_lambda(line: dict) -> str:
    """The level by which the line is kept or dropped."""
    known = line.get("level") in LEVELS and RFC3339.fullmatch(str(line.get("timestamp", "")))
    return line["level"] if known else "INFO"
