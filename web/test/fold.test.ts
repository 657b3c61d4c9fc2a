// Small streams, and the story that each comes to.

import { describe, expect, test } from "vitest";

import { Fold } from "../src/story/fold.js";
import type { CallPart, Lane, Message, Story } from "../src/story/model.js";
import { fold, item, root, told } from "./fold_stories.js";

const START = { type: "turn_start", turn_id: "1", seq: 1, at_ms: 1000 };
const END = { type: "turn_end", outcome: "complete", seq: 99, at_ms: 9000 };
const RESUME = { ...START, turn_id: "2", cause: "resume", at_ms: 20_000 };
const A = { lane: ["tools:1"] };

function said(id: string, ...pieces: string[]) {
  return [
    { type: "text_start", id, message_id: id, source: {} },
    ...pieces.map((text) => ({ type: "text_delta", id, text })),
    { type: "text_end", id },
  ];
}

function called(id: string, more: object = {}, source: object = {}) {
  return [
    { type: "tool_call_start", id, name: "look", message_id: `m-${id}`, source, call_id: id, at_ms: 2000, ...more },
    { type: "tool_call_delta", id, args: '{"at":' },
    { type: "tool_call_delta", id, args: '"it"}' },
    { type: "tool_call_end", id, name: "look", call_id: id, args: { at: "it" }, at_ms: 3000 },
  ];
}

function message(story: Story, at = 0): Message {
  return told(story).messages[at]!;
}

function call(story: Story, at = 0): CallPart {
  return told(story).calls[at]!;
}

function texts(lane: Lane): string[] {
  return lane.items.map((item) =>
    item.kind === "message" ? item.parts.map((part) => ("text" in part ? part.text : part.kind)).join("") : item.kind,
  );
}

