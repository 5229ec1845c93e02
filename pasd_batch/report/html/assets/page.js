"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50;
  const form = document.getElementById("filters");
  const field = (name) => form.elements.namedItem(name);
  const scoresAt = data.columns.length;
  const headings = [...data.columns, ...data.scores];
  // Scores stand beside the photos, and what no photo has is no column.
  const of = (names) => names.filter((name) => data.filled.includes(name)).map((name) => data.columns.indexOf(name));
  const visible = [...of(["photo", "status", "issues"]), ...data.scores.flatMap((name, number) => (data.filled.includes(name) ? [scoresAt + number] : [])), ...of(data.columns.slice(3))];
  const state = { rows: data.rows, found: [], sort: null, falling: false, page: 0, first: 0 };

  const value = (row, column) => (column < scoresAt ? row[column] : row[scoresAt][column - scoresAt] ?? null);
  const hidden = (row, name) => row[scoresAt + 1 + data.hidden.indexOf(name)];

  function option(select, text, chosen) {
    const made = document.createElement("option");
    made.textContent = text;
    made.value = chosen;
    select.append(made);
  }

  function passes(row) {
    const text = field("text").value.trim().toLowerCase();
    if (text && !["photo", "issues", "cause", "message", "warnings"].some((name) => String(row[data.columns.indexOf(name)]).toLowerCase().includes(text))) return false;
    if (field("status").value && row[data.columns.indexOf("status")] !== field("status").value) return false;
    const issue = field("issue")?.value;
    if (issue && !row[data.columns.indexOf("issues")].split(", ").includes(issue)) return false;
    const [low, high] = [field("low").value, field("high").value];
    if (low === "" && high === "") return true;
    const score = value(row, scoresAt + Number(field("score").value));
    return score !== null && (low === "" || score >= Number(low)) && (high === "" || score <= Number(high));
  }

  function compare(first, second) {
    const [a, b] = [value(first, state.sort), value(second, state.sort)];
    if (a === b) return 0;
    if (a === null || a === "") return 1;
    if (b === null || b === "") return -1;
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
    return state.falling ? -order : order;
  }

  function search() {
    state.found = state.rows.filter(passes);
    if (state.sort !== null) state.found.sort(compare);
    state.page = 0;
    draw();
  }

  function cell(row, content, kind) {
    const made = document.createElement("td");
    const inner = document.createElement("bdi");
    // Names and paths break behind their parts, if they have to.
    for (const part of (content === null ? "" : String(content)).split(/(?<=[\/_-])/)) inner.append(part, document.createElement("wbr"));
    if (kind) made.className = kind;
    made.append(inner);
    row.append(made);
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(state.found.length / PAGE));
    const body = document.querySelector("#rows tbody");
    body.replaceChildren();
    for (const row of state.found.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
      const line = document.createElement("tr");
      for (const column of visible) cell(line, value(row, column), { issues: "words", photo: "text", message: "text", warnings: "text" }[headings[column]]);
      line.dataset.row = state.first + state.rows.indexOf(row);
      body.append(line);
    }
    document.getElementById("shown").textContent = `${state.found.length.toLocaleString("en")} of ${state.rows.length.toLocaleString("en")} photos` + (data.files ? ` in this part, ${data.photos.toLocaleString("en")} in all` : "");
    document.getElementById("page").textContent = `page ${state.page + 1} of ${pages}`;
    document.getElementById("earlier").disabled = state.page === 0;
    document.getElementById("later").disabled = state.page + 1 >= pages;
    document.querySelectorAll("#rows th").forEach((heading, place) => {
      if (visible[place] === state.sort) heading.setAttribute("aria-sort", state.falling ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
  }

  function sortBy(column) {
    state.falling = state.sort === column && !state.falling;
    state.sort = column;
    search();
  }

  function head() {
    const line = document.createElement("tr");
    for (const column of visible) {
      const heading = document.createElement("th");
      const button = document.createElement("button");
      heading.scope = "col";
      button.type = "button";
      for (const part of headings[column].split(/(?<=_)/)) button.append(part, document.createElement("wbr"));
      button.addEventListener("click", () => sortBy(column));
      heading.append(button);
      line.append(heading);
    }
    document.querySelector("#rows thead").append(line);
    data.scores.forEach((name, number) => option(field("score"), name, number));
  }

  function save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  function exportManifest() {
    const lines = state.found.map((row) => {
      const line = { id: hidden(row, "photo_id"), uri: hidden(row, "uri") };
      for (const name of ["reference_uri", "color_reference_uri", "mask_uri", "prompt"]) if (hidden(row, name) !== null) line[name] = hidden(row, name);
      if (hidden(row, "page") !== null) line.file_page = hidden(row, "page");
      // Every line has all of them, since a manifest must have the columns that its run names.
      for (const name of data.own) line[name] = null;
      return JSON.stringify(Object.assign(line, JSON.parse(hidden(row, "settings") ?? "{}")));
    });
    save("selection.jsonl", "application/x-ndjson", lines.join("\n") + "\n");
  }

  // A spreadsheet takes a text that begins like this for a formula.
  const plain = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quoted = (content) => `"${plain(content === null ? "" : String(content)).replaceAll('"', '""')}"`;

  function exportCsv() {
    const lines = [[...headings, ...data.hidden].map(quoted).join(",")];
    for (const row of state.found) lines.push([...headings.keys()].map((column) => value(row, column)).concat(data.hidden.map((name) => hidden(row, name))).map(quoted).join(","));
    save("selection.csv", "text/csv", "\ufeff" + lines.join("\r\n") + "\r\n");
  }

  function show(row) {
    const shown = document.getElementById(`photo-${row}`);
    if (shown) return shown.scrollIntoView({ block: "center" });
    const place = state.found.indexOf(state.rows[row - state.first]);
    if (place < 0) return;
    state.page = Math.floor(place / PAGE);
    draw();
    const line = document.querySelector(`#rows tr[data-row="${row}"]`);
    line.classList.add("chosen");
    line.scrollIntoView({ block: "center" });
  }

  // Data files beside the page are scripts that call this: a page that was opened as a file may load no other data.
  window.pasdRows = (number, first, rows) => {
    if (number !== Number(field("part").value)) return;
    [state.rows, state.first] = [rows, first];
    search();
  };

  function load() {
    const script = document.createElement("script");
    script.src = `data/rows-${String(field("part").value).padStart(4, "0")}.js`;
    script.addEventListener("error", () => { document.getElementById("shown").textContent = `${script.src} is not there; keep the folder data/ beside this page`; });
    document.head.append(script);
  }

  // A link to photos with an issue goes to the table, and shows them there.
  document.addEventListener("click", (event) => {
    const issue = event.target.dataset?.issue;
    if (!issue) return;
    field("issue").value = issue;
    search();
  });

  head();
  form.addEventListener("input", (event) => (event.target.name === "part" ? load() : search()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(search));
  document.getElementById("earlier").addEventListener("click", () => { state.page -= 1; draw(); });
  document.getElementById("later").addEventListener("click", () => { state.page += 1; draw(); });
  document.getElementById("export-manifest").addEventListener("click", exportManifest);
  document.getElementById("export-csv").addEventListener("click", exportCsv);
  document.addEventListener("click", (event) => { if (event.target.dataset?.row && event.target.tagName === "circle") show(Number(event.target.dataset.row)); });
  if (data.files) {
    for (let number = 0; number < data.files; number += 1) option(field("part"), `part ${number + 1} of ${data.files}`, number);
    load();
  } else {
    document.getElementById("part").remove();
    search();
  }
})();
