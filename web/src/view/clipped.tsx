// Knows how long texts are shown: their beginning, and all of it on demand, as far as a page can bear it.

import { useState } from "preact/hooks";
import { cleanProse } from "./clean.js";
import { CopyButton } from "./copy.js";
import { highlighted } from "./highlight.js";
import { visible } from "./visible.js";
import { counted, size } from "./words.js";

const FIRST_LINES = 20;
const FIRST_CHARACTERS = 4_000;
const MOST_CHARACTERS = 200_000;

interface Props {
  text: string;
  /** Of code, its language. */
  language?: string;
  /** What a person is to allow: as much as a page can bear is shown from the start, and all of it on demand. */
  whole?: boolean;
}

/** A text as it is, in a type of one width; characters that cannot be seen are written out. */
export function Clipped({ text, language = "", whole = false }: Props) {
  const [all, show] = useState(false);
  const lines = countLines(text);
  const first = whole ? text.slice(0, MOST_CHARACTERS) : beginning(text);
  const clipped = first.length < text.length;
  const shown = !all ? first : whole ? text : text.slice(0, MOST_CHARACTERS);
  return (
    <div class="lw-clipped">
      <Code text={visible(shown)} language={language} />
      {clipped && (
        <button type="button" class="lw-quiet" aria-expanded={all} onClick={() => show(!all)}>
          {all ? "Show less" : `Show all (${counted(lines, "line")})`}
        </button>
      )}
      {text.length > MOST_CHARACTERS && all !== whole && (
        <p class="lw-note">
          The first {size(MOST_CHARACTERS)} of {size(text.length)} are shown.
        </p>
      )}
      {text.length > MOST_CHARACTERS && <CopyButton text={() => text} label="Copy all" />}
    </div>
  );
}

function Code({ text, language }: { text: string; language: string }) {
  const html = language ? highlighted(text, language) : null;
  const fill = (element: HTMLElement | null) => {
    if (element && html !== null) element.replaceChildren(cleanProse(html));
  };
  return (
    <pre class="lw-plain" tabIndex={0} dir="auto">
      {html === null ? <code>{text}</code> : <code key={html} ref={fill} />}
    </pre>
  );
}

/** The first lines of a text, and not too much of them. */
function beginning(text: string): string {
  let end = -1;
  for (let line = 0; line < FIRST_LINES; line++) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) return text.length > 2 * FIRST_CHARACTERS ? text.slice(0, FIRST_CHARACTERS) : text;
  }
  const few = text.indexOf("\n", end + 1) < 0 && text.length - end < 200;
  return few ? text : text.slice(0, Math.min(end, FIRST_CHARACTERS));
}

function countLines(text: string): number {
  let lines = text.endsWith("\n") ? 0 : 1;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) lines += 1;
  return lines;
}
