// Knows whether the notebook around us is light or dark, in the words of each: JupyterLab, Notebook, VS Code, Colab.

/** Have `data-lw-theme` of an element say what is around it, now and whenever that changes; returns how to end it. */
export function followTheme(element: HTMLElement): () => void {
  const follow = (): void => {
    const theme = themeOf(document.documentElement, document.body);
    if (theme === null) delete element.dataset["lwTheme"];
    else element.dataset["lwTheme"] = theme;
  };
  const observer = new MutationObserver(follow);
  for (const one of [document.documentElement, document.body]) observer.observe(one, { attributes: true });
  follow();
  return () => observer.disconnect();
}

/** Null where nobody says it: then it is as the system has it. */
function themeOf(html: HTMLElement, body: HTMLElement): "light" | "dark" | null {
  const jupyter = body.dataset["jpThemeLight"];
  if (jupyter !== undefined) return jupyter === "false" ? "dark" : "light";
  const code = body.dataset["vscodeThemeKind"] ?? body.className;
  if (/vscode-(dark|high-contrast(?!-light))/.test(code)) return "dark";
  if (/vscode-/.test(code)) return "light";
  const colab = html.getAttribute("theme");
  return colab === "dark" || colab === "light" ? colab : null;
}
