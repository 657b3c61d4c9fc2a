// Knows what is on the desk: which place is looked at, what one does there, and what went wrong with it.

import { LangwireClient, type About, type LangwireThread } from "../../client/src/client.js";
import { VERSION, type Content } from "../../client/src/protocol.js";
import type { Deeds } from "../view/contract.js";
import { addressOf, agentIn, placeOf, type Place } from "./address.js";
import { Conversation } from "./conversation.js";
import { Drafts, type Draft } from "./drafts.js";
import { Observed } from "./observed.js";
import { OpenTask } from "./task.js";
import { Board } from "./tasks.js";
import { ThreadList } from "./threads.js";
import { wordsOf } from "./words.js";

/** So many milliseconds after it was last looked, the list of conversations is looked at again. */
const LOOK = 30_000;

interface Agents {
  agents: readonly { name: string; protocol: string }[];
  tasks?: string;
}

export class Desk extends Observed {
  readonly agent = agentIn(location.search);
  readonly client = new LangwireClient(this.agent === null ? "v1" : `v1/agents/${encodeURIComponent(this.agent)}`);
  readonly threads = new ThreadList(this.client);
  readonly drafts = new Drafts(this.agent);
  place: Place = placeOf(location.hash);
  conversation: Conversation | null = null;
  /** The board of tasks, where the server has one. */
  board: Board | null = null;
  task: OpenTask | null = null;
  /** The names of all agents, the first one first. */
  agents: readonly string[] = [];
  about: About | null = null;
  /** What went wrong last: an error, or words. */
  trouble: unknown = null;
  sending = false;
  /** Whether the server is of another version than this page. */
  outdated = false;
  #broken = false;

  /** Look around, and open the place that the address names. */
  start(): void {
    addEventListener("hashchange", () => this.open(placeOf(location.hash)));
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#look(), LOOK);
    this.open(this.place);
    void this.#ask();
    void this.#askAgents();
  }

  get draft(): Draft {
    return this.drafts.of(this.conversation?.thread.id ?? null);
  }

  // ---------------------------------------------------------------- looking at a place

  open(place: Place): void {
    this.conversation?.close();
    this.conversation = null;
    if (place.kind === "conversation" && place.id !== null) this.#converse(place.id);
    this.place = place;
    this.#openTask();
    this.complain(null);
    void this.threads.refresh();
  }

  /** Look at no conversation: what is said next begins one. */
  begin(): void {
    if (this.place.kind === "conversation" && this.place.id === null) this.open(this.place);
    else location.hash = "";
  }

  /** Begin anew where a conversation is gone, with what is written in it. */
  beginAnew(): void {
    const draft = this.drafts.of(null);
    if (draft.empty) draft.takeOver(this.draft);
    this.begin();
  }

  showTasks(id: string | null = null): void {
    location.hash = addressOf({ kind: "tasks", id });
  }

  retry(): void {
    this.conversation?.retry();
    this.board?.retry();
    this.task?.retry();
  }

