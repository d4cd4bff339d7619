/** The pictures of docs/screens/, of a running exchange whose markets move: node shots.mjs ADDRESS FOLDER. */
import { mkdirSync, statSync } from "node:fs";
import { chromium } from "@playwright/test";
import { PASSWORD, Trader } from "./exchange.mjs";

const [base = "http://127.0.0.1:8080", folder = "../docs/screens"] = process.argv.slice(2);
const MOST_BYTES = 300_000;
mkdirSync(folder, { recursive: true });

const FUNDS = { USD: "250000", BTC: "3", ETH: "40", SOL: "900" };
const trader = await Trader.make(base, FUNDS, `trader-${Date.now() % 100_000}@example.com`);
const { price } = await (await fetch(`${base}/products/BTC-USD/ticker`)).json();
const at = (factor) => (Number(price) * factor).toFixed(2);
await trader.order("BTC-USD", "buy", at(0.9985), "0.25", { post_only: true });
await trader.order("BTC-USD", "sell", at(1.002), "0.4", { post_only: true });
await trader.call("POST", "/orders", { product_id: "BTC-USD", side: "buy", type: "market", size: "0.05" });
await trader.call("POST", "/orders", { product_id: "ETH-USD", side: "sell", type: "market", size: "1.2" });
await trader.call("POST", "/api-keys", { label: "Market maker", scopes: ["view", "trade"] });
await trader.call("POST", "/api-keys", {
  label: "Bookkeeping",
  scopes: ["view"],
  allowed_addresses: ["192.0.2.0/24"],
});
await trader.call("POST", "/address-book", {
  addresses: [
    { currency: "BTC", to: { address: "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq" }, label: "Cold storage" },
  ],
});

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});

async function session(scheme, width, height) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  await context.addInitScript((value) => localStorage.setItem("mantine-color-scheme-value", value), scheme);
  await context.addInitScript(() => localStorage.setItem("granularity", "60"));
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${base}/sign-in`);
  await page.getByLabel("E-mail").fill(trader.email);
  await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await page.locator("form").getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL("**/trade/**");
  await page.locator('[data-testid="book"][data-trusted="true"]').waitFor({ state: "attached" });
  return page;
}

async function shoot(page, name) {
  await page.mouse.move(1, 1);
  await page.waitForTimeout(4_000);
  const path = `${folder}/${name}.png`;
  await page.screenshot({ path });
  const { size } = statSync(path);
  console.log(`${path}: ${Math.round(size / 1024)} KiB`);
  if (size > MOST_BYTES) throw new Error(`${path} has ${size} bytes, at most ${MOST_BYTES} are wanted`);
}

const desk = await session("dark", 1440, 900);
const form = desk.getByRole("form", { name: "Order form" });
await form.getByRole("textbox", { name: "Price" }).fill(at(0.9995));
await form.getByRole("textbox", { name: "Size" }).first().fill("0.15");
await shoot(desk, "trade-dark");
await desk.goto(`${base}/wallet`);
await shoot(desk, "wallet-dark");
await desk.goto(`${base}/settings`);
await shoot(desk, "settings-dark");
const light = await session("light", 1440, 900);
await light.getByRole("button", { name: "Depth" }).click();
await shoot(light, "trade-light");
const phone = await session("dark", 390, 844);
await shoot(phone, "trade-phone");
await phone.getByRole("tab", { name: "Book" }).click();
await shoot(phone, "book-phone");
await browser.close();
