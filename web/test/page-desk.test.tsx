// What the page does with a conversation, against a server that says what a test has it say.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { LangwireError } from "../client/src/client.js";
import { Desk } from "../src/page/desk.js";
import { refuse, Server, settle, until, type Socket } from "./page-server.js";

const source = {};
const said = (id: string, text: string) => [
  { type: "turn_start", turn_id: `turn ${id}`, input: { messages: [{ role: "user", id, content: text }] } },
];
const answered = (id: string, text: string) => [
  { type: "text_start", id, message_id: id, source },
  { type: "text_delta", id, text },
  { type: "text_end", id },
];
const ended = { type: "turn_end", outcome: "complete" };
const numbered = (...events: object[]) => events.map((event, at) => ({ ...event, seq: at + 1, at_ms: at }));

let server: Server;
let desk: Desk;

beforeEach(() => {
  sessionStorage.clear();
  history.replaceState(null, "", "/");
  server = new Server();
});
afterEach(() => desk?.open({ kind: "conversation", id: null }));

/** Begin at an address; the socket of the thread, where it names one. */
async function begin(hash = ""): Promise<Socket> {
  history.replaceState(null, "", `/${hash}`);
  desk = new Desk();
  desk.start();
  return hash ? server.socket(0) : (undefined as unknown as Socket);
}

/** What was commanded, over sockets first, then by requests. */
const commands = (): any[] => [
  ...server.sockets.flatMap((socket) => socket.commands),
  ...["continue", "submit", "undo_fork"].flatMap((type) =>
    server.bodies(`POST /v1/threads/t/${type}?`).map((body) => ({ type, ...body })),
  ),
];
const words = () => desk.conversation?.story.turns.flatMap((turn) => turn.lane.items).length;

test("the first message begins a conversation, and the address names it", async () => {
  server.on("POST /v1/threads?", { thread_id: "new", created_ms: 1, updated_ms: 1 });
  server.on("POST /v1/threads/new/submit", { type: "ack" });
  await begin();
  desk.draft.write("Hello");
  await desk.send();
  expect(location.hash).toBe("#new");
  expect(desk.conversation?.thread.id).toBe("new");
  expect(server.bodies("POST /v1/threads/new/submit")).toMatchObject([{ input: "Hello" }]);
  expect([desk.draft.text, sessionStorage.length, desk.trouble]).toEqual(["", 0, null]);
});

test("who looks at something else while a conversation is begun is left there, and what they said is sent", async () => {
  let make = (_: object): void => {};
  server.on("POST /v1/threads?", () => new Promise((made) => (make = made)));
  server.on("POST /v1/threads/new/submit", { type: "ack" });
  await begin();
  desk.draft.write("Hello");
  const sending = desk.send();
  await until(() => server.bodies("POST /v1/threads?").length);
  desk.open({ kind: "conversation", id: "t" });
  desk.draft.write("something else");
  make({ thread_id: "new", created_ms: 1, updated_ms: 1 });
  await sending;
  expect([desk.conversation?.thread.id, location.hash, desk.draft.text]).toEqual(["t", "", "something else"]);
  expect(server.bodies("POST /v1/threads/new/submit")).toMatchObject([{ input: "Hello" }]);
  expect([desk.drafts.of("new").text, desk.drafts.of(null).text]).toEqual(["", ""]);
  desk.draft.clear();
});

test("what cannot be sent stays in the box of the conversation that was begun, and is sent again under one name", async () => {
  server.on("POST /v1/threads?", { thread_id: "new", created_ms: 1, updated_ms: 1 });
  server.on("POST /v1/threads/new/submit", refuse(429, "too_many_turns"));
  await begin();
  desk.draft.write("Hello");
  await desk.send();
  expect(desk.draft.text).toBe("Hello");
  expect((desk.trouble as LangwireError).code).toBe("too_many_turns");
  await desk.send();
  const names = server.bodies("POST /v1/threads/new/submit").map((body) => body.client_message_id);
  expect(names).toHaveLength(2);
  expect(new Set(names).size).toBe(1);
});

