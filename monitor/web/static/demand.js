"use strict";
// Draws the page's chart in the theme that was chosen, or in the system's.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const draw = () => window.liveCharts.draw(document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light"));
  system.addEventListener("change", draw);
  draw();
})();
