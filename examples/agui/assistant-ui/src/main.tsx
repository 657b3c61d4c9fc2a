// A chat with the agent that `langwire serve` has at /agui.
import { AssistantRuntimeProvider, AuiIf, ComposerPrimitive, ThreadPrimitive } from "@assistant-ui/react";
import { useAgUiRuntime } from "@assistant-ui/react-ag-ui";
import { createRoot } from "react-dom/client";
import { agent, forget, history } from "./agent";
import { Approvals } from "./approval";
import { Message } from "./parts";
import { tools } from "./tools";
import "./page.css";

function Chat() {
  const runtime = useAgUiRuntime({ agent, adapters: { history } });
  return (
    <AssistantRuntimeProvider runtime={runtime} config={tools}>
      <header>
        <h1>langwire in assistant-ui</h1>
        <button onClick={forget}>New conversation</button>
      </header>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Viewport className="messages">
          <ThreadPrimitive.Messages>{({ message }) => <Message role={message.role} />}</ThreadPrimitive.Messages>
          <Approvals />
        </ThreadPrimitive.Viewport>
        <ComposerPrimitive.Root className="composer">
          <ComposerPrimitive.Input placeholder="The weather in Oslo, on a pink page" autoFocus />
          <AuiIf condition={({ thread }) => !thread.isRunning}>
            <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
          </AuiIf>
          <AuiIf condition={({ thread }) => thread.isRunning}>
            <ComposerPrimitive.Cancel>Stop</ComposerPrimitive.Cancel>
          </AuiIf>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.getElementById("root")!).render(<Chat />);
