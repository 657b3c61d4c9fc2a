// Knows what a person has written and not sent yet, for each conversation. The text outlives a reload of the page.

import { newId, type LangwireThread } from "../../client/src/client.js";
import type { Content } from "../../client/src/protocol.js";
import { Observed } from "./observed.js";
import { sizeOf } from "./words.js";

const KEY = "langwire draft ";

/** What is in the box of one conversation. */
export class Draft extends Observed {
  files: readonly File[] = [];
  #text: string;
  #messageId: string | null = null;

  constructor(readonly key: string) {
    super();
    this.#text = stored(() => sessionStorage.getItem(key)) ?? "";
  }

  get text(): string {
    return this.#text;
  }

  get empty(): boolean {
    return this.#text.trim() === "" && this.files.length === 0;
  }

  /** Names what is in the box as long as it stays as it is: however often it is sent, it is taken once. */
  get messageId(): string {
    return (this.#messageId ??= newId());
  }

  write(text: string): void {
    this.#text = text;
    stored(() => (text ? sessionStorage.setItem(this.key, text) : sessionStorage.removeItem(this.key)));
    this.#touched();
  }

  /** Take files of at most so many bytes; what is refused, in words. */
  add(files: Iterable<File>, most: number): string | null {
    const given = [...files];
    this.files = [...this.files, ...given.filter((file) => file.size <= most)];
    this.#touched();
    const refused = given.filter((file) => file.size > most);
    if (refused.length === 0) return null;
    const names = refused.map((file) => `“${file.name}” (${sizeOf(file.size)})`).join(", ");
    return most > 0 ? `Too large: ${names}. A file may have ${sizeOf(most)} at most.` : "This agent takes no files.";
  }

  remove(file: File): void {
    this.files = this.files.filter((other) => other !== file);
    this.#touched();
  }

  clear(): void {
    this.files = [];
    this.write("");
  }

  /** Take over what is in another box, which is empty then. */
  takeOver(other: Draft): void {
    this.files = other.files;
    this.write(other.text);
    this.#messageId = other.#messageId;
    other.clear();
  }

  /** Upload the files, and return all of it as a message. */
  async content(thread: LangwireThread): Promise<Content> {
    const text = this.#text.trim();
    if (this.files.length === 0) return text;
    const sent = await Promise.all(this.files.map((file) => thread.upload(file)));
    const blocks = sent.map(({ file_id }) => ({ type: "file", file_id }) as const);
    return text ? [{ type: "text", text }, ...blocks] : blocks;
  }

  #touched(): void {
    this.#messageId = null;
    this.changed();
  }
}

/** The boxes of all conversations with an agent; null is the one that has not begun. */
export class Drafts {
  readonly #drafts = new Map<string, Draft>();

  constructor(readonly agent: string | null) {}

  of(threadId: string | null): Draft {
    const key = `${KEY}${this.agent ?? ""}/${threadId ?? ""}`;
    const draft = this.#drafts.get(key) ?? new Draft(key);
    this.#drafts.set(key, draft);
    return draft;
  }
}

/** Do something with the browser's storage, which may be switched off or full: nothing hangs on it. */
function stored<Found>(work: () => Found): Found | null {
  try {
    return work();
  } catch {
    return null;
  }
}
