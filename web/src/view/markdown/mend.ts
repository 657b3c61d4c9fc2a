// Knows how half a text of Markdown looks sensible: marks that are not closed yet are closed, and what may still become
// something else is kept back. Only for drawing: the next piece of the text decides anew.

/** A last line that may still become a list, a heading, a quote, a rule, a fence or a table. */
const UNDECIDED =
  /^[ \t]*(?:[-*+_=]+|\d{1,2}[.)]?|#{1,6}|>|`{1,3}[^`\n]*|~{1,3}[^\n]*|\|?[-:| ]*-[-:| ]*)[ \t]*$/;
const FENCE = /^(`{3,}(?=[^`]*$)|~{3,})/;
const LEAD = /^(?:[ \t]|>|[-*+] |\d{1,9}[.)] )*/;
const CODE = /(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g;
const ESCAPED = /\\[\s\S]/g;
const ADDRESS = /\]\([^)\n]*\)/g;
const HALF_LINK = /!?\[([^[\]\n]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s[^)\n]*)?$/;
const OPEN_CODE = /(`+)([^`]*)$/;
const DANGLING = /(?:^|[^\w*])(\*{1,3}|_{1,3}|~~?)$/;

/** What is longer is no mark of anything. */
const LONGEST_UNDECIDED = 200;

/** In a longer piece nobody sees one open mark, and looking for it costs more than it is worth. */
const MOST_CHARACTERS = 5_000;

/** Text to be parsed in place of `text`, which goes on; `unclosed` says that it ends within a fence. */
export function mended(text: string): { text: string; unclosed: boolean } {
  const fence = openFence(text);
  if (fence !== null) return { text: withoutHalfFence(text, fence), unclosed: true };
  const decided = withoutUndecided(text);
  const begin = decided.lastIndexOf("\n\n") + 1;
  if (decided.length - begin > MOST_CHARACTERS) return { text: decided, unclosed: false };
  return { text: decided.slice(0, begin) + closed(decided.slice(begin)), unclosed: false };
}

/** The mark of the fence within which a text ends, null where there is none. */
function openFence(text: string): string | null {
  let open: string | null = null;
  const lines = text.split("\n");
  for (const [number, line] of lines.entries()) {
    const bare = line.replace(LEAD, "");
    const mark = FENCE.exec(bare)?.[1];
    if (!mark) continue;
    // The last line is not whole: the language is still being named.
    if (open === null) open = number < lines.length - 1 ? mark : null;
    else if (mark.startsWith(open) && bare.trimEnd() === mark) open = null;
  }
  return open;
}

/** The last line of open code may be the beginning of its end. */
function withoutHalfFence(text: string, fence: string): string {
  const begin = text.lastIndexOf("\n") + 1;
  const line = text.slice(begin).trim();
  return line && fence.startsWith(line) ? text.slice(0, begin) : text;
}

function withoutUndecided(text: string): string {
  const begin = text.lastIndexOf("\n") + 1;
  const undecided = text.length - begin <= LONGEST_UNDECIDED && UNDECIDED.test(text.slice(begin));
  return undecided ? text.slice(0, Math.max(0, begin - 1)) : text;
}

/** The last lines of a text, with what is open in them closed. */
function closed(lines: string): string {
  const shown = lines.replace(HALF_LINK, "$1");
  const bare = shown.replace(ESCAPED, "  ").replace(CODE, blank).replace(ADDRESS, blank);
  const tick = OPEN_CODE.exec(bare);
  if (tick) return tick[2]?.trim() ? shown + tick[1] : shown.slice(0, tick.index);
  return withEmphasis(shown, bare);
}

function blank(text: string): string {
  return ".".repeat(text.length);
}

/** Close `**bold`, `*slanted*`, `_slanted_` and `~~struck~~`; a mark with nothing behind it is not shown. */
function withEmphasis(text: string, bare: string): string {
  const dangling = DANGLING.exec(bare)?.[1]?.length;
  if (dangling) return withEmphasis(text.slice(0, -dangling), bare.slice(0, -dangling));
  let open: string[] = [];
  for (const { 0: mark, index } of bare.matchAll(/\*\*|\*|__|_|~~/g)) {
    const [before, after] = [bare[index - 1] ?? " ", bare[index + mark.length] ?? ""];
    const place = open.lastIndexOf(mark);
    if (place >= 0 && /\S/.test(before)) open = open.slice(0, place);
    else if (/\S/.test(after) && !(mark.startsWith("_") && /\w/.test(before))) open.push(mark);
  }
  if (!open.length) return text;
  // `**bold*` is on its way to `**bold**`.
  const half = open.at(-1) === "**" && /[^*\s]\*$/.test(bare) ? text.slice(0, -1) : text;
  return half.trimEnd() + open.reverse().join("");
}
