"""Every alarm rings somewhere, says what to do, and every page that says so is about something that can ring."""

import ast
import json
import re
from pathlib import Path

import pytest
from infra.assembly import Assembly

from cdk import alarms
from cdk.operations import BY_NAME, OPERATIONS
from cdk.settings import ROOT, listed_markets
from exchange import health
from exchange.adapters.audit_outcome import METRIC
from exchange.adapters.metric_lines import NAMESPACE

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
SECTIONS = ["## What it means", "## How to look", "## What to do"]


def runbooks_of(assembly: Assembly) -> dict[str, str]:
    """The page that each alarm's description names."""
    found = {}
    for (_, name), alarm in assembly.of_type("AWS::CloudWatch::Alarm").items():
        match = re.search(r"Runbook: docs/runbooks/([a-z-]+)\.md$", alarm["Properties"]["AlarmDescription"])
        assert match, f"{name} names no runbook"
        found[name] = match[1]
    return found


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm(local_assembly: Assembly) -> None:
    named = runbooks_of(local_assembly)
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}
    assert set(named.values()) == pages
    assert len(named) > 40


def test_every_alarm_rings(local_assembly: Assembly) -> None:
    for (_, name), alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").items():
        assert len(alarm["Properties"]["AlarmActions"]) == 1, name
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching", name


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_how_to_look_and_what_to_do_also_locally(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert "ocally" in text and re.search(r"^1\. ", text.partition(SECTIONS[2])[2], re.M)
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (RUNBOOKS / target).is_file(), target


def test_what_health_calls_wrong_has_a_runbook() -> None:
    source = Path(health.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'_trouble\("([a-z-]+)"', source))
    assert len(named) >= 5 and named <= {path.stem for path in RUNBOOKS.glob("*.md")}


def test_health_and_alarms_have_the_same_thresholds() -> None:
    assert (alarms.OLD_MESSAGE_S, alarms.OLD_BEAT_S, alarms.LAG_S) == (health.OLD_MESSAGE_S, health.OLD_BEAT_S, health.LAG_S)


def test_a_message_that_is_at_work_rings_no_alarm(local_assembly: Assembly) -> None:
    """SQS counts the age of a message until it is deleted, at work or not."""
    consumers = {mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]: local_assembly.operation_of(
        stack, mapping["Properties"]["FunctionName"])
        for (stack, _), mapping in local_assembly.of_type("AWS::Lambda::EventSourceMapping").items()}
    checked = 0
    for alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").values():
        if alarm["Properties"]["MetricName"] == "ApproximateAgeOfOldestMessage":
            [queue] = [dimension["Value"]["Fn::GetAtt"][0] for dimension in alarm["Properties"]["Dimensions"]]
            assert alarm["Properties"]["Threshold"] > 1.5 * BY_NAME[consumers[queue]].timeout_s, queue
            checked += 1
    assert checked == len(listed_markets()) + 4


def test_health_knows_each_audit_and_how_often_it_runs() -> None:
    """Those whose handlers keep a row of their run."""
    keep = {}
    for operation in OPERATIONS:
        source = (ROOT / "functions" / operation.name / "handler.py").read_text(encoding="utf-8")
        if operation.lane == "audit" and re.search(r"audit_outcome import conclude|audit_runs import record", source):
            keep[operation.name] = health.DAILY_AUDIT_SILENT if operation.daily_at else health.AUDIT_SILENT
    assert keep == health.AUDITS


