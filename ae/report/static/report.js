"use strict";

// What the reader chose before; a page that is opened as a file may not be allowed to store it.
const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* see above */ } };
const page = document.documentElement;

// Theme: the reader's, or what their system prefers.
const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
page.dataset.theme = stored("theme") || preferred;

// Text size, as a factor.
const SIZES = [0.8, 0.9, 1, 1.15, 1.3, 1.5, 1.75, 2];
let size = SIZES.indexOf(Number(stored("size")));
if (size < 0) size = SIZES.indexOf(1);
page.style.setProperty("--text", SIZES[size]);

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const show = () => {
    const dark = page.dataset.theme === "dark";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark));
  };
  show();
  button.addEventListener("click", () => {
    page.dataset.theme = page.dataset.theme === "dark" ? "light" : "dark";
    store("theme", page.dataset.theme);
    show();
  });
  for (const [id, by] of [["smaller", -1], ["larger", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      size = Math.min(Math.max(size + by, 0), SIZES.length - 1);
      page.style.setProperty("--text", SIZES[size]);
      store("size", SIZES[size]);
    });
  }
  const nav = document.querySelector(".top nav"); // where it is too long, it begins at this page
  nav.scrollLeft = (nav.querySelector("[aria-current]")?.offsetLeft ?? 0) - nav.offsetLeft - 8;
  document.querySelectorAll("#code").forEach(join);
  document.querySelectorAll(".learning").forEach(learning);
  document.querySelectorAll(".plane").forEach(plane);
});

// Lines of both styles that do the same, and their equation: to point at one marks all.
function join(root) {
  const parts = [...root.querySelectorAll("[data-steps]")];
  const bar = root.querySelector(".joint");
  if (!bar) return;
  const stepsOf = (element) => element?.dataset.steps.split(" ") ?? [];
  let [hovered, focused, kept] = [[], [], []];
  let shown = "";
  const show = () => {
    const steps = [hovered, focused, kept].find((some) => some.length) ?? [];
    for (const part of parts) {
      part.classList.toggle("marked", stepsOf(part).some((step) => steps.includes(step)));
    }
    for (const button of root.querySelectorAll(".step button")) {
      button.setAttribute("aria-pressed", String(kept.includes(button.parentNode.dataset.steps)));
    }
    if (steps.join() === shown) return;
    shown = steps.join();
    bar.replaceChildren(...steps.map((step) => {
      const item = root.querySelector(`#step-${step}`).cloneNode(true);
      item.removeAttribute("id");
      return item;
    }));
    bar.hidden = !steps.length;
  };
  const fit = () => {
    for (const cell of root.querySelectorAll(".columns > .cell")) { // one that is too high ends below
      cell.style.top = `${Math.min(0, innerHeight - cell.offsetHeight)}px`;
    }
  };
  new ResizeObserver(fit).observe(root);
  addEventListener("resize", fit);
  const under = (target) => bar.contains(target) ? null : target.closest?.("[data-steps]");
  root.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" || bar.contains(event.target)) return;
    hovered = stepsOf(under(event.target));
    show();
  });
  root.addEventListener("pointerleave", () => { hovered = []; show(); });
  root.addEventListener("focusin", (event) => {
    if (bar.contains(event.target)) return;
    focused = stepsOf(under(event.target));
    show();
  });
  root.addEventListener("focusout", (event) => {
    if (bar.contains(event.relatedTarget) || bar.contains(event.target)) return;
    focused = [];
    show();
  });
  root.addEventListener("click", (event) => {
    const step = event.target.closest(".step button")?.parentNode.dataset.steps;
    if (!step) return;
    kept = kept.includes(step) ? [] : [step];
    hovered = focused = [];
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hovered = focused = kept = [];
    show();
  });
}

