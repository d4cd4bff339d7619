"""What a market takes in which status, and which status may follow which.

    online  --halt-->     halted    --auction-->  auction  --resume-->  online
    online  --auction-->  auction   --halt-->     halted   --resume-->  online, its book uncrossed first if it is crossed

| status  | takes                                                                      |
| online  | everything                                                                 |
| auction | what can rest or wait: it collects orders without matching them; cancels    |
| halted  | cancels                                                                    |

The status row stops the API at once, the command in the market's queue stops the engine in the journal's order. What closes
a market writes the row first, what opens it sends the command first: so no order is taken that the engine then refuses.

Pure. Called by the order operations, the public products, `adapters.market_status` and `adapters.steering`.
"""

from dataclasses import dataclass

from exchange.commands import Command, CommandKind, OrderType, TimeInForce
from exchange.orders import OrderRefused

ONLINE = "online"
HALTED = "halted"
AUCTION = "auction"


@dataclass(frozen=True, slots=True)
class LastHalt:
    """The newest halt of a market, also after it was lifted. `by`: the operator's user id, empty for the exchange itself."""

    reason: str
    at: str
    by: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A market's status; `reason` and `since` (ISO 8601) are empty for a market that was never steered. `broken`: it is not
    trading because an invariant was found broken, and no operator has acknowledged that yet."""

    status: str = ONLINE
    reason: str = ""
    since: str = ""
    by: str = ""
    broken: bool = False
    last_halt: LastHalt | None = None

    @property
    def halted(self) -> bool:
        return self.status == HALTED

    @property
    def collecting(self) -> bool:
        return self.status == AUCTION


@dataclass(frozen=True, slots=True)
class Move:
    """An operator's way to steer: the status it leads to, from where it is allowed, and the command that goes with it.
    `closes`: the row comes before the command."""

    name: str
    to: str
    allowed_from: frozenset[str]
    command: CommandKind
    closes: bool


HALT = Move("halt", HALTED, frozenset((ONLINE, AUCTION, HALTED)), CommandKind.HALT, closes=True)
COLLECT = Move("auction", AUCTION, frozenset((ONLINE, HALTED)), CommandKind.AUCTION, closes=False)
RESUME = Move("resume", ONLINE, frozenset((HALTED, AUCTION)), CommandKind.UNCROSS, closes=False)
MOVES = {move.name: move for move in (HALT, COLLECT, RESUME)}


def refuse_in_auction(status: Status, command: Command, market: str) -> None:
    """Raises OrderRefused where the market collects orders and this one can neither rest nor wait for its stop price."""
    at_once = command.order_type == OrderType.MARKET or (
        command.order_type == OrderType.LIMIT and command.time_in_force in (TimeInForce.IOC, TimeInForce.FOK))
    if status.collecting and at_once:
        raise OrderRefused("limit_only", f"Limit only mode: {market} collects orders for an auction")
