// Knows the words in which the page tells what happens: states, refusals, times, sizes.

import { LangwireError, type State } from "../../client/src/client.js";

export const STATES: Readonly<Record<State, string>> = {
  connecting: "Connecting …",
  live: "",
  reconnecting: "Reconnecting …",
  closed: "",
  refused: "",
};

const TASK_STATES: Readonly<Record<string, string>> = {
  queued: "waits its turn",
  ongoing: "at work",
  review_needed: "waits for you",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

/** What becomes of a task. */
export function stateOf({ state, waits_for = [] }: { state: string; waits_for?: readonly string[] }): string {
  return waits_for.length ? "waits for its tasks" : (TASK_STATES[state] ?? state);
}

const TROUBLE: Readonly<Record<string, string>> = {
  unreachable: "The server cannot be reached. Your text is still here: try again in a moment.",
  disconnected: "The connection broke. Look at the conversation: it shows whether that was done.",
  unauthorized: "You are not logged in.",
  authorize_needed: "This server lets in nobody from elsewhere.",
  unknown_thread: "This conversation is not here, or not yours.",
  unknown_task: "This task is not here, or not yours.",
  deleted: "This conversation was deleted.",
  not_found: "There is nothing at this address.",
  too_many_requests: "That was a little fast. Try again in a moment.",
  too_many_turns: "The server has its hands full. Try again in a moment.",
  too_many_connections: "Too many pages of yours are open. Close some, and try again.",
  turn_running: "The agent is still at work. Wait for it, or stop it.",
  interrupt_open: "Answer the question first.",
  already_answered: "This has been answered already.",
  unknown_point: "There is no way back to there.",
  input_too_large: "That is more than the agent takes at once.",
  body_too_large: "That is more than the server takes at once.",
  illegal_move: "The task has moved on: that cannot be done any more.",
  shutting_down: "The server is about to restart. Try again in a moment.",
  unsupported_protocol: "This page is older than the server. Reload it.",
};

/** After these there is nothing more to be said in the conversation. */
const GONE = ["unknown_thread", "deleted"];

/** What went wrong, for a person. */
export function wordsOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (!(error instanceof LangwireError)) return `That did not work: ${error}.`;
  const said = TROUBLE[error.code] ?? `That did not work: ${error.message}.`;
  return error.id ? `${said} (${error.id})` : said;
}

/** Whether an error is the end of a conversation. */
export function isGone(error: unknown): boolean {
  return error instanceof LangwireError && GONE.includes(error.code);
}

const UNITS: readonly [name: Intl.RelativeTimeFormatUnit, ms: number][] = [
  ["year", 365 * 86_400_000],
  ["month", 30 * 86_400_000],
  ["week", 7 * 86_400_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

/** How long ago something was; both in Unix milliseconds. */
export function timeAgo(ms: number, now: number): string {
  for (const [unit, length] of UNITS) if (now - ms >= length) return ago.format(-Math.floor((now - ms) / length), unit);
  return "now";
}

/** A size in bytes. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const [unit, size] = bytes < 1_000_000 ? ["kB", bytes / 1000] : ["MB", bytes / 1_000_000];
  return `${size < 10 ? size.toFixed(1) : Math.floor(size)} ${unit}`;
}

const numbers = new Intl.NumberFormat("en");

/** Tokens that were used; nothing where none are known. */
export function usageOf(usage: { input_tokens?: number; output_tokens?: number } | null | undefined): string {
  const { input_tokens: taken = 0, output_tokens: made = 0 } = usage ?? {};
  return taken || made ? `${numbers.format(taken)} tokens in, ${numbers.format(made)} out` : "";
}
