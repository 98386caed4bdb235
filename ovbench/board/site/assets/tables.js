// Filters of a table, and what sortable-tablesort leaves to the page: first direction, a spoken report.
(function () {
  "use strict";

  // Names and ranks are read upwards first; the library starts downwards.
  document.addEventListener("click", function (event) {
    var head = event.target instanceof Element ? event.target.closest("th[data-first=ascending]") : null;
    if (head && !head.hasAttribute("aria-sort")) { head.setAttribute("aria-sort", "descending"); }
  }, true);

  document.querySelectorAll("[data-shows-all]").forEach(function (button) {
    button.addEventListener("click", function () {
      document.getElementById(button.dataset.showsAll).classList.remove("limited");
      button.remove();
    });
  });

  document.querySelectorAll("[data-filters]").forEach(function (form) {
    var table = document.getElementById(form.dataset.filters);
    var status = form.querySelector("[role=status]");
    var words = form.querySelector("[name=words]");
    var kinds = Array.from(form.querySelectorAll("[name=kind]"));
    var ranked = form.querySelector("[name=ranked]");
    var texts = new WeakMap();

    function text(row) {
      if (!texts.has(row)) { texts.set(row, row.textContent.toLowerCase()); }
      return texts.get(row);
    }

    function filter() {
      var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = new Set(kinds.filter(function (box) { return box.checked; }).map(function (box) { return box.value; }));
      var seen = 0, all = 0;
      Array.from(table.tBodies).forEach(function (body) {
        if (body.classList.contains("group")) { return; }
        Array.from(body.rows).forEach(function (row) {
          var stays = (!kinds.length || shown.has(row.dataset.kind)) &&
            !(ranked && ranked.checked && !row.dataset.ranked) &&
            wanted.every(function (word) { return text(row).includes(word); });
          row.hidden = !stays;
          all += 1;
          seen += stays ? 1 : 0;
        });
      });
      status.textContent = seen + " of " + all + " rows";
    }

    form.addEventListener("input", filter);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("reset", function () { window.setTimeout(filter, 0); });
    table.addEventListener("sort-end", function () {
      var head = table.querySelector("th[aria-sort]");
      if (head) { status.textContent = "Sorted by " + head.textContent.trim() + ", " + head.getAttribute("aria-sort"); }
    });
    filter();
  });
})();
