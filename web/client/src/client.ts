// Knows how a client speaks langwire's protocol: threads, commands, and events whose stream outlives its connections.
// The page's `client.js` is built of this file; at run time it needs nothing else.

import type {
  About,
  Ack,
  Command,
  Content,
  Frame,
  HistoryPage,
  PastEvent,
  Pong,
  Problem,
  Reset,
  Submit,
  Thread,
  ThreadPage,
  ThreadState,
  UploadedFile,
  VERSION,
} from "./protocol.js";
import type { Entry } from "./events.js";

export type * from "./protocol.js";
export type { Entry, Interrupt, LangwireEvent, ToolResult, TurnEnd, TurnStart } from "./events.js";

const PROTOCOL: typeof VERSION = 1;

/** Why something was not done. */
export class LangwireError extends Error {
  /**
   * `code` is one of those on the protocol's page, or one of this client's own: `unreachable` (nobody answers),
   * `disconnected` (the line broke before the answer: what became of the command shows in the thread), `closed` (the
   * connection was closed before the answer), `deleted` (so was the thread), `unreadable` (an answer that is none).
   * `id` finds it in the server's log, `status` is HTTP's, where HTTP answered.
   */
  constructor(
    readonly code: string,
    message: string,
    readonly id: string | null = null,
    readonly status: number | null = null,
  ) {
    super(message);
    this.name = "LangwireError";
  }
}

/** What a connection needs of a WebSocket. */
export interface SocketLike {
  addEventListener(type: string, listener: (event: any) => void): void;
  send(data: string): void;
  close(code?: number): void;
}

export interface ClientOptions {
  /** In place of the global one: for cookies of another site, for tests. */
  fetch?: typeof fetch;
  /** In place of the global one; `null` reads over server-sent events alone. */
  WebSocket?: (new (url: string) => SocketLike) | null;
  /**
   * Headers of every request, or what gives them. A browser cannot send them with a WebSocket: where they are set and
   * no `WebSocket` is, threads are read over server-sent events.
   */
  headers?: Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>);
  /** Milliseconds before the second attempt to connect, and at most. Default: 500 and 15,000. */
  retry?: { first: number; most: number };
  /** How many milliseconds a line may be silent before it is looked after: pinged, then given up. Default: 20,000. */
  silence?: number;
}

/** What is read: an entry of the log, or an event of the past. */
export type Told = Entry | PastEvent;

export type State = "connecting" | "live" | "reconnecting" | "closed" | "refused";

export interface Handlers {
  /** Each event, in order, exactly once between two resets. */
  onEvent?: (event: Told) => void;
  /** Drop what you have of the thread: what it holds comes next. */
  onReset?: (reason: Reset["reason"]) => void;
  /**
   * `live`: all that was has been told. `reconnecting`: in a while, by itself. `closed` and `refused` are the end; of a
   * refusal, and of a connection that is lost, `why` tells the reason where it is known.
   */
  onState?: (state: State, why: LangwireError | null) => void;
  /** Every frame that is no answer to a command, also those of a kind that this client does not know. */
  onFrame?: (frame: Frame) => void;
}

export interface SubmitOptions {
  context?: readonly string[];
  /** Names the message, so that it is taken once however often it is sent: a `newId()`, as where it is missing. */
  clientMessageId?: string;
  whenBusy?: Submit["when_busy"];
  whenInterrupted?: Submit["when_interrupted"];
}

// ------------------------------------------------------------------ the server

/** A server, at the address of its protocol: `new LangwireClient("/v1")`. */
export class LangwireClient {
  readonly base: string;
  readonly options: ClientOptions;

  constructor(base: string | URL, options: ClientOptions = {}) {
    this.base = new URL(base, globalThis.document?.baseURI).href.replace(/\/+$/, "");
    this.options = options;
  }

  about(): Promise<About> {
    return this.request("GET", "");
  }

  /** The threads of this caller, the last used first; `before` is that of the page before. */
  threads(page: { limit?: number; before?: string } = {}): Promise<ThreadPage> {
    const query = new URLSearchParams(Object.entries(page).map(([name, value]) => [name, String(value)]));
    return this.request("GET", `/threads?${query}`);
  }

