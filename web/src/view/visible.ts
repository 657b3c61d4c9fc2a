// Knows which characters a page obeys or hides, and writes them out: for names, labels, and what a person is to allow.

/** C0 but newline and tab, DEL, C1, line and paragraph separators, bidi controls, lone surrogates. */
const OBEYED =
  "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\u200e\\u200f\\u061c\\ud800-\\udfff";

/** What is drawn as nothing. The joiners and the emoji selectors pass: scripts and emoji are not written without. */
const UNSEEN =
  "\\xad\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b\\u2060-\\u206f\\u3164\\ufe00-\\ufe0d\\ufeff\\uffa0" +
  "\\ufff0-\\ufffb\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}";

const IN_TEXT = new RegExp(`[${OBEYED}${UNSEEN}]`, "gu");
const IN_LINE = new RegExp(`[\\n\\t${OBEYED}${UNSEEN}]`, "gu");

/** A text whose unseen characters can be seen: `\u202e`. Newlines and tabs stay. */
export function visible(text: string): string {
  return text.replace(IN_TEXT, written);
}

/** The same for what has one line only: newlines and tabs are written out, too. */
export function visibleLine(text: string): string {
  return text.replace(IN_LINE, written);
}

function written(character: string): string {
  const known = { "\n": "\\n", "\t": "\\t", "\r": "\\r" }[character];
  const code = character.codePointAt(0) ?? 0;
  if (known !== undefined) return known;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code > 0xffff ? `\\U${code.toString(16).padStart(8, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
}
