"""What halts a market, and that halting does not feed itself."""

import importlib.util
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest

from exchange.adapters import halt, market_status
from exchange.commands import SIZE, Command, CommandKind, OrderType, Side, TimeInForce, decode_message, encode_message
from exchange.feed.bodies import encode_status
from exchange.market_modes import AUCTION, HALTED, ONLINE, Status

ROOT = Path(__file__).resolve().parents[2]
MARKET = "BTC-USD"


class Sent:
    """A queue that notes what is sent, and drops repeats as the real one does."""

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}
        self.told: dict[str, str] = {}

    def send(self, *, queue: str, group: str, dedup_id: str, body: str) -> int:
        if queue == "feed":
            self.told.setdefault(dedup_id, body)
            return len(self.told)
        assert (queue, group) == (f"http://q/commands-{MARKET}.fifo", MARKET)
        self.bodies.setdefault(dedup_id, body)
        return len(self.bodies)

    def kinds(self) -> list[list[int]]:
        return [list(decode_message(body)[::SIZE]) for body in self.bodies.values()]


@pytest.fixture
def halted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The markets whose status row was set to halted."""
    markets: list[str] = []

    def halt_row(self: object, market: str, reason: str) -> Status:
        markets.append(market)
        return Status(HALTED, reason, "2026-01-01T00:00:00+00:00", broken=True)

    monkeypatch.setattr(market_status.MarketStatus, "halt", halt_row)
    return markets


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    queue = Sent()
    monkeypatch.setenv("COMMAND_QUEUE_URL_PREFIX", "http://q/commands-")
    monkeypatch.setenv("FEED_QUEUE_URL", "feed")
    monkeypatch.setattr(halt, "command_queue", lambda: queue)
    return queue


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, sent: Sent) -> ModuleType:
    path = ROOT / "functions" / "engine_halt_market" / "handler.py"
    spec = importlib.util.spec_from_file_location("engine_halt_market_handler", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "command_queue", lambda: sent)
    return module


def command(kind: CommandKind, number: int = 1) -> bytes:
    place = {"side": Side.BUY, "order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "price_ticks": 1,
             "size_lots": 1}
    return Command(kind=kind, issued_at_ms=1, order_id=UUID(int=number), account=1000,
                   **(place if kind == CommandKind.PLACE else {})).pack()


def dead_letter(body: str, message_id: str = "m1") -> dict:
    return {"Records": [{"messageId": message_id, "body": body, "attributes": {"MessageGroupId": MARKET}}]}


def test_one_halt_per_reason(halted: list[str], sent: Sent) -> None:
    for _ in range(5):
        halt.halt_market(MARKET, "I1: entry 7 sums to 1 USD")
    halt.halt_market(MARKET, "I2: another")
    assert sent.kinds() == [[CommandKind.HALT], [CommandKind.HALT]]
    assert halted == [MARKET] * 6
    assert list(sent.told.values()) == [encode_status(MARKET, MARKET)]


def test_a_dead_order_halts_the_market(halted: list[str], sent: Sent, handler: ModuleType) -> None:
    handler.lambda_handler(dead_letter(encode_message([command(CommandKind.PLACE)])), None)
    assert halted == [MARKET]
    assert sent.kinds() == [[CommandKind.HALT]]


def test_cancels_of_a_dead_message_are_sent_again_behind_the_halt(halted: list[str], sent: Sent, handler: ModuleType) -> None:
    records = [command(CommandKind.PLACE, 1), *(command(CommandKind.CANCEL, number) for number in range(2, 452))]
    handler.lambda_handler(dead_letter(encode_message(records)), None)
    kinds = sent.kinds()
    assert [len(message) for message in kinds] == [401, 51]
    assert all(message[0] == CommandKind.HALT and set(message[1:]) == {CommandKind.CANCEL} for message in kinds)
    again = b"".join(decode_message(body)[SIZE:] for body in sent.bodies.values())
    assert again == b"".join(records[1:])


@pytest.mark.parametrize("kind", [CommandKind.AMEND, CommandKind.CANCEL_ALL])
def test_amends_go_behind_the_halt_as_cancels_do(kind: CommandKind, halted: list[str], sent: Sent, handler: ModuleType) -> None:
    handler.lambda_handler(dead_letter(encode_message([command(kind)])), None)
    assert sent.kinds() == [[CommandKind.HALT, kind]]


@pytest.mark.parametrize("kind", [CommandKind.TICK, CommandKind.HALT, CommandKind.RESUME, CommandKind.AUCTION,
                                  CommandKind.UNCROSS])
def test_dead_ticks_and_halts_breed_no_more(kind: CommandKind, halted: list[str], sent: Sent, handler: ModuleType) -> None:
    handler.lambda_handler(dead_letter(encode_message([command(kind)])), None)
    assert halted == [MARKET]
    assert sent.bodies == {}
    assert list(sent.told.values()) == [encode_status(MARKET, MARKET)]


def test_an_unreadable_message_halts_too(halted: list[str], sent: Sent, handler: ModuleType) -> None:
    handler.lambda_handler(dead_letter("not a message"), None)
    assert (halted, sent.kinds()) == ([MARKET], [[CommandKind.HALT]])


# --- the status row, in a real table


@pytest.fixture
def status(api) -> market_status.MarketStatus:
    return market_status.MarketStatus(max_age_s=0)


def test_the_first_reason_stays(status: market_status.MarketStatus) -> None:
    first = status.halt(MARKET, reason="I1: entry 7")
    assert status.halt(MARKET, reason="I3: account 1000") == first == status.newest(MARKET)
    assert (first.status, first.broken, first.by) == (HALTED, True, "")


def test_a_broken_invariant_takes_the_place_of_an_operators_halt_only(status: market_status.MarketStatus) -> None:
    assert status.halt(MARKET, reason="maintenance", by="olga", broken=False).broken is False
    broken = status.halt(MARKET, reason="I1: entry 7")
    assert (broken.reason, broken.broken, broken.by) == ("I1: entry 7", True, "")
    assert status.halt(MARKET, reason="maintenance", by="olga", broken=False) == broken


def test_who_has_not_seen_a_halt_cannot_lift_it(status: market_status.MarketStatus) -> None:
    seen = status.halt(MARKET, reason="maintenance", by="olga", broken=False)
    status.halt(MARKET, reason="I1: entry 7")
    with pytest.raises(market_status.StatusChanged):
        status.move(MARKET, seen, to=ONLINE, reason="done", by="olga")
    assert status.newest(MARKET).broken
    with pytest.raises(market_status.StatusChanged):
        status.move(MARKET, Status(), to=AUCTION, reason="done", by="olga")


def test_the_last_halt_is_remembered(status: market_status.MarketStatus) -> None:
    halted_at = status.halt(MARKET, reason="I1: entry 7").since
    after = status.move(MARKET, status.newest(MARKET), to=ONLINE, reason="repaired", by="olga")
    assert status.newest(MARKET) == after
    assert (after.last_halt.reason, after.last_halt.at, after.last_halt.broken) == ("I1: entry 7", halted_at, True)


def test_a_halt_after_a_resume_is_sent_again(api, status: market_status.MarketStatus) -> None:
    """The same reason within the queue's deduplication window, but the market was open in between."""
    for _ in range(2):
        halt.halt_market(MARKET, "I1: entry 7")
    status.move(MARKET, status.newest(MARKET), to=ONLINE, reason="repaired", by="olga")
    halt.halt_market(MARKET, "I1: entry 7")
    assert [command.kind for command in api.sent(MARKET)] == [CommandKind.HALT, CommandKind.HALT]


