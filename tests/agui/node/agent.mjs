// Drives the client's agents: an order names an agent and what it is to do, and is answered under its number.
// Events are told as they come, so that whoever waits for one need not wait for the run.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";
import { orders, reason, takeWarnings, tell, view } from "./told.mjs";

/** The client's agent, which may ask for another format, and connects by a request to `connectUrl`. */
class Agent extends HttpAgent {
  constructor({ accept, connectUrl, ...config }) {
    super(config);
    this.accept = accept;
    this.connectUrl = connectUrl;
  }

  requestInit(input) {
    const init = super.requestInit(input);
    if (this.accept !== undefined) init.headers = { ...init.headers, Accept: this.accept };
    return init;
  }

  connect(input) {
    if (this.connectUrl === undefined) return super.connect(input);
    return transformHttpEventStream(runHttpRequest(() => this.fetch(this.connectUrl, this.requestInit(input))));
  }
}

const agents = new Map();

const listening = (name) => ({ onEvent: ({ event }) => tell({ agent: name, event }) });

const deeds = {
  create: (name, config) => void agents.set(name, new Agent(config)),
  forget: (name) => void agents.delete(name),
  run: (name, parameters) => agents.get(name).runAgent(parameters, listening(name)),
  connect: (name, parameters) => agents.get(name).connectAgent(parameters, listening(name)),
  abort: (name) => agents.get(name).abortRun(),
  addMessages: (name, messages) => agents.get(name).addMessages(messages),
  setMessages: (name, messages) => agents.get(name).setMessages(messages),
  setState: (name, state) => agents.get(name).setState(state),
};

async function obey({ id, agent, deed, what }) {
  let result = null;
  let error = null;
  try {
    result = (await deeds[deed](agent, what)) ?? null;
  } catch (thrown) {
    error = reason(thrown);
  }
  const known = agents.get(agent);
  tell({ id, result, error, warnings: takeWarnings(), ...(known && view(known)) });
}

for await (const order of orders()) void obey(order);
process.exit(0); // whatever still runs: nobody is left to be told