test("what is written while a message is on its way is not thrown away", async () => {
  const socket = await begin("#t");
  socket.begin();
  desk.draft.write("Hello");
  const sending = desk.send();
  await desk.send(); // in vain: the first one is on its way
  desk.draft.write("Hello and");
  await sending;
  expect(desk.draft.text).toBe("Hello and");
  expect(socket.commands.map((command) => command.input)).toEqual(["Hello"]);
});

test("nothing is sent while the agent is at work, nor when there is nothing", async () => {
  const socket = await begin("#t");
  socket.begin();
  await desk.send();
  socket.say(...numbered(...said("u1", "Go")));
  desk.draft.write("More");
  await desk.send();
  expect(socket.commands).toEqual([]);
  expect(desk.conversation?.running).toBe("turn u1");
  await desk.conversation?.stop();
  expect(socket.commands).toMatchObject([{ type: "cancel", turn_id: "turn u1" }]);
  socket.say({ ...ended, seq: 2, at_ms: 1 });
  await desk.conversation?.stop();
  expect(socket.commands).toHaveLength(1);
});

test("an answer is made anew from after what was said, and what it replaces is not shown any more", async () => {
  server.on("POST /v1/threads/t/continue", { type: "ack" });
  const socket = await begin("#t");
  socket.begin();
  socket.say(...numbered(...said("u1", "A"), ...answered("a1", "1"), ended));
  socket.say(...numbered(...said("u2", "B"), ...answered("a2", "2"), ...answered("a3", "3"), ended));
  await desk.deeds(desk.conversation!).regenerate!("a3");
  expect(commands()).toMatchObject([{ type: "fork", point: "a2" }, { type: "continue" }]);
  expect(desk.conversation?.state).toBe("live");
  socket.say({ type: "turn_start", turn_id: "late", seq: 90, at_ms: 1 });
  expect(desk.conversation?.running).toBe(null);
  (await server.socket(1)).begin([...said("u1", "A"), ended]);
  expect([words(), desk.conversation?.state]).toEqual([1, "live"]);
});

test("an answer begins with the first message that is still there", async () => {
  server.on("POST /v1/threads/t/continue", { type: "ack" });
  const socket = await begin("#t");
  socket.begin();
  const removed = { type: "messages_removed", ids: ["a1"] };
  socket.say(...numbered(...said("u1", "A"), ...answered("a1", "1"), removed, ...answered("a2", "2"), ended));
  await desk.deeds(desk.conversation!).regenerate!("a2");
  expect(commands()[0]).toMatchObject({ type: "fork", point: "a2" });
});

test("what is not known to be an answer is where it is gone back to", async () => {
  server.on("POST /v1/threads/t/continue", { type: "ack" });
  (await begin("#t")).begin();
  await desk.deeds(desk.conversation!).regenerate!("unheard");
  expect(commands()[0]).toMatchObject({ type: "fork", point: "unheard" });
});

test("a message that is edited takes the place of the old one", async () => {
  server.on("POST /v1/threads/t/submit", { type: "ack" });
  (await begin("#t")).begin();
  await desk.deeds(desk.conversation!).edit!("u1", "Better");
  expect(commands()).toMatchObject([
    { type: "fork", point: "u1" },
    { type: "submit", input: "Better" },
  ]);
  expect(desk.conversation?.wentBack).toBe(false);
});

test("an edit that is not taken is kept, and what was gone back from can be had again", async () => {
  server.on("POST /v1/threads/t/submit", refuse(429, "too_many_turns"));
  (await begin("#t")).begin();
  const blocks = [{ type: "text", text: "Better" }, { type: "file", file_id: "f" }] as const;
  const full = "The server has its hands full. Try again in a moment.";
  await expect(desk.deeds(desk.conversation!).edit!("u1", blocks)).rejects.toThrow(full);
  const second = await server.socket(1);
  second.begin([...said("u0", "A"), ended]);
  expect([desk.conversation?.wentBack, desk.draft.text]).toEqual([true, "Better"]);
  await desk.conversation?.undo();
  expect(second.commands).toMatchObject([{ type: "undo_fork" }]);
  expect(desk.conversation?.wentBack).toBe(false);
});

