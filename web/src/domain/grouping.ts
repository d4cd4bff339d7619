/** Book levels gathered into steps, as a ladder of rows with running totals. */

import type { Level, SideName } from "./book";
import { divideRounded } from "./decimal";

export interface LadderRow {
  price: bigint;
  size: bigint;
  /** From the touch to this row, this row included. */
  total: bigint;
}

/** Bids go down to a multiple of the step, asks up: a row never promises a better price than its orders have. */
export function groupLevels(levels: Iterable<Level>, side: SideName, step: bigint, rows: number): LadderRow[] {
  const made: LadderRow[] = [];
  let total = 0n;
  for (const { price, size } of levels) {
    const grouped = divideRounded(price, step, side === "buy" ? "down" : "up") * step;
    const last = made[made.length - 1];
    total += size;
    if (last !== undefined && last.price === grouped) {
      last.size += size;
      last.total = total;
    } else {
      if (made.length === rows) break;
      made.push({ price: grouped, size, total });
    }
  }
  return made;
}

/** The steps that are offered: the tick times 1, 10, 100, ... up to about a hundredth of the price. */
export function groupingSteps(tick: bigint, price: bigint | undefined): bigint[] {
  const steps = [tick];
  const largest = price === undefined ? tick * 1000n : price / 100n;
  while (steps.length < 6 && steps[steps.length - 1]! * 10n <= largest) steps.push(steps[steps.length - 1]! * 10n);
  return steps;
}
