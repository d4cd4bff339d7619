"""The operators' operations on a real ledger, journal, queue and status table; the engine runs where a test says so."""

import json
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from exchange import health
from exchange.adapters import market_status, ports
from exchange.adapters.core import core_for
from exchange.adapters.embedded.snapshots import FolderSnapshots
from exchange.adapters.halt import halt_market
from exchange.adapters.postgres import withdrawals
from exchange.commands import CommandKind
from exchange.engine import Delivery, MatchingEngine
from exchange.markets import listing
from tests.unit.log_lines import level_for_lambda

MARKET = "BTC-USD"
NOW = 1_700_000_000_000


class Operator:
    """Calls as a member of the group `operators`."""

    def __init__(self, api, folder) -> None:
        self.api = api
        self.queue_url = f"https://sqs.test/000000000000/test-commands-{MARKET}.fifo"
        self.engine = MatchingEngine(
            market=MARKET, core=core_for(listing().markets[MARKET]), journal=ports.journal(),
            snapshots=FolderSnapshots(str(folder)), queue=ports.command_queue(), command_queue_url=self.queue_url,
            nudge_queue_urls=[], now_ms=lambda: NOW)

    def call(self, name, **arguments):
        return self.api.call(name, user="olga", groups=["traders", "operators"], **arguments)

    def steer(self, move, **body):
        return self.call("api_admin_steer_market", method="POST", path=f"/admin/markets/{MARKET}/{move}",
                         parameters={"product_id": MARKET}, body={"reason": "because"} | body)

    def match(self) -> None:
        """The engine takes what stands in the market's queue."""
        queue = ports.command_queue()
        while messages := queue.receive(queue=self.queue_url):
            self.engine.handle([Delivery(message.sequence, message.body) for message in messages])
            queue.acknowledge(messages)

    def market(self) -> dict:
        return next(row for row in self.call("api_admin_list_markets").body if row["product_id"] == MARKET)

    def sent(self) -> list[CommandKind]:
        return [command.kind for command in self.api.sent(MARKET)]


@pytest.fixture
def olga(api, redis_url, tmp_path):
    return Operator(api, tmp_path)


def test_halt_auction_resume(olga):
    halted = olga.steer("halt", reason="maintenance")
    assert (halted.status, halted.body["status"], halted.body["by"], halted.body["broken"]) == (200, "halted", "olga", False)
    assert olga.api.place("ann").body["code"] == "cancel_only"
    assert olga.steer("auction").body["status"] == "auction"
    resumed = olga.steer("resume", reason="done")
    assert (resumed.body["status"], resumed.body["reason"]) == ("online", "done")
    assert resumed.body["last_halt"] == {"reason": "maintenance", "at": halted.body["since"], "by": "olga", "broken": False}
    assert olga.sent() == [CommandKind.HALT, CommandKind.AUCTION, CommandKind.UNCROSS]
    assert olga.api.told() == [MARKET] * 3


def test_every_act_is_recorded_with_who_when_and_why(olga):
    acts = [olga.steer("halt", reason="maintenance").body["action_id"], olga.steer("resume", reason="done").body["action_id"]]
    rows = olga.call("api_admin_list_actions").body
    assert [row["id"] for row in rows] == acts[::-1]
    assert [(row["operator"], row["action"], row["subject"], row["reason"]) for row in rows] == [
        ("olga", "market.resume", MARKET, "done"), ("olga", "market.halt", MARKET, "maintenance")]
    assert rows[0]["details"]["from"] == "halted" and rows[0]["at"].endswith("Z")
    assert olga.call("api_admin_list_actions", query="subject=ETH-USD").body == []
    page = olga.call("api_admin_list_actions", query=f"limit=1&after={2**40}")
    assert [row["id"] for row in page.body] == acts[1:] and "cb-after" in page.headers


def test_an_act_cannot_be_changed_afterwards(olga, ledger_dsn):
    import psycopg

    olga.steer("halt")
    with psycopg.connect(ledger_dsn) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE operator_actions SET reason = 'another'")


@pytest.mark.parametrize("move", ["resume", "auction"])
def test_a_broken_invariant_takes_an_acknowledgement(olga, move):
    halt_market(MARKET, "I1: entry 7 sums to 1 USD")
    refused = olga.steer(move)
    assert (refused.status, refused.body["code"]) == (400, "acknowledgement_required")
    assert "I1: entry 7" in refused.body["message"]
    assert olga.sent() == [CommandKind.HALT]
    assert olga.steer(move, acknowledge_broken_invariant=True).status == 200
    details = olga.call("api_admin_list_actions").body[0]["details"]
    assert details["acknowledged"] and details["broken"] and details["was"] == "I1: entry 7 sums to 1 USD"


