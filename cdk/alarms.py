"""Alarms and one dashboard: dead letters, a market's engine failing or lagging, settlement lagging, a broken invariant, an
audit that fails."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.audit import Audit
from cdk.engine import Engine
from cdk.queues import Queues
from cdk.settings import Settings

MINUTE = Duration.minutes(1)
# What `exchange/adapters/audit_outcome.py` writes into the log.
AUDIT_NAMESPACE = "LambdaExchange"
BROKEN_INVARIANTS = "BrokenInvariants"


class Alarms(Construct):
    """Every alarm goes to one topic; the dashboard shows what the alarms watch."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, queues: Queues,
                 engine: Engine, audit: Audit) -> None:
        super().__init__(scope, construct_id)
        self._topic = sns.Topic(self, "Topic", enforce_ssl=True)
        if settings.alarm_email:
            self._topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        depth = {pair.node.id: pair.dead.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum")
                 for pair in queues.all()}
        for name, metric in depth.items():
            self._alarm(f"DeadLetters{name}", metric, 1, "A dead letter breaks the order: its market is halted, or its "
                                                         "listeners missed something")
        age = {pair.node.id: pair.queue.metric_approximate_age_of_oldest_message(period=MINUTE, statistic="Maximum")
               for pair in queues.all()}
        for name, metric in age.items():
            self._alarm(f"Age{name}", metric, 60, "The oldest message is a minute old: its consumer is stuck or slow")
        errors = {market: function.function.metric_errors(period=MINUTE) for market, function in engine.matching.items()}
        for market, metric in errors.items():
            self._alarm(f"Engine{market}", metric, 3, "The matching function fails repeatedly")
        broken = {}
        for operation, function in audit.functions.items():
            # A fault may make one run fail; what fails five minutes long (or a daily one, once) checks nothing any more.
            failing = function.function.metric_errors(period=MINUTE if operation.every_minutes else Duration.minutes(5))
            self._alarm(f"Failing-{operation.name}", failing, 1, "The audit fails: it found something, or it cannot check",
                        periods=5 if operation.every_minutes else 1)
            broken[operation.name] = cloudwatch.Metric(
                namespace=AUDIT_NAMESPACE, metric_name=BROKEN_INVARIANTS, dimensions_map={"audit": operation.name},
                period=MINUTE, statistic="Sum")
            self._alarm(f"Broken-{operation.name}", broken[operation.name], 1,
                        "An audit found a broken invariant and halted its market: see audit_findings")
        durations = [function.function.metric_duration(period=MINUTE, statistic="p99")
                     for function in engine.matching.values()]
        cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"{settings.prefix}exchange", widgets=[
            [cloudwatch.GraphWidget(title="Age of the oldest message (s)", left=list(age.values()), width=12),
             cloudwatch.GraphWidget(title="Dead letters", left=list(depth.values()), width=12)],
            [cloudwatch.GraphWidget(title="Matching, p99 (ms)", left=durations, width=12),
             cloudwatch.GraphWidget(title="Matching errors", left=list(errors.values()), width=12)],
            [cloudwatch.GraphWidget(title="Broken invariants", left=list(broken.values()), width=12)]])

    def _alarm(self, construct_id: str, metric: cloudwatch.IMetric, threshold: float, description: str, *,
               periods: int = 1) -> None:
        alarm = cloudwatch.Alarm(
            self, construct_id, metric=metric, threshold=threshold, evaluation_periods=periods, alarm_description=description,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING)
        alarm.add_alarm_action(actions.SnsAction(self._topic))
