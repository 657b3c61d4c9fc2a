// Knows the colours of code, for the languages that agents write most.

import core from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

/** Longer code stays plain: colours are not worth a page that stands still. */
const MOST_CHARACTERS = 50_000;

/** What says more of a word than its kind: `title function_`. */
const SECOND_CLASS = /(class="lw-h-[\w-]+) [^"]*"/g;

const known = {
  bash,
  c,
  cpp,
  css,
  diff,
  go,
  ini,
  java,
  javascript,
  json,
  markdown,
  python,
  rust,
  sql,
  typescript,
  xml,
  yaml,
};

const highlighter = core.newInstance();
highlighter.configure({ classPrefix: "lw-h-" });
for (const [name, language] of Object.entries(known)) highlighter.registerLanguage(name, language);

/** Code as HTML with a class for each kind of word; null where it stays plain. */
export function highlighted(code: string, language: string): string | null {
  if (code.length > MOST_CHARACTERS || !highlighter.getLanguage(language)) return null;
  const { value } = highlighter.highlight(code, { language, ignoreIllegals: true });
  return value.replace(SECOND_CLASS, '$1"');
}
