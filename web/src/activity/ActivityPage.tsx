import { NativeSelect } from "@mantine/core";
import { useMemo, useState } from "react";
import { useMarkets } from "../api/queries";
import classes from "../app/page.module.css";
import { SignedIn } from "../auth/SignedIn";
import { useOwnEvents } from "../feed/own";
import { Fills, History } from "../trade/OrdersPanel";

export const ActivityPage = () => (
  <SignedIn>
    <Activity />
  </SignedIn>
);

function Activity() {
  const { markets } = useMarkets();
  const ids = useMemo(() => markets.map((market) => market.id), [markets]);
  useOwnEvents(ids);
  const [chosen, setChosen] = useState("");
  const fillsOf = chosen || ids[0];
  return (
    <main className={classes.page}>
      <div className={classes.head}>
        <h1>Activity</h1>
        <NativeSelect
          size="xs"
          aria-label="Market"
          value={chosen}
          onChange={(event) => setChosen(event.currentTarget.value)}
          data={[{ value: "", label: "All markets" }, ...ids]}
        />
      </div>
      <section className={classes.card} aria-label="Orders">
        <div className={classes.cardHead}>
          <h2>Finished orders</h2>
        </div>
        <History productId={chosen || undefined} markets={markets} />
      </section>
      {fillsOf !== undefined && (
        <section className={classes.card} aria-label="Fills">
          <div className={classes.cardHead}>
            <h2>Fills in {fillsOf}</h2>
          </div>
          <Fills productId={fillsOf} markets={markets} />
        </section>
      )}
    </main>
  );
}
