// Knows how Markdown becomes HTML: no raw HTML, no address but http, https and mailto, no picture from elsewhere.

import MarkdownIt from "markdown-it";
import { isPicture, SAFE_LINK } from "../clean.js";
import { highlighted } from "../highlight.js";

/** What the parser is told, and tells, besides the text. */
export interface Surroundings {
  /** The definitions of links, by name. */
  references?: Record<string, { title: string; href: string }>;
  /** The text ends within a fence: its code is not whole. */
  unclosed?: boolean;
  [name: string | symbol]: unknown;
}

/** A picture that belongs to the thread, not to the web: a name, and no way up. */
const OF_THREAD = /^files\/(?!\.{1,2}$)[\w.-]+$/;

export const parser = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
parser.linkify.add("ftp:", null).add("//", null);
parser.validateLink = (address) => SAFE_LINK.test(address) || isPicture(address) || OF_THREAD.test(address);

const { escapeHtml } = parser.utils;
const { rules } = parser.renderer;

rules["fence"] = (tokens, place, _options, env) => {
  const token = tokens[place];
  const language = token?.info.trim().split(/\s+/, 1)[0]?.toLowerCase() ?? "";
  const code = token?.content ?? "";
  const whole = !(env as Surroundings).unclosed || tokens.slice(place + 1).some((later) => later.type === "fence");
  const drawn = (whole && highlighted(code, language)) || escapeHtml(code);
  const name = language ? ` class="language-${escapeHtml(language)}"` : "";
  return `<pre><code${name}>${drawn}</code></pre>\n`;
};

rules["image"] = (tokens, place, options, env, renderer) => {
  const token = tokens[place];
  const address = String(token?.attrGet("src") ?? "");
  const alt = escapeHtml(renderer.renderInlineAsText(token?.children ?? [], options, env));
  if (isPicture(address)) return `<img src="${escapeHtml(address)}" alt="${alt}">`;
  if (OF_THREAD.test(address)) return `<img data-lw-file="${escapeHtml(address)}" alt="${alt}">`;
  // Fetching it would tell its owner who reads this, and whatever the model put into the address.
  return `<a href="${escapeHtml(address)}">${alt || escapeHtml(address)}</a>`;
};

// A policy for pages may forbid style in attributes: columns are aligned by class.
for (const cell of ["th_open", "td_open"]) {
  rules[cell] = (tokens, place) => {
    const token = tokens[place];
    const align = /right|center/.exec(String(token?.attrGet("style") ?? ""))?.[0];
    return `<${token?.tag}${align ? ` class="lw-${align}"` : ""}>`;
  };
}
