/** The page at /docs: every operation of the document, readable, and nothing from elsewhere. */
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { BASE } from "./screen";

type Shown = { summary: string; responses: Record<string, unknown> };
type Api = { paths: Record<string, Record<string, Shown>> };

const operation = (page: Page, words: string) =>
  page.locator("details").filter({ has: page.locator("summary", { hasText: words }) });

test("lists every operation, opens one, and asks nobody but the exchange", async ({ page, request }) => {
  const troubles: string[] = [];
  const asked = new Set<string>();
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("request", (sent) => asked.add(new URL(sent.url()).origin));
  const api = (await (await request.get("/openapi.json")).json()) as Api;
  const wanted = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { summary }]) => `${method.toUpperCase()} ${path} ${summary}`),
  );
  expect(wanted.length).toBeGreaterThan(70);

  await page.goto("/docs");
  await expect(page.locator("details")).toHaveCount(wanted.length);
  const listed = await page
    .locator("summary")
    .evaluateAll((rows) =>
      rows.map((row) => [".method", "code", "small"].map((part) => row.querySelector(part)!.textContent).join(" ")),
    );
  expect(listed.toSorted()).toEqual(wanted.toSorted());

  // One with a body, closed at first; what it answers, and the codes of its errors.
  const placing = operation(page, "POST/orderstrade");
  await expect(placing.getByText("insufficient_funds")).toBeHidden();
  await placing.locator("summary").click();
  await expect(placing.getByText("insufficient_funds")).toBeVisible();
  await expect(placing.locator("pre").first()).toContainText('"product_id": "BTC-USD"');
  await expect(placing.locator("pre").nth(1)).toContainText('"filled_size"');
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT });

  // A public one can be tried.
  const time = operation(page, "GET/timepublic");
  await time.locator("summary").click();
  await time.getByRole("button", { name: "Try it" }).click();
  await expect(time.locator("pre").last()).toContainText("200 /time");

  await page.getByLabel("Filter").fill("withdrawals");
  const left = wanted.filter((row) => row.toLowerCase().includes("withdrawals"));
  await expect(page.locator("details:visible")).toHaveCount(left.length);
  await page.getByLabel("Filter").fill("");

  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map((violation) => `${violation.id}: ${violation.nodes[0]!.html}`)).toEqual([]);
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  expect([...asked]).toEqual([new URL(BASE).origin]);
  expect(troubles).toEqual([]);
});