  async createThread(title?: string): Promise<LangwireThread> {
    const made = await this.request<Thread>("POST", "/threads", title === undefined ? {} : { title });
    return this.thread(made.thread_id);
  }

  /** A thread by its id; nothing is asked yet. */
  thread(id: string): LangwireThread {
    return new LangwireThread(this, id);
  }

  /** What an address answers, read as JSON; `undefined` where it says nothing. Throws a `LangwireError`. */
  async request<Answer>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const raw = body instanceof Blob;
    const type = raw ? body.type || "application/octet-stream" : "application/json";
    const response = await this.fetch(path, {
      method,
      headers: body === undefined ? headers : { "content-type": type, ...headers },
      body: body === undefined ? null : raw ? body : JSON.stringify(body),
    });
    const text = await response.text().catch(lost);
    try {
      return (text ? parse(text) : undefined) as Answer;
    } catch {
      throw new LangwireError("unreadable", "the answer is no JSON", null, response.status);
    }
  }

  /** A response whose status is good. Throws a `LangwireError`. */
  async fetch(path: string, init: RequestInit): Promise<Response> {
    const given = this.options.headers;
    const own = typeof given === "function" ? await given() : given;
    const call = this.options.fetch ?? globalThis.fetch.bind(globalThis);
    const headers = { ...own, ...(init.headers as Record<string, string>) };
    const response = await call(this.base + path, { ...init, headers }).catch(lost);
    if (response.ok) return response;
    const problem = (await response.json().catch(() => null)) as Partial<Problem> | null;
    const { status } = response;
    const said = problem?.error ?? { code: `http_${status}`, message: `the server answered ${status}` };
    throw new LangwireError(said.code, said.message, said.id ?? null, status);
  }
}

function lost(error: unknown): never {
  throw new LangwireError("unreachable", `the server cannot be reached: ${error}`);
}

// ------------------------------------------------------------------ a thread

/** A thread: what is said to it goes over the connection that is open, or else in a request of its own. */
export class LangwireThread {
  readonly #connections = new Set<Connection>();

  constructor(
    readonly client: LangwireClient,
    readonly id: string,
  ) {}

  /** Read the thread, from `after` on where that position is known, and go on after every break until `close`. */
  connect(handlers: Handlers = {}, after: string | null = null): Connection {
    const connection = new Connection(this, handlers, after, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }

  submit(input: Content, options: SubmitOptions = {}): Promise<Ack> {
    return this.send({
      type: "submit",
      input,
      client_message_id: options.clientMessageId ?? newId(),
      ...(options.context && { context_lines: options.context }),
      ...(options.whenBusy && { when_busy: options.whenBusy }),
      ...(options.whenInterrupted && { when_interrupted: options.whenInterrupted }),
    });
  }

  /** Answer questions by their ids: with a decision, a list of them, or a plain value. */
  resume(answers: Readonly<Record<string, unknown>>, options: { partial?: boolean } = {}): Promise<Ack> {
    return this.send({ type: "resume", answers, ...options });
  }

  continue(): Promise<Ack> {
    return this.send({ type: "continue" });
  }

  /** Stop the turn that runs, or the one that is named; `stopped` says whether nothing of it runs any more. */
  cancel(turnId?: string, reason?: string): Promise<Ack> {
    return this.send({
      type: "cancel",
      ...(turnId !== undefined && { turn_id: turnId }),
      ...(reason !== undefined && { reason }),
    });
  }

  /** Go back to just before a message, or to a checkpoint. */
  fork(point: string): Promise<Ack> {
    return this.send({ type: "fork", point });
  }

  undoFork(): Promise<Ack> {
    return this.send({ type: "undo_fork" });
  }

  /** Give a command; the answer to it, or a `LangwireError`. */
  async send(command: Command): Promise<Ack> {
    for (const connection of this.#connections) {
      const answer = connection.send(command);
      if (answer) return answer;
    }
    return this.post(command);
  }

  /** Give a command in a request of its own. */
  post({ type, ...body }: Command): Promise<Ack> {
    return this.#request("POST", `/${type}`, body);
  }

  state(): Promise<ThreadState> {
    return this.#request("GET", "");
  }

  history(full = false): Promise<HistoryPage> {
    return this.#request("GET", `/history?full=${full}`);
  }

  rename(title: string | null): Promise<Thread> {
    return this.#request("PATCH", "", { title });
  }

  delete(): Promise<void> {
    return this.#request("DELETE", "");
  }

  /** Upload a file, to be named in a message: `{ type: "file", file_id }`. */
  upload(file: Blob): Promise<UploadedFile> {
    return this.#request("POST", "/files", file, { "langwire-file": "1" });
  }

  /** Where a file of the thread is, or what a media event's `ref` names. */
  fileUrl(ref: string): string {
    return `${this.client.base}${this.path}/${ref.startsWith("files/") ? ref : `files/${encodeURIComponent(ref)}`}`;
  }

  get path(): string {
    return `/threads/${encodeURIComponent(this.id)}`;
  }

  #request<Answer>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.client.request(method, this.path + path, body, headers);
  }
}

