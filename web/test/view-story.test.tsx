// A story as its reader sees it: who says what, what has become of it, and what can be done.

import { render } from "preact";
import { act } from "preact/test-utils";
import { expect, test, vi } from "vitest";
import { mount } from "../src/renderer.js";
import { Fold } from "../src/story/fold.js";
import { memo } from "../src/view/memo.js";
import { called, said, Stage, turn, type Event } from "./view_stage.js";

const source = { lane: [] };
const result = (more: Record<string, unknown>): Event => ({ type: "tool_result", id: "c1", ...more });

test("who speaks is told by name", () => {
  const guide = { source: { lane: [], agent: "guide" } };
  const stage = new Stage(
    turn(
      [...said("Hi", guide), ...said("More", { ...guide, id: "m2" }), ...said("x", { id: "m3", role: "critic" })],
      undefined,
      "Hello",
    ),
  );
  expect(stage.all("article").map((article) => article.getAttribute("aria-label"))).toEqual([
    "You",
    "guide",
    "guide",
    "Critic",
  ]);
  expect(stage.all(".lw-speaker").map(({ textContent }) => textContent)).toEqual(["guide", "Critic"]);
});

test("what a person typed is shown as typed", () => {
  const stage = new Stage(turn([], undefined, "**not bold**\n<b>x</b>"));
  expect(stage.text(".lw-typed")).toBe("**not bold**\n<b>x</b>");
});

test.each([
  [[], null, "running"],
  [[result({ content: "sunny" })], null, "done in 1.0 s"],
  [[result({ content: "no", status: "error" })], null, "failed after 1.0 s"],
  [[], { outcome: "cancelled", open_calls: [{ id: "c1", name: "look" }] }, "no result"],
])("the state of a call is said in words: %#", (events, end, words) => {
  const stage = new Stage(turn([...called({ city: "Rome" }), ...events], end));
  expect(stage.text(".lw-call summary")).toContain("look city: Rome");
  expect(stage.text(".lw-call .lw-state")).toBe(words);
});

test("a call that is being written shows what is there", async () => {
  const start = { type: "tool_call_start", id: "c1", name: "look", message_id: "m1", source };
  const stage = new Stage(turn([start, { type: "tool_call_delta", id: "c1", args: '{"ci' }], null));
  expect(stage.text(".lw-state")).toBe("being written");
  await stage.unfold();
  expect(stage.text(".lw-call pre")).toBe('{"ci');
});

test("a card holds all arguments, the result, and what failed", async () => {
  const output = { type: "tool_output_delta", id: "c1", data: "half " };
  const stage = new Stage(
    turn([
      ...called({ city: "Rome", days: 3 }),
      output,
      output,
      result({ content: "no such city", status: "error", artifact: { a: 1 } }),
    ]),
  );
  expect(stage.text(".lw-failure")).toBe("no such city");
  await stage.unfold();
  expect(stage.all("section h4").map(({ textContent }) => textContent)).toEqual([
    "Arguments",
    "While it ran",
    "Result",
    "Kept for the application",
  ]);
  expect(stage.text(".lw-named")).toBe("cityRomedays3");
  expect(stage.all(".lw-inside pre").map(({ textContent }) => textContent)).toEqual([
    "half half ",
    "no such city",
    '{"a":1}',
  ]);
});

test("arguments that do not parse are shown as they are", async () => {
  const call = called({});
  const stage = new Stage(turn([call[0]!, { ...call[1]!, args: null, invalid: '{"ci' }]));
  await stage.unfold();
  expect(stage.text(".lw-call pre")).toBe('{"ci');
  expect(stage.text(".lw-note")).toContain("no valid JSON");
});

test("thinking is open while it lasts and folds away, unless its reader has said otherwise", async () => {
  const part = { type: "reasoning_start", id: "r", message_id: "m1", source };
  const stage = new Stage(turn([part, { type: "reasoning_delta", id: "r", text: "Let me think" }], null));
  const details = stage.one("details") as HTMLDetailsElement;
  expect([details.open, stage.text("summary")]).toEqual([true, "Thinking"]);
  stage.tell({ type: "reasoning_end", id: "r" });
  expect([details.open, stage.text("summary")]).toEqual([false, "Thought for 2.0 s"]);
  await stage.unfold();
  stage.tell(...said("So", { id: "m2" }));
  expect(details.open).toBe(true);
});

