import { ActionIcon, Button, Group, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import { call } from "../api/client";
import { ownStateChanged, useAccounts, useDoneOrders, useFills, useOpenOrders } from "../api/queries";
import type { AccountRow, FillRow, OrderRow } from "../api/types";
import { reasonWords, words } from "../api/words";
import { Dialog } from "../app/Dialog";
import { IconClose, IconEdit } from "../app/icons";
import { fullTime, shortTime } from "../app/times";
import { useSession } from "../auth/session";
import { divide, formatUnits, parseUnits, plain, units } from "../domain/decimal";
import { type Market, shownPlaces } from "../domain/market";
import classes from "./trade.module.css";

type Tab = "open" | "history" | "fills" | "balances";

export function OrdersPanel({ market, markets }: { market: Market; markets: Market[] }) {
  const { status } = useSession();
  const [tab, setTab] = useState<Tab>("open");
  const { data: open } = useOpenOrders();
  const tabs: [Tab, string][] = [
    ["open", `Open orders${open?.length ? ` (${open.length})` : ""}`],
    ["history", "History"],
    ["fills", "Fills"],
    ["balances", "Balances"],
  ];
  return (
    <section className={`${classes.panel} ${classes.orders}`} aria-label="Your orders" data-view="orders">
      <div className={classes.title}>
        <div className={classes.seg} role="tablist" aria-label="Your orders">
          {tabs.map(([value, label]) => (
            <button key={value} type="button" role="tab" aria-selected={tab === value} onClick={() => setTab(value)}>
              {label}
            </button>
          ))}
        </div>
        {tab === "open" && open !== undefined && open.length > 1 && <CancelAll count={open.length} />}
      </div>
      {status !== "signed-in" ? (
        <div className={classes.empty}>
          <span>
            <Link to="/sign-in" style={{ color: "var(--accent)" }}>
              Sign in
            </Link>{" "}
            to see your orders and balances.
          </span>
        </div>
      ) : tab === "open" ? (
        <OpenOrders orders={open} markets={markets} />
      ) : tab === "history" ? (
        <History productId={market.id} markets={markets} />
      ) : tab === "fills" ? (
        <Fills productId={market.id} markets={markets} />
      ) : (
        <Balances />
      )}
    </section>
  );
}

/** What a table of rows needs around it: scrolling by keyboard, a word when it is empty, more rows on demand. */
export function Rows({
  label,
  empty,
  count,
  more,
  children,
}: {
  label: string;
  empty: string;
  count: number | undefined;
  more?: { has: boolean; loading: boolean; load: () => void };
  children: ReactNode;
}) {
  if (count === undefined)
    return (
      <div className={classes.empty} role="status">
        Reading
      </div>
    );
  if (count === 0) return <div className={classes.empty}>{empty}</div>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with the keyboard
    <div className="scroll" tabIndex={0} role="region" aria-label={label} style={{ flex: 1 }}>
      <table className="rows num">{children}</table>
      {more?.has && (
        <div style={{ padding: 8, textAlign: "center" }}>
          <Button size="compact-xs" variant="default" loading={more.loading} onClick={more.load}>
            Older rows
          </Button>
        </div>
      )}
    </div>
  );
}

export const Side = ({ side }: { side: "buy" | "sell" }) => (
  <span className={side === "buy" ? "up" : "down"}>{side === "buy" ? "Buy" : "Sell"}</span>
);

const placesFor = (markets: Market[], id: string): number => markets.find((market) => market.id === id)?.pricePlaces ?? 8;
const priceText = (text: string | undefined, places: number): string =>
  text === undefined ? "Market" : formatUnits(units(text), places, { group: true });

