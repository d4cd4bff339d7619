"""No question that is asked of the ledger in daily life reads a table through, at a size where the planner's choice is real.

Every statement of every case of `bench/ledger_cases.py` is run on 100,000 skewed orders, with auto_explain reporting its plan
and those of the statements inside database functions. And every statement in `adapters/postgres` is run by a case, or is listed
here with the reason why it is none.
"""

import ast
import json
import random
import re
import sys
from pathlib import Path

import psycopg
import pytest

import exchange.adapters.postgres
from bench.ledger_cases import Case, Ledger, cases
from bench.ledger_data import make_ledger
from exchange.adapters.postgres import connection as ledger_connection
from exchange.adapters.prepared import Prepared, Together
from exchange.markets import listing

ADAPTERS = Path(exchange.adapters.postgres.__file__).parent
ORDERS = 100_000
FEW = 50  # the best plan for a table of so few rows is to read it; what it would be for many this ledger cannot tell
CALLS = frozenset(("execute", "executemany", "copy", "read"))

# Statements that no case runs.
NOT_IN_DAILY_LIFE = {
    "migrate.migrate": "deploys only",
    "connection._connect": "settings of a connection",
    "ledger_checks.check_whole": "the whole ledger, once a day",
    "proofs.take": "every balance, once a day",
    "ledger_sums.sums": "sums of everything, when an operator looks",
    "proofs._take": "every balance, once a day",
    "proofs._take_asset": "every balance, once a day",
    "candles.PostgresCandles.forget": "a rebuild by hand",
}
# Public functions that ask the database nothing.
WITHOUT_STATEMENT = {
    "migrate.migrations", "migrate.Migration.checksum", "connection.connection", "connection.repeatable", "connection.once",
    "connection.close", "connection.password", "settlement.order_state", "orders.placing_values", "amends.amend_name",
    "fee_rates.fee_rates"}
# Tables that stay small whatever the exchange does: one row per market, per audit, per operator's act ...
SMALL = {"settle_cursors", "schema_migrations", "audit_runs", "audit_findings", "audit_cursors", "candle_cursors",
         "cancel_switches", "operator_actions", "liability_proofs", "liability_totals"}
HOW_TO_SEE = """LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
    SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; SET auto_explain.log_format = json;
    SET auto_explain.log_level = notice"""


class Watch:
    """Collects the plans, and the places in the adapters that statements come from."""

    def __init__(self) -> None:
        self.plans: list[dict] = []
        self.sites: set[str] = set()

    def notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        _, found, plan = diagnostic.message_primary.partition("plan:\n")
        if found:
            self.plans.append(json.loads(plan))

    def site(self) -> None:
        """All functions of the adapters that this statement is run in."""
        frame = sys._getframe(2)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.parent == ADAPTERS:
                self.sites.add(f"{path.stem}.{frame.f_code.co_qualname.partition('.<locals>')[0]}")
            frame = frame.f_back


@pytest.fixture(scope="module")
def watch(module_ledger_dsn):
    """The made ledger; this thread's connection tells its plans."""
    make_ledger(module_ledger_dsn, listing(), orders=ORDERS, accounts=2000)
    watching = Watch()
    with pytest.MonkeyPatch.context() as patch:
        for kind in (psycopg.Connection, psycopg.Cursor, Prepared, Together):
            for name in CALLS & set(dir(kind)):
                patch.setattr(kind, name, _watched(getattr(kind, name), watching))
        connection = ledger_connection.connection()
        for statement in HOW_TO_SEE.split(";"):
            connection.execute(statement)
        connection.add_notice_handler(watching.notice)
        yield watching
        connection.remove_notice_handler(watching.notice)


def _watched(method, watching):
    def watched(self, *args, **kwargs):
        watching.site()
        return method(self, *args, **kwargs)
    return watched


@pytest.fixture(scope="module")
def ledger(watch):
    return Ledger(random.Random(1))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_no_table_is_read_through(ledger: Ledger, watch: Watch, case: Case) -> None:
    # Prepared statements are planned for their values five times, and then perhaps once for all values.
    for _ in range(7 if case.repeat is None else 2):
        prepared = case.prepare(ledger)
        watch.plans.clear()
        case.run(ledger, prepared)
        assert watch.plans, "auto_explain told nothing"
        for plan in watch.plans:
            for node in nodes(plan["Plan"]):
                problem = wrong_with(node, case.most_rows, case.reads_through)
                assert not problem, f"{problem}\n{plan['Query Text']}\n{json.dumps(node, indent=1)[:3000]}"


def nodes(plan: dict):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def wrong_with(node: dict, most_rows: int, reads_through: frozenset[str] = frozenset()) -> str | None:
    """A table read through, or more rows read than the case allows. `Actual Rows` is of one loop."""
    table = node.get("Relation Name")
    if table is None or table in SMALL | reads_through:
        return None
    read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            + node.get("Rows Removed by Index Recheck", 0)) * node["Actual Loops"]
    if node["Node Type"] == "Seq Scan" and read > FEW:
        return f"{table} is read through: {read} rows"
    if read > most_rows:
        return f"{read} rows of {table} are read, {most_rows} may be"
    return None


def functions() -> set[str]:
    """module.function of every function of the adapters that is public, or calls `execute` and the like."""
    found = set()

    def visit(node: ast.AST, name: str, in_function: bool) -> None:
        # What stands in a function's inner functions is the function's.
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not in_function:
            name, in_function = f"{name}.{node.name}", isinstance(node, ast.FunctionDef)
            if in_function and not node.name.startswith("_"):
                found.add(name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            found.add(name)
        for child in ast.iter_child_nodes(node):
            visit(child, name, in_function)

    for path in sorted(ADAPTERS.glob("*.py")):
        visit(ast.parse(path.read_text(encoding="utf-8")), path.stem, False)
    return found


def test_every_statement_is_run_by_a_case(watch: Watch) -> None:
    """After the cases above. A new statement wants a case in bench/ledger_cases.py, or a reason in NOT_IN_DAILY_LIFE."""
    assert sorted(functions() - watch.sites - NOT_IN_DAILY_LIFE.keys() - WITHOUT_STATEMENT) == []


def test_the_lists_of_exceptions_are_true(watch: Watch) -> None:
    assert NOT_IN_DAILY_LIFE.keys() | WITHOUT_STATEMENT <= functions()
    assert watch.sites & NOT_IN_DAILY_LIFE.keys() <= {"connection._connect"}


def test_the_search_for_statements_finds_all_kinds() -> None:
    assert {"orders.place", "orders._page", "settlement.PostgresLedger._read", "settlement.write_plans", "audit.unanswered",
            "proofs._take_asset", "audit_runs.record", "audit_runs.last_runs"} <= functions()


def test_a_table_read_through_is_noticed(watch: Watch) -> None:
    watch.plans.clear()
    ledger_connection.connection().execute("SELECT count(*) FROM orders WHERE reject_reason = 'x'")
    [plan] = watch.plans
    assert any(re.match("orders is read through", wrong_with(node, 10**9) or "") for node in nodes(plan["Plan"]))
