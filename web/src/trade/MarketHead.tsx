import { Menu, UnstyledButton } from "@mantine/core";
import { Link } from "react-router";
import { IconChevron } from "../app/icons";
import { formatUnits } from "../domain/decimal";
import type { Market } from "../domain/market";
import { type MarketFeed, useHealth, useTradeVersion } from "../feed/market";
import type { Ticker } from "../feed/tickers";
import { changeOf, signed } from "./figures";
import classes from "./trade.module.css";

interface Props {
  market: Market;
  markets: Market[];
  feed: MarketFeed;
  ticker?: Ticker;
}

export function MarketHead({ market, markets, feed, ticker }: Props) {
  useTradeVersion(feed);
  const price = feed.last?.price ?? ticker?.price;
  const change = changeOf(price, ticker?.open24h);
  const text = (value: bigint | undefined): string =>
    value === undefined ? "–" : formatUnits(value, market.pricePlaces, { group: true });
  return (
    <section className={`${classes.panel} ${classes.head}`} aria-label="Market">
      <Menu position="bottom-start">
        <Menu.Target>
          <UnstyledButton
            style={{ display: "flex", alignItems: "center", gap: 6 }}
            aria-label={`${market.id}, choose a market`}
          >
            <h1>{market.id}</h1>
            <IconChevron />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {markets.map((one) => (
            <Menu.Item key={one.id} component={Link} to={`/trade/${one.id}`}>
              {one.id}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <span className={`${classes.price} num`} data-testid="last-price">
        <span className={feed.last === undefined ? "" : feed.last.side === "buy" ? "up" : "down"}>{text(price)}</span>{" "}
        <small className="dim">{market.quote}</small>
      </span>
      <Figure label="24h change">
        <span className={change === undefined ? "dim" : change >= 0n ? "up" : "down"}>
          {change === undefined ? "–" : signed(change)}
        </span>
      </Figure>
      <Figure label="24h high" minor>
        {text(ticker?.high24h)}
      </Figure>
      <Figure label="24h low" minor>
        {text(ticker?.low24h)}
      </Figure>
      <Figure label="24h volume">
        {ticker === undefined ? "–" : `${formatUnits(ticker.volume24h, 3, { group: true, cut: true })} ${market.base}`}
      </Figure>
      {market.halted && (
        <span className={classes.halted} role="status">
          {market.auction ? "Auction" : "Halted"}: cancels only
        </span>
      )}
      {!market.halted && market.auction && (
        <span className={classes.halted} role="status">
          Auction
        </span>
      )}
      <FeedHealth />
    </section>
  );
}

/** `minor`: gives way to a word on the market's state where there is no room for both. */
function Figure({ label, minor, children }: { label: string; minor?: boolean; children: React.ReactNode }) {
  return (
    <div className={`${classes.figure} ${minor ? classes.minor : ""} num`}>
      <span>{label}</span>
      <span>{children}</span>
    </div>
  );
}

const STATES = { live: "Live", connecting: "Connecting", stale: "Slow", offline: "Offline" };

export function FeedHealth() {
  const health = useHealth();
  const lag = health.state === "live" && health.lagMs !== null ? ` ${health.lagMs} ms` : "";
  return (
    <span
      className={`${classes.health} num`}
      title="State of the market data connection, and how old its newest message was"
      data-testid="feed-health"
      data-state={health.state}
    >
      <span className={classes.dot} data-state={health.state} aria-hidden="true" />
      {STATES[health.state]}
      {lag}
      {health.state === "offline" && health.attempts > 0 && ` (try ${health.attempts + 1})`}
    </span>
  );
}
