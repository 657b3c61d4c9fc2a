// How the page is used: what can be pressed, and what happens then.

import { render } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Desk } from "../src/page/desk.js";
import { begin } from "../src/page/page.js";
import { refuse, Server, settle, until, type Socket } from "./page-server.js";

const source = {};
let server: Server;
let desk: Desk;
let home: HTMLElement;
let grown: () => void;

beforeEach(() => {
  sessionStorage.clear();
  server = new Server();
  globalThis.ResizeObserver = class {
    constructor(heard: () => void) {
      grown = heard;
    }
    observe(): void {}
    disconnect(): void {}
    unobserve(): void {}
  } as unknown as typeof ResizeObserver;
  home = document.createElement("div");
  home.append("The page is on its way.");
  document.body.replaceChildren(home);
});
afterEach(() => {
  desk.open({ kind: "conversation", id: null });
  render(null, home);
});

async function open(hash = ""): Promise<Socket> {
  history.replaceState(null, "", `/${hash}`);
  desk = begin(home);
  await settle();
  return hash && !hash.startsWith("#tasks") ? server.socket(0) : (undefined as unknown as Socket);
}

const all = <Kind extends Element>(selector: string): Kind[] => [...home.querySelectorAll<Kind>(selector)];
const nameOf = (element: Element): string => element.getAttribute("aria-label") ?? element.textContent ?? "";
function button(name: string): HTMLButtonElement {
  const found = all<HTMLButtonElement>("button").filter((one) => nameOf(one) === name);
  expect(found, `buttons “${name}”`).toHaveLength(1);
  return found[0]!;
}
async function press(name: string): Promise<void> {
  button(name).click();
  await settle();
}
const box = (): HTMLTextAreaElement => home.querySelector<HTMLTextAreaElement>("textarea[aria-label=Message]")!;
async function write(text: string): Promise<void> {
  box().value = text;
  box().dispatchEvent(new InputEvent("input", { bubbles: true }));
  await settle();
}
async function key(name: string, more: KeyboardEventInit = {}, on: EventTarget = box()): Promise<KeyboardEvent> {
  const event = new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...more });
  on.dispatchEvent(event);
  await settle();
  return event;
}
const thread = (id: string, title: string, more: object = {}) => ({ thread_id: id, title, created_ms: 1, updated_ms: 1, ...more });

test("the page takes the place of what said that it is on its way", async () => {
  await open();
  expect(home.textContent).not.toContain("on its way");
  expect(home.textContent).toContain("What can I do for you?");
  expect(document.title).toBe("New conversation · langwire");
  expect(document.activeElement).toBe(box());
});

test("Enter sends, with Shift it begins a line, and a word that is being composed is left alone", async () => {
  const socket = await open("#t");
  socket.begin();
  await write("Hello");
  for (const kept of [{ shiftKey: true }, { isComposing: true }]) {
    expect((await key("Enter", kept)).defaultPrevented).toBe(false);
  }
  expect(socket.commands).toEqual([]);
  await key("Enter");
  expect(socket.commands).toMatchObject([{ type: "submit", input: "Hello" }]);
  expect(box().value).toBe("");
  await write("Again");
  await press("Send");
  expect(socket.commands).toHaveLength(2);
});

test("a turn is stopped by the button or by Escape, and Send is back when it is over", async () => {
  const socket = await open("#t");
  socket.begin();
  await key("Escape");
  socket.say({ type: "turn_start", turn_id: "1", seq: 1, at_ms: 1 });
  await settle();
  expect(all("button").map(nameOf)).not.toContain("Send");
  await press("Stop");
  await key("Escape");
  expect(socket.commands.map(({ type }) => type)).toEqual(["cancel", "cancel"]);
  socket.say({ type: "turn_end", outcome: "cancelled", seq: 2, at_ms: 2 });
  await settle();
  expect(button("Send").disabled).toBe(false);
});

test("the box says that a question waits", async () => {
  const socket = await open("#t");
  const question = { type: "interrupt", id: "q", kind: "value", value: "Your name?" };
  socket.begin([{ type: "turn_start", turn_id: "1" }, question, { type: "turn_end", outcome: "interrupted", interrupts: ["q"] }]);
  await settle();
  expect(box().placeholder).toBe("Waiting for your answer");
});

test("a slash comes to the box, unless it is written somewhere", async () => {
  await open();
  box().blur();
  expect((await key("/", {}, document.body)).defaultPrevented).toBe(true);
  expect(document.activeElement).toBe(box());
  expect((await key("/")).defaultPrevented).toBe(false);
  box().blur();
  expect((await key("/", { ctrlKey: true }, document.body)).defaultPrevented).toBe(false);
});

