/** Orders, fills and prices in the words of the tables. */
import type { OrderRow } from "../api/types";
import { shortTime } from "../app/times";
import { formatUnits, plain, units } from "../domain/decimal";
import { type Market, shownPlaces } from "../domain/market";

/** Side, kind and, of a stop order, what sets it off. */
export const Terms = ({ order, places }: { order: OrderRow; places: number }) => (
  <>
    <Side side={order.side} /> {kindText(order)}
    {order.stop_price && ` ${order.stop === "loss" ? "≤" : "≥"} ${priceText(order.stop_price, places)}`}
  </>
);

export const Side = ({ side }: { side: "buy" | "sell" }) => (
  <span className={side === "buy" ? "up" : "down"}>{side === "buy" ? "Buy" : "Sell"}</span>
);

export const placesFor = (markets: Market[], id: string): number =>
  markets.find((market) => market.id === id)?.pricePlaces ?? 8;
export const quoteOf = (productId: string): string => productId.split("-")[1] ?? "";
export const priceText = (text: string | undefined, places: number): string =>
  text === undefined ? "Market" : formatUnits(units(text), places, { group: true });
/** An amount as dense as its currency is shown. */
export const moneyText = (text: string, currency: string): string =>
  formatUnits(units(text), shownPlaces(currency), { group: true, cut: true });
/** The size, or of an order by funds these. */
export const sizeText = (order: OrderRow): string =>
  order.size
    ? plain(units(order.size))
    : `${plain(units(order.specified_funds ?? order.funds ?? "0"))} ${quoteOf(order.product_id)}`;

function kindText(order: OrderRow): string {
  const type = order.stop !== undefined ? (order.price ? "stop limit" : "stop") : order.type === "market" ? "market" : "limit";
  const notes = [
    order.expire_time !== undefined
      ? `GTT until ${shortTime(order.expire_time)}`
      : order.time_in_force !== undefined && order.time_in_force !== "GTC" && order.type !== "market"
        ? order.time_in_force
        : "",
    order.post_only ? "post only" : "",
    order.display_size ? "iceberg" : "",
  ].filter(Boolean);
  return notes.length ? `${type}, ${notes.join(", ")}` : type;
}
