// Draws the interactive chart from the page's data block. Until then the static chart is shown.
(function () {
  "use strict";
  var page = document.documentElement;
  if (!window.Plotly) return;
  var figure = JSON.parse(document.getElementById("figure").textContent);
  // On touch screens dragging scrolls the page; the buttons zoom.
  if (window.matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
  page.classList.add("interactive");
  window.Plotly.newPlot("chart", figure.data, figure.layout, figure.config).catch(function (error) {
    page.classList.remove("interactive");
    throw error;
  });
})();