describe("what is said", () => {
  test("text streams into its part, which closes", () => {
    const events = [START, ...said("m", "Hel", "lo")];
    expect(message(fold(events.slice(0, 3)))).toMatchObject({
      kind: "message",
      messageId: "m",
      role: "assistant",
      agent: null,
      parts: [{ kind: "text", text: "Hel", open: true, partial: false, refusal: false }],
      replacement: null,
      gone: null,
    });
    expect(message(fold(events)).parts).toMatchObject([{ text: "Hello", open: false, partial: false }]);
  });

  test("the parts of a message are in the order in which they began", () => {
    const source = { agent: "guide", node: "model" };
    const story = fold([
      START,
      { type: "reasoning_start", id: "m", message_id: "m", source, at_ms: 1000 },
      { type: "reasoning_delta", id: "m", text: "Hm." },
      { type: "reasoning_end", id: "m", at_ms: 3100 },
      { type: "text_start", id: "m/1", message_id: "m", source },
      { type: "citation", id: "m/1", data: { url: "u" } },
      { type: "media", id: "m/2", message_id: "m", kind: "image", source, mime: "image/png", data: "AA==" },
      { type: "text_start", id: "m/3", message_id: "m", source, refusal: true },
      { type: "text_end", id: "m/3", partial: true },
      { type: "usage", message_id: "m", input_tokens: 7, output_tokens: 2, model: "x" },
      { type: "usage", message_id: "nobody", output_tokens: 1 },
      { type: "usage", message_id: "m" },
    ]);
    expect(message(story)).toMatchObject({ agent: "guide", usage: { input: 7, output: 2, model: "x" } });
    expect(message(story).parts).toMatchObject([
      { kind: "reasoning", text: "Hm.", open: false, startedMs: 1000, endedMs: 3100 },
      { kind: "text", citations: [{ url: "u" }] },
      { kind: "media", media: "image", mime: "image/png", data: "AA==", ref: null, block: null },
      { kind: "text", refusal: true, partial: true },
    ]);
    expect([story.usage, story.turns[0]!.usage]).toEqual(Array(2).fill({ input_tokens: 7, output_tokens: 3 }));
  });

  test("no tokens of nobody change nothing", () => {
    const folding = new Fold();
    folding.take(START as never);
    const { version } = folding.story;
    folding.take({ type: "usage", message_id: "nobody" } as never);
    expect(folding.story.version).toBe(version);
  });

  test("a node names a message whose agent is not known", () => {
    const source = { node: "writer" };
    expect(message(fold([START, { type: "text_start", id: "m", message_id: "m", source }])).agent).toBe("writer");
  });

  test("what nobody announced is a message of its own", () => {
    const story = fold([
      { type: "text_delta", id: "a", text: "late" },
      { type: "reasoning_delta", id: "b", text: "hm" },
      { type: "citation", id: "c", data: 1 },
      { type: "citation", id: "b", data: "of thinking there is none" },
      { type: "tool_call_delta", id: "d", args: "{" },
      { type: "tool_output_delta", id: "e", data: "half" },
      { type: "tool_call_end", id: "f", name: "look", args: {} },
      { type: "text_end", id: "nobody" },
    ]);
    expect(texts(root(story))).toEqual(["late", "hm", "", "call", "call", "call"]);
    expect(told(story).calls).toMatchObject([{ argsText: "{" }, { output: ["half"] }, { name: "look", args: {} }]);
    expect(story.running).toBe(story.turns[0]);
  });

  test("what is told of a part of the turn before is a message of its own", () => {
    const story = fold([START, ...said("m", "one"), END, RESUME, { type: "text_delta", id: "m", text: "two" }]);
    expect(story.turns.map(({ lane }) => texts(lane))).toEqual([["one"], ["two"]]);
  });

  test("a message of the same id in another lane, task or turn is another message", () => {
    const start = (source: object) => ({ type: "text_start", id: "x", message_id: "m", source });
    const one = fold([START, start({ task: "1" }), start({ task: "1" }), start({}), start(A)]);
    expect(told(one).messages.map(({ parts }) => parts.length)).toEqual([3, 1]);
    const two = fold([START, start({ task: "1" }), start({ task: "2" })]);
    expect(told(two).messages.map(({ gone }) => gone)).toEqual(["removed", null]);
    const three = fold([START, start({}), END, RESUME, start({})]);
    expect(told(three).messages.map(({ gone }) => gone)).toEqual(["removed", null]);
  });

  test("what becomes of a message later is told where it stands", () => {
    const replaced = { type: "message_replaced", message_id: "m", text: "new", source: {} };
    const removed = { type: "messages_removed", ids: ["m", "nobody"] };
    const discarded = { type: "message_discarded", message_id: "m", source: {} };
    const after = (...events: object[]) => message(fold([START, ...said("m", "old"), ...events]));
    expect(after(replaced)).toMatchObject({ replacement: "new", gone: null, parts: [{ text: "old" }] });
    expect(after(removed).gone).toBe("removed");
    expect(after({ ...removed, lane: ["tools:1"] }).gone).toBe("removed"); // a lane inside of it
    expect(after(removed, replaced).gone).toBeNull();
    expect(after(discarded).gone).toBe("discarded");
    expect(after(discarded, removed, replaced).gone).toBe("discarded");
    expect(after({ ...discarded, source: A }).gone).toBeNull();
    const earlier = fold([START, replaced]);
    expect(message(earlier)).toMatchObject({ role: "unknown", replacement: "new", parts: [] });
  });

  test("of two messages of one id the nearest is replaced, and that of its task discarded", () => {
    const start = (source: object) => ({ type: "text_start", id: "x", message_id: "m", source });
    const replaced = { type: "message_replaced", message_id: "m", text: "new", source: A };
    const near = fold([START, start(A), start({}), replaced]);
    expect(told(near).messages.map(({ replacement }) => replacement)).toEqual(["new", null]);
    const discarded = { type: "message_discarded", message_id: "m", source: { task: "1" } };
    const tasks = fold([START, start({ task: "1" }), start({ task: "2" }), discarded]);
    expect(told(tasks).messages.map(({ gone }) => gone)).toEqual(["discarded", null]);
  });
});

