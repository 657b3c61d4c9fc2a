// Knows what of foreign HTML may become part of a document: the one door through which all of it comes.

import makePurifier, { type Config, type DOMPurify } from "dompurify";

/** What a link may lead to. */
export const SAFE_LINK = /^(?:https?:|mailto:)/i;

/** Pictures that hold no program and are fetched from nowhere. */
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;
const BASE64 = /^[a-z0-9+/]+={0,2}$/i;

/** Whether a text is base64 that can be read. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && BASE64.test(text);
}

/** Whether an address is a picture itself, and one that can be read: of others, browsers complain. */
export function isPicture(address: string): boolean {
  return PICTURE.test(address) && isBase64(address.slice(address.indexOf(",") + 1));
}

const PROSE: Config = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "span"],
    ...["strong", "em", "s", "a", "img", "table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "title", "src", "alt", "class", "start", "data-lw-file"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

const PAGE: Config = {
  USE_PROFILES: { html: true, svg: true, svgFilters: true },
  FORBID_TAGS: ["form", "input", "textarea", "select", "option", "button", "audio", "video", "source", "picture"],
  FORBID_ATTR: ["srcset", "ping", "action", "formaction", "background", "poster", "name", "usemap"],
  // A style before everything else would be moved into a head that is not taken over.
  FORCE_BODY: true,
};

const [prose, page] = [purifier(PROSE), purifier(PAGE)];

function purifier(config: Config): DOMPurify {
  const made = makePurifier(window);
  made.setConfig({ ...config, RETURN_DOM_FRAGMENT: true });
  made.addHook("afterSanitizeAttributes", (element) => {
    // What is left until here may lead anywhere that runs no script.
    for (const name of ["href", "xlink:href"]) if (element.hasAttribute(name)) secureLink(element, name);
    if (element.nodeName === "IMG") securePicture(element);
  });
  return made;
}

function secureLink(element: Element, name: string): void {
  const address = element.getAttribute(name) ?? "";
  if (element.nodeName === "A" && SAFE_LINK.test(address)) {
    element.setAttribute("target", "_blank");
    element.setAttribute("rel", "noopener noreferrer nofollow");
    return;
  }
  // Within a drawing, one part may stand for another.
  const inside = element instanceof SVGElement && (address.startsWith("#") || isPicture(address));
  if (!inside) element.removeAttribute(name);
}

/** A picture from elsewhere is not fetched: that would tell its owner who reads this, and when. Its address is shown. */
function securePicture(element: Element): void {
  const address = element.getAttribute("src");
  if (address === null || isPicture(address)) return;
  element.removeAttribute("src");
  element.setAttribute("alt", [element.getAttribute("alt"), address].filter(Boolean).join(" "));
}

/** Clean what the Markdown parser or the highlighter made. */
export function cleanProse(html: string): DocumentFragment {
  return prose.sanitize(html) as unknown as DocumentFragment;
}

/** Clean a page that a tool made, with its style; it still needs a frame of its own. */
export function cleanPage(html: string): DocumentFragment {
  return page.sanitize(html) as unknown as DocumentFragment;
}
