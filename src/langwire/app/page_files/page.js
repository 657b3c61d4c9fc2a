// Knows the page: which thread is looked at, and what one can do with it. What the thread says is `transcript.js`.
import { LangwireClient, LangwireError, newId } from "./client.js";
import { Transcript } from "./transcript.js";

const client = new LangwireClient("v1");
const $ = (id) => document.getElementById(id);
const input = $("input");

let thread = null;
let connection = null;
let turn = null;
let sending = false;
/** Names the text in the box as long as it stays as it is: however often it is sent, it is taken once. */
let messageId = null;
let lists = 0;

const transcript = new Transcript($("log"), {
  running: (id) => {
    const ended = turn !== null && id === null;
    turn = id;
    update();
    if (ended) list();
  },
  answer: (answers) => attempt(() => thread.resume(answers)),
  goOn: () => attempt(() => thread.continue()),
  fileUrl: (ref) => thread.fileUrl(ref),
});

const STATES = { connecting: "Connecting …", live: "", reconnecting: "Reconnecting …", closed: "", refused: "" };
const TROUBLE = {
  unreachable: "The server cannot be reached. Your text is still here: try again in a moment.",
  disconnected: "The connection broke. Look at the conversation: it shows whether that was done.",
  unauthorized: "You are not logged in.",
  unknown_thread: "This conversation is not here, or not yours.",
  deleted: "This conversation was deleted.",
  too_many_requests: "That was a little fast. Try again in a moment.",
  turn_running: "The agent is still at work. Wait for it, or stop it.",
  interrupt_open: "Answer the question first.",
  already_answered: "This has been answered already.",
  shutting_down: "The server is about to restart. Try again in a moment.",
};
/** After these there is nothing more to be said in the conversation. */
const GONE = ["unknown_thread", "deleted"];

// ------------------------------------------------------------------ looking at a thread

function open(id) {
  connection?.close();
  connection = thread = null;
  transcript.clear();
  complain(null);
  $("side").classList.remove("open");
  $("title").textContent = "New conversation";
  if (id) {
    thread = client.thread(id);
    let unfinished = false;
    const here = thread.connect({
      onFrame: (frame) => {
        if (frame.type === "hello") unfinished = frame.unfinished ?? false;
        if (frame.type !== "live") return;
        if (unfinished) transcript.elsewhere(); // not before the past, which is told in between
        unfinished = false;
      },
      onEvent: (event) => transcript.take(event),
      onReset: () => transcript.clear(),
      onState: (state, why) => here === connection && show(state, why),
    });
    connection = here;
  }
  show(id ? "connecting" : "closed", null);
  list();
}

function show(state, why) {
  $("state").textContent = STATES[state];
  $("retry").hidden = state !== "reconnecting";
  if (state === "live") complain(null);
  if (why && (state === "refused" || state === "closed")) complain(why);
  update();
}

async function list() {
  const asked = ++lists;
  const { threads } = await client.threads({ limit: 50 }).catch(() => ({ threads: [] }));
  if (asked !== lists) return; // a later answer is on its way
  const links = threads.map(({ thread_id, title, running }) => {
    const link = document.createElement("a");
    link.href = `#${encodeURIComponent(thread_id)}`;
    link.textContent = title || "Untitled";
    link.classList.toggle("running", running ?? false);
    if (thread_id === thread?.id) {
      link.setAttribute("aria-current", "page");
      $("title").textContent = link.textContent;
    }
    return link;
  });
  $("threads").replaceChildren(...links);
}

/** The id of the thread that the address names, or nothing. */
function named() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** Look at no thread: what is said next begins one. */
function begin() {
  if (named()) location.hash = "";
  else open("");
  input.focus();
}

// ------------------------------------------------------------------ doing something

/** Do something that may be refused; whether it was done. */
async function attempt(deed) {
  complain(null);
  try {
    await deed();
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}

function complain(error) {
  const told = error instanceof LangwireError ? (TROUBLE[error.code] ?? `That did not work: ${error.message}.`) : error;
  $("trouble").textContent = error ? `${told}${error.id ? ` (${error.id})` : ""}` : "";
  $("trouble").hidden = !error;
  $("anew").hidden = !GONE.includes(error?.code);
}

async function send() {
  const text = input.value.trim();
  if (!text || sending || turn) return;
  sending = true;
  update();
  const clientMessageId = (messageId ??= newId());
  const done = await attempt(async () => {
    if (!thread) {
      const { id } = await client.createThread();
      history.pushState(null, "", `#${encodeURIComponent(id)}`);
      open(id);
    }
    await thread.submit(text, { clientMessageId });
  });
  if (done) input.value = "";
  sending = false;
  update();
  list();
  input.focus();
}

function update() {
  $("send").disabled = sending || connection?.state === "refused";
  $("send").hidden = turn !== null;
  $("stop").hidden = turn === null;
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
input.addEventListener("input", () => {
  messageId = null;
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
$("stop").addEventListener("click", () => attempt(() => thread.cancel(turn)));
$("retry").addEventListener("click", () => connection?.retry());
$("new").addEventListener("click", begin);
$("anew").addEventListener("click", begin);
$("menu").addEventListener("click", () => {
  $("menu").setAttribute("aria-expanded", String($("side").classList.toggle("open")));
});
addEventListener("hashchange", () => open(named()));
addEventListener("online", () => connection?.retry());
open(named());
