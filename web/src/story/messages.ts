// Knows the messages of a story and their parts: text, thinking, media, and what becomes of them later.

import type {
  Citation,
  Media,
  MessageDiscarded,
  MessageReplaced,
  ReasoningEnd,
  ReasoningStart,
  Source,
  TextEnd,
  TextStart,
  Usage,
} from "../../client/src/events.js";
import { orNull, pathOf, related, same, text, type Book, type Fresh } from "./book.js";
import type { Lanes } from "./lanes.js";
import type { MediaPart, Message, Part, ReasoningPart, TextPart } from "./model.js";
import { saidIn, type Said } from "./said.js";

interface Known {
  message: Message;
  path: readonly string[];
  task: string | null;
  turn: number;
}

type Strand = TextPart | ReasoningPart;

/** The role of a message that is only heard of when it changes. */
const UNKNOWN_ROLE = "unknown";

export class Messages {
  /** All messages that events may still be about, by their ids. */
  #told = new Map<string, Known[]>();
  /** The parts of the turn that is told, by their ids; null for those that a person's message has already. */
  #strands = new Map<string, Strand | null>();
  /** What a person said, as the input of a turn shows it. */
  #said = new Set<string>();

  constructor(
    readonly book: Book,
    readonly lanes: Lanes,
  ) {}

  // ---------------------------------------------------------------- turns

  /** A turn begins, with what a person said. */
  begin(input: unknown): void {
    this.#strands.clear();
    for (const said of saidIn(input)) this.#say(said);
  }

  /** The turn is over: nothing of it is open. */
  end(): void {
    for (const strand of this.#strands.values()) if (strand?.open) this.#cut(strand);
  }

  #cut(strand: Strand): void {
    this.book.set<Strand>(strand, { open: false, partial: true });
    if (strand.kind === "reasoning") this.book.set(strand, { endedMs: this.book.now });
  }

  #say({ id, parts }: Said): void {
    if (id && (this.#said.has(id) || this.#told.get(id)?.some(({ message }) => message.role === "user"))) return;
    const { message } = id ? this.of(id, undefined, "user") : { message: this.#made("", [], "user", undefined) };
    if (id) this.#said.add(id);
    for (const part of parts) this.add<Part>(message, part);
  }

  /** Whether a person's message is told once more, by an event that is about it. */
  #isAgain({ message_id, source }: TextStart | Media): boolean {
    return this.#said.has(message_id) && pathOf(source?.lane).length === 0;
  }

  // ---------------------------------------------------------------- finding messages

  /** The message that a part belongs to. It takes the place of one from an earlier turn or another task. */
  of(messageId: string, source: Source | undefined, role = "assistant"): Known {
    const path = pathOf(source?.lane);
    const task = orNull(source?.task);
    const told = this.#told.get(messageId) ?? [];
    for (const known of told) {
      const isHere = known.turn === this.book.turn && same(known.path, path);
      if (isHere && (known.task === task || known.task === null || task === null)) return known;
    }
    for (const known of told) if (same(known.path, path)) this.#remove(known.message);
    const left = told.filter((known) => known.turn === this.book.turn || !same(known.path, path));
    const made = { message: this.#made(messageId, path, role, source), path, task, turn: this.book.turn };
    this.#told.set(messageId, [...left, made]);
    return made;
  }

  add<T extends Part>(message: Message, part: Fresh<T>): T {
    const born = this.book.born<T>(part, message);
    message.parts.push(born);
    return born;
  }

  #made(messageId: string, path: readonly string[], role: string, source: Source | undefined): Message {
    return this.lanes.add<Message>(path, {
      kind: "message",
      messageId,
      role,
      agent: orNull(source?.agent ?? source?.node),
      parts: [],
      replacement: null,
      gone: null,
      usage: null,
    });
  }

  // ---------------------------------------------------------------- text and thinking

  textStart(event: TextStart): void {
    if (this.#isAgain(event)) return void this.#strands.set(event.id, null);
    const { message } = this.of(text(event.message_id), event.source, text(event.role ?? "assistant"));
    this.#openText(event.id, message, event.refusal === true);
  }

  reasoningStart(event: ReasoningStart): void {
    this.#openReasoning(event.id, this.of(text(event.message_id), event.source).message);
  }

  delta(id: string, kind: Strand["kind"], more: string): void {
    const strand = this.#strand(id, kind);
    if (strand === null || !more) return;
    strand.text += more;
    this.book.changed(strand);
  }

  strandEnd(event: TextEnd | ReasoningEnd): void {
    const strand = this.#strands.get(event.id);
    if (!strand) return;
    this.book.set<Strand>(strand, { open: false, partial: event.partial === true });
    if (strand.kind === "reasoning") this.book.set(strand, { endedMs: this.book.now });
  }

  /** The part that an event is about; one that nobody announced is a message of its own. */
  #strand(id: string, kind: Strand["kind"]): Strand | null {
    const known = this.#strands.get(id);
    if (known !== undefined) return known;
    const { message } = this.of(text(id), undefined);
    return kind === "text" ? this.#openText(id, message, false) : this.#openReasoning(id, message);
  }

  #openText(id: string, message: Message, refusal: boolean): TextPart {
    const made: Fresh<TextPart> = { kind: "text", text: "", open: true, partial: false, refusal, citations: [] };
    const part = this.add<TextPart>(message, made);
    this.#strands.set(id, part);
    return part;
  }

