"""The newest values of a few CloudWatch metrics, in one call: ages of queues, and what the functions are doing.

CloudWatch is minutes behind; a metric without a value in the last five minutes is left out. botocore's exceptions pass through.
"""

from datetime import UTC, datetime, timedelta

from exchange.adapters.aws import answers

WINDOW = timedelta(minutes=5)
# Of each matching function: errors and throttles of the window, and the environments in use.
FUNCTION_METRICS = {"errors": ("Errors", "Sum"), "throttles": ("Throttles", "Sum"),
                    "environments": ("ConcurrentExecutions", "Maximum")}


def queue_ages_s(names: list[str]) -> dict[str, float]:
    """Age of the oldest message by queue name."""
    found = _newest({name: ("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", {"QueueName": name}) for name in names},
                    period_s=60)
    return {name: values[0] for name, values in found.items() if values}


def function_figures(functions: list[str]) -> list[dict]:
    """A row per function that ran in the last five minutes."""
    queries = {f"{function} {figure}": ("AWS/Lambda", metric, statistic, {"FunctionName": function})
               for function in functions for figure, (metric, statistic) in FUNCTION_METRICS.items()}
    found = _newest(queries, period_s=300)
    rows = []
    for function in functions:
        figures = {figure: int(max(found.get(f"{function} {figure}") or [0])) for figure in FUNCTION_METRICS}
        if any(found.get(f"{function} {figure}") for figure in FUNCTION_METRICS):
            rows.append({"function": function, **figures})
    return rows


def _newest(queries: dict[str, tuple[str, str, str, dict[str, str]]], *, period_s: int) -> dict[str, list[float]]:
    """The values of the window, newest first, by the name of the query."""
    if not queries:
        return {}
    now, names = datetime.now(UTC), dict(enumerate(queries))
    answer = answers.client("cloudwatch").get_metric_data(
        StartTime=now - WINDOW, EndTime=now, ScanBy="TimestampDescending", MetricDataQueries=[{
            "Id": f"m{number}", "ReturnData": True, "MetricStat": {
                "Period": period_s, "Stat": statistic, "Metric": {
                    "Namespace": namespace, "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()]}}}
            for number, (namespace, metric, statistic, dimensions) in enumerate(queries.values())])
    return {names[int(row["Id"][1:])]: list(row["Values"]) for row in answer["MetricDataResults"]}
