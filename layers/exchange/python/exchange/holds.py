"""What an order still needs to be held: the one formula for placement, settlement and the audit (I3).

    buy,  by size     lots left x limit (or worst) price, and the largest fee that can still come due
    buy,  by funds    funds left, and that fee
    sell, by size     lots left
    sell, by funds    the most lots that the funds left can buy at the worst price the order may trade at

Units: a buy's hold is in the quote asset's smallest unit, a sell's in the base asset's.
"""

from exchange.commands import POST_ONLY, Command, OrderType, Side, TimeInForce
from exchange.fees import hold_for_buy
from exchange.markets import Asset, Market


def hold_asset(market: Market, side: int) -> Asset:
    """The asset that an order of this side holds."""
    return market.quote if side == Side.BUY else market.base


def largest_fee_ppm(command: Command) -> int:
    """The highest rate this order can be charged: what can never rest is a taker, what may not take is a maker.

    In an auction the younger of two orders is the taker. What crosses a post-only order came after it, and so a post-only
    order is a maker there, too; except for an iceberg, which grows younger each time it shows its next lots.
    """
    if command.flags & POST_ONLY and not command.display_lots:
        return command.maker_fee_ppm
    never_rests = command.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
    if never_rests or command.order_type in (OrderType.MARKET, OrderType.STOP_MARKET):
        return command.taker_fee_ppm
    return max(command.maker_fee_ppm, command.taker_fee_ppm)


def needed_units(market: Market, command: Command, *, lots: int, funds: int, fee_numerator: int = 0,
                 fees_paid: int = 0) -> int:
    """Units that a live order with `lots` (or, by funds, `funds` in ticks x lots) left needs to be held."""
    by_funds = command.size_lots == 0
    if command.side == Side.SELL:
        return market.base_units(funds // command.price_ticks if by_funds else lots)
    value = market.value_units(funds if by_funds else lots * command.price_ticks)
    return hold_for_buy(value, fee_numerator, fees_paid, largest_fee_ppm(command))
