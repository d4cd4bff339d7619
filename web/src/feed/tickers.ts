/** Last price and day's figures of every market, from the `ticker` channel. */
import { useEffect, useSyncExternalStore } from "react";
import { units } from "../domain/decimal";
import { feed } from "./connection";
import { Frames } from "./frames";

export interface Ticker {
  price: bigint;
  open24h?: bigint;
  low24h?: bigint;
  high24h?: bigint;
  volume24h: bigint;
}

const tickers = new Map<string, Ticker>();
const frames = new Frames();

const optional = (value: unknown): bigint | undefined => (typeof value === "string" ? units(value) : undefined);

feed.listen("ticker", (message) => {
  tickers.set(String(message.product_id), {
    price: units(String(message.price)),
    open24h: optional(message.open_24h),
    low24h: optional(message.low_24h),
    high24h: optional(message.high_24h),
    volume24h: optional(message.volume_24h) ?? 0n,
  });
  frames.changed();
});

export function useTickers(productIds: readonly string[]): ReadonlyMap<string, Ticker> {
  const key = productIds.join(",");
  useEffect(() => {
    const ends = key === "" ? [] : key.split(",").map((id) => feed.subscribe("ticker", id));
    return () => {
      for (const end of ends) end();
    };
  }, [key]);
  useSyncExternalStore(frames.watch, frames.getVersion);
  return tickers;
}
