"""The numbers stand three times: in the C sources, in matching_core.records and in the exchange. They must be the same."""

import random
import re
from enum import IntEnum
from pathlib import Path

import pytest

import exchange.commands
import exchange.events
import matching_core
from matching_core import records
from matching_core.events import FIELDS, event_rows

SOURCE = (Path(matching_core.__file__).parent / "src" / "records.h").read_text()
OTHER_NAMES = {"EXPIRED": {"STALE", "EXPIRED_ORDER"}, "OVERFLOW": {"TOO_LARGE"}, "HALTED": {"HALTED_MODE"},
               "AUCTION": {"AUCTION_MODE"}}


def _c_enum(name: str) -> dict[str, int]:
    body = re.search(rf"enum {name} {{(.*?)}};", SOURCE, re.DOTALL).group(1)
    names = [word.strip() for word in re.sub(r"/\*.*?\*/", "", body).split(",") if word.strip()]
    first = int([*names[0].split("="), "0"][1])
    return {word.split("=")[0].strip(): first + number for number, word in enumerate(names)}


@pytest.mark.parametrize(("in_exchange", "c_name"), [
    (exchange.commands.CommandKind, "command_kind"), (exchange.commands.Side, "side"),
    (exchange.commands.OrderType, "order_type"), (exchange.commands.TimeInForce, "time_in_force"),
    (exchange.commands.Stp, "stp"), (exchange.events.EventKind, "event_kind"), (exchange.events.Mode, "mode"),
    (exchange.events.RejectCode, "reject_code"), (exchange.events.DoneReason, "done_reason"),
])
def test_enums(in_exchange: type[IntEnum], c_name: str) -> None:
    in_core = getattr(records, in_exchange.__name__)
    assert {item.name: int(item) for item in in_exchange} == {item.name: int(item) for item in in_core}
    in_c = {name: number for name, number in _c_enum(c_name).items() if number or c_name == "mode"}
    for name, number in in_c.items():
        wanted = in_core(number).name
        assert name == wanted or name in OTHER_NAMES[wanted]
    assert len(in_c) == len(in_core)


def test_records_and_limits() -> None:
    assert records.COMMAND.format == exchange.commands.RECORD.format
    assert records.EVENT.format == exchange.events.RECORD.format
    assert (matching_core.COMMAND_BYTES, matching_core.EVENT_BYTES) == (exchange.commands.SIZE, exchange.events.SIZE)
    for name in ("POST_ONLY", "STOP_ENTRY"):
        assert getattr(exchange.commands, name) == getattr(records, name), name
    for name in ("FLAG_RESTED", "FLAG_BY_FUNDS", "FLAG_STOP", "FLAG_AUCTION"):
        assert getattr(exchange.events, name) == getattr(records, name), name
        assert re.search(rf"\b{name} = {getattr(records, name)}\b", SOURCE), name
    for name in ("MAX_FILLS", "MAX_BACKGROUND", "MAX_UNCROSS", "MAX_COLLAR_BP", "STALE_AFTER_MS", "CORE_VERSION"):
        assert re.search(rf"#define MC_{name} {getattr(matching_core, name)}\b", SOURCE), name
    assert records.MAX_ORDERS == 1 << 24
    assert "#define MC_MAX_ORDERS (1u << 24)" in SOURCE
    assert records.MAX_NOTIONAL == 2**62 - 1


def test_the_numbers_are_those_of_version_2() -> None:
    """They stand in journals and snapshots: none may change without a new version."""
    assert (matching_core.CORE_VERSION, records.SNAPSHOT_VERSION) == (2, 3)
    assert (records.COMMAND.size, records.EVENT.size) == (112, 96)
    assert [*records.CommandKind.__members__] == ["PLACE", "CANCEL", "TICK", "HALT", "RESUME", "CANCEL_ALL", "AMEND", "AUCTION",
                                                  "UNCROSS"]
    assert [*records.EventKind.__members__] == ["ACCEPTED", "REJECTED", "OPENED", "TRADE", "DONE", "REDUCED", "TRIGGERED",
                                                "LEVEL", "HALTED", "RESUMED", "AMENDED", "COLLECTING"]
    assert [*records.RejectCode.__members__] == [
        "MALFORMED", "EXPIRED", "DUPLICATE_ORDER_ID", "UNKNOWN_ORDER", "STOP_WAITING", "MARKET_HALTED", "OUTSIDE_BAND",
        "OVERFLOW", "POST_ONLY_WOULD_CROSS", "FOK_NOT_FILLABLE"]
    assert [*records.DoneReason.__members__] == ["FILLED", "CANCELED", "IOC_REMAINDER", "NO_LIQUIDITY", "SELF_TRADE",
                                                 "FILL_LIMIT", "EXPIRED", "LEVEL_FULL"]
    for numbered in (records.CommandKind, records.EventKind, records.RejectCode, records.DoneReason):
        assert [int(item) for item in numbered] == list(range(1, len(numbered) + 1))
    assert [(item.name, int(item)) for item in records.Mode] == [("OPEN", 0), ("HALTED", 1), ("AUCTION", 2), ("UNCROSSING", 3)]
    assert (records.POST_ONLY, records.STOP_ENTRY) == (1, 2)
    assert (records.FLAG_RESTED, records.FLAG_BY_FUNDS, records.FLAG_STOP, records.FLAG_AUCTION) == (1, 2, 4, 8)
    assert (matching_core.MAX_FILLS, matching_core.MAX_BACKGROUND, matching_core.MAX_UNCROSS,
            matching_core.MAX_COLLAR_BP) == (400, 50, 200, 10_000)


def test_the_command_record_has_its_fields_where_they_belong() -> None:
    record = bytes(range(112))
    command = records.Command._make(records.COMMAND.unpack(record))
    assert (command.kind, command.side, command.flags, command.collar_bp) == (0, 1, 5, 0x0706)
    assert command.order_id == record[8:24] and command.account.to_bytes(8, "little") == record[24:32]
    for at, name in ((32, "price_ticks"), (40, "size_lots"), (48, "funds"), (56, "stop_price_ticks"), (64, "display_lots"),
                     (72, "expire_at_ms"), (80, "issued_at_ms")):
        assert getattr(command, name) == int.from_bytes(record[at:at + 8], "little"), name


def test_rows_of_events_are_their_fields() -> None:
    at_random = random.Random(1)
    events = [(*at_random.randbytes(4), at_random.getrandbits(32), at_random.getrandbits(64), at_random.getrandbits(64),
               at_random.randbytes(16), at_random.randbytes(16), at_random.getrandbits(64), at_random.getrandbits(64),
               *(at_random.randrange(-2**63, 2**63) for _ in range(3))) for _ in range(7)]
    raw = b"".join(records.EVENT.pack(*event) for event in events)
    assert [*event_rows(raw, *FIELDS)] == events
    assert [*event_rows(raw, "size_lots", "kind")] == [(event[12], event[0]) for event in events]
    assert [*event_rows(b"", "price_ticks", "order_id")] == []
    with pytest.raises(ValueError, match="no whole records"):
        event_rows(raw[:-1], "kind")
    with pytest.raises(KeyError):
        event_rows(raw, "price")


def test_the_core_imports_nothing_of_the_exchange() -> None:
    for source in Path(matching_core.__file__).parent.glob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) (\w+)", source.read_text(), re.MULTILINE)
        assert not {"exchange", "boto3", "psycopg", "redis"} & set(imports), source.name
