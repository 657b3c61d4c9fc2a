// Knows how one row of nodes becomes another with the least change, so that a selection lives on while text streams in.

/** Make the children of `parent` from number `from` on what `wanted` holds; those that are alike stay. */
export function patch(parent: Node, wanted: Node, from = 0): void {
  let here = parent.childNodes[from] ?? null;
  for (const there of [...wanted.childNodes]) {
    const after: ChildNode | null = here?.nextSibling ?? null;
    if (here === null) parent.appendChild(there);
    else if (!become(here, there)) parent.replaceChild(there, here);
    here = after;
  }
  while (here !== null) {
    const after: ChildNode | null = here.nextSibling;
    here.remove();
    here = after;
  }
}

/** Turn one node into another of its kind; whether that could be done. */
function become(here: ChildNode, there: ChildNode): boolean {
  if (here instanceof Element && there instanceof Element) {
    if (here.nodeName !== there.nodeName) return false;
    dressLike(here, there);
    patch(here, there);
    return true;
  }
  if (!(here instanceof Text && there instanceof Text)) return false;
  if (there.data.startsWith(here.data)) here.appendData(there.data.slice(here.data.length));
  else here.data = there.data;
  return true;
}

function dressLike(here: Element, there: Element): void {
  for (const { name } of [...here.attributes]) if (!there.hasAttribute(name)) here.removeAttribute(name);
  for (const { name, value } of there.attributes) if (here.getAttribute(name) !== value) here.setAttribute(name, value);
}
