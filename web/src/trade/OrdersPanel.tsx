import { useState } from "react";
import { Link } from "react-router";
import { useOpenOrders } from "../api/queries";
import { useSession } from "../auth/session";
import type { Market } from "../domain/market";
import { CancelAll, OpenOrders } from "./OpenOrders";
import { Balances, Fills, History } from "./OrderTables";
import classes from "./trade.module.css";

type Tab = "open" | "history" | "fills" | "balances";

export function OrdersPanel({ market, markets }: { market: Market; markets: Market[] }) {
  const { status } = useSession();
  const [tab, setTab] = useState<Tab>("open");
  const { data: open } = useOpenOrders();
  const tabs: [Tab, string][] = [
    ["open", `Open orders${open?.length ? ` (${open.length})` : ""}`],
    ["history", "History"],
    ["fills", "Fills"],
    ["balances", "Balances"],
  ];
  return (
    <section className={`${classes.panel} ${classes.orders}`} aria-label="Your orders" data-view="orders">
      <div className={classes.title}>
        <div className={`${classes.seg} ${classes.tabs}`} role="tablist" aria-label="Your orders">
          {tabs.map(([value, label]) => (
            <button key={value} type="button" role="tab" aria-selected={tab === value} onClick={() => setTab(value)}>
              {label}
            </button>
          ))}
        </div>
        {tab === "open" && open !== undefined && open.length > 1 && <CancelAll count={open.length} />}
      </div>
      {status !== "signed-in" ? (
        <div className={classes.empty}>
          <span>
            <Link to="/sign-in" style={{ color: "var(--accent)" }}>
              Sign in
            </Link>{" "}
            to see your orders and balances.
          </span>
        </div>
      ) : tab === "open" ? (
        <OpenOrders markets={markets} />
      ) : tab === "history" ? (
        <History productId={market.id} markets={markets} />
      ) : tab === "fills" ? (
        <Fills productId={market.id} markets={markets} />
      ) : (
        <Balances />
      )}
    </section>
  );
}
