import { lazy, Suspense, useState } from "react";
import type { OrderRow } from "../api/types";
import { GRANULARITIES } from "../domain/candles";
import type { Market } from "../domain/market";
import type { MarketFeed } from "../feed/market";
import classes from "./trade.module.css";

const CandleChart = lazy(async () => ({ default: (await import("./CandleChart")).CandleChart }));
const DepthChart = lazy(async () => ({ default: (await import("./DepthChart")).DepthChart }));

interface Props {
  market: Market;
  feed: MarketFeed;
  orders: OrderRow[];
}

export function ChartPanel({ market, feed, orders }: Props) {
  const [view, setView] = useState<"candles" | "depth">("candles");
  const [granularity, setGranularity] = useState<number>(() => Number(localStorage.getItem("granularity")) || 60);
  const choose = (seconds: number): void => {
    setView("candles");
    setGranularity(seconds);
    localStorage.setItem("granularity", String(seconds));
  };
  return (
    <section className={`${classes.panel} ${classes.chart}`} aria-label="Chart" data-view="chart">
      <div className={classes.title}>
        <div className={classes.seg} role="group" aria-label="Candle length">
          {GRANULARITIES.map(({ seconds, label }) => (
            <button
              key={seconds}
              type="button"
              aria-pressed={view === "candles" && granularity === seconds}
              onClick={() => choose(seconds)}
            >
              {label}
            </button>
          ))}
        </div>
        <div className={classes.seg}>
          <button type="button" aria-pressed={view === "depth"} onClick={() => setView(view === "depth" ? "candles" : "depth")}>
            Depth
          </button>
        </div>
      </div>
      <div className={classes.canvas}>
        <Suspense fallback={<div className={classes.note}>Loading the chart</div>}>
          {view === "candles" ? (
            <CandleChart
              key={`${market.id} ${granularity}`}
              market={market}
              feed={feed}
              granularity={granularity}
              orders={orders}
            />
          ) : (
            <DepthChart key={market.id} market={market} feed={feed} />
          )}
        </Suspense>
      </div>
    </section>
  );
}
