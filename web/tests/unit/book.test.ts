import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Book, type SnapshotMessage, type UpdateMessage } from "../../src/domain/book";
import { crc32 } from "../../src/domain/crc32";
import { formatUnits, units } from "../../src/domain/decimal";
import { groupingSteps, groupLevels } from "../../src/domain/grouping";

const price = (ticks: number): string => formatUnits(BigInt(ticks) * 1_000_000n, 2);
const size = (lots: number): string => formatUnits(BigInt(lots) * 100n);

const change = fc.tuple(
  fc.constantFrom<"buy" | "sell">("buy", "sell"),
  fc.integer({ min: 1, max: 60 }),
  fc.integer({ min: 0, max: 50 }),
);
const batches = fc.array(fc.array(change, { maxLength: 6 }), { minLength: 1, maxLength: 30 });

/** A feed as the exchange sends it, and the levels after each message, kept in the most obvious way. */
function feedOf(rows: ["buy" | "sell", number, number][][]): { messages: UpdateMessage[]; states: Map<string, string>[] } {
  const levels = new Map<string, string>();
  const states: Map<string, string>[] = [];
  const messages = rows.map((changes, index): UpdateMessage => {
    for (const [side, ticks, lots] of changes) {
      if (lots === 0) levels.delete(`${side} ${price(ticks)}`);
      else levels.set(`${side} ${price(ticks)}`, size(lots));
    }
    states.push(new Map(levels));
    return {
      type: "l2update",
      product_id: "BTC-USD",
      sequence: 10 + (index + 1) * 3,
      previous_sequence: 10 + index * 3,
      changes: changes.map(([side, ticks, lots]) => [side, price(ticks), size(lots)]),
      checksum: checksumOf(levels),
    };
  });
  return { messages, states };
}

function checksumOf(levels: Map<string, string>): number {
  const side = (name: string, sign: number): string[] =>
    [...levels]
      .filter(([key]) => key.startsWith(name))
      .map(([key, amount]) => [key.split(" ")[1]!, amount] as const)
      .sort(([one], [other]) => sign * (Number(one) - Number(other)))
      .slice(0, 10)
      .map(([at, amount]) => `${at}:${amount}`);
  const rows = [...side("buy", -1), ...side("sell", 1)];
  return rows.length ? crc32(rows.join(":")) : 0;
}

function levelsOf(book: Book): Map<string, string> {
  const made = new Map<string, string>();
  for (const [name, side] of [
    ["buy", book.bids],
    ["sell", book.asks],
  ] as const)
    for (const level of side) made.set(`${name} ${formatUnits(level.price, 2)}`, formatUnits(level.size));
  return made;
}

const empty: SnapshotMessage = { type: "snapshot", product_id: "BTC-USD", bids: [], asks: [], sequence: 10 };

describe("the checksum", () => {
  it("is the one of the feed's documentation", () => {
    const book = new Book();
    expect(book.checksum()).toBe(0);
    book.snapshot({
      ...empty,
      bids: [
        ["99.00", "2.00000000"],
        ["100.00", "1.50000000"],
      ],
      asks: [["101.00", "0.30000000"]],
    });
    expect(book.checksum()).toBe(crc32("100.00:1.50000000:99.00:2.00000000:101.00:0.30000000"));
    expect(crc32("123456789")).toBe(0xcbf43926);
  });
});

