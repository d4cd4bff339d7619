// The unmodified ccxt in JavaScript: REST, and what its `pro` part watches.
// Called with one JSON argument: trading, websocket, key, secret, passphrase.

import ccxt from 'ccxt';
import {serve} from './stdio.mjs';

const settings = JSON.parse(process.argv[2]);
const bot = new ccxt.pro.coinbaseexchange({apiKey: settings.key, secret: settings.secret, password: settings.passphrase});
bot.urls.api = {public: settings.trading, private: settings.trading, ws: settings.websocket};
await bot.loadHttpProxyAgent(); // what it wants for a ws:// without TLS
await serve({bot});
