"""Alarms and dashboards: what an operator must see, and what rings.

Every alarm names its page of docs/runbooks in its description (`tests/infra/test_alarms.py`). Thresholds that
`GET /admin/health` has too are those of `exchange/health.py`. The doors' alarms stand in their own stack, with the same topic.
"""

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from cdk.api import Api
from cdk.audit import Audit
from cdk.engine import Engine
from cdk.feed import Feed
from cdk.ledger import Ledger
from cdk.operations import Use
from cdk.queues import Queues
from cdk.settings import Settings

MINUTE = Duration.minutes(1)
# What the audits (`exchange/adapters/audit_outcome.py`) and `audit_measure_markets` write into the log.
NAMESPACE = "LambdaExchange"
BROKEN_INVARIANTS = "BrokenInvariants"
OLD_MESSAGE_S = 60
OLD_BEAT_S = 180
LAG_S = 30
SLOW_ORDERS_MS = 500


class Bell:
    """Makes alarms that ring on one topic. `runbook`: the page of docs/runbooks, without `.md`. A metric with a label is for
    a widget: of an alarm it would make metric math, which the emulator does not know."""

    def __init__(self, scope: Construct, topic: sns.ITopic) -> None:
        self._scope = scope
        self._topic = topic

    def on(self, construct_id: str, metric: cloudwatch.IMetric, threshold: float, description: str, *, runbook: str,
           periods: int = 1) -> None:
        alarm = cloudwatch.Alarm(
            self._scope, construct_id, metric=metric, threshold=threshold, evaluation_periods=periods,
            alarm_description=f"{description}. Runbook: docs/runbooks/{runbook}.md",
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING)
        alarm.add_alarm_action(actions.SnsAction(self._topic))


