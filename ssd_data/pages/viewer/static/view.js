// Toggles of what is drawn, arrow keys, progress. Without this the page still browses.
"use strict";

// ---- what is drawn: the address's "hide" says it, and links that keep the selection follow ----
const toggles = [...document.querySelectorAll(".toggle")];

function draw() {
  const off = toggles.filter((t) => t.getAttribute("aria-pressed") === "false").map((t) => t.dataset.hide);
  const hidden = new Set(off);
  for (const mark of document.querySelectorAll(".mark")) {
    mark.classList.toggle("off", hidden.has(mark.dataset.label) || hidden.has(mark.dataset.kind));
  }
  return off;
}

function toggle(event) {
  const button = event.currentTarget;
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") === "false");
  const off = draw();
  const here = new Set(toggles.map((t) => t.dataset.hide));
  const kept = (new URLSearchParams(location.search).get("hide") || "").split(",");
  const hide = kept.filter((word) => word && !here.has(word)).concat(off).join(",");
  const rewrite = (address) => {
    const url = new URL(address, location.href);
    if (hide) url.searchParams.set("hide", hide);
    else url.searchParams.delete("hide");
    return url.href.replaceAll("%2C", ",");
  };
  history.replaceState(null, "", rewrite(location.href));
  for (const link of document.querySelectorAll("a.keeps")) link.href = rewrite(link.href);
}

for (const button of toggles) button.addEventListener("click", toggle);
draw();

// ---- arrow keys ----
const ways = { ArrowLeft: "prev", ArrowRight: "next", ArrowUp: "up" };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea")) return;
  const link = event.key in ways && document.querySelector(`a[rel="${ways[event.key]}"]`);
  if (!link) return;
  event.preventDefault();
  location.assign(link.href);
});

// ---- marks: said to the server, shown when it has them in the file ----
const marking = document.getElementById("mark");

async function mark() {
  const on = marking.getAttribute("aria-pressed") === "false";
  const said = document.getElementById("unmarked");
  try {
    const answer = await fetch(on ? marking.dataset.mark : marking.dataset.unmark, { method: "POST" });
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
    const state = await answer.json();
    marking.setAttribute("aria-pressed", state.marked);
    marking.querySelector("span").textContent = state.marked ? "marked" : "mark";
    document.querySelector("#marked b").textContent = state.all.toLocaleString("en");
    said.textContent = "";
  } catch (error) {
    said.textContent = `not kept: ${error.message}`;
  }
}

if (marking) {
  marking.addEventListener("click", mark);
  addEventListener("keydown", (event) => {
    if (event.key !== "m" || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!event.target.closest("input, select, textarea")) mark();
  });
}

// ---- names on boxes: of one size, however large the picture ----
function letters() {
  for (const svg of document.querySelectorAll(".sight .canvas")) {
    const matrix = svg.getScreenCTM();
    if (matrix) svg.style.fontSize = `${13 / matrix.a}px`;
  }
}
addEventListener("resize", letters);
letters();

// ---- filters ----
const filters = document.querySelector(".filters");
if (filters) {
  const form = filters.querySelector("form");
  if (matchMedia("(max-width: 40rem)").matches && !("used" in filters.dataset)) filters.open = false;
  for (const select of form.querySelectorAll("select")) {
    select.addEventListener("change", () => form.requestSubmit());
  }
  form.addEventListener("submit", () => {
    for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
  });
  // Whoever comes back finds them as they were.
  addEventListener("pageshow", () => {
    for (const field of form.elements) field.disabled = false;
  });
}

// ---- the index ----
const progress = document.getElementById("progress");
async function watch() {
  const state = await (await fetch(progress.dataset.state)).json();
  progress.querySelector("progress").value = state.done;
  const [done, all] = [state.done, state.records].map((n) => n.toLocaleString("en"));
  progress.querySelector("span").textContent = `${done} of ${all}`;
  if (!state.ready) setTimeout(watch, 300);
  else if (progress.dataset.waiting === "true" || !document.activeElement.closest("form")) location.reload();
  else progress.textContent = "All boxes are read: the filters know them with the next page.";
}
if (progress) watch();
