/** Money that leaves: the address book, its waiting time and its end, limits, taking back; and the ledger as a file. */
import { readFile } from "node:fs/promises";
import { expect, type Page, test } from "@playwright/test";
import { makeOperator, Trader } from "./exchange.mjs";
import { BASE, signIn } from "./screen";

const ADDRESS = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";
const balance = (page: Page, currency: string) => page.locator(`tr[data-currency="${currency}"]`).first();
const transfers = (page: Page) => page.getByRole("region", { name: "Deposits and withdrawals" }).first();
const dialog = (page: Page) => page.getByRole("dialog");

test("coins go to an address of the address book, once its waiting time is over", async ({ page }) => {
  const trader = await Trader.make(BASE, { BTC: "3" });
  await signIn(page, trader, "/wallet");
  await page.getByRole("button", { name: "Withdraw BTC" }).click();
  await dialog(page).getByRole("button", { name: "Add an address" }).click();
  await dialog(page).getByLabel("Address", { exact: true }).fill("not an address!");
  await dialog(page).getByRole("button", { name: "Add the address" }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible();
  await dialog(page).getByLabel("Address", { exact: true }).fill(ADDRESS);
  await dialog(page).getByLabel("Name").fill("cold");
  await dialog(page).getByRole("button", { name: "Add the address" }).click();
  const option = dialog(page).locator("option", { hasText: `cold: ${ADDRESS}` });
  await expect(option).toHaveText(/\(from \d/);
  await expect(dialog(page).getByRole("status")).toContainText("No address may be used yet");
  await dialog(page).getByLabel("Amount (BTC)").fill("0.1");
  await expect(dialog(page).getByRole("button", { name: "Withdraw" })).toBeDisabled();
  // A sandbox's waiting time is ten seconds.
  await expect(dialog(page).getByRole("button", { name: "Withdraw" })).toBeEnabled();
  await expect(option).not.toHaveText(/\(from/);

  await dialog(page).getByLabel("Amount (BTC)").fill("4");
  await expect(dialog(page)).toContainText("3.000000 BTC is available");
  await dialog(page).getByLabel("Amount (BTC)").fill("0.0001");
  await expect(dialog(page)).toContainText("The least is 0.000500 BTC");
  await dialog(page).getByLabel("Amount (BTC)").fill("0.1");
  await expect(dialog(page)).toContainText("0.099900 BTC"); // arrives
  await dialog(page).getByRole("button", { name: "Withdraw" }).click();
  await expect(dialog(page)).toBeHidden();
  const row = transfers(page).locator("tr[data-transfer]").first();
  await expect(row).toContainText("0.100000 BTC");
  await expect(row).toContainText(ADDRESS);
  await expect(balance(page, "BTC")).toContainText("2.900000");
});

test("of two receivers at one address the one with the tag is paid", async ({ page }) => {
  const trader = await Trader.make(BASE, { BTC: "3" });
  await trader.call("POST", "/address-book", { addresses: [{ currency: "BTC", to: { address: ADDRESS }, label: "cold" }] });
  await signIn(page, trader, "/wallet");
  await page.getByRole("button", { name: "Withdraw BTC" }).click();
  await dialog(page).getByRole("button", { name: "Add an address" }).click();
  await dialog(page).getByLabel("Address", { exact: true }).fill(ADDRESS);
  await dialog(page).getByLabel("Tag").fill("7041");
  await dialog(page).getByLabel("Name").fill("shared");
  await dialog(page).getByRole("button", { name: "Add the address" }).click();
  const option = dialog(page).locator("option", { hasText: `shared: ${ADDRESS}, tag 7041` });
  await expect(option).toBeEnabled(); // after its waiting time
  await dialog(page)
    .getByLabel("To an address of your address book")
    .selectOption((await option.getAttribute("value"))!);
  await dialog(page).getByLabel("Amount (BTC)").fill("0.1");
  await dialog(page).getByRole("button", { name: "Withdraw" }).click();
  await expect(dialog(page)).toBeHidden();
  await expect(transfers(page).locator("tr[data-transfer]").first()).toContainText(`${ADDRESS}, tag 7041`);
  const [made] = await trader.call("GET", "/transfers?type=withdraw");
  expect(made.details.destination_tag).toBe("7041");
  await expect(page.getByRole("region", { name: "Address book" }).first()).toContainText(`${ADDRESS}, tag 7041`);
});

test("the limits are told before anything is sent, and what is left of them afterwards", async ({ page }) => {
  const trader = await Trader.make(BASE, { USD: "100000" });
  await signIn(page, trader, "/wallet");
  const figures = () => dialog(page).locator("dl");
  const amount = () => dialog(page).getByLabel("Amount (USD)");
  const send = () => dialog(page).getByRole("button", { name: "Withdraw" });
  await page.getByRole("button", { name: "Withdraw USD" }).click();
  await expect(figures()).toContainText("Least1.00 USD");
  await expect(figures()).toContainText("Left of 50,000.00 USD in 24 hours50,000.00 USD");
  await expect(figures()).toContainText("Without asking an operator, up to10,000.00 USD");
  await amount().fill("50000.01");
  await expect(dialog(page)).toContainText("50,000.00 USD is left of your 50,000.00 USD in 24 hours");
  await expect(send()).toBeDisabled();
  await dialog(page).getByRole("button", { name: "All" }).click();
  await expect(amount()).toHaveValue("50000");
  await expect(dialog(page).getByRole("status")).toHaveText("An operator has to approve this amount.");
  await amount().fill("10000");
  await expect(dialog(page).getByRole("status")).toBeHidden();
  await send().click();
  await expect(dialog(page)).toBeHidden();
  await page.getByRole("button", { name: "Withdraw USD" }).click();
  await expect(figures()).toContainText("Left of 50,000.00 USD in 24 hours40,000.00 USD");
  // Elsewhere more was withdrawn meanwhile, and the screen has not heard of it: the exchange has the last word.
  await page.route("**/users/self/exchange-limits", (route) => route.abort());
  await amount().fill("40000");
  const [method] = await trader.call("GET", "/payment-methods");
  await trader.call("POST", "/withdrawals/payment-method", { currency: "USD", amount: "30000", payment_method_id: method.id });
  await send().click();
  await expect(dialog(page).getByRole("alert")).toContainText("more than your account may withdraw in 24 hours");
});

test("an address is taken out of the book, once that was confirmed", async ({ page }) => {
  const trader = await Trader.make(BASE, { BTC: "1" });
  const book = () => trader.call("GET", "/address-book");
  await trader.call("POST", "/address-book", {
    addresses: [
      { currency: "BTC", to: { address: ADDRESS }, label: "cold" },
      { currency: "ETH", to: { address: "0x52908400098527886E0F7030069857D2E4169EE7" } },
    ],
  });
  await signIn(page, trader, "/wallet");
  const card = page.getByRole("region", { name: "Address book" }).first();
  const row = card.locator(`tr[data-address="${ADDRESS}"]`);
  await expect(card.locator("tbody tr")).toHaveCount(2);
  await expect(row).toContainText(/From \d/);
  await expect(row).toContainText("Now"); // a sandbox's waiting time is ten seconds
  await row.getByRole("button", { name: "Remove cold" }).click();
  await expect(dialog(page)).toContainText(`BTC cannot be withdrawn to ${ADDRESS} any more.`);
  await dialog(page).getByRole("button", { name: "Keep it" }).click();
  await expect(dialog(page)).toBeHidden();
  expect(await book()).toHaveLength(2);
  await row.getByRole("button", { name: "Remove cold" }).click();
  await dialog(page).getByRole("button", { name: "Remove" }).click();
  await expect(dialog(page)).toBeHidden();
  await expect(row).toBeHidden();
  expect((await book()).map((entry: { currency: string }) => entry.currency)).toEqual(["ETH"]);
  await page.getByRole("button", { name: "Withdraw BTC" }).click();
  await expect(dialog(page).getByRole("button", { name: "Add an address" })).toBeVisible();
  await expect(dialog(page).locator("option")).toHaveCount(0);
  await page.keyboard.press("Escape");

  // Removed elsewhere meanwhile: that is said, and the row goes.
  const ether = card.locator("tbody tr");
  await ether.getByRole("button", { name: "Remove 0x529" }).click();
  await trader.call("DELETE", `/address-book/${(await book())[0].id}`);
  await dialog(page).getByRole("button", { name: "Remove" }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible();
  await dialog(page).getByRole("button", { name: "Keep it" }).click();
  await expect(card).toContainText("No addresses yet.");
});

test("a withdrawal that waits for an operator is taken back, another is refused: the money is there again", async ({
  page,
}) => {
  const trader = await Trader.make(BASE, { USD: "50000" });
  const operator = await makeOperator(BASE);
  await signIn(page, trader, "/wallet");
  const withdraw = async (): Promise<void> => {
    await page.getByRole("button", { name: "Withdraw USD" }).click();
    await dialog(page).getByLabel("Amount (USD)").fill("20000");
    await dialog(page).getByRole("button", { name: "Withdraw" }).click();
    await expect(dialog(page)).toBeHidden();
  };
  const row = transfers(page).locator('tr[data-transfer]:has-text("Withdrawal")').first();
  await withdraw();
  await expect(row).toContainText("Waiting for approval");
  await expect(balance(page, "USD").locator("td").nth(1)).toHaveText("30,000.00");
  await expect(balance(page, "USD").locator("td").nth(2)).toHaveText("20,000.00");
  await row.getByRole("button", { name: "Take back" }).click();
  await expect(row).toContainText("Taken back");
  await expect(balance(page, "USD").locator("td").nth(1)).toHaveText("50,000.00");

  await withdraw();
  await expect(row).toContainText("Waiting for approval");
  const [waiting] = (await trader.call("GET", "/transfers")).filter((one: { status: string }) => one.status === "requested");
  await operator.call("POST", `/admin/withdrawals/${waiting.id}/refuse`, { reason: "a test of the wallet" });
  await row.getByRole("button", { name: "Take back" }).click(); // the screen did not know yet
  await expect(page.getByText("Not taken back")).toBeVisible();
  await expect(row).toContainText("Refused");
  await expect(balance(page, "USD").locator("td").nth(1)).toHaveText("50,000.00");
});

test("the ledger's file holds what the API answers, row by row", async ({ page }) => {
  const [maker, taker] = [await Trader.make(BASE, { BTC: "1" }), await Trader.make(BASE, { USD: "100000" })];
  for (let n = 1; n <= 3; n++) {
    await maker.order("BTC-USD", "sell", "45000.01", `0.01${n}`);
    await taker.order("BTC-USD", "buy", "45000.01", `0.01${n}`);
  }
  const dollars = (await taker.call("GET", "/accounts")).find((row: { currency: string }) => row.currency === "USD");
  const ledger = async () => taker.call("GET", `/accounts/${dollars.id}/ledger?limit=1000`);
  await expect.poll(async () => (await ledger()).length).toBe(7); // the deposit, three trades, three fees
  await signIn(page, taker, "/wallet");
  const card = page.getByRole("region", { name: "Ledger" }).first();
  await expect(card.locator("tbody tr")).toHaveCount(7);
  const [file] = await Promise.all([page.waitForEvent("download"), card.getByRole("button", { name: "CSV" }).click()]);
  expect(file.suggestedFilename()).toBe("ledger-USD.csv");
  const [head, ...lines] = (await readFile((await file.path())!, "utf8")).trimEnd().split("\r\n");
  expect(head).toBe("time,id,type,amount,balance,currency,product,trade,order,transfer");
  const rows = await ledger();
  expect(lines.map((line) => line.split(","))).toEqual(
    rows.map((row: Record<string, string> & { details: Record<string, string> }) => [
      row.created_at,
      row.id,
      row.type,
      row.amount,
      row.balance,
      "USD",
      row.details.product_id ?? "",
      row.details.trade_id ?? "",
      row.details.order_id ?? "",
      row.details.transfer_id ?? "",
    ]),
  );
  // And it adds up: every row's balance is the one below it and its amount.
  const units = (text: string): bigint => BigInt(text.replace(".", ""));
  for (let n = 0; n + 1 < rows.length; n++) {
    expect(units(rows[n].balance)).toBe(units(rows[n + 1].balance) + units(rows[n].amount));
  }
});
