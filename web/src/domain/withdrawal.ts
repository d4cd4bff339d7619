/** What the exchange will say of an amount to be withdrawn, before it is asked. */
import { formatUnits, parseUnits, units } from "./decimal";
import { shownPlaces } from "./market";

/** Of one currency and account, in units. */
export interface WithdrawalLimits {
  /** The most in 24 hours, and what is left of it. */
  most: bigint;
  left: bigint;
  /** The least of one withdrawal. */
  least: bigint;
  /** The most of one withdrawal that no operator has to approve. */
  unasked: bigint;
}

export interface WithdrawalLimitsRow {
  max: string;
  remaining: string;
  min: string;
  approve_up_to: string;
}

export const readLimits = (row: WithdrawalLimitsRow): WithdrawalLimits => ({
  most: units(row.max),
  left: units(row.remaining),
  least: units(row.min),
  unasked: units(row.approve_up_to),
});

/** Why this amount cannot be withdrawn, or null. Limits that are not known yet are left to the exchange. */
export function amountProblem(
  amount: string,
  currency: string,
  available: bigint,
  limits: WithdrawalLimits | undefined,
): string | null {
  if (amount === "") return null;
  const value = parseUnits(amount);
  const text = (sum: bigint): string => `${formatUnits(sum, shownPlaces(currency), { group: true })} ${currency}`;
  if (value === null || value <= 0n) return "An amount, for example 0.5";
  if (value > available) {
    return `${formatUnits(available, shownPlaces(currency), { group: true, cut: true })} ${currency} is available`;
  }
  if (limits === undefined) return null;
  if (value < limits.least) return `The least is ${text(limits.least)}`;
  if (value > limits.left) return `${text(limits.left)} is left of your ${text(limits.most)} in 24 hours`;
  return null;
}

/** Where coins go, as text; some currencies tell receivers at one address apart by a tag. */
export const addressText = (address: string, tag?: string): string => (tag ? `${address}, tag ${tag}` : address);
