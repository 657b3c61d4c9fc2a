// Knows how a client speaks langwire's protocol: threads, commands, and events whose stream outlives its connections.
// `npm run build` makes the page's `client.js` of this file; at run time it needs nothing else.
const PROTOCOL = 1;
/** Why something was not done. */
export class LangwireError extends Error {
    code;
    id;
    status;
    /**
     * `code` is one of those on the protocol's page, or one of this client's own: `unreachable` (nobody answers),
     * `disconnected` (the line broke before the answer: what became of the command shows in the thread), `closed` (the
     * connection was closed before the answer), `deleted` (so was the thread), `unreadable` (an answer that is none).
     * `id` finds it in the server's log, `status` is HTTP's, where HTTP answered.
     */
    constructor(code, message, id = null, status = null) {
        super(message);
        this.code = code;
        this.id = id;
        this.status = status;
        this.name = "LangwireError";
    }
}
// ------------------------------------------------------------------ the server
/** A server, at the address of its protocol: `new LangwireClient("/v1")`. */
export class LangwireClient {
    base;
    options;
    constructor(base, options = {}) {
        this.base = new URL(base, globalThis.document?.baseURI).href.replace(/\/+$/, "");
        this.options = options;
    }
    about() {
        return this.request("GET", "");
    }
    /** The threads of this caller, the last used first; `before` is that of the page before. */
    threads(page = {}) {
        const query = new URLSearchParams(Object.entries(page).map(([name, value]) => [name, String(value)]));
        return this.request("GET", `/threads?${query}`);
    }
    async createThread(title) {
        const made = await this.request("POST", "/threads", title === undefined ? {} : { title });
        return this.thread(made.thread_id);
    }
    /** A thread by its id; nothing is asked yet. */
    thread(id) {
        return new LangwireThread(this, id);
    }
    /** What an address answers, read as JSON; `undefined` where it says nothing. Throws a `LangwireError`. */
    async request(method, path, body, headers = {}) {
        const raw = body instanceof Blob;
        const type = raw ? body.type || "application/octet-stream" : "application/json";
        const response = await this.fetch(path, {
            method,
            headers: body === undefined ? headers : { "content-type": type, ...headers },
            body: body === undefined ? null : raw ? body : JSON.stringify(body),
        });
        const text = await response.text().catch(lost);
        try {
            return (text ? JSON.parse(text) : undefined);
        }
        catch {
            throw new LangwireError("unreadable", "the answer is no JSON", null, response.status);
        }
    }
    /** A response whose status is good. Throws a `LangwireError`. */
    async fetch(path, init) {
        const given = this.options.headers;
        const own = typeof given === "function" ? await given() : given;
        const call = this.options.fetch ?? globalThis.fetch.bind(globalThis);
        const headers = { ...own, ...init.headers };
        const response = await call(this.base + path, { ...init, headers }).catch(lost);
        if (response.ok)
            return response;
        const problem = (await response.json().catch(() => null));
        const { status } = response;
        const said = problem?.error ?? { code: `http_${status}`, message: `the server answered ${status}` };
        throw new LangwireError(said.code, said.message, said.id ?? null, status);
    }
}
function lost(error) {
    throw new LangwireError("unreachable", `the server cannot be reached: ${error}`);
}
// ------------------------------------------------------------------ a thread
/** A thread: what is said to it goes over the connection that is open, or else in a request of its own. */
export class LangwireThread {
    client;
    id;
    #connections = new Set();
    constructor(client, id) {
        this.client = client;
        this.id = id;
    }
    /** Read the thread, from `after` on where that position is known, and go on after every break until `close`. */
    connect(handlers = {}, after = null) {
        const connection = new Connection(this, handlers, after, () => this.#connections.delete(connection));
        this.#connections.add(connection);
        return connection;
    }
    submit(input, options = {}) {
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
    resume(answers, options = {}) {
        return this.send({ type: "resume", answers, ...options });
    }
    continue() {
        return this.send({ type: "continue" });
    }
    /** Stop the turn that runs, or the one that is named; `stopped` says whether nothing of it runs any more. */
    cancel(turnId, reason) {
        return this.send({
            type: "cancel",
            ...(turnId !== undefined && { turn_id: turnId }),
            ...(reason !== undefined && { reason }),
        });
    }
    /** Go back to just before a message, or to a checkpoint. */
    fork(point) {
        return this.send({ type: "fork", point });
    }
    undoFork() {
        return this.send({ type: "undo_fork" });
    }
    /** Give a command; the answer to it, or a `LangwireError`. */
    async send(command) {
        for (const connection of this.#connections) {
            const answer = connection.send(command);
            if (answer)
                return answer;
        }
        return this.post(command);
    }
    /** Give a command in a request of its own. */
    post({ type, ...body }) {
        return this.#request("POST", `/${type}`, body);
    }
    state() {
        return this.#request("GET", "");
    }
    history(full = false) {
        return this.#request("GET", `/history?full=${full}`);
    }
    rename(title) {
        return this.#request("PATCH", "", { title });
    }
    delete() {
        return this.#request("DELETE", "");
    }
    /** Upload a file, to be named in a message: `{ type: "file", file_id }`. */
    upload(file) {
        return this.#request("POST", "/files", file, { "langwire-file": "1" });
    }
    /** Where a file of the thread is, or what a media event's `ref` names. */
    fileUrl(ref) {
        return `${this.client.base}${this.path}/${ref.startsWith("files/") ? ref : `files/${encodeURIComponent(ref)}`}`;
    }
    get path() {
        return `/threads/${encodeURIComponent(this.id)}`;
    }
    #request(method, path, body, headers) {
        return this.client.request(method, this.path + path, body, headers);
    }
}
/** A thread that is read. It is over in the states `closed` and `refused`, and tries again by itself until then. */
export class Connection {
    /** Where the reader stands: from there a later `connect` goes on. `null` until the past has been told. */
    position;
    state = "connecting";
    #thread;
    #handlers;
    #ended;
    #asked = new Map();
    #log = "";
    #line = null;
    /** Whether a `hello` has come over the line that is open. */
    #greeted = false;
    #socketWorked = false;
    #sse;
    #attempts = 0;
    #wake = () => { };
    constructor(thread, handlers, after, ended) {
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
    close() {
        this.#end("closed", null);
    }
    /** Do not wait for the next attempt: the network is back. */
    retry() {
        this.#wake();
    }
    /** Give a command over this connection: the answer, or `null` where it cannot be given here now. */
    send(command) {
        if (!this.#greeted || !this.#line?.send)
            return null;
        return new Promise((resolve, reject) => {
            const ref = newId();
            this.#asked.set(ref, { command, resolve, reject });
            this.#say({ ...command, ref });
        });
    }
    get #over() {
        return this.state === "closed" || this.state === "refused";
    }
    async #run() {
        while (!this.#over) {
            const why = await (this.#sse ? this.#stream() : this.#socket()).catch(errorOf);
            this.#line = null;
            this.#greeted = false;
            if (this.#over)
                return;
            if (isFinal(why))
                return this.#end("refused", why);
            this.#lose();
            this.#turn("reconnecting", why);
            await this.#pause();
        }
    }
    /** Wait before the next attempt: longer each time, and never as long as others who lost the same server. */
    #pause() {
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
    async #socket() {
        const Socket = this.#thread.client.options.WebSocket ?? globalThis.WebSocket;
        const query = new URLSearchParams({ protocol: String(PROTOCOL) });
        if (this.position !== null)
            query.set("after", this.position);
        const { client, path } = this.#thread;
        const socket = new Socket(`${client.base.replace(/^http/, "ws")}${path}/socket?${query}`);
        const { code, reason } = await new Promise((down) => {
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
        if (!this.#over)
            await this.#thread.state();
        this.#sse = !this.#socketWorked;
        return null;
    }
    /** Read server-sent events until they end. */
    async #stream() {
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
            for await (const data of serverSent(response.body, watch.heard))
                this.#hear(data);
            return null;
        }
        finally {
            watch.stop();
        }
    }
    /** Look after a line that says nothing: ping it, then give it up. A stream has the server's own signs of life. */
    #watch(giveUp) {
        let silent = 0;
        const timer = setInterval(() => {
            silent += 1;
            if (silent === 2 && this.#greeted)
                this.#say({ type: "ping" });
            if (silent === 3)
                giveUp();
        }, this.#thread.client.options.silence ?? 20_000);
        return { heard: () => (silent = 0), stop: () => clearInterval(timer) };
    }
    #say(command) {
        try {
            this.#line?.send?.(JSON.stringify(command));
        }
        catch {
            // It is closing: what was asked is dealt with when it is down.
        }
    }
    // ---------------------------------------------------------------- what comes
    #hear(text) {
        if (this.#over)
            return;
        let frame;
        try {
            frame = JSON.parse(String(text));
        }
        catch {
            return this.#line?.close();
        }
        switch (frame.type) {
            case "ack":
            case "pong":
                return this.#answered(frame);
            case "error":
                if (frame.ref)
                    return this.#failed(frame.ref, new LangwireError(frame.code, frame.message, frame.id));
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
                if ("seq" in frame && frame.seq !== undefined)
                    this.position = `${this.#log}:${frame.seq}`;
        }
        this.#tell(frame);
    }
    #tell(frame) {
        const { onFrame, onEvent, onReset } = this.#handlers;
        guarded(onFrame, frame);
        switch (frame.type) {
            case "hello":
                this.#again();
                // Before a turn that runs elsewhere the past is told in any case.
                if (this.position !== null && logOf(this.position) === this.#log && !frame.unfinished)
                    this.#turn("live", null);
                break;
            case "live":
                this.#turn("live", null);
                break;
            case "reset":
                guarded(onReset, frame.reason);
                break;
            case "closed":
                if (frame.reason === "deleted")
                    this.#end("closed", new LangwireError("deleted", "the thread was deleted"));
                else
                    this.#line?.close();
                break;
            case "ack":
            case "pong":
            case "error":
                break;
            default:
                guarded(onEvent, frame);
        }
    }
    #turn(state, why) {
        if (state === "live")
            this.#attempts = 0;
        if (state === this.state)
            return;
        this.state = state;
        guarded(this.#handlers.onState, state, why);
    }
    #end(state, why) {
        if (this.#over)
            return;
        this.#ended();
        for (const ref of this.#asked.keys())
            this.#failed(ref, new LangwireError("closed", "the connection was closed"));
        this.#turn(state, why);
        this.#line?.close();
        this.#wake();
    }
    // ---------------------------------------------------------------- what was asked
    #answered(frame) {
        const asked = this.#asked.get(frame.ref ?? "");
        if (asked === undefined)
            return;
        this.#asked.delete(frame.ref ?? "");
        asked.resolve(frame);
    }
    #failed(ref, error) {
        const asked = this.#asked.get(ref);
        this.#asked.delete(ref);
        asked?.reject(error);
    }
    /** The line is down: a message has a name, and can be sent again; whether anything else was done is not known. */
    #lose() {
        for (const [ref, { command }] of this.#asked) {
            if (command.type === "submit" && command.client_message_id)
                continue;
            this.#failed(ref, new LangwireError("disconnected", "the connection broke before the answer"));
        }
    }
    /** The line is up: send what was not answered. */
    #again() {
        for (const [ref, { command }] of this.#asked)
            this.#say({ ...command, ref });
    }
}
// ------------------------------------------------------------------ small things
/** The data of each server-sent event; `heard` is told of every sign of life. */
export async function* serverSent(body, heard) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let waiting = "";
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done)
                return;
            heard();
            const frames = (waiting + decoder.decode(value, { stream: true })).split("\n\n");
            waiting = frames.pop() ?? "";
            for (const frame of frames) {
                const data = frame.split("\n").filter((line) => line.startsWith("data:"));
                if (data.length)
                    yield data.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
            }
        }
    }
    finally {
        await reader.cancel().catch(() => { });
    }
}
/** An id that nobody else has. (`randomUUID` is missing on a page that did not come over TLS.) */
export function newId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
/** The log that a position, `<log id>:<seq>`, is one of. */
function logOf(position) {
    return position.slice(0, position.lastIndexOf(":"));
}
/** Whether it is of no use to ask again. */
function isFinal(why) {
    const status = why?.status ?? 0;
    return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
function errorOf(error) {
    return error instanceof LangwireError ? error : new LangwireError("unreachable", `the connection was lost: ${error}`);
}
/** Call a handler; what it throws goes to the console, and keeps nobody from reading on. */
function guarded(handler, ...given) {
    try {
        handler?.(...given);
    }
    catch (error) {
        console.error(error);
    }
}
