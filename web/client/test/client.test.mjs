// The client's own rules, against a server that says what a test has it say. `npm test` builds what is tested.

import assert from "node:assert/strict";
import { test } from "node:test";

import { LangwireClient, LangwireError, serverSent } from "../dist/client.js";

const hello = (position, more = {}) => ({ type: "hello", protocol: 1, thread_id: "t", position, ...more });
const entry = (seq, text) => ({ type: "text_delta", id: "m", text, seq, at_ms: 1 });
const past = (text) => ({ type: "text_delta", id: "m", text });
const live = (position) => ({ type: "live", position });
const problem = (status, code, id) =>
  new Response(JSON.stringify({ error: { code, message: "no", ...(id && { id }) } }), { status });

/** Let everything happen that is ready to. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
};

/** The server at the other end of every socket, in the order in which they were opened, and of every request. */
class Server {
  sockets = [];
  requests = [];
  /** What HTTP answers; by default the state of a thread. */
  answer = () => new Response(JSON.stringify({ thread_id: "t", position: "a:0" }));

  client(options = {}) {
    const server = this;
    class Socket {
      sent = [];
      closed = false;
      #listeners = {};
      constructor(url) {
        this.url = new URL(url);
        server.sockets.push(this);
        server.opened?.();
      }
      addEventListener(type, listener) {
        this.#listeners[type] = listener;
      }
      send(text) {
        this.sent.push(JSON.parse(text));
        server.heard?.();
      }
      close() {
        this.closed = true;
      }
      say(...frames) {
        for (const frame of frames) this.#listeners.message({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
      }
      drop(code = 1006, reason = "") {
        this.#listeners.close({ code, reason });
      }
      fail() {
        this.#listeners.error({});
      }
    }
    const fetch = async (url, init) => {
      const request = { url: new URL(url), ...init };
      server.requests.push(request);
      return server.answer(request);
    };
    return new LangwireClient("http://127.0.0.1/v1/", { WebSocket: Socket, fetch, retry: { first: 0, most: 0 }, ...options });
  }

  /** Wait for the socket with this number, from 0. */
  async socket(number) {
    while (this.sockets.length <= number) await new Promise((opened) => (this.opened = opened));
    await settle();
    return this.sockets[number];
  }
}

/** A reader who notes what it is told. */
function reading(thread, after = null) {
  const seen = { texts: [], states: [], resets: [], frames: [] };
  const connection = thread.connect(
    {
      onEvent: (event) => seen.texts.push(event.text),
      onState: (state, why) => seen.states.push(why ? `${state}: ${why.code}` : state),
      onReset: (reason) => (seen.resets.push(reason), (seen.texts.length = 0)),
      onFrame: (frame) => seen.frames.push(frame.type),
    },
    after,
  );
  return { ...seen, connection };
}

async function opened(options) {
  const server = new Server();
  const thread = server.client(options).thread("t 1");
  const reader = reading(thread);
  const socket = await server.socket(0);
  return { server, thread, reader, socket };
}

test("a new reader gets the past, then what comes, and knows where it stands", async () => {
  const { reader, socket } = await opened();
  assert.equal(socket.url.href, "ws://127.0.0.1/v1/threads/t%201/socket?protocol=1");
  socket.say(hello("a:7"), { type: "reset", reason: "new" }, past("was"));
  assert.deepEqual([reader.connection.state, reader.connection.position], ["connecting", null]);
  socket.say(live("a:5"), entry(6, "is"), { type: "from the future" });
  assert.deepEqual(reader.texts, ["was", "is", undefined]);
  assert.deepEqual(reader.states, ["live"]);
  assert.equal(reader.connection.position, "a:6");
  reader.connection.close();
  assert.deepEqual([reader.states.at(-1), socket.closed], ["closed", true]);
  socket.say(entry(7, "late"));
  assert.equal(reader.texts.length, 3);
});

test("after a break it reads on from where it stood", async () => {
  const { server, reader, socket } = await opened();
  socket.say(hello("a:b:9"), { type: "reset", reason: "new" }, live("a:b:9"), entry(10, "one"));
  socket.drop();
  const next = await server.socket(1);
  assert.equal(next.url.searchParams.get("after"), "a:b:10");
  next.say(hello("a:b:11"), entry(11, "two"));
  assert.deepEqual(reader.states, ["live", "reconnecting", "live"]);
  assert.deepEqual([reader.texts, reader.resets], [["one", "two"], ["new"]]);
  reader.connection.close();
});

