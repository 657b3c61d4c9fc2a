// Knows how the parts of a message look: text, thinking, and tool calls with their results.
import { MessagePrimitive, type ToolCallMessagePartProps } from "@assistant-ui/react";

export function ToolCall({ toolName, argsText, result, isError }: ToolCallMessagePartProps) {
  return (
    <div className={isError ? "tool failed" : "tool"}>
      <code>
        {toolName} {argsText}
      </code>
      {result !== undefined && <p>{typeof result === "string" ? result : JSON.stringify(result)}</p>}
    </div>
  );
}

export function Message({ role }: { role: string }) {
  return (
    <MessagePrimitive.Root className={`message ${role}`}>
      <MessagePrimitive.Parts>
        {({ part }) => {
          if (part.type === "text") return <p className="text">{part.text}</p>;
          if (part.type === "reasoning") return <p className="reasoning">{part.text}</p>;
          return part.type === "tool-call" ? (part.toolUI ?? <ToolCall {...part} />) : null;
        }}
      </MessagePrimitive.Parts>
      <MessagePrimitive.Error>
        <p className="error">This answer broke off.</p>
      </MessagePrimitive.Error>
    </MessagePrimitive.Root>
  );
}
