// Knows the tools that run in the page itself, and how the agent's own tool calls look.
import { useDefaultRenderTool, useFrontendTool } from "@copilotkit/react-core/v2";
import { z } from "zod";

export function useTools() {
  useFrontendTool({
    name: "set_color",
    description: "Set the color of the page.",
    parameters: z.object({ color: z.string().describe("a CSS color") }),
    handler: async ({ color }) => {
      document.body.style.background = color;
      return `The page is ${color} now.`;
    },
  });
  useDefaultRenderTool({
    render: ({ name, parameters, result }) => (
      <div className="tool">
        <code>
          {name} {JSON.stringify(parameters)}
        </code>
        {result !== undefined && <p>{result}</p>}
      </div>
    ),
  });
}