test("files are attached by choosing, pasting and dropping, and can be taken back", async () => {
  await open();
  const files = (...names: string[]) => names.map((name) => new File(["x"], name));
  const chips = () => all("ul[aria-label='Files to send'] li").map((chip) => chip.textContent);
  const input = home.querySelector<HTMLInputElement>("input[type=file]")!;
  const clicked = vi.spyOn(input, "click");
  await press("Attach files");
  expect(clicked).toHaveBeenCalled();
  Object.defineProperty(input, "files", { value: files("chosen.txt"), configurable: true });
  input.dispatchEvent(new Event("change", { bubbles: true }));
  const paste = Object.assign(new Event("paste", { bubbles: true, cancelable: true }), { clipboardData: { files: files("pasted.png") } });
  box().dispatchEvent(paste);
  expect(paste.defaultPrevented).toBe(true);
  const words = Object.assign(new Event("paste", { bubbles: true, cancelable: true }), { clipboardData: { files: [] } });
  box().dispatchEvent(words);
  expect(words.defaultPrevented).toBe(false);
  const main = home.querySelector("main")!;
  const drag = (type: string, given: unknown) => {
    const event = Object.assign(new Event(type, { bubbles: true, cancelable: true }), { dataTransfer: given });
    main.dispatchEvent(event);
    return event.defaultPrevented;
  };
  expect(drag("dragover", { types: ["text/plain"] })).toBe(false);
  expect(drag("dragover", { types: ["Files"] })).toBe(true);
  await settle();
  expect(main.className).toContain("pg-dropping");
  drag("dragleave", null);
  expect(drag("drop", { files: [] })).toBe(false);
  expect(drag("drop", { files: files("dropped.pdf") })).toBe(true);
  await settle();
  expect(main.className).not.toContain("pg-dropping");
  expect(chips()).toEqual(["chosen.txt1 bytes", "pasted.png1 bytes", "dropped.pdf1 bytes"]);
  await press("Remove pasted.png");
  expect(chips()).toHaveLength(2);
  drag("drop", { files: [new File(["x".repeat(2000)], "large.bin")] });
  await settle();
  expect(home.querySelector("[role=alert]")?.textContent).toContain("Too large: “large.bin”");
});

test("conversations are listed, with the one that is looked at and those that run", async () => {
  server.on("GET /v1/threads?", { threads: [thread("t", "A trip"), thread("r", "", { running: true })], before: "p" });
  server.on("GET /v1/threads?limit=50&before=p", { threads: [thread("o", "Old")] });
  (await open("#t")).begin();
  await settle();
  const links = all<HTMLAnchorElement>("nav[aria-label=Conversations] a");
  expect(links.map((link) => [link.textContent, link.getAttribute("href"), link.getAttribute("aria-current")])).toEqual([
    ["A trip", "#t", "page"],
    ["Untitled", "#r", null],
  ]);
  expect(all("[role=img][aria-label='The agent is at work']")).toHaveLength(1);
  expect(home.querySelector("h2")?.textContent).toBe("A trip");
  expect(document.title).toBe("A trip · langwire");
  await press("Older");
  expect(all("nav a")).toHaveLength(3);
  expect(all("button").map(nameOf)).not.toContain("Older");
});

test("older conversations come when the end of the list comes near", async () => {
  server.on("GET /v1/threads?", { threads: [thread("t", "A trip")], before: "p" });
  server.on("GET /v1/threads?limit=50&before=p", { threads: [thread("o", "Old")] });
  await open();
  home.querySelector("nav")!.dispatchEvent(new Event("scroll"));
  await settle();
  expect(all("nav a")).toHaveLength(2);
});

test("a conversation is renamed in its place: Enter keeps the name, Escape does not", async () => {
  server.on("GET /v1/threads?", { threads: [thread("t", "A trip")] });
  server.on("PATCH /v1/threads/t", ({ title }: any) => thread("t", title));
  await open();
  const input = () => home.querySelector<HTMLInputElement>("input[aria-label='Name of the conversation']");
  await press("Rename");
  input()!.value = "Thrown away";
  const left = key("Escape", {}, input()!);
  input()!.dispatchEvent(new FocusEvent("blur")); // as browsers do when it goes
  await left;
  expect(input()).toBe(null);
  home.querySelector("nav a")!.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  await settle();
  input()!.value = "To Rome";
  input()!.form!.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await settle();
  expect(home.querySelector("nav a")!.textContent).toBe("To Rome");
  await press("Rename");
  input()!.dispatchEvent(new FocusEvent("blur"));
  await settle();
  expect(server.bodies("PATCH /v1/threads/t")).toEqual([{ title: "To Rome" }]);
});

