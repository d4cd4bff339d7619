"""Queues, their consumers, schedules, triggers: who calls what, and with which guarantees."""

import json

import pytest
from infra.assembly import Assembly

from cdk.operations import BY_NAME, OPERATIONS
from cdk.settings import listed_markets
from exchange.nudges import MAX_ENTRY_IN_NUDGE
from local.consumer import FOLLOWERS

MARKETS = listed_markets()
PREFIX = "exchange-sandbox-"


def queues(assembly: Assembly) -> dict[str, tuple[str, dict]]:
    """(logical id, properties) by queue name."""
    return {queue["Properties"]["QueueName"]: (name, queue["Properties"])
            for (_, name), queue in assembly.of_type("AWS::SQS::Queue").items()}


def consumers(assembly: Assembly) -> dict[str, list[dict]]:
    """Properties of the event source mappings, by queue name."""
    names = {logical: name for name, (logical, _) in queues(assembly).items()}
    found: dict[str, list[dict]] = {}
    for mapping in assembly.of_type("AWS::Lambda::EventSourceMapping").values():
        source = mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
        found.setdefault(names[source], []).append(mapping["Properties"])
    return found


def live_queues() -> list[str]:
    names = [*(f"commands-{market}" for market in MARKETS), "settle", "feed", "push", "beat"]
    return [f"{PREFIX}{name}.fifo" for name in names]


def test_the_queues_are_those_of_the_contract(local_assembly: Assembly) -> None:
    wanted = live_queues() + [name.replace(".fifo", "-dead.fifo") for name in live_queues()]
    assert sorted(queues(local_assembly)) == sorted(wanted)


@pytest.mark.parametrize("name", live_queues())
def test_a_queue_is_fifo_with_dead_letters_and_time_for_its_consumer(local_assembly: Assembly, name: str) -> None:
    all_queues = queues(local_assembly)
    _, queue = all_queues[name]
    dead, dead_queue = all_queues[name.replace(".fifo", "-dead.fifo")]
    assert queue["FifoQueue"] is dead_queue["FifoQueue"] is True
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [dead, "Arn"]}
    for one in (queue, dead_queue):
        assert one["MaximumMessageSize"] == 1 << 20 > 1000 + 4 * MAX_ENTRY_IN_NUDGE / 3
    assert "ContentBasedDeduplication" not in queue  # ids are given: two equal nudges are two messages
    [consumer] = consumers(local_assembly)[name]
    operation = local_assembly.operation_of("Exchange-sandbox-Trading", consumer["FunctionName"])
    assert queue["VisibilityTimeout"] >= 6 * BY_NAME[operation].timeout_s


def test_the_local_runtime_knows_who_is_nudged(local_assembly: Assembly) -> None:
    """Its consumers make up for nudges that are lost there, so they must be those of the queues that the engine nudges."""
    names = {logical: name for name, (logical, _) in queues(local_assembly).items()}
    nudged = {names[logical] for logical in names if any(
        operation == "engine_match_orders" and logical in json.dumps(
            [function["Properties"]["Environment"]["Variables"][f"{name}_QUEUE_URL"] for name in ("SETTLE", "FEED")])
        for operation, function in local_assembly.functions().values())}
    assert {local_assembly.operation_of("Exchange-sandbox-Trading", consumer["FunctionName"])
            for name in nudged for consumer in consumers(local_assembly)[name]} == set(FOLLOWERS)


@pytest.mark.parametrize("name", live_queues())
def test_a_consumer_takes_small_batches_and_answers_partially(local_assembly: Assembly, name: str) -> None:
    for mapping in consumers(local_assembly)[name]:
        assert 1 <= mapping["BatchSize"] <= 10
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "MaximumBatchingWindowInSeconds" not in mapping  # FIFO queues refuse one


@pytest.mark.parametrize("market", MARKETS)
def test_a_market_is_matched_by_its_own_function_behind_an_alias(local_assembly: Assembly, market: str) -> None:
    [mapping] = consumers(local_assembly)[f"{PREFIX}commands-{market}.fifo"]
    aliases = {name: alias["Properties"] for (_, name), alias in local_assembly.of_type("AWS::Lambda::Alias").items()}
    [alias] = [alias for name, alias in aliases.items() if json.dumps(name) in json.dumps(mapping["FunctionName"])]
    assert "RoutingConfig" not in alias  # a weighted alias would match one market in two versions at once
    stack = "Exchange-sandbox-Trading"
    function = local_assembly.templates[stack]["Resources"][alias["FunctionName"]["Ref"]]["Properties"]
    assert function["Environment"]["Variables"]["MARKET"] == market
    [halting] = consumers(local_assembly)[f"{PREFIX}commands-{market}-dead.fifo"]
    assert local_assembly.operation_of(stack, halting["FunctionName"]) == "engine_halt_market"


