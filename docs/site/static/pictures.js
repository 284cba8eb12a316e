// Draws each <pre class="mermaid">, in the colours of the page, and anew when these change.
document.addEventListener("DOMContentLoaded", () => {
  const pictures = [...document.querySelectorAll("pre.mermaid")].map((element) => [element, element.textContent]);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let drawn;

  async function draw() {
    const theme = document.body.dataset.theme;
    const wanted = theme === "dark" || (theme !== "light" && dark.matches) ? "dark" : "neutral";
    if (wanted === drawn) return;
    drawn = wanted;
    const fontFamily = getComputedStyle(document.body).fontFamily; // a name: Mermaid measures text outside of the page
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme: wanted, fontFamily });
    for (const [number, [element, text]] of pictures.entries()) {
      element.innerHTML = (await mermaid.render(`picture-${number}`, text)).svg;
      element.classList.add("drawn");
    }
  }

  draw();
  dark.addEventListener("change", draw);
  new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-theme"] });
});
