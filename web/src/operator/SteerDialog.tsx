import { Alert, Checkbox, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type Act, ActDialog } from "./ActDialog";
import type { AdminMarket, Move } from "./types";

const ACTS: Record<Move, (market: string) => Omit<Act, "path">> = {
  halt: (market) => ({
    title: `Halt ${market}?`,
    says: "No new orders and nothing is matched from now on. Open orders stay, and can be cancelled.",
    act: "Halt",
    danger: true,
    done: `${market} is halted.`,
  }),
  auction: (market) => ({
    title: `Collect orders for an auction in ${market}?`,
    says: "Orders that can rest are taken, and nothing is matched. Resume then trades what crosses at one price and opens the market.",
    act: "Collect orders",
    done: `${market} collects orders for an auction.`,
  }),
  resume: (market) => ({
    title: `Resume ${market}?`,
    says: "What crosses in the book trades at one price, then the market is open to all orders.",
    act: "Resume",
    done: `${market} is open.`,
  }),
};

/** Steers a market. One that a broken invariant halted is opened only by who says that it is understood. */
export function SteerDialog({ market, move, onClose }: { market: AdminMarket; move: Move; onClose: () => void }) {
  const [acknowledged, setAcknowledged] = useState(false);
  const needed = market.broken && move !== "halt";
  const act: Act = {
    ...ACTS[move](market.product_id),
    path: `/admin/markets/${market.product_id}/${move}`,
    body: needed ? { acknowledge_broken_invariant: acknowledged } : {},
  };
  return (
    <ActDialog act={act} onClose={onClose} ready={!needed || acknowledged}>
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
    </ActDialog>
  );
}
