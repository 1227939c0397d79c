// Filters the rows of a table, and lets its headings be reached by keyboard; sortable.min.js sorts.
(() => {
  "use strict";
  for (const field of document.querySelectorAll("input[data-filter]")) {
    const name = field.dataset.filter;
    const count = document.querySelector(`[data-count="${CSS.escape(name)}"]`);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...document.getElementById(name).tBodies[0].rows];
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
  }
  for (const heading of document.querySelectorAll("table.sortable thead th"))
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        heading.click();
      }
    });
})();
