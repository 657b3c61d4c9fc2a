// Knows what all who write a story share: what lies above what, which turn it is, and what time.

import type { Drawn } from "./model.js";

/** What is told of a thing; its key and version are given by the book. */
export type Fresh<T extends Drawn> = Omit<T, "key" | "version">;

export class Book {
  /** Counts the turns. */
  turn = 0;
  /** When the event that is folded was told: Unix milliseconds, null where events have no times. */
  now: number | null = null;
  #above = new WeakMap<Drawn, Drawn>();
  #keys = 0;

  /** Make a thing that lies in another one, which has changed by that. */
  born<T extends Drawn>(thing: Fresh<T>, above: Drawn): T {
    const born = { key: `k${++this.#keys}`, version: 1, ...thing } as T;
    this.#above.set(born, above);
    this.changed(above);
    return born;
  }

  /** Put a thing into another one, which has changed by that. */
  put(thing: Drawn, above: Drawn): void {
    this.#above.set(thing, above);
    this.changed(above);
  }

  /** A thing has changed, and with it all that it lies in. */
  changed(thing: Drawn): void {
    for (let at: Drawn | undefined = thing; at !== undefined; at = this.#above.get(at)) at.version += 1;
  }

  /** Give fields of a thing other values; it has changed if one of them is another one. */
  set<T extends Drawn>(thing: T, values: Partial<T>): void {
    const names = Object.keys(values) as (keyof T)[];
    if (names.every((name) => Object.is(thing[name], values[name]))) return;
    Object.assign(thing, values);
    this.changed(thing);
  }
}

/** A text, whatever came in its place. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
}

/** What was told, or null. */
export function orNull<T>(value: T | null | undefined): T | null {
  return value ?? null;
}

/** The lane that an event names. */
export function pathOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}

/** Whether one lane is the other or lies inside it. */
export function related(one: readonly string[], other: readonly string[]): boolean {
  const shorter = Math.min(one.length, other.length);
  for (let at = 0; at < shorter; at += 1) if (one[at] !== other[at]) return false;
  return true;
}

export function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && related(one, other);
}

/** Whether two things that were told say the same. */
export function alike(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
