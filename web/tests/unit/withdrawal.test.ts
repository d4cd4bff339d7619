import { describe, expect, it } from "vitest";
import { units } from "../../src/domain/decimal";
import { amountProblem, readLimits } from "../../src/domain/withdrawal";

const LIMITS = readLimits({ max: "1.00000000", remaining: "0.25000000", min: "0.00050000", approve_up_to: "0.10000000" });
const problem = (amount: string): string | null => amountProblem(amount, "BTC", units("2"), LIMITS);

describe("an amount to withdraw", () => {
  it.each([
    ["", null],
    ["0.0005", null],
    ["0.25", null],
    ["0.2", null], // an operator is asked, and that is no problem
    ["0", "An amount, for example 0.5"],
    ["-1", "An amount, for example 0.5"],
    ["1e-1", "An amount, for example 0.5"],
    ["0.000000001", "An amount, for example 0.5"],
    ["all", "An amount, for example 0.5"],
    ["2.00000001", "2.000000 BTC is available"],
    ["0.00049999", "The least is 0.000500 BTC"],
    ["0.25000001", "0.250000 BTC is left of your 1.000000 BTC in 24 hours"],
  ])("%j: %j", (amount, wanted) => expect(problem(amount)).toBe(wanted));

  it("is left to the exchange while the limits are not known", () => {
    expect(amountProblem("1.5", "BTC", units("2"), undefined)).toBeNull();
    expect(amountProblem("2.5", "BTC", units("2"), undefined)).toBe("2.000000 BTC is available");
  });
});
