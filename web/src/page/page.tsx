// Knows the page as a whole: it begins here.

import { Component, render, type ComponentChildren, type JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import "./page.css";
import { Conversing } from "./conversing.js";
import { Desk } from "./desk.js";
import { Menu } from "./icons.js";
import { useObserved } from "./observed.js";
import { Side } from "./side.js";
import { Tasking } from "./tasking.js";

export function Page({ desk }: { desk: Desk }): JSX.Element {
  useObserved(desk);
  const [open, setOpen] = useState(false);
  const { conversation, place, threads } = desk;
  const title = place.kind === "tasks" ? "Tasks" : threads.titleOf(conversation?.thread.id ?? null);
  useLayoutEffect(() => {
    document.title = `${title} · langwire`;
  }, [title]);
  useLayoutEffect(() => setOpen(false), [place]);
  const way = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(false);
    way.current?.focus();
  };
  const menu = (
    <button
      ref={way}
      type="button"
      class="pg-quiet pg-open-side"
      aria-label="Conversations"
      aria-expanded={open}
      aria-controls="side"
      onClick={() => setOpen(true)}
    >
      <Menu />
    </button>
  );
  return (
    <div class="pg" onKeyDown={(event) => open && event.key === "Escape" && close()}>
      <Side desk={desk} open={open} leave={() => setOpen(false)} />
      {open && <div class="pg-shade" onClick={close} />}
      <div class="pg-place" inert={open}>
        {desk.outdated && <Reload why="The server is of another version than this page." />}
        {place.kind === "tasks" ? <Tasking desk={desk} menu={menu} /> : <Conversing desk={desk} menu={menu} />}
      </div>
    </div>
  );
}

function Reload({ why }: { why: string }): JSX.Element {
  return (
    <p class="pg-reload" role="alert">
      {why}
      <button type="button" class="pg-button" onClick={() => location.reload()}>
        Reload the page
      </button>
    </p>
  );
}

/** Shows what is in it, and should that break, a way on instead of nothing. */
class Guarded extends Component<{ children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({ broken: true });
  }

  override render(): ComponentChildren {
    return this.state.broken ? <Reload why="Something on this page broke." /> : this.props.children;
  }
}

/** Draw the page into an element, in place of what is there. */
export function begin(home: HTMLElement): Desk {
  const desk = new Desk();
  home.replaceChildren();
  desk.start();
  render(
    <Guarded>
      <Page desk={desk} />
    </Guarded>,
    home,
  );
  return desk;
}

const home = document.getElementById("app");
if (home !== null) begin(home);