test("why an edit was not taken is told where one goes on writing", async () => {
  server.on("POST /v1/threads/t/submit", refuse(429, "too_many_turns"));
  (await begin("#t")).begin();
  await desk.deeds(desk.conversation!).edit!("u1", "Better").catch(() => {});
  expect(desk.trouble).toBe("The server has its hands full. Try again in a moment.");
});

test("where it was not even gone back nothing is to be undone", async () => {
  const socket = await begin("#t");
  socket.begin();
  socket.refused.set("fork", "turn_running");
  await expect(desk.deeds(desk.conversation!).edit!("u1", "Better")).rejects.toThrow("The agent is still at work.");
  expect([desk.conversation?.wentBack, desk.draft.text, desk.trouble]).toEqual([false, "", null]);
});

test.each([
  ["a turn that begins", { type: "turn_start", turn_id: "1", seq: 1, at_ms: 1 }],
  ["another one who undoes it", { type: "reset", reason: "undone" }],
])("%s leaves nothing to undo", async (_, frame) => {
  server.on("POST /v1/threads/t/continue", refuse(429, "too_many_turns"));
  (await begin("#t")).begin();
  await expect(desk.deeds(desk.conversation!).regenerate!("a1")).rejects.toThrow();
  const second = await server.socket(1);
  second.begin();
  expect(desk.conversation?.wentBack).toBe(true);
  second.say(frame);
  expect(desk.conversation?.wentBack).toBe(false);
});

test("questions are answered, and the thread goes on", async () => {
  const socket = await begin("#t");
  socket.begin();
  const deeds = desk.deeds(desk.conversation!);
  await deeds.answer!({ q: "yes" });
  await deeds.goOn!();
  expect(socket.commands).toMatchObject([{ type: "resume", answers: { q: "yes" } }, { type: "continue" }]);
  expect(deeds.fileUrl!("files/f1")).toBe("http://localhost:3000/v1/threads/t/files/f1");
  expect(deeds.fileUrl!("https://elsewhere.example/x.png")).toBe(null);
});

test("what was read is dropped when it is told anew", async () => {
  const socket = await begin("#t");
  socket.begin([...said("u1", "A"), ...answered("a1", "1"), ended]);
  expect(words()).toBeGreaterThan(0);
  socket.say({ type: "reset", reason: "undone" });
  expect(words()).toBe(0);
});

test("a turn on another server is told of after the past, until there is news", async () => {
  const socket = await begin("#t");
  socket.begin([ended], { unfinished: true });
  expect(desk.conversation?.elsewhere).toBe(true);
  socket.say({ type: "reset", reason: "elsewhere" }, { type: "live", position: "l:3" });
  expect(desk.conversation?.elsewhere).toBe(false);
});

test("a server that speaks otherwise, or has become another one, has the page reloaded", async () => {
  const socket = await begin("#t");
  socket.begin();
  await settle();
  expect(desk.outdated).toBe(false);
  server.on("GET /v1?", { protocol: 1, version: "2", max_file: 1 });
  socket.close();
  await until(() => desk.conversation?.state === "reconnecting");
  desk.retry();
  (await server.socket(1)).begin();
  await until(() => desk.outdated);
});

test("trouble is over when the line is up again", async () => {
  const socket = await begin("#t");
  socket.begin();
  desk.complain("trouble");
  socket.close();
  await until(() => desk.conversation?.state === "reconnecting");
  desk.retry();
  (await server.socket(1)).begin();
  expect(desk.trouble).toBe(null);
});

test("a greeting in another version of the protocol has the page reloaded", async () => {
  const socket = await begin("#t");
  socket.begin([], { protocol: 2 });
  await until(() => desk.outdated);
});

test("a thread that is not there is told as trouble, until another place is looked at", async () => {
  server.on("GET /v1/threads/t?", refuse(404, "unknown_thread"));
  const socket = await begin("#t");
  socket.close();
  await until(() => desk.trouble);
  expect((desk.trouble as LangwireError).code).toBe("unknown_thread");
  desk.begin();
  await until(() => desk.conversation === null);
  expect(desk.trouble).toBe(null);
});

