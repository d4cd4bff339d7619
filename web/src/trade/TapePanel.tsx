import { clockTime, zoneName } from "../app/times";
import { formatUnits } from "../domain/decimal";
import type { Market } from "../domain/market";
import { type MarketFeed, useTradeVersion } from "../feed/market";
import classes from "./trade.module.css";

export function TapePanel({ market, feed }: { market: Market; feed: MarketFeed }) {
  useTradeVersion(feed);
  return (
    <section className={classes.panel} aria-label="Trades" data-testid="tape" data-part="tape">
      <div className={classes.title}>
        <h2>Trades</h2>
      </div>
      <div className={classes.cols}>
        <span>Price ({market.quote})</span>
        <span>Size ({market.base})</span>
        <span title={zoneName()}>Time</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with the keyboard */}
      <div className="scroll" style={{ flex: 1 }} tabIndex={0} role="region" aria-label="Last trades">
        {feed.trades.length === 0 && <div className={classes.empty}>No trades yet</div>}
        {feed.trades.map((trade) => (
          <div key={trade.id} className={`${classes.row} num`} data-trade={trade.id}>
            <span className={trade.side === "buy" ? "up" : "down"}>
              {formatUnits(trade.price, market.pricePlaces, { group: true })}
            </span>
            <span>{formatUnits(trade.size, market.sizePlaces, { group: true, cut: true })}</span>
            <span className="dim">{clockTime(trade.atMs)}</span>
          </div>
        ))}
      </div>
    </section>
  );
}
