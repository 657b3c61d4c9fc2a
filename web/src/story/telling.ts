// Knows what each event adds to a story: who is told of it, where a turn begins and ends, and what belongs to no message.

import type { Told } from "../../client/src/client.js";
import type {
  Display,
  Extracted,
  MessagesRemoved,
  Progress,
  SubagentStart,
  TaskUpdate,
  TokenUsage,
  TurnEnd,
  TurnStart,
  Usage,
} from "../../client/src/events.js";
import { alike, orNull, pathOf, text, type Book, type Fresh } from "./book.js";
import { Calls } from "./calls.js";
import { Lanes } from "./lanes.js";
import { Messages } from "./messages.js";
import type { DataItem, DisplayItem, Lane, Outcome, Story, Task, TaskItem, Todo, Turn } from "./model.js";
import { Questions } from "./questions.js";

/** How a turn ends, as far as it is told. */
type End = Partial<TurnEnd> & { outcome: Outcome };

export class Telling {
  readonly #lanes: Lanes;
  readonly #messages: Messages;
  readonly #calls: Calls;
  readonly #questions: Questions;
  #turn: Turn | null = null;
  /** Whether the event that is told is one of the past, which has no number. */
  #past = false;

  constructor(
    readonly book: Book,
    readonly story: Story,
  ) {
    this.#lanes = new Lanes(book, () => (this.#turn ?? this.#begun()).lane);
    this.#messages = new Messages(book, this.#lanes);
    this.#calls = new Calls(book, this.#messages);
    this.#questions = new Questions(book, this.#lanes, story);
  }

  take(event: Told): void {
    this.#past = event.seq === undefined;
    this.book.now = "at_ms" in event && typeof event.at_ms === "number" ? event.at_ms : null;
    switch (event.type) {
      case "turn_start":
        return this.#begin(event);
      case "text_start":
        return this.#messages.textStart(event);
      case "text_delta":
        return this.#messages.delta(event.id, "text", text(event.text));
      case "reasoning_start":
        return this.#messages.reasoningStart(event);
      case "reasoning_delta":
        return this.#messages.delta(event.id, "reasoning", text(event.text));
      case "text_end":
      case "reasoning_end":
        return this.#messages.strandEnd(event);
      case "tool_call_start":
        return this.#calls.start(event);
      case "tool_call_delta":
        return this.#calls.delta(event.id, text(event.args));
      case "tool_call_end":
        return this.#calls.end(event);
      case "tool_output_delta":
        return this.#calls.output(event);
      case "tool_result":
        return this.#calls.result(event);
      case "media":
        return this.#messages.media(event);
      case "citation":
        return this.#messages.citation(event);
      case "message_replaced":
        return void (this.#messages.replace(event) || this.#calls.replace(event) || this.#messages.hear(event));
      case "messages_removed":
        return this.#removed(event);
      case "message_discarded":
        return this.#messages.discard(event);
      case "usage":
        return this.#usage(event);
      case "node_end":
        return this.#lanes.nodeEnded(event.id);
      case "subagent_start":
        return this.#subagent(event);
      case "subagent_end":
        return this.#lanes.close(pathOf(event.lane));
      case "interrupt":
        return this.#questions.ask(event);
      case "structured_output":
        return this.#data([], "structured output", event.value);
      case "custom":
        return this.#data(pathOf(event.lane), "custom", event.data);
      case "raw":
        return this.#data(pathOf(event.lane), text(event.mode), event.data);
      case "extracted":
        return this.#extracted(event);
      case "display":
        return this.#display(event);
      case "progress":
        return this.#progress(event);
      case "task_update":
        return this.#task(event);
      case "turn_end":
        return this.#end(event);
    }
  }

  /** No question waits any more, and no call for an answer. */
  withdraw(): void {
    if (this.story.questions.length > 0) this.#calls.finish(this.#questions.finish([]));
  }

  // ---------------------------------------------------------------- turns

  #begin(event: TurnStart): void {
    // A turn of which nobody told the end died with the process in which it ran.
    if (this.story.running !== null) this.#end({ outcome: "cancelled" });
    this.book.turn += 1;
    this.#lanes.begin();
    this.#questions.begin();
    this.#calls.begin(event.cause === "resume" || event.cause === "continue");
    this.#begun();
    this.#messages.begin(event.input);
  }

