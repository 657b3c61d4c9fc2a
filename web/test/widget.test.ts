import { afterEach, beforeEach, expect, test, vi } from "vitest";

import widget from "../src/widget/widget.js";
import { knowSources } from "./exact_json.js";
import { FakeModel, events, said } from "./widget-model.js";

let el: HTMLElement;
let model: FakeModel;
let end: () => void;

const waits = events(
  { type: "turn_start", turn_id: "t", thread_id: "t", seq: 1 },
  {
    type: "interrupt",
    id: "q",
    kind: "approval_batched",
    actions: [{ name: "send", args: { to: "ann" }, allowed: ["approve"] }],
    allowed: ["approve"],
    seq: 2,
  },
  { type: "turn_end", outcome: "interrupted", interrupts: ["q"], seq: 3 },
);

beforeEach(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe(): void {}
      disconnect(): void {}
    },
  );
  el = document.createElement("div");
  document.body.append(el);
  model = new FakeModel({ story: null, saved: "00ff" });
});

afterEach(() => {
  end();
  el.remove();
  vi.unstubAllGlobals();
});

const start = (): void => {
  end = widget.render({ model, el });
};
const drawn = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));
const box = (): HTMLTextAreaElement | null => el.querySelector("textarea[aria-label=Message]");
const button = (name: string): HTMLButtonElement | undefined =>
  [...el.querySelectorAll("button")].find((one) => one.textContent === name);
const press = (key: string, more: KeyboardEventInit = {}): void =>
  void box()?.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true, bubbles: true, ...more }));
const note = (): string => el.querySelector("[role=status].lw-notebook-note")?.textContent ?? "";
const write = (text: string): void => void ((box() as HTMLTextAreaElement).value = text);

test("nothing is drawn, and nothing hidden, before the kernel has answered", async () => {
  start();
  expect(el.querySelector(".lw")).toBeNull();
  expect(el.querySelector("style")).toBeNull();
  model.tellStory([said("hello", 1)]);
  await drawn();
  expect(el.querySelector("[role=log]")?.textContent).toContain("hello");
  expect(el.querySelector("style")?.textContent).toContain(".lw-saved-00ff");
  expect(box()).not.toBeNull();
});

test("the name of what is hidden cannot be anything else", () => {
  model = new FakeModel({ story: said("hello", 1), saved: "00ff} * { display: none" });
  start();
  expect(el.querySelector("style")?.textContent).toMatch(/^\.lw-saved-[0-9a-f]+, /);
});

test("a story to read is drawn at once, without a composer", async () => {
  model = new FakeModel({ story: said("hello", 1), saved: "00ff" });
  start();
  await drawn();
  expect(el.querySelector("[role=log]")?.textContent).toContain("hello");
  expect(box()).toBeNull();
  expect(model.sent).toEqual([]);
});

test("an empty story to read is no error", () => {
  model = new FakeModel({ story: "", saved: "00ff" });
  start();
  expect(el.querySelector("[role=log]")).not.toBeNull();
});

test("Enter sends what was written, once, and empties the box when that was taken", async () => {
  start();
  model.tellStory([]);
  write("hi");
  press("Enter", { shiftKey: true });
  press("Enter", { isComposing: true });
  expect(model.sent).toHaveLength(1);
  press("Enter");
  press("Enter");
  expect(model.sent.slice(1)).toMatchObject([{ type: "submit", input: "hi" }]);
  expect(box()?.value).toBe("hi");
  write("hi and more");
  await model.answer();
  expect(box()?.value).toBe(" and more");
});

test("what is refused stays in the box, with the words why", async () => {
  start();
  model.tellStory([]);
  write("  ");
  button("Send")?.click();
  expect(model.sent).toHaveLength(1);
  write("hi");
  button("Send")?.click();
  await model.answer("a question is open: answer it first");
  expect(box()?.value).toBe("hi");
  expect(note()).toBe("a question is open: answer it first");
  button("Send")?.click();
  await model.answer();
  expect(note()).toBe("");
});

