import { Button, NativeSelect, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { queries } from "../api/cache";
import { call } from "../api/client";
import { ApiError } from "../api/errors";
import { ownStateChanged, useAddresses, usePaymentMethods, useWithdrawalFee, useWithdrawalLimits } from "../api/queries";
import type { AccountRow, AddressRow } from "../api/types";
import { words } from "../api/words";
import { Dialog } from "../app/Dialog";
import classes from "../app/page.module.css";
import { Refused, useSending } from "../app/Sending";
import { shortTime } from "../app/times";
import { formatUnits, min, parseUnits, plain, units } from "../domain/decimal";
import { shownPlaces } from "../domain/market";
import { addressText, amountProblem } from "../domain/withdrawal";
import trade from "../trade/trade.module.css";

interface Props {
  account: AccountRow;
  fiat: boolean;
  onClose: () => void;
}

/** Crypto goes to an address of the address book, money to a payment method. The fee comes off the amount. */
export function WithdrawForm({ account, fiat, onClose }: Props) {
  const { currency } = account;
  const [idem] = useState(() => crypto.randomUUID());
  const [amount, setAmount] = useState("");
  const [target, setTarget] = useState("");
  const { busy, refused, sending } = useSending();
  const { data: fee, error: noFee } = useWithdrawalFee(currency, true);
  const { data: addresses } = useAddresses(!fiat);
  const { data: methods } = usePaymentMethods(fiat);
  const mine = (addresses ?? []).filter((row) => row.currency === currency);
  const targets = fiat
    ? (methods ?? [])
        .filter((row) => row.currency === currency && row.allow_withdraw !== false)
        .map((row) => ({ value: row.id, label: row.name ?? row.id }))
    : mine.map((row) => ({ value: row.id, label: optionText(row), disabled: !row.trusted }));
  const chosen =
    targets.find((one) => one.value === target && !("disabled" in one && one.disabled))?.value ??
    targets.find((one) => !("disabled" in one && one.disabled))?.value ??
    "";
  const value = parseUnits(amount);
  const cost = fee === undefined ? undefined : units(fee.fee);
  const available = units(account.available);
  const limits = useWithdrawalLimits(currency);
  const problem = amountProblem(amount, currency, available, limits);
  const text = (units_: bigint): string => `${formatUnits(units_, shownPlaces(currency), { group: true })} ${currency}`;

  const destination = (): Record<string, string | undefined> => {
    const to = mine.find((row) => row.id === chosen);
    return fiat ? { payment_method_id: chosen } : { crypto_address: to?.address, destination_tag: to?.destination_tag };
  };

  const send = (): Promise<void> =>
    sending(async () => {
      const body = {
        currency,
        amount: plain(value!),
        idem,
        ...destination(),
      };
      const made = await call<{ status: string }>(`/withdrawals/${fiat ? "payment-method" : "crypto"}`, {
        method: "POST",
        body,
      });
      notifications.show({
        color: "blue",
        title: "Withdrawal requested",
        message: made.status === "requested" ? "An operator has to approve it." : "It is on its way.",
      });
      ownStateChanged();
      onClose();
    });

  return (
    <Dialog onClose={onClose} title={`Withdraw ${currency}`} size="md">
      <form
        className={classes.form}
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        {noFee instanceof ApiError && noFee.status === 400 && <div className={classes.refused}>{words(noFee)}</div>}
        {targets.length > 0 ? (
          <NativeSelect
            label={fiat ? "To" : "To an address of your address book"}
            value={chosen}
            data={targets}
            onChange={(event) => setTarget(event.currentTarget.value)}
          />
        ) : (
          fiat && (
            <Text size="sm" c="dimmed">
              There is no payment method for {currency}.
            </Text>
          )
        )}
        {targets.length > 0 && chosen === "" && (
          <Text size="sm" c="dimmed" role="status">
            No address may be used yet; the list says from when.
          </Text>
        )}
        {!fiat && <NewAddress currency={currency} />}
        <TextInput
          label={`Amount (${currency})`}
          description={`${formatUnits(available, shownPlaces(currency), { group: true, cut: true })} ${currency} available`}
          rightSection={
            <Button
              size="compact-xs"
              variant="default"
              onClick={() => setAmount(plain(limits === undefined ? available : min(available, limits.left)))}
            >
              All
            </Button>
          }
          rightSectionWidth={48}
          inputMode="decimal"
          value={amount}
          error={problem}
          onChange={(event) => setAmount(event.currentTarget.value)}
          data-autofocus
        />
        <dl className={`${trade.sums} num`}>
          {limits !== undefined && (
            <>
              <dt>Least</dt>
              <dd>{text(limits.least)}</dd>
              <dt>Left of {text(limits.most)} in 24 hours</dt>
              <dd>{text(limits.left)}</dd>
              <dt>Without asking an operator, up to</dt>
              <dd>{text(limits.unasked)}</dd>
            </>
          )}
          <dt>Fee</dt>
          <dd>{cost === undefined ? "–" : text(cost)}</dd>
          <dt className={trade.sum}>Arrives</dt>
          <dd className={trade.sum}>
            {cost === undefined || value === null || problem !== null || value <= cost ? "–" : text(value - cost)}
          </dd>
        </dl>
        {limits !== undefined && value !== null && problem === null && value > limits.unasked && (
          <Text size="sm" c="dimmed" role="status">
            An operator has to approve this amount.
          </Text>
        )}
        <Refused>{refused}</Refused>
        <Button type="submit" loading={busy} disabled={value === null || problem !== null || chosen === ""}>
          Withdraw
        </Button>
      </form>
    </Dialog>
  );
}

const optionText = (row: AddressRow): string =>
  `${row.label ? `${row.label}: ` : ""}${addressText(row.address, row.destination_tag)}${row.trusted ? "" : ` (from ${row.address_book_entry_pending_until ? shortTime(row.address_book_entry_pending_until) : "later"})`}`;

function NewAddress({ currency }: { currency: string }) {
  const [open, setOpen] = useState(false);
  const [address, setAddress] = useState("");
  const [tag, setTag] = useState("");
  const [label, setLabel] = useState("");
  const { refused, sending } = useSending();
  const add = (): Promise<void> =>
    sending(async () => {
      await call("/address-book", {
        method: "POST",
        body: { addresses: [{ currency, to: { address: address.trim(), destination_tag: tag.trim() }, label }] },
      });
      await queries.invalidateQueries({ queryKey: ["addresses"] });
      setOpen(false);
      setAddress("");
      setTag("");
    });
  if (!open) {
    return (
      <Button variant="default" size="compact-sm" onClick={() => setOpen(true)} style={{ alignSelf: "flex-start" }}>
        Add an address
      </Button>
    );
  }
  return (
    <div className={classes.form} style={{ border: "1px solid var(--line)", borderRadius: 4, padding: 10 }}>
      <Text size="xs" c="dimmed">
        A new address has a waiting time, so that you would notice one that you did not add.
      </Text>
      <TextInput label="Address" value={address} onChange={(event) => setAddress(event.currentTarget.value)} />
      <TextInput
        label="Tag"
        description="Only if whoever receives the coins names one"
        value={tag}
        onChange={(event) => setTag(event.currentTarget.value)}
      />
      <TextInput label="Name" value={label} onChange={(event) => setLabel(event.currentTarget.value)} />
      <Refused>{refused}</Refused>
      <Button variant="default" onClick={() => void add()} disabled={address.trim() === ""}>
        Add the address
      </Button>
    </div>
  );
}
