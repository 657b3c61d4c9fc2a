// Knows how a text of Markdown is drawn while it grows: blocks that are finished are parsed and drawn once, and so are the
// rows of the one that is not.
//
// A block at the top is finished when another one has begun in a whole line behind it: in Markdown nothing that comes
// later changes it, but for the definition of a link. A text that has definitions is drawn as a whole once more at its
// end. In the same way an item of a list, or a row of a table, is finished when another one has begun behind it, but for
// the definition of a link, and a blank line that sets all items of the list apart: after these it is drawn anew.

import { cleanProse } from "../clean.js";
import { dress, type FileUrl } from "./dress.js";
import { mended } from "./mend.js";
import { parser, type Surroundings } from "./parser.js";
import { patch } from "./patch.js";

type Definitions = NonNullable<Surroundings["references"]>;
type Tokens = ReturnType<typeof parser.parse>;

/** Draws a text into an element, which is its own. */
export class Prose {
  #text = "";
  #open: boolean | null = null;
  /** How much of the text is finished, how many nodes that makes, and which links are defined in it. */
  #finished = 0;
  #nodes = 0;
  #definitions: Definitions = {};
  /** How many rows of the block behind that are finished, and what else decided how they were drawn. */
  #rows = 0;
  #manner = "";

  constructor(
    readonly home: Element,
    readonly fileUrl: FileUrl,
  ) {}

  /** Draw the text as it is now; `open` says that it goes on. */
  show(given: string, open: boolean): void {
    const text = given.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd");
    if (text === this.#text && open === this.#open) return;
    if (!text.startsWith(this.#text)) this.#begin();
    [this.#text, this.#open] = [text, open];
    if (open) this.#finish();
    else if (this.#isDefining()) this.#begin();
    this.#draw(text.slice(this.#finished), open);
  }

  #begin(): void {
    [this.#finished, this.#nodes, this.#definitions, this.#rows] = [0, 0, {}, 0];
  }

  /** Draw for good the blocks behind which another one has begun. */
  #finish(): void {
    const rest = this.#text.slice(this.#finished);
    const lines = rest.split("\n");
    const begins = this.#blocks(rest).tokens.flatMap(({ level, nesting, map }) =>
      // The last line is not whole: what begins there may still be something else.
      level === 0 && nesting >= 0 && map && map[0] < lines.length - 1 ? [map[0]] : [],
    );
    const end = begins.at(-1) ?? 0;
    if (end === 0) return;
    const block = `${lines.slice(0, end).join("\n")}\n`;
    this.#put(block, { references: this.#definitions });
    this.#nodes = this.home.childNodes.length;
    this.#finished += block.length;
    this.#rows = 0;
  }

  #draw(rest: string, open: boolean): void {
    const { text, unclosed } = open ? mended(rest) : { text: rest, unclosed: false };
    const begins = this.#put(text, { references: { ...this.#definitions }, unclosed });
    // Code that ends with its item, without a mark, has its colours only when it is known to have ended.
    if (unclosed) return;
    const whole = rest.split("\n").length - 1;
    this.#rows = Math.max(0, begins.filter((line) => line < whole).length - 1);
  }

  /** Draw a text behind what is finished; the answer tells in which lines the rows of its first block begin. */
  #put(text: string, env: Surroundings): number[] {
    const tokens: Tokens = [];
    parser.block.parse(text, parser, env, tokens);
    const rows = rowsOf(tokens);
    const manner = `${tokens.some(isApart)} ${Object.keys(env.references ?? {}).length}`;
    if (manner !== this.#manner || rows.length <= this.#rows) this.#rows = 0;
    this.#manner = manner;
    const [kept, begins] = [this.#rows, rows.map((place) => tokens[place]?.map?.[0] ?? 0)];
    if (kept > 0) tokens.splice(rows[0] ?? 0, (rows[kept] ?? 0) - (rows[0] ?? 0));
    this.#place(this.#made(tokens, env), kept);
    return begins;
  }

  /** Put what was made behind what is finished: its first block goes on behind so many rows that stay. */
  #place(made: DocumentFragment, kept: number): void {
    const [block, further] = [this.home.childNodes[this.#nodes], made.firstChild];
    if (kept === 0 || !block || !further) return patch(this.home, made, this.#nodes);
    // The parser breaks the line before each row.
    patch(holderOf(block), holderOf(further), 2 * kept);
    further.remove();
    patch(this.home, made, this.#nodes + 1);
  }

  #made(tokens: Tokens, env: Surroundings): DocumentFragment {
    const state = new parser.core.State("", parser, env);
    state.tokens = tokens;
    // Of an empty text there are no blocks: what is in these is parsed.
    parser.core.process(state);
    return dress(cleanProse(parser.renderer.render(state.tokens, parser.options, env)), this.fileUrl);
  }

  /** Whether the text, which is whole, defines a link that may have been used in what is finished. */
  #isDefining(): boolean {
    if (this.#finished === 0) return false;
    return Object.keys(this.#blocks(this.#text.slice(this.#finished)).definitions).length > 0;
  }

  #blocks(text: string) {
    const env: Surroundings = { references: { ...this.#definitions } };
    const tokens: Tokens = [];
    parser.block.parse(text, parser, env, tokens);
    return { tokens, definitions: env.references ?? {} };
  }
}

/** Where among the tokens the rows of the first block begin: the items of a list, those of a table below its head. */
function rowsOf(tokens: Tokens): number[] {
  const first = tokens[0]?.type ?? "";
  if (!/^(?:bullet_list|ordered_list|table)_open$/.test(first)) return [];
  const [type, level] = first === "table_open" ? ["tr_open", 2] : ["list_item_open", 1];
  const end = tokens.findIndex((token) => token.level === 0 && token.nesting < 0);
  const places = tokens
    .slice(0, end)
    .flatMap((token, place) => (token.type === type && token.level === level ? [place] : []));
  return type === "tr_open" ? places.slice(1) : places;
}

/** Whether a token is a paragraph of a list whose items are set apart. */
function isApart({ type, level, hidden }: Tokens[number]): boolean {
  return type === "paragraph_open" && level === 2 && !hidden;
}

/** What holds the rows of a block that was drawn. */
function holderOf(block: Node): Node {
  return block instanceof HTMLDivElement ? (block.querySelector("tbody") ?? block) : block;
}
