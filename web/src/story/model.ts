// Knows what a person sees of a thread: a story of turns, each a lane of items, in the order in which they were told.
//
// The story is made by `fold.ts` out of events, and changed in place. Everything that is drawn has a `version`, which
// rises when it, or anything below it, has changed: who draws compares versions and looks no deeper.

import type { Action, ErrorInfo, Interrupt, OpenCall, TaskUpdate, TokenUsage } from "../../client/src/events.js";

export interface Drawn {
  /** Names it among its neighbours, for good. */
  readonly key: string;
  /** Rises when it, or anything below it, has changed. */
  version: number;
}

/** All that was told of one thread. */
export interface Story extends Drawn {
  /** The oldest first. A past that is told is one turn, with `past` set. */
  turns: Turn[];
  /** The turn that runs, if one does. */
  running: Turn | null;
  /** The questions that wait for an answer, once the turn that asks them has ended; in the order of asking. */
  questions: Question[];
  /** Tokens of all turns that were told. */
  usage: TokenUsage;
  /** What became of each task that was delegated, by its id, the oldest first. */
  tasks: Map<string, Task>;
}

export type Outcome = "complete" | "interrupted" | "error" | "cancelled" | "timeout";

export interface Turn extends Drawn {
  /** Whether this is what a thread holds, told anew: no times, and all that was ever said. */
  past: boolean;
  /** The lane at the root. */
  lane: Lane;
  /** Null while it runs. */
  outcome: Outcome | null;
  /** Why it failed; `reason` is what was said when it was stopped. */
  error: ErrorInfo | null;
  reason: string | null;
  usage: TokenUsage | null;
  openCalls: readonly OpenCall[];
  redactions: number;
  /** Unix milliseconds, null where the events have no times. */
  startedMs: number | null;
  endedMs: number | null;
}

/** A row of items: the root of a turn, or the work of one call, or of a subgraph. */
export interface Lane extends Drawn {
  /** LangGraph's namespace. */
  path: readonly string[];
  /** Of a subagent, or of the node that is a subgraph; empty at the root. */
  name: string;
  items: Item[];
  /** The newest list of things to do, if there is one. */
  todos: Todo[] | null;
  /** How far it has come, as last told, while it runs. */
  progress: { text: string; percent: number | null } | null;
  running: boolean;
  startedMs: number | null;
  endedMs: number | null;
}

export type Item =
  | Message
  | LaneItem
  | DisplayItem
  | DataItem
  | QuestionItem
  | TaskItem;

/** A message. Its parts are in the order in which they began. */
export interface Message extends Drawn {
  kind: "message";
  messageId: string;
  role: string;
  /** The agent's or node's name, where it is known. */
  agent: string | null;
  parts: Part[];
  /** What a node made of its text afterwards: shown in place of the text parts. */
  replacement: string | null;
  /** It streamed, but the graph did not keep it; or it left the state later. Shown folded, with that word. */
  gone: "discarded" | "removed" | null;
  usage: { input: number; output: number; model: string | null } | null;
}

export type Part = TextPart | ReasoningPart | CallPart | MediaPart;

export interface TextPart extends Drawn {
  kind: "text";
  text: string;
  open: boolean;
  partial: boolean;
  refusal: boolean;
  citations: unknown[];
}

export interface ReasoningPart extends Drawn {
  kind: "reasoning";
  text: string;
  open: boolean;
  partial: boolean;
  startedMs: number | null;
  endedMs: number | null;
}

export type CallState =
  /** The model writes it. */
  | "writing"
  /** It is written, and has no result yet. */
  | "running"
  /** A question about it is open. */
  | "waiting"
  | "ok"
  | "error"
  /** Its turn is over, and there is no result. */
  | "open";

export interface CallPart extends Drawn {
  kind: "call";
  name: string;
  callId: string | null;
  /** Whether the provider runs it on its own servers. */
  provider: boolean;
  state: CallState;
  /** As the model writes it. */
  argsText: string;
  /** Parsed, once it is written; `invalid` is the text that does not parse. */
  args: unknown;
  invalid: string | null;
  partial: boolean;
  /** What the tool told while it ran. */
  output: unknown[];
  result: { content: unknown; artifact: unknown; replaced: boolean; removed: boolean } | null;
  /** What extractors read out of it: displays, and data of a kind that has no other place. */
  shown: (DisplayItem | DataItem)[];
  /** The lanes in which its work is done. */
  lanes: Lane[];
  startedMs: number | null;
  endedMs: number | null;
}

export interface MediaPart extends Drawn {
  kind: "media";
  media: string;
  mime: string | null;
  /** Base64, or null where `ref` names it, or `block` is all there is. */
  data: string | null;
  ref: string | null;
  block: unknown;
}

/** A subgraph that is the work of no call. */
export interface LaneItem extends Drawn {
  kind: "lane";
  lane: Lane;
}

/** One thing in several forms, by MIME type. */
export interface DisplayItem extends Drawn {
  kind: "display";
  title: string | null;
  bundle: Readonly<Record<string, unknown>>;
}

/** Data of the agent's own: `label` says what it is (`custom`, `structured output`, an extractor's kind, a mode). */
export interface DataItem extends Drawn {
  kind: "data";
  label: string;
  data: unknown;
}

/** A question, where it was asked. */
export interface QuestionItem extends Drawn {
  kind: "question";
  question: Question;
}

export interface Question extends Drawn {
  interrupt: Interrupt;
  actions: readonly Action[];
  /** How often it was asked: a node may ask again, in the same words, for what it was answered. */
  asked: number;
  /** Whether it waits for an answer: it is one of `Story.questions`. Else it was answered, or dropped. */
  open: boolean;
}

/** A task that this thread delegated, where it was first told. */
export interface TaskItem extends Drawn {
  kind: "task";
  task: Task;
}

export interface Task extends Drawn {
  update: TaskUpdate;
}

export interface Todo {
  text: string;
  status: "pending" | "in_progress" | "completed";
}