def test_moves_from_where_they_are_not_allowed(olga):
    assert olga.steer("resume").body["code"] == "wrong_market_status"
    olga.steer("auction")
    assert olga.steer("auction").body["code"] == "wrong_market_status"
    assert olga.sent() == [CommandKind.AUCTION]
    assert len(olga.call("api_admin_list_actions").body) == 1


def test_a_halt_while_a_resume_is_under_way_has_the_last_word(olga, monkeypatch):
    olga.steer("halt")
    move = market_status.MarketStatus.move

    def halted_meanwhile(self, market, seen, **to):
        monkeypatch.setattr(market_status.MarketStatus, "move", move)
        halt_market(MARKET, "I1: entry 7 sums to 1 USD")
        return move(self, market, seen, **to)

    monkeypatch.setattr(market_status.MarketStatus, "move", halted_meanwhile)
    assert olga.steer("resume").body["code"] == "wrong_market_status"
    assert olga.sent() == [CommandKind.HALT, CommandKind.UNCROSS, CommandKind.HALT, CommandKind.HALT]
    assert market_status.MarketStatus().newest(MARKET).broken


def test_an_auction_uncrosses_when_it_is_resumed(olga):
    """Orders that cross collect, and trade at one price with the RESUME; all of it is in the journal."""
    olga.api.fund("ann", USD="1000000")
    olga.api.fund("bob", BTC="10")
    olga.steer("auction")
    assert olga.api.place("ann", price="101").status == olga.api.place("bob", side="sell", price="99").status == 200
    olga.match()
    assert ports.journal().head(market=MARKET) is not None
    assert not [event for row in _entries(olga) for event in row["events"] if event["kind"] == "trade"]
    olga.steer("resume")
    olga.match()
    events = [event for row in _entries(olga) for event in row["events"]]
    [trade] = [event for event in events if event["kind"] == "trade"]
    assert (trade["price"], trade["size"], trade["flags"]) == ("100.00", "1.00000000", ["auction"])
    assert [event["kind"] for event in events if event["kind"] in ("collecting", "resumed")] == ["collecting", "resumed"]


def _entries(olga) -> list[dict]:
    """All entries in order, each read by itself."""
    rows = olga.call("api_admin_read_journal", parameters={"product_id": MARKET}).body
    return [olga.call("api_admin_read_journal", parameters={"product_id": MARKET, "seq": str(row["seq"])}).body
            for row in rows[::-1]]


# --- the journal


@pytest.fixture
def journal(olga):
    """Seven entries: a resting order, one that crosses it, and ticks."""
    olga.api.fund("ann", USD="1000")
    olga.api.fund("bob", BTC="1")
    placed = [olga.api.place("ann"), olga.api.place("bob", side="sell", size="0.4")]
    olga.match()
    for number in range(6):
        ports.command_queue().send(queue=olga.queue_url, group=MARKET, dedup_id=f"tick{number}", body=_tick(number))
        olga.match()
    return [answer.body["id"] for answer in placed]


def _tick(number: int) -> str:
    from exchange.commands import Command, encode_message

    return encode_message([Command(kind=CommandKind.TICK, issued_at_ms=NOW + number).pack()])


def page(olga, query=""):
    answer = olga.call("api_admin_read_journal", parameters={"product_id": MARKET}, query=query)
    return [row["seq"] for row in answer.body], answer


def test_pages_of_the_journal(olga, journal):
    assert page(olga)[0] == [7, 6, 5, 4, 3, 2, 1] and "cb-after" not in page(olga)[1].headers
    seqs, newest = page(olga, "limit=3")
    assert seqs == [7, 6, 5]
    assert page(olga, f"limit=3&after={newest.headers['cb-after']}")[0] == [4, 3, 2]
    assert page(olga, "limit=3&after=2")[0] == [1] and page(olga, "after=1")[0] == []
    assert page(olga, "limit=3&before=2")[0] == [5, 4, 3]
    assert page(olga, "before=7")[0] == []
    assert all(row["verified"] for row in newest.body)
    assert newest.body[0]["prev_hash"] == newest.body[1]["hash"]
    assert newest.body[0]["commands"] == {"tick": 1}


def test_an_entry_in_words(olga, journal):
    entry = _entries(olga)[0]
    assert [(command["kind"], command["side"], command["price"], command["size"]) for command in entry["commands"]] == [
        ("place", "buy", "100.00", "1.00000000"), ("place", "sell", "100.00", "0.40000000")]
    assert [command["order_id"] for command in entry["commands"]] == journal
    kinds = [event["kind"] for event in entry["events"]]
    assert kinds == ["accepted", "opened", "accepted", "trade", "done", "level"]
    trade, done, level = entry["events"][3:]
    assert (trade["maker_order_id"], trade["order_id"], trade["price"], trade["maker_left"]) == (
        *journal, "100.00", "0.60000000")
    assert done["reason"] == "filled" and level["orders"] == 1 and level["size"] == "0.60000000"
    assert entry["verified"] and UUID(journal[0]) and len(entry["hash"]) == 64