// ------------------------------------------------------------------ reading it

interface Asked {
  command: Command;
  resolve: (answer: Ack) => void;
  reject: (error: LangwireError) => void;
}

/** One way to the server while it lasts. `send` is missing where it leads one way only. */
interface Line {
  send?: (text: string) => void;
  close: () => void;
}

/** A thread that is read. It is over in the states `closed` and `refused`, and tries again by itself until then. */
export class Connection {
  /** Where the reader stands: from there a later `connect` goes on. `null` until the past has been told. */
  position: string | null;
  state: State = "connecting";

  readonly #thread: LangwireThread;
  readonly #handlers: Handlers;
  readonly #ended: () => void;
  readonly #asked = new Map<string, Asked>();
  #log = "";
  #line: Line | null = null;
  /** Whether a `hello` has come over the line that is open. */
  #greeted = false;
  #socketWorked = false;
  #sse: boolean;
  #attempts = 0;
  #wake: () => void = () => {};

  constructor(thread: LangwireThread, handlers: Handlers, after: string | null, ended: () => void) {
    const { WebSocket: given, headers } = thread.client.options;
    this.#thread = thread;
    this.#handlers = handlers;
    this.#ended = ended;
    this.position = after;
    this.#sse = given === undefined ? headers !== undefined || globalThis.WebSocket === undefined : given === null;
    // Not at once: whoever connects has the connection in hand before the first word comes.
    queueMicrotask(() => void this.#run());
  }

  /** Read no more. What was asked and not answered is rejected; the turn goes on or ends as the server has it. */
  close(): void {
    this.#end("closed", null);
  }

  /** Do not wait for the next attempt: the network is back. */
  retry(): void {
    this.#wake();
  }

  /** Give a command over this connection: the answer, or `null` where it cannot be given here now. */
  send(command: Command): Promise<Ack> | null {
    if (!this.#greeted || !this.#line?.send) return null;
    return new Promise((resolve, reject) => {
      const ref = newId();
      this.#asked.set(ref, { command, resolve, reject });
      this.#say({ ...command, ref });
    });
  }

  get #over(): boolean {
    return this.state === "closed" || this.state === "refused";
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const why = await (this.#sse ? this.#stream() : this.#socket()).catch(errorOf);
      this.#line = null;
      this.#greeted = false;
      if (this.#over) return;
      if (isFinal(why)) return this.#end("refused", why);
      this.#lose();
      this.#turn("reconnecting", why);
      await this.#pause();
    }
  }

  /** Wait before the next attempt: longer each time, and never as long as others who lost the same server. */
  #pause(): Promise<void> {
    const { first, most } = this.#thread.client.options.retry ?? { first: 500, most: 15_000 };
    const wait = Math.min(first * 2 ** this.#attempts++, most) * (0.5 + Math.random() / 2);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // ---------------------------------------------------------------- two ways to read

  /** Read over a WebSocket until it is down; the reason, where one is known. */
  async #socket(): Promise<LangwireError | null> {
    const Socket: new (url: string) => SocketLike = this.#thread.client.options.WebSocket ?? globalThis.WebSocket;
    const query = new URLSearchParams({ protocol: String(PROTOCOL) });
    if (this.position !== null) query.set("after", this.position);
    const { client, path } = this.#thread;
    const socket = new Socket(`${client.base.replace(/^http/, "ws")}${path}/socket?${query}`);
    const { code, reason } = await new Promise<{ code: number; reason: string }>((down) => {
      const watch = this.#watch(() => down({ code: 1006, reason: "" }));
      this.#line = {
        send: (text) => socket.send(text),
        close: () => {
          watch.stop();
          socket.close();
          down({ code: 1000, reason: "" });
        },
      };
      socket.addEventListener("message", ({ data }) => {
        watch.heard();
        this.#hear(data);
      });
      socket.addEventListener("close", down);
      // Where it cannot be opened, some say only so.
      socket.addEventListener("error", () => down({ code: 1006, reason: "" }));
    });
    this.#line?.close();
    if (this.#greeted) {
      this.#socketWorked = true;
      return code === 1008 ? new LangwireError("refused", reason, null, 400) : null;
    }
    // A browser does not say why a WebSocket was not let in, a plain request does. If that is well, something on the
    // way knows no WebSockets: unless one was open before, do without.
    if (!this.#over) await this.#thread.state();
    this.#sse = !this.#socketWorked;
    return null;
  }

  /** Read server-sent events until they end. */
  async #stream(): Promise<LangwireError | null> {
    const given = new AbortController();
    const watch = this.#watch(() => given.abort());
    this.#line = {
      close: () => {
        watch.stop();
        given.abort();
      },
    };
    try {
      const response = await this.#thread.client.fetch(`${this.#thread.path}/events?protocol=${PROTOCOL}`, {
        headers: { accept: "text/event-stream", ...(this.position !== null && { "last-event-id": this.position }) },
        signal: given.signal,
        cache: "no-store",
      });
      if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
        return new LangwireError("unreadable", "the answer is no stream of events", null, 415);
      }
      for await (const data of serverSent(response.body, watch.heard)) this.#hear(data);
      return null;
    } finally {
      watch.stop();
    }
  }

  /** Look after a line that says nothing: ping it, then give it up. A stream has the server's own signs of life. */
  #watch(giveUp: () => void): { heard: () => void; stop: () => void } {
    let silent = 0;
    const timer = setInterval(() => {
      silent += 1;
      if (silent === 2 && this.#greeted) this.#say({ type: "ping" });
      if (silent === 3) giveUp();
    }, this.#thread.client.options.silence ?? 20_000);
    return { heard: () => (silent = 0), stop: () => clearInterval(timer) };
  }

  #say(command: Command): void {
    try {
      this.#line?.send?.(JSON.stringify(command));
    } catch {
      // It is closing: what was asked is dealt with when it is down.
    }
  }

  // ---------------------------------------------------------------- what comes

  #hear(text: unknown): void {
    if (this.#over) return;
    let frame: Frame;
    try {
      frame = parse(String(text)) as Frame;
    } catch {
      return this.#line?.close();
    }
    switch (frame.type) {
      case "ack":
      case "pong":
        return this.#answered(frame);
      case "error":
        if (frame.ref) return this.#failed(frame.ref, new LangwireError(frame.code, frame.message, frame.id));
        break;
      case "hello":
        this.#log = logOf(frame.position);
        this.#greeted = true;
        break;
      case "reset":
        this.position = null;
        break;
      case "live":
        this.#log = logOf(frame.position);
        this.position = frame.position;
        break;
      default:
        if ("seq" in frame && frame.seq !== undefined) this.position = `${this.#log}:${frame.seq}`;
    }
    this.#tell(frame);
  }

  #tell(frame: Frame): void {
    const { onFrame, onEvent, onReset } = this.#handlers;
    guarded(onFrame, frame);
    switch (frame.type) {
      case "hello":
        this.#again();
        // Before a turn that runs elsewhere the past is told in any case.
        if (this.position !== null && logOf(this.position) === this.#log && !frame.unfinished) this.#turn("live", null);
        break;
      case "live":
        this.#turn("live", null);
        break;
      case "reset":
        guarded(onReset, frame.reason);
        break;
      case "closed":
        if (frame.reason === "deleted") this.#end("closed", new LangwireError("deleted", "the thread was deleted"));
        else this.#line?.close();
        break;
      case "ack":
      case "pong":
      case "error":
        break;
      default:
        guarded(onEvent, frame);
    }
  }

  #turn(state: State, why: LangwireError | null): void {
    if (state === "live") this.#attempts = 0;
    if (state === this.state) return;
    this.state = state;
    guarded(this.#handlers.onState, state, why);
  }

  #end(state: "closed" | "refused", why: LangwireError | null): void {
    if (this.#over) return;
    this.#ended();
    for (const ref of this.#asked.keys()) this.#failed(ref, new LangwireError("closed", "the connection was closed"));
    this.#turn(state, why);
    this.#line?.close();
    this.#wake();
  }

  // ---------------------------------------------------------------- what was asked

  #answered(frame: Ack | Pong): void {
    const asked = this.#asked.get(frame.ref ?? "");
    if (asked === undefined) return;
    this.#asked.delete(frame.ref ?? "");
    asked.resolve(frame as Ack);
  }

  #failed(ref: string, error: LangwireError): void {
    const asked = this.#asked.get(ref);
    this.#asked.delete(ref);
    asked?.reject(error);
  }

  /** The line is down: a message has a name, and can be sent again; whether anything else was done is not known. */
  #lose(): void {
    for (const [ref, { command }] of this.#asked) {
      if (command.type === "submit" && command.client_message_id) continue;
      this.#failed(ref, new LangwireError("disconnected", "the connection broke before the answer"));
    }
  }

  /** The line is up: send what was not answered. */
  #again(): void {
    for (const [ref, { command }] of this.#asked) this.#say({ ...command, ref });
  }
}

