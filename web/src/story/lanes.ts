// Knows the lanes of the turn that is told: where each stands, when it begins and when it is over.

import type { Book } from "./book.js";
import type { CallPart, Item, Lane, LaneItem } from "./model.js";

export class Lanes {
  #lanes = new Map<string, Lane>();
  /** Lanes of subgraphs, by the task whose work they are. */
  #byTask = new Map<string, Lane>();

  /** `root` is the lane at the root of the turn that is told, which it makes where there is none. */
  constructor(
    readonly book: Book,
    readonly root: () => Lane,
  ) {}

  /** The lanes of the turn before are no lanes of this one, though they may have the same paths. */
  begin(): void {
    this.#lanes.clear();
    this.#byTask.clear();
  }

  /** The lane at a path. One that nobody announced is the work of a node in the lane above it. */
  at(path: readonly string[]): Lane {
    let deep = path.length;
    while (deep > 0 && !this.#lanes.has(nameOf(path.slice(0, deep)))) deep -= 1;
    let lane = this.#lanes.get(nameOf(path.slice(0, deep))) ?? this.root();
    for (deep += 1; deep <= path.length; deep += 1) lane = this.#subgraph(path.slice(0, deep), lane);
    return lane;
  }

  /** Add an item to the lane at a path. */
  add<T extends Item>(path: readonly string[], item: Omit<T, "key" | "version">): T {
    const lane = this.at(path);
    const born = this.book.born<T>(item, lane);
    lane.items.push(born);
    return born;
  }

  /** Open the lane of a call's work. */
  open(path: readonly string[], name: string, call: CallPart): void {
    if (this.#lanes.has(nameOf(path)) || path.length === 0) return;
    const lane = this.#born(path, name, call);
    call.lanes.push(lane);
    this.#lanes.set(nameOf(path), lane);
  }

  /** Name the lane of a subagent whose call is not known. */
  rename(path: readonly string[], name: string): void {
    const lane = this.at(path);
    if (name && path.length > 0) this.book.set(lane, { name });
  }

  /** The work of a call is over. */
  close(path: readonly string[]): void {
    const lane = this.#lanes.get(nameOf(path));
    if (lane !== undefined) this.#end(lane);
  }

  /** A node is over, and with it the subgraph that it is. */
  nodeEnded(task: string): void {
    const lane = this.#byTask.get(task);
    if (lane !== undefined) this.#end(lane);
  }

  /** The turn is over. */
  end(): void {
    for (const lane of this.#lanes.values()) this.#end(lane);
    this.#end(this.root());
  }

  #subgraph(path: readonly string[], above: Lane): Lane {
    const [node, task] = segments(path[path.length - 1] ?? "");
    const lane = this.#born(path, node, above);
    const item = this.book.born<LaneItem>({ kind: "lane", lane }, above);
    this.book.put(lane, item);
    above.items.push(item);
    this.#lanes.set(nameOf(path), lane);
    if (task) this.#byTask.set(task, lane);
    return lane;
  }

  #born(path: readonly string[], name: string, above: CallPart | Lane): Lane {
    return this.book.born<Lane>(
      {
        path,
        name,
        items: [],
        todos: null,
        progress: null,
        running: true,
        startedMs: this.book.now,
        endedMs: null,
      },
      above,
    );
  }

  #end(lane: Lane): void {
    if (lane.running) this.book.set(lane, { running: false, progress: null, endedMs: this.book.now });
  }
}

function nameOf(path: readonly string[]): string {
  return path.join("\n");
}

/** The node and the task that a segment of LangGraph's namespace names. */
function segments(segment: string): [string, string] {
  const at = segment.lastIndexOf(":");
  return at < 0 ? [segment, ""] : [segment.slice(0, at), segment.slice(at + 1)];
}
