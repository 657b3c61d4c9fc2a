// Markdown while it grows: the same in the end however it was cut, sensible in between, and drawn once.

import { beforeEach, expect, test, vi } from "vitest";
import { highlighted } from "../src/view/highlight.js";
import { mended } from "../src/view/markdown/mend.js";
import { parser } from "../src/view/markdown/parser.js";
import { patch } from "../src/view/markdown/patch.js";
import { Prose } from "../src/view/markdown/prose.js";
import { STORIES } from "./fold_stories.js";
import { said, Stage, turn } from "./view_stage.js";

const DOCUMENT = `# A head
A paragraph with **bold**, *slanted*, \`code\` and [a link](https://example.org "title").
It goes on here.

Setext head
===========

| a | b |
|---|--:|
| 1 | 2 |

- one
- two

  more of two
    - deeper

      \`\`\`python
      x = 1
      \`\`\`
3) third
4) fourth

> quoted
lazy

    indented code

~~~~ts
const x: number = 1;
\`\`\`
~~~~
***
[Defined] and [later][later], then [ x ] and - [x] none.

- [x] done
- [ ] to do

[later]: https://example.org/later
[Defined]: <https://example.org/defined> 'with a title'

The end\\* of \`\`it\`\` ~~all~~ <b>.
`;

let home: HTMLElement;
beforeEach(() => {
  home = document.createElement("div");
});

function whole(text: string): string {
  const there = document.createElement("div");
  new Prose(there, undefined).show(text, false);
  return there.innerHTML;
}

