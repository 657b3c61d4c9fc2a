// Knows the questions of a story: where each was asked, and which wait for an answer.

import type { Action, Interrupt } from "../../client/src/events.js";
import { orNull, pathOf, text, type Book } from "./book.js";
import type { About } from "./calls.js";
import type { Lanes } from "./lanes.js";
import type { Lane, Question, QuestionItem, Story } from "./model.js";

interface Asked {
  item: QuestionItem;
  lane: Lane;
}

export class Questions {
  /** Those of the turn that is told, by the ids of their interrupts. */
  #asked = new Map<string, Asked>();
  /** Those that were open when it began. */
  #before = new Map<string, Asked>();

  constructor(
    readonly book: Book,
    readonly lanes: Lanes,
    readonly story: Story,
  ) {}

  /** A turn begins. What is open still is asked again in it. */
  begin(): void {
    this.#before = new Map([...this.#asked].filter(([, { item }]) => item.question.open));
    this.#asked.clear();
    this.#open([]);
  }

  ask(event: Interrupt): void {
    const id = text(event.id);
    const lane = this.lanes.at(pathOf(event.lane));
    const again = this.#again(id, event);
    if (again !== undefined) return this.#askAgain(again, event, lane);
    const made = { interrupt: event, actions: actionsOf(event), asked: 1, open: false };
    const question = this.book.born<Question>(made, lane);
    const item = this.lanes.add<QuestionItem>(lane.path, { kind: "question", question });
    this.book.put(question, item);
    this.#asked.set(id, { item, lane });
  }

  /** The turn is over, and these wait for an answer. Returns what they are about. */
  finish(ids: unknown): About[] {
    const named = Array.isArray(ids) ? ids.flatMap((id) => this.#asked.get(text(id)) ?? []) : [];
    const questions = [...new Set(named)].map(({ item }) => item.question);
    this.#open(questions);
    return questions.flatMap(({ interrupt, actions }) => [{ call_id: orNull(interrupt.call_id) }, ...actions]);
  }

  /** What was asked already: in this turn, or in the one before and not answered. A person sees it once. */
  #again(id: string, event: Interrupt): Asked | undefined {
    const before = this.#before.get(id);
    // The next question of a node has the id of the one before, which has been answered then.
    const isSame = before !== undefined && wordsOf(before.item.question.interrupt) === wordsOf(event);
    return this.#asked.get(id) ?? (isSame ? before : undefined);
  }

  /** It stands where it was asked last. */
  #askAgain({ item, lane: from }: Asked, event: Interrupt, lane: Lane): void {
    from.items.splice(from.items.indexOf(item), 1);
    this.book.changed(from);
    lane.items.push(item);
    this.book.put(item, lane);
    const asked = item.question.asked + 1;
    this.book.set(item.question, { interrupt: event, actions: actionsOf(event), asked });
    this.#asked.set(text(event.id), { item, lane });
  }

  #open(questions: Question[]): void {
    const { book, story } = this;
    for (const question of story.questions) if (!questions.includes(question)) book.set(question, { open: false });
    for (const question of questions) book.set(question, { open: true });
    book.set(story, { questions });
  }
}

function actionsOf(event: Interrupt): readonly Action[] {
  return Array.isArray(event.actions) ? event.actions : [];
}

/** What a question asks, to be compared. */
function wordsOf({ kind, value, actions }: Interrupt): string {
  return JSON.stringify([kind, value, actions]);
}