describe("what a person says", () => {
  const words = (input: unknown) =>
    told(fold([{ ...START, input }])).messages.map(({ messageId, role, parts }) => [
      messageId,
      role,
      ...parts.map((part) => (part.kind === "text" ? part.text : part)),
    ]);

  test.each<[string, unknown, unknown[]]>([
    ["text", "hi", [["", "user", "hi"]]],
    ["no text", "", []],
    ["nothing", null, []],
    ["blocks", [{ type: "text", text: "a" }, { type: "input_text", text: "b" }], [["", "user", "a", "b"]]],
    ["a state", { messages: [{ role: "user", id: "u", content: "hi" }] }, [["u", "user", "hi"]]],
    ["a message alone", { messages: { type: "human", content: "hi", id: null } }, [["", "user", "hi"]]],
    ["pairs", { messages: [["user", "hi"], ["ai", "no"]] }, [["", "user", "hi"]]],
    ["one pair", { messages: ["human", "hi"] }, [["", "user", "hi"]]],
    ["texts", { messages: ["a", "b"] }, [["", "user", "a"], ["", "user", "b"]]],
    ["what others say", { messages: [{ role: "system", content: "x" }, { type: "ai", content: "y" }, 7] }, []],
    ["context", { messages: [{ role: "user", name: "context", content: "x" }] }, []],
    ["another state", { question: "x" }, []],
    ["twice", { messages: Array(2).fill({ role: "user", id: "u", content: "hi" }) }, [["u", "user", "hi"]]],
  ])("%s", (_, input, expected) => expect(words(input)).toEqual(expected));

  test.each<[string, unknown, object]>([
    ["a file by reference", { type: "file", ref: "files/1", mime_type: "a/b" }, { media: "file", mime: "a/b", ref: "files/1" }],
    ["bytes", { type: "image", base64: "AA==", mime_type: "image/png" }, { media: "image", data: "AA==", ref: null }],
    ["a source", { type: "image", source: { data: "AA==", media_type: "image/gif" } }, { mime: "image/gif", data: "AA==" }],
    ["an address", { type: "image_url", image_url: { url: "https://x.org" } }, { media: "image", ref: "https://x.org" }],
    ["a data address", { type: "image_url", image_url: "data:image/png;base64,AA==" }, { mime: "image/png", data: "AA==" }],
    ["anything else", { type: "odd", a: 1 }, { media: "odd", block: { type: "odd", a: 1 } }],
    ["what has no type", { a: 1 }, { media: "other", block: { a: 1 } }],
    ["what is no block", 7, { media: "other", block: 7 }],
  ])("a block that is %s", (_, block, expected) => {
    const input = { messages: [{ role: "user", content: ["see", block] }] };
    expect(message(fold([{ ...START, input }])).parts).toMatchObject([{ text: "see" }, { kind: "media", ...expected }]);
  });

  test("it is told once, however often it comes", () => {
    const input = { messages: [{ role: "user", id: "u", content: "hi" }] };
    const again = [
      { type: "text_start", id: "u", message_id: "u", source: {}, role: "user" },
      { type: "text_delta", id: "u", text: "hi" },
      { type: "citation", id: "u", data: 1 },
      { type: "text_end", id: "u" },
      { type: "media", id: "u/1", message_id: "u", kind: "image", source: {} },
    ];
    const live = fold([{ ...START, input }, ...again, END, { ...START, input, turn_id: "2" }, END]);
    expect(live.turns.map(({ lane }) => texts(lane))).toEqual([["hi"], []]);
    const restored = fold([START, ...again, END, { ...START, input, turn_id: "2" }]);
    expect(restored.turns.map(({ lane }) => texts(lane))).toEqual([["himedia"], []]);
    const inside = again.map((event) => ("source" in event ? { ...event, source: A } : event));
    expect(told(fold([{ ...START, input }, ...inside])).messages.length).toBe(2); // what a subagent was asked
  });

  test("it can be changed and removed like any other message", () => {
    const input = { messages: [{ role: "user", id: "u", content: "my card" }] };
    const replaced = { type: "message_replaced", message_id: "u", text: "[card]", source: {} };
    const story = fold([{ ...START, input }, replaced, { type: "messages_removed", ids: ["u"] }]);
    expect(told(story).messages).toMatchObject([{ replacement: "[card]", gone: "removed" }]);
  });
});