test("a turn that runs is stopped by button or by Escape", () => {
  start();
  model.tellStory([said("hello", 1)]);
  expect([button("Send")?.hidden, button("Stop")?.hidden]).toEqual([false, true]);
  press("Escape");
  expect(model.sent).toHaveLength(1);
  button("Send")?.focus();
  model.say({ type: "events", lines: events({ type: "turn_start", turn_id: "t2", thread_id: "t", seq: 6 }) });
  expect([button("Send")?.hidden, button("Stop")?.hidden]).toEqual([true, false]);
  expect(document.activeElement).toBe(box());
  press("Escape");
  button("Stop")?.click();
  expect(model.sent.slice(1)).toMatchObject([{ type: "cancel" }, { type: "cancel" }]);
});

test("a question is answered by its button", async () => {
  start();
  model.tellStory([waits]);
  await drawn();
  expect(box()?.placeholder).toBe("The agent waits for your answer");
  button("Approve")?.click();
  await vi.waitFor(() =>
    expect(model.sent[1]).toMatchObject({ type: "resume", answers: { q: [{ type: "approve" }] } }),
  );
});

test("a number that a notebook would change on its way is not sent, and that is said", async () => {
  const know = knowSources();
  start();
  model.tellStory([waits.replace('"ann"', "1234567890123456789").replaceAll('["approve"]', '["edit"]')]);
  await drawn();
  expect(el.textContent).toContain("to1234567890123456789");
  button("Edit")?.click();
  await drawn();
  await drawn();
  button("Approve with changes")?.click();
  await vi.waitFor(() => expect(el.querySelector("[role=alert]")?.textContent).toContain("nothing was sent"));
  expect(model.sent).toHaveLength(1);
  know();
});

test("a conversation that was closed takes nothing more", () => {
  start();
  model.tellStory([]);
  model.say({ type: "closed", why: "deleted" });
  expect(box()?.disabled).toBe(true);
  expect(note()).toContain("closed");
});

test("it is as light as the notebook around it", async () => {
  document.body.dataset["jpThemeLight"] = "false";
  start();
  model.tellStory([]);
  const theme = (): string | undefined => (el.querySelector(".lw-notebook") as HTMLElement).dataset["lwTheme"];
  expect(theme()).toBe("dark");
  document.body.dataset["jpThemeLight"] = "true";
  await vi.waitFor(() => expect(theme()).toBe("light"));
  delete document.body.dataset["jpThemeLight"];
  document.body.className = "vscode-dark";
  await vi.waitFor(() => expect(theme()).toBe("dark"));
  document.body.className = "vscode-high-contrast-light";
  await vi.waitFor(() => expect(theme()).toBe("light"));
  document.body.className = "";
  await vi.waitFor(() => expect(theme()).toBeUndefined());
  document.documentElement.setAttribute("theme", "dark");
  await vi.waitFor(() => expect(theme()).toBe("dark"));
  document.documentElement.removeAttribute("theme");
});

test("a view that is closed leaves nothing behind", () => {
  start();
  model.tellStory([said("hello", 1)]);
  end();
  expect(el.querySelector(".lw")).toBeNull();
  expect(el.querySelector("style")).toBeNull();
});

test("regenerate, edit and go on are asked of the kernel", async () => {
  start();
  model.tellStory([
    events(
      { type: "turn_start", turn_id: "t", thread_id: "t", input: { messages: [{ role: "user", id: "u", content: "hi" }] }, seq: 1 },
      { type: "text_start", id: "a", message_id: "m", role: "assistant", seq: 2 },
      { type: "text_delta", id: "a", text: "hello", seq: 3 },
      { type: "text_end", id: "a", seq: 4 },
      { type: "turn_end", outcome: "cancelled", seq: 5 },
    ),
  ]);
  await drawn();
  button("Go on")?.click();
  await vi.waitFor(() => expect(model.sent[1]).toMatchObject({ type: "continue" }));
  await model.answer();
  button("Edit")?.click();
  await drawn();
  const field = el.querySelector<HTMLTextAreaElement>("[role=log] textarea");
  if (field === null) throw new Error("there is no field to write in");
  field.value = "hello there";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await drawn();
  field.form?.requestSubmit();
  await vi.waitFor(() => expect(model.sent[2]).toMatchObject({ type: "edit", message_id: "u", input: "hello there" }));
});
