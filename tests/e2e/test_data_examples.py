"""The SQL of docs/DATA.md, run against the money of a real trade."""

import re
from pathlib import Path

import psycopg
import pytest
from e2e.conftest import Exchange
from e2e.waiting import eventually
from psycopg.rows import dict_row

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[2] / "docs" / "DATA.md"


def statements() -> list[str]:
    """Each statement of the section's SQL blocks, psql's own commands and comments left out."""
    section = PAGE.read_text().partition("\n## Follow a trade's money by hand\n")[2].partition("\n## ")[0]
    text = "\n".join(re.findall(r"```sql\n(.*?)```", section, re.DOTALL))
    lines = [line for line in text.splitlines() if not line.startswith(("\\", "--"))]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def test_a_trades_money_can_be_followed_by_hand(exchange: Exchange) -> None:
    import asyncio

    import aiohttp

    from bench.client import Trader

    maker, taker = exchange.funded_key({"BTC": "1"}), exchange.funded_key({"USD": "100000"})

    async def trade() -> str:
        async with aiohttp.ClientSession() as session:
            await Trader(session, exchange.trading, maker).place("BTC-USD", "sell", "0.5", "41000.01")
            bid = await Trader(session, exchange.trading, taker).place("BTC-USD", "buy", "0.25", "41000.01")
            return bid["id"]

    order_id = asyncio.run(trade())
    with psycopg.connect(exchange.dsn, autocommit=True, row_factory=dict_row) as connection:
        done = "SELECT id FROM orders WHERE id = %s AND status = 'done'"
        eventually(lambda: connection.execute(done, (order_id,)).fetchone())
        answers = [connection.execute(statement.replace(":'order'", f"'{order_id}'")).fetchall() for statement in statements()]
    order, fills, postings, unbalanced, balances, fees, entries = answers
    assert (order[0]["status"], order[0]["done_reason"], order[0]["hold"]) == ("done", "filled", 0)
    assert sum(fill["size"] for fill in fills) == order[0]["filled_size"]
    assert len({posting["account_no"] for posting in postings}) >= 3, "taker, maker and the fee account"
    assert unbalanced == []
    assert all(row["balance"] == (row["posted"] or 0) and row["held"] == (row["needed"] or 0) for row in balances)
    assert fees[0]["fill_fees"] == fees[0]["rounded_once"] == fees[0]["of_the_fills"] > 0
    assert entries and all(entry["hash_is_right"] for entry in entries)
