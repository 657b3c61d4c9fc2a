// Knows the calls of a story: how they are written, run, are answered, and which of them wait.

import type {
  MessageReplaced,
  ToolCallEnd,
  ToolCallStart,
  ToolOutputDelta,
  ToolResult,
} from "../../client/src/events.js";
import { alike, orNull, pathOf, related, text, type Book } from "./book.js";
import type { Messages } from "./messages.js";
import type { CallPart, DataItem, DisplayItem, Message } from "./model.js";

/** What a question is about: a call by its id, or else by its name and its arguments. */
export interface About {
  call_id?: string | null;
  name?: string;
  args?: unknown;
}

interface Answered {
  call: CallPart;
  path: readonly string[];
}

export class Calls {
  /** By their part ids; the last of those that have the same. */
  #calls = new Map<string, CallPart>();
  /** Those without a result, of all turns. */
  #unanswered = new Set<CallPart>();
  /** By the ids of the messages that brought the results. */
  #answered = new Map<string, Answered[]>();

  constructor(
    readonly book: Book,
    readonly messages: Messages,
  ) {}

  get(id: unknown): CallPart | undefined {
    return this.#calls.get(id as string);
  }

  // ---------------------------------------------------------------- writing

  start(event: ToolCallStart): void {
    const { message } = this.messages.of(text(event.message_id), event.source);
    const call = this.#add(message, event.id, text(event.name), orNull(event.call_id));
    call.provider = event.provider === true;
  }

  delta(id: string, more: string): void {
    const call = this.#call(id);
    if (!more) return;
    call.argsText += more;
    this.book.changed(call);
  }

  end(event: ToolCallEnd): void {
    const call = this.#call(event.id);
    this.book.set(call, {
      name: text(event.name),
      callId: orNull(event.call_id ?? call.callId),
      args: event.args ?? null,
      invalid: orNull(event.invalid),
      partial: event.partial === true,
    });
    // From now on it runs: how long, is how long it takes.
    if (call.state === "writing") this.book.set(call, { state: "running", startedMs: this.book.now });
  }

  /** The call that an event is about; one that nobody announced is a message of its own. */
  #call(id: string): CallPart {
    return this.#calls.get(id) ?? this.#add(this.messages.of(text(id), undefined).message, id, "", null);
  }

  #add(message: Message, id: string, name: string, callId: string | null): CallPart {
    const call = this.messages.add<CallPart>(message, {
      kind: "call",
      name,
      callId,
      provider: false,
      state: "writing",
      argsText: "",
      args: null,
      invalid: null,
      partial: false,
      output: [],
      result: null,
      shown: [],
      lanes: [],
      startedMs: this.book.now,
      endedMs: null,
    });
    this.#calls.set(id, call);
    this.#unanswered.add(call);
    return call;
  }

  // ---------------------------------------------------------------- what comes of it

  output(event: ToolOutputDelta): void {
    const call = this.#call(event.id);
    call.output.push(event.data ?? null);
    this.book.changed(call);
  }

  show<T extends DisplayItem | DataItem>(call: CallPart, item: Omit<T, "key" | "version">): void {
    call.shown.push(this.book.born<T>(item, call));
  }

  result(event: ToolResult): void {
    let call = this.#calls.get(event.id);
    if (call === undefined || call.result !== null) {
      const { message } = this.messages.of(text(event.message_id ?? event.id), event.source, "tool");
      call = this.#add(message, event.id, text(event.name), orNull(event.call_id));
    }
    this.#unanswered.delete(call);
    const { content = null, artifact = null, status = "ok" } = event;
    this.book.set(call, {
      state: status === "error" ? "error" : "ok",
      result: { content, artifact, replaced: false, removed: false },
      endedMs: this.book.now,
    });
    const messageId = event.message_id ?? "";
    const answered = this.#answered.get(messageId) ?? [];
    if (messageId) this.#answered.set(messageId, [...answered, { call, path: pathOf(event.source?.lane) }]);
  }

  /** Change the text of a result; false where there is none of this id. */
  replace(event: MessageReplaced): boolean {
    const path = pathOf(event.source?.lane);
    const near = (this.#answered.get(event.message_id) ?? []).filter((one) => related(one.path, path));
    const call = near[near.length - 1]?.call;
    if (!call?.result) return false;
    this.book.set(call, { result: { ...call.result, content: text(event.text), replaced: true } });
    return true;
  }

  /** The message that brought a result left the state. */
  remove(id: string, path: readonly string[]): void {
    for (const { call, path: from } of this.#answered.get(id) ?? []) {
      if (!call.result || call.result.removed || !related(from, path)) continue;
      this.book.set(call, { result: { ...call.result, removed: true } });
    }
  }

  // ---------------------------------------------------------------- turns

  /** A turn begins: calls that waited for an answer run again, or have been dropped with their question. */
  begin(goesOn: boolean): void {
    for (const call of this.#unanswered) {
      if (call.state !== "waiting") continue;
      if (goesOn) this.book.set(call, { state: "running", startedMs: this.book.now });
      else this.book.set(call, { state: "open" });
    }
  }

  /** The turn is over. `asked` is what the questions are about that are open. */
  finish(asked: readonly About[]): void {
    for (const call of this.#unanswered) {
      if (call.provider && call.state === "running") {
        // It has no result of its own: what came of it is in the message.
        this.#unanswered.delete(call);
        this.book.set(call, { state: "ok", endedMs: this.book.now });
      } else {
        this.book.set(call, { state: asked.some((about) => isAbout(about, call)) ? "waiting" : "open" });
      }
    }
  }
}

function isAbout({ call_id: id, name, args }: About, call: CallPart): boolean {
  return id ? id === call.callId : name === call.name && alike(args ?? null, call.args);
}