describe("calls", () => {
  const RESULT = { type: "tool_result", id: "c", content: "found", call_id: "c", message_id: "t", at_ms: 4200 };

  test("a call is written, runs, and is answered", () => {
    const events = [START, ...called("c"), RESULT];
    expect(call(fold(events.slice(0, 3)))).toMatchObject({ state: "writing", argsText: '{"at":', args: null });
    expect(call(fold(events.slice(0, 5)))).toMatchObject({ state: "running", args: { at: "it" }, startedMs: 3000 });
    expect(call(fold(events))).toMatchObject({
      state: "ok",
      name: "look",
      callId: "c",
      argsText: '{"at":"it"}',
      result: { content: "found", artifact: null, replaced: false, removed: false },
      startedMs: 3000,
      endedMs: 4200,
    });
    expect(call(fold([...events.slice(0, 5), { ...RESULT, status: "error", artifact: 1 }]))).toMatchObject({
      state: "error",
      result: { artifact: 1 },
    });
  });

  test("a call that does not parse, or was cut off, says so", () => {
    const end = { type: "tool_call_end", id: "c", name: "look", invalid: '{"a', partial: true };
    expect(call(fold([START, ...called("c").slice(0, 2), end]))).toMatchObject({ args: null, invalid: '{"a', partial: true });
  });

  test("a call without a result is open at the end, and answered when its result comes later", () => {
    const open_calls = [{ id: "c", name: "look" }];
    const first = [START, ...called("c"), ...called("d").slice(0, 2), { ...END, outcome: "cancelled", open_calls }];
    const story = fold(first);
    expect(told(story).calls.map(({ state }) => state)).toEqual(["open", "open"]);
    expect(story.turns[0]!.openCalls).toEqual(open_calls);
    const going = [...first, { ...RESUME, cause: "continue" }];
    expect(told(fold(going)).calls.map(({ state }) => state)).toEqual(["open", "open"]); // it did not wait for anybody
    const later = fold([...going, RESULT, END]);
    expect(told(later).calls.map(({ state }) => state)).toEqual(["ok", "open"]);
    expect(later.turns[1]!.lane.items).toEqual([]);
  });

  test("a call that is answered before it is written is answered", () => {
    const events = called("c");
    expect(call(fold([START, ...events.slice(0, 3), RESULT, events[3]!])).state).toBe("ok");
  });

  test("the provider's own calls need no result", () => {
    const story = fold([START, ...called("c", { provider: true }), ...called("d", { provider: true }).slice(0, 2), END]);
    expect(told(story).calls.map(({ state, provider }) => [state, provider])).toEqual([["ok", true], ["open", true]]);
  });

  test("a second result, or one of an unknown call, is a message of the tool", () => {
    const story = fold([START, ...called("c"), RESULT, { ...RESULT, content: "again" }, { ...RESULT, id: "z", name: "dig" }]);
    expect(told(story).messages.map(({ role }) => role)).toEqual(["assistant", "tool"]); // both came in message t
    expect(told(story).calls).toMatchObject([{ result: { content: "found" } }, { result: { content: "again" } }, { name: "dig" }]);
  });

  test("what becomes of a result later", () => {
    const events = [START, ...called("c", {}, A), { ...RESULT, source: A }];
    const replaced = { type: "message_replaced", message_id: "t", text: "[found]", source: A };
    const removed = { type: "messages_removed", ids: ["t"] };
    const result = call(fold([...events, replaced, removed, removed])).result;
    expect(result).toMatchObject({ content: "[found]", replaced: true, removed: true });
    const twice = [...events, RESULT, RESULT].map((event) => ({ ...event, source: A })); // the second is a message
    expect(told(fold([...twice, replaced])).calls.at(-1)!.result!.replaced).toBe(true);
    const folding = new Fold();
    for (const event of [...events, removed]) folding.take(event as never);
    const { version } = folding.story;
    folding.take(removed as never);
    expect(folding.story.version).toBe(version);
    const elsewhere = ["tools:2"];
    const others = [{ ...replaced, source: { lane: elsewhere } }, { ...removed, lane: elsewhere }];
    expect(call(fold([...events, ...others])).result).toMatchObject({ replaced: false, removed: false });
  });

  test("what a tool tells while it runs, and what is read out of it, is its call's", () => {
    const story = fold([
      START,
      ...called("c"),
      { type: "tool_output_delta", id: "c", data: 1 },
      { type: "tool_output_delta", id: "c" },
      { type: "display", id: "c", title: "T", bundle: { "text/plain": "7" } },
      { type: "extracted", id: "c", name: "think", kind: "reflection", data: "so" },
      { type: "extracted", id: "c", name: "think", kind: "error", error: "KeyError" },
      { type: "display", id: "nobody", bundle: { "text/plain": "8" } },
      { type: "extracted", name: "look", kind: "skill", data: { action: "load" } },
    ]);
    expect(call(story)).toMatchObject({
      output: [1, null],
      shown: [
        { kind: "display", title: "T", bundle: { "text/plain": "7" } },
        { kind: "data", label: "reflection", data: "so" },
        { kind: "data", label: "extractor", data: "think: failed with KeyError" },
      ],
    });
    expect(root(story).items.slice(1)).toMatchObject([
      { kind: "display", title: null, bundle: { "text/plain": "8" } },
      { kind: "data", label: "skill", data: { action: "load" } },
    ]);
  });
});

