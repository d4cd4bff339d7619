import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { call } from "../api/client";
import { ownStateChanged } from "../api/queries";
import type { OrderRow } from "../api/types";
import { Dialog } from "../app/Dialog";
import { Refused, useSending } from "../app/Sending";
import { parseUnits, plain, units } from "../domain/decimal";
import type { Market } from "../domain/market";

/** Changes the price, the size or both of a resting order. */
export function AmendDialog({ order, market, onClose }: { order: OrderRow; market: Market; onClose: () => void }) {
  const [price, setPrice] = useState(plain(units(order.price!)));
  const [size, setSize] = useState(plain(units(order.size!)));
  const { busy, refused, sending } = useSending();
  const newPrice = parseUnits(price);
  const newSize = parseUnits(size);
  const priceProblem =
    newPrice === null || newPrice <= 0n || newPrice % market.tick !== 0n
      ? `A multiple of ${plain(market.tick)} ${market.quote}`
      : null;
  const sizeProblem =
    newSize === null || newSize <= 0n || newSize % market.lot !== 0n
      ? `A multiple of ${plain(market.lot)} ${market.base}`
      : newSize <= units(order.filled_size)
        ? `More than is filled, ${plain(units(order.filled_size))}`
        : null;
  const keepsPlace = newPrice === units(order.price!) && newSize !== null && newSize <= units(order.size!);
  const same = newPrice === units(order.price!) && newSize === units(order.size!);

  const send = (): Promise<void> =>
    sending(async () => {
      await call(`/orders/${order.id}`, {
        method: "PUT",
        body: { product_id: order.product_id, price: plain(newPrice!), size: plain(newSize!) },
      });
      ownStateChanged();
      onClose();
    });

  return (
    <Dialog onClose={onClose} title={`Change the order, ${order.product_id}`}>
      <form
        style={{ display: "flex", flexDirection: "column", gap: 10 }}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <TextInput
          label={`Price (${market.quote})`}
          inputMode="decimal"
          value={price}
          error={priceProblem}
          onChange={(event) => setPrice(event.currentTarget.value)}
          data-autofocus
        />
        <TextInput
          label={`Size (${market.base}), what is filled included`}
          inputMode="decimal"
          value={size}
          error={sizeProblem}
          onChange={(event) => setSize(event.currentTarget.value)}
        />
        <span className="dim" style={{ fontSize: 12 }}>
          {keepsPlace
            ? "The order keeps its place in the queue."
            : "At a new price or a larger size the order goes to the end of the queue."}
        </span>
        <Refused>{refused}</Refused>
        <Button type="submit" loading={busy} disabled={priceProblem !== null || sizeProblem !== null || same}>
          Change the order
        </Button>
      </form>
    </Dialog>
  );
}
