/**
 * The one WebSocket of a page. Owns the connection, what is subscribed and the measure of its health; hands each message to
 * those who listen. It never interprets a book: a listener that finds a gap asks for its snapshot again with `again`.
 */
import { config } from "../app/config";
import { accessToken, getSession, onSessionChange } from "../auth/session";
import { reconnectDelayMs } from "../domain/backoff";
import { Channels } from "../domain/channels";

export type Channel = "level2" | "matches" | "ticker" | "user" | "heartbeat" | "status";

export interface FeedMessage {
  type: string;
  product_id?: string;
  sequence?: number;
  time?: string;
  [field: string]: unknown;
}

export interface Health {
  state: "connecting" | "live" | "stale" | "offline";
  /** Milliseconds from the exchange's clock to this screen, of the newest message; null before the first. */
  lagMs: number | null;
  attempts: number;
}

/** No message for so long, with a heartbeat every second: the connection is asleep. Then it is opened anew. */
const STALE_AFTER_MS = 4_000;
const GIVE_UP_AFTER_MS = 12_000;

type Listener = (message: FeedMessage) => void;

class Connection {
  private socket: WebSocket | null = null;
  private readonly channels = new Channels();
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly watchers = new Set<() => void>();
  private attempts = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private heardAt = 0; // by a clock that nobody puts right
  private heartbeats = false;
  private clockOffsetMs = 0;
  private health: Health = { state: "connecting", lagMs: null, attempts: 0 };
  private started = false;

  // --- for components

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  readonly getHealth = (): Health => this.health;

  /** The exchange's clock, as well as it is known here. */
  readonly nowMs = (): number => Date.now() + this.clockOffsetMs;

  /** Messages of the type (and product) go to `listener` until the answer is called. */
  listen(type: string, listener: Listener): () => void {
    const found = this.listeners.get(type) ?? new Set();
    this.listeners.set(type, found.add(listener));
    return () => found.delete(listener);
  }

  /** Wants a channel of a product, or `status`, which has none, until the answer is called. */
  subscribe(channel: Channel, productId = ""): () => void {
    this.start();
    const key = `${channel} ${productId}`;
    if (this.channels.want(key)) this.ask([key]);
    return () => {
      if (this.channels.leave(key)) void this.send("unsubscribe", [key]);
    };
  }

  /** Subscribes once more, which begins with a new snapshot. */
  again(channel: Channel, productId: string): void {
    const key = `${channel} ${productId}`;
    if (this.channels.has(key)) this.ask([key]);
  }

  /** Drops the socket, as a network would. The tests do this; so may a person at the console. */
  drop(): void {
    this.socket?.close();
  }

  // --- the connection

  private start(): void {
    if (this.started) return;
    this.started = true;
    this.open();
    setInterval(() => this.check(), 1_000);
    window.addEventListener("online", () => this.socket === null && this.retryNow());
    window.addEventListener("offline", () => this.drop());
    let user = getSession().userId;
    // Signed in as somebody else, or not any more: private channels belong to a connection, so a new one is made.
    onSessionChange(() => {
      if (getSession().userId !== user) {
        const before = user;
        user = getSession().userId;
        if (before !== "") this.drop();
      }
    });
  }

  private open(): void {
    clearTimeout(this.timer);
    void this.readClock();
    const socket = new WebSocket(config().feed);
    this.socket = socket;
    socket.onopen = () => {
      this.heardAt = performance.now();
      this.heartbeats = false;
      void this.send("subscribe", this.channels.opened(performance.now()));
    };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      const frame = JSON.parse(event.data as string) as FeedMessage | FeedMessage[];
      for (const message of Array.isArray(frame) ? frame : [frame]) this.take(message);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.tell({ state: "offline", lagMs: null, attempts: this.attempts });
      this.timer = setTimeout(() => this.open(), reconnectDelayMs(this.attempts++, Math.random()));
    };
  }

  private retryNow(): void {
    this.attempts = 0;
    this.open();
  }

  private ask(keys: string[]): void {
    for (const key of keys) this.channels.sent(key, performance.now());
    void this.send("subscribe", keys);
  }

  private async send(type: "subscribe" | "unsubscribe", keys: string[]): Promise<void> {
    const socket = this.socket;
    if (socket?.readyState !== WebSocket.OPEN || keys.length === 0) return;
    const channels = new Map<string, string[]>();
    for (const key of keys) {
      const [name, product] = key.split(" ") as [string, string];
      channels.set(name, [...(channels.get(name) ?? []), product]);
    }
    // One request per channel: a request is done whole or not at all, and not every exchange has every channel.
    for (const [name, products] of channels) {
      const request: Record<string, unknown> = {
        type,
        channels: [name === "status" ? { name } : { name, product_ids: products }],
        ...(type === "subscribe" && { batch: true }),
      };
      if (name === "user" && type === "subscribe") {
        const token = await accessToken().catch(() => null);
        if (token === null) continue;
        request.token = token;
      }
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
    }
  }

  private take(message: FeedMessage): void {
    this.heardAt = performance.now();
    this.attempts = 0;
    if (message.type === "heartbeat") this.heartbeats = true;
    if (message.type === "subscriptions") this.channels.told(message.channels as Parameters<Channels["told"]>[0]);
    if (message.type === "error") console.warn(`feed: ${String(message.message)}: ${String(message.reason)}`);
    // A snapshot's time is that of the market's last change, however long ago that was.
    const fresh = message.type === "heartbeat" || message.type === "l2update" || message.type === "match";
    if (fresh && message.time !== undefined) {
      const lagMs = Math.max(0, Math.round(this.nowMs() - Date.parse(message.time)));
      if (this.health.state !== "live" || message.type === "heartbeat") this.tell({ state: "live", lagMs, attempts: 0 });
    } else if (this.health.state !== "live") {
      this.tell({ state: "live", lagMs: this.health.lagMs, attempts: 0 });
    }
    for (const listener of this.listeners.get(message.type) ?? []) listener(message);
  }

  private check(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.ask(this.channels.due(performance.now()));
    if (!this.heartbeats) return;
    const silentMs = performance.now() - this.heardAt;
    if (silentMs > GIVE_UP_AFTER_MS) this.drop();
    else if (silentMs > STALE_AFTER_MS && this.health.state === "live") this.tell({ ...this.health, state: "stale" });
  }

  /** How far this machine's clock is from the exchange's, so that the lag is the network's and not the clock's. */
  private async readClock(): Promise<void> {
    try {
      const sent = Date.now();
      const answer = await fetch(`${config().api}/time`);
      const received = Date.now();
      const { epoch } = (await answer.json()) as { epoch: number };
      this.clockOffsetMs = epoch * 1000 - (sent + received) / 2;
    } catch {
      // The next connection asks again; until then the clocks count as equal.
    }
  }

  private tell(health: Health): void {
    this.health = health;
    for (const watcher of this.watchers) watcher();
  }
}

export const feed = new Connection();