test("the work of a subagent lies inside its call, and what is deep is folded", () => {
  const lanes = [1, 2, 3, 4, 5].map((depth) => Array.from({ length: depth }, (_, place) => `n${place}`));
  const nested = lanes.flatMap((lane, place) => {
    const at = { source: { lane: lanes[place - 1] ?? [] } };
    const id = `c${place}`;
    return [
      { type: "tool_call_start", id, name: "task", message_id: `m${place}`, source: at.source },
      { type: "tool_call_end", id, name: "task", args: {} },
      { type: "subagent_start", lane, id, parent: lanes[place - 1] ?? [], name: `agent ${place}` },
    ];
  });
  const stage = new Stage(turn(nested, null));
  expect(stage.all(".lw-lane").map((lane) => (lane as HTMLDetailsElement).open)).toEqual([true, true, true, false]);
});

test("things to do are a list with the state of each", () => {
  const data = [
    { content: "read", status: "completed" },
    { content: "write", status: "in_progress" },
  ];
  const stage = new Stage(
    turn([{ type: "extracted", name: "write_todos", kind: "todos", data }, ...said("Done.")], null, "Go"),
  );
  expect(stage.text("ul[aria-label='To do']")).toBe("readwrite");
  expect(stage.all(".lw-todo [role=img]").map((box) => box.getAttribute("aria-label"))).toEqual([
    "done",
    "in progress",
  ]);
  expect(stage.text(".lw-todos .lw-state")).toBe("1 of 2 done");
  expect([...stage.one(".lw-turn").children].map(({ className }) => className.split(" ").at(-1))).toEqual([
    "lw-user",
    "lw-todos",
    "lw-assistant",
    "lw-working",
  ]);
});

test("progress is shown while there is some", () => {
  const stage = new Stage(turn([{ type: "progress", text: "three of eight", percent: 40 }], null));
  expect((stage.one("progress") as HTMLProgressElement).value).toBe(40);
  stage.tell({ type: "turn_end", outcome: "complete" });
  expect(stage.all("progress")).toHaveLength(0);
});

test.each([
  [
    { outcome: "error", error: { code: "ValueError", message: "the agent failed", id: "e1" } },
    "The agent failed (ValueError, id e1)",
    "Try again",
  ],
  [{ outcome: "cancelled", reason: "enough" }, "Stopped: enough", "Go on"],
  [{ outcome: "timeout" }, "Stopped: it took too long", "Go on"],
])("a turn that did not end well says so: %#", async (end, words, button) => {
  const goOn = vi.fn(async () => Promise.reject(new Error("not now")));
  const stage = new Stage(turn([], end), { goOn });
  expect(stage.text(".lw-end p")).toBe(words);
  await stage.press(button);
  expect(goOn).toHaveBeenCalledOnce();
  expect(stage.text("[role=alert]")).toBe("not now");
  stage.tell(...turn([]));
  expect(stage.buttons()).toEqual([]);
});

test("a turn in which nothing was said says so", () => {
  expect(new Stage(turn([])).text(".lw-note")).toBe("Nothing was said.");
});

test("a turn tells what it cost", () => {
  const usage = { input_tokens: 1204, output_tokens: 88 };
  const stage = new Stage(turn(said("x"), { outcome: "complete", usage, redactions: 2 }));
  expect(stage.text(".lw-facts")).toBe("1,204 tokens in, 88 out · 4.0 s · 2 passages taken out");
});

