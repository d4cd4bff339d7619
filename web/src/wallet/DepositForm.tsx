import { Button, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { call } from "../api/client";
import { ownStateChanged } from "../api/queries";
import { config } from "../app/config";
import { Dialog } from "../app/Dialog";
import classes from "../app/page.module.css";
import { Refused, useSending } from "../app/Sending";
import { parseUnits, plain } from "../domain/decimal";

const SUGGESTED: Record<string, string> = { USD: "100000", BTC: "1", ETH: "20", SOL: "500" };

/** Play money from the faucet of a sandbox. One id per form, so that a repeat is credited once. */
export function DepositForm({ currency, onClose }: { currency: string; onClose: () => void }) {
  const [id] = useState(() => crypto.randomUUID());
  const { busy, refused, sending } = useSending();
  const form = useForm({
    initialValues: { amount: SUGGESTED[currency] ?? "100" },
    validate: { amount: (value) => ((parseUnits(value) ?? 0n) > 0n ? null : "An amount, for example 100") },
  });

  const send = ({ amount }: { amount: string }): Promise<void> =>
    sending(async () => {
      await call("/deposits/faucet", { method: "POST", body: { currency, amount: plain(parseUnits(amount)!), id } });
      notifications.show({ color: "teal", title: "Deposited", message: `${amount} ${currency}` });
      ownStateChanged();
      onClose();
    });

  return (
    <Dialog onClose={onClose} title={`Deposit ${currency}`}>
      {config().sandbox ? (
        <form onSubmit={form.onSubmit(send)} className={classes.form}>
          <Text size="sm" c="dimmed">
            This is a sandbox: the faucet gives play money, up to a limit per account.
          </Text>
          <TextInput label={`Amount (${currency})`} inputMode="decimal" data-autofocus {...form.getInputProps("amount")} />
          <Refused>{refused}</Refused>
          <Button type="submit" loading={busy}>
            Take from the faucet
          </Button>
        </form>
      ) : (
        <Text size="sm">
          Deposits are made from outside; ask the operator of this exchange for the address of your account.
        </Text>
      )}
    </Dialog>
  );
}