export function kindText(order: OrderRow): string {
  const type = order.stop !== undefined ? (order.price ? "Stop limit" : "Stop") : order.type === "market" ? "Market" : "Limit";
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

const STATUS = { pending: "Pending", open: "Open", active: "Waiting for stop", done: "Done" };

function OpenOrders({ orders, markets }: { orders?: OrderRow[]; markets: Market[] }) {
  const [amended, setAmended] = useState<OrderRow | null>(null);
  const stops = orders?.some((order) => order.stop_price !== undefined);
  return (
    <>
      <Rows label="Open orders" empty="No open orders." count={orders?.length}>
        <thead>
          <tr>
            <th>Time</th>
            <th>Market</th>
            <th>Side</th>
            <th>Type</th>
            <th className="right">Price</th>
            {stops && <th className="right">Stop</th>}
            <th className="right">Size</th>
            <th className="right">Filled</th>
            <th>Status</th>
            <th className="actions">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {orders?.map((order) => {
            const places = placesFor(markets, order.product_id);
            return (
              <tr key={order.id} data-order={order.id} data-status={order.status}>
                <td className="dim">{shortTime(order.created_at)}</td>
                <td>{order.product_id}</td>
                <td>
                  <Side side={order.side} />
                </td>
                <td>{kindText(order)}</td>
                <td className="right">{priceText(order.price, places)}</td>
                {stops && (
                  <td className="right">
                    {order.stop_price ? `${order.stop === "loss" ? "≤" : "≥"} ${priceText(order.stop_price, places)}` : "–"}
                  </td>
                )}
                <td className="right">
                  {order.size
                    ? plain(units(order.size))
                    : `${plain(units(order.specified_funds ?? order.funds ?? "0"))} ${order.product_id.split("-")[1]}`}
                </td>
                <td className="right">{filledText(order)}</td>
                <td>{STATUS[order.status]}</td>
                <td className="right actions">
                  <span style={{ display: "inline-flex", gap: 4 }}>
                    {order.price && order.size && (
                      <ActionIcon
                        size="sm"
                        variant="subtle"
                        color="gray"
                        aria-label="Change the order"
                        onClick={() => setAmended(order)}
                      >
                        <IconEdit />
                      </ActionIcon>
                    )}
                    <CancelButton order={order} />
                  </span>
                </td>
              </tr>
            );
          })}
        </tbody>
      </Rows>
      {amended && (
        <Amend
          order={amended}
          market={markets.find((one) => one.id === amended.product_id)!}
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

function CancelAll({ count }: { count: number }) {
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
        <Dialog onClose={() => setAsking(false)} title="Cancel all orders?">
          <p style={{ marginTop: 0 }}>All {count} open orders, in every market.</p>
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={() => setAsking(false)}>
              Keep them
            </Button>
            <Button color="red" loading={busy} onClick={() => void cancel()}>
              Cancel all
            </Button>
          </Group>
        </Dialog>
      )}
    </>
  );
}

function Amend({ order, market, onClose }: { order: OrderRow; market: Market; onClose: () => void }) {
  const [price, setPrice] = useState(plain(units(order.price!)));
  const [size, setSize] = useState(plain(units(order.size!)));
  const [refused, setRefused] = useState("");
  const [busy, setBusy] = useState(false);
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

  async function send(): Promise<void> {
    setBusy(true);
    setRefused("");
    try {
      await call(`/orders/${order.id}`, {
        method: "PUT",
        body: { product_id: order.product_id, price: plain(newPrice!), size: plain(newSize!) },
      });
      ownStateChanged();
      onClose();
    } catch (failure) {
      setRefused(words(failure));
    } finally {
      setBusy(false);
    }
  }

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
        {refused && (
          <div className={classes.refused} role="alert">
            {refused}
          </div>
        )}
        <Button type="submit" loading={busy} disabled={priceProblem !== null || sizeProblem !== null || same}>
          Change the order
        </Button>
      </form>
    </Dialog>
  );
}

export function History({ productId, markets }: { productId?: string; markets: Market[] }) {
  const { rows, isPending, hasNextPage, isFetchingNextPage, fetchNextPage } = useDoneOrders(productId);
  return (
    <Rows
      label="Order history"
      empty="No finished orders yet."
      count={isPending ? undefined : rows.length}
      more={{ has: hasNextPage, loading: isFetchingNextPage, load: () => void fetchNextPage() }}
    >
      <thead>
        <tr>
          <th>Time</th>
          <th>Market</th>
          <th>Side</th>
          <th>Type</th>
          <th className="right">Price</th>
          <th className="right">Size</th>
          <th className="right">Filled</th>
          <th className="right">Average</th>
          <th className="right">Fee</th>
          <th>Outcome</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((order) => (
          <HistoryRow key={order.id} order={order} places={placesFor(markets, order.product_id)} />
        ))}
      </tbody>
    </Rows>
  );
}

