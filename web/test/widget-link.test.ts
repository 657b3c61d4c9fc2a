import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Link, type Listener } from "../src/widget/link.js";
import { FakeModel, events, said } from "./widget-model.js";

let model: FakeModel;
let heard: { told: number; words: string[]; closed: number };
let link: Link;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel({ story: null, saved: "00ff" });
  heard = { told: 0, words: [], closed: 0 };
  const listener: Listener = {
    told: () => void heard.told++,
    say: (words) => void heard.words.push(words),
    closed: () => void heard.closed++,
  };
  link = new Link(model, listener);
});

afterEach(() => {
  link.close();
  vi.useRealTimers();
});

const texts = (): string[] =>
  link.fold.story.turns.flatMap((turn) =>
    turn.lane.items.flatMap((item) =>
      item.kind === "message" ? item.parts.map((part) => (part.kind === "text" ? part.text : "")) : [],
    ),
  );

test("a view asks for the story, and takes nothing before it comes", () => {
  expect(model.sent).toMatchObject([{ type: "read", view: model.view }]);
  model.say({ type: "events", lines: said("too early", 1) });
  expect(texts()).toEqual([]);
  model.tellStory([said("hello", 1)]);
  expect(texts()).toEqual(["hello"]);
  expect(heard.told).toBe(2);
});

test("what comes afterwards is added, and what another view is told is passed over", () => {
  model.tellStory([events({ type: "turn_start", seq: 1 }, { type: "text_start", id: "a", message_id: "m", seq: 2 })]);
  model.say({ type: "events", lines: events({ type: "text_delta", id: "a", text: "one ", seq: 3 }) });
  model.say({ type: "story", to: "another" });
  model.say({ type: "events", to: "another", lines: said("for another", 1) });
  model.say({ type: "events", lines: events({ type: "text_delta", id: "a", text: "two", seq: 4 }) });
  expect(texts()).toEqual(["one two"]);
});

test("a view that has missed a message asks again, and takes nothing until then", async () => {
  model.tellStory([said("hello", 1)]);
  await model.answer();
  model.count++;
  model.say({ type: "events", lines: said("after the gap", 2) });
  expect(texts()).toEqual(["hello"]);
  expect(model.sent).toMatchObject([{ type: "read" }, { type: "read" }]);
  model.tellStory([said("all of it", 1)]);
  expect(texts()).toEqual(["all of it"]);
});

test("a view that misses a message while it is told the story asks again when that is through", async () => {
  model.say({ type: "story", to: model.view });
  model.count++;
  model.say({ type: "events", to: model.view, lines: said("the second half", 2) });
  expect(model.sent).toHaveLength(1);
  await model.answer();
  vi.advanceTimersByTime(500);
  expect(model.sent).toHaveLength(2);
});

test("a stale story is asked for again", async () => {
  model.tellStory([said("hello", 1)]);
  await model.answer();
  model.say({ type: "stale" });
  expect(model.sent).toHaveLength(2);
});

test("a command resolves with its answer, and rejects with the words of the kernel", async () => {
  const done = link.do({ type: "continue" });
  const refused = link.do({ type: "submit", input: "" });
  const words = expect(refused).rejects.toThrow("say something");
  await model.answer(null, 1);
  await model.answer("say something", 2);
  await expect(done).resolves.toBeUndefined();
  await words;
});

test("who waits too long for an answer is told so, and who has it is not", async () => {
  model.tellStory([]);
  await model.answer();
  heard.words = [];
  const asked = link.do({ type: "continue" });
  vi.advanceTimersByTime(3_999);
  expect(heard.words).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(heard.words).toEqual(["The kernel does not answer: it is busy, or has been stopped."]);
  await model.answer();
  await asked;
});

test("a story that cannot be read is told in words, and asked for again as long as the view is there", async () => {
  await model.answer("StoreError: the file is gone");
  expect(heard.words).toEqual(["StoreError: the file is gone"]);
  expect(model.sent).toHaveLength(1);
  vi.advanceTimersByTime(500);
  expect(model.sent).toHaveLength(2);
  model.tellStory([said("hello", 1)]);
  await model.answer(null, 1);
  expect([texts(), heard.words.at(-1)]).toEqual([["hello"], ""]);
  vi.advanceTimersByTime(500);
  expect(model.sent).toHaveLength(2);
  model.say({ type: "stale" });
  link.close();
  for (let tick = 0; tick < 5; tick++) await Promise.resolve();
  vi.advanceTimersByTime(500);
  expect(model.sent).toHaveLength(3);
});

test("notices are shown, and a closed conversation takes nothing more", () => {
  model.tellStory([]);
  model.say({ type: "notice", text: "a turn runs" });
  model.say({ type: "closed", why: "deleted" });
  expect(heard.words.slice(-2)).toEqual([
    "a turn runs",
    "This conversation has been closed. Run the cell again to open it.",
  ]);
  expect(heard.closed).toBe(1);
});

test("a view that was closed hears nothing, and what it asked for is rejected", async () => {
  const asked = link.do({ type: "continue" });
  const words = expect(asked).rejects.toThrow("the view was closed");
  link.close();
  model.tellStory([said("hello", 1)]);
  expect(texts()).toEqual([]);
  await words;
});
