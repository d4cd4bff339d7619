"""`make bench-ledger`: fills a ledger with 10 million made-up orders and times every hot query on it.

The server is the one of `make run` (durability on, same settings), in a folder of its own; `--folder` keeps it for another run.
Each query runs with random accounts of the skewed kind, 30 times; the table has medians and slowest.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psycopg
import yaml

from local.addresses import REPOSITORY


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="keep the data here, and use what is there")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="bench-ledger-"))
    _listing_into(folder)
    try:
        asyncio.run(_run(arguments, folder))
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def _listing_into(folder: Path) -> None:
    """The domain reads the listing from a file that deployments make; here it is made beside the data."""
    import json

    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    path = folder / "markets.json"
    path.write_text(json.dumps(yaml.safe_load((REPOSITORY / "markets.yaml").read_text(encoding="utf-8"))), encoding="utf-8")
    os.environ["MARKETS_FILE"] = str(path)


async def _run(arguments: argparse.Namespace, folder: Path) -> None:
    from local.servers import Postgres

    (folder / "logs").mkdir(exist_ok=True)
    server = Postgres(folder, folder / "logs")
    child = await server.start()
    try:
        # `exchange` owns the database; who makes up history must be a superuser.
        made_by = server.dsn.replace("user=exchange", "user=postgres")
        os.environ["DATABASE_DSN"] = server.dsn
        await asyncio.to_thread(_measure, arguments, made_by, server.dsn)
    finally:
        await child.stop()


def _measure(arguments: argparse.Namespace, made_by: str, dsn: str) -> None:
    from bench.ledger_cases import Ledger, cases
    from bench.ledger_data import make_ledger
    from exchange.adapters.postgres.migrate import migrate
    from exchange.markets import listing

    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        empty = connection.execute("SELECT count(*) FROM fills WHERE journal_seq < 10").fetchone() == (0,)
    if empty:
        started = time.monotonic()
        make_ledger(made_by, listing(), orders=arguments.orders, accounts=arguments.accounts,
                    tell=lambda text: print(f"  {text}", flush=True))
        print(f"made in {time.monotonic() - started:.0f} s", flush=True)
    with psycopg.connect(dsn) as connection:
        for table in ("orders", "fills", "postings", "ledger_entries", "balances"):
            rows, size, indexes = connection.execute(
                "SELECT reltuples::bigint, pg_size_pretty(pg_table_size(oid)), pg_size_pretty(pg_indexes_size(oid))"
                " FROM pg_class WHERE oid = %s::regclass", (table,)).fetchone()
            print(f"{table}: {rows:,} rows, {size}, indexes {indexes}")
    ledger = Ledger(random.Random(1))
    print(f"{'query':<52} {'median ms':>10} {'slowest ms':>11}")
    for case in cases():
        times = []
        for _ in range(case.repeat or arguments.repeat):
            prepared = case.prepare(ledger)
            started = time.perf_counter()
            case.run(ledger, prepared)
            times.append((time.perf_counter() - started) * 1000)
        print(f"{case.name:<52} {statistics.median(times):>10.2f} {max(times):>11.2f}", flush=True)


if __name__ == "__main__":
    main()
