// Knows one delegated task while it is looked at: what it is, and what it has told and tells.

import type { LangwireError, State } from "../../client/src/client.js";
import type { Entry } from "../../client/src/events.js";
import { Fold } from "../renderer.js";
import { follow, type Following } from "./follow.js";
import { Observed } from "./observed.js";
import { hasEnded, type Board, type TaskDetail } from "./tasks.js";

/** The question that a task asks us, and nobody else, when it waits for those that it delegated. */
const WAITS = "langwire.wait_for_tasks";

type TaskFrame = Entry | { type: "hello" | "reset" | "closed"; reason?: string };

export class OpenTask extends Observed {
  readonly fold = new Fold();
  readonly told = new Observed();
  detail: TaskDetail | null = null;
  state: State = "connecting";
  why: LangwireError | null = null;
  #after: string | null = null;
  #following: Following | null = null;
  #asked = 0;
  #closed = false;
  readonly #unwatch: () => void;

  constructor(
    readonly board: Board,
    readonly id: string,
  ) {
    super();
    this.#unwatch = board.watch(() => this.#noticed());
    void this.#ask();
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#following?.close();
  }

  retry(): void {
    this.#following?.retry();
  }

  /** The board has news: perhaps of this task. */
  #noticed(): void {
    const known = this.board.tasks.get(this.id);
    if (known !== undefined && this.detail !== null && known.change > this.detail.change) void this.#ask();
  }

  async #ask(): Promise<void> {
    const asked = ++this.#asked;
    try {
      const detail = await this.board.client.request<TaskDetail>("GET", `/tasks/${encodeURIComponent(this.id)}`);
      if (this.#closed || asked !== this.#asked) return; // a later answer is on its way
      this.detail = detail;
      this.board.put(detail);
      this.#read(detail);
      this.changed();
    } catch (error) {
      if (!this.#closed && this.detail === null) this.#turn("refused", error as LangwireError);
    }
  }

  /** Read on, unless that is done: a task that has ended may begin anew. */
  #read(detail: TaskDetail): void {
    if (this.#following !== null && (this.state !== "closed" || hasEnded(detail))) return;
    const id = encodeURIComponent(this.id);
    this.#following = follow<TaskFrame>(this.board.client, {
      path: () => `/tasks/${id}/events${this.#after === null ? "" : `?after=${encodeURIComponent(this.#after)}`}`,
      onFrame: (frame) => this.#frame(frame),
      onState: (state, why) => this.#turn(state, why),
    });
  }

  #frame(frame: TaskFrame): boolean {
    if ("seq" in frame) {
      this.#after = `${this.id}:${frame.seq}`;
      if (frame.type === "interrupt" && (frame.value as { type?: unknown } | null)?.type === WAITS) return false;
      this.fold.take(frame);
      this.told.changed();
      if (frame.type === "turn_start" || frame.type === "turn_end" || frame.type === "usage") this.changed();
      return false;
    }
    if (frame.type === "hello") this.#turn("live", null);
    if (frame.type === "reset") {
      this.#after = null;
      this.fold.clear();
      this.told.changed();
    }
    if (frame.type === "closed" && frame.reason === "ended") {
      this.fold.withdraw(); // a task that is cancelled while it waits tells no event of it
      this.told.changed();
    }
    return frame.type === "closed" && frame.reason !== "shutting_down";
  }

  #turn(state: State, why: LangwireError | null): void {
    Object.assign(this, { state, why });
    this.changed();
  }
}
