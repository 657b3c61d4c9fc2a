// Questions as a person answers them: each action by itself, with all its arguments in view, and nothing sent by halves.

import { expect, test, vi } from "vitest";
import { Stage, waiting } from "./view_stage.js";

const ACTION = {
  name: "pay",
  args: { eur: 7, to: "Ann\u202eevil", urgent: false, notes: ["rent", "water"] },
  description: "Pay the rent",
};
const OTHER = { name: "write", args: { body: "line\n".repeat(60) }, allowed: ["approve", "reject"] };

const SCHEMA = {
  type: "object",
  properties: {
    count: { type: "integer", description: "How many" },
    eur: { type: ["number", "null"] },
    how: { enum: ["card", "cash"] },
    memo: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    place: { $ref: "#/$defs/Place" },
    note: { type: "string" },
  },
  required: ["count", "how"],
  $defs: { Place: { type: "object" } },
};

function staged(question: Record<string, unknown>, ...more: Record<string, unknown>[]) {
  const answer = vi.fn<(answers: Record<string, unknown>) => Promise<void>>(async () => {});
  return { answer, stage: new Stage(waiting(question, ...more), { answer }) };
}

test("all arguments of an action are in view, and what hides in them is written out (F-C2)", () => {
  const { stage } = staged({ kind: "approval_batched", actions: [ACTION, OTHER] });
  const shown = stage.group("pay").textContent!;
  for (const words of ["Pay the rent", "eur7", "toAnn\\u202eevil", "urgentfalse", '["rent","water"]'])
    expect(shown).toContain(words);
  expect(stage.group("write").querySelector("pre")!.textContent!.split("\n")).toHaveLength(61);
});

test("a single action is sent at once", async () => {
  const { stage, answer } = staged({ kind: "approval_batched", actions: [ACTION] });
  expect(stage.buttons(stage.group("pay"))).toEqual(["Approve", "Edit", "Reject", "Respond"]);
  await stage.press("Approve");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "approve" }] });
  expect(stage.button("Approve").disabled).toBe(true);
});

test("only what is allowed is offered", () => {
  const { stage } = staged({ kind: "approval_batched", actions: [OTHER] });
  expect(stage.buttons(stage.group("write"))).toEqual(["Approve", "Reject"]);
});

test("a rejection may have a reason, a response has words", async () => {
  for (const [word, label, text, sent] of [
    ["Reject", "Reason", "", { type: "reject" }],
    ["Reject", "Reason", "too late", { type: "reject", message: "too late" }],
    ["Respond", "Answer", "ask her", { type: "respond", message: "ask her" }],
  ] as const) {
    const { stage, answer } = staged({ kind: "approval_batched", actions: [ACTION] });
    await stage.press(word);
    if (word === "Respond") expect(stage.button("Respond").disabled).toBe(true);
    expect(document.activeElement).toBe(stage.field(label));
    if (text) await stage.write(label, text);
    await stage.press(word);
    expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [sent] });
  }
});

test("an edit sends all arguments, of the types that they had", async () => {
  const { stage, answer } = staged({ kind: "approval_batched", actions: [ACTION] });
  await stage.press("Edit");
  expect(stage.group("pay").textContent).toContain("Ann\\u202eevil");
  await stage.write("eur", "12.5");
  await stage.write("urgent", "true");
  await stage.press("Approve with changes");
  const args = { eur: 12.5, to: "Ann\u202eevil", urgent: true, notes: ["rent", "water"] };
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "edit", edited_action: { name: "pay", args } }] });
});

test("what is wrong in a form is said at its field, and nothing is sent", async () => {
  const { stage, answer } = staged({ kind: "approval_batched", actions: [ACTION] });
  await stage.press("Edit");
  await stage.write("eur", "much");
  await stage.write("notes", "[1,");
  await stage.press("Approve with changes");
  expect(answer).not.toHaveBeenCalled();
  expect(stage.all("[role=alert]").map(({ textContent }) => textContent!.split(":")[0])).toEqual([
    "expected a number",
    "expected JSON",
  ]);
  const field = stage.field("eur");
  expect(field.getAttribute("aria-invalid")).toBe("true");
  expect(document.getElementById(field.getAttribute("aria-describedby")!)!.textContent).toBe("expected a number");
  await stage.press("Back");
  await stage.press("Approve");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "approve" }] });
});

