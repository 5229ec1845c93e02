"use strict";
// On paper no divider moves: there the pictures of a photo stand side by side.
addEventListener("beforeprint", () => {
  document.body.classList.add("printing");
  for (const slider of document.querySelectorAll("img-comparison-slider")) {
    const row = document.createElement("div");
    row.className = "printed";
    for (const picture of slider.querySelectorAll("img")) {
      const place = document.createElement("div");
      const copy = picture.cloneNode();
      copy.removeAttribute("slot");
      place.append(copy, picture.dataset.label);
      row.append(place);
    }
    slider.after(row);
  }
});
addEventListener("afterprint", () => {
  document.body.classList.remove("printing");
  document.querySelectorAll(".printed").forEach((row) => row.remove());
});
