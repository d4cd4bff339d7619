/**
 * An order before it is sent: what is wrong with it, what it costs, what it holds, and the body of its request.
 *
 * The rules are the exchange's (docs/API.md, "Orders"), checked here so that a trader learns of them while typing; the exchange
 * checks them again. Fees round up to the smallest unit, once per order, as there.
 */
import type { Level, SideName } from "./book";
import { divideRounded, formatUnits, max, min, multiply, ONE, parseUnits, plain } from "./decimal";
import { type Estimate, walkByFunds, walkBySize } from "./estimate";
import type { Market } from "./market";
import { shownPlaces } from "./market";

export type Kind = "limit" | "market" | "stop-limit" | "stop-market";
export type TimeInForce = "GTC" | "GTT" | "IOC" | "FOK";
export type Stp = "dc" | "co" | "cn" | "cb";
/** The end of a GTT order: so long after its arrival, or `at` a time. */
export type End = "min" | "hour" | "day" | "at";
export type Field =
  | "price"
  | "size"
  | "funds"
  | "stopPrice"
  | "displaySize"
  | "postOnly"
  | "timeInForce"
  | "expireTime"
  | "deadlineS"
  | "market";
/** The exchange refuses what has been on its way for longer. */
export const MOST_DEADLINE_S = 240;

export interface Draft {
  side: SideName;
  kind: Kind;
  price: string;
  size: string;
  /** A market order names a size or the funds. */
  by: "size" | "funds";
  funds: string;
  stopPrice: string;
  stop: "loss" | "entry";
  timeInForce: TimeInForce;
  end: End;
  /** What a field for a local time holds: `2026-01-31T18:00`, in the viewer's zone. */
  expireTime: string;
  /** Seconds within which the order must have reached the market. */
  deadlineS: string;
  postOnly: boolean;
  displaySize: string;
  stp: Stp;
}

export const EMPTY_DRAFT: Draft = {
  side: "buy",
  kind: "limit",
  price: "",
  size: "",
  by: "size",
  funds: "",
  stopPrice: "",
  stop: "entry",
  timeInForce: "GTC",
  end: "day",
  expireTime: "",
  deadlineS: "",
  postOnly: false,
  displaySize: "",
  stp: "dc",
};

export interface Facts {
  market: Market;
  /** Undefined: not known yet, or nobody is signed in. */
  available?: { base: bigint; quote: bigint };
  /** Rates as units: 0.006 is 600000n. */
  makerRate: bigint;
  takerRate: bigint;
  bids: Iterable<Level>;
  asks: Iterable<Level>;
  bestBid?: bigint;
  bestAsk?: bigint;
  last?: bigint;
  /** By the exchange's clock. */
  nowMs: number;
}

export interface Preview {
  problems: Partial<Record<Field, string>>;
  /** What may surprise, but is allowed. */
  warnings: string[];
  /** In quote, without the fee; of a market order an estimate. */
  value?: bigint;
  fee?: bigint;
  /** The most the fee can become. */
  feeAtMost?: bigint;
  rate: bigint;
  maker: boolean;
  /** What leaves (buy) or arrives (sell), in quote. */
  total?: bigint;
  hold?: { currency: string; amount: bigint };
  estimate?: Estimate;
  /** A field that the order needs is still empty: it must not be sent as an order without it. */
  incomplete?: boolean;
  body?: Record<string, string | boolean>;
}

export const feeOf = (value: bigint, rate: bigint): bigint => divideRounded(value * rate, ONE, "up");