@pytest.mark.parametrize("seq", ["0", "8", "-1", "x", "1e3", "\u0661", "9" * 40])
def test_an_entry_that_is_not_there(olga, journal, seq):
    assert olga.call("api_admin_read_journal", parameters={"product_id": MARKET, "seq": seq}).status == 404


def test_altered_bytes_are_told_and_not_hidden(olga, journal, ledger_dsn):
    import psycopg

    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("UPDATE embedded.journal SET entry = set_byte(entry, 40, 77) WHERE seq = 3")
        connection.execute("DELETE FROM embedded.journal WHERE seq = 5")
        connection.execute("INSERT INTO embedded.journal SELECT market, 5, entry FROM embedded.journal WHERE seq = 1")
    rows = {seq: olga.call("api_admin_read_journal", parameters={"product_id": MARKET, "seq": str(seq)}).body
            for seq in range(1, 8)}
    assert [seq for seq, row in rows.items() if not row["verified"]] == [3, 6]
    assert "hash" in rows[3]["trouble"] and rows[6]["trouble"] == "does not chain to entry 5"


# --- health, invariants


def test_markets_and_lags(olga, journal):
    row = olga.market()
    assert (row["status"], row["mode"], row["journal"]["seq"]) == ("online", "open", 7)
    # Nobody settles or publishes in this test.
    assert (row["settle"]["lag"], row["feed"]["lag"]) == (7, 7) and row["settle"]["lag_s"] > 1000


def test_health_names_what_is_wrong(olga, journal):
    olga.steer("halt", reason="maintenance")
    answer = olga.call("api_admin_get_health").body
    assert not answer["healthy"] and answer["unreachable"] == []
    told = {(row["what"], row["subject"]) for row in answer["troubles"]}
    assert told >= {("halted-market", MARKET), ("follower-lag", MARKET)}
    commands = next(row for row in answer["queues"] if row["name"] == f"commands-{MARKET}")
    assert (commands["waiting"], commands["in_flight"]) == (1, 0) and commands["oldest_age_s"] < 60
    assert "functions" not in answer


def test_health_shows_an_audit_that_never_ran(olga, database):
    """From the beginning, and as a trouble once its first run is overdue."""
    answer = olga.call("api_admin_get_health").body
    never = {(row["audit"], row["market"]) for row in answer["audits"] if row["result"] == "never"}
    assert never == {(audit, market) for audit in health.AUDITS
                     for market in (listing().markets if audit == "audit_replay_journal" else [""])}
    assert olga.call("api_admin_check_invariants").body["audits"] == answer["audits"]
    assert not any(row["what"] == "audit-failing" for row in answer["troubles"])

    def overdue(age):
        database.execute("UPDATE schema_migrations SET applied_at = now() - %s", (age,))
        rows = olga.call("api_admin_get_health").body["troubles"]
        return {row["subject"]: row["text"] for row in rows if row["what"] == "audit-failing"}

    each_minute = {"audit_check_ledger", "audit_sweep_orders", *(f"audit_replay_journal {name}" for name in listing().markets)}
    assert overdue(health.AUDIT_SILENT - timedelta(minutes=1)) == {}
    assert overdue(health.AUDIT_SILENT + timedelta(minutes=1)) == dict.fromkeys(each_minute, "has never run")
    everything = each_minute | {"audit_check_whole_ledger", "audit_prove_liabilities"}
    assert overdue(health.DAILY_AUDIT_SILENT + timedelta(minutes=1)) == dict.fromkeys(everything, "has never run")
    olga.api.load("audit_sweep_orders").lambda_handler({}, None)
    assert "audit_sweep_orders" not in overdue(health.DAILY_AUDIT_SILENT)
    [row] = [row for row in olga.call("api_admin_get_health").body["audits"] if row["audit"] == "audit_sweep_orders"]
    assert row["result"] == "passed" and "since" not in row


def test_an_audit_that_stopped_is_told_with_its_last_run():
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)

    def told(audit, result="passed", **age):
        row = {"audit": audit, "market": "", "result": result, "started_at": (now - timedelta(**age)).isoformat()}
        return [(found["what"], found["text"]) for found in health.troubles(
            markets=[], queues=[], audits=[row], withdrawals=[], now=now)]

    assert told("audit_check_ledger", minutes=10) == told("audit_prove_liabilities", hours=26) == []
    assert told("audit_check_whole_ledger", hours=26) == [] and told("audit_of_an_earlier_version", minutes=10) == []
    [(what, text)] = told("audit_check_ledger", minutes=11)
    assert (what, text) == ("audit-failing", "has not run since 2026-01-02T11:49:00+00:00")
    for audit in ("audit_prove_liabilities", "audit_check_whole_ledger"):
        assert told(audit, hours=27)[0][0] == "audit-failing"
    assert told("audit_check_ledger", "failed", minutes=0)[0][0] == "broken-invariant"


