// The board of tasks, against a server that says what a test has it say.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { LangwireClient, LangwireError } from "../client/src/client.js";
import { Desk } from "../src/page/desk.js";
import { OpenTask } from "../src/page/task.js";
import { Board, type TaskNode, type TaskView } from "../src/page/tasks.js";
import { refuse, Server, settle, until, type Stream } from "./page-server.js";

const task = (id: string, more: Partial<TaskView> = {}): TaskView => ({
  id,
  kind: "agent",
  name: "main",
  state: "ongoing",
  root_id: id,
  created_ms: 1,
  updated_ms: 1,
  change: 1,
  ...more,
});
const drawn = (nodes: readonly TaskNode[]): string =>
  nodes.map(({ task, children }) => task.id + (children.length ? `(${drawn(children)})` : "")).join(" ");
const entry = (seq: number, event: object) => ({ ...event, seq, at_ms: seq });
const hello = { type: "hello", protocol: 1 };

let server: Server;
let board: Board;
let opened: OpenTask | null = null;

beforeEach(() => {
  history.replaceState(null, "", "/");
  server = new Server();
  server.on("GET /v1/tasks?", { tasks: [] });
  board = new Board(new LangwireClient("/v1"));
});
afterEach(() => {
  board.close();
  opened?.close();
  opened = null;
});

/** Have the board read what there is; the stream over which changes come. */
async function begin(...tasks: TaskView[]): Promise<Stream> {
  server.on("GET /v1/tasks?", { tasks });
  board.open();
  const stream = await until(() => server.streams.at(-1));
  stream.say(hello);
  await until(() => board.state === "live");
  return stream;
}

async function look(detail: TaskView): Promise<Stream> {
  server.on(`GET /v1/tasks/${detail.id}?`, () => ({ ...detail }));
  opened = new OpenTask(board, detail.id);
  return until(() => server.streams.find((stream) => stream.path.startsWith(`/v1/tasks/${detail.id}/events`)));
}

test("tasks stand below the one that delegated them, the newest tree first, the oldest branch first", async () => {
  const below = { parent_id: "a", root_id: "a" };
  await begin(
    task("c", { ...below, created_ms: 5 }),
    task("b", { ...below, created_ms: 4 }),
    task("n", { created_ms: 3 }),
    task("a", { created_ms: 2 }),
    task("lost", { parent_id: "unknown", created_ms: 1 }),
  );
  expect(drawn(board.trees())).toBe("n a(b c) lost");
});

test("the board is told of changes, and keeps what is newer", async () => {
  const stream = await begin(task("a", { change: 3 }));
  stream.say({ type: "task", task: task("a", { state: "done", change: 4 }) }, { type: "task", task: task("b") });
  await until(() => board.tasks.size === 2);
  expect(board.tasks.get("a")?.state).toBe("done");
  board.put(task("a", { state: "ongoing", change: 3 }));
  expect(board.tasks.get("a")?.state).toBe("done");
  stream.say({ type: "a frame of a later version" });
  await settle();
  expect(board.state).toBe("live");
});

test("what changes while the list is read is not lost, and what is gone goes", async () => {
  const first = await begin(task("gone", { change: 90 }));
  let answer = (_: unknown): void => {};
  server.on("GET /v1/tasks?", () => new Promise((done) => (answer = done)));
  first.end();
  await until(() => board.state === "reconnecting");
  board.retry();
  const second = await until(() => server.streams[1]);
  second.say(hello, { type: "task", task: task("a", { state: "done", change: 2 }) });
  await until(() => board.tasks.has("a"));
  answer({ tasks: [task("a", { change: 1 })] });
  await until(() => !board.tasks.has("gone"));
  expect(board.tasks.get("a")?.state).toBe("done");
});

test("older tasks come when they are asked for", async () => {
  server.on("GET /v1/tasks?limit=100&", { tasks: [task("old")] });
  server.on("GET /v1/tasks?", { tasks: [task("new")], before: 7 });
  server.on("GET /v1/tasks?limit=100&before=7", { tasks: [task("old")] });
  board.open();
  (await until(() => server.streams[0])).say(hello);
  await until(() => board.more);
  await board.older();
  expect([...board.tasks.keys()]).toEqual(["new", "old"]);
  expect(board.more).toBe(false);
  await board.older();
  expect(board.tasks.size).toBe(2);
});

test("a board that may not be read says why, and does not ask again", async () => {
  const fetched = globalThis.fetch;
  globalThis.fetch = async () => refuse(401, "unauthorized")();
  board.open();
  await until(() => board.state === "refused");
  globalThis.fetch = fetched;
  expect(board.why?.code).toBe("unauthorized");
});

