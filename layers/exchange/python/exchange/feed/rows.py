"""The rows of the public REST operations: products, currencies, books, trades, ticker, statistics."""

from decimal import Decimal

from exchange.commands import Side
from exchange.feed.messages import SIDE_NAMES
from exchange.feed.orders import LiveOrder, Trade
from exchange.markets import Asset, Market
from exchange.money import format_units
from exchange.times import iso


def product_row(market: Market, *, halted: bool, collecting: bool = False) -> dict:
    """A halted market takes cancels only; one that collects orders for an auction takes what can rest."""
    message = ("trading is halted, orders can be canceled" if halted else
               "collecting orders for an auction, nothing is matched until it ends" if collecting else "")
    return {
        "id": market.id, "base_currency": market.base.id, "quote_currency": market.quote.id,
        "base_increment": market.base_increment, "quote_increment": market.quote_increment,
        "min_market_funds": market.min_funds, "display_name": f"{market.base.id}/{market.quote.id}",
        "status": "online", "status_message": message,
        "trading_disabled": halted, "post_only": False, "limit_only": collecting, "cancel_only": halted,
        "auction_mode": collecting, "margin_enabled": False, "fx_stablecoin": False,
        "max_slippage_percentage": format_units(market.price_band_ppm, 6),
        "high_bid_limit_percentage": format_units(market.limit_band_ppm, 6)}


def currency_row(asset: Asset, sort_order: int) -> dict:
    return {
        "id": asset.id, "name": asset.name, "display_name": asset.name, "min_size": asset.min_size,
        "max_precision": f"{Decimal(1).scaleb(-asset.scale):f}", "status": "online", "message": "",
        "convertible_to": [], "supported_networks": [],
        "details": {"type": asset.kind, "display_name": asset.name, "sort_order": sort_order, "push_payment_methods": []}}


def level_rows(market: Market, levels: list[tuple[int, int, int]]) -> list[list]:
    """`[price, size, number of orders]`, as level 1 and 2 list them."""
    price, size = market.format_price, market.format_size
    return [[price(ticks), size(lots), orders] for ticks, lots, orders in levels]


def order_rows(market: Market, orders: list[LiveOrder]) -> list[list]:
    """`[price, size, order id]`, as level 3 lists them."""
    return [[market.format_price(order.price_ticks), market.format_size(order.lots), order.uuid] for order in orders]


def trade_row(market: Market, trade: Trade) -> dict:
    """`side` is the maker's."""
    return {"trade_id": trade.trade_id, "side": SIDE_NAMES[trade.side], "size": market.format_size(trade.lots),
            "price": market.format_price(trade.price_ticks), "time": iso(trade.at_ms)}


def ticker_row(market: Market, ticker) -> dict:
    """`ticker`: a `TickerView`. What does not exist is left out."""
    row = {"volume": market.format_size(ticker.figures.lots)}
    if ticker.bid is not None:
        row["bid"] = market.format_price(ticker.bid[0])
    if ticker.ask is not None:
        row["ask"] = market.format_price(ticker.ask[0])
    if ticker.last is not None:
        row |= {"trade_id": ticker.last.trade_id, "price": market.format_price(ticker.last.price_ticks),
                "size": market.format_size(ticker.last.lots), "time": iso(ticker.last.at_ms),
                "side": SIDE_NAMES[Side.BUY if ticker.last.side == Side.SELL else Side.SELL]}
    return row


def statistics_row(market: Market, ticker) -> dict:
    """`ticker`: a `TickerView`. Without a trade in 24 hours there is no open, high and low."""
    figures = ticker.figures
    row = {"volume": market.format_size(figures.lots), "volume_30day": market.format_size(figures.lots_30d)}
    if figures.open is not None:
        row |= {"open": market.format_price(figures.open), "high": market.format_price(figures.high),
                "low": market.format_price(figures.low)}
    if ticker.last is not None:
        row["last"] = market.format_price(ticker.last.price_ticks)
    return row


def volume_row(market: Market, lots: int, lots_30d: int) -> dict:
    """What `/products/volume-summary` lists: spot is all there is."""
    row = {"id": market.id, "base_currency": market.base.id, "quote_currency": market.quote.id,
           "display_name": f"{market.base.id}/{market.quote.id}", "market_types": ["spot"],
           "spot_volume_24hour": market.format_size(lots), "spot_volume_30day": market.format_size(lots_30d)}
    return row | {f"{kind}_volume_{span}": "0" for kind in ("rfq", "conversion") for span in ("24hour", "30day")}


def spark_lines_json(markets: dict[str, Market], lines: dict[str, list[tuple[int, int, int, int, int]]]) -> bytes:
    """`{"BTC-USD": [[time, low, high, open, close], ...]}`; the prices are JSON numbers with all their digits, as those of
    candles."""
    def row(market: str, at_s: int, *prices_ticks: int) -> str:
        return f"[{at_s},{','.join(markets[market].format_price(ticks) for ticks in prices_ticks)}]"

    shown = (f'"{market}":[{",".join(row(market, *step) for step in line)}]' for market, line in lines.items())
    return f"{{{','.join(shown)}}}".encode()