class Alarms(Construct):
    """Of the trading stack. Every alarm goes to `topic`; the dashboard shows what the alarms watch."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, queues: Queues,
                 engine: Engine, ledger: Ledger, audit: Audit, feed: Feed, journal: dynamodb.ITable) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True)
        # A topic with a policy of its own has lost the one that let its account's alarms in.
        self.topic.add_to_resource_policy(iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")], actions=["sns:Publish"],
            resources=[self.topic.topic_arn], conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}))
        if settings.alarm_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        self._bell = Bell(self, self.topic)
        cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"{settings.prefix}exchange", widgets=[
            self._markets(settings.markets), self._queues(queues), self._engine(engine), self._audits(audit),
            self._journal(settings.markets, journal), self._withdrawals(ledger) + self._schedules(engine, feed)])

    def _markets(self, markets: tuple[str, ...]) -> list[cloudwatch.IWidget]:
        halted, lags = [], []
        for market in markets:
            metric = _measured("Halted", market)
            self._bell.on(f"Halted{market}", metric, 1, "The market is halted", runbook="halted-market")
            halted.append(metric.with_(label=market))
            for follower, name in (("Settle", "SettleLagS"), ("Feed", "FeedLagS")):
                metric = _measured(name, market)
                # Two minutes long: one look may fall on a burst.
                self._bell.on(f"{follower}Lag{market}", metric, LAG_S, f"{follower} is half a minute behind the journal",
                              runbook="follower-lag", periods=2)
                lags.append(metric.with_(label=f"{market} {name}"))
        return [cloudwatch.GraphWidget(title="Halted markets", left=halted, width=12),
                cloudwatch.GraphWidget(title="Behind the journal (s)", left=lags, width=12)]

    def _queues(self, queues: Queues) -> list[cloudwatch.IWidget]:
        dead, age = [], []
        for pair in queues.all():
            dead.append(pair.dead.metric_approximate_number_of_messages_visible(period=MINUTE, statistic="Maximum"))
            self._bell.on(f"DeadLetters{pair.node.id}", dead[-1], 1, "A dead letter breaks the order: its market is halted, or "
                          "its listeners missed something", runbook="dead-letters")
            age.append(pair.queue.metric_approximate_age_of_oldest_message(period=MINUTE, statistic="Maximum"))
            old_s = OLD_BEAT_S if pair is queues.beat else OLD_MESSAGE_S
            self._bell.on(f"Age{pair.node.id}", age[-1], old_s, f"The oldest message is {old_s} s old: its consumer is stuck "
                          "or slow", runbook="queue-age")
        return [cloudwatch.GraphWidget(title="Age of the oldest message (s)", left=age, width=12),
                cloudwatch.GraphWidget(title="Dead letters", left=dead, width=12)]

    def _engine(self, engine: Engine) -> list[cloudwatch.IWidget]:
        errors, throttles, durations = [], [], []
        for market, made in engine.matching.items():
            errors.append(made.function.metric_errors(period=MINUTE))
            # A batch that failed is hidden for its queue's visibility time-out: there is one error a minute at most.
            self._bell.on(f"Engine{market}", made.function.metric_errors(period=Duration.minutes(5)), 3,
                          "The matching function fails repeatedly", runbook="engine-errors")
            throttles.append(made.function.metric_throttles(period=MINUTE))
            self._bell.on(f"Throttled{market}", throttles[-1], 1, "The matching function is throttled", runbook="throttles",
                          periods=2)
            durations += [made.function.metric_duration(period=MINUTE, statistic=statistic) for statistic in ("p50", "p99")]
        return [cloudwatch.GraphWidget(title="Matching a batch, p50 and p99 (ms)", left=durations, width=12),
                cloudwatch.GraphWidget(title="Matching: errors, throttles", left=errors, right=throttles, width=12)]

    def _withdrawals(self, ledger: Ledger) -> list[cloudwatch.IWidget]:
        sending = next(function for operation, function in ledger.functions.items()
                       if operation.name == "ledger_send_withdrawals")
        failing = sending.function.metric_errors(period=MINUTE)
        # One run may meet a custody that is away for a moment; the next asks for the same again.
        self._bell.on("Withdrawals", failing, 1, "Withdrawals that are approved cannot be sent, three minutes long",
                      runbook="withdrawals-failing", periods=3)
        return [cloudwatch.GraphWidget(title="Sending withdrawals: errors", left=[failing], width=12)]

    def _schedules(self, engine: Engine, feed: Feed) -> list[cloudwatch.IWidget]:
        """What engine and feed do by the clock: nothing else tells when it is not done."""
        failing = []
        for operation, function in (engine.functions | feed.functions).items():
            if operation.every_minutes:
                failing.append(function.function.metric_errors(period=Duration.minutes(operation.every_minutes)))
                self._bell.on(f"Schedule-{operation.name}", failing[-1], 1, f"{operation.name} fails five times in a row",
                              runbook="schedule-failing", periods=5)
        return [cloudwatch.GraphWidget(title="Failing schedules", left=failing, width=12)]

    def _audits(self, audit: Audit) -> list[cloudwatch.IWidget]:
        failing, broken = [], []
        for operation, function in audit.functions.items():
            # A fault may make one run fail; what fails five minutes long (or a daily one, once) checks nothing any more.
            failing.append(function.function.metric_errors(period=MINUTE if operation.every_minutes else Duration.minutes(5)))
            self._bell.on(f"Failing-{operation.name}", failing[-1], 1, "The audit fails: it found something, or it cannot "
                          "check", runbook="audit-failing", periods=5 if operation.every_minutes else 1)
            if Use.WRITE_STATUS not in operation.uses:
                continue  # it looks at no invariant, and so halts nothing
            broken.append(cloudwatch.Metric(
                namespace=NAMESPACE, metric_name=BROKEN_INVARIANTS, dimensions_map={"audit": operation.name}, period=MINUTE,
                statistic="Sum"))
            self._bell.on(f"Broken-{operation.name}", broken[-1], 1, "An audit found a broken invariant and halted its market: "
                          "see audit_findings", runbook="broken-invariant")
        return [cloudwatch.GraphWidget(title="Broken invariants", left=broken, width=12),
                cloudwatch.GraphWidget(title="Failing audits", left=failing, width=12)]

    def _journal(self, markets: tuple[str, ...], journal: dynamodb.ITable) -> list[cloudwatch.IWidget]:
        throttled = cloudwatch.Metric(namespace="AWS/DynamoDB", metric_name="WriteThrottleEvents", statistic="Sum",
                                      period=MINUTE, dimensions_map={"TableName": journal.table_name})
        self._bell.on("JournalThrottled", throttled, 1, "Appends to the journal are throttled", runbook="throttles", periods=2)
        appended = [cloudwatch.MathExpression(expression=f"DIFF(seq{number})", label=market, period=MINUTE,
                                              using_metrics={f"seq{number}": _measured("JournalSeq", market)})
                    for number, market in enumerate(markets)]
        return [cloudwatch.GraphWidget(title="Journal entries per minute", left=appended, width=12),
                cloudwatch.GraphWidget(title="Throttled appends", left=[throttled], width=12)]


class DoorAlarms(Construct):
    """Of the api stack: what clients see of the exchange."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, api: Api, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)
        bell = Bell(self, topic)
        latencies, errors, requests = [], [], []
        for door, made in api.doors.items():
            name = door.value.capitalize()
            failed = made.stage.metric_server_error(period=MINUTE, statistic="Sum")
            bell.on(f"Errors{name}", failed, 5, "The door answers requests with 5xx", runbook="door-errors", periods=2)
            errors.append(failed.with_(label=f"{name} 5xx"))
            latencies += [made.stage.metric_latency(period=MINUTE, statistic=statistic).with_(label=f"{name} {statistic}")
                          for statistic in ("p50", "p99")]
            requests.append(made.stage.metric_count(period=MINUTE, statistic="Sum").with_(label=name))
        place = next(function for operation, function in api.functions.items() if operation.name == "api_place_order")
        slow = place.function.metric_duration(period=MINUTE, statistic="p99")
        bell.on("SlowOrders", slow, SLOW_ORDERS_MS, "POST /orders takes half a second at p99", runbook="slow-orders", periods=5)
        throttled = place.function.metric_throttles(period=MINUTE)
        bell.on("ThrottledOrders", throttled, 1, "POST /orders is throttled", runbook="throttles", periods=2)
        cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"{settings.prefix}doors", widgets=[
            [cloudwatch.GraphWidget(title="Answer time of the doors (ms)", left=latencies, width=12),
             cloudwatch.GraphWidget(title="POST /orders, p99 (ms), throttles", left=[slow], right=[throttled], width=12)],
            [cloudwatch.GraphWidget(title="Requests per minute", left=requests, width=12),
             cloudwatch.GraphWidget(title="5xx", left=errors, width=12)]])


def _measured(name: str, market: str) -> cloudwatch.Metric:
    """A figure of `audit_measure_markets`."""
    return cloudwatch.Metric(namespace=NAMESPACE, metric_name=name, dimensions_map={"market": market}, period=MINUTE,
                             statistic="Maximum")
