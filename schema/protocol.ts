// Made from langwire/adapters/fastapi/protocol.py by `python -m langwire.adapters.fastapi.schema --write`: do not edit.

import type { Entry, ErrorInfo, Interrupt, LangwireEvent } from "./events.js";

/** Counts the incompatible changes of the protocol. */
export const VERSION = 1;

/**
 * Say something to the agent.
 *
 * `input` is text or blocks; a server may be set up to take something else. `context_lines` are for the model, apart
 * from what was said. A `client_message_id` that was taken before starts nothing, and is answered as the first time.
 * `when_busy` says what happens while a turn runs, `when_interrupted` while a question is open; without them it is
 * for the server to say.
 */
export interface Submit {
  type: "submit";
  ref?: string | null;
  input: unknown;
  context_lines?: ReadonlyArray<string>;
  client_message_id?: string | null;
  when_busy?: "enqueue" | "reject" | "replace" | null;
  when_interrupted?: "answer" | "drop" | "reject" | null;
}

/**
 * Answer open questions, each exactly once.
 *
 * `answers` maps an interrupt's id to a decision, a list of them, one for each of its actions, or a plain value. A
 * decision is `{"type": "approve"}`, `{"type": "edit", "edited_action": {"name": …, "args": …}}`,
 * `{"type": "reject", "message": …}` or `{"type": "respond", "message": …}`. All open questions are answered, unless
 * `partial`: then the others are asked again.
 */
export interface Resume {
  type: "resume";
  ref?: string | null;
  answers: Readonly<Record<string, unknown>>;
  /** Default: false. */
  partial?: boolean;
  when_busy?: "enqueue" | "reject" | "replace" | null;
}

/** Go on from where the thread stands: after a breakpoint, an error, a cancel, a crash, or a `fork`. */
export interface Continue {
  type: "continue";
  ref?: string | null;
  when_busy?: "enqueue" | "reject" | "replace" | null;
}

/** Stop the turn that runs, or the one with this id. What is said as `reason` is told to all who read the thread. */
export interface Cancel {
  type: "cancel";
  ref?: string | null;
  turn_id?: string | null;
  reason?: string | null;
}

/** Go back to just before a message, or to a checkpoint, by its id. Then `continue` regenerates, `submit` edits. */
export interface Fork {
  type: "fork";
  ref?: string | null;
  point: string;
}

/** Return to where the thread stood before the last `fork`, as long as no turn has begun since. */
export interface UndoFork {
  type: "undo_fork";
  ref?: string | null;
}

/** Ask for a `pong`. Over a WebSocket only. */
export interface Ping {
  type: "ping";
  ref?: string | null;
}

/** A piece of text in a message. */
export interface TextBlock {
  type: "text";
  text: string;
}

/** A file in a message: one that was uploaded to the same thread before. */
export interface FileBlock {
  type: "file";
  file_id: string;
}

/**
 * The first frame. `position` is where the log ends now, `running` the turn that runs here.
 *
 * `unfinished` says that the last turn began in another process, and that no end of it has been kept: it runs there,
 * or died with it. When its end has been kept, a `reset` and what came of it follow.
 */
export interface Hello {
  type: "hello";
  protocol: number;
  thread_id: string;
  position: string;
  running?: string | null;
  /** Default: false. */
  unfinished?: boolean;
}

/**
 * What was read of the thread is to be dropped: what it holds follows, up to `live`.
 *
 * `new`: no position was given. `foreign`: it is one of another log, for one of before a restart. `forgotten`: what
 * comes after it is not kept any more. `elsewhere`: a turn that began in another process has ended, or another one
 * has begun here. `undone`: messages that had been removed are back.
 */
export interface Reset {
  type: "reset";
  reason: "elsewhere" | "foreign" | "forgotten" | "new" | "undone";
}

/** The past has been told. What follows are entries of the log, from the one after `position` on. */
export interface Live {
  type: "live";
  position: string;
}

/** The last frame: nothing more will come of this thread, or not from this server. */
export interface Closed {
  type: "closed";
  reason: "deleted" | "shutting_down";
}

