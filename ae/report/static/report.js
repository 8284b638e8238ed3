"use strict";

// Theme: what the reader chose here before, or what their system prefers.
const stored = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
document.documentElement.dataset.theme = stored || preferred;

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const show = () => {
    const dark = document.documentElement.dataset.theme === "dark";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark));
  };
  show();
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* a page from a file may not store */ }
    show();
  });
  document.querySelectorAll(".learning").forEach(learning);
  document.querySelectorAll(".plane").forEach(plane);
});

// The epoch slider changes the picture, the other one the line between input and output.
function learning(figure) {
  const frames = JSON.parse(figure.dataset.frames);
  const over = figure.querySelector(".over");
  const [time, cut] = [figure.querySelector(".time"), figure.querySelector(".cut")];
  for (const frame of frames) new Image().src = frame.image; // fetched before they are needed
  const choose = () => {
    const frame = frames[Number(time.value)];
    over.src = frame.image;
    figure.querySelector(".epoch").textContent = frame.epoch;
    figure.querySelector(".loss").textContent = frame.loss;
    time.setAttribute("aria-valuetext", `epoch ${frame.epoch}, loss ${frame.loss}`);
  };
  const divide = () => figure.querySelector(".stack").style.setProperty("--cut", `${cut.value}%`);
  time.addEventListener("input", choose);
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
    dot.style.background = COLOURS[dot.dataset.class];
  });

  function draw(z) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    data.codes.forEach((code, i) => {
      const [x, y] = toPixels(code);
      context.fillStyle = COLOURS[data.labels[i]];
      context.beginPath();
      context.arc(x, y, 2.5, 0, 2 * Math.PI);
      context.fill();
    });
    const [x, y] = toPixels(z);
    context.strokeStyle = "#000";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  }

  function tile(element, picture, columns, index) {
    const size = element.clientWidth;
    element.style.backgroundImage = `url("${picture}")`;
    element.style.backgroundSize = `${columns * size}px auto`;
    const [column, row] = [index % columns, Math.floor(index / columns)];
    element.style.backgroundPosition = `${-column * size}px ${-row * size}px`;
  }

  function choose(z) {
    root.z = [0, 1].map((k) => Math.min(Math.max(z[k], data.low[k]), data.high[k]));
    const steps = [0, 1].map((k) =>
      Math.round((root.z[k] - data.low[k]) / span[k] * (data.tiles - 1)));
    tile(root.querySelector(".decoded"), data.decoded, data.tiles, steps[1] * data.tiles + steps[0]);
    const distances = data.codes.map(
      (code, i) => [Math.hypot(code[0] - root.z[0], code[1] - root.z[1]), i]);
    const nearest = distances.sort((a, b) => a[0] - b[0]).slice(0, 3).map((pair) => pair[1]);
    root.querySelectorAll(".item").forEach((element, k) => {
      tile(element, data.items, data.columns, nearest[k] ?? nearest[0]);
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
}