describe("questions", () => {
  test("they wait no more when what asked was stopped", () => {
    const asks = { type: "interrupt", id: "q", kind: "value", value: "Sure?", actions: [{ name: "look", call_id: "c" }] };
    const taken = new Fold();
    const events = [START, ...called("c"), asks, { ...END, outcome: "interrupted", interrupts: ["q"] }];
    for (const event of events) taken.take(event as Parameters<Fold["take"]>[0]);
    expect(call(taken.story).state).toBe("waiting");
    const { version } = taken.story;
    taken.withdraw();
    expect(taken.story.questions).toEqual([]);
    expect(item(root(taken.story), "question").question.open).toBe(false);
    expect(call(taken.story).state).toBe("open");
    expect(taken.story.version).toBeGreaterThan(version);
  });

  const ask = (id: string, more: object = {}) => ({ type: "interrupt", id, value: `${id}?`, ...more });
  const waits = (...interrupts: string[]) => ({ ...END, outcome: "interrupted", interrupts });
  const asked = (story: Story) => story.questions.map(({ interrupt }) => interrupt.id);

  test("a question waits once its turn has ended, and is answered by the next", () => {
    const actions = [{ name: "look", args: {}, call_id: "c" }];
    const events = [START, ...called("c"), ask("q", { actions }), waits("q", "nobody"), RESUME];
    const running = fold(events.slice(0, 6));
    expect([asked(running), call(running).state]).toEqual([[], "running"]);
    const story = fold(events.slice(0, 7));
    const { question } = item(root(story), "question");
    expect(question).toBe(story.questions[0]);
    expect([question.open, question.actions, call(story).state]).toEqual([true, actions, "waiting"]);
    const after = fold(events);
    expect(item(root(after, 0), "question").question.open).toBe(false);
    expect([asked(after), call(after).state, call(after).startedMs]).toEqual([[], "running", 20_000]);
  });

  test("a question that names no call is about the one of its action's name, with the same arguments", () => {
    const actions = [{ name: "look", args: { at: "it" } }];
    const other = [
      { type: "tool_call_start", id: "d", name: "look", message_id: "m-d", source: {}, call_id: "d" },
      { type: "tool_call_end", id: "d", name: "look", call_id: "d", args: { at: "this" } },
    ];
    const hear = [
      { type: "tool_call_start", id: "e", name: "hear", message_id: "m-e", source: {}, call_id: "e" },
      { type: "tool_call_end", id: "e", name: "hear", call_id: "e", args: { at: "it" } },
    ];
    const story = fold([START, ...called("c"), ...other, ...hear, ask("q", { actions }), waits("q")]);
    expect([0, 1, 2].map((at) => call(story, at).state)).toEqual(["waiting", "open", "open"]);
  });

  test("a question that something else was said to is dropped, with its call", () => {
    const story = fold([START, ...called("c"), ask("q", { call_id: "c" }), waits("q"), { ...START, turn_id: "2" }]);
    expect([asked(story), call(story).state]).toEqual([[], "open"]);
  });

  test("a question that is asked again is there once, where it was asked last", () => {
    const story = fold([START, ask("p"), ask("q"), waits("p", "q"), RESUME, ...said("m", "ok"), ask("q"), waits("q")]);
    expect(story.turns.map(({ lane }) => texts(lane))).toEqual([["question"], ["ok", "question"]]);
    expect(asked(story)).toEqual(["q"]);
    expect(item(root(story), "question").question).toBe(story.questions[0]);
    const twice = fold([START, ask("q"), ask("q", { value: "else?" }), waits("q", "q")]);
    expect(texts(root(twice))).toEqual(["question"]);
    expect(twice.questions.map(({ interrupt }) => interrupt.value)).toEqual(["else?"]);
  });

  test("the next question of a node has the id of the one before, and is another one", () => {
    const story = fold([START, ask("q"), waits("q"), RESUME, ask("q", { value: "And then?" }), waits("q")]);
    expect(story.turns.map(({ lane }) => texts(lane))).toEqual([["question"], ["question"]]);
    expect(item(root(story, 0), "question").question.open).toBe(false);
    expect(story.questions.map(({ interrupt }) => interrupt.value)).toEqual(["And then?"]);
  });

  test("a question stands in its lane", () => {
    const story = fold([START, ask("q", A), waits("q")]);
    expect(texts(item(root(story), "lane").lane)).toEqual(["question"]);
  });
});

