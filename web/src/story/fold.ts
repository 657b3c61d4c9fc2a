// Knows how the events of a thread, in the order in which they are told, become a story.
//
// Each event costs the same however long the story is. Nothing is thrown, also where events break the grammar of a
// turn: what nobody announced is shown all the same, and what nobody knows is passed over.

import type { Told } from "../../client/src/client.js";
import { Book } from "./book.js";
import type { Story } from "./model.js";
import { Telling } from "./telling.js";

export class Fold {
  readonly story: Story = {
    key: "story",
    version: 0,
    turns: [],
    running: null,
    questions: [],
    usage: { input_tokens: 0, output_tokens: 0 },
    tasks: new Map(),
  };
  #book = new Book();
  #telling = new Telling(this.#book, this.story);

  /** Take in the next event. */
  take(event: Told): void {
    this.#telling.take(event);
  }

  /** Nobody waits for an answer any more, as events do not say: what asked was stopped while it waited. */
  withdraw(): void {
    this.#telling.withdraw();
  }

  /** Drop all that was told: after a reset it is told anew. */
  clear(): void {
    const usage = { input_tokens: 0, output_tokens: 0 };
    this.#book.turn = 0;
    this.#book.set(this.story, { turns: [], running: null, questions: [], usage, tasks: new Map() });
    this.#telling = new Telling(this.#book, this.story);
  }
}
