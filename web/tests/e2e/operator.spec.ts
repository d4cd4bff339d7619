import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { makeOperator, Trader } from "./exchange.mjs";
import { BASE, form, live, signIn } from "./screen";

test.describe.configure({ mode: "serial" });

const MARKET = "ETH-USD";
const card = (page: Page) => page.getByRole("region", { name: MARKET });

async function steer(page: Page, button: string, act: string, reason: string): Promise<void> {
  await card(page).getByRole("button", { name: button }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("button", { name: act, exact: true })).toBeDisabled();
  await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: act, exact: true }).click();
  await expect(dialog).toBeHidden();
}

test("an operator halts a market and the trading form says so; an auction, and it is open again", async ({ page, browser }) => {
  const operator = await makeOperator(BASE);
  const trader = await Trader.make(BASE, { USD: "10000" });
  const other = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await signIn(other, trader, `/trade/${MARKET}`);
  await live(other);
  await form(other).getByRole("textbox", { name: "Price" }).fill("100");
  await form(other).getByRole("textbox", { name: "Size" }).first().fill("1");
  const buy = form(other).getByRole("button", { name: "Buy ETH" });
  await expect(buy).toBeEnabled();

  await signIn(page, operator, "/operator/markets");
  await expect(card(page)).toContainText("online");
  await steer(page, "Halt", "Halt", "a test of the console");
  await expect(card(page)).toContainText("halted");
  await expect(card(page)).toContainText("a test of the console");
  await expect(form(other).getByTestId("market-problem")).toContainText("halted");
  await expect(buy).toBeDisabled();

  await steer(page, "Collect for an auction", "Collect orders", "orders first");
  await expect(card(page)).toContainText("auction");
  await steer(page, "Resume", "Resume", "the test is over");
  await expect(card(page)).toContainText("online");
  await expect(buy).toBeEnabled();

  await page.getByRole("link", { name: "Acts" }).click();
  const acts = page.getByRole("region", { name: "Acts" }).first();
  for (const reason of ["a test of the console", "orders first", "the test is over"]) await expect(acts).toContainText(reason);
  await page.goto(`/operator/journal/${MARKET}`);
  const entries = page.getByRole("region", { name: "Journal entries" });
  await expect(entries).toContainText("halted");
  await expect(entries).toContainText("resumed");
  await expect(entries).toContainText("verified");
  await entries.getByRole("link").first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(`${MARKET}, entry`);
});

test("a correction takes two operators; a frozen account says so", async ({ page }) => {
  const [asks, decides] = [await makeOperator(BASE), await makeOperator(BASE)];
  const trader = await Trader.make(BASE, { USD: "100" });
  const [profile] = await trader.call("GET", "/profiles");
  await signIn(page, asks, `/operator/accounts/${profile.id}`);
  await page.getByRole("button", { name: "Adjust" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Asset").selectOption("USD");
  await dialog.getByLabel("Amount").fill("-12.5");
  await dialog.getByLabel("Reason").fill("credited twice");
  await dialog.getByRole("button", { name: "Ask for it" }).click();
  await expect(dialog).toBeHidden();
  await page.getByRole("link", { name: "Adjustments" }).click();
  await expect(page.getByRole("region", { name: "Adjustments" })).toContainText("another operator decides");
  await page.goto(`/operator/accounts/${profile.id}`);
  await page.getByRole("button", { name: "Freeze" }).click();
  await dialog.getByLabel("Reason").fill("a question to its owner");
  await dialog.getByRole("button", { name: "Freeze" }).click();
  await expect(page.getByRole("region", { name: "Account" }).first()).toContainText("frozen");
  const [waiting] = await decides.call("GET", "/admin/adjustments?status=requested");
  await decides.call("POST", `/admin/adjustments/${waiting.id}/approve`, { reason: "seen" });
  await expect(page.getByRole("region", { name: "Balances" }).first()).toContainText("87.50");
});

test("the console is for operators", async ({ page }) => {
  const trader = await Trader.make(BASE);
  await signIn(page, trader);
  await page.goto("/operator/markets");
  await page.waitForURL((url) => !url.pathname.startsWith("/operator"));
  await expect(page.getByRole("link", { name: "Operator" })).toBeHidden();
});

const SOME = ["markets", "health", `journal/${MARKET}/1`];
const PAGES = [...SOME, "invariants", `journal/${MARKET}`, "withdrawals", "accounts", "adjustments", "fees", "acts"];

test("no page of the console has a serious finding, in either scheme, or scrolls sideways on a phone", async ({ page }) => {
  test.setTimeout(400_000);
  await signIn(page, await makeOperator(BASE), "/operator/markets");
  for (const scheme of ["dark", "light"]) {
    await page.evaluate((to) => localStorage.setItem("mantine-color-scheme-value", to), scheme);
    for (const path of scheme === "dark" ? PAGES : SOME) {
      await page.goto(`/operator/${path}`);
      await page.locator("main section").first().waitFor();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(serious.map(({ id, nodes }) => `${scheme} ${path}: ${id} ${nodes[0]?.html}`)).toEqual([]);
    }
  }
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of PAGES) {
    await page.goto(`/operator/${path}`);
    await page.locator("main section").first().waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), path).toBe(
      0,
    );
  }
});
