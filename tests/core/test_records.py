"""The numbers stand three times: in the C sources, in matching_core.records and in the exchange. They must be the same."""

import re
from enum import IntEnum
from pathlib import Path

import pytest

import exchange.commands
import exchange.events
import matching_core
from matching_core import records

SOURCE = (Path(matching_core.__file__).parent / "src" / "records.h").read_text()
OTHER_NAMES = {"EXPIRED": {"STALE", "EXPIRED_ORDER"}, "OVERFLOW": {"TOO_LARGE"}}


def _c_enum(name: str) -> dict[str, int]:
    body = re.search(rf"enum {name} {{(.*?)}};", SOURCE, re.DOTALL).group(1)
    names = [word.strip() for word in re.sub(r"/\*.*?\*/", "", body).split(",") if word.strip()]
    first = int(names[0].split("=")[1])
    return {word.split("=")[0].strip(): first + number for number, word in enumerate(names)}


@pytest.mark.parametrize(("in_exchange", "c_name"), [
    (exchange.commands.CommandKind, "command_kind"), (exchange.commands.Side, "side"),
    (exchange.commands.OrderType, "order_type"), (exchange.commands.TimeInForce, "time_in_force"),
    (exchange.commands.Stp, "stp"), (exchange.events.EventKind, "event_kind"),
    (exchange.events.RejectCode, "reject_code"), (exchange.events.DoneReason, "done_reason"),
])
def test_enums(in_exchange: type[IntEnum], c_name: str) -> None:
    in_core = getattr(records, in_exchange.__name__)
    assert {item.name: int(item) for item in in_exchange} == {item.name: int(item) for item in in_core}
    in_c = {name: number for name, number in _c_enum(c_name).items() if number}
    for name, number in in_c.items():
        wanted = in_core(number).name
        assert name == wanted or name in OTHER_NAMES[wanted]
    assert len(in_c) == len(in_core)


def test_records_and_limits() -> None:
    assert records.COMMAND.format == exchange.commands.RECORD.format
    assert records.EVENT.format == exchange.events.RECORD.format
    assert (matching_core.COMMAND_BYTES, matching_core.EVENT_BYTES) == (exchange.commands.SIZE, exchange.events.SIZE)
    assert exchange.commands.POST_ONLY == records.POST_ONLY
    assert (exchange.events.FLAG_RESTED, exchange.events.FLAG_BY_FUNDS) == (records.FLAG_RESTED, records.FLAG_BY_FUNDS)
    assert f"#define MC_MAX_FILLS {matching_core.MAX_FILLS} " in SOURCE
    assert f"#define MC_STALE_AFTER_MS {matching_core.STALE_AFTER_MS}\n" in SOURCE
    assert f"#define MC_CORE_VERSION {matching_core.CORE_VERSION}\n" in SOURCE
    assert records.MAX_ORDERS == 1 << 24
    assert "#define MC_MAX_ORDERS (1u << 24)" in SOURCE


def test_the_core_imports_nothing_of_the_exchange() -> None:
    for source in Path(matching_core.__file__).parent.glob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) (\w+)", source.read_text(), re.MULTILINE)
        assert not {"exchange", "boto3", "psycopg", "redis"} & set(imports), source.name
