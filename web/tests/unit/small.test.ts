import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WORDS } from "../../src/api/words";
import { reconnectDelayMs } from "../../src/domain/backoff";
import { foldTrade, readCandles, sparkLine } from "../../src/domain/candles";
import { Channels } from "../../src/domain/channels";
import { toCsv } from "../../src/domain/csv";

describe("candles", () => {
  it("reads REST's rows, newest first there, oldest first here", () => {
    expect(
      readCandles([
        [120, 1, 4, 2, 3, 9],
        [60, 1, 2, 1, 2, 5],
      ]).map((candle) => candle.time),
    ).toEqual([60, 120]);
  });

  it("folding trades gives the candle of all of them", () => {
    const trades = fc.array(
      fc.record({
        price: fc.integer({ min: 1, max: 1000 }),
        size: fc.integer({ min: 1, max: 9 }),
        atMs: fc.integer({ min: 0, max: 59_999 }),
      }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(trades, (rows) => {
        const candle = rows.reduce<ReturnType<typeof foldTrade>>(
          (last, trade) => foldTrade(last ?? undefined, trade, 60),
          null,
        )!;
        const prices = rows.map((trade) => trade.price);
        expect(candle).toEqual({
          time: 0,
          open: prices[0],
          close: prices.at(-1),
          high: Math.max(...prices),
          low: Math.min(...prices),
          volume: rows.reduce((sum, trade) => sum + trade.size, 0),
        });
      }),
    );
  });

  it("begins a new one at its time, and leaves old ones alone", () => {
    const candle = { time: 60, low: 1, high: 1, open: 1, close: 1, volume: 1 };
    expect(foldTrade(candle, { price: 5, size: 2, atMs: 180_500 }, 60)).toEqual({
      time: 180,
      low: 5,
      high: 5,
      open: 5,
      close: 5,
      volume: 2,
    });
    expect(foldTrade(candle, { price: 5, size: 2, atMs: 10_000 }, 60)).toBeNull();
  });
});

describe("CSV", () => {
  it("quotes what needs it, runs nothing, and leaves numbers alone", () => {
    expect(
      toCsv(
        ["a", "b"],
        [
          ["x,y", 'say "hi"'],
          ["=1+1", "-12.50"],
        ],
      ),
    ).toBe('a,b\r\n"x,y","say ""hi"""\r\n\'=1+1,-12.50\r\n');
  });
});

describe("waiting to connect again", () => {
  it("grows to 15 s and never hammers", () => {
    fc.assert(
      fc.property(fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const delay = reconnectDelayMs(attempt, random);
        expect(delay >= 250 && delay <= 15_000).toBe(true);
      }),
    );
  });
});

describe("a spark line", () => {
  it("rises where the price rose, whatever its lows did", () => {
    expect(
      sparkLine([
        [7200, 90, 130, 110, 125],
        [3600, 95, 120, 100, 110],
      ]),
    ).toEqual([100, 110, 125]);
    expect(sparkLine([[3600, 95, 120, 100, 110]])).toEqual([100, 110]);
    expect(sparkLine([])).toEqual([]);
  });
});

describe("words for what was refused", () => {
  // These two are the screen's own.
  const OWN = new Set(["signed_out", "unreachable"]);

  it("are for codes that the API has", () => {
    const rows = readFileSync("../docs/API.md", "utf8").match(/^\| \d{3} \| .+? \|/gm) ?? [];
    const codes = new Set(rows.flatMap((row) => [...row.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code)));
    expect(codes.size).toBeGreaterThan(80);
    expect(Object.keys(WORDS).filter((code) => !codes.has(code) && !OWN.has(code))).toEqual([]);
  });
});

describe("what is wanted of the feed", () => {
  const book = "level2 BTC-USD";

  it("is asked for by the first who wants it and given up by the last", () => {
    const channels = new Channels();
    expect([channels.want(book), channels.want(book)]).toEqual([true, false]);
    expect([channels.leave(book), channels.has(book), channels.leave(book), channels.has(book)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("is asked for again, each time later, until it is on", () => {
    const channels = new Channels();
    channels.want(book);
    channels.want("status ");
    expect(channels.opened(0)).toEqual([book, "status "]);
    channels.told([{ name: "status", product_ids: [] }]);
    expect(channels.due(3_999)).toEqual([]);
    const asked = [];
    for (let nowMs = 0; nowMs < 200_000; nowMs += 1_000) {
      for (const key of channels.due(nowMs)) {
        asked.push(nowMs / 1_000);
        channels.sent(key, nowMs);
      }
    }
    expect(asked).toEqual([4, 12, 28, 60, 120, 180]);
    channels.told([{ name: "level2", product_ids: ["ETH-USD", "BTC-USD"] }]);
    expect(channels.due(1_000_000)).toEqual(["status "]); // an answer says all that is on
  });

  it("is not on any more when it is asked for once more, or on another connection", () => {
    const channels = new Channels();
    channels.want(book);
    channels.told([{ name: "level2", product_ids: ["BTC-USD"] }]);
    channels.sent(book, 10_000);
    expect([channels.due(13_999), channels.due(14_000)]).toEqual([[], [book]]);
    channels.told([{ name: "level2", product_ids: ["BTC-USD"] }]);
    expect(channels.opened(20_000)).toEqual([book]);
    expect(channels.due(24_000)).toEqual([book]);
  });
});
