"""The bill: every resource has its price, the sums are those of a hand, and more load is never cheaper."""

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from infra.assembly import Assembly

from bill import Line, Site
from bill.__main__ import bill, summed, table
from bill.standing import COSTS, FREE, Templates, UnknownResource, standing
from bill.traffic import ENTRY_BYTES, MORE_ENTRY_BYTES, Load, together, traffic
from cdk.settings import ROOT, listed_markets
from exchange.commands import Command, CommandKind
from exchange.events import CORE_VERSION
from exchange.journal import JournalEntry
from matching_core import Book

NOW_MS = 1_700_000_000_000
NOTHING = Load(commands=Decimal(0), reads=Decimal(0), listeners=Decimal(0), messages=Decimal(0))


def usd(lines: list[Line], service: str, what: str = "") -> Decimal:
    return sum((line.usd for line in lines if line.service == service and what in ("", line.what)), Decimal(0))


def test_nothing_is_both_priced_and_free() -> None:
    assert not COSTS.keys() & FREE


def test_what_stands_in_production_is_what_a_hand_counts(production_assembly: Assembly) -> None:
    lines = standing(Templates(production_assembly.folder))
    markets = len(listed_markets())
    assert usd(lines, "functions", "kept warm") == pytest.approx(
        Decimal(markets * 2 * 1769) / 1024 * 730 * 3600 * Decimal("0.0000033334"))
    assert usd(lines, "Aurora") == Decimal("0.5") * 2 * 730 * Decimal("0.12")
    assert usd(lines, "network") == 3 * 2 * 730 * Decimal("0.01")
    assert usd(lines, "watching", "alarms") == len(production_assembly.of_type("AWS::CloudWatch::Alarm")) * Decimal("0.10")
    assert usd(lines, "watching", "traces") == 0


def test_a_sandbox_costs_less_than_half(local_assembly: Assembly, production_assembly: Assembly) -> None:
    cheap, dear = (sum(line.usd for line in standing(Templates(assembly.folder)))
                   for assembly in (local_assembly, production_assembly))
    assert 0 < cheap < dear / 2


def test_a_resource_of_unknown_cost_is_refused(production_assembly: Assembly, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    shutil.copytree(production_assembly.folder, folder)
    path = sorted(folder.glob("*.template.json"))[0]
    template = json.loads(path.read_text())
    template["Resources"]["Cluster"] = {"Type": "AWS::MSK::Cluster", "Properties": {}}
    path.write_text(json.dumps(template))
    with pytest.raises(UnknownResource, match=r"Cluster is a AWS::MSK::Cluster"):
        standing(Templates(folder))


def test_a_folder_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no templates"):
        Templates(tmp_path)


def test_one_order_a_second_is_what_a_hand_counts() -> None:
    """A command alone is one entry, which both followers take alone: 4 messages, 4 batches; 1 write, 5 calls of functions."""
    load = Load(commands=Decimal(1), reads=Decimal(0), listeners=Decimal(0), messages=Decimal(0))
    lines = traffic(load, Site(markets=1, instances=1, least_acu=Decimal("0.5"), warm=True, traced=False))
    seconds = 730 * 3600
    assert usd(lines, "doors") == Decimal(seconds) / 1_000_000
    assert usd(lines, "queues") == Decimal(seconds) * (4 + 4 * 2) / 1_000_000 / 2
    writes = next(line for line in lines if line.price.unit == "writes of 1 KB")
    assert writes.units == seconds
    assert sum(line.units for line in lines if line.price.unit == "calls") == 5 * seconds
    assert usd(lines, "Aurora", "capacity") == 0  # within what is paid for anyway
    assert usd(lines, "feed") == 0


@pytest.mark.parametrize(("rate", "wanted"), [("0", "1"), ("1", "1"), ("20", "1"), ("100", "5"), ("200", "10"), ("5000", "10")])
def test_a_busy_market_s_messages_come_together(rate: str, wanted: str) -> None:
    assert together(Decimal(rate)) == Decimal(wanted)


@pytest.mark.parametrize("more", ["commands", "reads", "listeners", "messages"])
@pytest.mark.parametrize("rate", ["1", "10", "100", "1000"])
def test_more_load_costs_more_and_twice_the_load_at_most_twice(production_assembly: Assembly, more: str, rate: str) -> None:
    def total(factor: int) -> Decimal:
        rates = dict.fromkeys(("commands", "reads", "listeners", "messages"), Decimal(rate))
        return sum(line.usd for line in bill(production_assembly.folder, Load(**rates | {more: rates[more] * factor})))
    assert total(1) < total(2) < 2 * total(1)


def test_an_idle_month_is_what_stands(production_assembly: Assembly) -> None:
    assert summed(bill(production_assembly.folder, NOTHING)) == summed(standing(Templates(production_assembly.folder)))


def encoded_entry(commands: list[Command]) -> int:
    """The bytes of the entry of these orders, matched in an empty book."""
    book = Book.create()
    records = b"".join(command.pack() for command in commands)
    events = book.apply(NOW_MS, records, 1 << 20)
    return len(JournalEntry(
        market="BTC-USD", seq=1, at_ms=NOW_MS, queue_identity=1, first_queue_sequence=1, last_queue_sequence=len(commands),
        resume_offset=0, core_version=CORE_VERSION, state_hash=book.state_hash(), feed_sequence=book.sequence,
        prev_hash=bytes(32), commands=records, events=events).encoded)


def test_an_entry_has_the_bytes_that_were_measured() -> None:
    """Orders of which one in two trades with the one before it."""
    orders = [Command(kind=CommandKind.PLACE, issued_at_ms=NOW_MS, order_id=UUID(int=number + 1), account=1 + number,
                      price_ticks=100, side=1 + number % 2, order_type=1, time_in_force=1, stp=1, size_lots=1)
              for number in range(10)]
    assert encoded_entry(orders[:1]) == pytest.approx(ENTRY_BYTES, rel=0.15)
    assert (encoded_entry(orders) - encoded_entry(orders[:1])) / 9 == pytest.approx(MORE_ENTRY_BYTES, rel=0.25)


def test_the_table_adds_up(production_assembly: Assembly) -> None:
    load = Load(commands=Decimal(5), reads=Decimal(15), listeners=Decimal(50), messages=Decimal(1))
    text = table(bill(production_assembly.folder, load), load).splitlines()
    rows = [Decimal(row.rsplit(None, 1)[1].replace(",", "")) for row in text[1:-2]]
    total = Decimal(text[-2].rsplit(None, 1)[1].replace(",", ""))
    assert abs(sum(rows) - total) < Decimal("0.2")  # each row is rounded
    assert text[-1].startswith("per million orders and cancels")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--commands", "-1"], "-1 is not between 0"), (["--reads", "nan"], "nan is not between"),
    (["--listeners", "1e9"], "1e9 is not"),
    (["--messages", "many"], "'many' is no number"), (["--stage", "My Stage"], "stage 'My Stage'"),
])
def test_a_load_that_cannot_be_is_refused(arguments: list[str], message: str) -> None:
    done = subprocess.run([sys.executable, "-m", "bill", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
