import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Book, type Side } from "../../src/domain/book";
import { formatUnits, ONE, units } from "../../src/domain/decimal";
import { depthPoints } from "../../src/domain/depth";

const TICK = units("0.01");

function bookOf(bids: [string, string][], asks: [string, string][]): Book {
  const book = new Book();
  book.snapshot({ type: "snapshot", product_id: "BTC-USD", bids, asks });
  return book;
}

const pointsOf = (book: Book, points = 100) => depthPoints(book.bids, book.asks, { rangePpm: 50_000n, points, tick: TICK });

const total = (side: Side, counts: (price: bigint) => boolean): bigint | undefined => {
  const found = [...side].filter((level) => counts(level.price));
  return found.length === 0 ? undefined : found.reduce((sum, level) => sum + level.size, 0n);
};

describe("the depth of a book", () => {
  it("is at even prices what the levels up to there come to", () => {
    const side = fc.array(fc.tuple(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 50 })), { maxLength: 40 });
    fc.assert(
      fc.property(side, side, fc.constantFrom(20, 100, 400), (bids, asks, most) => {
        const rows = (levels: [number, number][]): [string, string][] =>
          levels.map(([ticks, lots]) => [formatUnits(BigInt(ticks) * TICK, 2), formatUnits(BigInt(lots) * ONE)]);
        const book = bookOf(rows(bids), rows(asks)); // a crossed one as well, as in an auction
        const points = pointsOf(book, most);
        expect(points.length === 0).toBe(bids.length + asks.length === 0);
        expect(points.length).toBeLessThanOrEqual(most);
        const step = points.length > 1 ? points[1]!.price - points[0]!.price : TICK;
        expect(step).toBeGreaterThanOrEqual(TICK);
        expect(step.toString()).toMatch(/^[125]0*$/);
        const from = (points[0]?.price ?? step) / step;
        expect(from).toBeGreaterThan(0n);
        expect(points).toEqual(
          points.map((_, index) => {
            const price = (from + BigInt(index)) * step;
            const [bids, asks] = [total(book.bids, (at) => at >= price), total(book.asks, (at) => at <= price)];
            return { price, bids, asks };
          }),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("goes a little farther than the book within its range, and equally far to both sides", () => {
    const points = pointsOf(
      bookOf(
        [
          ["100.00", "1"],
          ["99.00", "2"],
          ["80.00", "4"],
        ],
        [
          ["101.00", "1"],
          ["104.00", "2"],
          ["130.00", "4"],
        ],
      ),
    );
    expect([points[0], points.at(-1)].map((point) => formatUnits(point!.price, 2))).toEqual(["96.90", "104.10"]);
    expect(points[0]).toEqual({ price: units("96.9"), bids: units("3"), asks: undefined });
    expect(points.at(-1)).toEqual({ price: units("104.1"), bids: undefined, asks: units("3") });
    expect(points.find((point) => point.price === units("100.5"))).toEqual({
      price: units("100.5"),
      bids: undefined,
      asks: undefined,
    });
    expect(points.length).toBe(73);
  });

  it("has some width where the book has none, and nothing of a side without orders", () => {
    const points = pointsOf(bookOf([["100.00", "3"]], []));
    expect([points[0], points.at(-1)].map((point) => formatUnits(point!.price, 2))).toEqual(["99.48", "100.00"]);
    expect(points.every((point) => point.bids === 3n * ONE && point.asks === undefined)).toBe(true);
    const cheap = pointsOf(bookOf([], [["0.01", "3"]]));
    expect([cheap[0], cheap.at(-1)].map((point) => formatUnits(point!.price, 2))).toEqual(["0.02", "0.52"]);
    // A bid of one tick, which is less than a step.
    expect(pointsOf(bookOf([["0.01", "3"]], []), 400)).toEqual([{ price: units("0.02"), bids: undefined, asks: undefined }]);
  });
});
