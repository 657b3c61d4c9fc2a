// Knows how numbers, states and outcomes are said in words.

import type { TokenUsage } from "../../client/src/events.js";
import type { CallPart, Lane, Message, ReasoningPart, Turn } from "../story/model.js";
import { visibleLine } from "./visible.js";

/** How long something took: `40 ms`, `0.4 s`, `12 s`, `2 min 5 s`, `1 h 3 min`. Takes milliseconds. */
export function duration(ms: number): string {
  if (ms < 95) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${rest(whole % 60, "s")}`;
  return `${Math.floor(whole / 3600)} h${rest(Math.floor((whole % 3600) / 60), "min")}`;
}

function rest(number: number, unit: string): string {
  return number ? ` ${number} ${unit}` : "";
}

/** How long something took that has both times; null where one of them is missing. */
export function took(thing: { startedMs: number | null; endedMs: number | null }): string | null {
  const { startedMs, endedMs } = thing;
  return startedMs === null || endedMs === null ? null : duration(endedMs - startedMs);
}

/** A number of bytes: `12 bytes`, `200 kB`, `10.2 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return counted(bytes, "byte");
  const [unit, name] = bytes < 1e6 ? [1e3, "kB"] : bytes < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  const number = bytes / unit;
  return `${number < 10 ? number.toFixed(1).replace(/\.0$/, "") : Math.round(number)} ${name}`;
}

/** A number of things: `1 line`, `1,204 lines`. */
export function counted(number: number, noun: string): string {
  return `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function grouped(number: number): string {
  return number.toLocaleString("en-US");
}

/** `1,204 tokens in, 88 out`; null where none were told. */
export function usageWords(usage: TokenUsage | null): string | null {
  const { input_tokens: input = 0, output_tokens: output = 0 } = usage ?? {};
  return input || output ? `${counted(input, "token")} in, ${grouped(output)} out` : null;
}

/** Who says a message. */
export function speaker(message: Message): string {
  if (message.role === "user") return "You";
  if (message.agent) return visibleLine(message.agent);
  const role = visibleLine(message.role);
  return role.charAt(0).toUpperCase() + role.slice(1);
}

/** What has become of a call. */
export function callWords(call: CallPart): string {
  const time = took(call);
  switch (call.state) {
    case "writing":
      return "being written";
    case "running":
      return "running";
    case "waiting":
      return "waits for you";
    case "ok":
      return time ? `done in ${time}` : "done";
    case "error":
      return time ? `failed after ${time}` : "failed";
    case "open":
      return "no result";
  }
}

/** What has become of the work in a lane. */
export function laneWords(lane: Lane): string {
  const time = took(lane);
  return lane.running ? "running" : time ? `done in ${time}` : "done";
}

export function reasoningWords(part: ReasoningPart): string {
  const time = took(part);
  if (part.open) return "Thinking";
  return time ? `Thought for ${time}` : "Thought";
}

/** Why a turn did not end well, and what the button says that goes on; null where all is well. */
export function endWords(turn: Turn): { said: string; button: string } | null {
  switch (turn.outcome) {
    case "error": {
      const { message, code, id } = turn.error ?? { message: "the agent failed", code: "" };
      const details = [code, id && `id ${id}`].filter(Boolean).join(", ");
      return { said: sentence(message) + (details ? ` (${visibleLine(details)})` : ""), button: "Try again" };
    }
    case "cancelled":
      return { said: turn.reason ? `Stopped: ${visibleLine(turn.reason)}` : "Stopped", button: "Go on" };
    case "timeout":
      return { said: "Stopped: it took too long", button: "Go on" };
    default:
      return null;
  }
}

function sentence(text: string): string {
  const shown = visibleLine(text);
  return shown.charAt(0).toUpperCase() + shown.slice(1);
}
