/**
 * A market's level 2 book, kept from a snapshot and the changes after it.
 *
 * Owns the rule of the sequence: an update is applied only if it starts where the book stands; one that is older is skipped,
 * one that starts later is a gap, after which the book is not to be trusted until the next snapshot. The checksum of the ten best
 * levels catches what the sequence cannot, and the heartbeat's sequence an update that was lost with none after it. A book may
 * be crossed while its market is in an auction: it is shown as it is.
 */
import { crc32 } from "./crc32";
import { units } from "./decimal";

export type SideName = "buy" | "sell";

export interface SnapshotMessage {
  type: "snapshot";
  product_id: string;
  bids: [string, string][];
  asks: [string, string][];
  sequence?: number;
  checksum?: number;
  time?: string;
}

export interface UpdateMessage {
  type: "l2update";
  product_id: string;
  changes: [SideName, string, string][];
  sequence?: number;
  previous_sequence?: number;
  checksum?: number;
  time?: string;
}

export interface Level {
  price: bigint;
  size: bigint;
  /** Both as they were sent, for the checksum. */
  text: string;
}

export type Outcome = "applied" | "skipped" | "gap" | "corrupt" | "no-snapshot";

/** One side: levels by price, and the prices best first. */
export class Side {
  private readonly levels = new Map<bigint, Level>();
  private prices: bigint[] = [];

  constructor(private readonly name: SideName) {}

  get depth(): number {
    return this.prices.length;
  }

  clear(): void {
    this.levels.clear();
    this.prices = [];
  }

  set(priceText: string, sizeText: string): void {
    const price = units(priceText);
    const size = units(sizeText);
    if (size === 0n) {
      if (this.levels.delete(price)) this.prices.splice(this.place(price), 1);
      return;
    }
    if (!this.levels.has(price)) this.prices.splice(this.place(price), 0, price);
    this.levels.set(price, { price, size, text: `${priceText}:${sizeText}` });
  }

  best(): Level | undefined {
    return this.levels.get(this.prices[0] ?? -1n);
  }

  sizeAt(price: bigint): bigint {
    return this.levels.get(price)?.size ?? 0n;
  }

  /** Best first. */
  *[Symbol.iterator](): Generator<Level> {
    for (const price of this.prices) yield this.levels.get(price)!;
  }

  top(count: number): Level[] {
    return this.prices.slice(0, count).map((price) => this.levels.get(price)!);
  }

  /** Where `price` stands, or would stand. */
  private place(price: bigint): number {
    let low = 0;
    let high = this.prices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.prices[middle]!;
      if (this.name === "buy" ? found > price : found < price) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class Book {
  readonly bids = new Side("buy");
  readonly asks = new Side("sell");
  sequence = -1;
  /** False from a gap until the next snapshot. */
  trusted = false;

  snapshot(message: SnapshotMessage): Outcome {
    this.bids.clear();
    this.asks.clear();
    for (const [price, size] of message.bids) this.bids.set(price, size);
    for (const [price, size] of message.asks) this.asks.set(price, size);
    this.sequence = message.sequence ?? -1;
    this.trusted = true;
    // No comparison here: of a snapshot that was cut, every part carries the checksum of the whole. The next update compares.
    return "applied";
  }

  update(message: UpdateMessage): Outcome {
    if (!this.trusted) return "no-snapshot";
    const { sequence, previous_sequence: previous } = message;
    if (sequence !== undefined && previous !== undefined) {
      if (previous !== this.sequence) {
        if (sequence <= this.sequence) return "skipped";
        this.trusted = false;
        return "gap";
      }
    }
    for (const [side, price, size] of message.changes) (side === "buy" ? this.bids : this.asks).set(price, size);
    const partOfSnapshot = sequence !== undefined && sequence === previous;
    if (sequence !== undefined) this.sequence = sequence;
    if (!partOfSnapshot && message.checksum !== undefined && message.checksum !== this.checksum()) {
      this.trusted = false;
      return "corrupt";
    }
    return "applied";
  }

  /** What the heartbeat says of the market's sequence: it comes behind every update that leads there, so a book that stands
   * before it has lost one, even where no later update tells. */
  heartbeat(sequence: number): Outcome {
    if (!this.trusted) return "no-snapshot";
    if (this.sequence === -1 || sequence <= this.sequence) return "skipped";
    this.trusted = false;
    return "gap";
  }

  /** CRC-32 of the ten best bids and asks as `price:size`, joined with `:`; 0 for an empty book. */
  checksum(): number {
    const levels = [...this.bids.top(10), ...this.asks.top(10)];
    return levels.length === 0 ? 0 : crc32(levels.map((level) => level.text).join(":"));
  }

  get crossed(): boolean {
    const bid = this.bids.best();
    const ask = this.asks.best();
    return bid !== undefined && ask !== undefined && bid.price >= ask.price;
  }
}