export function preview(draft: Draft, facts: Facts, clientOid: string): Preview {
  const { market } = facts;
  const made: Preview = { problems: {}, warnings: [], rate: facts.takerRate, maker: false };
  if (market.halted) made.problems.market = `${market.id} is halted: orders are refused, cancels are taken.`;
  const isStop = draft.kind === "stop-limit" || draft.kind === "stop-market";
  const isLimit = draft.kind === "limit" || draft.kind === "stop-limit";
  if (market.limitOnly && !isLimit) made.problems.market = `${market.id} takes limit orders only at present.`;
  const stopPrice = isStop ? amount(made, "stopPrice", draft.stopPrice, market.tick, market.quote) : undefined;
  if (stopPrice !== undefined) warnOfStop(draft, facts, stopPrice, made);
  const body: Record<string, string | boolean> = {
    product_id: market.id,
    side: draft.side,
    type: isLimit ? "limit" : "market",
    stp: draft.stp,
    client_oid: clientOid,
  };
  const deadlineMs = deadline(draft, facts, made);
  if (deadlineMs !== undefined) body.deadline = new Date(deadlineMs).toISOString();
  if (isLimit) limit(draft, facts, made, body, isStop);
  else marketOrder(draft, facts, made, body, stopPrice);
  if (isStop && stopPrice === undefined) made.incomplete = true;
  if (isStop && stopPrice !== undefined) {
    body.stop = draft.stop;
    body.stop_price = plain(stopPrice);
  }
  if (made.hold !== undefined && facts.available !== undefined) {
    const [have, field]: [bigint, Field] =
      draft.side === "buy"
        ? [facts.available.quote, draft.kind === "market" && draft.by === "funds" ? "funds" : "size"]
        : [facts.available.base, "size"];
    if (made.hold.amount > have) {
      const places = shownPlaces(made.hold.currency);
      made.problems[field] ??=
        `Needs ${formatUnits(made.hold.amount, places, { group: true })} ${made.hold.currency}, ` +
        `${formatUnits(have, places, { group: true, cut: true })} is available`;
    }
  }
  if (Object.keys(made.problems).length === 0 && made.hold !== undefined && !made.incomplete) made.body = body;
  return made;
}

function limit(draft: Draft, facts: Facts, made: Preview, body: Record<string, string | boolean>, isStop: boolean): void {
  const { market } = facts;
  const price = amount(made, "price", draft.price, market.tick, market.quote);
  const size = amount(made, "size", draft.size, market.lot, market.base);
  const rests = draft.timeInForce === "GTC" || draft.timeInForce === "GTT";
  if (isStop && draft.timeInForce === "FOK") made.problems.timeInForce = "Fill or kill is not for stop orders";
  const display =
    draft.displaySize.trim() === "" || !rests
      ? undefined
      : amount(made, "displaySize", draft.displaySize, market.lot, market.base);
  if (display !== undefined && size !== undefined && display > size) made.problems.displaySize = "More than the order's size";
  body.time_in_force = draft.timeInForce;
  if (market.auction && !rests) {
    made.problems.timeInForce = `${market.id} collects orders for an auction: only what can rest is taken`;
  }
  if (draft.timeInForce === "GTT" && draft.end !== "at") body.cancel_after = draft.end;
  else if (draft.timeInForce === "GTT") {
    const expireMs = expiry(draft, facts, made);
    if (expireMs === undefined) made.incomplete = true;
    else body.expire_time = new Date(expireMs).toISOString();
  }
  const postOnly = draft.postOnly && rests && !isStop;
  if (postOnly) body.post_only = true;
  if (market.postOnly && !postOnly) made.problems.market = `${market.id} takes post-only orders only at present.`;
  if (price === undefined || size === undefined) return;
  body.price = plain(price);
  body.size = plain(size);
  if (display !== undefined && display < size) body.display_size = plain(display);
  if (!isStop) limitBand(draft, facts, price, made);
  const value = multiply(price, size, "up");
  if (value < market.minFunds) {
    made.problems.size = `Worth less than the least, ${plain(market.minFunds)} ${market.quote}`;
  }
  const opposite = draft.side === "buy" ? facts.bestAsk : facts.bestBid;
  const crosses = opposite !== undefined && (draft.side === "buy" ? price >= opposite : price <= opposite);
  if (crosses && postOnly) {
    made.problems.price = `Would trade at once (best ${draft.side === "buy" ? "ask" : "bid"} ${formatUnits(
      opposite,
      market.pricePlaces,
      { group: true },
    )}); a post-only order is refused then`;
  }
  made.maker = !crosses && rests && !isStop;
  made.rate = made.maker ? facts.makerRate : facts.takerRate;
  const most =
    postOnly && display === undefined ? facts.makerRate : rests ? max(facts.makerRate, facts.takerRate) : facts.takerRate;
  made.value = value;
  made.fee = feeOf(value, made.rate);
  made.feeAtMost = feeOf(value, most);
  made.total = draft.side === "buy" ? value + made.fee : value - made.fee;
  made.hold =
    draft.side === "buy" ? { currency: market.quote, amount: value + made.feeAtMost } : { currency: market.base, amount: size };
  if (!isStop) warnOfPrice(draft, facts, price, made);
}

