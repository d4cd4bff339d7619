import { Button, Checkbox, Collapse, NativeSelect, TextInput, Tooltip, UnstyledButton } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type KeyboardEvent, lazy, type ReactNode, Suspense, useState } from "react";
import { Link, useLocation } from "react-router";
import { queries } from "../api/cache";
import { call } from "../api/client";
import { ApiError } from "../api/errors";
import { availableOf, ownStateChanged, useAccounts, useFees } from "../api/queries";
import type { OrderRow } from "../api/types";
import { words } from "../api/words";
import { config } from "../app/config";
import { IconChevron } from "../app/icons";
import { Refused } from "../app/Sending";
import { zoneName } from "../app/times";
import { useSession } from "../auth/session";
import { formatUnits, max, parseUnits, plain, units } from "../domain/decimal";
import { type Market, shownPlaces } from "../domain/market";
import {
  type Draft,
  type End,
  type Facts,
  type Kind,
  MOST_DEADLINE_S,
  preview,
  type Stp,
  sizeOfShare,
  type TimeInForce,
} from "../domain/ticket";
import { feed as connection } from "../feed/connection";
import { type MarketFeed, useBookVersion, useTradeVersion } from "../feed/market";
import classes from "./trade.module.css";

const DepositForm = lazy(async () => ({ default: (await import("../wallet/DepositForm")).DepositForm }));

interface Props {
  market: Market;
  feed: MarketFeed;
  draft: Draft;
  setDraft: (change: Partial<Draft>) => void;
}

const KINDS: { value: Kind; label: string }[] = [
  { value: "limit", label: "Limit" },
  { value: "market", label: "Market" },
  { value: "stop-limit", label: "Stop limit" },
  { value: "stop-market", label: "Stop" },
];

const TIMES: { value: TimeInForce; label: string }[] = [
  { value: "GTC", label: "Good till cancelled" },
  { value: "GTT", label: "Good till time" },
  { value: "IOC", label: "Immediate or cancel" },
  { value: "FOK", label: "Fill or kill" },
];

const ENDS: { value: End; label: string }[] = [
  { value: "min", label: "after a minute" },
  { value: "hour", label: "after an hour" },
  { value: "day", label: "after a day" },
  { value: "at", label: "at a time" },
];

const STPS: { value: Stp; label: string }[] = [
  { value: "dc", label: "Decrease and cancel" },
  { value: "co", label: "Cancel the older" },
  { value: "cn", label: "Cancel the newer" },
  { value: "cb", label: "Cancel both" },
];