// ------------------------------------------------------------------ whole numbers

/** What newer engines know of JSON: how a value was written, and how one is written as it is. */
type Revive = (key: string, value: unknown, context?: { source?: string }) => unknown;
const json = JSON as unknown as { parse(text: string, revive: Revive): unknown; rawJSON?: (text: string) => unknown };

/** An integer that a number of JavaScript's would round, by its digits. `JSON.stringify` writes it as it came. */
export class Digits {
  constructor(readonly digits: string) {}

  toString(): string {
    return this.digits;
  }

  toJSON(): unknown {
    return json.rawJSON?.(this.digits) ?? this.digits;
  }
}

/** Whether a value stands for an integer that is too large for a number. Nothing in JSON text looks like it. */
export function isDigits(value: unknown): value is Digits {
  const { digits, toJSON } = (value ?? {}) as Partial<Digits>;
  return typeof digits === "string" && typeof toJSON === "function";
}

/** Whether this engine reads and writes integers of any size; elsewhere those beyond 2^53 are rounded. */
export function isExact(): boolean {
  return json.rawJSON !== undefined;
}

/** `JSON.parse` that rounds no integer: one that does not fit a number becomes `Digits`, where the engine can tell. */
export function parse(text: string): unknown {
  return isExact() && /\d{16}/.test(text) ? json.parse(text, whole) : JSON.parse(text);
}

