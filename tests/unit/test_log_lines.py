"""What the functions write into the log is read by Lambda as it is meant; see `log_lines`."""

import ast
import io
import json

import pytest
from aws_lambda_powertools import Logger

from cdk.settings import ROOT
from exchange.adapters.metric_lines import NAMESPACE, write_figures
from tests.unit.log_lines import RFC3339, level_for_lambda


@pytest.mark.parametrize("line, level", [
    ({"level": "ERROR", "timestamp": "2026-11-26T15:00:00.123Z"}, "ERROR"),
    ({"level": "WARN", "timestamp": "2026-11-26T15:00:00+01:00"}, "WARN"),
    ({"level": "ERROR"}, "INFO"),
    ({"level": "ERROR", "timestamp": "2026-11-26 15:00:00,123+0000"}, "INFO"),
    ({"level": "CRITICAL", "timestamp": "2026-11-26T15:00:00.123Z"}, "INFO"),
    ({"timestamp": "2026-11-26T15:00:00.123Z"}, "INFO"),
])
def test_the_rule_is_that_of_the_documentation(line: dict, level: str) -> None:
    assert level_for_lambda(line) == level


@pytest.mark.parametrize("level", ["WARN", "ERROR"])
def test_figures_are_kept_at_their_level(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_figures(level=level, dimension="market", units={"Halted": "Count", "LagS": "Seconds"},
                  line={"market": "BTC-USD", "Halted": 1, "LagS": 2.5})
    [text] = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert level_for_lambda(line) == level
    [declared] = line["_aws"]["CloudWatchMetrics"]
    assert declared == {"Namespace": NAMESPACE, "Dimensions": [["market"]], "Metrics": [
        {"Name": "Halted", "Unit": "Count"}, {"Name": "LagS", "Unit": "Seconds"}]}
    assert (line["market"], line["Halted"], line["LagS"]) == ("BTC-USD", 1, 2.5)


def loggers() -> dict[str, dict[str, object]]:
    """The keywords of each Powertools logger that a handler makes."""
    found = {}
    for path in (ROOT / "functions").glob("*/handler.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Logger":
                found[path.parent.name] = {each.arg: ast.literal_eval(each.value) for each in node.keywords}
    return found


def test_the_loggers_write_a_time_that_lambda_reads() -> None:
    made = loggers()
    assert len(made) >= 5
    for operation, keywords in made.items():
        written = io.StringIO()
        Logger(**keywords | {"service": f"test-{operation}"}, stream=written).error("x")
        assert RFC3339.fullmatch(json.loads(written.getvalue())["timestamp"]), operation
        assert keywords["service"] == operation
