import { Alert, Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, useState } from "react";
import { told } from "./Parts";
import { useSteer } from "./queries";
import type { AdminMarket, Move } from "./types";

interface Words {
  title: (market: string) => string;
  says: string;
  act: string;
  done: string;
}

const WORDS: Record<Move, Words> = {
  halt: {
    title: (market) => `Halt ${market}?`,
    says: "No new orders and nothing is matched from now on. Open orders stay, and can be cancelled.",
    act: "Halt",
    done: "is halted",
  },
  auction: {
    title: (market) => `Collect orders for an auction in ${market}?`,
    says: "Orders that can rest are taken, and nothing is matched. Resume then trades what crosses at one price and opens the market.",
    act: "Collect orders",
    done: "collects orders for an auction",
  },
  resume: {
    title: (market) => `Resume ${market}?`,
    says: "What crosses in the book trades at one price, then the market is open to all orders.",
    act: "Resume",
    done: "is open",
  },
};

/** Asks for a reason, which is kept with your name, and once more whether you mean it. */
export function SteerDialog({ market, move, onClose }: { market: AdminMarket; move: Move; onClose: () => void }) {
  const words = WORDS[move];
  const steer = useSteer();
  const [reason, setReason] = useState("");
  const [acknowledged, setAcknowledged] = useState(false);
  const needed = market.broken && move !== "halt";

  function send(event: FormEvent): void {
    event.preventDefault();
    steer.mutate(
      { productId: market.product_id, move, reason: reason.trim(), acknowledged: needed && acknowledged },
      {
        onSuccess: () => {
          notifications.show({ title: market.product_id, message: `${market.product_id} ${words.done}.` });
          onClose();
        },
      },
    );
  }

  return (
    <Modal opened onClose={onClose} title={words.title(market.product_id)} centered>
      <form onSubmit={send}>
        <Stack gap="md">
          <Text size="sm">{words.says}</Text>
          {needed && (
            <Alert color="red" title="An invariant is broken">
              <Stack gap="sm">
                <Text size="sm">{market.reason}</Text>
                <Checkbox
                  checked={acknowledged}
                  onChange={(event) => setAcknowledged(event.currentTarget.checked)}
                  label="The cause is known and put right. I open this market nevertheless."
                />
              </Stack>
            </Alert>
          )}
          <TextInput
            label="Reason"
            description="One line. It is kept with your name, and shown to other operators."
            required
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
          {steer.error !== null && (
            <Alert color="red" role="alert">
              {told(steer.error)}
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <Button
              type="submit"
              color={move === "halt" ? "red" : undefined}
              loading={steer.isPending}
              disabled={reason.trim() === "" || (needed && !acknowledged)}
            >
              {words.act}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
