// Draws the chart from the page's data block. Until it does, the picture stands in the chart's place.
(function () {
  "use strict";
  var page = document.documentElement;
  if (!window.Plotly) return;
  var figure = JSON.parse(document.getElementById("figure").textContent);
  // A finger that drags means to scroll the page; there the buttons zoom.
  if (window.matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
  page.classList.add("interactive");
  window.Plotly.newPlot("chart", figure.data, figure.layout, figure.config).catch(function (fault) {
    page.classList.remove("interactive");
    throw fault;
  });
})();