/** A row of numbers that is the same in every run. */
function dice(seed: number): () => number {
  return () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

const texts = STORIES.flatMap(([, events]) => {
  const parts = new Map<string, string>();
  for (const event of events) {
    if (event.type === "text_delta") parts.set(event.id, (parts.get(event.id) ?? "") + event.text);
  }
  return [...parts.values()];
});

function drawnInPieces(text: string, step: number): string {
  const roll = dice(text.length);
  const there = document.createElement("div");
  const prose = new Prose(there, undefined);
  for (let end = 0; end < text.length; end += 1 + Math.floor(2 * roll() * step)) prose.show(text.slice(0, end), true);
  prose.show(text, true);
  prose.show(text, false);
  return there.innerHTML;
}

test.each([8, 40])(
  "a text is drawn alike however it was cut, every %i characters or so",
  { timeout: 60_000 },
  (step) => {
    expect(drawnInPieces(DOCUMENT, step)).toBe(whole(DOCUMENT));
    expect(drawnInPieces(DOCUMENT.replace(/\n/g, "\r\n"), step)).toBe(whole(DOCUMENT));
  },
);

test("the texts of all stories are drawn alike however they were cut", { timeout: 60_000 }, () => {
  for (const text of new Set(texts)) expect(drawnInPieces(text, text.length / 6)).toBe(whole(text));
});

test("blocks that are finished are neither parsed nor drawn again", () => {
  const prose = new Prose(home, undefined);
  prose.show("# Head\n\nFirst.\n\nSecond.\n\nThi", true);
  const before = [...home.childNodes];
  const parsed = vi.spyOn(parser.inline, "parse");
  prose.show("# Head\n\nFirst.\n\nSecond.\n\nThird **goes", true);
  expect(parsed.mock.calls.map(([text]) => text)).toEqual(["Second.", "Third **goes**"]);
  expect([...home.childNodes]).toEqual(before);
  expect(home.lastElementChild!.innerHTML).toBe("Third <strong>goes</strong>");
  parsed.mockRestore();
});

const ITEMS = Array.from({ length: 60 }, (_, number) => `- item **${number}**, and \`more\`\n`);
const ROWS = ["| a | b |\n", "|---|--:|\n", ...ITEMS.map((_, number) => `| **${number}** | two |\n`)];

test.each([
  ["list", "li", ITEMS],
  ["list set apart", "li", ITEMS.map((line) => `${line}\n`)],
  ["table", "tr", ROWS],
])("the rows of a long %s are parsed once and stay what they are while others follow", { timeout: 60_000 }, (_, row, lines) => {
  const prose = new Prose(home, undefined);
  const parsed = vi.spyOn(parser.inline, "parse");
  let before: Element[] = [];
  let text = "";
  for (const line of [...lines, "\nThe end.\n", "\nMore."]) {
    prose.show((text += line.slice(0, -2)), true);
    prose.show((text += line.slice(-2)), true);
    const now = [...home.querySelectorAll(row)];
    expect(before.slice(0, -2).findIndex((node, place) => node !== now[place])).toBe(-1);
    before = now;
  }
  // Once when it begins, when it is whole, when the next one begins; cells come in twos, and the head with each row.
  expect(parsed.mock.calls.length).toBeLessThan(lines.length * (row === "li" ? 6 : 20));
  parsed.mockRestore();
  prose.show(text, false);
  expect(home.innerHTML).toBe(whole(text));
});

test("lists and tables of any shape are drawn alike however they were cut", { timeout: 60_000 }, () => {
  const roll = dice(11);
  const pieces = [
    ...["- one\n", "- *two*\n", "- [ ] box\n", "-\n", "- # head\n", "-     code\n", " - shifted\n", "* other\n"],
    ...["1. first\n", "2. second\n", "3) third\n", "  - nested\n", "    - deeper\n", "   7. number\n", "---\n", "\n"],
    ...["  ```py\n  x = 1\n", "  ```\n", "- ```py\n  y = 1\n", "| a | b |\n|---|--:|\n", "| 1 | `2` |\n", "| 3 |\n"],
    ...["lazy *line*\n", "\n  second [known]\n", "> quote\n", "> - in it\n", "- [known]: https://example.org/\n", "\n\n"],
    ...["- [half](https://example.org/\n", "- `tick\n", "- **bold\n", "Text.\n\n", "- \0\n", "| [known] | ~~x |\n"],
  ];
  for (let round = 0; round < 15; round++) {
    const few = Array.from({ length: 2 + 5 * roll() }, () => pieces[Math.floor(roll() * pieces.length)]);
    const text = Array.from({ length: 4 + 12 * roll() }, () => few[Math.floor(roll() * few.length)]).join("");
    expect(drawnInPieces(text, 8), JSON.stringify(text)).toBe(whole(text));
  }
});

test("a text that became another one is drawn anew", () => {
  const prose = new Prose(home, undefined);
  prose.show("One.\n\nTwo.\n\nThree", true);
  prose.show("Another", true);
  expect(home.textContent).toBe("Another");
});

test.each([
  ["**bold", "**bold**"],
  ["**bold*", "**bold**"],
  ["a *b", "a *b*"],
  ["a **b *c", "a **b *c***"],
  ["so ~~gone", "so ~~gone~~"],
  ["_so", "_so_"],
  ["snake_case", "snake_case"],
  ["2 * 3", "2 * 3"],
  ["it is `code", "it is `code`"],
  ["`a*b` and", "`a*b` and"],
  ["it is `", "it is "],
  ["and **", "and "],
  ["see [here](https://exam", "see here"],
  ["see [here](https://a_b.org) and *x", "see [here](https://a_b.org) and *x*"],
  ["![alt](data:image/png;base64,AAAA", "alt"],
  ["Text\n-", "Text"],
  ["Text\n==", "Text"],
  ["| a | b |\n|--", "| a | b |"],
  ["Text\n\n#", "Text\n"],
  ["Text\n```py", "Text"],
  ["\\*not", "\\*not"],
  ["x".repeat(6000) + " **b", "x".repeat(6000) + " **b"],
])("half of a text looks sensible: %j", (text, shown) => {
  expect(mended(text)).toEqual({ text: shown, unclosed: false });
});

test.each([
  ["```python\nx = 1", "```python\nx = 1"],
  ["```python\nx = 1\n``", "```python\nx = 1\n"],
  ["- one\n  ~~~\n  *x", "- one\n  ~~~\n  *x"],
])("a fence that is open holds code to its end: %j", (text, shown) => {
  expect(mended(text)).toEqual({ text: shown, unclosed: true });
});

test("only the last line is looked at for marks that may still become something, and only a short one", () => {
  for (const text of ["- ".repeat(50_000), "-|".repeat(50_000), "\n ".repeat(50_000) + "x"]) {
    const began = performance.now();
    expect(mended(text).text).toBe(text);
    expect(performance.now() - began).toBeLessThan(1_000);
  }
});

test("code has its colours once its fence is closed", () => {
  const prose = new Prose(home, undefined);
  prose.show("```python\nx = 1\n", true);
  expect(home.querySelector(".lw-h-number")).toBeNull();
  prose.show("```python\nx = 1\n```\n", true);
  expect(home.querySelector(".lw-h-number")!.textContent).toBe("1");
  expect(home.querySelector(".lw-code-language")!.textContent).toBe("python");
});

test("code of an unknown language, or too much of it, stays plain", () => {
  expect(highlighted("x", "klingon")).toBeNull();
  expect(highlighted("x = 1\n".repeat(10_000), "python")).toBeNull();
  expect(highlighted("function f() {}", "js")).toContain('<span class="lw-h-title">f</span>');
});

test("columns of a table are aligned without any style", () => {
  new Prose(home, undefined).show("|a|b|c|\n|--|-:|:-:|\n|1|2|3|", false);
  expect([...home.querySelectorAll("td")].map((cell) => cell.className)).toEqual(["", "lw-right", "lw-center"]);
});

test("the direction of each block is found by itself", () => {
  new Prose(home, undefined).show("שלום\n\n- one", false);
  expect([...home.querySelectorAll("[dir=auto]")].map(({ localName }) => localName)).toEqual(["p", "li"]);
});

test("raw HTML is text", () => {
  const text = "<b>x</b> <a href='/a'>y</a>\n\n<table><tr><td>z</td></tr></table>";
  new Prose(home, undefined).show(text, false);
  expect(home.querySelectorAll(":not(p)")).toHaveLength(0);
  expect(home.textContent).toBe(text.replace("\n\n", ""));
});

test("only links to the web and to people are links", () => {
  const text =
    "[a](https://a.org) <b@c.org> https://d.org [x](javascript:1) [y](data:text/html,1) [z](/v1) ftp://e.org //f.org g.py";
  new Prose(home, undefined).show(text, false);
  const links = [...home.querySelectorAll("a")];
  expect(links.map((link) => link.getAttribute("href"))).toEqual(["https://a.org", "mailto:b@c.org", "https://d.org"]);
  for (const link of links) expect(link.rel + link.target).toBe("noopener noreferrer nofollow_blank");
});

test("pictures are those of the text itself and of the thread", () => {
  const fileUrl = (ref: string) => (ref === "files/1" ? "/v1/files/1" : null);
  const png = "data:image/png;base64,AAAA";
  new Prose(home, fileUrl).show(`![p](${png}) ![f](files/1) ![g](files/2) ![t](https://example.org/t.png)`, false);
  expect([...home.querySelectorAll("img")].map((picture) => picture.getAttribute("src"))).toEqual([png, "/v1/files/1"]);
  expect(home.textContent).toBe("  Picture not shown: g t");
  expect(home.querySelector("a")!.href).toBe("https://example.org/t.png");
});

test("nodes that are alike stay, so that what is selected stays selected", () => {
  const there = document.createElement("div");
  home.innerHTML = '<p title="x">one <b>two</b></p><p>old</p><i></i>';
  there.innerHTML = '<p class="y">one more</p>text';
  const [p, , i] = [...home.childNodes];
  const text = p!.firstChild;
  patch(home, there);
  expect(home.innerHTML).toBe('<p class="y">one more</p>text');
  expect(home.firstChild).toBe(p);
  expect(p!.firstChild).toBe(text);
  expect(i!.parentNode).toBeNull();
});

test("what takes long to draw is drawn seldom while it goes on, and at once when it ends", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const show = vi.spyOn(Prose.prototype, "show").mockImplementation(() => void vi.advanceTimersByTime(100));
  const [start, delta, end] = said("a");
  const stage = new Stage(turn([start!, delta!], null));
  for (let times = 0; times < 3; times++) stage.tell(delta!);
  expect(show.mock.calls).toEqual([["a", true]]);
  vi.advanceTimersByTime(450);
  expect(show).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(50);
  expect(show.mock.lastCall).toEqual(["aaaa", true]);
  stage.tell(delta!, end!);
  expect(show.mock.calls.slice(2)).toEqual([["aaaaa", false]]);
  vi.advanceTimersByTime(10_000);
  expect(show).toHaveBeenCalledTimes(3);
  show.mockRestore();
  vi.useRealTimers();
});
