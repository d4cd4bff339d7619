import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Book } from "../../src/domain/book";
import { ONE, plain, units } from "../../src/domain/decimal";
import { walkByFunds, walkBySize } from "../../src/domain/estimate";
import { readMarket } from "../../src/domain/market";
import { type Draft, EMPTY_DRAFT, type Facts, feeOf, preview, sizeOfShare } from "../../src/domain/ticket";

const market = readMarket({
  id: "BTC-USD",
  base_currency: "BTC",
  quote_currency: "USD",
  base_increment: "0.000001",
  quote_increment: "0.01",
  min_market_funds: "1",
  max_slippage_percentage: "0.100000",
  high_bid_limit_percentage: "0.500000",
  status: "online",
});
const NOW = Date.parse("2026-03-01T12:00:00Z");
const OID = "6f8d8f5e-2c64-4f0b-8d0f-1f5d1a6f7c11";

function facts(more: Partial<Facts> = {}): Facts {
  const book = new Book();
  book.snapshot({
    type: "snapshot",
    product_id: "BTC-USD",
    bids: [
      ["49999.00", "1.00000000"],
      ["49990.00", "2.00000000"],
    ],
    asks: [
      ["50001.00", "0.50000000"],
      ["50010.00", "1.00000000"],
    ],
  });
  return {
    market,
    available: { base: 10n * ONE, quote: 100_000n * ONE },
    makerRate: units("0.004"),
    takerRate: units("0.006"),
    bids: book.bids,
    asks: book.asks,
    bestBid: units("49999"),
    bestAsk: units("50001"),
    last: units("50000"),
    nowMs: NOW,
    ...more,
  };
}

const RICH = { available: { base: 10n * ONE, quote: 1_000_000n * ONE } };
const draft = (more: Partial<Draft>): Draft => ({ ...EMPTY_DRAFT, ...more });
const look = (more: Partial<Draft>, about: Partial<Facts> = {}) => preview(draft(more), facts(about), OID);