  #openReasoning(id: string, message: Message): ReasoningPart {
    const part = this.add<ReasoningPart>(message, {
      kind: "reasoning",
      text: "",
      open: true,
      partial: false,
      startedMs: this.book.now,
      endedMs: null,
    });
    this.#strands.set(id, part);
    return part;
  }

  // ---------------------------------------------------------------- other content

  citation(event: Citation): void {
    const strand = this.#strand(event.id, "text");
    if (strand?.kind !== "text") return;
    strand.citations.push(event.data ?? null);
    this.book.changed(strand);
  }

  media(event: Media): void {
    if (this.#isAgain(event)) return;
    const { message } = this.of(text(event.message_id), event.source, text(event.role ?? "assistant"));
    this.add<MediaPart>(message, {
      kind: "media",
      media: text(event.kind),
      mime: orNull(event.mime),
      data: orNull(event.data),
      ref: orNull(event.ref),
      block: event.block ?? null,
    });
  }

  usage(event: Usage): void {
    const told = this.#told.get(event.message_id) ?? [];
    const known = told.find(({ message, turn }) => message.usage === null && turn === this.book.turn);
    if (known === undefined) return;
    const { input_tokens: input = 0, output_tokens: output = 0, model } = event;
    this.book.set(known.message, { usage: { input, output, model: orNull(model) } });
  }

  // ---------------------------------------------------------------- changes

  /** Change the text of a message; false where none is known that it may be. */
  replace(event: MessageReplaced): boolean {
    const path = pathOf(event.source?.lane);
    const told = this.#told.get(event.message_id) ?? [];
    const near = told.filter((known) => known.message.role !== "tool" && related(known.path, path));
    const known = this.#last(near, (known) => same(known.path, path));
    if (known === undefined) return false;
    this.#replaced(known.message, event.text);
    return true;
  }

  /** Hear the new text of a message that was told before the story began. */
  hear(event: MessageReplaced): void {
    this.#replaced(this.of(text(event.message_id), event.source, UNKNOWN_ROLE).message, event.text);
  }

  #replaced(message: Message, said: string): void {
    const gone = message.gone === "removed" ? null : message.gone;
    this.book.set(message, { replacement: text(said), gone });
  }

  remove(id: string, path: readonly string[]): void {
    for (const known of this.#told.get(id) ?? []) if (related(known.path, path)) this.#remove(known.message);
  }

  discard(event: MessageDiscarded): void {
    const path = pathOf(event.source?.lane);
    const told = (this.#told.get(event.message_id) ?? []).filter((known) => same(known.path, path));
    const known = this.#last(told, (known) => known.task === orNull(event.source?.task));
    if (known !== undefined) this.book.set(known.message, { gone: "discarded" });
  }

  /** The one of the last turn, of those that are nearest if there are any. */
  #last(told: Known[], isNearest: (known: Known) => boolean): Known | undefined {
    const nearest = told.filter(isNearest);
    const [first, ...others] = nearest.length > 0 ? nearest : told;
    return others.reduce((last, known) => (known.turn > last.turn ? known : last), first as Known);
  }

  #remove(message: Message): void {
    if (message.gone === null) this.book.set(message, { gone: "removed" });
  }
}
