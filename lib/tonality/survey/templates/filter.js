// Filters the examples by tone and by words. Without it the whole table shows, and no controls.
(function () {
  "use strict";
  const filters = document.getElementById("filters");
  const buttons = Array.from(filters.querySelectorAll("button"));
  const search = document.getElementById("words");
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("no-match");
  const plain = (text) => text.normalize("NFKC").toLowerCase().replaceAll("ё", "е");
  const rows = Array.from(document.querySelectorAll("#examples-table tbody tr")).map((element) => ({
    element: element,
    tone: element.dataset.tone,
    text: plain(element.querySelector(".author").textContent + " " + element.querySelector(".text").textContent)
  }));
  let tone = "";

  function apply() {
    const words = plain(search.value).split(/\s+/);
    let count = 0;
    rows.forEach((row) => {
      const fits = (!tone || row.tone === tone) && words.every((word) => row.text.includes(word));
      row.element.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = count + " of " + rows.length + " shown";
    nothing.hidden = count > 0;
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
  // A browser that comes back to the page may have kept the words.
  apply();
})();