test("who may not come in is told so at once", async () => {
  server.on("GET /v1?", refuse(401, "unauthorized"));
  await begin();
  await until(() => desk.trouble);
  expect((desk.trouble as LangwireError).code).toBe("unauthorized");
});

test("a conversation that is deleted is left", async () => {
  server.on("GET /v1/threads?", { threads: [{ thread_id: "t", title: "A", created_ms: 1, updated_ms: 1 }] });
  server.on("DELETE /v1/threads/t", () => {
    server.on("GET /v1/threads?", { threads: [] });
    return new Response(null, { status: 204 });
  });
  (await begin("#t")).begin();
  await until(() => desk.threads.threads.length);
  await desk.delete("t");
  await until(() => desk.conversation === null);
  expect(desk.threads.threads).toEqual([]);
});

test("the list of conversations grows at its end, keeps what was asked for, and tells each once", async () => {
  const thread = (id: string, updated_ms: number) => ({ thread_id: id, created_ms: 1, updated_ms });
  await begin();
  const ids = () => desk.threads.threads.map(({ thread_id }) => thread_id).join("");
  server.on("GET /v1/threads?", { threads: [thread("a", 9), thread("b", 8)], before: "p" });
  await desk.threads.refresh();
  expect([ids(), desk.threads.more]).toEqual(["ab", true]);
  server.on("GET /v1/threads?limit=50&before=p", { threads: [thread("b", 8), thread("c", 7)] });
  await desk.threads.older();
  expect([ids(), desk.threads.more]).toEqual(["abc", false]);
  server.on("GET /v1/threads?", { threads: [thread("n", 10), thread("a", 9)], before: "q" });
  await desk.threads.refresh();
  expect(ids()).toBe("nabc");
  server.on("GET /v1/threads?", refuse(503, "shutting_down"));
  await desk.threads.refresh();
  expect(ids()).toBe("nabc");
  server.on("GET /v1/threads?", { threads: [thread("n", 10)] });
  await desk.threads.refresh();
  expect(ids()).toBe("n");
});

test("older conversations that could not be had can be asked for again", async () => {
  await begin();
  server.on("GET /v1/threads?", { threads: [{ thread_id: "a", created_ms: 1, updated_ms: 9 }], before: "p" });
  await desk.threads.refresh();
  server.on("GET /v1/threads?limit=50&before=p", refuse(503, "shutting_down"));
  await desk.threads.older();
  expect(desk.threads.more).toBe(true);
});

test("a conversation gets a name, or has it taken away", async () => {
  await begin();
  server.on("GET /v1/threads?", { threads: [{ thread_id: "t", created_ms: 1, updated_ms: 1 }] });
  await desk.threads.refresh();
  expect([desk.threads.titleOf("t"), desk.threads.titleOf(null)]).toEqual(["Untitled", "New conversation"]);
  server.on("PATCH /v1/threads/t", ({ title }: any) => ({ thread_id: "t", created_ms: 1, updated_ms: 1, title }));
  await desk.threads.rename("t", "  A trip ");
  expect(desk.threads.titleOf("t")).toBe("A trip");
  await desk.threads.rename("t", " ");
  expect(server.bodies("PATCH /v1/threads/t")).toEqual([{ title: "A trip" }, { title: null }]);
});

test("another agent is asked for at its own address", async () => {
  history.replaceState(null, "", "/?agent=two");
  desk = new Desk();
  desk.start();
  await until(() => server.bodies("GET /v1/agents/two/threads?").length);
  expect(desk.client.base).toBe("http://localhost:3000/v1/agents/two");
});

test("the list is looked at again when the page is, and now and then", async () => {
  vi.useFakeTimers();
  try {
    await begin();
    const looked = vi.spyOn(desk.threads, "refresh");
    document.dispatchEvent(new Event("visibilitychange"));
    vi.advanceTimersByTime(30_000);
    expect(looked).toHaveBeenCalledTimes(2);
  } finally {
    vi.useRealTimers();
  }
});