test("a form follows the schema of the arguments", async () => {
  const value = { review_configs: [{ action_name: "order", args_schema: SCHEMA }] };
  const actions = [{ name: "order", args: { count: 2, how: "cash", extra: "kept" } }];
  const { stage, answer } = staged({ kind: "approval_batched", value, actions });
  await stage.press("Edit");
  expect(stage.all(".lw-required")).toHaveLength(2);
  expect(stage.text(".lw-hint")).toBe("How many");
  await stage.write("count", "2.5");
  await stage.press("Approve with changes");
  expect(stage.text("[role=alert]")).toBe("expected a whole number");
  await stage.write("count", "3");
  await stage.write("how", "0");
  await stage.write("eur", "1.5");
  await stage.write("place", '{"city": "Rome"}');
  await stage.press("Approve with changes");
  const args = { count: 3, how: "card", extra: "kept", eur: 1.5, memo: null, place: { city: "Rome" } };
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "edit", edited_action: { name: "order", args } }] });
});

test("arguments that are no object are edited as one", async () => {
  const { stage, answer } = staged({ kind: "approval_batched", actions: [{ name: "run", args: [1, 2] }] });
  await stage.press("Edit");
  await stage.write("arguments", "[3]");
  await stage.press("Approve with changes");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "edit", edited_action: { name: "run", args: [3] } }] });
});

test("arguments of which something was left out can only be rejected (F-C2)", () => {
  const args = { text: { $truncated: { bytes: 10_200_000, preview: '"abc' } } };
  const { stage } = staged({ kind: "approval_batched", actions: [{ name: "save", args }] });
  expect(stage.buttons(stage.group("save"))).toEqual(["Reject"]);
  expect(stage.group("save").textContent).toContain("The first 4 characters of 10 MB were told.");
  expect(stage.group("save").textContent).toContain("Not all of it was told");
});

test("several answers are sent together, and may change until then (parallel questions)", async () => {
  const { stage, answer } = staged({ kind: "approval_batched", actions: [ACTION, OTHER] }, { value: "Your name?" });
  const [pay, write] = [stage.group("pay"), stage.group("write")];
  const send = () => stage.button("Send answers");
  await stage.press("Reject", pay);
  await stage.press("Reject", pay);
  expect(stage.text("[role=status]")).toBe("rejected");
  await stage.press("Approve", write);
  expect(send().disabled).toBe(true);
  await stage.write("Answer", "Zoë");
  expect(send().disabled).toBe(false);
  await stage.press("Approve", pay);
  expect(stage.button("Approve", pay).getAttribute("aria-pressed")).toBe("true");
  expect(answer).not.toHaveBeenCalled();
  await stage.press("Send answers");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: [{ type: "approve" }, { type: "approve" }], q2: "Zoë" });
});

test("what hides in a question is written out", () => {
  for (const value of ["Pay \u202eevil\u001b[2J?", { question: "Pay \u202eevil\u001b[2J?" }])
    expect(staged({ value }).stage.group("an answer").textContent).toContain("Pay \\u202eevil\\x1b[2J?");
});

test("a question is answered in words", async () => {
  const { stage, answer } = staged({ value: { question: "Your **name**?", options: ["Ann", "Bob"] } });
  expect(stage.text("strong")).toBe("name");
  expect(stage.text(".lw-named")).toContain('["Ann","Bob"]');
  expect(stage.button("Send answer").disabled).toBe(true);
  await stage.write("Answer", "Zoë");
  await stage.press("Send answer");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: "Zoë" });
});

test("an answer that has a schema is given by a form", async () => {
  const { stage, answer } = staged({ value: "How many?", response_schema: SCHEMA });
  await stage.press("Send answer");
  expect(stage.all("[role=alert]").map(({ textContent }) => textContent)).toEqual([
    "must be filled in",
    "must be filled in",
  ]);
  await stage.write("count", "3");
  await stage.write("how", "1");
  await stage.press("Send answer");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: { count: 3, how: "cash", memo: null } });
});

