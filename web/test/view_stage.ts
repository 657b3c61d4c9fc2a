// Knows how a story is put before a reader in a test, and what they can do there.

import { h, render } from "preact";
import { act } from "preact/test-utils";
import type { Told } from "../client/src/client.js";
import { Fold } from "../src/story/fold.js";
import type { Deeds } from "../src/view/contract.js";
import { StoryView } from "../src/view/story.js";

export type Event = { type: string } & Record<string, unknown>;

/** A story as it is drawn, which goes on. */
export class Stage {
  readonly fold = new Fold();
  readonly home = document.createElement("main");
  #seq = 0;

  constructor(
    events: readonly Event[],
    readonly deeds?: Deeds,
  ) {
    document.body.replaceChildren(this.home);
    this.tell(...events);
  }

  tell(...events: readonly Event[]): void {
    for (const event of events) {
      this.#seq += 1;
      this.fold.take({ seq: this.#seq, at_ms: 1_760_000_000_000 + 1000 * this.#seq, ...event } as unknown as Told);
    }
    this.draw();
  }

  draw(): void {
    const { story } = this.fold;
    const { deeds } = this;
    void act(() => render(h(StoryView, { story, version: story.version, ...(deeds && { deeds }) }), this.home));
  }

  all(selector: string): HTMLElement[] {
    return [...this.home.querySelectorAll<HTMLElement>(selector)];
  }

  /** The one element; fails where there are none or several. */
  one(selector: string): HTMLElement {
    const [found, ...more] = this.all(selector);
    if (!found || more.length) throw new Error(`${1 + more.length} of ${selector} in ${this.home.innerHTML}`);
    return found;
  }

  text(selector: string): string {
    return this.one(selector).textContent ?? "";
  }

  buttons(within: Element = this.home): string[] {
    return [...within.querySelectorAll("button")].map(
      (button) => button.getAttribute("aria-label") ?? button.textContent ?? "",
    );
  }

  button(name: string, within: Element = this.home): HTMLButtonElement {
    const found = [...within.querySelectorAll("button")].filter(
      (button) => (button.getAttribute("aria-label") ?? button.textContent) === name,
    );
    if (found.length !== 1) throw new Error(`${found.length} buttons are named ${name}: ${this.buttons(within)}`);
    return found[0]!;
  }

  async press(name: string, within?: Element): Promise<void> {
    await act(async () => {
      this.button(name, within).click();
      // What is refused is so a few steps later.
      for (let step = 0; step < 10; step++) await Promise.resolve();
    });
  }

  /** Open all that is folded. */
  async unfold(): Promise<void> {
    for (let folded = this.all("details:not([open])"); folded.length; folded = this.all("details:not([open])")) {
      await act(async () => {
        for (const details of folded as HTMLDetailsElement[]) {
          details.open = true;
          details.dispatchEvent(new Event("toggle"));
        }
      });
    }
  }

  /** The field with this label. */
  field(label: string, within: Element = this.home): HTMLInputElement {
    const found = [...within.querySelectorAll("label")].filter(({ textContent }) => textContent === label);
    if (found.length !== 1) throw new Error(`${found.length} fields are labelled ${label}`);
    return document.getElementById(found[0]!.htmlFor) as HTMLInputElement;
  }

  async write(label: string, text: string, within?: Element): Promise<void> {
    const field = this.field(label, within);
    await act(async () => {
      if (field.type === "checkbox") field.checked = text === "true";
      else field.value = text;
      field.dispatchEvent(
        new Event(field.type === "checkbox" || field.localName === "select" ? "change" : "input", { bubbles: true }),
      );
    });
  }

  group(name: string): HTMLElement {
    return this.one(`[role=group][aria-label="Question: ${name}"]`);
  }
}

const source = { lane: [] };

/** A turn, from its start to its end if it has one. */
export function turn(
  events: readonly Event[],
  end: Record<string, unknown> | null = { outcome: "complete" },
  input?: unknown,
): Event[] {
  const start = { type: "turn_start", turn_id: `t${Math.random()}`, input };
  return [start, ...events, ...(end ? [{ type: "turn_end", ...end }] : [])];
}

export function said(text: string, more: Record<string, unknown> = {}): Event[] {
  const id = String(more["id"] ?? "m1");
  return [
    { type: "text_start", id, message_id: id, source, ...more },
    { type: "text_delta", id, text },
    { type: "text_end", id },
  ];
}

export function called(args: unknown, more: Record<string, unknown> = {}): Event[] {
  const { name = "look", id = "c1" } = more;
  return [
    { type: "tool_call_start", id, name, message_id: "m1", source, call_id: id },
    { type: "tool_call_end", id, name, call_id: id, args },
  ];
}

export function asked(question: Record<string, unknown>): Event {
  return { type: "interrupt", id: "q1", ...question };
}

/** A turn that ends with these questions. */
export function waiting(...questions: Record<string, unknown>[]): Event[] {
  const all = questions.map((question, place) => asked({ id: `q${place + 1}`, ...question }));
  return turn(all, { outcome: "interrupted", interrupts: all.map(({ id }) => id) });
}
