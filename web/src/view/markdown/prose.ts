// Knows how a text of Markdown is drawn while it grows: blocks that are finished are parsed and drawn once.
//
// A block at the top is finished when another one has begun in a whole line behind it: in Markdown nothing that comes
// later changes it, but for the definition of a link. A text that has definitions is drawn as a whole once more at its
// end.

import { cleanProse } from "../clean.js";
import { dress, type FileUrl } from "./dress.js";
import { mended } from "./mend.js";
import { parser, type Surroundings } from "./parser.js";
import { patch } from "./patch.js";

type Definitions = NonNullable<Surroundings["references"]>;

/** Draws a text into an element, which is its own. */
export class Prose {
  #text = "";
  #open: boolean | null = null;
  /** How much of the text is finished, how many nodes that makes, and which links are defined in it. */
  #finished = 0;
  #nodes = 0;
  #definitions: Definitions = {};

  constructor(
    readonly home: Element,
    readonly fileUrl: FileUrl,
  ) {}

  /** Draw the text as it is now; `open` says that it goes on. */
  show(given: string, open: boolean): void {
    const text = given.includes("\r") ? given.replace(/\r\n?/g, "\n") : given;
    if (text === this.#text && open === this.#open) return;
    if (!text.startsWith(this.#text)) this.#begin();
    [this.#text, this.#open] = [text, open];
    if (open) this.#finish();
    else if (this.#isDefining()) this.#begin();
    this.#draw(text.slice(this.#finished), open);
  }

  #begin(): void {
    [this.#finished, this.#nodes, this.#definitions] = [0, 0, {}];
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
    const env: Surroundings = { references: this.#definitions };
    patch(this.home, this.#made(block, env), this.#nodes);
    this.#nodes = this.home.childNodes.length;
    this.#finished += block.length;
  }

  #draw(rest: string, open: boolean): void {
    const { text, unclosed } = open ? mended(rest) : { text: rest, unclosed: false };
    patch(this.home, this.#made(text, { references: { ...this.#definitions }, unclosed }), this.#nodes);
  }

  #made(text: string, env: Surroundings): DocumentFragment {
    return dress(cleanProse(parser.render(text, env)), this.fileUrl);
  }

  /** Whether the text, which is whole, defines a link that may have been used in what is finished. */
  #isDefining(): boolean {
    if (this.#finished === 0) return false;
    return Object.keys(this.#blocks(this.#text.slice(this.#finished)).definitions).length > 0;
  }

  #blocks(text: string) {
    const env: Surroundings = { references: { ...this.#definitions } };
    const tokens: ReturnType<typeof parser.parse> = [];
    parser.block.parse(text, parser, env, tokens);
    return { tokens, definitions: env.references ?? {} };
  }
}
