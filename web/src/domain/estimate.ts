/** What a market order would do to the book as it stands: an estimate, said so on the screen. */
import type { Level } from "./book";
import { divide, min, multiply } from "./decimal";

export interface Estimate {
  size: bigint;
  value: bigint;
  /** Value / size; undefined where nothing would be filled. */
  average?: bigint;
  worst?: bigint;
  /** The book as it is shown does not hold enough. */
  partial: boolean;
}

export function walkBySize(levels: Iterable<Level>, wanted: bigint): Estimate {
  let left = wanted;
  let value = 0n;
  let worst: bigint | undefined;
  for (const level of levels) {
    if (left === 0n) break;
    const taken = min(left, level.size);
    value += multiply(taken, level.price, "up");
    left -= taken;
    worst = level.price;
  }
  return estimate(wanted - left, value, worst, left > 0n);
}

/** `funds`: what may be spent without the fee. Sizes are cut to the lot. */
export function walkByFunds(levels: Iterable<Level>, funds: bigint, lot: bigint): Estimate {
  let left = funds;
  let size = 0n;
  let worst: bigint | undefined;
  let dry = true;
  for (const level of levels) {
    const affordable = (divide(left, level.price, "down") / lot) * lot;
    const taken = min(affordable, level.size);
    if (taken > 0n) {
      size += taken;
      left -= multiply(taken, level.price, "up");
      worst = level.price;
    }
    if (affordable <= level.size) {
      dry = false;
      break;
    }
  }
  return estimate(size, funds - left, worst, dry);
}

function estimate(size: bigint, value: bigint, worst: bigint | undefined, partial: boolean): Estimate {
  return { size, value, worst, partial, average: size > 0n ? divide(value, size, "down") : undefined };
}
