// Knows how a long row of things is drawn: in pieces, each of which looks only at the versions of its own things.

import { Component, type ComponentChildren } from "preact";
import type { Drawn } from "../story/model.js";
import { inTime, later } from "./budget.js";

const LENGTH = 10;

/** Draws the thing at `place` of the row; `marked` says that it is the one at `mark`. */
type Draw<Thing> = (thing: Thing, marked: boolean, place: number, things: readonly Thing[]) => ComponentChildren;

interface Row<Thing extends Drawn> {
  things: readonly Thing[];
  /** The same function every time. */
  draw: Draw<Thing>;
  /** Where the one stands that is drawn in another way; -1 where there is none. */
  mark: number;
}

/** A row of things, as it is now: drawn again whenever one of them may have changed. */
export function Chunks<Thing extends Drawn>({ things, draw, mark }: Row<Thing>) {
  const chunks = [];
  for (let from = 0; from < things.length; from += LENGTH) {
    chunks.push(<Chunk key={from} from={from} things={things as readonly Drawn[]} draw={draw as never} mark={mark} />);
  }
  return <>{chunks}</>;
}

class Chunk extends Component<Row<Drawn> & { from: number }> {
  #seen: (Drawn | number)[] = [];
  #marked = -1;
  #ready = false;
  #forget = () => {};

  override shouldComponentUpdate(next: Readonly<Row<Drawn> & { from: number }>): boolean {
    const { things, from, mark } = next;
    const length = Math.min(things.length - from, LENGTH);
    if (this.#seen.length !== 2 * length || this.#marked !== within(from, mark)) return true;
    for (let place = 0; place < length; place++) {
      const thing = things[from + place];
      if (this.#seen[2 * place] !== thing || this.#seen[2 * place + 1] !== thing?.version) return true;
    }
    return false;
  }

  override componentWillUnmount(): void {
    this.#forget();
  }

  override render(): ComponentChildren {
    const { things, draw, from, mark } = this.props;
    const here = things.slice(from, from + LENGTH);
    this.#seen = here.flatMap((thing) => [thing, thing.version]);
    this.#marked = within(from, mark);
    // The newest are at the end, where the reader is.
    if (!this.#ready && from + LENGTH < things.length && !inTime()) {
      this.#forget();
      this.#forget = later(() => {
        this.#ready = true;
        this.forceUpdate();
      });
      return <div class="lw-later" aria-hidden="true" />;
    }
    this.#ready = true;
    return here.map((thing, place) => draw(thing, from + place === mark, from + place, things));
  }
}

function within(from: number, mark: number): number {
  return mark >= from && mark < from + LENGTH ? mark : -1;
}
