/** The `user` channel of every market: tells what happened to one's own orders, and has balances and orders read again. */
import { notifications } from "@mantine/notifications";
import { useEffect } from "react";
import { ownStateChanged } from "../api/queries";
import { reasonWords } from "../api/words";
import { useSession } from "../auth/session";
import { formatUnits, plain, units } from "../domain/decimal";
import { type FeedMessage, feed } from "./connection";

export function useOwnEvents(productIds: readonly string[]): void {
  const { userId, status } = useSession();
  const key = productIds.join(",");
  useEffect(() => {
    if (status !== "signed-in" || key === "") return;
    const mine = (handler: (message: FeedMessage) => void) => (message: FeedMessage) => {
      if (message.user_id === userId) handler(message);
    };
    const ends = [
      ...key.split(",").map((id) => feed.subscribe("user", id)),
      feed.listen(
        "match",
        mine((message) => {
          tellMatch(message);
          ownStateChanged();
        }),
      ),
      feed.listen(
        "done",
        mine((message) => {
          tellDone(message);
          ownStateChanged();
        }),
      ),
      feed.listen(
        "amend_rejected",
        mine((message) => {
          tellRefusedAmend(message);
          ownStateChanged();
        }),
      ),
      ...["received", "open", "change", "activate"].map((type) => feed.listen(type, mine(ownStateChanged))),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [key, status, userId]);
}

function tellMatch(message: FeedMessage): void {
  const taker = message.taker_fee_rate !== undefined;
  const makerBuys = message.side === "buy";
  const bought = taker ? !makerBuys : makerBuys;
  const [base, quote] = String(message.product_id).split("-");
  notifications.show({
    color: bought ? "teal" : "red",
    title: bought ? "Bought" : "Sold",
    message: `${plain(units(String(message.size)))} ${base} at ${formatUnits(units(String(message.price)), 2, { group: true })} ${quote}`,
  });
}

function tellDone(message: FeedMessage): void {
  if (message.cancel_reason === "rejected") {
    notifications.show({
      color: "red",
      title: "Order refused",
      autoClose: 10_000,
      message: `${String(message.product_id)}: ${reasonWords(String(message.reject_reason))}.`,
    });
  } else if (message.reason === "canceled" && message.cancel_reason !== "canceled") {
    notifications.show({
      color: "gray",
      title: "Order cancelled",
      message: `${String(message.product_id)}: ${reasonWords(String(message.cancel_reason))}.`,
    });
  }
}

function tellRefusedAmend(message: FeedMessage): void {
  notifications.show({
    color: "red",
    title: "Change refused",
    autoClose: 10_000,
    message: `${String(message.product_id)}: ${reasonWords(String(message.reject_reason))}. The order is as it was.`,
  });
}
