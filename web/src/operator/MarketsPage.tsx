import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { Page } from "../app/Page";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Status, seconds, type Tone } from "./Parts";
import { useAdminMarkets } from "./queries";
import { SteerDialog } from "./SteerDialog";
import type { AdminMarket, Follower, MarketStatus, Move } from "./types";

const TONES: Record<MarketStatus, Tone> = { online: "good", halted: "bad", auction: "warn" };
const MOVES: Record<MarketStatus, Move[]> = {
  online: ["halt", "auction"],
  halted: ["auction", "resume"],
  auction: ["resume", "halt"],
};
const NAMES: Record<Move, string> = { halt: "Halt", auction: "Collect for an auction", resume: "Resume" };

export function MarketsPage() {
  const markets = useAdminMarkets();
  const [steering, setSteering] = useState<{ market: AdminMarket; move: Move } | null>(null);
  return (
    <Page title="Markets">
      <Asked query={markets}>
        {(rows) => (
          <div className={classes.markets}>
            {rows.map((market) => (
              <MarketCard key={market.product_id} market={market} onSteer={(move) => setSteering({ market, move })} />
            ))}
          </div>
        )}
      </Asked>
      {steering !== null && <SteerDialog {...steering} onClose={() => setSteering(null)} />}
    </Page>
  );
}

function MarketCard({ market, onSteer }: { market: AdminMarket; onSteer: (move: Move) => void }) {
  const { product_id: id, status, last_trade: trade, last_halt: halt } = market;
  return (
    <section className={classes.card} aria-label={id}>
      <div className={classes.cardHead}>
        <h2>{id}</h2>
        <Status tone={TONES[status]}>
          {status}
          {market.broken && ", an invariant is broken"}
        </Status>
      </div>
      {status !== "online" && market.reason && (
        <p className={classes.reason}>
          {market.reason} <span className="dim">since {fullTime(market.since ?? "")}</span>
        </p>
      )}
      <dl className={classes.facts}>
        <dt>Book</dt>
        <dd>{market.mode}</dd>
        <dt>Last trade</dt>
        <dd className="num">{trade ? `${trade.price} × ${trade.size}` : "none"}</dd>
        <dt>at</dt>
        <dd>{trade ? fullTime(trade.time) : "—"}</dd>
        <dt>Sequence</dt>
        <dd className="num">{market.sequence}</dd>
        <dt>Journal</dt>
        <dd className="num">
          <Link to={`/operator/journal/${id}`}>entry {market.journal.seq}</Link>
        </dd>
        <dt>Settlement</dt>
        <dd>
          <Behind follower={market.settle} />
        </dd>
        <dt>Feed</dt>
        <dd>
          <Behind follower={market.feed} />
        </dd>
        {halt && status === "online" && (
          <>
            <dt>Last halt</dt>
            <dd>
              {fullTime(halt.at)}: {halt.reason}
            </dd>
          </>
        )}
      </dl>
      <div className={classes.acts}>
        {MOVES[status].map((move) => (
          <Button
            key={move}
            size="xs"
            variant={move === "halt" ? "light" : "default"}
            color={move === "halt" ? "red" : undefined}
            onClick={() => onSteer(move)}
          >
            {NAMES[move]}
          </Button>
        ))}
      </div>
    </section>
  );
}

const Behind = ({ follower }: { follower: Follower }) =>
  follower.lag === 0 ? (
    <Status tone="good">up to date</Status>
  ) : (
    <Status tone={follower.lag_s >= 30 ? "bad" : "plain"}>
      {follower.lag === 1 ? "1 entry" : `${follower.lag} entries`} behind{follower.lag_s >= 1 && `, ${seconds(follower.lag_s)}`}
    </Status>
  );