test("where it stands is of the log that was named last", async () => {
  const server = new Server();
  const reader = reading(server.client().thread("t"), "a:3");
  const socket = await server.socket(0);
  socket.say(hello("a:9"), entry(4, "one"));
  assert.deepEqual([reader.connection.state, reader.connection.position], ["live", "a:4"]);
  socket.say({ type: "reset", reason: "elsewhere" }, live("b:2"), entry(3, "two"));
  assert.equal(reader.connection.position, "b:3");
  reader.connection.close();
});

test("while a turn runs elsewhere a known position is not enough: the past is told anew", async () => {
  const server = new Server();
  const reader = reading(server.client().thread("t"), "a~:3");
  const socket = await server.socket(0);
  socket.say(hello("a~:9", { unfinished: true }));
  assert.equal(reader.connection.state, "connecting");
  socket.say({ type: "reset", reason: "foreign" }, past("was"), live("a~:9"));
  assert.deepEqual([reader.states, reader.texts], [["live"], ["was"]]);
  reader.connection.close();
});

test("each attempt waits longer, up to the most", async (context) => {
  const waits = [];
  context.mock.method(Math, "random", () => 1);
  context.mock.method(globalThis, "setTimeout", (then, wait) => (waits.push(wait), setImmediate(then)));
  const { server, reader } = await opened({ retry: { first: 500, most: 4000 } });
  server.answer = () => Promise.reject(new TypeError("gone"));
  for (let attempt = 0; attempt < 5; attempt++) (await server.socket(attempt)).drop();
  await server.socket(5);
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 4000]);
  reader.connection.close();
});

test("whoever gets through does not wait longer the next time", async () => {
  const { server, reader } = await opened({ retry: { first: 1, most: 1e9 } });
  for (let breaks = 0; breaks < 16; breaks++) {
    const socket = await server.socket(breaks);
    socket.say(hello("a:0"), { type: "reset", reason: "new" }, live("a:0"));
    socket.drop();
  }
  await server.socket(16);
  reader.connection.close();
});

test("a break amid the past begins it anew", async () => {
  const server = new Server();
  const reader = reading(server.client().thread("t"), "a:3");
  const socket = await server.socket(0);
  assert.equal(socket.url.searchParams.get("after"), "a:3");
  socket.say(hello("b:9"));
  assert.equal(reader.connection.state, "connecting");
  socket.say({ type: "reset", reason: "foreign" }, past("half"));
  socket.drop();
  const next = await server.socket(1);
  assert.equal(next.url.searchParams.get("after"), null);
  next.say(hello("b:9"), { type: "reset", reason: "new" }, past("whole"), live("b:9"));
  assert.deepEqual(reader.texts, ["whole"]);
  reader.connection.close();
});

test("answers find their commands, in whatever order they come", async () => {
  const { thread, reader, socket } = await opened();
  socket.say(hello("a:0"));
  const submitted = thread.submit("hi", { whenBusy: "enqueue", whenInterrupted: "drop", context: ["now"] });
  const cancelled = thread.cancel("turn", "enough");
  const forked = thread.fork("p");
  const [first, second, third] = socket.sent;
  const { ref, client_message_id, ...said } = first;
  assert.deepEqual(said, { type: "submit", input: "hi", context_lines: ["now"], when_busy: "enqueue", when_interrupted: "drop" });
  assert.match(client_message_id, /^[0-9a-f]{32}$/);
  assert.deepEqual(second, { type: "cancel", turn_id: "turn", reason: "enough", ref: second.ref });
  socket.say({ type: "error", code: "unknown_point", message: "no such point", ref: third.ref, id: "e" });
  socket.say({ type: "ack", ref: second.ref, stopped: true }, { type: "ack", ref, turn_id: "t" });
  socket.say({ type: "ack", ref: "nobody's" }, { type: "error", code: "invalid_frame", message: "for nobody" });
  assert.equal((await cancelled).stopped, true);
  assert.equal((await submitted).turn_id, "t");
  await assert.rejects(forked, (error) => error instanceof LangwireError && error.code === "unknown_point" && error.id === "e");
  assert.equal(reader.frames.at(-1), "error");
  reader.connection.close();
});