test("a conversation is deleted when that is said twice", async () => {
  server.on("GET /v1/threads?", { threads: [thread("t", "A trip")] });
  server.on("DELETE /v1/threads/t", () => {
    server.on("GET /v1/threads?", { threads: [] });
    return new Response(null, { status: 204 });
  });
  (await open("#t")).begin();
  await settle();
  await press("Delete conversation");
  expect(document.activeElement).toBe(button("Keep"));
  await press("Keep");
  await press("Delete conversation");
  await press("Delete");
  await until(() => desk.conversation === null);
  expect(all("nav a")).toEqual([]);
});

test("a conversation can be taken away as a file", async () => {
  (await open("#t")).begin();
  await settle();
  await press("Export");
  const links = () => all<HTMLAnchorElement>(".pg-menu a").map((link) => [link.textContent, link.href]);
  const at = "http://localhost:3000/v1/threads/t/export?format=";
  expect(links()).toEqual([
    ["HTML", `${at}html`],
    ["Markdown", `${at}markdown`],
    ["JSON lines", `${at}jsonl`],
  ]);
  await key("a", {}, document.body);
  home.querySelector(".pg-menu")!.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  await settle();
  expect(links()).toHaveLength(3);
  await key("Escape", {}, document.body);
  expect(links()).toEqual([]);
  await press("Export");
  document.body.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  await settle();
  expect(links()).toEqual([]);
  await press("Export");
  home.querySelector<HTMLElement>(".pg-menu a")!.click();
  await settle();
  expect(links()).toEqual([]);
});

test("a line that breaks is told, and mended when one does not want to wait", async () => {
  const socket = await open("#t");
  socket.begin();
  await settle();
  const status = () => home.querySelector("[role=status]")!.textContent;
  expect(status()).toBe("");
  socket.close();
  await until(() => status() === "Reconnecting …");
  await press("Try now");
  (await server.socket(1)).begin();
  await settle();
  expect(status()).toBe("");
});

test("a conversation that is gone lets one begin a new one", async () => {
  server.on("GET /v1/threads/t?", refuse(404, "unknown_thread"));
  const socket = await open("#t");
  socket.close();
  await until(() => home.querySelector("[role=alert]"));
  expect(home.querySelector("[role=alert]")!.textContent).toBe("This conversation is not here, or not yours.");
  expect(button("Send").disabled).toBe(true);
  await write("Hello");
  await press("Begin a new conversation");
  await until(() => desk.conversation === null);
  expect(box().value).toBe("Hello");
  await settle();
  expect(home.querySelector("[role=alert]")).toBe(null);
});

test("a turn elsewhere is told below what was said", async () => {
  const socket = await open("#t");
  socket.begin([], { unfinished: true });
  await settle();
  expect(home.querySelector("[role=log]")!.textContent).toContain("The agent is at work on another server");
});

test("what was gone back from can be undone", async () => {
  server.on("POST /v1/threads/t/submit", refuse(429, "too_many_turns"));
  (await open("#t")).begin();
  await desk.deeds(desk.conversation!).edit!("u", "Better").catch(() => {});
  const second = await server.socket(1);
  second.begin();
  await settle();
  await press("Undo");
  expect(second.commands).toMatchObject([{ type: "undo_fork" }]);
  expect(all("button").map(nameOf)).not.toContain("Undo");
});

test("the tokens of a conversation are told at its foot", async () => {
  const socket = await open("#t");
  socket.begin();
  const usage = { type: "usage", message_id: "a", input_tokens: 1204, output_tokens: 88 };
  socket.say(
    { type: "turn_start", turn_id: "1", seq: 1, at_ms: 1 },
    { type: "text_start", id: "a", message_id: "a", source, seq: 2, at_ms: 1 },
    { ...usage, seq: 3, at_ms: 1 },
    { type: "turn_end", outcome: "complete", usage: { input_tokens: 1204, output_tokens: 88 }, seq: 4, at_ms: 1 },
  );
  await settle();
  expect(home.querySelector("footer")!.textContent).toBe("1,204 tokens in, 88 out");
});

