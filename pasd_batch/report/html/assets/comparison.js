"use strict";
(() => {
  const form = document.getElementById("sides");
  if (!form) return;

  function arrange() {
    const [left, right] = ["left", "right"].map((name) => form.elements.namedItem(name).value);
    for (const slider of document.querySelectorAll("img-comparison-slider")) {
      const pictures = [...slider.querySelectorAll("img")];
      const there = pictures.map((picture) => picture.dataset.label);
      const own = [slider.dataset.left, slider.dataset.right];
      let first = there.includes(left) ? left : own[0];
      let second = there.includes(right) ? right : own[1];
      // The same picture on both sides compares nothing: on one the other that was compared takes its place.
      const other = own.find((label) => label !== first);
      if (first === second && left) second = other;
      else if (first === second) first = other;
      for (const picture of pictures) {
        picture.removeAttribute("slot");
        if (picture.dataset.label === first) picture.slot = "first";
        if (picture.dataset.label === second) picture.slot = "second";
      }
      slider.setAttribute("aria-label", `${slider.dataset.name}: ${first} and ${second}`);
      slider.nextElementSibling.replaceChildren(...[first, second].map((label) => Object.assign(document.createElement("span"), { textContent: label })));
    }
  }

  form.addEventListener("input", arrange);
  form.addEventListener("submit", (event) => event.preventDefault());
})();
