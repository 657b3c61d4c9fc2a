// Knows a server for the tests of the page, that says what a test has it say, over requests, streams and sockets.

type Answer = unknown | ((body: any) => unknown);

/** What is refused: a status and a code. */
export const refuse = (status: number, code: string) => () => new Response(JSON.stringify({ error: { code, message: "no" } }), { status });

export class Server {
  /** What was asked, as `GET /v1/threads?limit=50`, with its body. */
  readonly asked: [what: string, body: any][] = [];
  readonly sockets: Socket[] = [];
  readonly streams: Stream[] = [];
  readonly #answers: [start: string, answer: Answer][] = [];

  constructor() {
    const server = this;
    globalThis.fetch = (async (url: string, init: RequestInit) => server.#fetch(url, init)) as typeof fetch;
    globalThis.WebSocket = class extends Socket {
      constructor(url: string) {
        super(url);
        server.sockets.push(this);
      }
    } as unknown as typeof WebSocket;
    this.on("GET /v1?", { protocol: 1, version: "1", name: "agent", max_file: 1000, max_body: 1, max_frame: 1 });
    this.on("GET /v1/threads?", { threads: [] });
    this.on("GET /v1/agents?", { agents: [{ name: "agent", protocol: "/v1/agents/agent" }] });
  }

  /** Answer requests that begin like this from now on; a `?` stands at the end of each. */
  on(start: string, answer: Answer): void {
    this.#answers.unshift([start, answer]);
  }

  /** The bodies of what was asked that begins like this. */
  bodies(start: string): any[] {
    return this.asked.filter(([what]) => what.startsWith(start)).map(([, body]) => body);
  }

  /** The socket that was opened last, when it is there. */
  async socket(number: number): Promise<Socket> {
    return until(() => this.sockets[number]);
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, search } = new URL(url);
    const what = `${init.method ?? "GET"} ${pathname}${search || "?"}`;
    const body = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
    this.asked.push([what, body]);
    if (new Headers(init.headers).get("accept") === "text/event-stream") return this.#stream(pathname + search, init);
    const [, answer] = this.#answers.find(([start]) => what.startsWith(start)) ?? [];
    if (answer === undefined) return refuse(404, "not_found")();
    const given = typeof answer === "function" ? await answer(body) : answer;
    return given instanceof Response ? given : new Response(JSON.stringify(given));
  }

  #stream(path: string, init: RequestInit): Response {
    const stream = new Stream(path);
    this.streams.push(stream);
    init.signal?.addEventListener("abort", () => stream.end());
    return new Response(stream.body, { headers: { "content-type": "text/event-stream" } });
  }
}

/** One stream of server-sent events. */
export class Stream {
  readonly body: ReadableStream<Uint8Array>;
  ended = false;
  #way!: ReadableStreamDefaultController<Uint8Array>;

  constructor(readonly path: string) {
    this.body = new ReadableStream({ start: (way) => void (this.#way = way), cancel: () => void (this.ended = true) });
  }

  say(...frames: unknown[]): void {
    for (const frame of frames) this.#way.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(frame)}\n\n`));
  }

  end(): void {
    if (!this.ended) this.#way.close();
    this.ended = true;
  }
}

/** The server's end of a WebSocket. Commands are acknowledged, but for those that a test answers. */
export class Socket extends EventTarget {
  readonly commands: any[] = [];
  /** What is refused, by its type. */
  readonly refused = new Map<string, string>();

  constructor(readonly url: string) {
    super();
  }

  send(text: string): void {
    const command = JSON.parse(text);
    this.commands.push(command);
    const code = this.refused.get(command.type);
    const { ref } = command;
    queueMicrotask(() => this.say(code ? { type: "error", ref, code, message: "no" } : { type: "ack", ref }));
  }

  say(...frames: unknown[]): void {
    for (const frame of frames) this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
  }

  /** Tell what a thread holds, none of it by default, and what comes then. */
  begin(past: unknown[] = [], hello: object = {}): void {
    this.say({ type: "hello", protocol: 1, thread_id: "t", position: "l:0", ...hello }, { type: "reset", reason: "new" });
    this.say(...past, { type: "live", position: "l:0" });
  }

  close(): void {
    this.dispatchEvent(new CloseEvent("close", { code: 1006, reason: "" }));
  }
}

/** Wait until there is something. */
export async function until<Found>(look: () => Found | undefined | null | false): Promise<Found> {
  for (let turn = 0; turn < 2000; turn++) {
    const found = look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 0));
  }
  throw new Error(`nothing came: ${look}`);
}

export const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 5));
