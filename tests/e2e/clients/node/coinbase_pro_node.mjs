// The unmodified coinbase-pro-node: REST and feed, signed and (a second client) without credentials.
// Called with one JSON argument: trading, websocket, key, secret, passphrase.

import {CoinbasePro, WebSocketEvent} from 'coinbase-pro-node';
import {Seen, serve} from './stdio.mjs';

const settings = JSON.parse(process.argv[2]);
const urls = {httpUrl: settings.trading, wsUrl: settings.websocket};
const signed = new CoinbasePro({apiKey: settings.key, apiSecret: settings.secret, passphrase: settings.passphrase, ...urls});
const stranger = new CoinbasePro({apiKey: '', apiSecret: '', passphrase: '', ...urls});

class Feed extends Seen {
  constructor(client) {
    super();
    this.client = client;
  }

  // Connects; done when the socket is open.
  open() {
    const ws = this.client.ws;
    ws.on(WebSocketEvent.ON_MESSAGE, message => this.add(message));
    return new Promise(resolve => {
      ws.on(WebSocketEvent.ON_OPEN, () => resolve(true));
      ws.connect({debug: false});
    });
  }

  subscribe(channels) {
    return this.client.ws.subscribe(channels);
  }

  unsubscribe(channels) {
    return this.client.ws.unsubscribe(channels);
  }
}

await serve({rest: signed.rest, strange: stranger.rest, feed: new Feed(signed), publicFeed: new Feed(stranger)});
