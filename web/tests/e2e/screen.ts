/** What several tests do on the screen. */
import { expect, type Page } from "@playwright/test";
import { PASSWORD, type Trader } from "./exchange.mjs";

export const BASE = process.env.EXCHANGE_URL ?? "";

export async function signIn(page: Page, trader: Trader, to = "/trade/BTC-USD"): Promise<void> {
  await page.goto(`/sign-in?to=${encodeURIComponent(to)}`);
  await page.getByLabel("E-mail").fill(trader.email);
  await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await page.locator("form").getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL(`**${to}`);
}

export const form = (page: Page) => page.getByRole("form", { name: "Order form" });
export const book = (page: Page) => page.getByTestId("book");

export async function live(page: Page): Promise<void> {
  await expect(book(page)).toHaveAttribute("data-trusted", "true");
}

export async function placeLimit(page: Page, side: "Buy" | "Sell", price: string, size: string): Promise<void> {
  await form(page).getByRole("radio", { name: side }).click();
  await form(page).getByRole("textbox", { name: "Price", exact: false }).first().fill(price);
  await form(page).getByRole("textbox", { name: "Size", exact: false }).first().fill(size);
  await form(page)
    .getByRole("button", { name: new RegExp(`^${side} `) })
    .click();
}

/** The best levels that the screen holds. */
export const topOfScreen = (page: Page): Promise<{ bids: string[]; asks: string[]; sequence: number }> =>
  page.evaluate(() => {
    const { book } = (window as unknown as { marketFeed: { book: Record<string, never> } }).marketFeed;
    const top = (side: string): string[] =>
      (book[side] as unknown as { top(count: number): { text: string }[] }).top(10).map((level) => level.text);
    return { bids: top("bids"), asks: top("asks"), sequence: book.sequence as unknown as number };
  });

/** The book that REST answers, in the same words. */
export async function topOfExchange(product = "BTC-USD"): Promise<{ bids: string[]; asks: string[]; sequence: number }> {
  const answer = await (await fetch(`${BASE}/products/${product}/book?level=2`)).json();
  const top = (rows: [string, string][]): string[] => rows.slice(0, 10).map(([price, size]) => `${price}:${size}`);
  return { bids: top(answer.bids), asks: top(answer.asks), sequence: answer.sequence };
}
