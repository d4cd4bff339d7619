/** Makes a market move, for pictures: one maker and one taker of their own, a random walk, until it is ended. */
import { Trader } from "./exchange.mjs";

const [base, pauseMs = "1000"] = process.argv.slice(2);
const MARKETS = {
  "BTC-USD": { middle: 64250, tick: 0.01, places: 2, size: 0.05, digits: 6 },
  "ETH-USD": { middle: 3120, tick: 0.01, places: 2, size: 0.8, digits: 6 },
  "ETH-BTC": { middle: 0.0486, tick: 0.00001, places: 5, size: 0.9, digits: 3 },
  "SOL-USD": { middle: 148.2, tick: 0.01, places: 2, size: 12, digits: 4 },
};
const FUNDS = { USD: "1000000", BTC: "20", ETH: "400", SOL: "10000" };
const maker = await Trader.make(base, FUNDS);
const taker = await Trader.make(base, FUNDS);
const resting = Object.fromEntries(Object.keys(MARKETS).map((id) => [id, []]));
const random = (low, high) => low + Math.random() * (high - low);
let round = 0;

async function quote(id, market, depth) {
  const side = Math.random() < 0.5 ? "buy" : "sell";
  const away = market.middle * (0.00004 + Math.abs(random(-1, 1) * random(0, 1)) * depth);
  const price = (market.middle + (side === "buy" ? -away : away)).toFixed(market.places);
  const order = await maker.order(id, side, price, (market.size * random(0.1, 2.5)).toFixed(market.digits), {
    post_only: true,
  });
  resting[id].push(order.id);
}

for (const [id, market] of Object.entries(MARKETS)) for (let n = 0; n < 40; n++) await quote(id, market, 0.004).catch(() => {});
for (;;) {
  for (const [id, market] of Object.entries(MARKETS)) {
    if (id !== "BTC-USD" && round % 4 !== 0) continue;
    market.middle *= 1 + random(-1, 1) * 0.0006 + Math.sin(round / 90) * 0.00006;
    try {
      await quote(id, market, 0.0025);
      if (Math.random() < 0.7) await quote(id, market, 0.0006);
      if (Math.random() < 0.6) {
        const side = Math.random() < 0.5 + Math.sin(round / 60) * 0.15 ? "buy" : "sell";
        await taker.call("POST", "/orders", {
          product_id: id,
          side,
          type: "market",
          size: (market.size * random(0.05, 0.6)).toFixed(market.digits),
        });
      }
      while (resting[id].length > 90) {
        const order = resting[id].splice(Math.floor(random(0, 40)), 1)[0];
        await maker.call("DELETE", `/orders/${order}`).catch(() => {});
      }
    } catch (failure) {
      console.error(String(failure));
    }
  }
  round++;
  await new Promise((done) => setTimeout(done, Number(pauseMs)));
}
