import {
  CandlestickSeries,
  createChart,
  HistogramSeries,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  LineStyle,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef, useState } from "react";
import { useCandles } from "../api/queries";
import type { OrderRow } from "../api/types";
import { zoneShiftS } from "../app/times";
import { type Candle, foldTrade, readCandles } from "../domain/candles";
import { toPixels } from "../domain/decimal";
import type { Market } from "../domain/market";
import type { MarketFeed } from "../feed/market";
import { chartOptions, useChartColors } from "./chartTheme";
import classes from "./trade.module.css";

interface Props {
  market: Market;
  feed: MarketFeed;
  granularity: number;
  orders: OrderRow[];
}

interface Parts {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  volume: ISeriesApi<"Histogram">;
}

/** Candles and volume. REST's rows first; each trade of the feed grows the last candle. */
export function CandleChart({ market, feed, granularity, orders }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);
  const last = useRef<Candle | undefined>(undefined);
  const [hovered, setHovered] = useState<Candle | null>(null);
  const colors = useChartColors();
  const { data, error, isPending } = useCandles(market.id, granularity);

  useEffect(() => {
    const chart = createChart(holder.current!, {
      autoSize: true,
      timeScale: { timeVisible: granularity < 86_400, secondsVisible: false, rightOffset: 4, barSpacing: 9, minBarSpacing: 2 },
    });
    const priceFormat = { type: "price" as const, precision: market.pricePlaces, minMove: toPixels(market.tick) };
    const candles = chart.addSeries(CandlestickSeries, { priceFormat, borderVisible: false });
    const volume = chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    candles.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: 0.22 } });
    chart.subscribeCrosshairMove((event) => {
      const bar = event.seriesData.get(candles) as { open: number; high: number; low: number; close: number } | undefined;
      const traded = event.seriesData.get(volume) as { value: number } | undefined;
      setHovered(bar === undefined ? null : { ...bar, time: 0, volume: traded?.value ?? 0 });
    });
    parts.current = { chart, candles, volume };
    return () => {
      parts.current = null;
      chart.remove();
    };
  }, [granularity, market.pricePlaces, market.tick]);

  useEffect(() => {
    const { chart, candles } = parts.current!;
    chart.applyOptions({
      ...chartOptions(colors),
      timeScale: { borderColor: colors.line },
    });
    candles.applyOptions({
      upColor: colors.up,
      downColor: colors.down,
      wickUpColor: colors.up,
      wickDownColor: colors.down,
    });
  }, [colors]);

  useEffect(() => {
    if (data === undefined || parts.current === null) return;
    const rows = readCandles(data);
    const shown = rows.map((candle) => draw(candle, colors.upSoft, colors.downSoft));
    parts.current.candles.setData(shown.map(({ bar }) => bar));
    parts.current.volume.setData(shown.map(({ traded }) => traded));
    const newest = rows.at(-1);
    // A trade that came while REST was asked is in the candle on the screen already; the newer of both stays.
    if (last.current === undefined || (newest !== undefined && newest.time >= last.current.time)) last.current = newest;
    else if (last.current !== undefined) update(parts.current, last.current, colors.upSoft, colors.downSoft);
  }, [data, colors]);

  useEffect(
    () =>
      feed.onTrade((trade) => {
        if (parts.current === null || data === undefined) return;
        const next = foldTrade(
          last.current,
          { price: toPixels(trade.price), size: toPixels(trade.size), atMs: trade.atMs },
          granularity,
        );
        if (next === null) return;
        last.current = next;
        update(parts.current, next, colors.upSoft, colors.downSoft);
        holder.current!.dataset.close = String(next.close);
      }),
    [feed, granularity, colors, data],
  );

  // One's own resting orders, as lines at their prices.
  useEffect(() => {
    const series = parts.current?.candles;
    if (series === undefined) return;
    const here = orders.filter((order) => order.product_id === market.id && (order.price ?? order.stop_price) !== undefined);
    // More labels than these would be a wall before the prices.
    const labelled = here.length <= 6;
    const lines: IPriceLine[] = here.slice(0, 20).map((order) =>
      series.createPriceLine({
        price: Number(order.status === "active" ? order.stop_price : order.price),
        lineWidth: 1,
        lineStyle: LineStyle.Dashed,
        color: order.side === "buy" ? colors.up : colors.down,
        axisLabelVisible: labelled,
        title: labelled ? `${order.status === "active" ? "stop " : ""}${order.side}` : "",
      }),
    );
    return () => {
      for (const line of lines) if (parts.current !== null) series.removePriceLine(line);
    };
  }, [orders, market.id, colors]);

  const shown = hovered;
  const text = (value: number): string =>
    value.toLocaleString("en-US", { minimumFractionDigits: market.pricePlaces, maximumFractionDigits: market.pricePlaces });
  return (
    <>
      <div className={`${classes.legend} num`} aria-hidden="true">
        {shown !== null && (
          <>
            <span>O {text(shown.open)}</span>
            <span>H {text(shown.high)}</span>
            <span>L {text(shown.low)}</span>
            <span className={shown.close >= shown.open ? "up" : "down"}>C {text(shown.close)}</span>
            <span>Vol {shown.volume.toLocaleString("en-US", { maximumFractionDigits: 4 })}</span>
          </>
        )}
      </div>
      {error !== null && <div className={classes.note}>The candles cannot be read at present.</div>}
      {isPending && error === null && <div className={classes.note}>Reading candles</div>}
      {data?.length === 0 && last.current === undefined && (
        <div className={classes.note}>No trades yet. The first one draws the first candle.</div>
      )}
      <div
        ref={holder}
        style={{ position: "absolute", inset: 0 }}
        role="img"
        data-testid="chart"
        data-candles={data?.length ?? 0}
        aria-label={`Price of ${market.id} in candles; the same trades are in the list beside it`}
      />
    </>
  );
}

function draw(candle: Candle, up: string, down: string) {
  const time = (candle.time + zoneShiftS(candle.time)) as UTCTimestamp;
  return {
    bar: { time, open: candle.open, high: candle.high, low: candle.low, close: candle.close },
    traded: { time, value: candle.volume, color: candle.close >= candle.open ? up : down },
  };
}

function update({ candles, volume }: Parts, candle: Candle, up: string, down: string): void {
  const { bar, traded } = draw(candle, up, down);
  candles.update(bar);
  volume.update(traded);
}