function HistoryRow({ order, places }: { order: OrderRow; places: number }) {
  const filled = units(order.filled_size);
  const quote = order.product_id.split("-")[1] ?? "";
  return (
    <tr>
      <td className="dim">{fullTime(order.done_at ?? order.created_at)}</td>
      <td>{order.product_id}</td>
      <td>
        <Side side={order.side} />
      </td>
      <td>{kindText(order)}</td>
      <td className="right">{priceText(order.price, places)}</td>
      <td className="right">
        {order.size ? plain(units(order.size)) : `${plain(units(order.specified_funds ?? order.funds ?? "0"))} ${quote}`}
      </td>
      <td className="right">{plain(filled)}</td>
      <td className="right">
        {filled > 0n
          ? formatUnits(divide(units(order.executed_value), filled, "down"), places, { group: true, cut: true })
          : "–"}
      </td>
      <td className="right">
        {formatUnits(units(order.fill_fees), shownPlaces(quote), { group: true, cut: true })} {quote}
      </td>
      <td>{outcomeText(order)}</td>
    </tr>
  );
}

function outcomeText(order: OrderRow): string {
  if (order.done_reason === "filled") return "Filled";
  if (order.done_reason === "rejected") return `Refused${order.reject_reason ? `: ${reasonWords(order.reject_reason)}` : ""}`;
  return units(order.filled_size) > 0n ? "Cancelled, partly filled" : "Cancelled";
}

export function Fills({ productId, markets }: { productId: string; markets: Market[] }) {
  const { rows, isPending, hasNextPage, isFetchingNextPage, fetchNextPage } = useFills(productId);
  return (
    <Rows
      label="Fills"
      empty="No fills yet."
      count={isPending ? undefined : rows.length}
      more={{ has: hasNextPage, loading: isFetchingNextPage, load: () => void fetchNextPage() }}
    >
      <thead>
        <tr>
          <th>Time</th>
          <th>Market</th>
          <th>Side</th>
          <th className="right">Price</th>
          <th className="right">Size</th>
          <th className="right">Fee</th>
          <th>Liquidity</th>
          <th className="right">Trade</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((fill) => (
          <FillLine key={`${fill.trade_id} ${fill.order_id}`} fill={fill} places={placesFor(markets, fill.product_id)} />
        ))}
      </tbody>
    </Rows>
  );
}

function FillLine({ fill, places }: { fill: FillRow; places: number }) {
  const quote = fill.product_id.split("-")[1] ?? "";
  return (
    <tr data-fill={fill.trade_id}>
      <td className="dim">{fullTime(fill.created_at)}</td>
      <td>{fill.product_id}</td>
      <td>
        <Side side={fill.side} />
      </td>
      <td className="right">{priceText(fill.price, places)}</td>
      <td className="right">{plain(units(fill.size))}</td>
      <td className="right">
        {formatUnits(units(fill.fee), shownPlaces(quote), { group: true, cut: true })} {quote}
      </td>
      <td>{fill.liquidity === "M" ? "Maker" : "Taker"}</td>
      <td className="right dim">{fill.trade_id}</td>
    </tr>
  );
}

function Balances() {
  const { data } = useAccounts();
  return (
    <Rows label="Balances" empty="No balances yet." count={data?.length}>
      <thead>
        <tr>
          <th>Currency</th>
          <th className="right">Available</th>
          <th className="right">In orders</th>
          <th className="right">Total</th>
        </tr>
      </thead>
      <tbody>
        {data?.map((row) => (
          <BalanceLine key={row.id} row={row} />
        ))}
      </tbody>
    </Rows>
  );
}

function BalanceLine({ row }: { row: AccountRow }) {
  const text = (amount: string): string => formatUnits(units(amount), shownPlaces(row.currency), { group: true, cut: true });
  return (
    <tr data-currency={row.currency}>
      <td>{row.currency}</td>
      <td className="right">{text(row.available)}</td>
      <td className="right dim">{text(row.hold)}</td>
      <td className="right">{text(row.balance)}</td>
    </tr>
  );
}