test("what did not stay is folded, what was changed is said to be", async () => {
  const events = [
    ...said("gone", { id: "m1" }),
    ...said("before", { id: "m2" }),
    { type: "message_discarded", message_id: "m1", source },
    { type: "message_replaced", message_id: "m2", text: "after", source },
  ];
  const stage = new Stage(turn(events));
  expect(stage.home.textContent).not.toContain("gone");
  expect(stage.home.textContent).not.toContain("before");
  expect(stage.home.textContent).toContain("afterChanged by the agent afterwards.");
  await stage.unfold();
  expect(stage.home.textContent).toContain("gone");
});

test("what was just read does not fold away before something follows it", () => {
  const discarded = { type: "message_discarded", message_id: "m1", source };
  const stage = new Stage(turn([...said("half an answ"), discarded], { outcome: "cancelled" }));
  expect(stage.text(".lw-gone")).toBe("Not kept in the conversationhalf an answ");
  const again = new Stage(turn([...said("half an answ"), discarded, ...said("A whole one", { id: "m2" })]));
  expect(again.text(".lw-gone")).toBe("Not kept in the conversation");
});

test("sources are named once, and lead only to the web", () => {
  const cite = (data: unknown) => ({ type: "citation", id: "m1", data });
  const [start, delta, end] = said("So it is.");
  const citations = [
    { url: "https://a.org", title: "A" },
    { url: "https://a.org" },
    { url: "javascript:1", title: "J" },
    "odd",
  ];
  const stage = new Stage(turn([start!, delta!, ...citations.map(cite), end!]));
  expect(stage.all(".lw-sources li").map(({ innerHTML }) => innerHTML)).toEqual([
    expect.stringContaining('href="https://a.org"'),
    "<bdi>J</bdi>",
    "<bdi>source</bdi>",
  ]);
});

test("a message of the person's is edited with its files kept", async () => {
  const edit = vi.fn(async () => {});
  const stage = new Stage([], { edit });
  stage.tell({ type: "turn_start", turn_id: "t" }, ...said("Look", { id: "u1", role: "user" }));
  stage.tell(
    { type: "media", id: "u1/1", message_id: "u1", kind: "image", source, ref: "files/a%20b" },
    { type: "turn_end", outcome: "complete" },
  );
  await stage.press("Edit");
  const field = stage.field("Say instead");
  expect([document.activeElement, field.value]).toEqual([field, "Look"]);
  await stage.write("Say instead", "Look again");
  const key = (name: string, more = {}) =>
    act(async () => void field.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, ...more })));
  await key("Enter", { shiftKey: true });
  expect(edit).not.toHaveBeenCalled();
  await key("Enter");
  expect(edit).toHaveBeenCalledExactlyOnceWith("u1", [
    { type: "text", text: "Look again" },
    { type: "file", file_id: "a b" },
  ]);
});

test.each([
  ["where words alone are taken", { wordsOnly: true }, { url: "files/a" }],
  ["of which there is no file in the thread", {}, { base64: "aGk=", mime_type: "image/png" }],
])("a message is not edited that would lose its media, %s", (_, more, media) => {
  const offered = (...content: object[]) => {
    const input = { messages: [{ role: "user", content, id: "u1" }] };
    return new Stage(turn([], undefined, input), { edit: async () => {}, ...more }).buttons();
  };
  const words = { type: "text", text: "Look" };
  expect(offered(words)).toContain("Edit");
  expect(offered(words, { type: "image", ...media })).not.toContain("Edit");
});

test("an edit can be left", async () => {
  const stage = new Stage(turn([], undefined, { messages: [{ role: "user", content: "Look", id: "u1" }] }), {
    edit: async () => {},
  });
  await stage.press("Edit");
  await stage.press("Back");
  expect(stage.text(".lw-typed")).toBe("Look");
});

test("the last answer of a finished turn can be made anew", async () => {
  const regenerate = vi.fn(async () => {});
  const stage = new Stage(turn([...said("one"), ...said("two", { id: "m2" })], null), { regenerate });
  expect(stage.buttons()).not.toContain("Regenerate");
  stage.tell({ type: "turn_end", outcome: "complete" });
  await stage.press("Regenerate");
  expect(regenerate).toHaveBeenCalledExactlyOnceWith("m2");
});