test("a command that comes too fast is given back, and the line goes on", async () => {
  const { server, thread, reader, socket } = await opened();
  socket.say(hello("a:0"), { type: "reset", reason: "new" }, live("a:0"));
  const [refused, taken] = [thread.submit("one"), thread.submit("two")];
  const [one, two] = socket.sent;
  socket.say({ type: "error", code: "too_many_requests", message: "wait a moment", ref: one.ref });
  await assert.rejects(refused, { code: "too_many_requests" });
  socket.say({ type: "ack", ref: two.ref, turn_id: "t" }, entry(1, "of two"));
  assert.equal((await taken).turn_id, "t");
  assert.deepEqual([reader.texts, reader.states, socket.closed, server.sockets.length], [["of two"], ["live"], false, 1]);
  socket.drop();
  const next = await server.socket(1);
  next.say(hello("a:1"));
  assert.deepEqual(next.sent, []);
  reader.connection.close();
});

test("every command has its words", async () => {
  const { thread, reader, socket } = await opened();
  socket.say(hello("a:0"));
  const asked = [thread.resume({ q: { type: "approve" } }, { partial: true }), thread.continue(), thread.cancel(), thread.undoFork()];
  assert.deepEqual(
    socket.sent.map(({ ref, ...command }) => command),
    [{ type: "resume", answers: { q: { type: "approve" } }, partial: true }, { type: "continue" }, { type: "cancel" }, { type: "undo_fork" }],
  );
  reader.connection.close();
  for (const answer of asked) await assert.rejects(answer, { code: "closed" });
});

test("a message that was not answered is sent again under its name, and anything else is given back", async () => {
  const { server, thread, reader, socket } = await opened();
  socket.say(hello("a:0"));
  const submitted = thread.submit("hi");
  const resumed = thread.resume({ q: 1 });
  socket.drop(1012);
  await assert.rejects(resumed, { code: "disconnected" });
  const next = await server.socket(1);
  next.say(hello("a:0"));
  assert.deepEqual(next.sent, [socket.sent[0]]);
  next.say({ type: "ack", ref: next.sent[0].ref, turn_id: "t" });
  // All that a server knows of it that was started anew in between.
  assert.deepEqual(await submitted, { type: "ack", ref: socket.sent[0].ref, turn_id: "t" });
  reader.connection.close();
});

test("without an open connection a command is a request", async () => {
  const { server, thread, reader, socket } = await opened();
  socket.say(hello("a:0"));
  reader.connection.close();
  server.answer = () => new Response(JSON.stringify({ type: "ack", turn_id: "t" }), { status: 202 });
  assert.equal((await thread.submit([{ type: "file", file_id: "f" }], { clientMessageId: "m" })).turn_id, "t");
  const [{ url, method, headers, body }] = server.requests;
  assert.equal(`${method} ${url.pathname}`, "POST /v1/threads/t%201/submit");
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(body), { input: [{ type: "file", file_id: "f" }], client_message_id: "m" });
  assert.deepEqual(socket.sent, []);
});

