/** Candles: REST's rows, and the trades that come after them folded into the last one. For pictures: numbers, not money. */

export const GRANULARITIES = [
  { seconds: 60, label: "1m" },
  { seconds: 300, label: "5m" },
  { seconds: 900, label: "15m" },
  { seconds: 3600, label: "1h" },
  { seconds: 21600, label: "6h" },
  { seconds: 86400, label: "1D" },
] as const;

export interface Candle {
  /** Seconds since 1970 at its beginning, UTC. */
  time: number;
  low: number;
  high: number;
  open: number;
  close: number;
  volume: number;
}

export type CandleRow = readonly [number, number, number, number, number, number];

/** Newest first, as REST has them, to oldest first. */
export function readCandles(rows: readonly CandleRow[]): Candle[] {
  return rows
    .map(([time, low, high, open, close, volume]) => ({ time, low, high, open, close, volume }))
    .sort((one, other) => one.time - other.time);
}

/** The candle after a trade: the same one grown, or a new one; null for a trade of an older candle. */
export function foldTrade(
  last: Candle | undefined,
  trade: { price: number; size: number; atMs: number },
  granularity: number,
): Candle | null {
  const time = Math.floor(trade.atMs / 1000 / granularity) * granularity;
  if (last === undefined || time > last.time) {
    const { price } = trade;
    return { time, low: price, high: price, open: price, close: price, volume: trade.size };
  }
  if (time < last.time) return null;
  return {
    time,
    low: Math.min(last.low, trade.price),
    high: Math.max(last.high, trade.price),
    open: last.open,
    close: trade.price,
    volume: last.volume + trade.size,
  };
}

/** `[time, low, high, open, close]`, as `/products/spark-lines` lists them. */
export type SparkLineRow = [number, number, number, number, number];

/** The prices of a spark line, oldest first: what it opened with, then where each step closed. */
export function sparkLine(rows: readonly SparkLineRow[]): number[] {
  const sorted = [...rows].sort(([one], [other]) => one - other);
  const [first] = sorted;
  return first === undefined ? [] : [first[3], ...sorted.map(([, , , , close]) => close)];
}
