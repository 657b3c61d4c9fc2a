// Knows the delegated tasks that there are, as they change, and what one can do with them.

import { LangwireError, type LangwireClient, type State } from "../../client/src/client.js";
import type { ErrorInfo, Interrupt, TokenUsage } from "../../client/src/events.js";
import { follow, type Following } from "./follow.js";
import { Observed } from "./observed.js";

export type TaskState = "queued" | "ongoing" | "review_needed" | "done" | "failed" | "cancelled";

/** A task in a list. Times are Unix milliseconds. */
export interface TaskView {
  id: string;
  kind: string;
  name: string;
  state: TaskState;
  root_id: string;
  created_ms: number;
  updated_ms: number;
  /** Rises with every change of any task. */
  change: number;
  title?: string;
  parent_id?: string | null;
  attempt?: number;
  started_ms?: number | null;
  ended_ms?: number | null;
  error?: ErrorInfo | null;
  usage?: TokenUsage | null;
  interrupts?: readonly Interrupt[];
  /** The tasks whose end it waits for. */
  waits_for?: readonly string[];
  cancel?: string | null;
}

export interface TaskDetail extends TaskView {
  prompt?: string;
  said?: readonly { id: string; text: string; at_ms: number }[];
  result?: unknown;
  artifacts?: readonly string[];
}

export interface TaskNode {
  readonly task: TaskView;
  readonly children: readonly TaskNode[];
}

type BoardFrame =
  | { type: "hello" }
  | { type: "task"; task: TaskView }
  | { type: "closed" }
  | { type: "unknown" };

const PAGE = 100;
const ENDED: readonly TaskState[] = ["done", "failed", "cancelled"];

export const hasEnded = (task: TaskView): boolean => ENDED.includes(task.state);

/** The board: all tasks of this caller, kept up to date from `open` to `close`. */
export class Board extends Observed {
  readonly tasks = new Map<string, TaskView>();
  state: State = "connecting";
  why: LangwireError | null = null;
  more = false;
  #before: number | null = null;
  /** What has changed since the line is up. */
  #since: TaskView[] = [];
  #following: Following | null = null;

  constructor(readonly client: LangwireClient) {
    super();
  }

  open(): void {
    this.#following ??= follow<BoardFrame>(this.client, {
      path: () => "/tasks/watch",
      onFrame: (frame) => this.#frame(frame),
      onState: (state, why) => this.#turn(state, why),
    });
  }

  close(): void {
    this.#following?.close();
    this.#following = null;
    this.state = "connecting";
  }

  retry(): void {
    this.#following?.retry();
  }

  async older(): Promise<void> {
    if (this.#before !== null) await this.#list(this.#before);
  }

  /** Take in what is known of a task now, unless something newer is known. */
  put(task: TaskView): void {
    if ((this.tasks.get(task.id)?.change ?? -1) >= task.change) return;
    this.tasks.set(task.id, task);
    this.changed();
  }

  /** The tasks that were not delegated by one of these, the newest first, each with those below it, the oldest first. */
  trees(): TaskNode[] {
    const below = new Map<string | null, TaskView[]>();
    for (const task of this.tasks.values()) {
      const parent = task.parent_id != null && this.tasks.has(task.parent_id) ? task.parent_id : null;
      const siblings = below.get(parent);
      if (siblings === undefined) below.set(parent, [task]);
      else siblings.push(task);
    }
    const node = (task: TaskView): TaskNode => ({ task, children: (below.get(task.id) ?? []).sort(byAge).map(node) });
    return (below.get(null) ?? []).sort(byAge).reverse().map(node);
  }

  // ---------------------------------------------------------------- steering

  async cancel(id: string): Promise<void> {
    const { stopped } = await this.#post<{ stopped: boolean | "stopping" }>(id, "cancel", {});
    if (stopped === false) throw new LangwireError("illegal_move", "it had ended before");
  }

  async answer(id: string, answers: Record<string, unknown>): Promise<void> {
    await this.#take(id, "answer", { answers }, "already_answered");
  }

  async retryTask(id: string): Promise<void> {
    await this.#take(id, "retry", {}, "illegal_move");
  }

  /** Say something more to a task; however often it is said under one id, it is said once. */
  async say(id: string, message: string, messageId: string): Promise<void> {
    await this.#take(id, "followup", { message, message_id: messageId }, "illegal_move");
  }

  async #take(id: string, deed: string, body: unknown, otherwise: string): Promise<void> {
    const { taken } = await this.#post<{ taken: boolean }>(id, deed, body);
    if (!taken) throw new LangwireError(otherwise, "the task did not take it");
  }

  #post<Answer>(id: string, deed: string, body: unknown): Promise<Answer> {
    return this.client.request("POST", `/tasks/${encodeURIComponent(id)}/${deed}`, body);
  }

  // ---------------------------------------------------------------- reading

  #frame(frame: BoardFrame): boolean {
    if (frame.type === "hello") {
      this.#since = [];
      void this.#list(null);
    }
    if (frame.type === "task") {
      this.#since.push(frame.task);
      this.put(frame.task);
    }
    return false; // a board has no end: when a server goes, the next one is waited for
  }

  /** Read a page. What changes meanwhile comes by itself. */
  async #list(before: number | null): Promise<void> {
    const from = before === null ? "" : `&before=${before}`;
    type Page = { tasks: TaskView[]; before?: number | null };
    const page = await this.client.request<Page>("GET", `/tasks?limit=${PAGE}${from}`).catch(() => null);
    if (page === null) return this.changed();
    if (before === null) this.tasks.clear(); // of a server that was started anew, or deleted meanwhile
    for (const task of [...page.tasks, ...this.#since]) this.put(task);
    this.#before = page.before ?? null;
    this.more = this.#before !== null;
    this.#turn("live", null);
  }

  #turn(state: State, why: LangwireError | null): void {
    Object.assign(this, { state, why });
    this.changed();
  }
}

const byAge = (one: TaskView, other: TaskView): number => one.created_ms - other.created_ms || one.change - other.change;
