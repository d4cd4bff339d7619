import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { grouped } from "../domain/decimal";
import { Asked } from "./Parts";
import { useHouseFees } from "./queries";

/** A rate such as `0.004000` as per cent, by moving the point: no float. */
const percent = (rate: string | undefined): string => {
  if (rate === undefined) return "—";
  const [whole = "0", fraction = ""] = rate.split(".");
  const digits = fraction.padEnd(2, "0");
  const shown = `${whole}${digits.slice(0, 2)}`.replace(/^0+(?=\d)/, "");
  const rest = digits.slice(2).replace(/0+$/, "");
  return `${shown}${rest ? `.${rest}` : ""} %`;
};

export function FeesPage() {
  const fees = useHouseFees();
  return (
    <Page title="Fees">
      <Asked query={fees}>
        {(data) => (
          <>
            <Card title="Collected by trading">
              <Table
                loose
                label="Collected by trading"
                empty="Nothing was traded yet."
                rows={data.markets}
                id={(row) => `${row.product_id} ${row.currency}`}
                columns={[
                  { head: "Market", cell: (row) => row.product_id },
                  { head: "Collected", right: true, cell: (row) => `${grouped(row.collected)} ${row.currency}` },
                  { head: "Maker", right: true, cell: (row) => percent(row.maker_fee_rate) },
                  { head: "Taker", right: true, cell: (row) => percent(row.taker_fee_rate) },
                ]}
              />
            </Card>
            <Card title="Collected by withdrawals">
              <Table
                loose
                label="Collected by withdrawals"
                empty="No withdrawal has paid a fee yet."
                rows={data.withdrawals}
                id={(row) => row.currency}
                columns={[
                  { head: "Asset", cell: (row) => row.currency },
                  { head: "Collected", right: true, cell: (row) => grouped(row.collected) },
                ]}
              />
            </Card>
            <Card title="Tiers by 30-day volume">
              <Table
                loose
                label="Tiers by 30-day volume"
                empty="There are no tiers."
                rows={data.tiers}
                id={(row) => row.volume}
                columns={[
                  { head: "From (USD)", cell: (row) => grouped(row.volume) },
                  { head: "Maker", right: true, cell: (row) => percent(row.maker_fee_rate) },
                  { head: "Taker", right: true, cell: (row) => percent(row.taker_fee_rate) },
                ]}
              />
            </Card>
          </>
        )}
      </Asked>
    </Page>
  );
}
