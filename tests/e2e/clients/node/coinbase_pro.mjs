// The unmodified coinbase-pro: REST, feed and `OrderbookSync`, which keeps level 3 from `full` by strict sequence.
// Called with one JSON argument: trading, websocket, key, secret, passphrase, product_id.

import pro from 'coinbase-pro';
import {Seen, serve} from './stdio.mjs';

const settings = JSON.parse(process.argv[2]);
const auth = {key: settings.key, secret: settings.secret, passphrase: settings.passphrase};
const rest = new pro.AuthenticatedClient(auth.key, auth.secret, auth.passphrase, settings.trading);

class Book {
  open() {
    this.synced = 0;
    this.errors = [];
    this.sync = new pro.OrderbookSync([settings.product_id], settings.trading, settings.websocket);
    this.sync.on('error', error => this.errors.push(String(error.reason ?? error.message)));
    return new Promise(resolve => this.sync.on('synced', () => {
      this.synced += 1;
      resolve(true);
    }));
  }

  state() {
    const {bids, asks} = this.sync.books[settings.product_id].state();
    const rows = orders => orders.map(order => [order.price.toFixed(), order.size.toFixed(), order.id]);
    return {synced: this.synced, errors: this.errors, bids: rows(bids), asks: rows(asks)};
  }
}

class Feed extends Seen {
  open(channels, signed) {
    const feed = new pro.WebsocketClient([settings.product_id], settings.websocket, signed ? auth : null, {channels});
    feed.on('message', message => this.add(message));
    feed.on('error', error => this.add({type: 'error', message: error.message, reason: error.reason}));
    return new Promise(resolve => feed.on('open', () => resolve(true)));
  }
}

await serve({rest, book: new Book(), feed: new Feed()});
