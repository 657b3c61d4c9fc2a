// Knows how a story comes into a document: the renderer, which stands alone. The page, the notebook's widget and exported
// files stand on it.

import { h, render } from "preact";
import type { Told } from "../client/src/client.js";
import { parse } from "./story/exact.js";
import { Fold } from "./story/fold.js";
import type { Story } from "./story/model.js";
import type { Deeds } from "./view/contract.js";
import { StoryView } from "./view/story.js";

export { Fold } from "./story/fold.js";
export { StoryView } from "./view/story.js";
export { default } from "./widget/widget.js";

export interface Mounted {
  /** The story has changed: draw it again, once in a frame at most. */
  update(): void;
  /** Take everything away. */
  close(): void;
}

/** Draw a story into an element, which is its own from then on. */
export function mount(home: Element, story: Story, deeds?: Deeds): Mounted {
  let frame: number | null = null;
  const draw = () => {
    frame = null;
    render(h(StoryView, { story, version: story.version, ...(deeds && { deeds }) }), home);
  };
  home.replaceChildren();
  draw();
  return {
    update() {
      frame ??= requestAnimationFrame(draw);
    },
    close() {
      if (frame !== null) cancelAnimationFrame(frame);
      render(null, home);
    },
  };
}

/** Draw the story that a document carries with it: an exported file. In any other document this does nothing. */
function drawCarried(): void {
  const carried = document.querySelector('body > script[type="application/json"]#langwire-story');
  const home = document.querySelector<HTMLElement>("body > main#langwire.lw");
  if (carried === null || home === null) return;
  try {
    const fold = new Fold();
    for (const event of parse(carried.textContent ?? "[]") as Told[]) fold.take(event);
    mount(home, fold.story);
  } catch (error) {
    // The text that stands there for those without scripts stays. Whoever imports this goes on.
    console.error("langwire: the story of this document cannot be read", error);
  }
}

drawCarried();
