// Knows what a person said, in all forms in which the input of a turn may hold it.

import { orNull, type Fresh } from "./book.js";
import type { MediaPart, TextPart } from "./model.js";

export interface Said {
  /** Null where the input has no word of it. */
  id: string | null;
  parts: (Fresh<TextPart> | Fresh<MediaPart>)[];
}

type Fields = Record<string, unknown>;

const PERSONS = new Set(["user", "human"]);
/** What a message is named that the person's program added, and no person said. */
const CONTEXT = "context";
/** Where in a block its media are, else they are in the block itself. */
const INSIDE = ["source", "image_url", "input_audio", "file"];

/** The messages of a person in an input: text, blocks, one message or several, or a state that holds them. */
export function saidIn(input: unknown): Said[] {
  if (isFields(input) && "messages" in input) return messagesIn(input["messages"]);
  if (Array.isArray(input) && input.length > 0 && input.every(isBlock)) return [said(null, input)];
  return messagesIn(input);
}

function messagesIn(value: unknown): Said[] {
  const several = Array.isArray(value) && !isPair(value) ? value : [value];
  return several.flatMap(message);
}

function message(value: unknown): Said[] {
  if (typeof value === "string") return value ? [said(null, value)] : [];
  if (isPair(value)) return PERSONS.has(value[0]) ? [said(null, value[1])] : [];
  if (!isFields(value) || !("content" in value) || value["name"] === CONTEXT) return [];
  const id = value["id"];
  const isPersons = [value["role"], value["type"]].some((word) => PERSONS.has(word as string));
  return isPersons ? [said(typeof id === "string" ? id : null, value["content"])] : [];
}

function said(id: string | null, content: unknown): Said {
  return { id, parts: (Array.isArray(content) ? content : [content]).map(part) };
}

function part(block: unknown): Fresh<TextPart> | Fresh<MediaPart> {
  if (typeof block === "string") return textPart(block);
  if (!isFields(block)) return media("other", null, null, null, block);
  const kind = typeof block["type"] === "string" ? block["type"] : "other";
  if (typeof block["text"] === "string" && kind.endsWith("text")) return textPart(block["text"]);
  const inside = INSIDE.map((name) => block[name]).find((value) => value !== undefined) ?? block;
  const fields = isFields(inside) ? inside : { url: inside };
  const url = first(fields, "ref", "url", "file_id", "file_uri", "id");
  const [, mime, data] = /^data:([^,]*);base64,([^]*)$/.exec(url ?? "") ?? [];
  const bytes = data ?? first(fields, "base64", "data", "file_data");
  const ref = bytes === null ? url : null;
  const named = kind.replace(/^input_|_url$/g, "");
  const rest = bytes === null && ref === null ? block : null;
  return media(named, mime ?? first(fields, "mime_type", "media_type"), bytes, ref, rest);
}

function textPart(text: string): Fresh<TextPart> {
  return { kind: "text", text, open: false, partial: false, refusal: false, citations: [] };
}

function media(
  kind: string,
  mime: string | null,
  data: string | null,
  ref: string | null,
  block: unknown,
): Fresh<MediaPart> {
  return { kind: "media", media: kind, mime, data, ref, block: block ?? null };
}

function first(fields: Fields, ...names: string[]): string | null {
  return orNull(names.map((name) => fields[name]).find((value): value is string => typeof value === "string"));
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A role and what was said in it. */
function isPair(value: unknown): value is [string, unknown] {
  return Array.isArray(value) && value.length === 2 && /^(user|human|ai|assistant|system|tool)$/.test(String(value[0]));
}

function isBlock(value: unknown): boolean {
  return isFields(value) && typeof value["type"] === "string" && !("content" in value) && !("role" in value);
}
