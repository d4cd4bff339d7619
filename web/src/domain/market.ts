/** A market's rules as the screen needs them, from a row of `/products` and its two currencies. */
import { placesOf, units } from "./decimal";

export interface ProductRow {
  id: string;
  base_currency: string;
  quote_currency: string;
  base_increment: string;
  quote_increment: string;
  min_market_funds: string;
  display_name?: string;
  status: string;
  status_message?: string;
  trading_disabled?: boolean;
  cancel_only?: boolean;
  post_only?: boolean;
  limit_only?: boolean;
  auction_mode?: boolean;
  max_slippage_percentage: string;
  high_bid_limit_percentage: string;
}

export interface Market {
  id: string;
  base: string;
  quote: string;
  /** The lot: sizes are multiples of it. */
  lot: bigint;
  /** The tick: prices are multiples of it. */
  tick: bigint;
  minFunds: bigint;
  /** How far from the price that it finds a market order may trade, as a share in units: 0.1 is 10 %. */
  priceBand: bigint;
  /** How far beyond the last trade a limit may be. */
  limitBand: bigint;
  pricePlaces: number;
  sizePlaces: number;
  status: string;
  statusMessage: string;
  /** Orders are refused, cancels are taken. */
  halted: boolean;
  auction: boolean;
  postOnly: boolean;
  limitOnly: boolean;
}

export function readMarket(row: ProductRow): Market {
  const lot = units(row.base_increment);
  const tick = units(row.quote_increment);
  return {
    id: row.id,
    base: row.base_currency,
    quote: row.quote_currency,
    lot,
    tick,
    minFunds: units(row.min_market_funds),
    priceBand: units(row.max_slippage_percentage),
    limitBand: units(row.high_bid_limit_percentage),
    pricePlaces: placesOf(tick),
    sizePlaces: placesOf(lot),
    status: row.status,
    statusMessage: row.status_message ?? "",
    halted: Boolean(row.cancel_only || row.trading_disabled),
    auction: Boolean(row.auction_mode),
    postOnly: Boolean(row.post_only),
    limitOnly: Boolean(row.limit_only),
  };
}

/** Digits after the point that a currency's amounts are shown with; what is beyond is shown where it is not zero. */
export const shownPlaces = (currency: string): number => (currency === "USD" || currency === "EUR" ? 2 : 6);
