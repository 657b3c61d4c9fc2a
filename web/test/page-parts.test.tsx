// The page's parts that need no server: addresses, words, drafts.

import { beforeEach, expect, test } from "vitest";

import { LangwireClient, LangwireError } from "../client/src/client.js";
import { addressOf, agentIn, placeOf, type Place } from "../src/page/address.js";
import { Draft, Drafts } from "../src/page/drafts.js";
import { isGone, sizeOf, timeAgo, usageOf, wordsOf } from "../src/page/words.js";
import { Server } from "./page-server.js";

beforeEach(() => sessionStorage.clear());

const file = (name: string, size: number): File => new File(["x".repeat(size)], name, { type: "text/plain" });

test.each([
  ["", { kind: "conversation", id: null }],
  ["#", { kind: "conversation", id: null }],
  ["#abc", { kind: "conversation", id: "abc" }],
  ["#a%2Fb", { kind: "conversation", id: "a/b" }],
  ["#%", { kind: "conversation", id: null }],
  ["#tasks", { kind: "tasks", id: null }],
  ["#tasks/x%2Fy", { kind: "tasks", id: "x/y" }],
  ["#%74asks", { kind: "conversation", id: "tasks" }],
] as [string, Place][])("the address %j names a place", (hash, place) => {
  expect(placeOf(hash)).toEqual(place);
});

test.each([
  { kind: "conversation", id: null },
  { kind: "conversation", id: "a/b c" },
  { kind: "conversation", id: "tasks" },
  { kind: "tasks", id: null },
  { kind: "tasks", id: "a/b" },
] as Place[])("a place has an address that names it again: %j", (place) => {
  expect(placeOf(addressOf(place))).toEqual(place);
});

test("a query names an agent, or the first one", () => {
  expect(agentIn("?agent=two")).toBe("two");
  expect([agentIn(""), agentIn("?agent=")]).toEqual([null, null]);
});

test("what went wrong is told in words, with what finds it in the log", () => {
  expect(wordsOf(new LangwireError("turn_running", "x"))).toBe("The agent is still at work. Wait for it, or stop it.");
  expect(wordsOf(new LangwireError("odd", "no such luck", "e7"))).toBe("That did not work: no such luck. (e7)");
  expect(wordsOf("as it is")).toBe("as it is");
  expect(wordsOf(new TypeError("oops"))).toBe("That did not work: TypeError: oops.");
  expect([isGone(new LangwireError("deleted", "")), isGone(new LangwireError("odd", "")), isGone("x")]).toEqual([true, false, false]);
});

test.each([
  [0, "now"],
  [59_999, "now"],
  [-5000, "now"],
  [60_000, "1m ago"],
  [3 * 3_600_000, "3h ago"],
  [86_400_000, "yesterday"],
  [400 * 86_400_000, "last yr."],
])("%d ms ago is %j", (ms, words) => {
  expect(timeAgo(1e13 - ms, 1e13)).toBe(words);
});

test("sizes and tokens are told shortly", () => {
  expect([999, 1500, 12_582_912, 9_999_999].map(sizeOf)).toEqual(["999 bytes", "1.5 kB", "12 MB", "10.0 MB"]);
  expect(usageOf({ input_tokens: 1204, output_tokens: 88 })).toBe("1,204 tokens in, 88 out");
  expect([usageOf(null), usageOf({})]).toEqual(["", ""]);
});

test("what is written outlives the page, for each conversation and agent", () => {
  new Drafts(null).of("t").write("half a tho");
  new Drafts("two").of(null).write("elsewhere");
  expect(new Drafts(null).of("t").text).toBe("half a tho");
  expect(new Drafts(null).of(null).text).toBe("");
  expect(new Drafts("two").of(null).text).toBe("elsewhere");
  new Drafts(null).of("t").clear();
  expect(sessionStorage.length).toBe(1);
});

test("a browser that keeps nothing does no harm", () => {
  const [get, set] = [Storage.prototype.getItem, Storage.prototype.setItem];
  Storage.prototype.getItem = Storage.prototype.setItem = () => {
    throw new DOMException("no", "SecurityError");
  };
  try {
    const draft = new Draft("k");
    draft.write("still here");
    expect(draft.text).toBe("still here");
  } finally {
    [Storage.prototype.getItem, Storage.prototype.setItem] = [get, set];
  }
});

test("a message has one name until something else is written, also in another box", () => {
  const draft = new Draft("a");
  draft.write("hello");
  const name = draft.messageId;
  expect(draft.messageId).toBe(name);
  const other = new Draft("b");
  other.takeOver(draft);
  expect([other.text, other.messageId, draft.text]).toEqual(["hello", name, ""]);
  other.write("hello!");
  expect(other.messageId).not.toBe(name);
  const again = other.messageId;
  other.add([file("a.txt", 1)], 10);
  expect(other.messageId).not.toBe(again);
});

test("files that are too large are refused in words, the others stay until they are removed", () => {
  const draft = new Draft("a");
  const small = file("small.txt", 3);
  expect(draft.add([small, file("large.txt", 2000)], 1000)).toBe(
    "Too large: “large.txt” (2.0 kB). A file may have 1.0 kB at most.",
  );
  expect(draft.files).toEqual([small]);
  expect(draft.empty).toBe(false);
  draft.remove(small);
  expect(draft.empty).toBe(true);
  expect(draft.add([small], 0)).toBe("This agent takes no files.");
});

test("files go up before the message that names them", async () => {
  const server = new Server();
  server.on("POST /v1/threads/t/files", (body: File) => ({ file_id: `id of ${body.name}`, mime: "text/plain", bytes: 1 }));
  const thread = new LangwireClient("/v1").thread("t");
  const draft = new Draft("a");
  draft.write("  look  ");
  expect(await draft.content(thread)).toBe("look");
  draft.add([file("a.txt", 1), file("b.txt", 2)], 10);
  const files = ["a.txt", "b.txt"].map((name) => ({ type: "file", file_id: `id of ${name}` }));
  expect(await draft.content(thread)).toEqual([{ type: "text", text: "look" }, ...files]);
  draft.write("");
  expect(await draft.content(thread)).toEqual(files);
});
