/**
 * What a page wants of the feed, and what the exchange says that its connection has. A request may fail, and two that are sent one
 * after the other may be done in the other order; so what is wanted and is not on is asked for again, each time later.
 */
const ASK_AGAIN_AFTER_MS = 4_000;
const ASK_AGAIN_AT_MOST_MS = 60_000;

/** `channel product`; a channel without products ends with the space. */
export type ChannelKey = string;

export class Channels {
  private readonly wanted = new Map<ChannelKey, number>();
  private readonly asked = new Map<ChannelKey, { atMs: number; times: number }>();
  private on = new Set<ChannelKey>();

  /** One more wants it. Whether that is the first. */
  want(key: ChannelKey): boolean {
    const count = this.wanted.get(key) ?? 0;
    this.wanted.set(key, count + 1);
    return count === 0;
  }

  /** One less wants it. Whether that was the last. */
  leave(key: ChannelKey): boolean {
    const left = (this.wanted.get(key) ?? 1) - 1;
    if (left > 0) this.wanted.set(key, left);
    else this.wanted.delete(key);
    return left === 0;
  }

  has(key: ChannelKey): boolean {
    return this.wanted.has(key);
  }

  /** A new connection: nothing is on. Everything that is wanted, which is asked for now. */
  opened(nowMs: number): ChannelKey[] {
    this.on.clear();
    this.asked.clear();
    const all = [...this.wanted.keys()];
    for (const key of all) this.sent(key, nowMs);
    return all;
  }

  /** It is asked for now; on is what an answer says from now on. */
  sent(key: ChannelKey, nowMs: number): void {
    this.on.delete(key);
    this.asked.set(key, { atMs: nowMs, times: (this.asked.get(key)?.times ?? 0) + 1 });
  }

  /** The exchange's answer: everything that is on. */
  told(channels: readonly { name: string; product_ids: readonly string[] }[]): void {
    this.on = new Set(
      channels.flatMap(({ name, product_ids }) =>
        product_ids.length === 0 ? [`${name} `] : product_ids.map((product) => `${name} ${product}`),
      ),
    );
    for (const key of this.on) this.asked.delete(key);
  }

  /** What is wanted and not on, and was asked for long enough ago. */
  due(nowMs: number): ChannelKey[] {
    return [...this.wanted.keys()].filter((key) => {
      if (this.on.has(key)) return false;
      const { atMs, times } = this.asked.get(key) ?? { atMs: 0, times: 0 };
      return nowMs - atMs >= Math.min(ASK_AGAIN_AT_MOST_MS, ASK_AGAIN_AFTER_MS * 2 ** Math.max(0, times - 1));
    });
  }
}