describe("lanes", () => {
  const subagent = { type: "subagent_start", lane: ["tools:1"], id: "c", name: "ann", at_ms: 3500 };

  test("the work of a call stands in the call, however deep", () => {
    const inner = { lane: ["tools:1", "tools:2"] };
    const story = fold([
      START,
      ...called("c"),
      subagent,
      subagent,
      ...called("d", {}, A),
      { type: "subagent_start", ...inner, id: "d", parent: ["tools:1"] },
      { type: "text_start", id: "x", message_id: "x", source: { lane: [...inner.lane, "sub:3"] } },
      { type: "subagent_end", lane: ["tools:1"], at_ms: 5000 },
      { type: "subagent_end", lane: ["nowhere"] },
      { ...END, seq: 98 },
    ]);
    const [outer] = call(story).lanes;
    expect(call(story).lanes.length).toBe(1);
    expect(outer).toMatchObject({ name: "ann", path: ["tools:1"], running: false, startedMs: 3500, endedMs: 5000 });
    const [deeper] = call(story, 1).lanes;
    expect(deeper).toMatchObject({ name: "look", running: false, endedMs: 9000 });
    expect(item(deeper!, "lane").lane).toMatchObject({ name: "sub", items: [{ messageId: "x" }] });
    expect(texts(root(story))).toEqual(["call"]);
  });

  test("a subgraph that is the work of no call stands in the lane above, until its node is over", () => {
    const story = fold([
      START,
      { type: "text_start", id: "x", message_id: "x", source: { lane: ["outer:1", "inner:2"] } },
      { type: "text_start", id: "y", message_id: "y", source: { lane: ["odd"] } },
      { type: "node_end", id: "1", at_ms: 4000 },
      { type: "node_end", id: "9" },
    ]);
    const outer = item(root(story), "lane").lane;
    expect(outer).toMatchObject({ name: "outer", running: false, endedMs: 4000 });
    expect(item(outer, "lane").lane).toMatchObject({ name: "inner", running: true });
    expect(item(root(story), "lane", 1).lane.name).toBe("odd");
  });

  test("the subagent of a call that nobody knows has a lane all the same", () => {
    const story = fold([START, { ...subagent, id: "nobody" }, { ...subagent, lane: [] }]);
    expect(item(root(story), "lane").lane.name).toBe("ann");
    expect(root(story).name).toBe("");
  });

  test("the lane of a turn before is another one, in the same call", () => {
    const story = fold([START, ...called("c"), subagent, END, RESUME, subagent, END]);
    expect(call(story).lanes.length).toBe(2);
  });

  test("progress is shown as long as its lane is at work", () => {
    const progress = { type: "progress", text: "half", percent: 50, lane: ["tools:1"] };
    const events = [START, ...called("c"), subagent, progress, { ...progress, lane: [], percent: null }];
    const story = fold(events);
    expect(call(story).lanes[0]!.progress).toEqual({ text: "half", percent: 50 });
    expect(root(story).progress).toEqual({ text: "half", percent: null });
    const after = fold([...events, END, progress]);
    expect([call(after).lanes[0]!.progress, root(after).progress]).toEqual([null, null]);
  });

  test("todos are those of their lane, and nothing else", () => {
    const data = [
      { content: "a", status: "completed" },
      { content: "b", status: "in_progress" },
      { content: "c", status: "odd" },
      null,
    ];
    const todos = { type: "extracted", id: "c", name: "write_todos", kind: "todos", data };
    const folding = new Fold();
    for (const event of [START, ...called("c"), subagent, todos]) folding.take(event as never);
    const { story } = folding;
    expect(root(story).todos).toEqual([
      { text: "a", status: "completed" },
      { text: "b", status: "in_progress" },
      { text: "c", status: "pending" },
      { text: "", status: "pending" },
    ]);
    expect([call(story).shown, root(story).items.length]).toEqual([[], 1]);
    const { version } = story;
    folding.take({ ...todos, seq: 8 } as never);
    expect(story.version).toBe(version);
    folding.take({ ...todos, data: [], lane: ["tools:1"] } as never);
    expect([call(story).lanes[0]!.todos, root(story).todos!.length]).toEqual([[], 4]);
  });

  test("data of the agent's own stand where they came", () => {
    const story = fold([
      START,
      { type: "custom", data: { a: 1 } },
      { type: "structured_output", value: "x" },
      { type: "raw", mode: "debug" },
      { type: "state_snapshot", values: 1 },
      { type: "state_delta", node: "n" },
      { type: "node_start", id: "1", node: "n" },
      { type: "hologram", lane: [] },
      { type: "constructor" },
    ]);
    expect(root(story).items).toMatchObject([
      { label: "custom", data: { a: 1 } },
      { label: "structured output", data: "x" },
      { label: "debug", data: null },
    ]);
  });
});