/** The order form: every kind of order the exchange takes, checked while it is typed, with its cost before it is sent. */
export function Ticket({ market, feed, draft, setDraft }: Props) {
  useBookVersion(feed);
  useTradeVersion(feed);
  const { status } = useSession();
  const here = useLocation();
  const { data: accounts } = useAccounts();
  const { data: fees } = useFees(market.id);
  const [clientOid, setClientOid] = useState(() => crypto.randomUUID());
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState("");
  const [more, setMore] = useState(false);
  const [funding, setFunding] = useState(false);

  const base = availableOf(accounts, market.base);
  const quote = availableOf(accounts, market.quote);
  const { book } = feed;
  const facts: Facts = {
    market,
    available: base !== undefined && quote !== undefined ? { base, quote } : undefined,
    makerRate: units(fees?.maker_fee_rate ?? "0.004"),
    takerRate: units(fees?.taker_fee_rate ?? "0.006"),
    bids: book.trusted ? book.bids : [],
    asks: book.trusted ? book.asks : [],
    bestBid: book.trusted ? book.bids.best()?.price : undefined,
    bestAsk: book.trusted ? book.asks.best()?.price : undefined,
    last: feed.last?.price,
    nowMs: connection.nowMs(),
  };
  const made = preview(draft, facts, clientOid);
  const buys = draft.side === "buy";
  const isLimit = draft.kind === "limit" || draft.kind === "stop-limit";
  const isStop = draft.kind === "stop-limit" || draft.kind === "stop-market";
  const rests = draft.timeInForce === "GTC" || draft.timeInForce === "GTT";
  // What keeps the order from being sent must not be folded away.
  const { timeInForce, expireTime, displaySize, deadlineS } = made.problems;
  const shown = more || [timeInForce, expireTime, displaySize, deadlineS].some((problem) => problem !== undefined);
  const own = buys ? market.quote : market.base;
  const available = buys ? quote : base;

  const change = (values: Partial<Draft>): void => {
    setRefused("");
    setDraft(values);
  };

  async function send(): Promise<void> {
    // Times count from the moment of sending, not from when the form was last drawn.
    const { body } = preview(draft, { ...facts, nowMs: connection.nowMs() }, clientOid);
    if (body === undefined) return;
    setBusy(true);
    setRefused("");
    try {
      const order = await call<OrderRow>("/orders", { method: "POST", body });
      queries.setQueryData<OrderRow[]>(["orders", "open"], (rows) => (rows ? [order, ...rows] : rows));
      notifications.show({
        color: "blue",
        title: "Order taken",
        message: `${buys ? "Buy" : "Sell"} ${order.size ? `${plain(units(order.size))} ${market.base}` : `for ${plain(units(order.specified_funds ?? order.funds ?? "0"))} ${market.quote}`}${order.price ? ` at ${formatUnits(units(order.price), market.pricePlaces, { group: true })}` : ""}`,
      });
      setDraft({ size: "", funds: "", displaySize: "" });
      setClientOid(crypto.randomUUID());
      ownStateChanged();
    } catch (failure) {
      setRefused(words(failure));
      // A new id only when it is certain that nothing was placed under this one.
      if (failure instanceof ApiError && failure.status >= 400 && failure.status < 500) setClientOid(crypto.randomUUID());
      void queries.invalidateQueries({ queryKey: ["products"] });
      ownStateChanged();
    } finally {
      setBusy(false);
    }
  }

  const field = (
    name: "price" | "size" | "funds" | "stopPrice" | "displaySize",
    label: ReactNode,
    currency: string,
    step: bigint,
  ) => (
    <TextInput
      label={label}
      size="sm"
      inputMode="decimal"
      autoComplete="off"
      placeholder="0"
      className="num"
      value={draft[name]}
      error={made.problems[name]}
      rightSection={
        <span className="dim" style={{ fontSize: 11.5 }}>
          {currency}
        </span>
      }
      rightSectionWidth={48}
      styles={{ input: { textAlign: "right", fontVariantNumeric: "tabular-nums" } }}
      onChange={(event) => change({ [name]: event.currentTarget.value })}
      onKeyDown={(event) => stepBy(event, draft[name], step, (value) => change({ [name]: value }))}
    />
  );
  const money = (value: bigint | undefined, currency: string): string =>
    value === undefined ? "–" : `${formatUnits(value, shownPlaces(currency), { group: true, cut: true })} ${currency}`;

  return (
    <>
      <form
        className={classes.form}
        aria-label="Order form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <div className={classes.sides} role="radiogroup" aria-label="Side">
          {(["buy", "sell"] as const).map((side) => (
            <button
              key={side}
              type="button"
              role="radio"
              aria-checked={draft.side === side}
              data-side={side}
              onClick={() => change({ side, stop: side === "buy" ? "entry" : "loss" })}
            >
              {side === "buy" ? "Buy" : "Sell"}
            </button>
          ))}
        </div>
        <div className={classes.seg} role="group" aria-label="Order type">
          {KINDS.map(({ value, label }) => (
            <button
              key={value}
              type="button"
              aria-pressed={draft.kind === value}
              onClick={() => change(kindChosen(draft, value))}
            >
              {label}
            </button>
          ))}
        </div>
        <Refused data-testid="market-problem">{made.problems.market}</Refused>
        {isStop && (
          <div style={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 8, alignItems: "start" }}>
            <NativeSelect
              label="Set off when price"
              size="sm"
              value={draft.stop}
              onChange={(event) => change({ stop: event.currentTarget.value as Draft["stop"] })}
              data={[
                { value: "loss", label: "falls to" },
                { value: "entry", label: "rises to" },
              ]}
            />
            {field("stopPrice", "Stop price", market.quote, market.tick)}
          </div>
        )}
        {isLimit &&
          field(
            "price",
            <span style={{ display: "inline-flex", gap: 8 }}>
              Price
              {facts.bestBid !== undefined && <Quick text="Bid" onClick={() => change({ price: plain(facts.bestBid!) })} />}
              {facts.bestAsk !== undefined && <Quick text="Ask" onClick={() => change({ price: plain(facts.bestAsk!) })} />}
            </span>,
            market.quote,
            market.tick,
          )}
        {!isLimit && draft.by === "funds"
          ? field("funds", <By draft={draft} change={change} market={market} />, market.quote, 10n ** 8n)
          : field("size", isLimit ? "Size" : <By draft={draft} change={change} market={market} />, market.base, market.lot)}
        <div className={classes.shares} role="group" aria-label="Share of what is available">
          {[25n, 50n, 75n, 100n].map((percent) => {
            const share = sizeOfShare(draft, facts, percent);
            return (
              <button key={String(percent)} type="button" disabled={share === undefined} onClick={() => share && change(share)}>
                {String(percent)} %
              </button>
            );
          })}
        </div>
        <UnstyledButton
          className="dim"
          fz={12}
          aria-expanded={shown}
          onClick={() => setMore(!shown)}
          style={{ display: "flex", alignItems: "center", gap: 4 }}
        >
          <IconChevron /> Options
          {!shown && <span style={{ marginLeft: "auto" }}>{optionsText(draft)}</span>}
        </UnstyledButton>
        <Collapse expanded={shown}>
          <div style={{ display: "flex", flexDirection: "column", gap: 8 }}>
            {isLimit && (
              <NativeSelect
                label="Time in force"
                size="sm"
                value={draft.timeInForce}
                error={made.problems.timeInForce}
                onChange={(event) => change({ timeInForce: event.currentTarget.value as TimeInForce })}
                data={isStop ? TIMES.filter(({ value }) => value !== "FOK") : TIMES}
              />
            )}
            {isLimit && draft.timeInForce === "GTT" && (
              <NativeSelect
                label="Ends"
                size="sm"
                value={draft.end}
                onChange={(event) => change({ end: event.currentTarget.value as End })}
                data={ENDS}
              />
            )}
            {isLimit && draft.timeInForce === "GTT" && draft.end === "at" && (
              <TextInput
                label="Ends at"
                description={`Your own time, ${zoneName()}`}
                type="datetime-local"
                size="sm"
                value={draft.expireTime}
                error={made.problems.expireTime}
                onChange={(event) => change({ expireTime: event.currentTarget.value })}
              />
            )}
            {isLimit && rests && !isStop && (
              <Tooltip label="Refused if it would trade at once, so that you pay the maker's fee" openDelay={400}>
                <Checkbox
                  label="Post only"
                  size="xs"
                  checked={draft.postOnly}
                  onChange={(event) => change({ postOnly: event.currentTarget.checked })}
                />
              </Tooltip>
            )}
            {isLimit && rests && field("displaySize", "Visible size (iceberg)", market.base, market.lot)}
            <NativeSelect
              label="When it meets your own order"
              size="sm"
              value={draft.stp}
              data={STPS}
              onChange={(event) => change({ stp: event.currentTarget.value as Stp })}
            />
            <TextInput
              label="Deadline (seconds)"
              description="Refused if it takes longer to reach the market"
              size="sm"
              inputMode="decimal"
              autoComplete="off"
              placeholder={`none; ${MOST_DEADLINE_S} at most`}
              className="num"
              value={draft.deadlineS}
              error={made.problems.deadlineS}
              styles={{ input: { textAlign: "right" } }}
              onChange={(event) => change({ deadlineS: event.currentTarget.value })}
            />
          </div>
        </Collapse>
        <div style={{ flex: 1 }} />
        {made.warnings.map((warning) => (
          <div key={warning} className={classes.warning}>
            {warning}
          </div>
        ))}
        <Refused data-testid="refused">{refused}</Refused>
        <dl className={`${classes.sums} num`}>
          {made.estimate?.average !== undefined && (
            <>
              <dt>Average price, about</dt>
              <dd>{formatUnits(made.estimate.average, market.pricePlaces, { group: true, cut: true })}</dd>
              {draft.by === "funds" && (
                <>
                  <dt>Size, about</dt>
                  <dd>
                    {formatUnits(made.estimate.size, market.sizePlaces, { group: true, cut: true })} {market.base}
                  </dd>
                </>
              )}
            </>
          )}
          <dt>{isLimit ? "Order value" : "Order value, about"}</dt>
          <dd>{money(made.value, market.quote)}</dd>
          <dt>
            Fee ({formatUnits(made.rate * 100n, 2)} % {made.maker ? "maker" : "taker"})
          </dt>
          <dd>{money(made.fee, market.quote)}</dd>
          <dt className={classes.sum}>{buys ? "Total to pay" : "You receive"}</dt>
          <dd className={classes.sum} data-testid="total">
            {money(made.total === undefined ? undefined : max(made.total, 0n), market.quote)}
          </dd>
          {status === "signed-in" && (
            <>
              <dt>Available</dt>
              <dd data-testid="available">{money(available, own)}</dd>
            </>
          )}
        </dl>
        {config().sandbox && accounts?.every((row) => units(row.balance) === 0n) && (
          <Button variant="light" fullWidth onClick={() => setFunding(true)}>
            Take play money to trade with
          </Button>
        )}
        {status === "signed-in" ? (
          <Button
            type="submit"
            fullWidth
            loading={busy}
            disabled={made.body === undefined}
            size="md"
            fz={14}
            style={made.body === undefined ? undefined : { background: buys ? "var(--buy)" : "var(--sell)", color: "#fff" }}
          >
            {buys ? "Buy" : "Sell"} {market.base}
          </Button>
        ) : (
          <Button component={Link} to={`/sign-in?to=${encodeURIComponent(here.pathname)}`} fullWidth size="md" fz={14}>
            Sign in to trade
          </Button>
        )}
      </form>
      {/* Outside of the form: what is sent there would be sent here as well. */}
      {funding && (
        <Suspense>
          <DepositForm currency={market.quote} onClose={() => setFunding(false)} />
        </Suspense>
      )}
    </>
  );
}