function marketOrder(
  draft: Draft,
  facts: Facts,
  made: Preview,
  body: Record<string, string | boolean>,
  stopPrice: bigint | undefined,
): void {
  const { market } = facts;
  const buys = draft.side === "buy";
  const levels = buys ? facts.asks : facts.bids;
  const touch = (buys ? facts.bestAsk : facts.bestBid) ?? facts.last;
  const reference = referenceOf(draft, touch, stopPrice);
  if (stopPrice === undefined && (buys ? facts.bestAsk : facts.bestBid) === undefined) {
    made.warnings.push(`Nobody ${buys ? "sells" : "buys"} at present: a market order would be cancelled.`);
  }
  made.rate = facts.takerRate;
  if (draft.by === "size") {
    const size = amount(made, "size", draft.size, market.lot, market.base);
    if (size === undefined) return;
    body.size = plain(size);
    if (reference === undefined) {
      made.problems.market = noPrice(market);
      return;
    }
    if (stopPrice === undefined) made.estimate = walkBySize(levels, size);
    made.value = stopPrice !== undefined ? multiply(size, stopPrice, "up") : made.estimate!.value;
    if (multiply(size, reference, "up") < market.minFunds) {
      made.problems.size = `Worth less than the least, ${plain(market.minFunds)} ${market.quote}`;
    }
    // The exchange holds for the worst price that the order may trade at.
    const worst = reference + multiply(reference, market.priceBand, "down");
    const most = multiply(size, worst, "up");
    made.hold = buys
      ? { currency: market.quote, amount: most + feeOf(most, facts.takerRate) }
      : { currency: market.base, amount: size };
  } else {
    const funds = amount(made, "funds", draft.funds, 1n, market.quote);
    if (funds === undefined) return;
    if (funds < market.minFunds) made.problems.funds = `The least is ${plain(market.minFunds)} ${market.quote}`;
    body.funds = plain(funds);
    const spend = buys ? (funds * ONE) / (ONE + facts.takerRate) : funds;
    if (stopPrice === undefined) made.estimate = walkByFunds(levels, spend, market.lot);
    made.value = made.estimate?.value ?? spend;
    if (!buys && reference === undefined) {
      made.problems.market = noPrice(market);
      return;
    }
    const soldAtMost = (from: bigint): bigint =>
      divideRounded(funds * ONE, max(from - multiply(from, market.priceBand, "down"), market.tick), "up");
    made.hold = buys ? { currency: market.quote, amount: funds } : { currency: market.base, amount: soldAtMost(reference!) };
  }
  made.fee = feeOf(made.value, facts.takerRate);
  made.feeAtMost = made.fee;
  made.total = buys ? made.value + made.fee : made.value - made.fee;
  if (made.estimate?.partial && made.estimate.size > 0n) {
    made.warnings.push("The book does not hold as much at present: the rest would be cancelled.");
  }
  const { average } = made.estimate ?? {};
  if (average !== undefined && touch !== undefined && touch > 0n) {
    const away = divideRounded((average > touch ? average - touch : touch - average) * 10_000n, touch, "down");
    if (away >= 50n) made.warnings.push(`About ${Number(away) / 100} % away from the best price.`);
  }
}

const noPrice = (market: Market): string => `${market.id} has no price yet for a market order: use a limit order.`;

/** From what a market order's worst price is reckoned. A stop that waits for the market to come to it: from its stop price; one
 * that the market has passed already: from the market. */
function referenceOf(draft: Draft, touch: bigint | undefined, stopPrice: bigint | undefined): bigint | undefined {
  if (stopPrice === undefined || touch === undefined) return stopPrice ?? touch;
  if (draft.side === "buy") return draft.stop === "entry" ? max(stopPrice, touch) : stopPrice;
  return draft.stop === "loss" ? min(stopPrice, touch) : stopPrice;
}

/** A limit too far beyond the last trade is refused by the market. */
function limitBand(draft: Draft, facts: Facts, price: bigint, made: Preview): void {
  const { last, market } = facts;
  if (last === undefined) return;
  const width = multiply(last, market.limitBand, "down");
  const text = (bound: bigint): string =>
    `${formatUnits(bound, market.pricePlaces, { group: true, cut: true })} ${market.quote}`;
  const far = `${plain(market.limitBand * 100n)} % beyond the last trade`;
  if (draft.side === "buy" && price > last + width) made.problems.price = `At most ${text(last + width)}, ${far}`;
  if (draft.side === "sell" && price < last - width) made.problems.price = `At least ${text(last - width)}, ${far}`;
}

