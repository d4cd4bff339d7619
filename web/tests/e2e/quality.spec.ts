import AxeBuilder from "@axe-core/playwright";
import { expect, test } from "@playwright/test";
import { Trader } from "./exchange.mjs";
import { BASE, live, signIn } from "./screen";

for (const scheme of ["dark", "light"] as const) {
  test(`no serious finding of axe, ${scheme}`, async ({ browser }) => {
    const trader = await Trader.make(BASE, { USD: "10000", BTC: "1" });
    await trader.order("BTC-USD", "buy", "42000", "0.01");
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      colorScheme: scheme,
      reducedMotion: "reduce",
    });
    await context.addInitScript((value) => localStorage.setItem("mantine-color-scheme-value", value), scheme);
    const page = await context.newPage();
    const look = async (name: string): Promise<void> => {
      const { violations } = await new AxeBuilder({ page }).analyze();
      const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      expect(
        bad.map(
          ({ id, nodes }) =>
            `${name}: ${id}: ${nodes
              .slice(0, 3)
              .map(({ html }) => html.slice(0, 160))
              .join(" | ")}`,
        ),
      ).toEqual([]);
    };
    await page.goto("/sign-in");
    await page.getByLabel("E-mail").waitFor();
    await look("sign-in");
    await signIn(page, trader);
    await live(page);
    await page.locator("tr[data-order]").waitFor();
    await page.getByRole("button", { name: /Options/ }).click();
    await look("trade");
    for (const name of ["wallet", "activity", "settings"]) {
      await page.goto(`/${name}`);
      await page.locator("h1").waitFor();
      await page.waitForTimeout(1_000);
      await look(name);
    }
    await context.close();
  });
}

test("a phone shows everything without scrolling sideways", async ({ browser }) => {
  const trader = await Trader.make(BASE, { USD: "10000" });
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true });
  const page = await context.newPage();
  await signIn(page, trader);
  for (const path of ["/trade/BTC-USD", "/wallet", "/activity", "/settings"]) {
    await page.goto(path);
    await page.locator("h1").first().waitFor();
    await page.waitForTimeout(500);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
  }
  await page.goto("/trade/BTC-USD");
  await page.getByRole("tab", { name: "Book" }).click();
  await live(page);
  await page.getByRole("button", { name: "Buy", exact: true }).click();
  await expect(page.getByRole("dialog").getByRole("form", { name: "Order form" })).toBeVisible();
  await context.close();
});

test("who opens a page of their own without a session is asked to sign in, and comes back", async ({ page }) => {
  const trader = await Trader.make(BASE);
  await page.goto("/wallet");
  await page.waitForURL("**/sign-in?to=%2Fwallet");
  await signIn(page, trader, "/wallet");
  await expect(page.getByRole("heading", { name: "Wallet" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Wallet" })).toBeVisible();
});
