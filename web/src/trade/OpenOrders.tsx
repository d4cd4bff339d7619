import { ActionIcon, Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { call } from "../api/client";
import { ownStateChanged, useOpenOrders } from "../api/queries";
import type { OrderRow } from "../api/types";
import { words } from "../api/words";
import { Confirm } from "../app/Confirm";
import { IconClose, IconEdit } from "../app/icons";
import { Table } from "../app/Table";
import { When } from "../app/When";
import { plain, units } from "../domain/decimal";
import type { Market } from "../domain/market";
import { AmendDialog } from "./AmendDialog";
import { placesFor, priceText, sizeText, Terms } from "./orderWords";

const STATUS = { pending: "Pending", open: "Open", active: "Waiting", done: "Done", rejected: "Refused" };

export function OpenOrders({ markets }: { markets: Market[] }) {
  const { data: orders, error } = useOpenOrders();
  const [amended, setAmended] = useState<string | null>(null);
  const order = orders?.find(({ id }) => id === amended);
  const places = (row: OrderRow): number => placesFor(markets, row.product_id);
  return (
    <>
      <Table
        label="Open orders"
        empty="No open orders."
        rows={orders}
        failure={error}
        id={(row) => row.id}
        mark={(row) => ({ "data-order": row.id, "data-status": row.status })}
        columns={[
          { head: "Time", dim: true, minor: true, cell: (row) => <When at={row.created_at} /> },
          { head: "Market", cell: (row) => row.product_id },
          { head: "Order", wraps: true, cell: (row) => <Terms order={row} places={places(row)} /> },
          { head: "Price", right: true, cell: (row) => priceText(row.price, places(row)) },
          { head: "Size", right: true, cell: sizeText },
          { head: "Filled", right: true, minor: true, cell: filledText },
          { head: "Status", cell: (row) => STATUS[row.status] },
          {
            head: "Actions",
            actions: true,
            cell: (row) => (
              <span style={{ display: "inline-flex", gap: 4 }}>
                {row.price && row.size && (
                  <ActionIcon
                    size="sm"
                    variant="subtle"
                    color="gray"
                    aria-label="Change the order"
                    onClick={() => setAmended(row.id)}
                  >
                    <IconEdit />
                  </ActionIcon>
                )}
                <CancelButton order={row} />
              </span>
            ),
          },
        ]}
      />
      {order && (
        <AmendDialog
          order={order}
          market={markets.find((one) => one.id === order.product_id)!}
          onClose={() => setAmended(null)}
        />
      )}
    </>
  );
}

function filledText(order: OrderRow): string {
  if (!order.size) return plain(units(order.filled_size));
  const size = units(order.size);
  return `${size > 0n ? (units(order.filled_size) * 100n) / size : 0n} %`;
}

function CancelButton({ order }: { order: OrderRow }) {
  const [busy, setBusy] = useState(false);
  async function cancel(): Promise<void> {
    setBusy(true);
    try {
      await call(`/orders/${order.id}`, { method: "DELETE", query: { product_id: order.product_id } });
    } catch (failure) {
      notifications.show({ color: "red", title: "Not cancelled", message: words(failure) });
    }
    ownStateChanged();
    setTimeout(() => setBusy(false), 1_500);
  }
  return (
    <ActionIcon
      size="sm"
      variant="subtle"
      color="gray"
      loading={busy}
      aria-label="Cancel the order"
      onClick={() => void cancel()}
    >
      <IconClose />
    </ActionIcon>
  );
}

export function CancelAll({ count }: { count: number }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  async function cancel(): Promise<void> {
    setBusy(true);
    try {
      const ids = await call<string[]>("/orders", { method: "DELETE" });
      notifications.show({ color: "gray", title: "Cancels sent", message: `${ids.length} orders` });
    } catch (failure) {
      notifications.show({ color: "red", title: "Not cancelled", message: words(failure) });
    }
    ownStateChanged();
    setBusy(false);
    setAsking(false);
  }
  return (
    <>
      <Button size="compact-xs" variant="default" onClick={() => setAsking(true)}>
        Cancel all
      </Button>
      {asking && (
        <Confirm
          title="Cancel all orders?"
          keep="Keep them"
          action="Cancel all"
          busy={busy}
          onClose={() => setAsking(false)}
          onConfirm={() => void cancel()}
        >
          All {count} open orders, in every market.
        </Confirm>
      )}
    </>
  );
}