test("a transcript that becomes shorter is followed as before, and left while it grows", async () => {
  const socket = await open("#t");
  socket.begin();
  await settle();
  const scroller = home.querySelector<HTMLElement>(".pg-scroller")!;
  const height = { value: 3000 };
  Object.defineProperty(scroller, "scrollHeight", { get: () => height.value });
  Object.defineProperty(scroller, "clientHeight", { get: () => 100 });
  const scrollTo = async (top: number): Promise<void> => {
    scroller.scrollTop = top;
    scroller.dispatchEvent(new Event("scroll"));
    await settle();
  };
  await scrollTo(2900);
  height.value = 2000; // the browser tells of it only when something has grown again
  scroller.scrollTop = 1900;
  height.value = 2500;
  await scrollTo(1900);
  expect(all("button").map(nameOf)).not.toContain("To the newest");
  grown();
  expect(scroller.scrollTop).toBe(2500);
  height.value = 4000;
  grown();
  await scrollTo(3700);
  expect(all("button").map(nameOf)).toContain("To the newest");
});

test("the end of the transcript is followed until the reader scrolls up, and again from there on", async () => {
  const socket = await open("#t");
  socket.begin();
  await settle();
  const scroller = home.querySelector<HTMLElement>(".pg-scroller")!;
  const [height, seen] = [{ value: 1000 }, 100];
  Object.defineProperty(scroller, "scrollHeight", { get: () => height.value });
  Object.defineProperty(scroller, "clientHeight", { get: () => seen });
  grown();
  expect(scroller.scrollTop).toBe(1000);
  const scrollTo = async (top: number): Promise<void> => {
    scroller.scrollTop = top;
    scroller.dispatchEvent(new Event("scroll"));
    await settle();
  };
  await scrollTo(900);
  height.value = 3000; // more has come, and the browser tells of scrolling that was before
  await scrollTo(900);
  expect(all("button").map(nameOf)).not.toContain("To the newest");
  await scrollTo(400);
  height.value = 5000;
  grown();
  expect(scroller.scrollTop).toBe(400);
  await press("To the newest");
  expect(scroller.scrollTop).toBe(5000);
  expect(all("button").map(nameOf)).not.toContain("To the newest");
  await scrollTo(4000);
  await scrollTo(4900);
  height.value = 6000;
  grown();
  expect(scroller.scrollTop).toBe(6000);
});

test("on a phone the side is a drawer, with the focus in it as long as it is open", async () => {
  await open();
  await press("Conversations");
  expect(button("Conversations").getAttribute("aria-expanded")).toBe("true");
  expect(document.activeElement).toBe(button("New conversation"));
  expect(home.querySelector(".pg-place")!.hasAttribute("inert")).toBe(true);
  await key("Escape", {}, button("New conversation"));
  expect(document.activeElement).toBe(button("Conversations"));
  await press("Conversations");
  home.querySelector<HTMLElement>(".pg-shade")!.click();
  await settle();
  expect(home.querySelector(".pg-open")).toBe(null);
  await press("Conversations");
  await press("New conversation");
  expect(home.querySelector(".pg-open")).toBe(null);
});

test("where there are several agents one is chosen", async () => {
  server.on("GET /v1/agents?", { agents: [{ name: "one" }, { name: "two" }] });
  await open();
  const select = home.querySelector("select")!;
  expect([...select.options].map((option) => option.value)).toEqual(["one", "two"]);
  expect(select.value).toBe("one");
});

test("a page of another version asks to be loaded anew", async () => {
  (await open("#t")).begin([], { protocol: 2 });
  await settle();
  expect(home.querySelector("[role=alert]")!.textContent).toContain("another version");
  button("Reload the page");
});

test("a page that breaks says so, and is never blank", async () => {
  await open();
  const complained = vi.spyOn(console, "error").mockImplementation(() => {});
  desk.threads.titleOf = () => {
    throw new Error("broken");
  };
  desk.changed();
  await settle();
  expect(home.textContent).toContain("Something on this page broke.");
  button("Reload the page");
  expect(complained).toHaveBeenCalled();
  complained.mockRestore();
});

// ------------------------------------------------------------------ tasks

const task = (id: string, more: object = {}) => ({
  id, kind: "agent", name: "main", title: id, state: "ongoing", root_id: id, created_ms: 1, updated_ms: 1, change: 1, ...more,
});

async function openTasks(hash: string, ...tasks: ReturnType<typeof task>[]): Promise<void> {
  server.on("GET /v1/agents?", { agents: [{ name: "agent" }], tasks: "/v1/tasks" });
  for (const one of tasks) server.on(`GET /v1/tasks/${one.id}?`, () => one);
  server.on("GET /v1/tasks?", { tasks });
  await open(hash);
  for (const stream of server.streams) stream.say({ type: "hello", protocol: 1 });
  await settle();
}

