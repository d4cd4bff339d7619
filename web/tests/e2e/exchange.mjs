/** A trader without a screen: signs up at the local pool and calls the application door, as any program would. */
import { createHmac, randomUUID } from "node:crypto";

export const PASSWORD = "Correct-horse-1-battery";

/** @param {string} base the address of the screen */
export async function readConfig(base) {
  return (await fetch(`${base}/config.json`)).json();
}

const IDENTITY = "AWSCognitoIdentityProviderService";

/** One call of the user pools' service, for the client of `config` where `body` names no other. */
export async function cognito(config, operation, body) {
  const answer = await fetch(config.cognito.endpoint, {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `${IDENTITY}.${operation}` },
    body: JSON.stringify({ ClientId: config.cognito.userPoolClientId, ...body }),
  });
  const parsed = await answer.json();
  if (!answer.ok) throw new Error(`${operation}: ${JSON.stringify(parsed)}`);
  return parsed;
}

export class Trader {
  constructor(base, token, email) {
    this.base = base;
    this.token = token;
    this.email = email;
  }

  static async make(base, funds = {}, email = `${randomUUID()}@example.com`) {
    const config = await readConfig(base);
    await cognito(config, "SignUp", {
      Username: email,
      Password: PASSWORD,
      UserAttributes: [{ Name: "email", Value: email }],
    });
    const { AuthenticationResult } = await cognito(config, "InitiateAuth", {
      AuthFlow: "USER_PASSWORD_AUTH",
      AuthParameters: { USERNAME: email, PASSWORD },
    });
    const trader = new Trader(base, AuthenticationResult.AccessToken, email);
    for (const [currency, amount] of Object.entries(funds)) {
      await trader.call("POST", "/deposits/faucet", { currency, amount });
    }
    return trader;
  }

  async call(method, path, body) {
    for (let attempt = 0; ; attempt++) {
      const answer = await fetch(this.base + path, {
        method,
        headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const parsed = await answer.json();
      if (answer.ok) return parsed;
      if ((answer.status !== 429 && answer.status !== 503) || attempt > 20) {
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(parsed)}`);
      }
      await new Promise((done) => setTimeout(done, 250));
    }
  }

  order(product_id, side, price, size, more = {}) {
    return this.call("POST", "/orders", { product_id, side, price: String(price), size: String(size), ...more });
  }
}

/** Puts a user into the group `operators`, as the owner of the pool would, and answers them with a token that says so. */
export async function makeOperator(base) {
  const trader = await Trader.make(base);
  const config = await readConfig(base);
  await cognito(config, "AdminAddUserToGroup", {
    UserPoolId: config.cognito.userPoolId,
    Username: trader.email,
    GroupName: "operators",
  });
  const { AuthenticationResult } = await cognito(config, "InitiateAuth", {
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: trader.email, PASSWORD },
  });
  trader.token = AuthenticationResult.AccessToken;
  return trader;
}

/** The code that an authenticator app shows for the secret (RFC 6238). */
export function totp(secret, atMs = Date.now()) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from(
    bits
      .join("")
      .match(/.{8}/g)
      .map((byte) => Number.parseInt(byte, 2)),
  );
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(atMs / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const at = digest[19] & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
