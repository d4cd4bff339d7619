// Calls of a client's own methods over standard input and output, as drivers/stdio.py does it for Python.
//
// {"on": "rest.order", "call": "placeOrder", "args": [...]} calls that method of the object of that path; the answer is
// {"result": ...} or {"error": "<class>", "status": ..., "message": "..."}. console.log goes to standard error.

import {createInterface} from 'node:readline';

console.log = console.info = console.error;

export async function serve(objects) {
  for await (const line of createInterface({input: process.stdin})) {
    const request = JSON.parse(line);
    let answer;
    try {
      const on = request.on.split('.').reduce((found, name) => found[name], objects);
      answer = {result: (await on[request.call](...(request.args ?? []))) ?? null};
    } catch (error) {
      answer = {
        error: error.constructor?.name ?? 'Error',
        status: error.response?.status ?? error.response?.statusCode ?? error.code ?? null,
        message: error.response?.data?.message ?? error.data?.message ?? error.body?.message ?? String(error.message ?? error),
      };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
  }
  process.exit(0);
}

// Collects what an event emitter emits.
export class Seen {
  constructor() {
    this.seen = [];
  }

  add(message) {
    this.seen.push(message);
  }

  messages() {
    return this.seen;
  }
}
