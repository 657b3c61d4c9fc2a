// Knows the marks that stand for what JSON has no form for, or for what was too large to be told.

import { isDigits, isExact } from "../story/exact.js";
import { size, counted } from "./words.js";
import { visibleLine } from "./visible.js";

const KINDS: Readonly<Record<string, (held: unknown) => string>> = {
  $type: (held) => `an object of the class ${named(held)}`,
  $error: (held) => `an error of the class ${named(held)}`,
  $cycle: (held) => `the same ${named(held)} again`,
  $deep: (held) => `a ${named(held)}, too deep to be told`,
  $repeated: (held) => `a ${named(held)}, repeated too often to be told`,
  $bytes: (held) =>
    typeof held === "string" ? `${size(Math.floor((held.length * 3) / 4))} of binary data` : "binary data",
};

/** A value that was too large: its size in bytes, and its beginning as JSON text. */
export interface Truncated {
  bytes: number;
  preview: string;
}

/** What a `$truncated` mark holds; null for everything else. */
export function truncated(value: unknown): Truncated | null {
  const held = markOf(value)?.[1];
  if (!isRecord(value) || !("$truncated" in value) || !isRecord(held)) return null;
  return { bytes: Number(held["bytes"]) || 0, preview: String(held["preview"] ?? "") };
}

/** A mark in words; null for a value that is none. */
export function markWords(value: unknown): string | null {
  const cut = truncated(value);
  if (cut) return `${size(cut.bytes)}, too large to be told`;
  const mark = markOf(value);
  return (mark && KINDS[mark[0]]?.(mark[1])) ?? null;
}

/** Whether a value, or anything in it, was left out: sent back, it would be another one. */
export function isCut(value: unknown): boolean {
  if (truncated(value) !== null) return true;
  if (Array.isArray(value)) return value.some(isCut);
  return isRecord(value) && Object.values(value).some(isCut);
}

/** Whether a value holds an integer that this engine has rounded: it is shown wrong, and would be sent so. */
export function isRounded(value: unknown): boolean {
  if (typeof value === "number") return !isExact() && Number.isInteger(value) && !Number.isSafeInteger(value);
  if (Array.isArray(value)) return value.some(isRounded);
  return isRecord(value) && Object.values(value).some(isRounded);
}

function markOf(value: unknown): [string, unknown] | null {
  const entries = isRecord(value) ? Object.entries(value) : [];
  const [first] = entries;
  return first && entries.length === 1 && first[0].startsWith("$") ? first : null;
}

function named(held: unknown): string {
  return typeof held === "string" ? visibleLine(held) : "unknown kind";
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isDigits(value);
}

/** What was left out of a cut value, in a sentence. */
export function cutWords({ bytes, preview }: Truncated): string {
  return `The first ${counted(preview.length, "character")} of ${size(bytes)} were told.`;
}
