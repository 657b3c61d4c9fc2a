// Knows how a view in a notebook hears of a conversation, and asks the kernel to do something.
//
// Messages are numbered. A view that knows nothing yet, or has missed one, asks for all of the story; until that comes
// it takes nothing, and afterwards what everybody is told.

import type { Told } from "../../client/src/client.js";
import { parse } from "../story/exact.js";
import { Fold } from "../story/fold.js";

/** What a widget's model does for its views. */
export interface Model {
  get(name: string): unknown;
  send(content: unknown): void;
  on(event: string, heard: (content: unknown) => void): void;
  off(event: string, heard: (content: unknown) => void): void;
}

export type Command =
  | { type: "read"; view: string }
  | { type: "submit"; input: string }
  | { type: "resume"; answers: Readonly<Record<string, unknown>> }
  | { type: "continue" }
  | { type: "cancel" }
  | { type: "regenerate"; message_id: string }
  | { type: "edit"; message_id: string; input: string };

/** What the kernel says. */
type Message = { n: number } & (
  | { type: "story"; to: string }
  | { type: "events"; to?: string; lines: string }
  | { type: "stale" }
  | { type: "answer"; ref: string; why: string | null }
  | { type: "notice"; text: string }
  | { type: "closed"; why: string }
);

export interface Listener {
  /** The story has changed. */
  told(): void;
  /** A line for the person; empty takes the last one away. */
  say(words: string): void;
  /** Nothing more will come. */
  closed(): void;
}

/** After so many milliseconds without an answer the person is told. */
const PATIENCE = 4_000;
/** So many milliseconds pass before the story is asked for again, when some of it was lost on the way. */
const AGAIN = 500;
const SLOW = "The kernel does not answer: it is busy, or has been stopped.";
const CLOSED = "This conversation has been closed. Run the cell again to open it.";

export class Link {
  readonly fold = new Fold();
  readonly #model: Model;
  readonly #listener: Listener;
  readonly #view = newName();
  readonly #asked = new Map<string, (why: string | null) => void>();
  /** The last message of an unbroken row that began with the whole story; null while there is none. */
  #last: number | null = null;
  #reading = false;
  #closed = false;

  constructor(model: Model, listener: Listener) {
    this.#model = model;
    this.#listener = listener;
    model.on("msg:custom", this.#hear);
    this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#model.off("msg:custom", this.#hear);
    for (const answered of this.#asked.values()) answered("the view was closed");
    this.#asked.clear();
  }

  /** Have something done. Rejects with the words of the kernel where it was not. */
  do(command: Command): Promise<void> {
    const ref = newName();
    const slow = setTimeout(() => this.#listener.say(SLOW), PATIENCE);
    return new Promise((resolve, reject) => {
      this.#asked.set(ref, (why) => {
        clearTimeout(slow);
        if (why === null) resolve();
        else reject(new Error(why));
      });
      this.#model.send({ ...command, ref });
    });
  }

  /** Ask for the whole story, and again if something was lost of that, too. */
  #read(): void {
    this.#last = null;
    if (this.#reading || this.#closed) return;
    this.#reading = true;
    void this.do({ type: "read", view: this.#view })
      .catch((why: Error) => this.#listener.say(why.message))
      .then(() => {
        this.#reading = false;
        if (this.#last === null) setTimeout(() => this.#read(), AGAIN);
      });
  }

  readonly #hear = (content: unknown): void => {
    const message = content as Message;
    if (message.type === "answer") this.#answered(message.ref, message.why);
    if (message.type === "story" && message.to === this.#view) {
      this.#last = message.n;
      this.fold.clear();
      this.#listener.say("");
      return this.#listener.told();
    }
    if (this.#last === null) return;
    if (message.n !== this.#last + 1) return this.#read();
    this.#last = message.n;
    this.#take(message);
  };

  #take(message: Message): void {
    switch (message.type) {
      case "events":
        if (message.to !== undefined && message.to !== this.#view) return;
        for (const line of message.lines.split("\n")) this.fold.take(parse(line) as Told);
        return this.#listener.told();
      case "stale":
        return this.#read();
      case "notice":
        return this.#listener.say(message.text);
      case "closed":
        this.#listener.say(CLOSED);
        return this.#listener.closed();
    }
  }

  #answered(ref: string, why: string | null): void {
    const answered = this.#asked.get(ref);
    this.#asked.delete(ref);
    answered?.(why);
  }
}

function newName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
