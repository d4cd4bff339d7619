"""Prints the bill of a month; run by `make bill`."""

import argparse
import sys
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from pathlib import Path

from bill import Line
from bill.standing import Templates, standing
from bill.traffic import Load, traffic
from cdk.settings import ROOT, BadSettings
from cdk.synth import synthesise

MOST = Decimal(1_000_000)


def rate(text: str) -> Decimal:
    """A number of the command line: not negative, at most MOST."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not value.is_finite() or not 0 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {MOST:,}")
    return value


def bill(folder: Path, load: Load) -> list[Line]:
    """All lines of a month, for the templates in `folder`."""
    templates = Templates(folder)
    return [*standing(templates), *traffic(load, templates.site())]


def summed(lines: list[Line]) -> list[tuple[str, str, Decimal]]:
    """(service, what, USD), the dearest service first, what costs nothing left out."""
    by_line: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    by_service: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        by_line[line.service, line.what] += line.usd
        by_service[line.service] += line.usd
    found = [(service, what, usd) for (service, what), usd in by_line.items() if usd >= Decimal("0.005")]
    return sorted(found, key=lambda row: (-by_service[row[0]], row[0], -row[2]))


def table(lines: list[Line], load: Load) -> str:
    """The bill as text: a line per service and what of it, the sum, and what an order comes to."""
    rows = summed(lines)
    total = sum((line.usd for line in lines), Decimal(0))
    text = [f"{'service':<10} {'what':<31} {'USD/month':>11}"]
    text += [f"{service:<10} {what:<31} {usd:>11,.2f}" for service, what, usd in rows]
    text.append(f"{'in all':<42} {total:>11,.2f}")
    if load.commands:
        text.append(f"{'per million orders and cancels':<42} {total / (load.commands * Decimal('2.628')):>11,.2f}")
    return "\n".join(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bill", description=__doc__.partition("\n")[0])
    parser.add_argument("--commands", type=rate, default=Decimal(0), help="orders and cancels a second, as a month's average")
    parser.add_argument("--reads", type=rate, default=Decimal(0), help="reads a second")
    parser.add_argument("--listeners", type=rate, default=Decimal(0), help="WebSocket connections at a time")
    parser.add_argument("--messages", type=rate, default=Decimal(1), help="messages a second to each listener")
    parser.add_argument("--stage", default="production", help="`sandbox` has no second database instance")
    arguments = parser.parse_args()
    load = Load(commands=arguments.commands, reads=arguments.reads, listeners=arguments.listeners, messages=arguments.messages)
    try:
        folder = synthesise(ROOT / "build" / f"cdk.bill.{arguments.stage}", local=True, context={"stage": arguments.stage})
    except BadSettings as bad:
        print(bad, file=sys.stderr)
        return 2
    print(f"stage {arguments.stage}, us-east-1, arm64: an estimate that was never billed; docs/COST.md says what it assumes\n")
    print(table(bill(folder, load), load))
    return 0


if __name__ == "__main__":
    sys.exit(main())
