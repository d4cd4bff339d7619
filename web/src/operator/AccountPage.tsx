import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import { grouped, parseUnits } from "../domain/decimal";
import { type Act, ActDialog } from "./ActDialog";
import classes from "./operator.module.css";
import { Asked, Status } from "./Parts";
import { useOperatedAccount } from "./queries";
import type { OperatedAccount } from "./types";

const freezing = (account: OperatedAccount): Act => {
  const frozen = account.status === "frozen";
  return {
    title: `${frozen ? "Unfreeze" : "Freeze"} account ${account.number}?`,
    says: frozen
      ? "It may place orders and withdraw again."
      : "It takes no new orders and withdraws nothing from now on. It can cancel and look.",
    act: frozen ? "Unfreeze" : "Freeze",
    path: `/admin/accounts/${account.id}/${frozen ? "unfreeze" : "freeze"}`,
    danger: !frozen,
    done: `Account ${account.number} is ${frozen ? "active" : "frozen"}.`,
  };
};

export function AccountPage() {
  const { accountId = "" } = useParams();
  const account = useOperatedAccount(accountId);
  const [act, setAct] = useState<Act | null>(null);
  const [adjusting, setAdjusting] = useState(false);
  return (
    <Page
      title={account.data ? `Account ${account.data.number}` : "Account"}
      right={
        account.data && (
          <div className={classes.pager}>
            <Button size="xs" variant="default" onClick={() => setAdjusting(true)}>
              Adjust
            </Button>
            <Button
              size="xs"
              variant="outline"
              color={account.data.status === "active" ? "red" : undefined}
              onClick={() => account.data && setAct(freezing(account.data))}
            >
              {account.data.status === "active" ? "Freeze" : "Unfreeze"}
            </Button>
          </div>
        )
      }
    >
      <Asked query={account}>{(data) => <Shown account={data} />}</Asked>
      {act !== null && <ActDialog act={act} onClose={() => setAct(null)} />}
      {adjusting && account.data && <AdjustDialog account={account.data} onClose={() => setAdjusting(false)} />}
    </Page>
  );
}

const Shown = ({ account }: { account: OperatedAccount }) => (
  <>
    <Card title="Account" right={<Status tone={account.status === "active" ? "good" : "bad"}>{account.status}</Status>}>
      <dl className={`${classes.facts} ${classes.wide}`}>
        <dt>Id</dt>
        <dd className={classes.mono}>{account.id}</dd>
        <dt>User</dt>
        <dd className={classes.mono}>{account.user_id ?? "—"}</dd>
        <dt>Tier</dt>
        <dd>{account.tier}</dd>
        <dt>Opened</dt>
        <dd>{fullTime(account.created_at)}</dd>
        <dt>Open orders</dt>
        <dd className="num">{account.open_orders ?? 0}</dd>
        <dt>Open withdrawals</dt>
        <dd className="num">{account.open_withdrawals ?? 0}</dd>
        <dt>What operators did</dt>
        <dd>
          <Link to={`/operator/acts?subject=${account.id}`}>see</Link>
        </dd>
      </dl>
    </Card>
    <Card title="Balances">
      <Table
        loose
        label="Balances"
        empty="None."
        rows={account.balances ?? []}
        id={(row) => row.currency}
        columns={[
          { head: "Asset", cell: (row) => row.currency },
          { head: "Balance", right: true, cell: (row) => grouped(row.balance) },
          { head: "Available", right: true, cell: (row) => grouped(row.available) },
          { head: "Held", right: true, cell: (row) => grouped(row.hold) },
        ]}
      />
    </Card>
  </>
);

/** Asks for an adjustment; another operator decides. */
function AdjustDialog({ account, onClose }: { account: OperatedAccount; onClose: () => void }) {
  const currencies = (account.balances ?? []).map((row) => row.currency);
  const [currency, setCurrency] = useState(currencies[0] ?? "");
  const [amount, setAmount] = useState("");
  // One id for as long as the dialog stands: sent twice, it is asked for once.
  const [id] = useState(() => crypto.randomUUID());
  const units = parseUnits(amount);
  const act: Act = {
    title: `Adjust account ${account.number}`,
    says: "A correction against the outside world, booked once another operator approves it.",
    act: "Ask for it",
    path: "/admin/adjustments",
    body: { id, account_id: account.id, currency, amount: amount.trim() },
    done: "The adjustment waits for a second operator.",
  };
  return (
    <ActDialog act={act} onClose={onClose} ready={units !== null && units !== 0n}>
      <NativeSelect
        label="Asset"
        value={currency}
        onChange={(event) => setCurrency(event.currentTarget.value)}
        data={currencies}
      />
      <TextInput
        label="Amount"
        description="With a minus it is taken from the account; never more than is available"
        inputMode="decimal"
        required
        value={amount}
        onChange={(event) => setAmount(event.currentTarget.value)}
        error={amount !== "" && units === null ? "A decimal number with at most eight digits after the point" : undefined}
        data-autofocus
      />
    </ActDialog>
  );
}
