// Holds for every story, cut at every event: nothing is thrown, versions tell exactly what has changed, nothing is lost.

import { describe, expect, test } from "vitest";

import type { Told } from "../client/src/client.js";
import { Fold } from "../src/story/fold.js";
import type { Drawn, TextPart } from "../src/story/model.js";
import { content, drawn, fold, NAMES_OF_SUMMARIES, STORIES, summary, told } from "./fold_stories.js";

/** What a thing says by itself, and which things lie in it. */
interface Seen {
  version: number;
  own: string;
  inside: Drawn[];
}

function snapshot(story: Drawn): Map<Drawn, Seen> {
  const all = new Map<Drawn, Seen>();
  const look = (thing: Drawn): void => {
    const inside: Drawn[] = [];
    const own = JSON.stringify(thing, (name, value: unknown) => {
      if (name === "version") return undefined;
      if (value instanceof Map) return [...(value as Map<string, Drawn>).values()];
      if (value === thing || !isDrawn(value)) return value;
      inside.push(value);
      return value.key;
    });
    all.set(thing, { version: thing.version, own, inside });
    for (const inner of inside) if (!all.has(inner)) look(inner);
  };
  look(story);
  return all;
}

function isDrawn(value: unknown): value is Drawn {
  return typeof value === "object" && value !== null && "key" in value && "version" in value;
}

test("each story has a summary by Python, and no other", () => {
  expect(NAMES_OF_SUMMARIES.sort()).toEqual(STORIES.map(([name]) => name).sort());
});

describe.each(STORIES)("%s", (name, events) => {
  test("versions rise exactly where something has changed, and above it", () => {
    const { story, take } = taking();
    let before = snapshot(story);
    for (const event of events) {
      take(event);
      const after = snapshot(story);
      for (const [thing, now] of after) {
        const was = before.get(thing);
        if (was === undefined) continue;
        const lies = now.inside.some((inner) => before.get(inner)?.version !== inner.version);
        const changed = was.own !== now.own || lies;
        expect([event.type, now.own, now.version > was.version]).toEqual([event.type, now.own, changed]);
        expect(now.version).toBeGreaterThanOrEqual(was.version);
      }
      before = after;
    }
  });

  test("keys are those of one thing each, for good", () => {
    const { story, take } = taking();
    const keys = new Map<Drawn, string>();
    for (const event of events) {
      take(event);
      for (const thing of drawn(story)) {
        expect(keys.get(thing) ?? thing.key).toBe(thing.key);
        keys.set(thing, thing.key);
      }
    }
    expect(new Set(keys.values()).size).toBe(keys.size);
  });

  test("what was told before a reset leaves nothing behind", () => {
    for (const cut of [1, Math.floor(events.length / 2), events.length]) {
      const folding = new Fold();
      const { story } = folding;
      for (const event of events.slice(0, cut)) folding.take(event);
      const version = story.version;
      folding.clear();
      expect(story.version).toBeGreaterThan(version);
      expect(content(story)).toEqual(content(new Fold().story));
      for (const event of events) folding.take(event);
      expect(folding.story).toBe(story);
      expect(content(story)).toEqual(content(fold(events)));
    }
  });

  test("any end of it is folded as if it were the whole", () => {
    for (let cut = 0; cut < events.length; cut += Math.ceil(events.length / 40)) {
      const story = fold(events.slice(cut));
      expect(story.running).toBeNull();
      for (const turn of story.turns) expect(turn.outcome).not.toBeNull();
      for (const thing of drawn(story) as Partial<TextPart>[]) expect(thing.open ?? false).toBe(isQuestion(thing));
    }
  });

  test("events with missing or odd fields are folded into something", () => {
    for (const odd of [undefined, null, 7, "odd", [], [7], {}]) {
      const folding = new Fold();
      for (const event of events) {
        folding.take(event);
        for (const field of Object.keys(event)) if (field !== "type") folding.take({ ...event, [field]: odd } as Told);
        folding.take({ type: event.type } as Told);
      }
      expect(() => content(folding.story)).not.toThrow();
    }
  });

  test("it comes to what Python's transcript comes to", () => {
    // What a person said is no event there: the input is left out here.
    const story = fold(events.map((event) => (event.type === "turn_start" ? { ...event, input: null } : event)));
    const { messages, calls } = told(story);
    expect({
      messages: messages.map((message) => {
        const said = (refusal: boolean) =>
          message.parts.flatMap((part) => (part.kind === "text" && part.refusal === refusal ? part.text : [])).join("");
        const thought = message.parts.flatMap((part) => (part.kind === "reasoning" && part.text ? part.text : []));
        const text = message.replacement ?? said(false);
        return [message.role, text, said(true), thought.join("\n\n"), message.gone === null];
      }),
      calls: calls.map(({ name, args, invalid, partial, result }) => {
        const shown = result && [lastState(result), result.content, result.replaced, result.removed];
        return [name, args, invalid, partial, shown];
        function lastState(_: object): string {
          return calls.find((call) => call.result === result)!.state;
        }
      }),
      questions: story.questions.map((question) => question.interrupt.id),
      usage: [story.usage.input_tokens, story.usage.output_tokens],
      outcome: story.turns.at(-1)?.outcome,
    }).toEqual(summary(name));
  });
});

function taking() {
  const folding = new Fold();
  return { story: folding.story, take: (event: Told) => folding.take(event) };
}

function isQuestion(thing: object): boolean {
  return "interrupt" in thing && (thing as { open?: boolean }).open === true;
}