// One slider changes the epoch of both styles, the other one the line between input and output.
function learning(root) {
  const [play, time, cut] = [".play", ".time", ".cut"].map((name) => root.querySelector(name));
  const styles = [...root.querySelectorAll(".frames")].map(
    (figure) => [figure, JSON.parse(figure.dataset.frames)]);
  const choose = () => {
    let frame;
    for (const [figure, frames] of styles) {
      frame = frames[time.value];
      figure.querySelector(".over").src = frame.image;
      figure.querySelector(".loss").textContent = frame.loss;
    }
    root.querySelector(".epoch").textContent = frame.epoch;
    time.setAttribute("aria-valuetext", `epoch ${frame.epoch}`);
  };
  const divide = () => root.style.setProperty("--cut", `${cut.value}%`);
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const advance = () => {
    time.value = Number(time.value) + 1;
    choose();
    if (time.value === time.max) stop();
  };
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (time.value === time.max) time.value = 0;
    choose();
    play.textContent = "Pause";
    timer = setInterval(advance, 900);
  });
  time.addEventListener("input", () => { stop(); choose(); });
  cut.addEventListener("input", divide);
  choose();
  divide();
}

const COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd",
  "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];

// A plane of codes: the pointer or the arrow keys choose one; its tile and its neighbours are shown.
function plane(root) {
  const data = JSON.parse(document.getElementById(root.dataset.plane).textContent);
  const canvas = root.querySelector("canvas");
  const context = canvas.getContext("2d");
  const span = [data.high[0] - data.low[0], data.high[1] - data.low[1]];
  const toPixels = ([x, y]) => [
    (x - data.low[0]) / span[0] * canvas.width,
    canvas.height - (y - data.low[1]) / span[1] * canvas.height,
  ];
  root.querySelectorAll(".dot").forEach((dot) => {
    dot.style.background = COLOURS[dot.dataset.class % COLOURS.length];
  });
  const count = {};
  const order = data.labels // the first dot of each class, then the second: no class hides another
    .map((label, i) => [count[label] = (count[label] ?? 0) + 1, i])
    .sort((a, b) => a[0] - b[0])
    .map((pair) => pair[1]);

  function draw(z) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const i of order) {
      const [x, y] = toPixels(data.codes[i]);
      context.fillStyle = COLOURS[data.labels[i] % COLOURS.length];
      context.beginPath();
      context.arc(x, y, 2.5, 0, 2 * Math.PI);
      context.fill();
    }
    const [x, y] = toPixels(z);
    context.strokeStyle = "#000";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }

  function tile(element, picture, columns, rows, index) {
    const [column, row] = [index % columns, Math.floor(index / columns)];
    const share = (position, of) => `${of > 1 ? 100 * position / (of - 1) : 0}%`;
    element.style.backgroundImage = `url("${picture}")`;
    element.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    element.style.backgroundPosition = `${share(column, columns)} ${share(row, rows)}`;
  }

  function choose(z) {
    root.z = [0, 1].map((k) => Math.min(Math.max(z[k], data.low[k]), data.high[k]));
    const steps = [0, 1].map((k) =>
      Math.round((root.z[k] - data.low[k]) / span[k] * (data.tiles - 1)));
    const index = steps[1] * data.tiles + steps[0];
    const decoded = root.querySelector(".decoded");
    if (!window.live?.show(root.dataset.label, root.z, decoded)) { // else decoded in this page
      tile(decoded, data.decoded, data.tiles, data.tiles, index);
    }
    const distances = data.codes.map(
      (code, i) => [Math.hypot(code[0] - root.z[0], code[1] - root.z[1]), i]);
    const nearest = distances.sort((a, b) => a[0] - b[0]).slice(0, 3).map((pair) => pair[1]);
    const rows = Math.ceil(data.codes.length / data.columns);
    root.querySelectorAll(".item").forEach((element, k) => {
      tile(element, data.items, data.columns, rows, nearest[k] ?? nearest[0]);
    });
    root.querySelector(".names").textContent =
      nearest.map((i) => data.classes[data.labels[i]]).join(", ");
    root.querySelector(".z").textContent = root.z.map((v) => v.toFixed(2)).join(", ");
    draw(root.z);
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    choose([
      data.low[0] + (event.clientX - box.left) / box.width * span[0],
      data.high[1] - (event.clientY - box.top) / box.height * span[1],
    ]);
  }
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!(event.key in move)) return;
    event.preventDefault();
    choose([0, 1].map((k) => root.z[k] + move[event.key][k] * span[k] / (data.tiles - 1)));
  });
  choose([0, 1].map((k) => (data.low[k] + data.high[k]) / 2));
  document.addEventListener("live", () => choose(root.z));
}
