/**
 * The live state of one market: its book, its tape and its last trade. Owns the recovery from a gap: a book that is not to be
 * trusted is hidden and asked for again.
 */
import { useEffect, useState, useSyncExternalStore } from "react";
import { page } from "../api/client";
import { Book, type Outcome, type SideName, type SnapshotMessage, type UpdateMessage } from "../domain/book";
import { units } from "../domain/decimal";
import { type FeedMessage, feed } from "./connection";
import { Frames } from "./frames";

export interface Trade {
  id: number;
  /** The taker's. */
  side: SideName;
  price: bigint;
  size: bigint;
  atMs: number;
}

const TAPE_LENGTH = 120;

interface MatchMessage extends FeedMessage {
  trade_id: number;
  side: SideName;
  price: string;
  size: string;
  time: string;
}

export class MarketFeed {
  readonly book = new Book();
  readonly bookFrames = new Frames();
  readonly tradeFrames = new Frames();
  trades: Trade[] = [];
  /** Why the book had to be asked for again, newest last; for the tests and the curious. */
  readonly recoveries: string[] = [];
  private readonly tradeListeners = new Set<(trade: Trade) => void>();
  private ends: (() => void)[] = [];

  constructor(readonly productId: string) {}

  start(): void {
    const mine = (handler: (message: FeedMessage) => void) => (message: FeedMessage) => {
      if (message.product_id === this.productId) handler(message);
    };
    this.ends = [
      feed.listen(
        "snapshot",
        mine((message) => {
          this.book.snapshot(message as unknown as SnapshotMessage);
          this.bookFrames.changed();
        }),
      ),
      feed.listen(
        "l2update",
        mine((message) => this.settle(this.book.update(message as unknown as UpdateMessage))),
      ),
      feed.listen(
        "heartbeat",
        mine((message) => this.settle(this.book.heartbeat(message.sequence ?? -1))),
      ),
      feed.listen(
        "last_match",
        mine((message) => this.match(message as MatchMessage)),
      ),
      feed.listen(
        "match",
        mine((message) => this.match(message as MatchMessage)),
      ),
      // A lost connection leaves a picture of the past: not to be trusted until the next snapshot.
      feed.watch(() => {
        if (feed.getHealth().state === "offline" && this.book.trusted) {
          this.book.trusted = false;
          this.bookFrames.changed();
        }
      }),
      feed.subscribe("level2", this.productId),
      feed.subscribe("matches", this.productId),
      feed.subscribe("heartbeat", this.productId),
    ];
    void this.readTape();
  }

  stop(): void {
    for (const end of this.ends) end();
    this.ends = [];
  }

  onTrade(listener: (trade: Trade) => void): () => void {
    this.tradeListeners.add(listener);
    return () => this.tradeListeners.delete(listener);
  }

  get last(): Trade | undefined {
    return this.trades[0];
  }

  private settle(outcome: Outcome): void {
    if (outcome === "gap" || outcome === "corrupt") {
      this.recoveries.push(outcome);
      feed.again("level2", this.productId);
    }
    if (outcome !== "skipped" && outcome !== "no-snapshot") this.bookFrames.changed();
  }

  private match(message: MatchMessage): void {
    if (message.trade_id <= (this.trades[0]?.id ?? 0)) return;
    const trade: Trade = {
      id: message.trade_id,
      side: message.side === "buy" ? "sell" : "buy", // the message names the maker's
      price: units(message.price),
      size: units(message.size),
      atMs: Date.parse(message.time),
    };
    this.trades = [trade, ...this.trades.slice(0, TAPE_LENGTH - 1)];
    this.tradeFrames.changed();
    if (message.type === "match") for (const listener of this.tradeListeners) listener(trade);
  }

  private async readTape(): Promise<void> {
    try {
      const { rows } = await page<{ trade_id: number; side: SideName; price: string; size: string; time: string }>(
        `/products/${this.productId}/trades`,
        { open: true, query: { limit: TAPE_LENGTH } },
      );
      const known = new Map(this.trades.map((trade) => [trade.id, trade]));
      for (const row of rows) {
        known.set(row.trade_id, {
          id: row.trade_id,
          side: row.side === "buy" ? "sell" : "buy",
          price: units(row.price),
          size: units(row.size),
          atMs: Date.parse(row.time),
        });
      }
      this.trades = [...known.values()].sort((one, other) => other.id - one.id).slice(0, TAPE_LENGTH);
      this.tradeFrames.changed();
    } catch {
      // The feed goes on without the past.
    }
  }
}

/** The feed of the market on the screen; one at a time. */
export function useMarketFeed(productId: string): MarketFeed {
  const [market, setMarket] = useState(() => new MarketFeed(productId));
  useEffect(() => {
    const made = market.productId === productId ? market : new MarketFeed(productId);
    if (made !== market) {
      setMarket(made);
      return;
    }
    made.start();
    (window as { marketFeed?: MarketFeed }).marketFeed = made;
    return () => made.stop();
  }, [market, productId]);
  return market;
}

/** Draws the component again when the book changed. */
export const useBookVersion = (market: MarketFeed): number =>
  useSyncExternalStore(market.bookFrames.watch, market.bookFrames.getVersion);

export const useTradeVersion = (market: MarketFeed): number =>
  useSyncExternalStore(market.tradeFrames.watch, market.tradeFrames.getVersion);

export const useHealth = () => useSyncExternalStore(feed.watch, feed.getHealth);
