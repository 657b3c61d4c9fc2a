// Knows how the events of a thread look. Whatever comes from outside is shown as text, never read as markup.

const make = (tag, className = "", text = "") => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
};
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");
const words = (content) =>
  typeof content === "string" ? content : (content ?? []).map((block) => block.text ?? `[${block.type}]`).join("\n");

export class Transcript {
  #home;
  #act;
  #messages = new Map();
  #parts = new Map();
  #calls = new Map();
  #lanes = new Map();
  #asked = new Map();

  constructor(home, act) {
    this.#home = home;
    this.#act = act;
  }

  clear() {
    for (const known of [this.#messages, this.#parts, this.#calls, this.#lanes, this.#asked]) known.clear();
    this.#home.replaceChildren();
    this.#act.running(null);
  }

  /** Say that a turn of this thread runs where we cannot see it, until there is something new. */
  elsewhere() {
    this.#note("The agent is at work on another server: its answer comes when it is done.");
  }

  take(event) {
    const { scrollHeight, scrollTop, clientHeight } = this.#home;
    this["on_" + event.type]?.(event);
    if (scrollHeight - scrollTop - clientHeight < 80) this.#home.scrollTop = this.#home.scrollHeight;
  }

  on_turn_start({ turn_id, input }) {
    this.#home.querySelectorAll(".question, .note").forEach((old) => old.remove());
    this.#asked.clear();
    for (const said of input?.messages ?? []) {
      if (this.#messages.has(said.id)) continue;
      this.#message(said.id, "user", []).append(make("p", "text", words(said.content)));
    }
    this.#act.running(turn_id);
  }

  on_text_start({ id, message_id, source, role, refusal }) {
    this.#part(id, this.#message(message_id, role ?? "assistant", source.lane), make("p", refusal ? "text refusal" : "text"));
  }

  on_reasoning_start({ id, message_id, source }) {
    const folded = make("details", "thinking");
    const text = make("p", "text");
    folded.append(make("summary", "", "Thinking"), text);
    this.#message(message_id, "assistant", source.lane).append(folded);
    this.#part(id, folded, text);
  }

  on_text_delta({ id, text }) {
    this.#parts.get(id)?.append(text);
  }

  on_reasoning_delta({ id, text }) {
    this.#parts.get(id)?.append(text);
  }

  on_message_replaced({ message_id, text }) {
    const message = this.#messages.get(message_id);
    message?.querySelectorAll(":scope > .text").forEach((old) => old.remove());
    message?.append(make("p", "text", text));
  }

  on_message_discarded({ message_id }) {
    this.#messages.get(message_id)?.remove();
    this.#messages.delete(message_id);
  }

  on_messages_removed({ ids }) {
    ids.forEach((message_id) => this.on_message_discarded({ message_id }));
  }

  on_tool_call_start({ id, name, message_id, source }) {
    const card = make("details", "call");
    const [summary, args] = [make("summary", "", name), make("pre", "args")];
    summary.append(make("span", "status", "…"));
    card.append(summary, args, make("div", "lane"));
    this.#message(message_id, "assistant", source.lane).append(card);
    this.#calls.set(id, card);
  }

  on_tool_call_delta({ id, args }) {
    this.#calls.get(id)?.querySelector(".args").append(args);
  }

  on_tool_call_end({ id, args, invalid }) {
    const card = this.#calls.get(id);
    if (card) card.querySelector(".args").textContent = invalid ?? shown(args ?? {});
  }

  on_tool_output_delta({ id, data }) {
    this.#calls.get(id)?.append(make("p", "note", shown(data)));
  }

  on_tool_result({ id, status, content }) {
    const card = this.#calls.get(id);
    if (!card) return;
    card.classList.add(status ?? "ok");
    card.querySelector(".status").textContent = status === "error" ? "failed" : "done";
    card.append(make("pre", "result", Array.isArray(content) ? words(content) : shown(content ?? "")));
  }

  on_subagent_start({ lane, id }) {
    const card = this.#calls.get(id);
    if (card) this.#lanes.set(lane.join("\n"), card.querySelector(".lane"));
  }

  on_media({ message_id, source, kind, mime, data, ref }) {
    const message = this.#message(message_id, "assistant", source.lane);
    const url = data ? `data:${mime};base64,${data}` : ref?.startsWith("files/") ? this.#act.fileUrl(ref) : null;
    if (kind !== "image" || !url) return message.append(make("p", "note", `${kind}${ref ? `: ${ref}` : ""}`));
    const image = make("img");
    image.src = url;
    image.alt = "An image of the agent's";
    message.append(image);
  }

  on_structured_output({ value }) {
    this.#home.append(make("pre", "", shown(value)));
  }

  on_interrupt(question) {
    this.#asked.set(question.id, question);
  }

  on_turn_end({ outcome, error, reason, interrupts }) {
    this.#act.running(null);
    for (const call of this.#calls.values()) {
      const status = call.querySelector(".status");
      if (status.textContent === "…") status.textContent = interrupts?.length ? "waits" : "no result";
    }
    const open = (interrupts ?? []).map((id) => this.#asked.get(id)).filter(Boolean);
    if (open.length) this.#ask(open);
    else if (outcome === "cancelled") this.#note(reason ? `Stopped: ${reason}` : "Stopped.").append(this.#goOn("Go on"));
    else if (outcome === "error" || outcome === "timeout") {
      const why = outcome === "timeout" ? "This took too long." : `Something went wrong (${error?.code ?? "error"}).`;
      const note = this.#note(`${why} Nothing that was said is lost.${error?.id ? ` ${error.id}` : ""}`, "failed");
      note.append(this.#goOn("Try again"));
    }
  }

  // ---------------------------------------------------------------- questions

  /** Ask all open questions; the answers go out together, once there is one to each. */
  #ask(questions) {
    const answers = {};
    const answer = (id, value) => {
      answers[id] = value;
      if (questions.every((question) => question.id in answers)) this.#act.answer(answers);
    };
    for (const question of questions) {
      const card = make("div", "question");
      const { id, kind, actions = [] } = question;
      if (kind === "breakpoint") card.append(make("p", "text", `Next: ${question.value?.next ?? ""}`), this.#goOn("Go on"));
      else if (actions.length) this.#decide(card, actions, (decisions) => answer(id, decisions));
      else this.#reply(card, question, (text) => answer(id, text));
      this.#home.append(card);
    }
    this.#home.scrollTop = this.#home.scrollHeight;
  }

  #decide(card, actions, done) {
    const decisions = new Array(actions.length).fill(null);
    actions.forEach(({ name, args, description, allowed = [] }, at) => {
      const [action, buttons] = [make("div", "action"), make("div", "buttons")];
      action.append(make("h3", "", name), make("p", "text", description ?? ""), make("pre", "", shown(args ?? {})), buttons);
      for (const [type, label] of [["approve", "Approve"], ["reject", "Reject"]]) {
        if (allowed.length && !allowed.includes(type)) continue;
        const button = make("button", type === "approve" ? "main" : "", label);
        button.addEventListener("click", () => {
          decisions[at] = { type };
          for (const other of buttons.children) other.setAttribute("aria-pressed", String(other === button));
          if (decisions.every(Boolean)) done(decisions);
        });
        buttons.append(button);
      }
      card.append(action);
    });
  }

  #reply(card, { value }, done) {
    const [form, text] = [make("form", "buttons"), make("input")];
    text.setAttribute("aria-label", "Your answer");
    form.append(text, make("button", "main", "Answer"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      done(text.value);
    });
    card.append(make("p", "text", shown(value ?? "")), form);
  }

  // ---------------------------------------------------------------- elements

  #message(id, role, lane) {
    const known = this.#messages.get(id);
    if (known) return known;
    const message = make("article", `message ${role}`);
    (this.#lanes.get((lane ?? []).join("\n")) ?? this.#home).append(message);
    this.#messages.set(id, message);
    return message;
  }

  #part(id, home, text) {
    if (!text.parentNode) home.append(text);
    this.#parts.set(id, text);
  }

  #note(text, className = "") {
    const note = make("div", `note ${className}`, text);
    this.#home.append(note);
    return note;
  }

  #goOn(label) {
    const button = make("button", "", label);
    button.addEventListener("click", () => this.#act.goOn());
    return button;
  }
}
