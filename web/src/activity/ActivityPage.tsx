import { NativeSelect } from "@mantine/core";
import { useMemo, useState } from "react";
import { useMarkets } from "../api/queries";
import { Card, Page } from "../app/Page";
import { SignedIn } from "../auth/SignedIn";
import { useOwnEvents } from "../feed/own";
import { Fills, History } from "../trade/OrderTables";

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
  return (
    <Page
      title="Activity"
      right={
        <NativeSelect
          size="xs"
          aria-label="Market"
          value={chosen}
          onChange={(event) => setChosen(event.currentTarget.value)}
          data={[{ value: "", label: "All markets" }, ...ids]}
        />
      }
    >
      <Card title="Finished orders">
        <History productId={chosen || undefined} markets={markets} />
      </Card>
      {(chosen ? [chosen] : ids).map((id) => (
        <Card key={id} title={`Fills in ${id}`}>
          <Fills productId={id} markets={markets} />
        </Card>
      ))}
    </Page>
  );
}
