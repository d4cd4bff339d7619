"""Listed assets and markets: increments, limits, fees, and the conversions between decimal text, ticks, lots and units.

Owns the meaning of a tick, a lot and a unit. One tick x one lot is `unit_per_tick_lot` smallest units of the quote asset,
a whole number by construction (checked here), so price x size is always exact. `markets.yaml` is the list; `app.py` turns
it into the JSON that `load` reads, beside this module in the layer, or where the environment's MARKETS_FILE points.
"""

import json
import os
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from exchange.money import TooPrecise, decimal_places, format_units, parse_decimal, parse_units

MAX_SCALE = 8
# Largest price x size in ticks x lots; the core computes with signed 64 bits.
MAX_NOTIONAL = 2**62 - 1
# A command carries a band in hundredths of a percent, up to 100 %.
MIN_BAND_PPM, MAX_BAND_PPM = 100, 1_000_000


@dataclass(frozen=True, slots=True)
class WithdrawalTerms:
    """What holds for withdrawals of an asset; amounts as decimal text. `daily`: the most in 24 hours, by account tier."""

    min: str
    fee: str
    approve_up_to: str
    daily: dict[str, str]


@dataclass(frozen=True, slots=True)
class Asset:
    """A listed asset. `scale`: its decimal digits; one unit is 10^-scale."""

    id: str
    name: str
    scale: int
    kind: str  # "fiat" or "crypto"
    min_size: str
    faucet_limit: str  # what one account may draw from the sandbox faucet in all; "0" for none
    withdrawal: WithdrawalTerms | None = None  # none: it cannot be withdrawn

    def parse(self, value: object) -> int:
        """Units in `value`; raises the errors of `money.parse_units`."""
        return parse_units(value, self.scale)

    def format(self, units: int) -> str:
        return format_units(units, self.scale)


@dataclass(frozen=True, slots=True)
class Market:
    """A listed market. Prices are whole ticks (`quote_increment`), sizes whole lots (`base_increment`)."""

    id: str
    base: Asset
    quote: Asset
    base_increment: str
    quote_increment: str
    min_funds: str
    max_size: str
    max_price: str
    price_band_ppm: int  # how far from the touch a market order may trade
    limit_band_ppm: int  # how far beyond the last trade a limit may be
    maker_fee_ppm: int
    taker_fee_ppm: int
    capacity_orders: int
    max_open_orders: int  # of one account
    quote_places: int = field(init=False)
    tick_step: int = field(init=False)
    units_per_lot: int = field(init=False)
    unit_per_tick_lot: int = field(init=False)

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "quote_places", decimal_places(self.quote_increment))
        set_field(self, "tick_step", int(Decimal(self.quote_increment).scaleb(self.quote_places)))
        set_field(self, "units_per_lot", self.base.parse(self.base_increment))
        product = Decimal(self.base_increment) * Decimal(self.quote_increment) * 10**self.quote.scale
        if product != int(product) or product < 1:
            raise ValueError(f"{self.id}: tick x lot is not a whole number of {self.quote.id} units")
        set_field(self, "unit_per_tick_lot", int(product))
        if self.price_ticks(self.max_price) * self.size_lots(self.max_size) > MAX_NOTIONAL:
            raise ValueError(f"{self.id}: max_price x max_size is more than {MAX_NOTIONAL} ticks x lots")
        if self.max_open_orders < 1:
            raise ValueError(f"{self.id}: max_open_orders {self.max_open_orders} is less than 1")
        for name in ("price_band_ppm", "limit_band_ppm"):
            band = getattr(self, name)
            if not MIN_BAND_PPM <= band <= MAX_BAND_PPM or band % MIN_BAND_PPM:
                raise ValueError(f"{self.id}: {name} {band} is no multiple of {MIN_BAND_PPM} up to {MAX_BAND_PPM}")

    # --- decimal text -> whole ticks, lots, notional

    def price_ticks(self, value: object) -> int:
        """Ticks in a price; raises TooPrecise for a price between two ticks, and the errors of `parse_decimal`."""
        return _steps(value, self.quote_increment, "price")

    def size_lots(self, value: object) -> int:
        """Lots in a size; raises TooPrecise for a size between two lots, and the errors of `parse_decimal`."""
        return _steps(value, self.base_increment, "size")

    # --- whole ticks, lots, notional -> decimal text

    def format_price(self, ticks: int) -> str:
        return format_units(ticks * self.tick_step, self.quote_places)

    def format_size(self, lots: int) -> str:
        return self.base.format(lots * self.units_per_lot)

    def format_value(self, notional: int) -> str:
        """A notional (ticks x lots) as a decimal string of the quote asset."""
        return self.quote.format(self.value_units(notional))

    def value_units(self, notional: int) -> int:
        """A notional (ticks x lots) in units of the quote asset."""
        return notional * self.unit_per_tick_lot

    def base_units(self, lots: int) -> int:
        """Lots in units of the base asset."""
        return lots * self.units_per_lot


