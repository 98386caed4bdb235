// Runs before the page is drawn: the theme chosen earlier, if any; otherwise the system's.
(function () {
  "use strict";
  var root = document.documentElement;
  function stored() {
    try { return window.localStorage.getItem("ovbench-theme"); } catch (error) { return null; }
  }
  function dark() {
    return root.dataset.theme
      ? root.dataset.theme === "dark"
      : window.matchMedia("(prefers-color-scheme: dark)").matches;
  }
  var chosen = stored();
  if (chosen === "light" || chosen === "dark") { root.dataset.theme = chosen; }
  root.classList.add("scripted");
  document.addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    if (!button) { return; }
    function show() { button.setAttribute("aria-pressed", String(dark())); }
    show();
    button.addEventListener("click", function () {
      root.dataset.theme = dark() ? "light" : "dark";
      try { window.localStorage.setItem("ovbench-theme", root.dataset.theme); } catch (error) { /* not kept */ }
      show();
    });
  });
})();