def test_the_topic_lets_the_alarms_in(local_assembly: Assembly) -> None:
    """A topic that has a policy has lost the default one, by which its account's alarms publish."""
    [((_, topic), _)] = local_assembly.of_type("AWS::SNS::Topic").items()
    [policy] = local_assembly.of_type("AWS::SNS::TopicPolicy").values()
    [allowed] = [statement for statement in policy["Properties"]["PolicyDocument"]["Statement"]
                 if statement["Effect"] == "Allow"]
    assert (allowed["Principal"], allowed["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allowed["Resource"] == {"Ref": topic} and policy["Properties"]["Topics"] == [{"Ref": topic}]
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_alarms_on_our_own_figures_are_on_what_is_written(local_assembly: Assembly) -> None:
    """Name and dimension of each are those of the lines that the functions write: an alarm on any other never rings."""
    concluding = {operation.name for operation in OPERATIONS if operation.lane == "audit"
                  and "conclude" in (ROOT / "functions" / operation.name / "handler.py").read_text(encoding="utf-8")}
    measured = ast.literal_eval(re.search(
        r"^UNITS = (\{.*\})$", (ROOT / "functions/audit_measure_markets/handler.py").read_text(encoding="utf-8"), re.M)[1])
    written = {(METRIC, "audit", audit) for audit in concluding}
    written |= {(figure, "market", market) for figure in measured for market in listed_markets()}
    watched = {(alarm["Properties"]["MetricName"], *dimension.values())
               for alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").values()
               if alarm["Properties"]["Namespace"] == NAMESPACE for dimension in alarm["Properties"]["Dimensions"]}
    assert watched and watched <= written
    assert {audit for name, _, audit in watched if name == METRIC} == concluding
    assert alarms.NAMESPACE == NAMESPACE


def test_the_engines_alarm_rings_for_one_failing_batch(local_assembly: Assembly) -> None:
    """A batch that fails is hidden for the visibility time-out, so its errors are so far apart."""
    visible = {queue["Properties"]["QueueName"]: queue["Properties"]["VisibilityTimeout"]
               for queue in local_assembly.of_type("AWS::SQS::Queue").values()}
    engine = [alarm["Properties"] for alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").values()
              if alarm["Properties"]["AlarmDescription"].endswith("engine-errors.md")]
    assert len(engine) == len(listed_markets())
    for alarm in engine:
        assert alarm["MetricName"] == "Errors" and alarm["Statistic"] == "Sum" and alarm["EvaluationPeriods"] == 1
        assert alarm["Period"] >= (alarm["Threshold"] + 1) * visible[f"exchange-sandbox-commands-{listed_markets()[0]}.fifo"]


def test_each_market_is_watched(local_assembly: Assembly) -> None:
    watched = [json.dumps(alarm["Properties"]) for alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").values()]
    for market in listed_markets():
        for figure in ("Halted", "SettleLagS", "FeedLagS"):
            assert [text for text in watched if f'"{figure}"' in text and market in text], (market, figure)


def test_what_runs_by_the_clock_rings_when_it_fails(local_assembly: Assembly) -> None:
    watched = {local_assembly.operation_of(stack, alarm["Properties"]["Dimensions"])
               for (stack, _), alarm in local_assembly.of_type("AWS::CloudWatch::Alarm").items()
               if (alarm["Properties"]["Namespace"], alarm["Properties"]["MetricName"]) == ("AWS/Lambda", "Errors")}
    assert {operation.name for operation in OPERATIONS if operation.every_minutes or operation.daily_at} <= watched


def test_withdrawals_that_cannot_be_sent_ring(local_assembly: Assembly) -> None:
    alarms_ = local_assembly.of_type("AWS::CloudWatch::Alarm").items()
    [(stack, alarm)] = [(stack, alarm["Properties"]) for (stack, _), alarm in alarms_
                        if alarm["Properties"]["AlarmDescription"].endswith("withdrawals-failing.md")]
    assert local_assembly.operation_of(stack, alarm["Dimensions"]) == "ledger_send_withdrawals"
    assert (alarm["MetricName"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("Errors", 1, 3)


def test_the_dashboards_show_what_an_operator_needs(local_assembly: Assembly) -> None:
    shown = json.dumps([dashboard["Properties"] for dashboard in local_assembly.of_type("AWS::CloudWatch::Dashboard").values()])
    for figure in ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "Halted", "SettleLagS", "FeedLagS",
                   "JournalSeq", "BrokenInvariants", "Errors", "Throttles", "WriteThrottleEvents", "Latency", "5xx"):
        assert figure in shown, figure
