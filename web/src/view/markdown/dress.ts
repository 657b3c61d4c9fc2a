// Knows what clean Markdown is given on top: a head with a button for code, frames for wide tables, boxes of to-do lists,
// pictures of the thread, and the direction of each piece of text by itself.

const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, th, td, blockquote";
const BOX = /^\[([ xX])\]\s/;

/** Where a file of the thread is; null for one that must not be fetched. */
export type FileUrl = ((ref: string) => string | null) | undefined;

export function dress(fragment: DocumentFragment, fileUrl: FileUrl): DocumentFragment {
  for (const block of fragment.querySelectorAll(BLOCKS)) block.setAttribute("dir", "auto");
  for (const item of fragment.querySelectorAll("li")) dressItem(item);
  for (const table of fragment.querySelectorAll("table")) frame(table, "lw-wide", "Table");
  for (const code of fragment.querySelectorAll("pre > code")) dressCode(code);
  for (const picture of fragment.querySelectorAll("img")) dressPicture(picture, fileUrl);
  for (const link of fragment.querySelectorAll("a[href]")) link.setAttribute("title", link.getAttribute("href") ?? "");
  // The parser's own breaks between blocks.
  for (const node of [...fragment.childNodes]) if (node instanceof Text && !node.data.trim()) node.remove();
  return fragment;
}

function made(tag: string, name: string, text = ""): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

function frame(inside: Element, name: string, label: string): void {
  const around = made("div", name);
  around.tabIndex = 0;
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", label);
  inside.replaceWith(around);
  around.append(inside);
}

function dressItem(item: Element): void {
  const holder = item.firstElementChild?.nodeName === "P" ? item.firstElementChild : item;
  const text = holder.firstChild;
  const box = text instanceof Text ? BOX.exec(text.data.trimStart()) : null;
  if (!(text instanceof Text) || !box) return;
  text.data = text.data.trimStart().slice(box[0].length);
  const done = box[1] !== " ";
  const shown = made("span", done ? "lw-box lw-box-done" : "lw-box");
  shown.setAttribute("role", "img");
  shown.setAttribute("aria-label", done ? "done" : "to do");
  holder.prepend(shown);
  item.classList.add("lw-boxed");
}

function dressCode(code: Element): void {
  const language = /language-(\S+)/.exec(code.className)?.[1] ?? "";
  code.removeAttribute("class");
  const pre = code.parentElement;
  if (!pre) return;
  pre.tabIndex = 0;
  pre.dir = "ltr";
  const around = made("div", "lw-code");
  const head = made("div", "lw-code-head");
  const button = made("button", "lw-quiet", "Copy");
  button.setAttribute("type", "button");
  button.setAttribute("aria-label", "Copy code");
  head.append(made("span", "lw-code-language", language), button);
  pre.replaceWith(around);
  around.append(head, pre);
}

function dressPicture(picture: HTMLImageElement, fileUrl: FileUrl): void {
  const ref = picture.dataset["lwFile"];
  const address = ref === undefined ? picture.getAttribute("src") : (fileUrl?.(ref) ?? null);
  if (address === null) return picture.replaceWith(lost(picture));
  picture.removeAttribute("data-lw-file");
  picture.src = address;
  picture.loading = "lazy";
}

/** What stands in place of a picture that cannot be shown. */
export function lost(picture: HTMLImageElement): HTMLElement {
  return made("span", "lw-lost", picture.alt ? `Picture not shown: ${picture.alt}` : "Picture not shown");
}