test("where a WebSocket cannot be had, server-sent events are read", async () => {
  const { server, thread, reader, socket } = await opened();
  let stream;
  server.answer = ({ url }) => {
    if (!url.pathname.endsWith("/events")) return new Response("{}");
    const body = new ReadableStream({ start: (controller) => (stream = controller) });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const say = (...frames) =>
    stream.enqueue(new TextEncoder().encode(frames.map((frame) => `id: x\ndata: ${JSON.stringify(frame)}\n\n`).join("")));
  const reached = async (count) => {
    while (server.requests.filter(({ url }) => url.pathname.endsWith("/events")).length < count || !stream) await settle();
  };
  socket.fail();
  await reached(1);
  say(hello("a:0"), { type: "reset", reason: "new" }, live("a:0"), entry(1, "one"));
  await settle();
  assert.deepEqual([reader.texts, reader.connection.state], [["one"], "live"]);
  const submitted = thread.submit("by request");
  assert.equal(server.requests.at(-1).url.pathname.split("/").at(-1), "submit");
  await submitted;
  stream.close();
  stream = null;
  await reached(2);
  assert.equal(server.requests.at(-1).headers["last-event-id"], "a:1");
  assert.deepEqual(reader.states, ["reconnecting", "live", "reconnecting"]);
  assert.equal(server.sockets.length, 1);
  reader.connection.close();
});

test("once a WebSocket was open, it is tried again", async () => {
  const { server, reader, socket } = await opened();
  socket.say(hello("a:0"));
  socket.drop();
  (await server.socket(1)).drop();
  (await server.socket(2)).say(hello("a:0"), { type: "reset", reason: "foreign" }, live("a:0"));
  assert.equal(reader.connection.state, "live");
  assert.deepEqual(server.requests.map(({ url }) => url.pathname), ["/v1/threads/t%201"]);
  reader.connection.close();
});

test("what waits for its answer when the connection is closed is given back", async () => {
  const { server, thread, reader, socket } = await opened();
  socket.say(hello("a:0"));
  const submitted = thread.submit("hi");
  reader.connection.close();
  await assert.rejects(submitted, { code: "closed" });
});

test("whoever is not let in is told why, and does not knock again", async () => {
  for (const [status, code] of [[401, "unauthorized"], [404, "unknown_thread"]]) {
    const { server, reader, socket } = await opened();
    server.answer = () => problem(status, code, "e1");
    socket.drop();
    await settle();
    assert.deepEqual(reader.states, [`refused: ${code}`]);
    assert.deepEqual([server.sockets.length, server.requests.length], [1, 1]);
  }
});

test("a server that is gone, or has too much to do, is asked again", async () => {
  for (const answer of [() => problem(429, "too_many_requests"), () => problem(503, "shutting_down"), () => Promise.reject(new TypeError("gone"))]) {
    const { server, reader, socket } = await opened();
    server.answer = answer;
    socket.drop();
    await server.socket(1);
    assert.match(reader.states[0], /^reconnecting: (too_many_requests|shutting_down|unreachable)$/);
    reader.connection.close();
  }
});

test("a client that the server calls ill-behaved stops", async () => {
  const { reader, socket } = await opened();
  socket.say(hello("a:0"));
  socket.drop(1008, "too many bad frames");
  await settle();
  assert.deepEqual(reader.states.at(-1), "refused: refused");
});

test("a deleted thread is over, a server that leaves is looked for", async () => {
  const { server, reader, socket } = await opened();
  socket.say(hello("a:0"), { type: "closed", reason: "shutting_down" });
  const next = await server.socket(1);
  next.say(hello("b:0"), { type: "reset", reason: "foreign" }, { type: "closed", reason: "deleted" });
  assert.deepEqual(reader.states, ["reconnecting", "closed: deleted"]);
});

test("a silent line is pinged, then given up", async () => {
  const { server, reader, socket } = await opened({ silence: 5 });
  socket.say(hello("a:0"));
  await new Promise((heard) => (server.heard = heard));
  assert.deepEqual(socket.sent, [{ type: "ping" }]);
  socket.say({ type: "pong" });
  await server.socket(1);
  assert.equal(socket.closed, true);
  reader.connection.close();
});

test("a line that answers is left alone", async () => {
  const { server, reader, socket } = await opened({ silence: 5 });
  socket.say(hello("a:0"));
  for (let pings = 1; pings <= 5; pings++) {
    await new Promise((heard) => (server.heard = heard));
    assert.equal(socket.sent.length, pings);
    socket.say({ type: "pong" });
  }
  assert.equal(server.sockets.length, 1);
  reader.connection.close();
});

test("what is no JSON ends the line, and a handler that fails does not", async (context) => {
  const complained = context.mock.method(console, "error", () => {});
  const server = new Server();
  const connection = server.client().thread("t").connect({
    onEvent: () => {
      throw new Error("a handler's own");
    },
  });
  const socket = await server.socket(0);
  socket.say(hello("a:0"), { type: "reset", reason: "new" }, live("a:0"), entry(1, "one"), entry(2, "two"));
  assert.equal(complained.mock.callCount(), 2);
  assert.equal(connection.position, "a:2");
  socket.say("{");
  assert.equal((await server.socket(1)).url.searchParams.get("after"), "a:2");
  connection.close();
});

test("whoever has waited long enough can go on at once", async () => {
  const { server, reader, socket } = await opened({ retry: { first: 1e9, most: 1e9 } });
  socket.say(hello("a:0"));
  socket.drop();
  await settle();
  assert.equal(server.sockets.length, 1);
  reader.connection.retry();
  await server.socket(1);
  reader.connection.close();
});

test("headers that a WebSocket cannot carry have the thread read by requests", async (context) => {
  const server = new Server();
  const own = globalThis.WebSocket;
  context.after(() => (globalThis.WebSocket = own));
  globalThis.WebSocket = class {
    constructor() {
      throw new Error("asked for a WebSocket");
    }
  };
  server.answer = () => new Response("<login>", { headers: { "content-type": "text/html" } });
  const client = server.client({ headers: async () => ({ authorization: "Bearer x" }) });
  const { WebSocket, ...without } = client.options;
  const reader = reading(new LangwireClient(client.base, without).thread("t"));
  await settle();
  const [{ url, headers }] = server.requests;
  assert.equal(url.href, "http://127.0.0.1/v1/threads/t/events?protocol=1");
  assert.deepEqual(headers, { authorization: "Bearer x", accept: "text/event-stream" });
  assert.deepEqual(reader.states, ["refused: unreadable"]);
});

test("requests name what they are for", async () => {
  const server = new Server();
  server.answer = ({ method }) => (method === "DELETE" ? new Response(null, { status: 204 }) : new Response('{"thread_id":"n"}'));
  const client = server.client({ WebSocket: null });
  const thread = await client.createThread("A title");
  assert.equal(thread.id, "n");
  await client.createThread();
  await client.about();
  await client.threads({ limit: 5, before: "b" });
  await thread.history(true);
  await thread.rename(null);
  await thread.upload(new Blob(["x"], { type: "image/png" }));
  await thread.upload(new Blob(["x"]));
  assert.equal(await thread.delete(), undefined);
  assert.deepEqual(
    server.requests.map(({ method, url, headers }) => `${method} ${url.pathname}${url.search} ${headers["content-type"] ?? ""}`),
    [
      "POST /v1/threads application/json",
      "POST /v1/threads application/json",
      "GET /v1 ",
      "GET /v1/threads?limit=5&before=b ",
      "GET /v1/threads/n/history?full=true ",
      "PATCH /v1/threads/n application/json",
      "POST /v1/threads/n/files image/png",
      "POST /v1/threads/n/files application/octet-stream",
      "DELETE /v1/threads/n ",
    ],
  );
  assert.equal(server.requests[6].headers["langwire-file"], "1");
  assert.equal(thread.fileUrl("files/a"), "http://127.0.0.1/v1/threads/n/files/a");
  assert.equal(thread.fileUrl("a b"), "http://127.0.0.1/v1/threads/n/files/a%20b");
});

test("an answer that is none is an error all the same", async () => {
  const server = new Server();
  const client = server.client();
  server.answer = () => new Response("<html>", { status: 502 });
  await assert.rejects(client.about(), { code: "http_502", status: 502 });
  server.answer = () => new Response("<html>");
  await assert.rejects(client.about(), { code: "unreadable" });
  server.answer = () => Promise.reject("why ever");
  await assert.rejects(client.about(), { code: "unreachable", name: "LangwireError" });
});

test("server-sent events are the same however they are cut", async () => {
  const bytes = new TextEncoder().encode(": hi\n\nid: a:1\ndata: {\"é\"\ndata: :1}\n\nevent: x\n\ndata:😀\n\ndata: unfinished");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    let heard = 0;
    const found = [];
    for await (const data of serverSent(body, () => heard++)) found.push(data);
    assert.deepEqual([found, heard], [['{"é"\n:1}', "😀"], 2]);
  }
});

