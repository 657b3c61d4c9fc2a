// Values of any kind and size, and media that may fail.

import { act } from "preact/test-utils";
import { expect, test, vi } from "vitest";
import { counted, duration, size, usageWords } from "../src/view/words.js";
import { markWords } from "../src/view/marks.js";
import { tableOf } from "../src/view/table.js";
import { called, said, Stage, turn } from "./view_stage.js";

/** A call with this result, open. */
async function resulting(content: unknown): Promise<Stage> {
  const stage = new Stage(turn([...called({}), { type: "tool_result", id: "c1", content }]));
  await stage.unfold();
  return stage;
}

test.each([
  [40, "40 ms"],
  [1234, "1.2 s"],
  [9960, "10 s"],
  [125_000, "2 min 5 s"],
  [120_000, "2 min"],
  [3_780_000, "1 h 3 min"],
])("%i milliseconds are %s", (ms, words) => expect(duration(ms)).toBe(words));

test("sizes and numbers are said in words", () => {
  expect([1, 999, 1500, 200_000, 10_200_000, 3e9].map(size)).toEqual([
    "1 byte",
    "999 bytes",
    "1.5 kB",
    "200 kB",
    "10 MB",
    "3 GB",
  ]);
  expect([1, 1204].map((number) => counted(number, "line"))).toEqual(["1 line", "1,204 lines"]);
  expect(usageWords({})).toBeNull();
});

test("a long result shows its beginning, and all on demand", async () => {
  const lines = Array.from({ length: 100 }, (_, place) => `line ${place}`);
  const stage = await resulting(lines.join("\n"));
  expect(stage.text(".lw-plain")).toBe(lines.slice(0, 20).join("\n"));
  await stage.press("Show all (100 lines)");
  expect(stage.text(".lw-plain")).toBe(lines.join("\n"));
  await stage.press("Show less");
  expect(stage.text(".lw-plain")).toBe(lines.slice(0, 20).join("\n"));
});

test("of a huge result a part is shown, and all can be copied", async () => {
  const text = "x".repeat(10_000_000);
  const stage = await resulting(text);
  expect(stage.text(".lw-plain")).toHaveLength(4_000);
  await stage.press("Show all (1 line)");
  expect(stage.text(".lw-plain")).toHaveLength(200_000);
  expect(stage.text(".lw-clipped .lw-note")).toBe("The first 200 kB of 10 MB are shown.");
  const writeText = vi.fn(async () => {});
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  await stage.press("Copy all");
  expect(writeText).toHaveBeenCalledExactlyOnceWith(text);
  vi.unstubAllGlobals();
});

test("a huge message is shown as it is, a part of it", () => {
  const stage = new Stage(turn(said("**x** ".repeat(60_000))));
  expect(stage.text(".lw-plain")).toHaveLength(4_000);
});

test("where nothing can be copied, that is said", async () => {
  vi.stubGlobal("navigator", {});
  const stage = new Stage(turn(said("x")));
  await stage.press("Copy");
  expect(stage.buttons()).toEqual(["Cannot copy"]);
  vi.unstubAllGlobals();
});

test("a result in JSON is spread over lines, with colours", async () => {
  const stage = await resulting('{"city": "Rome", "hours": [1, 2], "more": {"so": "on"}}');
  expect(stage.text(".lw-plain").split("\n")).toHaveLength(10);
  expect(stage.all(".lw-h-attr")).toHaveLength(4);
});

test("a list of flat objects is a table", async () => {
  const rows = Array.from({ length: 30 }, (_, place) => ({ city: `c${place}`, degrees: place }));
  const stage = await resulting(rows);
  expect(stage.all("th").map(({ textContent }) => textContent)).toEqual(["city", "degrees"]);
  expect(stage.all("tbody tr")).toHaveLength(20);
  await stage.press("Show all (30 rows)");
  expect(stage.all("tbody tr")).toHaveLength(30);
});

test.each([
  [[{ a: 1 }]],
  [[{ a: 1 }, { b: {} }]],
  [[{ a: 1 }, { b: 1 }, { c: 1 }]],
  [{ columns: ["a"] }],
  [{ columns: [1], rows: [] }],
  [null],
  [[{}, {}]],
])("this is no table: %j", (value) => expect(tableOf(value)).toBeNull());

test.each([
  [{ $truncated: { bytes: 70_000, preview: '"be' } }, "70 kB, too large to be told"],
  [{ $type: "Engine" }, "an object of the class Engine"],
  [{ $error: "KeyError" }, "an error of the class KeyError"],
  [{ $bytes: "AAAA" }, "3 bytes of binary data"],
  [{ $cycle: "dict" }, "the same dict again"],
  [{ $deep: "dict" }, "a dict, too deep to be told"],
  [{ $repeated: "list" }, "a list, repeated too often to be told"],
  [{ $other: 1 }, null],
  [{ $type: "a", b: 1 }, null],
])("a mark is said in words: %j", (mark, words) => expect(markWords(mark)).toBe(words));

