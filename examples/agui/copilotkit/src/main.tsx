// A chat with the agent that `langwire serve` has at /agui.
import { CopilotChat, CopilotKitProvider } from "@copilotkit/react-core/v2";
import { createRoot } from "react-dom/client";
import { agent, forget, threadId } from "./agent";
import { useApprovals } from "./approval";
import { useTools } from "./tools";
import "@copilotkit/react-core/v2/styles.css";
import "./page.css";

function Chat() {
  useTools();
  useApprovals();
  return (
    <>
      <header>
        <h1>langwire in CopilotKit</h1>
        <button onClick={forget}>New conversation</button>
      </header>
      <CopilotChat threadId={threadId} />
    </>
  );
}

createRoot(document.getElementById("root")!).render(
  // The page speaks to the agent itself. In production CopilotKit wants its own runtime in between.
  <CopilotKitProvider agents__unsafe_dev_only={{ default: agent }} enableInspector={false}>
    <Chat />
  </CopilotKitProvider>,
);