test("a line that says nothing for too long is given up", async () => {
  const stream = await begin();
  vi.useFakeTimers();
  try {
    stream.say({ type: "sign of life" });
    await vi.advanceTimersByTimeAsync(44_000);
    expect(stream.ended).toBe(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(stream.ended).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});

test("a task is steered, and what it does not take is told", async () => {
  for (const deed of ["answer", "retry", "followup"]) server.on(`POST /v1/tasks/a/${deed}`, { taken: true });
  server.on("POST /v1/tasks/a/cancel", { stopped: "stopping" });
  await board.answer("a", { q: 1 });
  await board.retryTask("a");
  await board.say("a", "more", "m1");
  await board.cancel("a");
  expect(server.asked.map(([what, body]) => [what.slice(17, -1), body])).toEqual([
    ["answer", { answers: { q: 1 } }],
    ["retry", {}],
    ["followup", { message: "more", message_id: "m1" }],
    ["cancel", {}],
  ]);
  for (const deed of ["answer", "retry", "followup"]) server.on(`POST /v1/tasks/a/${deed}`, { taken: false });
  server.on("POST /v1/tasks/a/cancel", { stopped: false });
  const refused = [board.answer("a", {}), board.retryTask("a"), board.say("a", "", "m"), board.cancel("a")];
  const codes = await Promise.all(refused.map((deed) => deed.catch((error: LangwireError) => error.code)));
  expect(codes).toEqual(["already_answered", "illegal_move", "illegal_move", "illegal_move"]);
});

test("a task tells what it told and what it tells, and goes on where the line broke", async () => {
  const stream = await look(task("a"));
  stream.say(hello, entry(1, { type: "turn_start", turn_id: "1" }));
  await until(() => opened!.fold.story.turns.length === 1);
  expect(opened!.state).toBe("live");
  stream.say({ type: "closed", reason: "shutting_down" });
  stream.end();
  await until(() => opened!.state === "reconnecting");
  opened!.retry();
  const second = await until(() => server.streams[1]);
  expect(second.path).toBe("/v1/tasks/a/events?after=a%3A1");
  second.say(hello, { type: "reset", reason: "foreign" }, entry(1, { type: "turn_start", turn_id: "1" }));
  second.say(entry(2, { type: "turn_end", outcome: "complete" }), { type: "closed", reason: "ended" });
  await until(() => opened!.state === "closed");
  expect(opened!.fold.story.turns).toHaveLength(1);
});

test("that a task waits for others is no question to anybody", async () => {
  const stream = await look(task("a", { state: "queued", waits_for: ["b"] }));
  const asks = { type: "interrupt", kind: "value" };
  stream.say(
    entry(1, { type: "turn_start", turn_id: "1" }),
    entry(2, { ...asks, id: "w", value: { type: "langwire.wait_for_tasks", task_ids: ["b"] } }),
    entry(3, { ...asks, id: "q", value: null }),
    entry(4, { type: "turn_end", outcome: "interrupted", interrupts: ["w", "q"] }),
  );
  await until(() => opened!.fold.story.questions.length);
  expect(opened!.fold.story.questions.map((question) => question.interrupt.id)).toEqual(["q"]);
});

test("a task that begins anew after its end is read on", async () => {
  const detail = task("a", { state: "failed" });
  const stream = await look(detail);
  stream.say(entry(1, { type: "turn_start", turn_id: "1" }), { type: "closed", reason: "ended" });
  await until(() => opened!.state === "closed");
  Object.assign(detail, { state: "queued", change: 2 });
  board.put({ ...detail });
  const second = await until(() => server.streams[1]);
  expect(second.path).toBe("/v1/tasks/a/events?after=a%3A1");
  expect(opened!.detail?.state).toBe("queued");
});

test("news of other tasks are no reason to ask for this one", async () => {
  await look(task("a", { change: 5 }));
  board.put(task("b"));
  await settle();
  expect(server.bodies("GET /v1/tasks/a?")).toHaveLength(1);
});

test("a task that is not there is told so", async () => {
  server.on("GET /v1/tasks/x?", refuse(404, "unknown_task"));
  opened = new OpenTask(board, "x");
  await until(() => opened!.state === "refused");
  expect(opened.why?.code).toBe("unknown_task");
});

test("the desk has a board where the server has one, and reads it while it is looked at", async () => {
  server.on("GET /v1/agents?", { agents: [{ name: "agent" }], tasks: "/v1/tasks" });
  server.on("GET /v1/tasks/a?", task("a"));
  history.replaceState(null, "", "/#tasks/a");
  const desk = new Desk();
  desk.start();
  const own = await until(() => desk.board);
  await until(() => desk.task);
  await until(() => server.streams.length === 2);
  const deeds = desk.taskDeeds(desk.task!);
  server.on("POST /v1/tasks/a/answer", { taken: true });
  await deeds.answer!({ q: "yes" });
  expect(server.bodies("POST /v1/tasks/a/answer")).toEqual([{ answers: { q: "yes" } }]);
  deeds.openTask!("b");
  await until(() => desk.task?.id === "b");
  desk.open({ kind: "tasks", id: null });
  expect(desk.task).toBe(null);
  desk.open({ kind: "conversation", id: null });
  await until(() => server.streams.every((stream) => stream.ended));
  expect(own.state).toBe("connecting");
});

test("a server without tasks has no board", async () => {
  const desk = new Desk();
  desk.start();
  await until(() => desk.agents.length);
  expect(desk.board).toBe(null);
});