test("a message is copied", async () => {
  const written: string[] = [];
  vi.stubGlobal("navigator", { clipboard: { writeText: async (text: string) => void written.push(text) } });
  const stage = new Stage(turn(said("**x**\n\n```\ncode\n```")));
  await stage.press("Copy");
  expect(stage.buttons()).toContain("Copied");
  await stage.press("Copy code");
  expect(written).toEqual(["**x**\n\n```\ncode\n```", "code\n"]);
  vi.unstubAllGlobals();
});

test("a task is opened", async () => {
  const openTask = vi.fn();
  const update = { type: "task_update", task_id: "k1", state: "review_needed", title: "ask", attempt: 2 };
  const stage = new Stage(turn([update]), { openTask });
  expect(stage.text(".lw-task .lw-state")).toBe("waits for you, attempt 2");
  await stage.press("ask");
  expect(openTask).toHaveBeenCalledExactlyOnceWith("k1");
});

test("only what has changed is drawn again", async () => {
  const stage = new Stage(
    turn(Array.from({ length: 30 }, (_, place) => said(`text ${place}`, { id: `m${place}` })).flat(), null),
  );
  const changed = new Set<string>();
  const watch = new MutationObserver((records) => {
    for (const { target } of records) {
      const element = target instanceof Element ? target : target.parentElement;
      changed.add(element?.closest("article")?.textContent ?? "none");
    }
  });
  watch.observe(stage.home, { subtree: true, childList: true, attributes: true, characterData: true });
  const [start, delta] = said("newest", { id: "m99" });
  stage.tell(start!, delta!);
  stage.tell({ type: "text_delta", id: "m99", text: " words" });
  await Promise.resolve();
  expect([...changed].filter((text) => text.startsWith("text "))).toEqual([]);
  expect(stage.text("article:last-of-type")).toBe("newest words");
  watch.disconnect();
});

test("what has the props that it had is not looked at", () => {
  const draw = vi.fn(({ version }: { thing: object; version: number }) => <p>{version}</p>);
  const Drawn = memo(draw);
  const [home, thing] = [document.createElement("main"), {}];
  for (const version of [1, 1, 2]) void act(() => render(<Drawn thing={thing} version={version} />, home));
  expect(home.textContent).toBe("2");
  expect(draw).toHaveBeenCalledTimes(2);
});

test("of a long past the newest is drawn first, and all of it in the end", async () => {
  const clock = vi.spyOn(performance, "now");
  let now = 1e9;
  clock.mockImplementation(() => (now += 10));
  const events = turn(Array.from({ length: 200 }, (_, place) => said(`text ${place}`, { id: `m${place}` })).flat());
  const stage = new Stage(events);
  const first = stage.all("article").length;
  expect(first).toBeLessThan(120);
  expect(stage.text("article:last-of-type")).toContain("text 199");
  await vi.waitFor(() => expect(stage.all("article")).toHaveLength(200), { timeout: 5000 });
  expect(stage.all(".lw-later")).toHaveLength(0);
  clock.mockRestore();
});

test("a mounted story is drawn at most once a frame, and goes when it is closed", async () => {
  const home = document.createElement("main");
  const fold = new Fold();
  const mounted = mount(home, fold.story);
  for (const event of turn(said("Hello"))) {
    fold.take(event as never);
    mounted.update();
  }
  expect(home.textContent).toBe("");
  await vi.waitFor(() => expect(home.textContent).toContain("Hello"));
  mounted.update();
  mounted.close();
  expect(home.childNodes).toHaveLength(0);
});

test("an exported file draws the story that it carries", async () => {
  document.body.innerHTML =
    '<main id="langwire" class="lw"><pre>before</pre></main><script type="application/json" id="langwire-story"></script>';
  document.getElementById("langwire-story")!.textContent = JSON.stringify(turn(said("Carried")));
  vi.resetModules();
  await import("../src/renderer.js");
  expect(document.getElementById("langwire")!.textContent).toContain("Carried");
  expect(document.querySelector("pre")).toBeNull();
});
