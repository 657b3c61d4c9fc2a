// Knows how a value stands in a field as text, and what a text in a field means as a value.

import { Digits, isExact, parse } from "../../story/exact.js";
import { isRounded } from "../marks.js";
import type { Field } from "./schema.js";

export type Read = { value: unknown } | { error: string } | "missing";

/** How what was given stands in its field. */
export function asText({ kind, given, choices }: Field): string {
  if (kind === "choice") return String(choices.findIndex((choice) => same(choice, given)));
  if (given === undefined || (given === null && kind !== "json")) return "";
  if (kind === "boolean") return given === true ? "true" : "";
  return typeof given === "string" && kind !== "json" ? given : JSON.stringify(given, null, 2);
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What the text in a field means. What was not touched stays what it was, to the last digit. */
export function read(field: Field, text: string): Read {
  if (text === asText(field) && field.given !== undefined) return { value: field.given };
  if (
    text === "" &&
    field.kind !== "boolean" &&
    !(field.kind.startsWith("line") && (field.required || isText(field.given)))
  ) {
    return nothing(field);
  }
  switch (field.kind) {
    case "line":
    case "lines":
      return { value: text };
    case "boolean":
      return { value: text === "true" };
    case "choice":
      return text === "-1" ? nothing(field) : { value: field.choices[Number(text)] };
    case "integer":
      return /^\s*[+-]?\d+\s*$/.test(text) ? number(text) : { error: "expected a whole number" };
    case "number":
      return number(text);
    case "json":
      return json(text);
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function nothing(field: Field): Read {
  if (field.given === undefined && !field.required) return "missing";
  return field.nullable ? { value: null } : { error: "must be filled in" };
}

const TOO_LARGE = "too large to be sent exactly";

function number(text: string): Read {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) return { error: "expected a number" };
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return { value };
  const [, sign, digits] = /^([+-]?)0*(\d+)$/.exec(text.trim()) ?? [];
  if (digits === undefined || !isExact()) return { error: TOO_LARGE };
  return { value: new Digits(`${sign === "-" ? sign : ""}${digits}`) };
}

function json(text: string): Read {
  try {
    const value = parse(text);
    return isRounded(value) ? { error: TOO_LARGE } : { value };
  } catch (error) {
    return { error: `expected JSON: ${(error as Error).message}` };
  }
}
