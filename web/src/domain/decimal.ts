/**
 * Exact decimals. Every amount, price and size of the screen is a bigint of 10^-8 ("units"): no listed asset has more
 * digits, and price x size is exact by the exchange's own increments. Floats only ever reach the chart's pixels.
 */

export const PLACES = 8;
export const ONE = 10n ** BigInt(PLACES);

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d*))?$|^([+-]?)\.(\d+)$/;

/** `1234.5` as units; null where it is no plain decimal or has digits below 10^-8. */
export function parseUnits(text: string): bigint | null {
  const found = DECIMAL.exec(text.trim());
  if (found === null) return null;
  const sign = (found[1] ?? found[4]) === "-" ? -1n : 1n;
  const whole = found[2] ?? "0";
  const digits = (found[3] ?? found[5] ?? "").replace(/0+$/, "");
  if (digits.length > PLACES) return null;
  return sign * (BigInt(whole) * ONE + BigInt(digits.padEnd(PLACES, "0")));
}

/** As parseUnits, for what the exchange sent: it never sends anything else. */
export function units(text: string): bigint {
  const parsed = parseUnits(text);
  if (parsed === null) throw new Error(`${JSON.stringify(text)} is no decimal with at most ${PLACES} digits after the point`);
  return parsed;
}

/** With exactly `places` digits after the point; what is cut off must be zero unless `cut` allows it (towards zero). */
export function formatUnits(value: bigint, places = PLACES, { cut = false, group = false } = {}): string {
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(PLACES + 1, "0");
  let whole = digits.slice(0, -PLACES);
  const fraction = digits.slice(-PLACES);
  if (!cut && /[1-9]/.test(fraction.slice(places))) return formatUnits(value, PLACES, { group }).replace(/0+$/, "");
  if (group) whole = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const shown = places > 0 ? `${whole}.${fraction.slice(0, places)}` : whole;
  return negative && /[1-9]/.test(shown) ? `-${shown}` : shown;
}

/** What the exchange sent, its digits all there, with commas between the thousands: `20,000.00000000`. */
export const grouped = (text: string): string => text.replace(/^-?\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));

/** The shortest exact text: `0.5`, `1200`. What an input field or a request carries. */
export function plain(value: bigint): string {
  const text = formatUnits(value, PLACES);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export type Rounding = "up" | "down";

/** a x b in units; where it is not exact, away from zero or towards it. */
export function multiply(a: bigint, b: bigint, rounding: Rounding): bigint {
  return divideRounded(a * b, ONE, rounding);
}

/** a / b in units. */
export function divide(a: bigint, b: bigint, rounding: Rounding): bigint {
  return divideRounded(a * ONE, b, rounding);
}

export function divideRounded(dividend: bigint, divisor: bigint, rounding: Rounding): bigint {
  const quotient = dividend / divisor;
  if (rounding === "down" || quotient * divisor === dividend) return quotient;
  return dividend < 0n !== divisor < 0n ? quotient - 1n : quotient + 1n;
}

/** Down (or up) to a multiple of the increment. */
export function toIncrement(value: bigint, increment: bigint, rounding: Rounding): bigint {
  return divideRounded(value, increment, rounding) * increment;
}

/** How many digits after the point an increment such as `0.01` needs. */
export function placesOf(increment: bigint): number {
  return plain(increment).split(".")[1]?.length ?? 0;
}

export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** For pixels only: where on an axis a value lies. Never for a sum, a price that is sent or a text that is shown. */
export const toPixels = (value: bigint): number => Number(value) / 1e8;