def warm(assembly: Assembly) -> list[int]:
    """The environments that are kept warm behind each alias."""
    return [alias["Properties"].get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)
            for alias in assembly.of_type("AWS::Lambda::Alias").values()]


def test_matching_is_kept_warm_but_in_the_sandbox(local_assembly: Assembly, production_assembly: Assembly) -> None:
    assert warm(production_assembly) == [BY_NAME["engine_match_orders"].provisioned] * len(MARKETS)
    assert warm(local_assembly) == [0] * len(MARKETS)


def test_schedules_are_those_of_the_table(local_assembly: Assembly) -> None:
    made = {}
    for (stack, _), rule in local_assembly.of_type("AWS::Events::Rule").items():
        [target] = rule["Properties"]["Targets"]
        made[local_assembly.operation_of(stack, target["Arn"])] = rule["Properties"]["ScheduleExpression"]
    wanted = {operation.name: "rate(1 minute)" if operation.every_minutes == 1
              else f"rate({operation.every_minutes} minutes)" for operation in OPERATIONS if operation.every_minutes}
    for operation in OPERATIONS:
        if operation.daily_at:
            hour, minute = map(int, operation.daily_at.split(":"))
            wanted[operation.name] = f"cron({minute} {hour} * * ? *)"
    assert made == wanted
    assert {"audit_check_ledger", "audit_check_whole_ledger", "audit_sweep_orders", "engine_send_ticks",
            "engine_snapshot_book"} <= made.keys()


def test_each_operation_has_one_caller_at_least() -> None:
    for operation in OPERATIONS:
        assert operation.routes or operation.queue or operation.every_minutes or operation.daily_at \
            or operation.websocket_route \
            or operation.cognito_trigger or operation.at_deploy or operation.by_hand, operation.name


def test_the_sandbox_confirms_sign_ups_itself(local_assembly: Assembly) -> None:
    [((stack, _), pool)] = local_assembly.of_type("AWS::Cognito::UserPool").items()
    trigger = pool["Properties"]["LambdaConfig"]["PreSignUp"]
    assert local_assembly.operation_of(stack, trigger) == "auth_confirm_sandbox_user"


def test_the_pool_has_the_flows_and_groups_of_the_contract(local_assembly: Assembly) -> None:
    [client] = local_assembly.of_type("AWS::Cognito::UserPoolClient").values()
    flows = set(client["Properties"]["ExplicitAuthFlows"])
    assert {"ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"} == flows
    groups = {group["Properties"]["GroupName"] for group in local_assembly.of_type("AWS::Cognito::UserPoolGroup").values()}
    assert groups == {"traders", "operators"}


def test_the_schema_is_migrated_by_the_deploy(local_assembly: Assembly) -> None:
    [((stack, _), trigger)] = local_assembly.of_type("Custom::Trigger").items()
    version = trigger["Properties"]["HandlerArn"]["Ref"]
    function = local_assembly.templates[stack]["Resources"][version]["Properties"]["FunctionName"]
    assert local_assembly.operation_of(stack, function) == "ledger_migrate_schema"


def test_the_deploy_waits_for_the_migration(local_assembly: Assembly) -> None:
    """Longer than the function may take: one that is still at it must not have failed the deploy."""
    [trigger] = local_assembly.of_type("Custom::Trigger").values()
    assert int(trigger["Properties"]["Timeout"]) > 1000 * BY_NAME["ledger_migrate_schema"].timeout_s


def test_only_what_wakes_itself_may_do_so_without_end(local_assembly: Assembly) -> None:
    """Lambda stops a function that its own messages call for the seventeenth time, unless it is allowed: the feed's clock
    hands over to itself every minute."""
    allowed = {operation for operation, function in local_assembly.functions().values()
               if function["Properties"].get("RecursiveLoop") == "Allow"}
    assert allowed == {"feed_beat"}


def test_a_stack_stays_below_the_limit(local_assembly: Assembly) -> None:
    for stack, template in local_assembly.templates.items():
        # The limit is 500. A market costs Trading 20, and Api nothing; a function costs Api 3, and 1 for each door and route.
        assert len(template["Resources"]) < 400, stack
        assert len(template.get("Outputs", {})) < 150, f"{stack}: the limit is 200 outputs"
