// Knows what has been decided so far of the questions that wait, and when that is an answer to all of them.

import type { Action } from "../../../client/src/events.js";
import type { Question } from "../../story/model.js";

export type Word = "approve" | "edit" | "reject" | "respond";

export type Decision =
  | { type: "approve" }
  | { type: "edit"; edited_action: { name: string; args: unknown } }
  | { type: "reject"; message?: string }
  | { type: "respond"; message: string };

const WORDS: readonly Word[] = ["approve", "edit", "reject", "respond"];

/** The decisions that may be taken on an action: all, where nothing is said. */
export function allowed(action: Action): readonly Word[] {
  return action.allowed?.length ? WORDS.filter((word) => action.allowed?.includes(word)) : WORDS;
}

/** How many answers a question takes: one for each action. A breakpoint takes none, it is left by going on. */
export function places(question: Question): number {
  if (question.interrupt.kind === "breakpoint") return 0;
  return Math.max(1, question.actions.length);
}

/** What a person has answered so far. */
export class Answering {
  readonly #given = new Map<string, unknown[]>();

  constructor(readonly questions: readonly Question[]) {}

  /** How many answers there are to be given. */
  get all(): number {
    return this.questions.reduce((sum, question) => sum + places(question), 0);
  }

  /** Whether all are given. */
  get ready(): boolean {
    return this.questions.every((question) =>
      Array.from({ length: places(question) }).every((_, place) => this.at(question, place) !== undefined),
    );
  }

  /** What was answered at this place; undefined where nothing was. */
  at(question: Question, place: number): unknown {
    return this.#given.get(question.key)?.[place];
  }

  /** Answer at this place; undefined takes the answer back. */
  give(question: Question, place: number, answer: unknown): void {
    const answers = this.#given.get(question.key) ?? [];
    answers[place] = answer;
    this.#given.set(question.key, answers);
  }

  /** All answers, by the ids of their interrupts: a list of decisions where there are actions, else a plain value. */
  get answers(): Record<string, unknown> {
    const asked = this.questions.filter((question) => places(question) > 0);
    return Object.fromEntries(
      asked.map((question) => {
        const given = this.#given.get(question.key) ?? [];
        return [question.interrupt.id, question.actions.length ? given : given[0]];
      }),
    );
  }
}
