// Made from langwire/events.py by `python -m langwire.core.schema --write`: do not edit.

/** Counts the incompatible changes of the wire. */
export const VERSION = 1;

/**
 * A turn begins: always the first event.
 *
 * `cause` is `message` for new input, `resume` for answers to interrupts, `continue` for none at all.
 * `checkpoint_id` is where the thread stood before; `input` is what the graph was given, where known.
 */
export interface TurnStart {
  type: "turn_start";
  turn_id: string;
  thread_id?: string | null;
  /** Default: "message". */
  cause?: "continue" | "message" | "resume";
  checkpoint_id?: string | null;
  input?: unknown;
}

/**
 * A strand of text begins. The first part of a message has the message's id, the next ones `<id>/1`, `<id>/2`.
 *
 * `role` is `assistant`, `user`, `system`, or whatever role a chat message names. `refusal` marks a
 * provider's refusal, which is not part of the message's text in the graph's state.
 */
export interface TextStart {
  type: "text_start";
  id: string;
  message_id: string;
  source: Source;
  /** Default: "assistant". */
  role?: string;
  /** Default: false. */
  refusal?: boolean;
}

/** More text of an open text part, exactly as the model sent it: joined, the deltas are the part. */
export interface TextDelta {
  type: "text_delta";
  id: string;
  text: string;
}

/** A text part is over. `partial` when it was cut off: an error, a cancel, a stream that stopped. */
export interface TextEnd {
  type: "text_end";
  id: string;
  /** Default: false. */
  partial?: boolean;
}

/** A strand of thinking begins, apart from the answer. */
export interface ReasoningStart {
  type: "reasoning_start";
  id: string;
  message_id: string;
  source: Source;
}

/** More thinking of an open reasoning part. */
export interface ReasoningDelta {
  type: "reasoning_delta";
  id: string;
  text: string;
}

/** A reasoning part is over. `signature` and `encrypted` are the provider's own, to be sent back untouched. */
export interface ReasoningEnd {
  type: "reasoning_end";
  id: string;
  /** Default: false. */
  partial?: boolean;
  signature?: string | null;
  encrypted?: string | null;
}

/**
 * The model begins to write a tool call. `id` is the provider's call id, with `~2` when the turn has used it.
 *
 * `provider` marks calls that the provider runs on its own servers (web search, code execution).
 */
export interface ToolCallStart {
  type: "tool_call_start";
  id: string;
  name: string;
  message_id: string;
  source: Source;
  call_id?: string | null;
  /** Default: false. */
  provider?: boolean;
}

/** More of an open call's arguments, as JSON text. Joined, the deltas parse to the `args` of its end. */
export interface ToolCallDelta {
  type: "tool_call_delta";
  id: string;
  args: string;
}

/**
 * A call is written. `args` are the parsed arguments, or `invalid` holds the text that does not parse.
 *
 * LangGraph's state may hold a repaired form of invalid arguments. `partial` when the call was cut off.
 */
export interface ToolCallEnd {
  type: "tool_call_end";
  id: string;
  name: string;
  call_id?: string | null;
  args?: unknown;
  invalid?: string | null;
  /** Default: false. */
  partial?: boolean;
}

/** A running tool reports progress (`ToolRuntime.emit_output_delta`, stream mode `tools`). */
export interface ToolOutputDelta {
  type: "tool_output_delta";
  id: string;
  data?: unknown;
}

/**
 * An answer to a call: of this turn, or left open by an earlier one. Never made up.
 *
 * `id` is the call's part id, `status` the tool message's own, `content` its text or list of blocks,
 * `artifact` what the tool kept for the application. `message_id` is missing where the stream names none.
 */
export interface ToolResult {
  type: "tool_result";
  id: string;
  /** Default: "ok". */
  status?: "error" | "ok";
  content?: unknown;
  artifact?: unknown;
  call_id?: string | null;
  name?: string | null;
  message_id?: string | null;
  source?: Source;
}

/**
 * A block that is not text. `data` is base64, `ref` a URL or a provider's file id; one of them, or `block`.
 *
 * `kind` is `image`, `audio`, `video` or `file`; any other block keeps its own type and comes whole in `block`.
 * `role` is that of its message, as in `TextStart`.
 */
export interface Media {
  type: "media";
  id: string;
  message_id: string;
  kind: string;
  source: Source;
  /** Default: "assistant". */
  role?: string;
  mime?: string | null;
  data?: string | null;
  ref?: string | null;
  block?: unknown;
}

/** A source that the text names. `id` is the text part's, `data` the provider's annotation, untouched. */
export interface Citation {
  type: "citation";
  id: string;
  data?: unknown;
}