function By({ draft, change, market }: { draft: Draft; change: (values: Partial<Draft>) => void; market: Market }) {
  return (
    <span style={{ display: "inline-flex", gap: 8 }}>
      {draft.by === "size" ? "Size" : draft.side === "buy" ? "Amount to spend" : "Amount to receive"}
      <Quick
        text={draft.by === "size" ? `in ${market.quote}` : `in ${market.base}`}
        onClick={() => change({ by: draft.by === "size" ? "funds" : "size" })}
      />
    </span>
  );
}

function Quick({ text, onClick }: { text: string; onClick: () => void }) {
  return (
    <button
      type="button"
      className={classes.quiet}
      style={{ padding: "0 6px" }}
      onClick={(event) => {
        event.preventDefault();
        onClick();
      }}
    >
      {text}
    </button>
  );
}

/** A stop order cannot be fill or kill. */
const kindChosen = (draft: Draft, kind: Kind): Partial<Draft> =>
  kind === "stop-limit" && draft.timeInForce === "FOK" ? { kind, timeInForce: "GTC" } : { kind };

function optionsText(draft: Draft): string {
  const isLimit = draft.kind === "limit" || draft.kind === "stop-limit";
  const rests = isLimit && (draft.timeInForce === "GTC" || draft.timeInForce === "GTT");
  return [
    isLimit ? draft.timeInForce : "",
    draft.postOnly && rests && draft.kind === "limit" ? "post only" : "",
    draft.displaySize && rests ? "iceberg" : "",
    draft.deadlineS ? `within ${draft.deadlineS} s` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

/** The arrow keys step a price by its tick and a size by its lot; with shift by ten of them. */
function stepBy(event: KeyboardEvent, text: string, step: bigint, set: (value: string) => void): void {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  const value = parseUnits(text.replaceAll(",", ""));
  if (value === null) return;
  event.preventDefault();
  const by = (event.shiftKey ? step * 10n : step) * (event.key === "ArrowUp" ? 1n : -1n);
  set(plain(max(value + by, 0n)));
}
