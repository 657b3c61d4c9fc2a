// Knows the stories that every face tells, and how a story is made of events.

import { readdirSync, readFileSync } from "node:fs";

import type { Told } from "../client/src/client.js";
import { Fold } from "../src/story/fold.js";
import type { CallPart, Drawn, Item, Lane, Message, Story } from "../src/story/model.js";

/** The texts of the files in a folder of all faces, by their names without endings. */
function read(folder: string): Map<string, string> {
  const path = `../tests/faces/${folder}`;
  return new Map(readdirSync(path).map((file) => [file.replace(/\.\w+$/, ""), readFileSync(`${path}/${file}`, "utf8")]));
}

const summaries = read("golden/fold");

/** The events of each story. */
export const STORIES: [string, Told[]][] = [...read("stories")].map(([name, text]) => [
  name,
  text.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Told),
]);

/** What Python's transcript makes of a story. */
export function summary(name: string): unknown {
  return JSON.parse(summaries.get(name) ?? "null");
}

export const NAMES_OF_SUMMARIES = [...summaries.keys()];

export function fold(events: Iterable<unknown>): Story {
  const fold = new Fold();
  for (const event of events) fold.take(event as Told);
  return fold.story;
}

/** All that is drawn of a story: the thing itself, then what lies in it, each once. */
export function drawn(thing: Drawn): Drawn[] {
  const found = new Set<Drawn>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (value instanceof Map) return [...value.values()].forEach(visit);
    if (Array.isArray(value)) return value.forEach(visit);
    if (!("version" in value && "key" in value) || found.has(value as Drawn)) return;
    found.add(value as Drawn);
    Object.values(value).forEach(visit);
  };
  visit(thing);
  return [...found];
}

/** What a story says, without keys and versions. */
export function content(thing: unknown): unknown {
  return JSON.parse(
    JSON.stringify(thing, (name, value) => {
      if (name === "key" || name === "version") return undefined;
      return value instanceof Map ? [...value] : value;
    }),
  );
}

/** The messages and calls of a story, in the order in which they began. */
export function told(story: Story): { messages: Message[]; calls: CallPart[] } {
  const things = drawn(story).sort((one, other) => Number(one.key.slice(1)) - Number(other.key.slice(1)));
  const kind = (thing: Drawn) => (thing as { kind?: string }).kind;
  return {
    messages: things.filter((thing): thing is Message => kind(thing) === "message"),
    calls: things.filter((thing): thing is CallPart => kind(thing) === "call"),
  };
}

export function root(story: Story, turn = -1): Lane {
  return story.turns.at(turn)!.lane;
}

export function item<Kind extends Item["kind"]>(lane: Lane, kind: Kind, at = 0): Item & { kind: Kind } {
  return lane.items.filter((item) => item.kind === kind)[at] as Item & { kind: Kind };
}
