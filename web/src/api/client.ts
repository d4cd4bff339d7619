/** Every call of the application door: one place for the token, the error shape and the pages. Money stays text. */
import { config } from "../app/config";
import { accessToken, sessionEnded } from "../auth/session";
import { ApiError } from "./errors";

export type Query = Record<string, string | number | readonly string[] | undefined>;

export interface Page<Row> {
  rows: Row[];
  /** The cursor of the next older page; absent on the last. */
  after?: string;
  before?: string;
}

interface Call {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  query?: Query;
  body?: unknown;
  /** Public routes are asked without a token. */
  open?: boolean;
  signal?: AbortSignal;
}

export async function call<T>(path: string, options: Call = {}): Promise<T> {
  return (await send(path, options)).body as T;
}

export async function page<Row>(path: string, options: Call = {}): Promise<Page<Row>> {
  const { body, headers } = await send(path, options);
  return { rows: body as Row[], after: headers.get("cb-after") ?? undefined, before: headers.get("cb-before") ?? undefined };
}

async function send(path: string, { method = "GET", query, body, open, signal }: Call) {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (!open) {
    const token = await readToken();
    if (token === null) {
      sessionEnded();
      throw new ApiError(401, "signed_out", "Sign in to go on.");
    }
    headers.authorization = `Bearer ${token}`;
  }
  let answer: Response;
  try {
    answer = await fetch(config().api + path + search(query), {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (failure) {
    if (failure instanceof DOMException && failure.name === "AbortError") throw failure;
    throw new ApiError(0, "unreachable", "The exchange cannot be reached.");
  }
  const text = await answer.text();
  let parsed: unknown = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(answer.status, "unreadable", `The exchange answered ${answer.status} with something unreadable.`);
  }
  if (!answer.ok) {
    const told = (parsed ?? {}) as { message?: string; code?: string; request_id?: string };
    if (answer.status === 401 && !open) sessionEnded();
    throw new ApiError(
      answer.status,
      told.code ?? `http_${answer.status}`,
      told.message ?? answer.statusText,
      told.request_id,
      Number(answer.headers.get("retry-after")) || undefined,
    );
  }
  return { body: parsed, headers: answer.headers };
}

async function readToken(): Promise<string | null> {
  try {
    return await accessToken();
  } catch {
    throw new ApiError(0, "unreachable", "The sign-in service cannot be reached.");
  }
}

function search(query: Query | undefined): string {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) made.append(name, String(one));
  }
  const text = made.toString();
  return text ? `?${text}` : "";
}
