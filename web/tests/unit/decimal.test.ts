import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divide, formatUnits, multiply, ONE, parseUnits, placesOf, plain, toIncrement, units } from "../../src/domain/decimal";

const amount = fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n });
const positive = fc.bigInt({ min: 1n, max: 10n ** 20n });

describe("decimals", () => {
  it("reads what people type", () => {
    expect(parseUnits("1")).toBe(ONE);
    expect(parseUnits(" 0.5 ")).toBe(ONE / 2n);
    expect(parseUnits(".5")).toBe(ONE / 2n);
    expect(parseUnits("5.")).toBe(5n * ONE);
    expect(parseUnits("0.00000001")).toBe(1n);
    expect(parseUnits("1.000000000")).toBe(ONE);
    for (const text of ["", ".", "1e3", "1,000", "0.000000001", "one", "--1", "0x1", "NaN", "1 2"])
      expect(parseUnits(text), text).toBeNull();
  });

  it("keeps every digit", () => {
    fc.assert(fc.property(amount, (value) => units(formatUnits(value)) === value && units(plain(value)) === value));
  });

  it("writes whole numbers without a point and never minus nothing", () => {
    expect(plain(1200n * ONE)).toBe("1200");
    expect(formatUnits(-1n, 2, { cut: true })).toBe("0.00");
    expect(formatUnits(1234567n * ONE + 1n, 2, { cut: true, group: true })).toBe("1,234,567.00");
    expect(formatUnits(1234567n * ONE, 0, { group: true })).toBe("1,234,567");
    expect(formatUnits(1n, 2)).toBe("0.00000001");
  });

  it("rounds to the side it was told to, by less than one unit", () => {
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        const down = multiply(a, b, "down");
        const up = multiply(a, b, "up");
        expect(down * ONE <= a * b && a * b <= up * ONE).toBe(true);
        expect(up - down <= 1n).toBe(true);
        expect(multiply(divide(a, b, "down"), b, "down") <= a).toBe(true);
      }),
    );
  });

  it("stays on the increment", () => {
    fc.assert(
      fc.property(positive, fc.constantFrom("0.01", "0.00001", "1", "0.000001", "0.5"), (value, text) => {
        const increment = units(text);
        const down = toIncrement(value, increment, "down");
        expect(down % increment).toBe(0n);
        expect(down <= value && value - down < increment).toBe(true);
        expect(toIncrement(down, increment, "up")).toBe(down);
      }),
    );
    expect(placesOf(units("0.01"))).toBe(2);
    expect(placesOf(units("1"))).toBe(0);
  });
});
