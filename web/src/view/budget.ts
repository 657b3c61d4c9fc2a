// Knows how much is drawn at once, so that a long past never holds up the page: the newest at once, the rest a little in
// every frame, from the newest to the oldest.

const MOST_MS = 12;

let began: number | null = null;
const waiting: (() => void)[] = [];

/** Whether there is time left for drawing something in this frame that can wait. */
export function inTime(): boolean {
  if (began === null) {
    began = performance.now();
    requestAnimationFrame(next);
  }
  return performance.now() - began < MOST_MS;
}

/** Call `draw` in one of the next frames, those that came last first; the answer takes it back. */
export function later(draw: () => void): () => void {
  waiting.push(draw);
  return () => {
    const place = waiting.indexOf(draw);
    if (place >= 0) waiting.splice(place, 1);
  };
}

function next(): void {
  began = null;
  const draw = waiting.pop();
  if (draw === undefined) return;
  began = performance.now();
  requestAnimationFrame(next);
  draw();
}
