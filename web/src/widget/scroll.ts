// Knows how what grows stays at its end, until the reader scrolls up.

/** Whoever is so few pixels from the end reads along. */
const NEAR = 48;

/** Keep `box` at the end of `content`; returns how to end it. */
export function followEnd(box: HTMLElement, content: HTMLElement): () => void {
  let follows = true;
  let last = 0;
  const scrolled = (): void => {
    const left = box.scrollHeight - box.clientHeight - box.scrollTop;
    if (left <= NEAR) follows = true;
    // Down it goes by itself: only upwards it is the reader.
    else if (box.scrollTop < last) follows = false;
    last = box.scrollTop;
  };
  const grown = new ResizeObserver(() => {
    if (follows) box.scrollTop = box.scrollHeight;
  });
  grown.observe(content);
  box.addEventListener("scroll", scrolled, { passive: true });
  return () => {
    grown.disconnect();
    box.removeEventListener("scroll", scrolled);
  };
}
