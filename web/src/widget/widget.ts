// Knows the notebook's front half: a story to read, or a conversation that a kernel holds, as a widget's view.

import "./widget.css";

import type { Told } from "../../client/src/client.js";
import { mount } from "../renderer.js";
import { isDigits, parse } from "../story/exact.js";
import { Fold } from "../story/fold.js";
import type { Deeds } from "../view/contract.js";
import { newComposer } from "./composer.js";
import { Link, type Command, type Model } from "./link.js";
import { followEnd } from "./scroll.js";
import { followTheme } from "./theme.js";

interface Given {
  model: Model;
  el: HTMLElement;
}

/** Draw into `el`, and return what ends it. */
function render({ model, el }: Given): () => void {
  const story = model.get("story");
  return typeof story === "string" ? still(story, model, el) : live(model, el);
}

export default { render };

/** A story that is over: all of it is in the model. */
function still(lines: string, model: Model, el: HTMLElement): () => void {
  const frame = newFrame(model);
  const fold = new Fold();
  for (const line of lines.split("\n")) if (line) fold.take(parse(line) as Told);
  el.append(frame.root);
  const mounted = mount(frame.home, fold.story);
  return () => {
    mounted.close();
    frame.close();
  };
}

/** A conversation. Nothing is drawn before the kernel has answered: what was saved is shown until then. */
function live(model: Model, el: HTMLElement): () => void {
  const frame = newFrame(model);
  const note = document.createElement("p");
  note.className = "lw-notebook-note";
  note.setAttribute("role", "status");
  el.append(note);

  const attempt = async (command: Command): Promise<boolean> => {
    try {
      await link.do(command);
      note.textContent = "";
      return true;
    } catch (error) {
      note.textContent = (error as Error).message;
      return false;
    }
  };
  const composer = newComposer({
    send: (text) => attempt({ type: "submit", input: text }),
    stop: () => void attempt({ type: "cancel" }),
  });
  const link = new Link(model, {
    told() {
      if (frame.root.parentNode === null) {
        frame.root.append(note, composer.element);
        el.append(frame.root);
      }
      const { running, questions } = link.fold.story;
      composer.update(running !== null, questions.length > 0);
      mounted.update();
    },
    say: (words) => void (note.textContent = words),
    closed: () => composer.close(),
  });
  const mounted = mount(frame.home, link.fold.story, deedsOf(link));
  return () => {
    link.close();
    mounted.close();
    frame.close();
  };
}

const DIGITS = "A notebook cannot send numbers as large as those here: nothing was sent.";

async function refused(why: string): Promise<void> {
  throw new Error(why);
}

function holdsDigits(value: unknown): boolean {
  return isDigits(value) || (typeof value === "object" && value !== null && Object.values(value).some(holdsDigits));
}

function deedsOf(link: Link): Deeds {
  return {
    // On their way to the kernel some notebooks copy messages, and a copy is no number.
    answer: (answers) => (holdsDigits(answers) ? refused(DIGITS) : link.do({ type: "resume", answers })),
    wordsOnly: true,
    goOn: () => link.do({ type: "continue" }),
    regenerate: (messageId) => link.do({ type: "regenerate", message_id: messageId }),
    edit: (messageId, content) => link.do({ type: "edit", message_id: messageId, input: String(content) }),
  };
}

interface Frame {
  root: HTMLElement;
  /** Where the story is drawn. */
  home: HTMLElement;
  close(): void;
}

/** What is around a story. As long as it is in the document, what was saved of the story is hidden. */
function newFrame(model: Model): Frame {
  const root = document.createElement("div");
  root.className = "lw lw-notebook";
  // JupyterLab's shortcuts would take away what is typed.
  root.dataset["lmSuppressShortcuts"] = "true";
  const box = document.createElement("div");
  box.className = "lw-notebook-story";
  box.setAttribute("role", "log");
  box.setAttribute("aria-label", "Conversation");
  box.tabIndex = 0;
  const home = document.createElement("div");
  box.append(home);
  root.append(hidingStyle(String(model.get("saved"))), box);
  const ends = [followTheme(root), followEnd(box, home)];
  return {
    root,
    home,
    close() {
      for (const end of ends) end();
      root.remove();
    },
  };
}

function hidingStyle(key: string): HTMLStyleElement {
  const style = document.createElement("style");
  const name = `.lw-saved-${key.replace(/[^0-9a-f]/g, "")}`;
  style.textContent = `${name}, .jp-OutputArea-child:has(${name}) { display: none }`;
  return style;
}
