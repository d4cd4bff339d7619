/** What was: finished orders, fills; and what there is: balances. */
import { useAccounts, useDoneOrders, useFills } from "../api/queries";
import type { OrderRow } from "../api/types";
import { reasonWords } from "../api/words";
import { Table } from "../app/Table";
import { When } from "../app/When";
import { divide, formatUnits, plain, units } from "../domain/decimal";
import type { Market } from "../domain/market";
import { moneyText, placesFor, priceText, quoteOf, Side, sizeText, Terms } from "./orderWords";

export function History({ productId, markets }: { productId?: string; markets: Market[] }) {
  const done = useDoneOrders(productId);
  return (
    <Table
      label="Order history"
      empty="No finished orders yet."
      rows={done.isPending ? undefined : done.rows}
      failure={done.error}
      more={done}
      id={(row) => row.id}
      columns={[
        { head: "Time", dim: true, cell: (row) => <When at={row.done_at ?? row.created_at} /> },
        ...(productId === undefined ? [{ head: "Market", cell: (row: OrderRow) => row.product_id }] : []),
        { head: "Order", wraps: true, cell: (row) => <Terms order={row} places={placesFor(markets, row.product_id)} /> },
        { head: "Price", right: true, cell: (row) => priceText(row.price, placesFor(markets, row.product_id)) },
        { head: "Size", right: true, cell: sizeText },
        { head: "Filled", right: true, cell: (row) => plain(units(row.filled_size)) },
        { head: "Average", right: true, cell: (row) => averageText(row, placesFor(markets, row.product_id)) },
        {
          head: "Fee",
          right: true,
          cell: (row) => `${moneyText(row.fill_fees, quoteOf(row.product_id))} ${quoteOf(row.product_id)}`,
        },
        { head: "Outcome", wraps: true, cell: outcomeText },
      ]}
    />
  );
}

function averageText(order: OrderRow, places: number): string {
  const filled = units(order.filled_size);
  if (filled === 0n) return "–";
  return formatUnits(divide(units(order.executed_value), filled, "down"), places, { group: true, cut: true });
}

function outcomeText(order: OrderRow): string {
  if (order.done_reason === "filled") return "Filled";
  if (order.done_reason === "rejected") return `Refused${order.reject_reason ? `: ${reasonWords(order.reject_reason)}` : ""}`;
  return units(order.filled_size) > 0n ? "Cancelled, partly filled" : "Cancelled";
}

export function Fills({ productId, markets }: { productId: string; markets: Market[] }) {
  const fills = useFills(productId);
  return (
    <Table
      label="Fills"
      empty="No fills yet."
      rows={fills.isPending ? undefined : fills.rows}
      failure={fills.error}
      more={fills}
      id={(row) => `${row.trade_id} ${row.order_id}`}
      mark={(row) => ({ "data-fill": row.trade_id })}
      columns={[
        { head: "Time", dim: true, cell: (row) => <When at={row.created_at} /> },
        { head: "Side", cell: (row) => <Side side={row.side} /> },
        { head: "Price", right: true, cell: (row) => priceText(row.price, placesFor(markets, row.product_id)) },
        { head: "Size", right: true, cell: (row) => plain(units(row.size)) },
        {
          head: "Fee",
          right: true,
          cell: (row) => `${moneyText(row.fee, quoteOf(row.product_id))} ${quoteOf(row.product_id)}`,
        },
        { head: "Liquidity", cell: (row) => (row.liquidity === "M" ? "Maker" : "Taker") },
        { head: "Trade", right: true, dim: true, cell: (row) => row.trade_id },
      ]}
    />
  );
}

export function Balances() {
  const { data, error } = useAccounts();
  return (
    <Table
      label="Balances"
      empty="No balances yet."
      rows={data}
      failure={error}
      id={(row) => row.id}
      mark={(row) => ({ "data-currency": row.currency })}
      columns={[
        { head: "Currency", cell: (row) => row.currency },
        { head: "Available", right: true, cell: (row) => moneyText(row.available, row.currency) },
        { head: "On hold", right: true, dim: true, cell: (row) => moneyText(row.hold, row.currency) },
        { head: "Total", right: true, cell: (row) => moneyText(row.balance, row.currency) },
      ]}
    />
  );
}