/**
 * A message told before now reads `text` in the graph's state (guards, PII, edits by id).
 *
 * A message that was removed is in the state again when this is told of it.
 */
export interface MessageReplaced {
  type: "message_replaced";
  message_id: string;
  text: string;
  source: Source;
}

/** Messages left the graph's state (`RemoveMessage`, summaries, `Overwrite`). `ids` are explicit, never "all". */
export interface MessagesRemoved {
  type: "messages_removed";
  ids: ReadonlyArray<string>;
  lane?: ReadonlyArray<string>;
}

/**
 * A message that streamed is not in the state its node left: a failed attempt, a fallback, a tool's own model.
 *
 * Told when the node is over, and only where the stream shows what the node left.
 */
export interface MessageDiscarded {
  type: "message_discarded";
  message_id: string;
  source: Source;
}

/** Tokens of one message, told once. `details` are LangChain's `input_token_details` and `output_token_details`. */
export interface Usage {
  type: "usage";
  message_id: string;
  /** Default: 0. */
  input_tokens?: number;
  /** Default: 0. */
  output_tokens?: number;
  model?: string | null;
  details?: Readonly<Record<string, unknown>> | null;
}

/** A node runs (stream mode `tasks`). `id` is LangGraph's task id: the turn that resumes the node has it again. */
export interface NodeStart {
  type: "node_start";
  id: string;
  node: string;
  lane?: ReadonlyArray<string>;
}

/**
 * A node is over. `error` is the exception's class name.
 *
 * `replayed`: its saved writes were used. `left`: the run went on without an end from LangGraph.
 * `cancelled`: the turn ended under it.
 */
export interface NodeEnd {
  type: "node_end";
  id: string;
  /** Default: "ok". */
  status?: "cancelled" | "error" | "interrupted" | "left" | "ok" | "replayed";
  error?: string | null;
}

/** Lane `lane` is the work of the tool call whose part id is `id`; told before every other event of that lane. */
export interface SubagentStart {
  type: "subagent_start";
  lane: ReadonlyArray<string>;
  id: string;
  parent?: ReadonlyArray<string>;
  name?: string | null;
}

/** The work of a call in its own lane is over. */
export interface SubagentEnd {
  type: "subagent_end";
  lane: ReadonlyArray<string>;
}

/** The whole state of a lane without its messages; only on request (stream mode `values` or `checkpoints`). */
export interface StateSnapshot {
  type: "state_snapshot";
  values?: unknown;
  lane?: ReadonlyArray<string>;
}

/** What a node wrote, without messages; only on request. `replayed` when LangGraph used saved writes. */
export interface StateDelta {
  type: "state_delta";
  node: string;
  changes?: unknown;
  lane?: ReadonlyArray<string>;
  /** Default: false. */
  replayed?: boolean;
}

/** The agent's structured response (`create_agent(response_format=…)`). */
export interface StructuredOutput {
  type: "structured_output";
  value?: unknown;
}

/**
 * The run asks a question and waits. Told once a turn while it is open.
 *
 * `value` is the payload, whole. `actions` are derived from it, with all arguments. `allowed` are the
 * decisions that apply to every action. `response_schema` is the JSON Schema of an answer, where LangGraph
 * gives one. A static breakpoint has the id `breakpoint` and says which nodes come next; it is left by continuing.
 */
export interface Interrupt {
  type: "interrupt";
  id: string;
  /** Default: "value". */
  kind?: "approval_batched" | "approval_per_call" | "breakpoint" | "value";
  value?: unknown;
  actions?: ReadonlyArray<Action>;
  allowed?: ReadonlyArray<"approve" | "edit" | "reject" | "respond">;
  call_id?: string | null;
  response_schema?: Readonly<Record<string, unknown>> | null;
  lane?: ReadonlyArray<string>;
}

/** Whatever a node or tool wrote with `get_stream_writer()`, untouched. */
export interface Custom {
  type: "custom";
  data?: unknown;
  lane?: ReadonlyArray<string>;
}

/** A chunk of a stream mode that langwire does not model, untouched. */
export interface Raw {
  type: "raw";
  mode: string;
  data?: unknown;
  lane?: ReadonlyArray<string>;
}

/**
 * An extractor read something out of what the tool `name` did (todos, a reflection).
 *
 * `id` is the call's part id, missing where the tool itself is not shown. An extractor that fails is told with the
 * kind `error` and the exception's class name in `error`.
 */
