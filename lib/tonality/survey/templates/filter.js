// Filters the examples by tone and words. Without JavaScript the whole table is shown, and the controls are hidden.
(function () {
  "use strict";
  const filters = document.getElementById("filters");
  const buttons = Array.from(filters.querySelectorAll("button"));
  const search = document.getElementById("words");
  const status = document.getElementById("shown");
  const noMatch = document.getElementById("no-match");
  const normalized = (text) => text.normalize("NFKC").toLowerCase().replaceAll("ё", "е");
  const rows = Array.from(document.querySelectorAll("#examples-table tbody tr")).map((element) => ({
    element: element,
    tone: element.dataset.tone,
    text: normalized(element.querySelector(".author").textContent + " " + element.querySelector(".text").textContent)
  }));
  let tone = "";

  function apply() {
    const words = normalized(search.value).split(/\s+/);
    let count = 0;
    rows.forEach((row) => {
      const matches = (!tone || row.tone === tone) && words.every((word) => row.text.includes(word));
      row.element.hidden = !matches;
      count += matches ? 1 : 0;
    });
    status.textContent = count + " of " + rows.length + " shown";
    noMatch.hidden = count > 0;
  }

  buttons.forEach((button) => {
    button.addEventListener("click", () => {
      tone = button.dataset.tone;
      buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      apply();
    });
  });
  search.addEventListener("input", apply);
  filters.hidden = false;
  // On returning to the page the browser may have kept the words.
  apply();
})();