describe("tasks", () => {
  const task = (task_id: string, state: string, more: object = {}) => ({ type: "task_update", task_id, state, ...more });

  test("a task stands where it was first told, and the tasks of tasks are known", () => {
    const story = fold([START, task("1", "queued"), END, RESUME, task("2", "queued", { parent_id: "1" }), task("1", "done")]);
    expect(story.turns.map(({ lane }) => texts(lane))).toEqual([["task"], []]);
    expect(item(root(story, 0), "task").task.update.state).toBe("done");
    expect([...story.tasks.keys()]).toEqual(["1", "2"]);
  });

  test("a thread of which only tasks are told does not run", () => {
    const story = fold([task("1", "queued")]);
    expect([story.running, root(story).items.length, story.turns[0]!.outcome]).toEqual([null, 1, "complete"]);
  });
});

describe("turns", () => {
  test("how a turn went is said of it", () => {
    const error = { code: "E", message: "m" };
    const usage = { input_tokens: 1, output_tokens: 2 };
    const end = { ...END, outcome: "error", error, reason: "r", usage, redactions: 2 };
    const events = [START, { type: "text_start", id: "m", message_id: "m", source: {} }];
    const story = fold(events);
    expect(story.running).toBe(story.turns[0]);
    expect(story.turns[0]).toMatchObject({ past: false, outcome: null, startedMs: 1000, endedMs: null });
    const ended = fold([...events, { type: "reasoning_start", id: "n", message_id: "m", source: {} }, end]);
    expect(ended.running).toBeNull();
    expect(ended.turns[0]).toMatchObject({ outcome: "error", error, reason: "r", usage, redactions: 2, endedMs: 9000 });
    expect(ended.turns[0]!.lane).toMatchObject({ running: false, startedMs: 1000, endedMs: 9000 });
    expect(message(ended).parts).toMatchObject([
      { open: false, partial: true },
      { open: false, partial: true, endedMs: 9000 },
    ]);
  });

  test("a turn of which nobody told the end was cut off when the next one begins", () => {
    const story = fold([START, ...called("c"), { ...START, turn_id: "2" }]);
    expect(story.turns.map(({ outcome }) => outcome)).toEqual(["cancelled", null]);
    expect([story.running, call(story).state]).toEqual([story.turns[1], "open"]);
  });

  test("an end without a beginning is the end of a turn", () => {
    expect(fold([END]).turns).toMatchObject([{ outcome: "complete" }]);
  });

  test("what a thread holds has neither numbers nor times, what follows has both", () => {
    const bare = [START, ...said("m", "hi"), END].map((event) => ({ ...event, seq: undefined, at_ms: undefined }));
    const story = fold([...bare, { ...START, turn_id: "2" }, ...said("n", "ho")]);
    expect(story.turns).toMatchObject([
      { past: true, startedMs: null, endedMs: null, outcome: "complete" },
      { past: false, startedMs: 1000 },
    ]);
  });

  test("a story that is told anew is the same object", () => {
    const folding = new Fold();
    const { story } = folding;
    for (const event of [START, ...said("m", "hi")]) folding.take(event as never);
    const { version } = story;
    const keys = story.turns.map(({ key }) => key);
    folding.clear();
    expect(folding.story).toBe(story);
    expect(story).toMatchObject({ turns: [], running: null, questions: [], tasks: new Map() });
    expect(story.version).toBeGreaterThan(version);
    folding.take(START as never);
    expect(story.turns.map(({ key }) => key)).not.toEqual(keys); // what was drawn for another thing is not used again
  });
});
