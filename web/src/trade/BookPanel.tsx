import { NativeSelect, Skeleton } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type MouseEvent, useMemo, useState } from "react";
import { formatUnits, ONE, placesOf, plain } from "../domain/decimal";
import { groupingSteps, groupLevels, type LadderRow } from "../domain/grouping";
import type { Market } from "../domain/market";
import { type MarketFeed, useBookVersion, useTradeVersion } from "../feed/market";
import classes from "./trade.module.css";

const ROW_PX = 20;
const SPREAD_PX = 30;

interface Props {
  market: Market;
  feed: MarketFeed;
  /** Prices of one's own resting orders. */
  ownPrices: ReadonlySet<bigint>;
  onPick: (price: string) => void;
}

export function BookPanel({ market, feed, ownPrices, onPick }: Props) {
  useBookVersion(feed);
  useTradeVersion(feed);
  const { ref, height } = useElementSize<HTMLDivElement>();
  const { book } = feed;
  const bid = book.bids.best()?.price;
  const ask = book.asks.best()?.price;
  const [chosen, setChosen] = useState<{ market: string; step: bigint }>({ market: "", step: market.tick });
  const reference = bid ?? ask;
  // Steps depend on the order of magnitude of the price alone.
  const magnitude = reference === undefined ? undefined : 10n ** BigInt(reference.toString().length - 1);
  const steps = useMemo(() => groupingSteps(market.tick, magnitude), [market.tick, magnitude]);
  const step = chosen.market === market.id && steps.includes(chosen.step) ? chosen.step : market.tick;
  const rows = Math.max(3, Math.floor((height - SPREAD_PX) / 2 / ROW_PX));
  const asks = groupLevels(book.asks, "sell", step, rows);
  const bids = groupLevels(book.bids, "buy", step, rows);
  const largest = [asks.at(-1)?.total ?? 0n, bids.at(-1)?.total ?? 0n].reduce((one, other) => (one > other ? one : other));
  const places = step < market.tick ? market.pricePlaces : Math.min(market.pricePlaces, placesOf(step));
  const pick = (event: MouseEvent): void => {
    const price = (event.target as HTMLElement).closest<HTMLElement>("[data-price]")?.dataset.price;
    if (price !== undefined) onPick(price);
  };
  const draw = (row: LadderRow, side: "up" | "down") => (
    <div
      key={String(row.price)}
      data-price={plain(row.price)}
      role="row"
      className={`${classes.row} num ${ownPrices.has(row.price) ? classes.mine : ""}`}
    >
      <span role="cell" className={side}>
        {formatUnits(row.price, places, { group: true })}
      </span>
      <span role="cell">{sizeText(row.size, market)}</span>
      <span role="cell" className="dim">
        {sizeText(row.total, market)}
      </span>
      <i
        className={classes.bar}
        style={{ transform: `scaleX(${largest > 0n ? Number((row.total * 1000n) / largest) / 1000 : 0})` }}
      />
    </div>
  );
  const spread = bid !== undefined && ask !== undefined ? ask - bid : undefined;
  const last = feed.last;
  return (
    <section
      className={classes.panel}
      aria-label="Order book"
      data-testid="book"
      data-trusted={book.trusted}
      data-sequence={book.sequence}
    >
      <div className={classes.title}>
        <h2>Order book</h2>
        <NativeSelect
          size="xs"
          variant="unstyled"
          aria-label="Group prices by"
          value={plain(step)}
          w={84}
          fz={12}
          styles={{ input: { minHeight: 24, height: 24, textAlign: "right", paddingRight: 20, color: "var(--dim)" } }}
          onChange={(event) => setChosen({ market: market.id, step: steps[event.currentTarget.selectedIndex]! })}
          data={steps.map((one) => ({ value: plain(one), label: plain(one) }))}
        />
      </div>
      <div className={classes.cols}>
        <span>Price ({market.quote})</span>
        <span>Size ({market.base})</span>
        <span>Total</span>
      </div>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a shortcut for the mouse; the price field takes the keyboard */}
      <div className={classes.ladder} ref={ref} onClick={pick} role="table" aria-label={`Levels of ${market.id}`} tabIndex={-1}>
        {!book.trusted ? (
          <div className={classes.empty}>
            <div style={{ width: "100%" }} role="status" aria-label="The order book is being read">
              {[1, 2, 3, 4, 5, 6, 7, 8].map((row) => (
                <Skeleton key={row} h={12} my={8} />
              ))}
            </div>
          </div>
        ) : (
          <>
            <div className={classes.asks} role="rowgroup" aria-label="Asks">
              {asks.map((row) => draw(row, "down")).reverse()}
              {asks.length === 0 && <NoLevels>Nobody sells</NoLevels>}
            </div>
            <div className={classes.spread} role="row">
              <strong role="cell" className={`num ${last === undefined ? "dim" : last.side === "buy" ? "up" : "down"}`}>
                {last === undefined ? "No trades yet" : formatUnits(last.price, market.pricePlaces, { group: true })}
              </strong>
              <span role="cell" className="num dim">
                {book.crossed
                  ? "Auction: crossed"
                  : spread !== undefined
                    ? `Spread ${formatUnits(spread, market.pricePlaces, { group: true })} (${spreadShare(spread, ask!)} %)`
                    : ""}
              </span>
            </div>
            <div className={classes.bids} role="rowgroup" aria-label="Bids">
              {bids.map((row) => draw(row, "up"))}
              {bids.length === 0 && <NoLevels>Nobody buys</NoLevels>}
            </div>
          </>
        )}
      </div>
    </section>
  );
}

const NoLevels = ({ children }: { children: string }) => (
  <div className={classes.empty} role="row">
    <span role="cell">{children}</span>
  </div>
);

const spreadShare = (spread: bigint, ask: bigint): string => formatUnits((spread * 100n * ONE) / ask, 3, { cut: true });

/** Sizes as dense as they stay readable: large ones need no sixth digit. */
function sizeText(size: bigint, market: Market): string {
  const places = size >= 10_000n * ONE ? 1 : size >= 100n * ONE ? 3 : market.sizePlaces;
  return formatUnits(size, Math.min(places, market.sizePlaces), { group: true, cut: true });
}
