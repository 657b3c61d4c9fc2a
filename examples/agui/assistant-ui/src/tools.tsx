// Knows the tools that run in the page itself: their arguments stream in, their results go back with the next run.
import { AuiConfig, defineToolkit, Tools } from "@assistant-ui/react";
import { ToolCall } from "./parts";

const toolkit = defineToolkit({
  set_color: {
    type: "frontend",
    description: "Set the color of the page.",
    parameters: {
      type: "object",
      properties: { color: { type: "string", description: "a CSS color" } },
      required: ["color"],
    },
    execute: async ({ color }: { color: string }) => {
      document.body.style.background = color;
      return `The page is ${color} now.`;
    },
    render: ToolCall,
  },
});

export const tools = AuiConfig({ tools: Tools({ toolkit }) });
