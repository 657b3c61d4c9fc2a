// Knows one conversation while it is looked at: what was told of it, how the line stands, what one can do there.

import type { Connection, Frame, LangwireError, LangwireThread, State, Told } from "../../client/src/client.js";
import { VERSION, type Content, type Reset } from "../../client/src/protocol.js";
import { Fold } from "../renderer.js";
import type { Message, Story } from "../story/model.js";
import { Observed } from "./observed.js";

export class Conversation extends Observed {
  readonly fold = new Fold();
  /** Says that something more was told. The conversation itself says only what is seen around that. */
  readonly told = new Observed();
  state: State = "connecting";
  /** Why it is over, where it is. */
  why: LangwireError | null = null;
  /** The turn that runs. */
  running: string | null = null;
  /** Whether a turn runs on another server, so that what comes of it is told when it is over. */
  elsewhere = false;
  /** Whether the thread has gone back to before a message, and nothing was said there yet. */
  wentBack = false;
  /** Whether the server speaks as this page does. */
  outdated = false;
  #connection: Connection;
  #unfinished = false;

  constructor(readonly thread: LangwireThread) {
    super();
    this.#connection = this.#read();
  }

  get story(): Story {
    return this.fold.story;
  }

  close(): void {
    this.#connection.close();
  }

  /** Try to connect now, and not in a while. */
  retry(): void {
    this.#connection.retry();
  }

  async stop(): Promise<void> {
    if (this.running !== null) await this.thread.cancel(this.running);
  }

  /** Have an answer made anew: all of it, from after what the person said last before it. */
  async regenerate(messageId: string): Promise<void> {
    await this.#from(answerOf(this.story, messageId), () => this.thread.continue());
  }

  /** Say something else in place of a message. */
  async edit(messageId: string, content: Content): Promise<void> {
    await this.#from(messageId, () => this.thread.submit(content));
  }

  /** Return from where the thread has gone back to. */
  async undo(): Promise<void> {
    await this.thread.undoFork();
    this.#set({ wentBack: false });
  }

  async #from(point: string, next: () => Promise<unknown>): Promise<void> {
    await this.thread.fork(point);
    // What was gone back from would show as removed: who wanted that need not see it.
    const before = this.#connection;
    this.#connection = this.#read();
    before.close();
    try {
      await next();
    } catch (error) {
      this.#set({ wentBack: true });
      throw error;
    }
  }

  #read(): Connection {
    const here = this.thread.connect({
      onFrame: (frame) => this.#frame(frame),
      onEvent: (event) => this.#event(event),
      onReset: (reason) => this.#reset(reason),
      // One that has made way says that it was closed, and nothing more.
      onState: (state, why) => here === this.#connection && this.#turn(state, why),
    });
    return here;
  }

  #frame(frame: Frame): void {
    if (frame.type === "hello") {
      this.#unfinished = frame.unfinished ?? false;
      if (frame.protocol !== VERSION) this.#set({ outdated: true });
    }
    if (frame.type === "live") {
      this.#set({ elsewhere: this.#unfinished }); // not before the past, which is told in between
      this.#unfinished = false;
    }
  }

  #event(event: Told): void {
    this.fold.take(event);
    this.told.changed();
    if (event.seq === undefined) return; // of the past, in which nothing runs
    switch (event.type) {
      case "turn_start":
        return this.#set({ running: event.turn_id, elsewhere: false, wentBack: false });
      case "turn_end":
        return this.#set({ running: null });
      case "interrupt":
      case "usage":
        return this.changed();
    }
  }

  #reset(reason: Reset["reason"]): void {
    this.fold.clear();
    this.told.changed();
    this.#set({ running: null, elsewhere: false, wentBack: this.wentBack && reason === "new" });
  }

  #turn(state: State, why: LangwireError | null): void {
    this.#set({ state, why: state === "closed" || state === "refused" ? why : null });
  }

  #set(known: Partial<Pick<this, "state" | "why" | "running" | "elsewhere" | "wentBack" | "outdated">>): void {
    Object.assign(this, known);
    this.changed();
  }
}

/** The id of the first message of the answer that a message belongs to. */
function answerOf({ turns }: Story, messageId: string): string {
  const messages = turns.flatMap((turn) => turn.lane.items).filter((item): item is Message => item.kind === "message");
  const there = messages.filter((message) => message.gone === null);
  const at = there.findIndex((message) => message.messageId === messageId);
  if (at < 0) return messageId;
  const before = there.slice(0, at + 1).map((message) => message.role);
  return there[before.lastIndexOf("user") + 1]?.messageId ?? messageId;
}
