import { Skeleton } from "@mantine/core";
import { memo } from "react";
import { NavLink } from "react-router";
import { useSparkLines } from "../api/queries";
import { formatUnits } from "../domain/decimal";
import type { Market } from "../domain/market";
import type { Ticker } from "../feed/tickers";
import { changeOf, signed } from "./figures";
import classes from "./trade.module.css";

export function MarketList({ markets, tickers }: { markets: Market[]; tickers: ReadonlyMap<string, Ticker> }) {
  const { data: sparkLines } = useSparkLines();
  return (
    <nav className={`${classes.panel} ${classes.markets}`} aria-label="Markets">
      <div className={classes.title}>
        <h2>Markets</h2>
      </div>
      <div className="scroll">
        {markets.length === 0 && [1, 2, 3, 4].map((row) => <Skeleton key={row} h={30} m={8} w="auto" />)}
        {markets.map((market) => {
          const ticker = tickers.get(market.id);
          const change = changeOf(ticker?.price, ticker?.open24h);
          return (
            <NavLink key={market.id} to={`/trade/${market.id}`} className={classes.market}>
              <span>
                <strong>{market.id}</strong>
                <small className="num">
                  {market.halted
                    ? "Halted"
                    : `Vol ${ticker ? formatUnits(ticker.volume24h, 2, { group: true, cut: true }) : "–"}`}
                </small>
              </span>
              <SparkLine prices={sparkLines?.get(market.id)} />
              <span className={`${classes.right} num`}>
                <span>{ticker ? formatUnits(ticker.price, market.pricePlaces, { group: true }) : "–"}</span>
                <small className={change === undefined ? "dim" : change >= 0n ? "up" : "down"}>
                  {change === undefined ? "" : signed(change)}
                </small>
              </span>
            </NavLink>
          );
        })}
      </div>
    </nav>
  );
}

const WIDTH = 56;
const HEIGHT = 22;

const SparkLine = memo(function SparkLine({ prices }: { prices?: number[] }) {
  if (prices === undefined || prices.length < 2) return <span />;
  const low = Math.min(...prices);
  const span = Math.max(...prices) - low || 1;
  const points = prices
    .map(
      (price, index) =>
        `${((index / (prices.length - 1)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - ((price - low) / span) * (HEIGHT - 4)).toFixed(1)}`,
    )
    .join(" ");
  return (
    <svg width={WIDTH} height={HEIGHT} aria-hidden="true">
      <polyline
        points={points}
        fill="none"
        stroke={prices.at(-1)! >= prices[0]! ? "var(--up)" : "var(--down)"}
        strokeWidth={1.25}
      />
    </svg>
  );
});
