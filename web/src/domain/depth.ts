/** The depth of a book at prices that are evenly apart, so that a picture of it has prices for its axis and not levels. */
import type { Level } from "./book";
import { divideRounded, max } from "./decimal";

/** At `price`: what bids down to it, and what asks up to it, come to; undefined beyond that side's best. */
export interface DepthPoint {
  price: bigint;
  bids: bigint | undefined;
  asks: bigint | undefined;
}

/**
 * Around the middle of the touch, as far to both sides as the book reaches within `rangePpm` parts per million of the touch, but
 * at least as many ticks as `points`, which is the most that is made. Prices are multiples of a round step (1, 2 or 5 times a power
 * of ten). Of a side without orders nothing is shown; an empty book has no points.
 */
export function depthPoints(
  bids: Iterable<Level>,
  asks: Iterable<Level>,
  { rangePpm, points, tick }: { rangePpm: bigint; points: number; tick: bigint },
): DepthPoint[] {
  const bid = first(bids)?.price;
  const ask = first(asks)?.price;
  const middle = ((bid ?? ask ?? 0n) + (ask ?? bid ?? 0n)) / 2n;
  if (middle === 0n) return [];
  const away = (price: bigint): bigint => (price < middle ? middle - price : price - middle);
  const atLeast = (tick * BigInt(points)) / 2n;
  const atMost = max(away(ask ?? middle) + (middle * rangePpm) / 1_000_000n, atLeast);
  const within = (limit: bigint) => [bids, asks].map((side) => near(side, (price) => away(price) <= limit));
  const deepest = within(atMost)
    .flat()
    .map(({ price }) => away(price))
    .reduce(max, atLeast);
  const reach = deepest + deepest / 20n; // so that what lies at the edge is seen to be there
  const [down = [], up = []] = within(reach);
  const step = roundStep(divideRounded(2n * reach, BigInt(points - 1), "up"));
  const made = evenPrices(
    max(bid === undefined ? middle : middle - reach, step),
    max(ask === undefined ? middle : middle + reach, step),
    step,
  );
  addUp(made, up, "asks", (price, limit) => price <= limit);
  addUp(made.toReversed(), down, "bids", (price, limit) => price >= limit);
  return made;
}

const first = (levels: Iterable<Level>): Level | undefined => {
  for (const level of levels) return level;
  return undefined;
};

function near(levels: Iterable<Level>, isNear: (price: bigint) => boolean): Level[] {
  const found: Level[] = [];
  for (const level of levels) {
    if (!isNear(level.price)) break;
    found.push(level);
  }
  return found;
}

function evenPrices(low: bigint, high: bigint, step: bigint): DepthPoint[] {
  const made: DepthPoint[] = [];
  for (let price = divideRounded(low, step, "up") * step; price <= high; price += step) {
    made.push({ price, bids: undefined, asks: undefined });
  }
  return made;
}

/** `levels`: best first; `points`: from the best of that side outwards. */
function addUp(
  points: DepthPoint[],
  levels: Level[],
  side: "bids" | "asks",
  reached: (price: bigint, limit: bigint) => boolean,
): void {
  let [total, next] = [0n, 0];
  for (const point of points) {
    for (; next < levels.length && reached(levels[next]!.price, point.price); next++) total += levels[next]!.size;
    if (next > 0) point[side] = total;
  }
}

/** The least of 1, 2 and 5 times a power of ten that is not below it. */
function roundStep(least: bigint): bigint {
  let power = 1n;
  while (power * 10n < least) power *= 10n;
  return [1n, 2n, 5n].map((factor) => factor * power).find((step) => step >= least) ?? power * 10n;
}
