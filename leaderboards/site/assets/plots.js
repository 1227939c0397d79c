// Draws the figures of a page when they come into view. A legend button shows or hides one model in all of them.
(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const hidden = new Set();
  const coarse = matchMedia("(pointer: coarse)").matches;
  const base = {
    font: { family: "system-ui, sans-serif", size: 12, color: "#222" },
    margin: { l: 52, r: 10, t: 8, b: 40 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "#fff",
    showlegend: false,
    hovermode: "closest",
    dragmode: coarse ? false : "zoom", // dragging must scroll the page on a phone
  };
  const axis = { gridcolor: "#e4e4e4", zerolinecolor: "#999", linecolor: "#999", automargin: true };
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  };

  function draw(place) {
    if (place.dataset.drawn) return;
    place.dataset.drawn = "yes";
    const figure = figures[place.dataset.plot];
    const layout = { ...base, ...figure.layout };
    for (const name of ["xaxis", "yaxis"]) layout[name] = { ...axis, ...layout[name] };
    if (layout.height) place.style.height = `${layout.height}px`;
    const data = figure.data.map((trace) => ({ ...trace, visible: !hidden.has(trace.meta) }));
    Plotly.newPlot(place, data, layout, config);
  }

  function toggle(entry, show) {
    if (show) hidden.delete(entry);
    else hidden.add(entry);
    for (const chip of document.querySelectorAll(".chip"))
      if (chip.dataset.entry === entry) chip.setAttribute("aria-pressed", String(show));
    for (const place of document.querySelectorAll(".plot[data-drawn]")) {
      const rows = place.data.flatMap((trace, n) => (trace.meta === entry ? [n] : []));
      if (rows.length) Plotly.restyle(place, { visible: show }, rows);
    }
  }

  addEventListener("DOMContentLoaded", () => {
    const places = [...document.querySelectorAll(".plot")];
    const seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries)
          if (entry.isIntersecting) {
            seen.unobserve(entry.target);
            draw(entry.target);
          }
      },
      { rootMargin: "400px" },
    );
    for (const place of places) seen.observe(place);
    for (const chip of document.querySelectorAll(".chip"))
      chip.addEventListener("click", () => toggle(chip.dataset.entry, chip.getAttribute("aria-pressed") !== "true"));
    addEventListener("beforeprint", () => {
      for (const fold of document.querySelectorAll("details.fold")) fold.open = true;
      for (const place of places) draw(place);
    });
  });
})();
