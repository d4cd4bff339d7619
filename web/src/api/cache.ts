import { QueryClient } from "@tanstack/react-query";
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
