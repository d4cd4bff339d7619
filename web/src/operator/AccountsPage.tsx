import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Older, Status } from "./Parts";
import { useOperatedAccounts } from "./queries";

export function AccountsPage() {
  const [search, setSearch] = useSearchParams();
  const query = search.get("query") ?? "";
  const [typed, setTyped] = useState(query);
  const accounts = useOperatedAccounts(query, { after: search.get("after") ?? undefined });

  function find(event: FormEvent): void {
    event.preventDefault();
    setSearch(typed.trim() === "" ? {} : { query: typed.trim() });
  }

  return (
    <Page title="Accounts">
      <form onSubmit={find} className={classes.find}>
        <TextInput
          label="Find an account"
          description="By its number, its id, the id of one of its balances, or the beginning of its user's id"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          style={{ flex: 1 }}
        />
        <Button type="submit" variant="default">
          Find
        </Button>
      </form>
      <Asked query={accounts}>
        {({ rows, after }) => (
          <Card
            title={query === "" ? "Newest" : `Found for ${query}`}
            right={<Older after={after} keep={query === "" ? {} : { query }} />}
          >
            <Table
              loose
              label="Accounts"
              empty="No account is like this."
              rows={rows}
              id={(row) => row.id}
              columns={[
                { head: "Number", right: true, cell: (row) => <Link to={`/operator/accounts/${row.id}`}>{row.number}</Link> },
                { head: "Account", cell: (row) => <span className={classes.mono}>{row.id}</span> },
                { head: "User", cell: (row) => <span className={classes.mono}>{row.user_id ?? "—"}</span> },
                { head: "Tier", cell: (row) => row.tier },
                {
                  head: "Status",
                  cell: (row) => <Status tone={row.status === "active" ? "good" : "bad"}>{row.status}</Status>,
                },
                { head: "Opened", cell: (row) => <span className={classes.nowrap}>{fullTime(row.created_at)}</span> },
              ]}
            />
          </Card>
        )}
      </Asked>
    </Page>
  );
}