/**
 * A command was taken. Over HTTP this is the answer, without `ref`.
 *
 * `turn_id` is the turn that it began, or that waits (`queued`); `position` is where the log stood before: read from
 * there to get all of the turn. `stopped` answers a `cancel`: whether nothing of the turn runs any more.
 * `checkpoint_id` answers a `fork` and an `undo_fork`. `message_id` is the id under which the thread keeps what was
 * said.
 */
export interface Ack {
  type: "ack";
  ref?: string | null;
  turn_id?: string | null;
  position?: string | null;
  /** Default: false. */
  queued?: boolean;
  stopped?: boolean | null;
  checkpoint_id?: string | null;
  message_id?: string | null;
}

/** The answer to a `ping`. */
export interface Pong {
  type: "pong";
  ref?: string | null;
}

/**
 * A command was not taken, or what was sent is none. `code` is one of those on the protocol's page.
 *
 * `id` finds what went wrong on the server in its log. `retry_after` are the seconds until it is worth another try.
 * Over HTTP the same stands in `{"error": …}`, and the seconds in the header `retry-after`.
 */
export interface ErrorFrame {
  type: "error";
  code: string;
  message: string;
  ref?: string | null;
  id?: string | null;
  retry_after?: number | null;
}

/** Make a thread. Its id is for the server to choose, so that nobody learns whose ids are taken. */
export interface NewThread {
  title?: string | null;
}

/** Name a thread, or take its name away. */
export interface Rename {
  title: string | null;
}

/**
 * A thread in a list. Times are Unix milliseconds. `outcome` and `error` are those of the last turn that ended.
 *
 * `running` says that its last turn has not ended.
 */
export interface Thread {
  thread_id: string;
  created_ms: number;
  updated_ms: number;
  title?: string | null;
  /** Default: false. */
  running?: boolean;
  outcome?: "cancelled" | "complete" | "error" | "interrupted" | "timeout" | null;
  error?: ErrorInfo | null;
}

/** Some threads, the last used first. `before` asks for the next page; it is missing on the last one. */
export interface ThreadPage {
  threads: ReadonlyArray<Thread>;
  before?: string | null;
}

/**
 * Where a thread stands.
 *
 * `running` is the id of the turn that runs here, `waiting` how many wait behind it; `unfinished` as in `hello`.
 * `outcome` and `error` are those of the last turn that ended. `interrupts` are the questions that wait for an
 * answer. `next` are the nodes that would run next. `position` is where the log ends. `values` is the graph's state,
 * where the server shows it.
 */
export interface ThreadState {
  thread_id: string;
  position: string;
  title?: string | null;
  running?: string | null;
  /** Default: 0. */
  waiting?: number;
  /** Default: false. */
  unfinished?: boolean;
  outcome?: "cancelled" | "complete" | "error" | "interrupted" | "timeout" | null;
  error?: ErrorInfo | null;
  interrupts?: ReadonlyArray<Interrupt>;
  next?: ReadonlyArray<string>;
  checkpoint_id?: string | null;
  values?: unknown;
}

/** What a thread holds, as the events of one turn. Reading on from `position` misses nothing. */
export interface HistoryPage {
  events: ReadonlyArray<LangwireEvent>;
  position: string;
}

/** A file that was uploaded to a thread. `bytes` is its size. */
export interface UploadedFile {
  file_id: string;
  mime: string;
  bytes: number;
}

/** What serves here. Sizes are bytes. */
export interface About {
  protocol: number;
  version: string;
  name: string;
  max_frame: number;
  max_body: number;
  max_file: number;
}

/** What a person says: text, or pieces of text and files. */
export type Content = string | ReadonlyArray<TextBlock | FileBlock>;

/** Every command, told apart by `type`. */
export type Command =
  | Submit
  | Resume
  | Continue
  | Cancel
  | Fork
  | UndoFork
  | Ping;

/** An event of the past: it has no number. */
export type PastEvent = LangwireEvent & { seq?: undefined };

/** Everything that a reader gets. */
export type Frame =
  | Entry
  | PastEvent
  | Hello
  | Reset
  | Live
  | Closed
  | Ack
  | Pong
  | ErrorFrame;

/** What HTTP answers in place of what was asked for. */
export interface Problem {
  error: Pick<ErrorFrame, "code" | "message" | "id">;
}
