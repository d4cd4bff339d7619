import { formatUnits, ONE } from "../domain/decimal";

/** The change since `open` in percent, as units; undefined where there was no price. */
export function changeOf(price: bigint | undefined, open: bigint | undefined): bigint | undefined {
  return price === undefined || open === undefined || open === 0n ? undefined : ((price - open) * 100n * ONE) / open;
}

export const signed = (percent: bigint): string => `${percent > 0n ? "+" : ""}${formatUnits(percent, 2, { cut: true })} %`;
