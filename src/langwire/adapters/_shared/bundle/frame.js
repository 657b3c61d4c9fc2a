// Knows how a page that a tool made is put into its frame: placed and styled by this script, which alone runs there.
(() => {
  const tell = (told) =>
    parent.postMessage({ lw: told, height: Math.ceil(document.documentElement.getBoundingClientRect().height) }, "*");
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || typeof data?.lwHtml !== "string") return;
    const sheets = data.lwStyles.map((text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      return sheet;
    });
    document.adoptedStyleSheets = sheets;
    const read = new DOMParser().parseFromString(data.lwHtml, "text/html");
    document.body.replaceChildren(...read.body.childNodes);
    for (const element of document.querySelectorAll("[data-lw-style]")) {
      element.style.cssText = element.dataset.lwStyle;
    }
    tell("height");
  });
  new ResizeObserver(() => tell("height")).observe(document.documentElement);
  tell("ready");
})();