  #converse(id: string): void {
    const conversation = new Conversation(this.client.thread(id));
    let { state, running } = conversation;
    conversation.watch(() => {
      if (conversation !== this.conversation) return;
      if (conversation.state !== state) this.#turned(conversation);
      if (running !== null && conversation.running === null) void this.threads.refresh();
      if (conversation.outdated) this.outdated = true;
      ({ state, running } = conversation);
      this.changed();
    });
    this.conversation = conversation;
  }

  /** The line of the conversation that is looked at stands otherwise now. */
  #turned({ state, why }: Conversation): void {
    if (state === "reconnecting") this.#broken = true;
    if (state === "live" && this.#broken) void this.#ask(); // perhaps it is another server now
    if (state === "live") this.trouble = null;
    if (why !== null) this.trouble = why;
  }

  #openTask(): void {
    const { board, place } = this;
    const id = place.kind === "tasks" ? place.id : null;
    if (this.task?.id !== id) {
      this.task?.close();
      this.task = board === null || id === null ? null : new OpenTask(board, id);
    }
    if (place.kind === "tasks") board?.open();
    else board?.close();
  }

  // ---------------------------------------------------------------- doing something

  /** Do something that may be refused, and say so then; whether it was done. */
  async attempt(deed: () => Promise<unknown>): Promise<boolean> {
    this.complain(null);
    try {
      await deed();
      return true;
    } catch (error) {
      this.complain(error);
      return false;
    }
  }

  complain(trouble: unknown): void {
    this.trouble = trouble;
    this.changed();
  }

  /** Send what is in the box; in a new conversation, where there is none. */
  async send(): Promise<void> {
    if (this.draft.empty || this.sending || this.conversation?.running != null) return;
    this.#sends(true);
    await this.attempt(async () => {
      const thread = this.conversation?.thread ?? (await this.#beginNew());
      const draft = this.drafts.of(thread.id);
      const clientMessageId = draft.messageId;
      await thread.submit(await draft.content(thread), { clientMessageId });
      if (draft.messageId === clientMessageId) draft.clear(); // else more has been written meanwhile
    });
    this.#sends(false);
    void this.threads.refresh();
  }

  /** Begin a conversation, and look at it, unless the person looks at something else by now. */
  async #beginNew(): Promise<LangwireThread> {
    const { draft, place: here } = this;
    const thread = await this.client.createThread();
    this.drafts.of(thread.id).takeOver(draft);
    if (this.place !== here) return thread;
    const place: Place = { kind: "conversation", id: thread.id };
    history.pushState(null, "", addressOf(place));
    this.open(place);
    return thread;
  }

  #sends(sending: boolean): void {
    this.sending = sending;
    this.changed();
  }

  /** What the transcript of a conversation lets one do. It says itself what was refused. */
  deeds(conversation: Conversation): Deeds {
    const { thread } = conversation;
    return {
      answer: (answers) => inWords(() => thread.resume(answers)),
      goOn: () => inWords(() => thread.continue()),
      regenerate: (messageId) => this.#again(conversation, () => conversation.regenerate(messageId), ""),
      edit: (messageId, content) =>
        this.#again(conversation, () => conversation.edit(messageId, content), textOf(content)),
      fileUrl: (ref) => (ref.startsWith("files/") ? thread.fileUrl(ref) : null),
      ...(this.board && { openTask: (id: string) => this.showTasks(id) }),
    };
  }

  /** What the transcript of a task lets one do. */
  taskDeeds({ board, id }: OpenTask): Deeds {
    return {
      answer: (answers) => inWords(() => board.answer(id, answers)),
      openTask: (other) => this.showTasks(other),
    };
  }

  /** Go back in a conversation and on from there. */
  async #again(conversation: Conversation, deed: () => Promise<void>, words: string): Promise<void> {
    try {
      await inWords(deed);
    } catch (error) {
      // The message at which it would have been said is gone, and its new words are not to be lost.
      if (conversation.wentBack && conversation === this.conversation) {
        if (this.draft.empty) this.draft.write(words);
        this.complain((error as Error).message);
      }
      throw error;
    }
  }

  async delete(id: string): Promise<void> {
    const done = await this.attempt(() => this.threads.delete(id));
    if (done && this.conversation?.thread.id === id) this.begin();
  }

  // ---------------------------------------------------------------- looking around

  #look(): void {
    if (document.visibilityState === "visible") void this.threads.refresh();
  }

  async #ask(): Promise<void> {
    try {
      const about = await this.client.about();
      const first = this.about?.version ?? about.version;
      this.outdated ||= about.protocol !== VERSION || about.version !== first;
      this.about = about;
      this.#broken = false;
      this.changed();
    } catch (error) {
      if (this.about === null && this.trouble === null) this.complain(error);
    }
  }

  async #askAgents(): Promise<void> {
    const told = await new LangwireClient("v1").request<Agents>("GET", "/agents").catch(() => null);
    if (told === null) return;
    this.agents = told.agents.map((agent) => agent.name);
    if (told.tasks !== undefined) this.board = new Board(new LangwireClient("v1"));
    this.#openTask();
    this.changed();
  }
}

function textOf(content: Content): string {
  if (typeof content === "string") return content;
  return content.map((block) => (block.type === "text" ? block.text : "")).join("\n").trim();
}

/** Do something; what it is refused with is an error in words for a person. */
async function inWords(deed: () => Promise<unknown>): Promise<void> {
  try {
    await deed();
  } catch (error) {
    throw new Error(wordsOf(error));
  }
}
