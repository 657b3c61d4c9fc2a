// Knows where a story is drawn, and how the page follows its end as long as the reader stays there.

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { mount } from "../renderer.js";
import type { Story } from "../story/model.js";
import type { Deeds } from "../view/contract.js";
import { Down } from "./icons.js";
import type { Observed } from "./observed.js";

/** Whoever is so few pixels from the end reads along. */
const NEAR = 64;

interface Given {
  story: Story;
  /** Says that something more was told. */
  told: Observed;
  deeds: Deeds;
  /** Whether there is more to come. */
  busy: boolean;
  label: string;
  /** What stands below the story. */
  children?: ComponentChildren;
}

export function Transcript({ story, told, deeds, busy, label, children }: Given): JSX.Element {
  const home = useRef<HTMLDivElement>(null);
  const { scroller, content, away, toEnd } = useEnd();
  useLayoutEffect(() => {
    if (home.current === null) return;
    const mounted = mount(home.current, story, deeds);
    const end = told.watch(() => mounted.update());
    return () => {
      end();
      mounted.close();
    };
  }, [story, told, deeds]);
  return (
    <div class="pg-transcript">
      <div ref={scroller} class="pg-scroller" role="log" aria-label={label} aria-busy={busy} tabIndex={0}>
        <div ref={content} class="pg-column">
          <div ref={home} />
          {children}
        </div>
      </div>
      {away && (
        <button type="button" class="pg-to-end" onClick={toEnd}>
          <Down />
          To the newest
        </button>
      )}
    </div>
  );
}

/** Stay at the end of what grows, until the reader scrolls away from it. */
function useEnd() {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = (): void => {
    follows.current = true;
    setAway(false);
    if (scroller.current !== null) scroller.current.scrollTop = scroller.current.scrollHeight;
  };
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null || content.current === null) return;
    let last = 0;
    let height = 0;
    const scrolled = (): void => {
      const left = box.scrollHeight - box.clientHeight - box.scrollTop;
      if (left <= NEAR) follows.current = true;
      // Down it goes by itself when there is more, and up when there is less: else it is the reader who scrolls up.
      else if (box.scrollTop < last && box.scrollHeight === height) follows.current = false;
      last = box.scrollTop;
      height = box.scrollHeight;
      setAway(!follows.current);
    };
    const grown = new ResizeObserver(() => {
      if (!follows.current) return scrolled();
      box.scrollTop = box.scrollHeight;
      last = box.scrollTop;
      height = box.scrollHeight;
    });
    grown.observe(content.current);
    grown.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    return () => {
      grown.disconnect();
      box.removeEventListener("scroll", scrolled);
    };
  }, []);
  return { scroller, content, away, toEnd };
}
