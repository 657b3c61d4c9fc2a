// How a story in a notebook stays at its end, and whom it takes for its reader.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { followEnd } from "../src/widget/scroll.js";

const box = document.createElement("div");
const seen = { height: 1000 };
Object.defineProperty(box, "scrollHeight", { get: () => seen.height });
Object.defineProperty(box, "clientHeight", { get: () => 100 });
let grown: () => void;
let end: () => void;

beforeEach(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      constructor(tell: () => void) {
        grown = tell;
      }
      observe(): void {}
      disconnect(): void {}
    },
  );
  seen.height = 1000;
  end = followEnd(box, document.createElement("div"));
  grown();
});
afterEach(() => {
  end();
  vi.unstubAllGlobals();
});

function scrolled(top: number): void {
  box.scrollTop = top;
  box.dispatchEvent(new Event("scroll"));
}

function grows(height: number): number {
  seen.height = height;
  grown();
  return box.scrollTop;
}

test("who scrolls up stays there, also while it grows, until they are near the end again", () => {
  expect(grows(3000)).toBe(3000);
  scrolled(2500);
  expect(grows(4000)).toBe(2500);
  scrolled(3860);
  expect(grows(5000)).toBe(5000);
});

test("what becomes shorter is not taken for a reader who scrolls up", () => {
  grows(3000);
  scrolled(2900);
  seen.height = 2500; // it was shorter, and has grown since
  scrolled(1900);
  expect(grows(2600)).toBe(2600);
});