const whole: Revive = (_, value, context) => {
  const source = context?.source ?? "";
  return typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(source) ? new Digits(source) : value;
};

// ------------------------------------------------------------------ small things

/** The data of each server-sent event; `heard` is told of every sign of life. */
export async function* serverSent(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const frames = (waiting + decoder.decode(value, { stream: true })).split("\n\n");
      waiting = frames.pop() ?? "";
      for (const frame of frames) {
        const data = frame.split("\n").filter((line) => line.startsWith("data:"));
        if (data.length) yield data.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** An id that nobody else has. (`randomUUID` is missing on a page that did not come over TLS.) */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The log that a position, `<log id>:<seq>`, is one of. */
function logOf(position: string): string {
  return position.slice(0, position.lastIndexOf(":"));
}

/** Whether it is of no use to ask again. */
export function isFinal(why: LangwireError | null): why is LangwireError {
  const status = why?.status ?? 0;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function errorOf(error: unknown): LangwireError {
  return error instanceof LangwireError ? error : new LangwireError("unreachable", `the connection was lost: ${error}`);
}

/** Call a handler; what it throws goes to the console, and keeps nobody from reading on. */
function guarded<Given extends unknown[]>(handler: ((...given: Given) => void) | undefined, ...given: Given): void {
  try {
    handler?.(...given);
  } catch (error) {
    console.error(error);
  }
}
