// Knows how a story comes into a document: the renderer, which stands alone. The page, the notebook's widget and exported
// files stand on it.

import { h, render } from "preact";
import type { Told } from "../client/src/client.js";
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

/** Draw the story that a document carries with it: an exported file. */
function drawCarried(): void {
  const carried = document.getElementById("langwire-story");
  const home = document.getElementById("langwire");
  if (carried === null || home === null) return;
  const fold = new Fold();
  for (const event of JSON.parse(carried.textContent ?? "[]") as Told[]) fold.take(event);
  mount(home, fold.story);
}

drawCarried();