test("the board shows tasks as a tree with what becomes of them, and leads to each", async () => {
  await openTasks("", task("lead", { state: "ongoing" }), task("part", { parent_id: "lead", state: "review_needed", title: "" }));
  await press("Tasks");
  server.streams[0]!.say({ type: "hello", protocol: 1 });
  await settle();
  expect(button("Tasks").getAttribute("aria-current")).toBe("page");
  const links = all<HTMLAnchorElement>("section[aria-label=Tasks] a");
  expect(links.map((link) => link.getAttribute("href"))).toEqual(["#tasks/lead", "#tasks/part"]);
  expect(links[1]!.textContent).toContain("mainwaits for you");
  expect(links[1]!.closest("ul")!.parentElement).toBe(links[0]!.parentElement);
});

test("an empty board says what it is for", async () => {
  await openTasks("#tasks");
  expect(home.textContent).toContain("Nothing has been delegated yet.");
});

test("a server without tasks offers no board, and says so to who comes all the same", async () => {
  await open("#tasks");
  expect(all("button").map(nameOf)).not.toContain("Tasks");
  expect(home.textContent).toContain("This server delegates no tasks.");
});

test("a task shows what it is to do, and is cancelled, tried again and talked to", async () => {
  const one = task("a", { prompt: "Find trains", parent_id: "lead", usage: { input_tokens: 5, output_tokens: 6 } });
  await openTasks("#tasks/a", one);
  expect(home.textContent).toContain("Find trains");
  expect(home.querySelector("footer")!.textContent).toBe("5 tokens in, 6 out");
  server.on("POST /v1/tasks/a/cancel", { stopped: true });
  await press("Cancel task");
  Object.assign(one, { state: "failed", attempt: 2, change: 2, error: { code: "Oops", message: "it broke", id: "e1" } });
  desk.board!.put({ ...desk.task!.detail!, state: "failed", change: 2 });
  await settle();
  expect(home.textContent).toContain("attempt 2");
  expect(home.textContent).toContain("It failed: it broke (Oops e1)");
  expect(all("button").map(nameOf)).not.toContain("Cancel task");
  server.on("POST /v1/tasks/a/retry", { taken: false });
  await press("Retry task");
  expect(home.querySelector("[role=alert]")!.textContent).toContain("The task has moved on");
  const words = home.querySelector<HTMLTextAreaElement>("textarea[aria-label='Message to the task']")!;
  const say = async (text: string): Promise<void> => {
    words.value = text;
    words.dispatchEvent(new InputEvent("input", { bubbles: true }));
    await settle();
  };
  server.on("POST /v1/tasks/a/followup", refuse(503, "shutting_down"));
  await say("By night, please");
  await key("Enter", { shiftKey: true }, words);
  await key("Enter", {}, words);
  expect(words.value).toBe("By night, please");
  server.on("POST /v1/tasks/a/followup", { taken: true });
  await press("Send");
  expect(words.value).toBe("");
  const sent = server.bodies("POST /v1/tasks/a/followup");
  expect(sent.map((body) => body.message)).toEqual(["By night, please", "By night, please"]);
  expect(new Set(sent.map((body) => body.message_id)).size).toBe(1);
  await press("Send");
  expect(server.bodies("POST /v1/tasks/a/followup")).toHaveLength(2);
});

test("a task that is done shows what it came to, unless those are its agent's words", async () => {
  await openTasks("#tasks/a", task("a", { state: "done", result: { trains: 3 } }), task("b", { state: "done", result: "said" }));
  expect(home.querySelector("section[aria-label='Result of the task']")!.textContent).toContain('"trains": 3');
  location.hash = "#tasks/b";
  await until(() => desk.task?.id === "b" && desk.task.detail);
  await settle();
  expect(home.querySelector("section[aria-label='Result of the task']")).toBe(null);
});

test("a task that waits for those that it delegated says so", async () => {
  await openTasks("#tasks/a", task("a", { state: "queued", waits_for: ["b"] }));
  expect(home.textContent).toContain("waits for its tasks");
  expect(home.textContent).toContain("It waits for tasks that it has delegated.");
});

test("a task that is not there is told so", async () => {
  await openTasks("#tasks/x");
  await until(() => home.querySelector("[role=alert]"));
  expect(home.querySelector("[role=alert]")!.textContent).toBe("There is nothing at this address.");
});
