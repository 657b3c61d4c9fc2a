// Knows how a page's style is set apart from it, and its programs taken out of its text, before a browser reads it: a policy
// that forbids both complains of them even where nothing is run. What is safe is decided after this, in `clean.ts`.

export interface Tamed {
  html: string;
  styles: string[];
}

const TAG = /<([a-zA-Z][^\s/>]*)/g;
const ATTRIBUTE = /[\s/]*([^\s/>=]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?/y;
const END = /[\s/]*>?/y;
const SHEET = /<style\b[^>]*>([\s\S]*?)<\/style\s*>/gi;

/** The page without sheets, its elements' own style under another name, and without what would run on an event. */
export function tamed(page: string): Tamed {
  const styles: string[] = [];
  const rest = page.replace(SHEET, (_, sheet: string) => {
    styles.push(sheet);
    return "";
  });
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

function renamed(attribute: string, name: string): string {
  if (/^on/i.test(name)) return " ";
  return name.toLowerCase() === "style" ? attribute.replace(/style/i, "data-lw-style") : attribute;
}