export interface Extracted {
  type: "extracted";
  name: string;
  kind: string;
  data?: unknown;
  id?: string | null;
  error?: string | null;
  lane?: ReadonlyArray<string>;
}

/**
 * Something to show inline, as a MIME bundle: one thing in several forms, by MIME type.
 *
 * `{"text/html": "<b>7</b>", "text/plain": "7"}`; images are base64, JSON is data. `id` is the call's part id,
 * missing where the tool itself is not shown.
 */
export interface Display {
  type: "display";
  bundle: Readonly<Record<string, unknown>>;
  title?: string | null;
  id?: string | null;
  lane?: ReadonlyArray<string>;
}

/** How far some work has come. `percent` runs from 0 to 100, where known. */
export interface Progress {
  type: "progress";
  text: string;
  percent?: number | null;
  lane?: ReadonlyArray<string>;
}

/** A delegated task changed its state. `task_id` names the task, `state` its new state, `attempt` the attempt. */
export interface TaskUpdate {
  type: "task_update";
  task_id: string;
  state: string;
  /** Default: 0. */
  attempt?: number;
  title?: string | null;
  parent_id?: string | null;
}

/**
 * A turn is over: always the last event, exactly once, whatever happened.
 *
 * `interrupted` means that the run ended by itself with a question open (`interrupts` holds the ids).
 * `open_calls` are the calls without a result, whatever the outcome; no result is ever made up.
 * `usage` sums the turn's `Usage` events. `redactions` counts what a redactor took out.
 * `checkpoint_id` is where the thread stands now, where known. `reason` is what was said when it was cancelled.
 */
export interface TurnEnd {
  type: "turn_end";
  outcome: "cancelled" | "complete" | "error" | "interrupted" | "timeout";
  error?: ErrorInfo | null;
  reason?: string | null;
  interrupts?: ReadonlyArray<string>;
  open_calls?: ReadonlyArray<OpenCall>;
  usage?: TokenUsage | null;
  /** Default: 0. */
  redactions?: number;
  checkpoint_id?: string | null;
}

/**
 * One thing an interrupt asks about, with all its arguments, derived from the interrupt's value.
 *
 * `allowed` are the decisions a person may take on it; empty when the interrupt does not say.
 */
export interface Action {
  name: string;
  args?: unknown;
  description?: string | null;
  call_id?: string | null;
  allowed?: ReadonlyArray<"approve" | "edit" | "reject" | "respond">;
}

/**
 * Why a turn failed, safe to show anyone: never the exception's text, which may hold secrets.
 *
 * `code` is the exception's class name. `id`, where the caller gave one, finds the exception in the caller's logs.
 */
export interface ErrorInfo {
  code: string;
  message: string;
  id?: string | null;
}

/**
 * A tool call without a result.
 *
 * The parser of the thread's next turn is given these: LangGraph never repeats them.
 */
export interface OpenCall {
  id: string;
  name: string;
  call_id?: string | null;
  lane?: ReadonlyArray<string>;
  args?: unknown;
}

/**
 * Where something came from; said once, when a part starts.
 *
 * `lane` is LangGraph's namespace, `node` its `langgraph_node`, `agent` the `lc_agent_name` of
 * `create_agent` and deepagents, `task` LangGraph's task id (the id of the `NodeStart` it belongs to).
 */
export interface Source {
  lane?: ReadonlyArray<string>;
  node?: string | null;
  agent?: string | null;
  task?: string | null;
}

/** Tokens of a whole turn, summed over its messages. All counts are tokens. */
export interface TokenUsage {
  /** Default: 0. */
  input_tokens?: number;
  /** Default: 0. */
  output_tokens?: number;
}

/** Every event, told apart by `type`. */
export type LangwireEvent =
  | TurnStart
  | TextStart
  | TextDelta
  | TextEnd
  | ReasoningStart
  | ReasoningDelta
  | ReasoningEnd
  | ToolCallStart
  | ToolCallDelta
  | ToolCallEnd
  | ToolOutputDelta
  | ToolResult
  | Media
  | Citation
  | MessageReplaced
  | MessagesRemoved
  | MessageDiscarded
  | Usage
  | NodeStart
  | NodeEnd
  | SubagentStart
  | SubagentEnd
  | StateSnapshot
  | StateDelta
  | StructuredOutput
  | Interrupt
  | Custom
  | Raw
  | Extracted
  | Display
  | Progress
  | TaskUpdate
  | TurnEnd;

/** One line of a log: event number `seq` (from 1, without holes), told at `at_ms` (Unix time in milliseconds). */
export type Entry = LangwireEvent & {
  seq: number;
  at_ms: number;
};
