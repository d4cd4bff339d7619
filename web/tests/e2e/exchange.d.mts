export const PASSWORD: string;
export interface Config {
  cognito: { endpoint: string; region: string; userPoolId: string; userPoolClientId: string };
}
export function readConfig(base: string): Promise<Config>;
// biome-ignore lint/suspicious/noExplicitAny: whatever the service answers; the tests look into it
export function cognito(config: Config, operation: string, body: object): Promise<any>;
export function totp(secret: string, atMs?: number): string;
export class Trader {
  base: string;
  token: string;
  email: string;
  static make(base: string, funds?: Record<string, string>, email?: string): Promise<Trader>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the exchange answers; the tests look into it
  call(method: string, path: string, body?: unknown): Promise<any>;
  order(
    product: string,
    side: "buy" | "sell",
    price: string | number,
    size: string | number,
    more?: object,
  ): Promise<{ id: string }>;
}
export function makeOperator(base: string): Promise<Trader>;