describe("a book from a snapshot and its changes", () => {
  it("is the exchange's at every step", () => {
    fc.assert(
      fc.property(batches, (rows) => {
        const { messages, states } = feedOf(rows);
        const book = new Book();
        book.snapshot(empty);
        messages.forEach((message, index) => {
          expect(book.update(message)).toBe("applied");
          expect(levelsOf(book)).toEqual(states[index]);
        });
        const bids = [...book.bids].map((level) => level.price);
        expect(bids).toEqual([...bids].sort((one, other) => (one > other ? -1 : 1)));
      }),
    );
  });

  it("is untouched by what it has seen", () => {
    fc.assert(
      fc.property(batches, fc.nat(), (rows, seed) => {
        const { messages, states } = feedOf(rows);
        const book = new Book();
        book.snapshot(empty);
        for (const message of messages) book.update(message);
        expect(book.update(messages[seed % messages.length]!)).toBe("skipped");
        expect(levelsOf(book)).toEqual(states.at(-1));
      }),
    );
  });

  it("is not trusted after a lost message, until the next snapshot", () => {
    fc.assert(
      fc.property(
        batches.filter((rows) => rows.length >= 2),
        fc.nat(),
        (rows, seed) => {
          const { messages } = feedOf(rows);
          const lost = seed % (messages.length - 1);
          const book = new Book();
          book.snapshot(empty);
          const outcomes = messages.filter((_, index) => index !== lost).map((message) => book.update(message));
          expect(outcomes[lost]).toBe("gap");
          expect(outcomes.slice(lost + 1).every((outcome) => outcome === "no-snapshot")).toBe(true);
          expect(book.trusted).toBe(false);
          book.snapshot({ ...empty, sequence: 99 });
          expect(book.trusted).toBe(true);
          expect(levelsOf(book).size).toBe(0);
        },
      ),
    );
  });

  it("is not trusted when a heartbeat names a sequence whose update never came", () => {
    fc.assert(
      fc.property(batches, fc.boolean(), (rows, lost) => {
        const { messages } = feedOf(rows);
        const book = new Book();
        book.snapshot(empty);
        for (const message of lost ? messages.slice(0, -1) : messages) book.update(message);
        const { sequence = 0, previous_sequence: previous = 0 } = messages.at(-1)!;
        expect(book.heartbeat(previous)).toBe("skipped");
        expect(book.heartbeat(sequence)).toBe(lost ? "gap" : "skipped");
        expect(book.trusted).toBe(!lost);
        expect(book.heartbeat(sequence + 1)).toBe(lost ? "no-snapshot" : "gap");
      }),
    );
  });

  it("notices levels that differ although the sequence fits", () => {
    const book = new Book();
    book.snapshot({ ...empty, bids: [["100.00", "1.00000000"]] });
    const wrong = {
      type: "l2update" as const,
      product_id: "BTC-USD",
      sequence: 11,
      previous_sequence: 10,
      checksum: 1,
      changes: [["buy", "100.00", "2.00000000"]] as UpdateMessage["changes"],
    };
    expect(book.update(wrong)).toBe("corrupt");
    expect(book.trusted).toBe(false);
  });

  it("takes a snapshot that was cut", () => {
    const book = new Book();
    book.snapshot({ ...empty, bids: [["100.00", "1.00000000"]], checksum: 7 });
    const rest: UpdateMessage = {
      type: "l2update",
      product_id: "BTC-USD",
      sequence: 10,
      previous_sequence: 10,
      checksum: 7,
      changes: [["sell", "101.00", "1.00000000"]],
    };
    expect(book.update(rest)).toBe("applied");
    expect(book.asks.best()?.price).toBe(units("101.00"));
    expect(book.sequence).toBe(10);
  });

  it("shows a crossed book as it is", () => {
    const book = new Book();
    book.snapshot({ ...empty, bids: [["102.00", "1.00000000"]], asks: [["101.00", "1.00000000"]] });
    expect(book.crossed).toBe(true);
    expect(book.bids.best()?.price).toBe(units("102.00"));
  });
});

describe("grouping", () => {
  const ladder = fc.array(fc.tuple(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 50 })), { maxLength: 40 });

  it("keeps every unit, never promises a better price, and adds up", () => {
    fc.assert(
      fc.property(
        ladder,
        fc.constantFrom(1n, 10n, 100n),
        fc.constantFrom<"buy" | "sell">("buy", "sell"),
        (rows, factor, side) => {
          const book = new Book();
          book.snapshot(empty);
          for (const [ticks, lots] of rows) (side === "buy" ? book.bids : book.asks).set(price(ticks), size(lots));
          const levels = [...(side === "buy" ? book.bids : book.asks)];
          const step = 1_000_000n * factor;
          const grouped = groupLevels(levels, side, step, 1000);
          const sum = (items: { size: bigint }[]): bigint => items.reduce((total, item) => total + item.size, 0n);
          expect(sum(grouped)).toBe(sum(levels));
          let total = 0n;
          for (const row of grouped) {
            total += row.size;
            expect(row.total).toBe(total);
            expect(row.price % step).toBe(0n);
          }
          const best = levels[0];
          if (best) expect(side === "buy" ? grouped[0]!.price <= best.price : grouped[0]!.price >= best.price).toBe(true);
          expect(new Set(grouped.map((row) => row.price)).size).toBe(grouped.length);
          expect(groupLevels(levels, side, step, 3)).toEqual(
            grouped.slice(0, 3).map((row, index) => ({ ...row, total: grouped[index]!.total })),
          );
        },
      ),
    );
  });

  it("offers steps that fit the price", () => {
    expect(groupingSteps(units("0.01"), units("50000"))).toEqual(["0.01", "0.1", "1", "10", "100"].map(units));
    expect(groupingSteps(units("0.01"), units("1"))).toEqual([units("0.01")]);
  });
});
