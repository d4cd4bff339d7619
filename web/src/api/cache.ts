import { QueryClient } from "@tanstack/react-query";
import { getSession, onSessionChange } from "../auth/session";
import { ApiError } from "./errors";

/** What REST answered, by key. What the user asked for in vain is not asked again; what the network lost is, twice. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, failure) => count < 2 && failure instanceof ApiError && (failure.status === 0 || failure.status >= 500),
    },
  },
});

const PUBLIC = new Set(["products", "currencies", "candles", "spark-lines"]);

/** What was read for one user is nothing for the next one at this screen. */
let userId = "";
onSessionChange(() => {
  if (getSession().userId === userId) return;
  userId = getSession().userId;
  queries.removeQueries({ predicate: ({ queryKey }) => !PUBLIC.has(String(queryKey[0])) });
});