test("a result that was cut says how much of it is there", async () => {
  const stage = await resulting({ $truncated: { bytes: 10_000_000, preview: '"abc' } });
  expect(stage.text(".lw-plain")).toBe('"abc');
  expect(stage.all(".lw-note").at(-1)!.textContent).toBe("The first 4 characters of 10 MB were told.");
});

test("a result in blocks shows each as what it is", async () => {
  const blocks = [
    { type: "text", text: "Look:" },
    { type: "image", base64: "AAAA", mime_type: "image/png" },
    { type: "image", url: "https://example.org/x.png" },
    { type: "odd", x: 1 },
  ];
  const stage = await resulting(blocks);
  expect(stage.one("img").getAttribute("src")).toBe("data:image/png;base64,AAAA");
  expect(stage.one(".lw-file a").getAttribute("href")).toBe("https://example.org/x.png");
  expect(stage.all(".lw-plain").map(({ textContent }) => textContent)).toEqual(["Look:", '{"type":"odd","x":1}']);
});

function media(more: Record<string, unknown>, fileUrl?: (ref: string) => string | null): Stage {
  const part = { type: "media", id: "m1", message_id: "m1", source: { lane: [] }, kind: "image", ...more };
  return new Stage(turn([part]), fileUrl && { fileUrl });
}

test("media are shown by what they are", () => {
  expect(media({ data: "AAAA", mime: "image/png" }).one("img").getAttribute("src")).toBe("data:image/png;base64,AAAA");
  expect(media({ kind: "audio", data: "AAAA", mime: "audio/wav" }).one("audio").getAttribute("src")).toBe(
    "data:audio/wav;base64,AAAA",
  );
  expect(
    media({ kind: "video", ref: "files/1" }, (ref) => `/v1/${ref}`)
      .one("video")
      .getAttribute("src"),
  ).toBe("/v1/files/1");
  expect(
    media({ kind: "file", ref: "files/1" }, (ref) => `/v1/${ref}`)
      .one("a")
      .getAttribute("href"),
  ).toBe("/v1/files/1");
  expect(media({ ref: "https://example.org/x" }).one("a").getAttribute("href")).toBe("https://example.org/x");
  expect(media({ data: "no base64!", mime: "image/png" }).text(".lw-file")).toContain("Download");
  expect(media({ ref: "file-1" }).text(".lw-file")).toBe("Picture file-1");
  expect(media({ kind: "odd", block: { type: "odd", x: 1 } }).text(".lw-plain")).toBe('{"type":"odd","x":1}');
});

test("a picture that cannot be loaded leaves a word", () => {
  const stage = media({ data: "AAAA", mime: "image/png" });
  void act(() => void stage.one("img").dispatchEvent(new Event("error")));
  expect(stage.text(".lw-lost")).toBe("Picture could not be loaded.");
});

test("a picture in a text that cannot be loaded leaves a word", () => {
  const stage = new Stage(turn(said("![a map](data:image/png;base64,AAAA)")));
  stage.one("img").dispatchEvent(new Event("error"));
  expect(stage.text(".lw-lost")).toBe("Picture not shown: a map");
});

test("a file that was sent along is saved, never opened", async () => {
  const saved: Blob[] = [];
  URL.createObjectURL = (blob) => (saved.push(blob as Blob), "blob:x");
  URL.revokeObjectURL = () => {};
  const click = vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
  const stage = media({ kind: "file", data: btoa("<script>"), mime: "text/html" });
  expect(stage.all("a")).toHaveLength(0);
  await stage.press("Download");
  expect([saved.length, saved[0]!.type, click.mock.calls.length]).toEqual([1, "application/octet-stream", 1]);
  click.mockRestore();
});

test("a display has the form that says most", () => {
  const shown = (bundle: Record<string, unknown>) =>
    new Stage(turn([{ type: "display", title: "T", bundle }])).one(".lw-display");
  const html = "<b>x</b>";
  expect(
    shown({ "text/html": html, "application/json": { columns: ["a"], rows: [[1]] } }).querySelector("td")!.textContent,
  ).toBe("1");
  expect(shown({ "text/html": html, "image/svg+xml": "<svg/>" }).querySelector("img")!.src).toBe(
    "data:image/svg+xml;charset=utf-8,%3Csvg%2F%3E",
  );
  expect(shown({ "text/html": html, "image/png": "AA\nAA" }).querySelector("img")!.getAttribute("src")).toBe(
    "data:image/png;base64,AAAA",
  );
  expect(shown({ "text/plain": "x", "text/html": html }).querySelector("iframe")).not.toBeNull();
  expect(shown({ "text/plain": "x", "text/markdown": "**x**" }).querySelector("strong")).not.toBeNull();
  expect(shown({ "text/latex": "x^2" }).textContent).toBe("Tx^2");
  expect(shown({}).textContent).toBe("Tempty");
});

test("a picture of the thread is a file in it, and no way up", () => {
  const fileUrl = vi.fn(() => null);
  const names = ["files/..", "files/.", "files/../threads", "files/...", "files/a.png"];
  new Stage(turn(said(names.map((name) => `![x](${name})`).join("\n\n"))), { fileUrl });
  expect(fileUrl.mock.calls).toEqual([["files/..."], ["files/a.png"]]);
});