def test_who_is_told_of_a_resume_may_order_at_once(api, status: market_status.MarketStatus) -> None:
    """The function that takes the order has read the row while the market was halted, and would keep it for a second."""
    api.fund("ann", USD="1000")
    halted = status.halt(MARKET, reason="maintenance", by="olga", broken=False)
    assert api.place("ann").body["code"] == "cancel_only"
    status.move(MARKET, halted, to=ONLINE, reason="done", by="olga")
    assert api.place("ann").status == 200


def test_a_row_of_an_earlier_version_counts_as_broken(status: market_status.MarketStatus) -> None:
    market_status._Row(MARKET, status=HALTED, reason="I1", since="2026-01-01T00:00:00+00:00").save()
    assert status.newest(MARKET).broken


# --- what a halted or collecting market takes


def test_a_collecting_market_takes_what_can_rest(api, status: market_status.MarketStatus) -> None:
    status.move(MARKET, Status(), to=AUCTION, reason="opening", by="olga")
    api.fund("ann", USD="1000")
    assert api.place("ann").status == 200
    for fields in ({"time_in_force": "IOC"}, {"time_in_force": "FOK"}):
        answer = api.place("ann", **fields)
        assert (answer.status, answer.body["code"]) == (400, "limit_only")
        assert answer.body["message"].startswith("Limit only mode")
    row = api.call("api_get_product", parameters={"product_id": MARKET}).body
    assert (row["auction_mode"], row["limit_only"], row["cancel_only"], row["trading_disabled"]) == (True, True, False, False)
    assert "auction" in row["status_message"]
