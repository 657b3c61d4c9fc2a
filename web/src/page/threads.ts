// Knows the conversations that there are: the last used first, more of them on demand.

import type { LangwireClient, Thread } from "../../client/src/client.js";
import { Observed } from "./observed.js";

const PAGE = 50;

export class ThreadList extends Observed {
  threads: readonly Thread[] = [];
  /** Whether there are older ones than those. */
  more = false;
  #before: string | null = null;
  #asked = 0;

  constructor(readonly client: LangwireClient) {
    super();
  }

  /** Look which there are now. Those that were asked for before stay; what cannot be had shows as it was. */
  async refresh(): Promise<void> {
    const asked = ++this.#asked;
    const page = await this.client.threads({ limit: PAGE }).catch(() => null);
    if (page === null || asked !== this.#asked) return; // a later answer is on its way
    const oldest = page.threads.at(-1)?.updated_ms ?? 0;
    const fresh = new Set(page.threads.map((thread) => thread.thread_id));
    const older = this.threads.filter((thread) => thread.updated_ms <= oldest && !fresh.has(thread.thread_id));
    const whole = page.before == null;
    this.threads = whole ? page.threads : [...page.threads, ...older];
    if (whole || older.length === 0) this.#until(page.before);
    this.changed();
  }

  async older(): Promise<void> {
    const before = this.#before;
    if (before === null) return;
    this.#until(null); // once is enough
    const page = await this.client.threads({ limit: PAGE, before }).catch(() => null);
    if (page === null) return this.#until(before);
    const known = new Set(this.threads.map((thread) => thread.thread_id));
    this.threads = [...this.threads, ...page.threads.filter((thread) => !known.has(thread.thread_id))];
    this.#until(page.before);
    this.changed();
  }

  /** The name of a conversation, for a person. */
  titleOf(id: string | null): string {
    if (id === null) return "New conversation";
    return this.threads.find((thread) => thread.thread_id === id)?.title || "Untitled";
  }

  async rename(id: string, title: string): Promise<void> {
    const renamed = await this.client.thread(id).rename(title.trim().slice(0, 200) || null);
    this.threads = this.threads.map((thread) => (thread.thread_id === id ? renamed : thread));
    this.changed();
  }

  async delete(id: string): Promise<void> {
    await this.client.thread(id).delete();
    this.threads = this.threads.filter((thread) => thread.thread_id !== id);
    this.changed();
  }

  #until(before: string | null | undefined): void {
    this.#before = before ?? null;
    this.more = this.#before !== null;
  }
}
