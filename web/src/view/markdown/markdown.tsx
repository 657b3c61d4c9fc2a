// Knows a text of Markdown as a component.

import { useContext, useLayoutEffect, useRef } from "preact/hooks";
import { Doing } from "../context.js";
import { copy } from "../copy.js";
import { memo } from "../memo.js";
import { Clipped } from "../clipped.js";
import { lost } from "./dress.js";
import { Prose } from "./prose.js";

/** A longer text is shown as it is: laying it out would hold up the page. */
const MOST_CHARACTERS = 300_000;
const SHOWN_MS = 1500;

/** What takes longer than two frames to draw is drawn seldom while it is being written: between, the page rests. */
const MOST_MS = 32;
const REST = 5;

interface Props {
  text: string;
  open: boolean;
}

/** A text of Markdown; `open` while it is being written. */
export const Markdown = memo(function Markdown({ text, open }: Props) {
  if (text.length > MOST_CHARACTERS) return <Clipped text={text} />;
  return <Drawn text={text} open={open} />;
});

function Drawn({ text, open }: Props) {
  const home = useRef<HTMLDivElement>(null);
  const prose = useRef<Prose | null>(null);
  const rested = useRef(0);
  const { fileUrl } = useContext(Doing);
  useLayoutEffect(() => {
    const element = home.current;
    if (element === null) return;
    prose.current ??= new Prose(element, fileUrl);
    const drawn = prose.current;
    const draw = () => {
      const began = performance.now();
      drawn.show(text, open);
      const now = performance.now();
      rested.current = now - began > MOST_MS ? now + REST * (now - began) : 0;
    };
    const wait = open ? rested.current - performance.now() : 0;
    if (wait <= 0) return draw();
    const timer = setTimeout(draw, wait);
    return () => clearTimeout(timer);
  }, [text, open]);
  useLayoutEffect(() => {
    const element = home.current;
    // Errors of pictures do not rise: they are caught on the way down.
    element?.addEventListener("error", replaceLost, true);
    return () => element?.removeEventListener("error", replaceLost, true);
  }, []);
  return <div class={`lw-prose${open ? " lw-open" : ""}`} ref={home} onClick={copyCode} />;
}

function replaceLost({ target }: Event): void {
  if (target instanceof HTMLImageElement) target.replaceWith(lost(target));
}

async function copyCode({ target }: MouseEvent): Promise<void> {
  const button = target instanceof Element ? target.closest(".lw-code-head button") : null;
  const code = button?.closest(".lw-code")?.querySelector("code");
  if (!button || !code) return;
  button.textContent = (await copy(code.textContent ?? "")) ? "Copied" : "Cannot copy";
  setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
}