describe("a limit order", () => {
  it("says what it costs before it is sent", () => {
    const made = look({ price: "49000", size: "0.5" });
    expect(made.problems).toEqual({});
    expect(made.value).toBe(units("24500"));
    expect(made.maker).toBe(true);
    expect(made.fee).toBe(units("98"));
    expect(made.total).toBe(units("24598"));
    // Held for the dearer of both rates: it may still become a taker.
    expect(made.hold).toEqual({ currency: "USD", amount: units("24647") });
    expect(made.body).toEqual({
      product_id: "BTC-USD",
      side: "buy",
      type: "limit",
      stp: "dc",
      client_oid: OID,
      time_in_force: "GTC",
      price: "49000",
      size: "0.5",
    });
  });

  it("knows when it takes", () => {
    const made = look({ price: "50001", size: "0.1" });
    expect(made.maker).toBe(false);
    expect(made.fee).toBe(units("30.0006"));
    expect(look({ price: "50001", size: "0.1", postOnly: true }).problems.price).toMatch(/post-only/);
    expect(look({ side: "sell", price: "49999", size: "0.1", postOnly: true }).problems.price).toMatch(/best bid/);
  });

  it("takes only what the exchange takes", () => {
    expect(look({ price: "1.001", size: "1" }).problems.price).toBe("A multiple of 0.01 USD");
    expect(look({ price: "100", size: "0.0000001" }).problems.size).toBe("A multiple of 0.000001 BTC");
    expect(look({ price: "100", size: "0.000001" }).problems.size).toMatch(/least, 1 USD/);
    expect(look({ price: "abc", size: "1" }).problems.price).toMatch(/number/);
    expect(look({ price: "-1", size: "1" }).problems.price).toMatch(/number|More/);
    expect(look({ price: "0", size: "1" }).problems.price).toBe("More than 0");
    expect(look({ price: "50000", size: "3" }).problems.size).toMatch(/Needs 150,900.00 USD, 100,000.00 is available/);
    expect(look({ side: "sell", price: "60000", size: "11" }).problems.size).toMatch(/BTC/);
    expect(look({ price: "", size: "" }).problems).toEqual({});
    expect(look({ price: "", size: "1" }).body).toBeUndefined();
  });

  it("carries its options", () => {
    const made = look({
      price: "49,000",
      size: "2",
      timeInForce: "GTT",
      end: "hour",
      displaySize: "0.1",
      postOnly: true,
      stp: "co",
    });
    expect(made.body).toMatchObject({
      price: "49000",
      time_in_force: "GTT",
      cancel_after: "hour",
      display_size: "0.1",
      post_only: true,
      stp: "co",
    });
    expect(look({ price: "49000", size: "1", displaySize: "2" }).problems.displaySize).toMatch(/More than/);
    expect(look({ price: "49000", size: "1", timeInForce: "IOC", postOnly: true, displaySize: "0.5" }).body).toEqual({
      product_id: "BTC-USD",
      side: "buy",
      type: "limit",
      stp: "dc",
      client_oid: OID,
      time_in_force: "IOC",
      price: "49000",
      size: "1",
    });
  });

  it("ends at a time that is typed", () => {
    const at = (expireTime: string) => look({ price: "49000", size: "1", timeInForce: "GTT", end: "at", expireTime });
    const later = new Date(NOW + 90 * 60_000);
    const local = new Date(later.getTime() - later.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    expect(at(local).body).toMatchObject({ time_in_force: "GTT", expire_time: "2026-03-01T13:30:00.000Z" });
    expect(at(local).body).not.toHaveProperty("cancel_after");
    expect(at("2026-02-01T12:00").problems.expireTime).toBe("This time is over");
    expect(at("2026-02-31T99:00").problems.expireTime).toMatch(/date/);
    // Nothing is wrong with an empty field, and nothing is sent without it.
    expect(at("").problems).toEqual({});
    expect(at("").body).toBeUndefined();
    expect(at("").hold).toBeDefined();
    expect(look({ price: "49000", size: "1", end: "at", expireTime: local }).body).not.toHaveProperty("expire_time");
  });

  it("is given so long to reach the market", () => {
    const within = (deadlineS: string, kind: Draft["kind"] = "limit") => look({ kind, price: "49000", size: "1", deadlineS });
    expect(within("2.5").body).toMatchObject({ deadline: "2026-03-01T12:00:02.500Z" });
    expect(within("240", "market").body).toMatchObject({ deadline: "2026-03-01T12:04:00.000Z" });
    expect(within("").body).not.toHaveProperty("deadline");
    for (const wrong of ["0", "241", "-1", "1e2", "5 s", "1.2345", "."]) {
      expect(within(wrong).problems.deadlineS, wrong).toBe("Seconds, at most 240");
      expect(within(wrong).body).toBeUndefined();
    }
  });

  it("stays within the market's band, as the market tells it", () => {
    expect(look({ price: "75000", size: "0.1" }).problems).toEqual({});
    expect(look({ price: "75000.01", size: "0.1" }).problems.price).toBe("At most 75,000.00 USD, 50 % beyond the last trade");
    expect(look({ side: "sell", price: "24999.99", size: "1" }).problems.price).toMatch(/^At least 25,000.00 USD/);
    expect(look({ price: "1", size: "1" }).problems).toEqual({});
    expect(look({ price: "75000.01", size: "0.1" }, { last: undefined }).problems).toEqual({});
    // A stop order's limit is not looked at before it is set off.
    expect(look({ kind: "stop-limit", stopPrice: "70000", price: "75000.01", size: "0.1" }).problems).toEqual({});
  });

  it("can only rest while orders are collected for an auction", () => {
    const about = { market: { ...market, auction: true, limitOnly: true } };
    expect(look({ price: "49000", size: "1", timeInForce: "IOC" }, about).problems.timeInForce).toMatch(/auction/);
    expect(look({ price: "49000", size: "1" }, about).problems).toEqual({});
    expect(look({ kind: "market", size: "1" }, about).problems.market).toMatch(/limit orders only/);
  });

  it("is refused by a halted market, in words", () => {
    const made = look({ price: "49000", size: "1" }, { market: { ...market, halted: true } });
    expect(made.problems.market).toMatch(/halted/);
    expect(made.body).toBeUndefined();
  });
});

describe("a stop order", () => {
  it("has a stop price, with a limit or without", () => {
    expect(
      look({ kind: "stop-limit", side: "sell", stop: "loss", stopPrice: "48000", price: "47900", size: "1" }).body,
    ).toMatchObject({
      type: "limit",
      stop: "loss",
      stop_price: "48000",
      price: "47900",
      size: "1",
    });
    const made = look({ kind: "stop-market", side: "sell", stop: "loss", stopPrice: "48000", size: "1" });
    expect(made.body).toMatchObject({ type: "market", stop: "loss", stop_price: "48000", size: "1" });
    expect(made.body).not.toHaveProperty("price");
    expect(
      look({ kind: "stop-limit", side: "sell", stop: "loss", stopPrice: "51000", price: "47900", size: "1" }).warnings.join(),
    ).toMatch(/already/);
  });

  it("is not sent as another order while its stop price is missing", () => {
    for (const kind of ["stop-limit", "stop-market"] as const) {
      for (const stopPrice of ["", " ", "x"]) {
        expect(look({ kind, stopPrice, price: "47900", size: "1" }).body).toBeUndefined();
      }
    }
  });

  it("holds by its stop price, or by a market that has passed it", () => {
    const held = (more: Partial<Draft>) => look({ kind: "stop-market", size: "1", ...more }, RICH).hold!.amount;
    const most = (price: string) => units(price) + feeOf(units(price), units("0.006"));
    expect(held({ stop: "entry", stopPrice: "60000" })).toBe(most("66000"));
    expect(held({ stop: "entry", stopPrice: "40000" })).toBe(most("55001.1"));
    expect(held({ stop: "loss", stopPrice: "40000" })).toBe(most("44000"));
  });
});

describe("a market order", () => {
  it("is estimated from the book", () => {
    const made = look({ kind: "market", size: "1" });
    expect(made.estimate).toMatchObject({
      size: ONE,
      value: units("50005.5"),
      average: units("50005.5"),
      worst: units("50010"),
      partial: false,
    });
    expect(made.fee).toBe(units("300.033"));
    expect(made.body).toMatchObject({ type: "market", size: "1" });
    expect(made.body).not.toHaveProperty("time_in_force");
    expect(look({ kind: "market", by: "funds", funds: "1000" }).body).toMatchObject({ funds: "1000" });
    expect(look({ kind: "market", by: "funds", funds: "0.5" }).problems.funds).toMatch(/least/);
  });

  it("holds for the worst price that the market's band allows", () => {
    const wide = { market: { ...market, priceBand: units("0.25") } };
    const most = units("62501.25");
    expect(look({ kind: "market", size: "1" }, wide).hold).toEqual({
      currency: "USD",
      amount: most + feeOf(most, units("0.006")),
    });
    expect(look({ kind: "market", side: "sell", by: "funds", funds: "30000" }, wide).hold!.amount).toBe(80001601n);
    const nothing = { bids: [], bestBid: undefined, last: undefined };
    expect(look({ kind: "market", side: "sell", by: "funds", funds: "100" }, nothing).problems.market).toMatch(/no price yet/);
  });

  it("says when the book is thin", () => {
    expect(look({ kind: "market", side: "sell", size: "5" }).warnings.join()).toMatch(/does not hold/);
    expect(look({ kind: "market", size: "1" }, { asks: [], bestAsk: undefined }).warnings.join()).toMatch(/Nobody sells/);
    const nothing = look({ kind: "market", size: "1" }, { asks: [], bestAsk: undefined, last: undefined });
    expect(nothing.problems.market).toMatch(/no price yet/);
  });
});

describe("estimates", () => {
  const levels = fc
    .array(fc.tuple(fc.bigInt({ min: 1n, max: 500n }), fc.bigInt({ min: 1n, max: 10n ** 6n })), { maxLength: 12 })
    .map((rows) =>
      rows
        .map(([price, size]) => ({ price: price * 1_000_000n, size: size * 100n, text: "" }))
        .sort((one, other) => (one.price < other.price ? -1 : 1)),
    );

  it("never take more than was wanted or is there", () => {
    fc.assert(
      fc.property(levels, fc.bigInt({ min: 1n, max: 10n ** 7n }), (rows, lots) => {
        const there = rows.reduce((sum, row) => sum + row.size, 0n);
        const bySize = walkBySize(rows, lots * 100n);
        expect(bySize.size <= there && bySize.size <= lots * 100n).toBe(true);
        expect(bySize.partial).toBe(bySize.size < lots * 100n);
        const funds = lots * 1000n;
        const byFunds = walkByFunds(rows, funds, 100n);
        expect(byFunds.value <= funds && byFunds.size <= there && byFunds.size % 100n === 0n).toBe(true);
      }),
    );
  });
});

describe("fees and shares", () => {
  it("fees round up, by less than a unit", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.bigInt({ min: 0n, max: 10n ** 7n }), (value, rate) => {
        const fee = feeOf(value, rate);
        expect(fee * ONE >= value * rate && (fee - 1n) * ONE < value * rate).toBe(true);
      }),
    );
  });

  it("a share of what one has can always be paid", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 15n }),
        fc.integer({ min: 100, max: 10_000_000 }),
        fc.constantFrom(25n, 50n, 75n, 100n),
        fc.constantFrom<"buy" | "sell">("buy", "sell"),
        (quote, cents, percent, side) => {
          const about = facts({ available: { base: quote, quote } });
          const wanted = draft({ side, price: plain(BigInt(cents) * 1_000_000n) });
          const share = sizeOfShare(wanted, about, percent);
          const made = preview({ ...wanted, size: share?.size ?? "" }, about, OID);
          expect(made.hold === undefined || made.hold.amount <= quote).toBe(true);
        },
      ),
    );
  });
});