test("an integer that fits no number goes through to the last digit, where the engine can tell it", async (given) => {
  const id = "1234567890123456789";
  const { parse: read, stringify: write } = JSON;
  given.after(() => {
    Object.assign(JSON, { parse: read, stringify: write });
    delete JSON.rawJSON;
  });
  // What newer engines can: numbers come with their source, and what is raw is written as it is.
  Object.assign(JSON, {
    rawJSON: (text) => `raw ${text}`,
    stringify: (value) => write(value)?.replace(/"raw (-?\d+)"/g, "$1"),
    parse: (text, revive) => {
      if (!revive) return read(text);
      const marked = text.replace(/(?<=:)-?\d+/g, '"source $&"');
      return read(marked, (key, value) => {
        const source = /^source (.*)$/.exec(value)?.[1];
        return source ? revive(key, Number(source), { source }) : revive(key, value, {});
      });
    },
  });
  const said = [];
  const server = new Server();
  const thread = server.client().thread("t");
  const connection = thread.connect({ onEvent: (event) => said.push(event.data) });
  const socket = await server.socket(0);
  socket.send = (text) => socket.sent.push(text);
  socket.say(hello("a:0"), `{"type":"custom","data":{"id":${id},"few":7},"seq":1,"at_ms":1}`);
  assert.deepEqual([String(said[0].id), said[0].few], [id, 7]);
  void thread.resume({ q: said[0] }).catch(() => {});
  assert.match(socket.sent[0], new RegExp(`"q":{"id":${id},"few":7}`));
  connection.close();
  server.answer = () => new Response(`{"id":${id}}`);
  const answer = await thread.client.request("POST", "/x", { id: said[0].id });
  assert.equal(server.requests.at(-1).body, `{"id":${id}}`);
  assert.equal(`${answer.id}`, id);
});