test("yes, no and nothing are three answers where nothing may be said", async () => {
  const maybe = { anyOf: [{ type: "boolean" }, { type: "null" }] };
  const properties = { sure: maybe, loud: { type: "boolean" }, soft: { type: "boolean", default: true }, gift: maybe };
  const value = { review_configs: [{ action_name: "order", args_schema: { type: "object", properties } }] };
  const edit = async (given: Record<string, unknown>, written: Record<string, string>) => {
    const { stage, answer } = staged({ actions: [{ name: "order", args: given }], value });
    await stage.press("Edit");
    for (const [name, text] of Object.entries(written)) await stage.write(name, text);
    await stage.press("Approve with changes");
    return (answer.mock.calls[0]![0] as any).q1[0].edited_action.args;
  };
  expect(await edit({ sure: null }, {})).toEqual({ sure: null, soft: true });
  expect(await edit({ sure: null }, { sure: "1", soft: "" })).toEqual({ sure: false, soft: false });
  expect(await edit({ sure: true, loud: false }, { sure: "-1", gift: "0" })).toEqual({
    sure: null,
    loud: false,
    soft: true,
    gift: true,
  });
  expect(await edit({}, { loud: "1" })).toEqual({ loud: false, soft: true });
});

test("all of a long argument can be seen (F-C2)", async () => {
  const body = "x".repeat(250_000) + "evil";
  const { stage } = staged({ actions: [{ name: "write", args: { body } }] });
  expect(stage.text(".lw-plain")).toHaveLength(200_000);
  expect(stage.text(".lw-clipped .lw-note")).toBe("The first 200 kB of 250 kB are shown.");
  await stage.press("Show all (1 line)");
  expect(stage.text(".lw-plain")).toBe(body);
  expect(stage.all(".lw-clipped .lw-note")).toHaveLength(0);
});

test.each([
  ["a value", { id: "age", value: "Your age?" }, (stage: Stage) => stage.press("Send answer")],
  ["a decision", { id: "age", actions: [ACTION] }, (stage: Stage) => stage.press("Approve")],
  ["a breakpoint", { id: "age", kind: "breakpoint" }, (stage: Stage) => stage.press("Go on")],
])("what is asked again at once, in the same words, is answered again: %s", async (_, question, send) => {
  const deed = vi.fn(async () => {});
  const stage = new Stage(waiting(question), { answer: deed, goOn: deed });
  const write = async () => {
    if (stage.all("textarea").length) await stage.write("Answer", "old");
  };
  await write();
  await send(stage);
  stage.tell(...waiting(question)); // within one frame
  expect(stage.all("textarea").map((field) => (field as HTMLTextAreaElement).value)).toEqual(
    "value" in question ? [""] : [],
  );
  await write();
  await send(stage);
  expect(deed).toHaveBeenCalledTimes(2);
});

test("an answer of one plain kind has one field", async () => {
  const { stage, answer } = staged({ value: "Sure?", response_schema: { type: "boolean" } });
  await stage.write("Answer", "true");
  await stage.press("Send answer");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: true });
});

test("one form among several questions is taken first, and sent with the others", async () => {
  const { stage, answer } = staged({ value: "Sure?", response_schema: { type: "boolean" } }, { actions: [ACTION] });
  await stage.press("Take this answer");
  expect(stage.text("[role=status]")).toBe("taken");
  await stage.press("Approve");
  await stage.press("Send answers");
  expect(answer).toHaveBeenCalledExactlyOnceWith({ q1: false, q2: [{ type: "approve" }] });
});

test("a breakpoint is left by going on", async () => {
  const goOn = vi.fn(async () => {});
  const stage = new Stage(waiting({ id: "breakpoint", kind: "breakpoint", value: { next: ["tools"] } }), { goOn });
  expect(stage.text(".lw-questions")).toContain("Stopped before tools.");
  await stage.press("Go on");
  expect(goOn).toHaveBeenCalledOnce();
});

test("an answer that is refused is said to be, and can be given again", async () => {
  const answer = vi.fn(async () => Promise.reject(new Error("the turn is over")));
  const stage = new Stage(waiting({ actions: [ACTION] }), { answer });
  await stage.press("Approve");
  expect(stage.text("[role=alert]")).toBe("the turn is over");
  expect(stage.button("Approve").disabled).toBe(false);
});

test("who only reads is offered nothing", () => {
  const stage = new Stage(waiting({ actions: [ACTION] }, { value: "Why?" }));
  expect(stage.buttons()).toEqual([]);
  expect(stage.text(".lw-questions")).toContain("Why?");
});

test("a question that was answered folds away where it was asked", async () => {
  const { stage } = staged({ actions: [ACTION] });
  expect(stage.all(".lw-asked")).toHaveLength(0);
  stage.tell({ type: "turn_start", turn_id: "t2", cause: "resume" }, { type: "turn_end", outcome: "complete" });
  expect(stage.all("[role=group]")).toHaveLength(0);
  await stage.unfold();
  expect(stage.text(".lw-asked")).toContain("eur7");
});
