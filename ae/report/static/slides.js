"use strict";

// The theme that the reader chose on a page of the report, or that their system prefers.
const chosen = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
document.documentElement.dataset.theme = chosen || preferred;

document.addEventListener("DOMContentLoaded", () => {
  const slides = [...document.querySelectorAll(".slide")];
  const number = document.querySelector(".slide-foot output");
  let shown = 0;

  // The address names the slide, so that it can be sent and loaded again.
  const show = () => {
    const wanted = Number(location.hash.slice(1)) || 1;
    shown = Math.min(Math.max(wanted, 1), slides.length) - 1;
    slides.forEach((slide, i) => slide.classList.toggle("current", i === shown));
    number.textContent = `${shown + 1} / ${slides.length}`;
  };
  const open = (index) => {
    const nearest = Math.min(Math.max(index, 0), slides.length - 1);
    history.replaceState(null, "", `#${nearest + 1}`);
    show();
  };
  const next = () => open(shown + 1);
  const previous = () => open(shown - 1);
  const fullScreen = () =>
    document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();

  const KEYS = { // also those that clickers send
    ArrowRight: next, ArrowDown: next, PageDown: next, " ": next,
    ArrowLeft: previous, ArrowUp: previous, PageUp: previous,
    Home: () => open(0), End: () => open(slides.length - 1), f: fullScreen,
  };
  document.addEventListener("keydown", (event) => {
    const pressed = event.target.closest("button, a") && event.key === " "; // it is a click then
    if (pressed || event.ctrlKey || event.altKey || event.metaKey || !(event.key in KEYS)) return;
    event.preventDefault();
    event.key === " " && event.shiftKey ? previous() : KEYS[event.key]();
  });

  for (const [id, go] of [["next", next], ["previous", previous]]) {
    const button = document.getElementById(id);
    button.addEventListener("click", go);
    button.addEventListener("mousedown", (event) => event.preventDefault()); // keep the focus out
  }

  let start = null;
  document.addEventListener("touchstart", (event) => {
    start = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  document.addEventListener("touchend", (event) => {
    if (!start) return;
    const [x, y] = ["clientX", "clientY"].map((side) => event.changedTouches[0][side] - start[side]);
    if (Math.abs(x) > 40 && Math.abs(x) > 2 * Math.abs(y)) x < 0 ? next() : previous();
  });

  document.documentElement.classList.add("playing");
  addEventListener("hashchange", show);
  show();
});
