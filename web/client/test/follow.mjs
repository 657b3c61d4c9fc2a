// Follows one thread of a real server, as it is told on standard input, and tells on standard output what comes.
// `node follow.mjs BASE websocket|sse`; an order is a line `[number, what, …arguments]`, what is told a line of JSON.

import { createInterface } from "node:readline";

import { LangwireClient } from "../dist/client.js";

const [base, transport] = process.argv.slice(2);

/** Node's own WebSocket comes from no page; this one says that it does, as a browser would. */
class PageSocket extends globalThis.WebSocket {
  constructor(url) {
    super(url, { headers: { origin: new URL(url).origin.replace(/^ws/, "http") } });
  }
}

const tell = (told) => process.stdout.write(`${JSON.stringify(told)}\n`);
const client = new LangwireClient(base, {
  WebSocket: transport === "sse" ? null : PageSocket,
  retry: { first: 1, most: 50 },
});
let thread;
let connection;

const orders = {
  create: async (title) => (thread = await client.createThread(title)).id,
  open: async (id) => void (thread = client.thread(id)),
  connect: async (after) => {
    connection = thread.connect(
      {
        onEvent: (event) => tell({ event }),
        onReset: (reset) => tell({ reset }),
        onState: (state, why) => tell({ state, why: why?.code ?? null }),
      },
      after,
    );
  },
  position: async () => connection.position,
  close: async () => connection.close(),
  upload: async (text, type) => thread.upload(new Blob([text], { type })),
  download: async (id) => (await fetch(thread.fileUrl(id))).text(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [number, what, ...given] = JSON.parse(line);
  const done = orders[what] ? orders[what](...given) : (thread[what] ?? client[what]).call(thread[what] ? thread : client, ...given);
  // Not awaited: the next order may come before the answer to this one.
  done.then(
    (answer) => tell({ number, answer: answer ?? null }),
    ({ code, message }) => tell({ number, error: { code, message } }),
  );
}
connection?.close();
