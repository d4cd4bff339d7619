import {
  AreaSeries,
  type AutoscaleInfo,
  createOptionsChart,
  type IChartApiBase,
  type ISeriesApi,
  LineType,
  type PriceChartLocalizationOptions,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { placesOf, toPixels } from "../domain/decimal";
import { depthPoints } from "../domain/depth";
import type { Market } from "../domain/market";
import { type MarketFeed, useBookVersion } from "../feed/market";
import { chartOptions, useChartColors } from "./chartTheme";
import classes from "./trade.module.css";

/** How far from the touch is drawn: five percent. */
const RANGE_PPM = 50_000n;
/** The chart sets its points evenly apart, whatever their prices: so they are at prices that are. About as many as there are pixels. */
const POINTS = 400;
const REDRAW_EVERY_MS = 250;

interface Parts {
  chart: IChartApiBase<number>;
  bids: ISeriesApi<"Area", number>;
  asks: ISeriesApi<"Area", number>;
  drawnAt: number;
}

/** Heights are sizes: half as high must be half as much. */
const fromZero = (own: () => AutoscaleInfo | null): AutoscaleInfo | null => {
  const info = own();
  return info?.priceRange ? { ...info, priceRange: { ...info.priceRange, minValue: 0 } } : info;
};

/** What could be bought and sold down to, and up to, each price. */
export function DepthChart({ market, feed }: { market: Market; feed: MarketFeed }) {
  const version = useBookVersion(feed);
  const holder = useRef<HTMLDivElement>(null);
  const parts = useRef<Parts | null>(null);
  const colors = useChartColors();

  useEffect(() => {
    const chart = createOptionsChart(holder.current!, {
      ...chartOptions(colors),
      localization: { precision: market.pricePlaces, priceFormatter: (size: number) => size.toLocaleString("en-US") },
      timeScale: { borderColor: colors.line, minBarSpacing: 0.2 },
      handleScroll: false,
      handleScale: false,
      rightPriceScale: { borderColor: colors.line, scaleMargins: { top: 0.1, bottom: 0 } },
    });
    const area = (color: string) =>
      chart.addSeries(AreaSeries, {
        lineType: LineType.WithSteps,
        lineColor: color,
        topColor: `${color}55`,
        bottomColor: `${color}11`,
        lineWidth: 1,
        priceLineVisible: false,
        lastValueVisible: false,
        crosshairMarkerVisible: false,
        autoscaleInfoProvider: fromZero,
      });
    parts.current = { chart, bids: area(colors.up), asks: area(colors.down), drawnAt: 0 };
    return () => {
      parts.current = null;
      chart.remove();
    };
  }, [colors, market.pricePlaces]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `version` says that the book, which is not copied, changed
  useEffect(() => {
    const made = parts.current;
    if (made === null || performance.now() - made.drawnAt < REDRAW_EVERY_MS) return;
    made.drawnAt = performance.now();
    const points = depthPoints(feed.book.bids, feed.book.asks, { rangePpm: RANGE_PPM, points: POINTS, tick: market.tick });
    const side = (name: "bids" | "asks") =>
      points.map((point) => {
        const [time, total] = [toPixels(point.price), point[name]];
        return total === undefined ? { time } : { time, value: toPixels(total) };
      });
    made.bids.setData(side("bids"));
    made.asks.setData(side("asks"));
    const [one, other] = points;
    if (one && other) {
      const localization: Partial<PriceChartLocalizationOptions> = { precision: placesOf(other.price - one.price) };
      made.chart.applyOptions({ localization });
    }
    made.chart.timeScale().fitContent();
  }, [version, feed, colors, market.tick]);

  const empty = feed.book.bids.depth + feed.book.asks.depth === 0;
  return (
    <>
      {empty && <div className={classes.note}>Nobody bids or asks at present.</div>}
      <div
        ref={holder}
        style={{ position: "absolute", inset: 0 }}
        role="img"
        aria-label={`Depth of ${market.id}; the same levels are in the order book beside it`}
      />
    </>
  );
}
