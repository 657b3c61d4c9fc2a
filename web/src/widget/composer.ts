// Knows the box in which one writes to the agent: Enter sends, Shift and Enter begin a line, Escape stops.

export interface Composer {
  readonly element: HTMLFormElement;
  /** Show whether a turn runs, and whether a question waits. */
  update(running: boolean, asked: boolean): void;
  /** Take nothing more. */
  close(): void;
}

interface Given {
  /** Send what was written; resolves to whether it was taken. */
  send: (text: string) => Promise<boolean>;
  stop: () => void;
}

export function newComposer({ send, stop }: Given): Composer {
  const box = document.createElement("textarea");
  box.rows = 1;
  box.setAttribute("aria-label", "Message");
  box.title = "Enter sends, Shift+Enter begins a line";
  const sends = newButton("Send", "submit");
  sends.className = "lw-main";
  const stops = newButton("Stop", "button");
  stops.title = "Stop (Esc)";
  stops.hidden = true;
  stops.addEventListener("click", stop);
  const element = document.createElement("form");
  element.className = "lw-notebook-composer";
  element.append(box, sends, stops);

  let sending = false;
  const submit = async (): Promise<void> => {
    const text = box.value;
    if (sending || !text.trim()) return;
    sending = sends.disabled = true;
    const taken = await send(text);
    sending = sends.disabled = false;
    // What was written meanwhile stays.
    if (taken && box.value.startsWith(text)) box.value = box.value.slice(text.length);
    grow(box);
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  box.addEventListener("input", () => grow(box));
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape" && !stops.hidden) stop();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    void submit();
  });

  return {
    element,
    update(running, asked) {
      // The focus does not get lost with the button that has it.
      if (running === stops.hidden && element.contains(document.activeElement)) box.focus({ preventScroll: true });
      stops.hidden = !running;
      sends.hidden = running;
      box.placeholder = asked && !running ? "The agent waits for your answer" : "Say something";
    },
    close() {
      for (const control of [box, sends, stops]) control.disabled = true;
    },
  };
}

function newButton(text: string, type: "submit" | "button"): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = type;
  button.textContent = text;
  return button;
}

/** Give the box as many lines as it has, up to what its style allows. */
function grow(box: HTMLTextAreaElement): void {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
}
