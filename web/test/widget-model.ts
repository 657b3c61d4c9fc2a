// Knows how a notebook's widget model looks from its views, and what a kernel says through it.
import type { Model } from "../src/widget/link.js";

type Sent = { type: string; ref: string; view?: string } & Record<string, unknown>;

export class FakeModel implements Model {
  readonly sent: Sent[] = [];
  /** How many messages the kernel has sent. */
  count = 0;
  readonly #heard = new Set<(content: unknown) => void>();

  constructor(readonly traits: Readonly<Record<string, unknown>>) {}

  /** The name of the view that asked last for the story. */
  get view(): string {
    return this.sent.filter((command) => command.type === "read").at(-1)?.view ?? "";
  }

  get(name: string): unknown {
    return this.traits[name];
  }

  send(content: unknown): void {
    this.sent.push(content as Sent);
  }

  on(event: string, heard: (content: unknown) => void): void {
    if (event === "msg:custom") this.#heard.add(heard);
  }

  off(_: string, heard: (content: unknown) => void): void {
    this.#heard.delete(heard);
  }

  /** What the kernel says to all views. */
  say(message: Record<string, unknown>): void {
    this.count++;
    for (const heard of this.#heard) heard({ ...message, n: this.count });
  }

  /** Tell the view that asked last a story, in so many messages. */
  tellStory(batches: readonly string[]): void {
    const to = this.view;
    this.say({ type: "story", to });
    for (const lines of batches) this.say({ type: "events", to, lines });
  }

  /** Answer a command, and let what waits for that go on. */
  async answer(why: string | null = null, index = this.sent.length - 1): Promise<void> {
    this.say({ type: "answer", ref: this.sent[index]?.ref, why });
    for (let tick = 0; tick < 5; tick++) await Promise.resolve();
  }
}

/** Events, one a line. */
export function events(...given: readonly Record<string, unknown>[]): string {
  return given.map((event, index) => JSON.stringify({ at_ms: 1_760_000_000_000 + index, source: {}, ...event })).join("\n");
}

/** A turn in which the assistant says one text; `seq` is its first number. */
export function said(text: string, seq: number): string {
  const id = `p${seq}`;
  return events(
    { type: "turn_start", turn_id: `t${seq}`, thread_id: "t", seq },
    { type: "text_start", id, message_id: `m${seq}`, role: "assistant", seq: seq + 1 },
    { type: "text_delta", id, text, seq: seq + 2 },
    { type: "text_end", id, seq: seq + 3 },
    { type: "turn_end", outcome: "complete", seq: seq + 4 },
  );
}
