// Hostile words, wherever a model, a tool or a person may put them: shown, and never run (T-13, T-14, F-J1, F-J2).

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { FRAME_HASH, pageOf } from "../src/view/frame.js";
import { Prose } from "../src/view/markdown/prose.js";
import { tamed } from "../src/view/tame.js";
import { visible, visibleLine } from "../src/view/visible.js";
import { asked, called, said, Stage, turn, type Event } from "./view_stage.js";

const PAYLOADS = [
  "<script>owned()</script>",
  "<img src=x onerror=owned()>",
  "<svg onload=owned()><a xlink:href='javascript:owned()'><text>x</text></a></svg>",
  "<svg><style><img src=x onerror=owned()></style></svg>",
  "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=owned()&gt;'>",
  "<iframe src=javascript:owned()></iframe><object data=javascript:owned()></object><embed src=javascript:owned()>",
  "<a href=javascript:owned()>x</a><a href=' java\tscript:owned()'>y</a><a href=data:text/html,owned>z</a>",
  "<form action=javascript:owned()><button formaction=javascript:owned()>x</button></form>",
  "<base href=//example.org><meta http-equiv=refresh content='0;url=javascript:owned()'><link rel=import href=x>",
  "<div style='background:url(javascript:owned())' onclick=owned() onmouseover = 'owned()'>x</div>",
  "<details open ontoggle=owned()><video><source onerror=owned()></video></details>",
  "</script></style></textarea></title>--><script>owned()</script>",
  "[x](javascript:owned()) [y](JaVaScRiPt:owned()) [z](data:text/html;base64,AAAA) [v](vbscript:owned())",
  "[x](java&#x73;cript:owned()) [y](javascript&colon;owned()) [z](\u0001javascript:owned()) <javascript:owned()>",
  "![x](javascript:owned()) ![y](data:image/svg+xml;base64,AAAA) ![z](\"onerror=owned()) ![w](https://example.org/'onerror='owned())",
  "[x]: javascript:owned()\n[x] and [y]\n[y]: <data:text/html,owned>",
  '[a](https://example.org/"onmouseover="owned()) https://example.org/"><script>owned()</script>',
  '```"><script>owned()</script>\nx\n```',
  "```html\n<script>owned()</script>\n```",
  "`<img src=x onerror=owned()>` **<b onclick=owned()>** | <i> |\n|--|\n| <script>owned()</script> |",
  "use [/red] to end, [/etc/passwd], [a-z], [link=javascript:owned()]x[/link], [bold]b[/bold]",
  "\u001b]52;c;b3duZWQ=\u0007 \u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff\u0000",
  "{{constructor.constructor('owned()')()}} ${owned()} <%= owned() %>",
  '"><svg/onload=owned()>//',
];

/** What has come to life of what was only said. */
function alive(home: Element): string[] {
  const found: string[] = [];
  for (const element of home.querySelectorAll("*")) {
    const name = element.localName;
    if (["script", "object", "embed", "base", "meta", "link", "style", "form[action]", "math"].includes(name))
      found.push(name);
    if (name === "iframe" && element.getAttribute("sandbox") !== "allow-scripts allow-popups") found.push("iframe");
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) found.push(`${name}=${value}`);
      const leads = ["href", "src", "action", "formaction", "xlink:href", "data"].includes(name);
      if (leads && !/^(?:https?:\/\/|mailto:|data:(?:image|audio|video)\/(?!svg\+xml;base64,AAAA))/.test(value))
        found.push(`${name}=${value}`);
    }
  }
  return found;
}

const source = (agent: string) => ({ lane: [], agent });

/** A story in which somebody says it everywhere. */
function everywhere(text: string): Event[] {
  const from = source(text);
  return [
    ...turn(
      [
        { type: "reasoning_start", id: "r", message_id: "m0", source: from },
        { type: "reasoning_delta", id: "r", text },
        ...said(text, { id: "m1", source: from }),
        { type: "citation", id: "m1", data: { url: text, title: text } },
        ...said(text, { id: "m2", role: text }),
        ...called({ [text]: text, list: [{ [text]: text }] }, { name: text }),
        { type: "tool_output_delta", id: "c1", data: text },
        {
          type: "tool_result",
          id: "c1",
          status: "error",
          content: [
            { type: "text", text },
            { type: "image", url: text, mime_type: text },
          ],
        },
        { type: "subagent_start", lane: [text], id: "c1", name: text },
        { type: "media", id: "m1/1", message_id: "m1", kind: "image", source: from, ref: text },
        { type: "media", id: "m1/2", message_id: "m1", kind: "image", source: from, data: text, mime: "image/png" },
        { type: "media", id: "m1/3", message_id: "m1", kind: text, source: from, data: text, mime: text },
        { type: "display", title: text, bundle: { "text/markdown": text } },
        { type: "display", title: text, bundle: { "text/html": text } },
        { type: "display", title: text, bundle: { "image/svg+xml": text } },
        { type: "display", title: text, bundle: { "application/json": { columns: [text], rows: [[text]] } } },
        { type: "display", title: text, bundle: { [text]: text } },
        { type: "custom", data: { [text]: text } },
        { type: "extracted", name: text, kind: "todos", data: [{ content: text, status: text }] },
        { type: "extracted", name: text, kind: text, data: text },
        { type: "progress", text },
        { type: "task_update", task_id: text, state: text, title: text },
      ],
      { outcome: "error", error: { code: text, message: text, id: text } },
      text,
    ),
    ...turn(
      [
        asked({ value: { question: text, [text]: text } }),
        asked({
          id: "q2",
          value: {},
          actions: [{ name: text, args: { [text]: text, how: text }, description: text }],
        }),
        asked({
          id: "q3",
          value: text,
          response_schema: { type: "object", properties: { [text]: { enum: [text], description: text } } },
        }),
      ],
      { outcome: "interrupted", interrupts: ["q1", "q2", "q3"] },
    ),
  ];
}

