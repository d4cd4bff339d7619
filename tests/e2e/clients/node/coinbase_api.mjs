// The unmodified coinbase-api: its client of the Exchange API.
// Called with one JSON argument: trading, key, secret, passphrase.

import {CBExchangeClient} from 'coinbase-api';
import {serve} from './stdio.mjs';

const settings = JSON.parse(process.argv[2]);
await serve({
  rest: new CBExchangeClient({
    apiKey: settings.key, apiSecret: settings.secret, apiPassphrase: settings.passphrase, baseUrl: settings.trading,
  }),
});
