import { Button, Checkbox, CopyButton, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { queries } from "../api/cache";
import { call } from "../api/client";
import { useApiKeys } from "../api/queries";
import type { ApiKeyRow } from "../api/types";
import { words } from "../api/words";
import { Confirm } from "../app/Confirm";
import { Dialog } from "../app/Dialog";
import { Card } from "../app/Page";
import classes from "../app/page.module.css";
import { Refused, useSending } from "../app/Sending";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import trade from "../trade/trade.module.css";

const SCOPES = [
  { value: "view", label: "View: balances, orders, fills" },
  { value: "trade", label: "Trade: place and cancel orders" },
  { value: "transfer", label: "Transfer: deposit and withdraw" },
];

export function ApiKeys() {
  const { data, error } = useApiKeys();
  const [making, setMaking] = useState(false);
  const [deleting, setDeleting] = useState<ApiKeyRow | null>(null);

  async function remove(row: ApiKeyRow): Promise<void> {
    setDeleting(null);
    try {
      await call(`/api-keys/${row.key}`, { method: "DELETE" });
    } catch (failure) {
      notifications.show({ color: "red", title: "Not deleted", message: words(failure) });
    }
    void queries.invalidateQueries({ queryKey: ["api-keys"] });
  }

  return (
    <Card
      title="API keys"
      right={
        <Button size="xs" onClick={() => setMaking(true)}>
          New key
        </Button>
      }
    >
      <Table
        label="API keys"
        empty="No keys. A bot needs one to trade for you."
        rows={data}
        failure={error}
        id={(row) => row.key}
        columns={[
          { head: "Name", cell: (row) => row.label || "–" },
          { head: "Key", cell: (row) => <span style={{ fontFamily: "var(--mantine-font-family-monospace)" }}>{row.key}</span> },
          { head: "May", cell: (row) => row.scopes.join(", ") },
          { head: "Made", dim: true, cell: (row) => fullTime(row.created_at) },
          { head: "Last used", dim: true, cell: (row) => (row.last_used_at ? fullTime(row.last_used_at) : "never") },
          {
            head: "Actions",
            actions: true,
            cell: (row) => (
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => setDeleting(row)}
                aria-label={`Delete the key ${row.label || row.key}`}
              >
                Delete
              </Button>
            ),
          },
        ]}
      />
      {making && <NewKey onClose={() => setMaking(false)} />}
      {deleting !== null && (
        <Confirm
          title={`Delete the key ${deleting.label || deleting.key}?`}
          keep="Keep it"
          action="Delete"
          onClose={() => setDeleting(null)}
          onConfirm={() => void remove(deleting)}
        >
          What signs with it is refused within seconds. Its open orders stay.
        </Confirm>
      )}
    </Card>
  );
}

function NewKey({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<ApiKeyRow | null>(null);
  const { busy, refused, sending } = useSending();
  const form = useForm({
    initialValues: { label: "", scopes: ["view", "trade"] },
    validate: { scopes: (value) => (value.length > 0 ? null : "At least one") },
  });

  const send = (values: { label: string; scopes: string[] }): Promise<void> =>
    sending(async () => {
      setMade(await call<ApiKeyRow>("/api-keys", { method: "POST", body: values }));
      void queries.invalidateQueries({ queryKey: ["api-keys"] });
    });

  return (
    // Closed by its button alone while a secret is shown: a stray click must not lose it.
    <Dialog
      onClose={onClose}
      title={made ? "Your new key" : "New API key"}
      size="md"
      closeOnClickOutside={made === null}
      closeOnEscape={made === null}
      withCloseButton={made === null}
    >
      {made === null ? (
        <form className={classes.form} onSubmit={form.onSubmit(send)}>
          <TextInput label="Name" placeholder="for example: market maker" data-autofocus {...form.getInputProps("label")} />
          <Checkbox.Group label="The key may" {...form.getInputProps("scopes")}>
            {SCOPES.map(({ value, label }) => (
              <Checkbox key={value} value={value} label={label} mt={6} size="xs" />
            ))}
          </Checkbox.Group>
          <Refused>{refused}</Refused>
          <Button type="submit" loading={busy}>
            Make the key
          </Button>
        </form>
      ) : (
        <div className={classes.form}>
          <div className={trade.warning}>Secret and passphrase are shown this once. Store them now.</div>
          <Secret name="Key" value={made.key} />
          <Secret name="Secret" value={made.secret ?? ""} />
          <Secret name="Passphrase" value={made.passphrase ?? ""} />
          <Button onClick={onClose}>I have stored them</Button>
        </div>
      )}
    </Dialog>
  );
}

function Secret({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <div style={{ display: "flex", justifyContent: "space-between", marginBottom: 4 }}>
        <span className="dim">{name}</span>
        <CopyButton value={value}>
          {({ copied, copy }) => (
            <Button size="compact-xs" variant="default" onClick={copy} aria-label={`Copy the ${name.toLowerCase()}`}>
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
      </div>
      <div className={classes.secret} data-testid={`new-${name.toLowerCase()}`}>
        {value}
      </div>
    </div>
  );
}
