/**
 * The `status` channel: a halt, an auction and an opening are told at once. What it says goes where the answers of `/products`
 * go, and is newer than one of these for a while: REST keeps a market's status for a second.
 */
import { useEffect } from "react";
import { queries } from "../api/cache";
import type { ProductRow } from "../domain/market";
import { feed } from "./connection";

const REST_IS_BEHIND_MS = 2_000;

let told: { rows: ProductRow[]; atMs: number } | null = null;

feed.listen("status", (message) => {
  told = { rows: message.products as ProductRow[], atMs: Date.now() };
  queries.setQueryData<ProductRow[]>(["products"], told.rows);
});

/** Of what REST answered to a question of `askedAtMs` and what the feed told: what is newer. */
export const newerStatus = (rows: ProductRow[], askedAtMs: number): ProductRow[] =>
  told !== null && told.atMs > askedAtMs - REST_IS_BEHIND_MS ? told.rows : rows;

export function useMarketStatus(): void {
  useEffect(() => feed.subscribe("status"), []);
}