  /** A turn runs: it has begun, or somebody who reads from the middle takes it for one. */
  #begun(): Turn {
    const { book, story } = this;
    const startedMs = book.now;
    const lane = book.born<Lane>(
      { path: [], name: "", items: [], todos: null, progress: null, running: true, startedMs, endedMs: null },
      story,
    );
    const turn = book.born<Turn>(
      {
        past: this.#past,
        lane,
        outcome: null,
        error: null,
        reason: null,
        usage: null,
        openCalls: [],
        redactions: 0,
        startedMs,
        endedMs: null,
      },
      story,
    );
    book.put(lane, turn);
    story.turns.push(turn);
    story.running = this.#turn = turn;
    return turn;
  }

  #end(end: End): void {
    const turn = this.#turn ?? this.#begun();
    this.#messages.end();
    this.#calls.finish(this.#questions.finish(end.interrupts));
    this.#lanes.end();
    this.book.set(turn, {
      outcome: end.outcome,
      error: orNull(end.error),
      reason: orNull(end.reason),
      usage: end.usage ?? turn.usage,
      openCalls: end.open_calls ?? turn.openCalls,
      redactions: end.redactions ?? 0,
      endedMs: this.book.now,
    });
    this.book.set(this.story, { running: null });
  }

  #usage(event: Usage): void {
    this.#messages.usage(event);
    const { input_tokens: input = 0, output_tokens: output = 0 } = event;
    if (input === 0 && output === 0) return;
    const { book, story } = this;
    const turn = this.#turn;
    if (turn !== null) book.set(turn, { usage: sum(turn.usage, input, output) });
    book.set(story, { usage: sum(story.usage, input, output) });
  }

  #removed(event: MessagesRemoved): void {
    const path = pathOf(event.lane);
    for (const id of pathOf(event.ids)) {
      this.#messages.remove(id, path);
      this.#calls.remove(id, path);
    }
  }

  // ---------------------------------------------------------------- lanes

  #subagent(event: SubagentStart): void {
    const path = pathOf(event.lane);
    const call = this.#calls.get(event.id);
    if (call !== undefined) this.#lanes.open(path, text(event.name ?? call.name), call);
    else this.#lanes.rename(path, text(event.name));
  }

  #progress(event: Progress): void {
    const lane = this.#lanes.at(pathOf(event.lane));
    const progress = { text: text(event.text), percent: orNull(event.percent) };
    if (lane.running && !alike(lane.progress, progress)) this.book.set(lane, { progress });
  }

  #extracted(event: Extracted): void {
    const path = pathOf(event.lane);
    if (event.kind === "todos" && Array.isArray(event.data)) {
      const lane = this.#lanes.at(path);
      const todos = event.data.map(todoOf);
      if (!alike(lane.todos, todos)) this.book.set(lane, { todos });
    } else if (event.error) {
      this.#data(path, "extractor", `${text(event.name)}: failed with ${text(event.error)}`, event.id);
    } else {
      this.#data(path, text(event.kind), event.data, event.id);
    }
  }

  #data(path: readonly string[], label: string, data: unknown, id?: string | null): void {
    this.#show<DataItem>(path, { kind: "data", label, data: data ?? null }, id);
  }

  #display({ lane, id, title, bundle }: Display): void {
    const shown: Fresh<DisplayItem> = { kind: "display", title: orNull(title), bundle: bundle ?? {} };
    this.#show<DisplayItem>(pathOf(lane), shown, id);
  }

  /** Show what a call has brought with it, else with the lane in which it came. */
  #show<T extends DataItem | DisplayItem>(path: readonly string[], item: Fresh<T>, id?: string | null): void {
    const call = this.#calls.get(id);
    if (call !== undefined) this.#calls.show<T>(call, item);
    else this.#lanes.add<T>(path, item);
  }

  // ---------------------------------------------------------------- tasks

  #task(event: TaskUpdate): void {
    const { book, story } = this;
    const known = story.tasks.get(event.task_id);
    if (known !== undefined) return book.set(known, { update: event });
    if (this.#turn === null) this.#turnOfTasks();
    const task = book.born<Task>({ update: event }, story);
    story.tasks.set(event.task_id, task);
    if (story.tasks.has(event.parent_id ?? "")) return; // a task delegated it, not this thread
    book.put(task, this.#lanes.add<TaskItem>([], { kind: "task", task }));
  }

  /** Tasks may go on in a thread of which nothing else is told. */
  #turnOfTasks(): void {
    this.#begun();
    this.#end({ outcome: "complete" });
  }
}

function sum(usage: TokenUsage | null, input: number, output: number): TokenUsage {
  const { input_tokens = 0, output_tokens = 0 } = usage ?? {};
  return { input_tokens: input_tokens + input, output_tokens: output_tokens + output };
}

function todoOf(value: unknown): Todo {
  const { content, status } = (value ?? {}) as { content?: unknown; status?: unknown };
  return { text: text(content), status: status === "completed" || status === "in_progress" ? status : "pending" };
}