def _steps(value: object, increment: str, what: str) -> int:
    number = parse_decimal(value)
    steps = number / Decimal(increment)
    if steps != steps.to_integral_value() or steps * Decimal(increment) != number:
        raise TooPrecise(f"{what} {value} is not a multiple of {increment}")
    return int(steps)


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From `volume` on, in US dollars over 30 days, these rates hold where they are less than the market's own."""

    volume: Decimal
    maker_fee_ppm: int
    taker_fee_ppm: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All listed assets and markets, in the order of `markets.yaml`, and the fee tiers by volume."""

    assets: dict[str, Asset]
    markets: dict[str, Market]
    fee_tiers: tuple[FeeTier, ...] = ()
    address_wait_s: int = 0
    sandbox_address_wait_s: int = 0

    def new_address_wait_s(self, *, sandbox: bool) -> int:
        """How long a new withdrawal address waits before it may be used."""
        return self.sandbox_address_wait_s if sandbox else self.address_wait_s

    def tiers(self) -> list[str]:
        """The names of the account tiers, from what the assets' limits speak of."""
        terms = [asset.withdrawal for asset in self.assets.values() if asset.withdrawal]
        return list(dict.fromkeys(tier for of_asset in terms for tier in of_asset.daily))

    def fee_rates(self, market: Market, volume: Decimal) -> tuple[int, int]:
        """(maker, taker) in parts per million for an account with this 30-day volume. A tier never makes a market dearer."""
        maker, taker = market.maker_fee_ppm, market.taker_fee_ppm
        for tier in self.fee_tiers:
            if volume >= tier.volume:
                maker, taker = min(maker, tier.maker_fee_ppm), min(taker, tier.taker_fee_ppm)
        return maker, taker


def parse_listing(document: dict) -> Listing:
    """A Listing from the parsed `markets.yaml`. Raises ValueError or KeyError where the document is wrong."""
    assets = {}
    for asset_id, row in document["assets"].items():
        asset = Asset(id=asset_id, name=row["name"], scale=int(row["scale"]), kind=row["kind"],
                      min_size=str(row["min_size"]), faucet_limit=str(row.get("faucet_limit", "0")),
                      withdrawal=_withdrawal_terms(row.get("withdrawal")))
        if not 0 <= asset.scale <= MAX_SCALE:
            raise ValueError(f"{asset_id}: scale {asset.scale} is not within 0..{MAX_SCALE}")
        if asset.withdrawal and not 0 <= asset.parse(asset.withdrawal.fee) < asset.parse(asset.withdrawal.min):
            raise ValueError(f"{asset_id}: the withdrawal fee must be less than the least amount")
        assets[asset_id] = asset
    markets = {}
    for market_id, row in document["markets"].items():
        base, _, quote = market_id.partition("-")
        if len(market_id) > 16:
            raise ValueError(f"{market_id}: a market id has at most 16 characters")
        markets[market_id] = Market(
            id=market_id, base=assets[base], quote=assets[quote],
            base_increment=str(row["base_increment"]), quote_increment=str(row["quote_increment"]),
            min_funds=str(row["min_funds"]), max_size=str(row["max_size"]), max_price=str(row["max_price"]),
            price_band_ppm=int(row["price_band_ppm"]), limit_band_ppm=int(row["limit_band_ppm"]),
            maker_fee_ppm=int(row["maker_fee_ppm"]), taker_fee_ppm=int(row["taker_fee_ppm"]),
            capacity_orders=int(row["capacity_orders"]), max_open_orders=int(row["max_open_orders"]))
    return Listing(assets=assets, markets=markets, fee_tiers=_fee_tiers(document.get("fee_tiers", [])),
                   address_wait_s=int(document.get("address_wait_s", 0)),
                   sandbox_address_wait_s=int(document.get("sandbox_address_wait_s", 0)))


def _withdrawal_terms(row: dict | None) -> WithdrawalTerms | None:
    if row is None:
        return None
    return WithdrawalTerms(min=str(row["min"]), fee=str(row["fee"]), approve_up_to=str(row["approve_up_to"]),
                           daily={tier: str(limit) for tier, limit in row["daily"].items()})


def _fee_tiers(rows: list[dict]) -> tuple[FeeTier, ...]:
    tiers = tuple(FeeTier(volume=parse_decimal(row["volume"]), maker_fee_ppm=int(row["maker_fee_ppm"]),
                          taker_fee_ppm=int(row["taker_fee_ppm"])) for row in rows)
    volumes = [tier.volume for tier in tiers]
    if volumes != sorted(set(volumes)) or any(min(tier.maker_fee_ppm, tier.taker_fee_ppm) < 0 for tier in tiers):
        raise ValueError("fee_tiers: volumes must grow and fees must not be negative")
    return tiers


@lru_cache(maxsize=1)
def listing() -> Listing:
    """The listing that this deployment was built with: `markets.json` beside this module, or MARKETS_FILE."""
    path = os.environ.get("MARKETS_FILE") or Path(__file__).with_name("markets.json")
    return parse_listing(json.loads(Path(path).read_text()))