/** The time of the order's end, or undefined with the problem noted (none for an empty field). */
function expiry(draft: Draft, facts: Facts, made: Preview): number | undefined {
  if (draft.expireTime === "") return undefined;
  const atMs = new Date(draft.expireTime).getTime();
  if (Number.isNaN(atMs)) made.problems.expireTime = "A date and a time of day";
  else if (atMs <= facts.nowMs) made.problems.expireTime = "This time is over";
  else return atMs;
  return undefined;
}

function deadline(draft: Draft, facts: Facts, made: Preview): number | undefined {
  const text = draft.deadlineS.trim();
  if (text === "") return undefined;
  const seconds = /^\d{1,3}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= MOST_DEADLINE_S) return facts.nowMs + Math.round(seconds * 1000);
  made.problems.deadlineS = `Seconds, at most ${MOST_DEADLINE_S}`;
  return undefined;
}

function warnOfPrice(draft: Draft, facts: Facts, price: bigint, made: Preview): void {
  const reference = facts.last ?? (draft.side === "buy" ? facts.bestAsk : facts.bestBid);
  if (reference === undefined || reference === 0n) return;
  const away = ((price > reference ? price - reference : reference - price) * 100n) / reference;
  const bad = draft.side === "buy" ? price > reference : price < reference;
  if (bad && away >= 2n) made.warnings.push(`${away} % ${price > reference ? "above" : "below"} the last price.`);
}

function warnOfStop(draft: Draft, facts: Facts, stopPrice: bigint, made: Preview): void {
  const { last } = facts;
  if (last === undefined) return;
  if (draft.stop === "loss" ? last <= stopPrice : last >= stopPrice) {
    made.warnings.push(
      `The last price ${formatUnits(last, facts.market.pricePlaces, { group: true })} is ` +
        `${draft.stop === "loss" ? "at or below" : "at or above"} the stop price already: the next trade there sets it off.`,
    );
  }
}

/** The field's amount, or undefined with the problem noted (none for an empty field: nothing is wrong yet). */
function amount(made: Preview, field: Field, text: string, increment: bigint, currency: string): bigint | undefined {
  if (text.trim() === "") return undefined;
  const value = parseUnits(text.replaceAll(",", ""));
  if (value === null) {
    made.problems[field] = /^[\d.,\s]+$/.test(text) ? `At most 8 digits after the point` : `A number, for example 0.5`;
  } else if (value <= 0n) {
    made.problems[field] = `More than 0`;
  } else if (value % increment !== 0n) {
    made.problems[field] = `A multiple of ${plain(increment)} ${currency}`;
  } else {
    return value;
  }
  return undefined;
}

/** The size that a share (of 100) of what is available pays for, fee included, cut to the lot; undefined where no price is known. */
export function sizeOfShare(draft: Draft, facts: Facts, percent: bigint): { size?: string; funds?: string } | undefined {
  const { market, available } = facts;
  if (available === undefined) return undefined;
  if (draft.side === "sell") {
    const size = ((available.base * percent) / 100n / market.lot) * market.lot;
    return draft.kind.includes("market") && draft.by === "funds" ? undefined : { size: plain(size) };
  }
  const quote = (available.quote * percent) / 100n;
  if (draft.kind.includes("market") && draft.by === "funds")
    return { funds: formatUnits(quote, shownPlaces(market.quote), { cut: true }) };
  const isLimit = draft.kind === "limit" || draft.kind === "stop-limit";
  const typed = parseUnits((isLimit ? draft.price : draft.kind === "stop-market" ? draft.stopPrice : "").replaceAll(",", ""));
  const touch = facts.bestAsk ?? facts.last;
  const reference = isLimit ? (typed ?? undefined) : referenceOf(draft, touch, typed ?? undefined);
  if (reference === undefined || reference <= 0n) return undefined;
  const price = isLimit ? reference : reference + multiply(reference, market.priceBand, "down");
  const rate = max(facts.makerRate, facts.takerRate);
  let lots = (quote * ONE * ONE) / (price * (ONE + rate)) / market.lot;
  const cost = (count: bigint): bigint => {
    const value = multiply(price, count * market.lot, "up");
    return value + feeOf(value, rate);
  };
  while (lots > 0n && cost(lots) > quote) lots -= 1n;
  return { size: plain(lots * market.lot) };
}
