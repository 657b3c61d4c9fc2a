// Knows how what grows stays at its end, until the reader scrolls up.

/** Whoever is so few pixels from the end reads along. */
const NEAR = 48;

/** Keep `box` at the end of `content`; returns how to end it. */
export function followEnd(box: HTMLElement, content: HTMLElement): () => void {
  let follows = true;
  let last = 0;
  let height = 0;
  const scrolled = (): void => {
    const left = box.scrollHeight - box.clientHeight - box.scrollTop;
    if (left <= NEAR) follows = true;
    // Down it goes by itself when there is more, and up when there is less: else it is the reader who scrolls up.
    else if (box.scrollTop < last && box.scrollHeight === height) follows = false;
    last = box.scrollTop;
    height = box.scrollHeight;
  };
  const grown = new ResizeObserver(() => {
    if (!follows) return;
    box.scrollTop = box.scrollHeight;
    last = box.scrollTop;
    height = box.scrollHeight;
  });
  grown.observe(content);
  box.addEventListener("scroll", scrolled, { passive: true });
  return () => {
    grown.disconnect();
    box.removeEventListener("scroll", scrolled);
  };
}