def wait_for_the_custody(olga, database, age_s, *, sent=False):
    """A withdrawal that has been approved, or sent, for so long."""
    olga.api.fund("ann", USD="100")
    methods = olga.api.call("api_list_payment_methods", user="ann", path="/payment-methods").body
    made = olga.api.call("api_request_withdrawal", user="ann", method="POST", path="/withdrawals/payment-method", body={
        "currency": "USD", "amount": "10", "payment_method_id": methods[0]["id"]}).body
    assert made["status"] == "approved"
    if sent:
        assert withdrawals.begin(made["id"])
    database.execute("ALTER TABLE transfer_steps DISABLE TRIGGER USER")
    database.execute("UPDATE transfer_steps SET created_at = created_at - make_interval(secs => %s)", (age_s,))
    return made["id"]


@pytest.mark.parametrize(("sent", "age_s", "told"), [
    (False, 0, None), (False, 170, None), (True, 181, None), (True, 3590, None),
    (False, 181, r"1 approved and not sent, the oldest for 18\d s"),
    (True, 3601, r"1 sent and not answered by the custody, the oldest for 36\d\d s")])
def test_health_names_withdrawals_that_wait_too_long(olga, database, sent, age_s, told):
    status = "sent" if sent else "approved"
    wait_for_the_custody(olga, database, age_s, sent=sent)
    answer = olga.call("api_admin_get_health").body
    [row] = answer["withdrawals"]
    assert (row["status"], row["count"]) == (status, 1) and age_s <= row["oldest_age_s"] < age_s + 60
    texts = [row["text"] for row in answer["troubles"] if (row["what"], row["subject"]) == ("withdrawals-failing", status)]
    assert len(texts) == (told is not None) and all(re.fullmatch(told, text) for text in texts)
    assert told is None or not answer["healthy"]
    if not sent:  # what nobody will send as long as the account is frozen is no trouble
        database.execute("SELECT set_frozen(account_no, true, 'olga', 'a test') FROM accounts WHERE user_id = 'ann'")
        answer = olga.call("api_admin_get_health").body
        assert answer["withdrawals"] == [] and not any(row["what"] == "withdrawals-failing" for row in answer["troubles"])


def test_health_shows_the_rest_when_a_service_is_away(olga, monkeypatch):
    from exchange.adapters.redis import connection

    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    connection.client.cache_clear()
    answer = olga.call("api_admin_get_health").body
    assert [row["part"] for row in answer["unreachable"]] == ["markets"] and answer["queues"]
    assert not answer["healthy"]


def test_the_sums_of_the_invariants(olga, database):
    olga.api.fund("ann", USD="1000")
    olga.api.place("ann")
    answer = olga.call("api_admin_check_invariants").body
    dollars = {name: next(row for row in answer[name] if row["currency"] == "USD") for name in ("I1", "I2", "I3")}
    assert dollars["I1"] == {"currency": "USD", "traders": "1000.00000000", "fees": "0.00000000",
                             "custody": "-1000.00000000", "sum": "0.00000000", "holds": True}
    assert dollars["I2"]["negative_balances"] == 0
    assert dollars["I3"]["held"] == dollars["I3"]["needed"] == "100.60000000"
    database.execute("UPDATE balances SET held = held + 1 WHERE asset = 'USD' AND held > 0")
    answer = olga.call("api_admin_check_invariants").body
    assert [(row["holds"], row["currency"]) for row in answer["I1"] + answer["I3"] if not row["holds"]] == [
        (False, "USD"), (False, "USD")]
    assert answer["I3"][-1]["differing_accounts"] == 1


def test_each_markets_figures_become_metrics(olga, journal, capsys):
    """One line per market in CloudWatch's embedded metric format, with every figure that it declares."""
    olga.steer("halt", reason="maintenance")
    measured = olga.api.load("audit_measure_markets").lambda_handler({}, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["market"] for line in lines] == list(measured) == list(listing().markets)
    line = lines[0]
    assert (line["market"], line["Halted"], line["Broken"], line["JournalSeq"]) == (MARKET, 1, 0, 7)
    assert line["SettleLagS"] > 1000 and level_for_lambda(line) == "WARN"
    [declared] = line["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == "LambdaExchange" and declared["Dimensions"] == [["market"]]
    assert all(metric["Name"] in line for metric in declared["Metrics"])
