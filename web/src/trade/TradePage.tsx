import { Drawer, Loader } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { Navigate, useParams } from "react-router";
import { useMarkets, useOpenOrders } from "../api/queries";
import { formatUnits, units } from "../domain/decimal";
import type { Market } from "../domain/market";
import { type Draft, EMPTY_DRAFT } from "../domain/ticket";
import { useMarketFeed } from "../feed/market";
import { useOwnEvents } from "../feed/own";
import { useMarketStatus } from "../feed/status";
import { useTickers } from "../feed/tickers";
import { BookPanel } from "./BookPanel";
import { ChartPanel } from "./ChartPanel";
import { MarketHead } from "./MarketHead";
import { MarketList } from "./MarketList";
import { OrdersPanel } from "./OrdersPanel";
import { TapePanel } from "./TapePanel";
import { Ticket } from "./Ticket";
import classes from "./trade.module.css";

export function TradePage() {
  const { productId = "" } = useParams();
  const { markets, isPending, error } = useMarkets();
  const market = markets.find((one) => one.id === productId);
  if (isPending)
    return (
      <main className={classes.empty}>
        <Loader aria-label="Reading the markets" />
      </main>
    );
  if (error !== null && markets.length === 0) {
    return (
      <main className={classes.empty} role="alert">
        The exchange cannot be reached. This page tries again by itself.
      </main>
    );
  }
  if (market === undefined) return <Navigate to={`/trade/${markets[0]?.id ?? ""}`} replace />;
  return <Trade market={market} markets={markets} />;
}

const TABS = [
  { value: "chart", label: "Chart" },
  { value: "book", label: "Book" },
  { value: "orders", label: "Orders" },
] as const;

function Trade({ market, markets }: { market: Market; markets: Market[] }) {
  const feed = useMarketFeed(market.id);
  const ids = useMemo(() => markets.map((one) => one.id), [markets]);
  const tickers = useTickers(ids);
  useOwnEvents(ids);
  useMarketStatus();
  const { data: openOrders } = useOpenOrders();
  const [draft, setWhole] = useState<Draft>(EMPTY_DRAFT);
  const [tab, setTab] = useState<(typeof TABS)[number]["value"]>("chart");
  const [ticketOpen, setTicketOpen] = useState(false);
  const setDraft = (change: Partial<Draft>): void => setWhole((before) => ({ ...before, ...change }));

  // What was typed for one market means nothing in another.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the market is what it depends on
  useEffect(
    () => setWhole((before) => ({ ...EMPTY_DRAFT, side: before.side, kind: before.kind, stop: before.stop })),
    [market.id],
  );

  const last = feed.last?.price;
  useEffect(() => {
    document.title = `${last === undefined ? "" : `${formatUnits(last, market.pricePlaces, { group: true })} `}${market.id} – Lambda Exchange`;
  }, [last, market.id, market.pricePlaces]);

  const ownPrices = useMemo(
    () =>
      new Set(
        (openOrders ?? [])
          .filter((order) => order.product_id === market.id && order.status === "open" && order.price)
          .map((order) => units(order.price!)),
      ),
    [openOrders, market.id],
  );
  const ticket = <Ticket market={market} feed={feed} draft={draft} setDraft={setDraft} />;
  return (
    <main className={classes.page} data-tab={tab}>
      <MarketList markets={markets} tickers={tickers} />
      <MarketHead market={market} markets={markets} feed={feed} ticker={tickers.get(market.id)} />
      <div className={classes.mobileTabs} role="tablist" aria-label="Views">
        {TABS.map(({ value, label }) => (
          <button key={value} type="button" role="tab" aria-selected={tab === value} onClick={() => setTab(value)}>
            {label}
          </button>
        ))}
      </div>
      <ChartPanel market={market} feed={feed} orders={openOrders ?? []} />
      <div className={classes.bookside} data-view="book">
        <BookPanel market={market} feed={feed} ownPrices={ownPrices} onPick={(price) => setDraft({ price })} />
        <TapePanel market={market} feed={feed} />
      </div>
      <section className={`${classes.panel} ${classes.ticket}`} aria-label="New order">
        <div className={classes.title}>
          <h2>New order</h2>
        </div>
        {ticket}
      </section>
      <OrdersPanel market={market} markets={markets} />
      <div className={classes.mobileTrade}>
        {(["buy", "sell"] as const).map((side) => (
          <button
            key={side}
            type="button"
            className={classes.tradeButton}
            data-side={side}
            onClick={() => {
              setDraft({ side, stop: side === "buy" ? "entry" : "loss" });
              setTicketOpen(true);
            }}
          >
            {side === "buy" ? "Buy" : "Sell"}
          </button>
        ))}
      </div>
      <Drawer
        opened={ticketOpen}
        onClose={() => setTicketOpen(false)}
        position="bottom"
        size="92%"
        title={`New order, ${market.id}`}
        closeButtonProps={{ "aria-label": "Close" }}
        styles={{ body: { padding: 0 } }}
      >
        {ticketOpen && ticket}
      </Drawer>
    </main>
  );
}