test.each(PAYLOADS)("said everywhere, nothing comes to life: %j", async (payload) => {
  const stage = new Stage(everywhere(payload), { answer: async () => {}, openTask: () => {}, goOn: async () => {} });
  await stage.unfold();
  await stage.press("Edit", stage.home);
  expect(alive(stage.home)).toEqual([]);
  expect(stage.text(".lw-typed")).toBe(payload);
});

test("a thousand hostile texts, half and whole, come to nothing", { timeout: 60_000 }, () => {
  let seed = 7;
  const roll = (below: number) => Math.floor(((seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31) * below);
  const pieces = [
    ...PAYLOADS.flatMap((payload) => payload.split(/(?=[<[`|(])/)),
    "\n",
    "\n\n",
    "- ",
    "> ",
    "**",
    "`",
    "|",
    "](",
    "![",
    "<",
    "&lt;",
    "&#x3c;",
  ];
  const home = document.createElement("div");
  for (let round = 0; round < 1000; round++) {
    const text = Array.from({ length: 2 + roll(8) }, () => pieces[roll(pieces.length)]).join("");
    const prose = new Prose(home, undefined);
    prose.show(text.slice(0, roll(text.length)), true);
    prose.show(text, false);
    expect(alive(home), text).toEqual([]);
  }
});

test("what hides is written out in names and arguments, and joiners stay", () => {
  expect(visible("a\u202eb\n\u001b[0m\u200d\ufe0f\u{e0041}\ud800")).toBe(
    "a\\u202eb\n\\x1b[0m\u200d\ufe0f\\U000e0041\\ud800",
  );
  expect(visibleLine("a\r\n\tb")).toBe("a\\r\\n\\tb");
});

test.each([
  [[0x00, 0x08, 0x0b, 0x1f, 0x7f, 0x9f, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f], true],
  [
    [0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0x3164, 0xfe00, 0xfe0d],
    true,
  ],
  [[0xfeff, 0xffa0, 0xfff0, 0xfffb, 0xd800, 0xdfff, 0x1bca0, 0x1d173, 0xe0000, 0xe0fff], true],
  [[0x09, 0x0a, 0x20, 0x7e, 0xa0, 0xe9, 0x200c, 0x200d, 0x2027, 0x202f, 0xfe0e, 0xfe0f, 0x1f600], false],
])("it is known which characters are not seen: %#", (codes, unseen) => {
  for (const code of codes) {
    const character = String.fromCodePoint(code);
    expect(visible(character) !== character, code.toString(16)).toBe(unseen);
  }
});

test("the frame's policy lets its own script run, and no other", () => {
  const script = readFileSync("public/frame.js", "utf8");
  expect(FRAME_HASH).toBe(`sha256-${createHash("sha256").update(script).digest("base64")}`);
  expect(script).not.toContain("</script");
});

test("a page in a frame is cleaned before, and told to the frame's script alone", async () => {
  const html =
    '<p style="color: red">Hello <b>all</b></p><style>b { color: blue }</style><script>owned()</script><img src="https://example.org/x.png">';
  expect(pageOf(html)).toEqual({
    html: '<p data-lw-style="color: red">Hello <b>all</b></p>https://example.org/x.png',
    styles: ["b { color: blue }"],
  });
  const stage = new Stage(turn([{ type: "display", title: "Page", bundle: { "text/html": html } }]));
  const frame = stage.one("iframe") as HTMLIFrameElement;
  expect(frame.title).toBe("Page");
  expect(frame.getAttribute("sandbox")).toBe("allow-scripts allow-popups");
  expect(frame.srcdoc).not.toContain("Hello");
  expect(frame.srcdoc).toContain(`script-src '${FRAME_HASH}'`);
});

test("a page that is programs alone shows what else there is", () => {
  const bundle = { "text/html": "<div id=plot></div><script>plot()</script>", "text/plain": "a plot" };
  const stage = new Stage(turn([{ type: "display", bundle }]));
  expect(stage.all("iframe")).toHaveLength(0);
  expect(stage.text(".lw-display")).toBe("This display needs programs, which are not run here.a plot");
});

test("style and programs are set apart before a browser reads them", () => {
  expect(tamed("<p  style = 'a' onclick=\"x\" title='style=1'>style=2<br/style=b><i STYLE=c")).toEqual({
    html: "<p  data-lw-style = 'a'  title='style=1'>style=2<br/data-lw-style=b><i data-lw-style=c",
    styles: [],
  });
});

test("sheets that nobody closes are read once", () => {
  const page = "<style>".repeat(100_000);
  const began = performance.now();
  expect(tamed(page)).toEqual({ html: page, styles: [] });
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(tamed("<p>a<STYLE media=x>b</style ><i>c<style>d</style><style>e")).toEqual({
    html: "<p>a<i>c<style>e",
    styles: ["b", "d"],
  });
});

test("a document that is no exported file is left alone by the renderer, and a broken one fails nobody", async () => {
  const said = vi.spyOn(console, "error").mockImplementation(() => {});
  const text = '<main id="langwire" class="lw">as it was</main>';
  const script = (story: string) => `<script type="application/json" id="langwire-story">${story}</script>`;
  for (const body of [`${text}<div>${script("[]")}</div>`, `${text}<p id="langwire-story">[]</p>`, text + script("{")]) {
    vi.resetModules();
    document.body.innerHTML = body;
    await import("../src/renderer.js");
    expect(document.getElementById("langwire")!.textContent).toBe("as it was");
  }
  expect(said).toHaveBeenCalledTimes(1);
  said.mockRestore();
});
