// Knows how a page's style is set apart from it, and its programs taken out of its text, before a browser reads it: a policy
// that forbids both complains of them even where nothing is run. What is safe is decided after this, in `clean.ts`.

export interface Tamed {
  html: string;
  styles: string[];
}

const TAG = /<([a-zA-Z][^\s/>]*)/g;
const ATTRIBUTE = /[\s/]*([^\s/>=]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?/y;
const END = /[\s/]*>?/y;
const SHEET = /<style\b[^<>]*>/gi;
const SHEET_END = /<\/style\s*>/gi;

/** The page without sheets, its elements' own style under another name, and without what would run on an event. */
export function tamed(page: string): Tamed {
  const { rest, styles } = withoutSheets(page);
  let html = "";
  let at = 0;
  TAG.lastIndex = 0;
  for (let tag = TAG.exec(rest); tag; tag = TAG.exec(rest)) {
    html += rest.slice(at, TAG.lastIndex);
    at = TAG.lastIndex;
    ATTRIBUTE.lastIndex = at;
    for (let found = ATTRIBUTE.exec(rest); found; found = ATTRIBUTE.exec(rest)) {
      html += renamed(found[0], found[1] ?? "");
      at = ATTRIBUTE.lastIndex;
    }
    END.lastIndex = at;
    html += END.exec(rest)?.[0] ?? "";
    TAG.lastIndex = at = END.lastIndex;
  }
  return { html: html + rest.slice(at), styles };
}

/** A page and its sheets; one that nobody closes stays, and so does what is behind it: it is read to its end once. */
function withoutSheets(page: string): { rest: string; styles: string[] } {
  const styles: string[] = [];
  let rest = "";
  let at = 0;
  for (SHEET.lastIndex = 0; SHEET.exec(page); at = SHEET.lastIndex = SHEET_END.lastIndex) {
    const begin = SHEET.lastIndex;
    SHEET_END.lastIndex = begin;
    const end = SHEET_END.exec(page);
    if (end === null) break;
    rest += page.slice(at, page.lastIndexOf("<", begin - 1));
    styles.push(page.slice(begin, end.index));
  }
  return { rest: rest + page.slice(at), styles };
}

function renamed(attribute: string, name: string): string {
  if (/^on/i.test(name)) return " ";
  return name.toLowerCase() === "style" ? attribute.replace(/style/i, "data-lw-style") : attribute;
}
